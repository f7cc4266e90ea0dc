/*
 * The registry: which threads and owners there are, which owner is current in a
 * thread, and what becomes of their holds when they end, or when whoever keeps a
 * hold is gone.
 *
 * The end of a thread and the end of a keeper exclude each other by the registry's
 * mutex: exactly one of the two gives a kept hold back.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_REGISTRY_H_
#define LOCKEDARRAY_CORE_LOCK_REGISTRY_H_

#include "lock/acquire.h"

extern LA_THREAD_LOCAL la_thread *la_thread_current;

la_thread *la_thread_begin_slow(void);

/* The record of the calling thread; NULL when out of memory. */
static inline la_thread *
la_thread_self(void)
{
    la_thread *self = la_thread_current;
    return LA_LIKELY(self != NULL) ? self : la_thread_begin_slow();
}

/*
 * What the floor above does to a hold, with all that is chained to it, that
 * somebody else than its keeper is about to give back; NULL for nothing. (It is set by
 * array/raw.c, which makes raw views read-only.) It is called under the registry's
 * mutex, in any thread, and also in a forked child: it may write to memory, and do no
 * more.
 */
extern void (*la_on_hold_end)(la_hold *hold);

/*
 * Gives back a hold that its keeper leaves, in whatever thread; its lock is free at
 * once. False if it was given back before.
 */
bool la_abandon(la_kept kept, la_thread *self);

/* The same of what nothing was written by: nobody takes it for a change. */
bool la_abandon_unwritten(la_kept kept, la_thread *self);

/*
 * Gives holds back that stay kept, and are the current owner's of the calling thread
 * (suspend.h). What was abandoned before is taken out.
 */
void la_registry_suspend(la_kept *kept, size_t count, la_thread *self);

/*
 * Before they are put back: a slot for each that nobody abandoned, where the lock is between
 * processes; false: there is no room.
 */
bool la_registry_make_room(const la_kept *kept, size_t count, la_lock *lock, la_thread *self);

/*
 * Puts those back among the holds of their lock that nobody abandoned, while this thread has
 * `all`, which excludes what they exclude; NULL: abandons them.
 */
void la_registry_resume(const la_kept *kept, size_t count, const la_hold *all, la_thread *self);

/*
 * Calls `visit`, under the registry's mutex and the lock's, for each hold of the lock
 * that is the current owner's of the calling thread: it may look, and no more. While
 * that one has all of the lock to write, nobody else has any.
 */
void la_lock_visit_mine(la_lock *lock, la_thread *self,
                        void (*visit)(la_hold *hold, void *context), void *context);

/*
 * Calls `visit`, under the registry's mutex, for each lock that some owner holds, or that
 * a thread waits for, once for each such hold: it may look, and no more. No thread may be
 * amid an acquire or a release meanwhile, other than asleep in its wait; the floor above
 * sees to that.
 */
void la_registry_visit_locks(void (*visit)(la_lock *lock, void *context), void *context);

/* The calling thread ends: gives back all that its owners hold. */
void la_thread_end_holds(la_thread *self);

/* A new owner, of no thread; NULL when out of memory. */
la_owner *la_owner_new(void);

/* Nobody will use it any more: what it holds is abandoned. It is current in no thread. */
void la_owner_free(la_owner *owner, la_thread *self);

/*
 * Makes an owner, which is current in no thread, the current one of the calling
 * thread; NULL: the one that the thread began with. Returns the one before, NULL if
 * that was it; or `owner` itself if it is current elsewhere, or can go on in another
 * thread alone (owner.h), or holds more of locks between processes than there is room for
 * (seats.h); and nothing is changed.
 */
la_owner *la_owner_exchange(la_thread *self, la_owner *owner);

void la_registry_fork_prepare(void);
void la_registry_fork_parent(void);
/* Gives back the records of all threads but the calling one. */
void la_registry_fork_child(void);

#endif  /* LOCKEDARRAY_CORE_LOCK_REGISTRY_H_ */
