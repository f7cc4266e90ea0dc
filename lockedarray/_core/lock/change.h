/*
 * Waiting for a change: until somebody has given back a write that overlaps.
 *
 *     la_change_watch(lock, hold, self, ...)      while the hold is held
 *     la_give_back(hold, self)                    nothing was written
 *     la_change_wait(watch, self, ...)
 *     la_change_end(watch, self, ...)             in every case
 *     la_acquire(...)                             and look again
 *
 * A *watch* is a record of regions, a read as it were, in the set `changes` of its lock.
 * It is put there while what it watches is held, so no change falls between the look and
 * the wait. While there is one, the lock stays in the list form (regionlock.h): so each
 * release comes through the mutex, looks, and tells (la_changes_tell_locked). While there
 * is none, nobody pays anything.
 *
 * Of a watch that was told `granted` is set, once and for all. Who waits for a change
 * has no place in any queue, and is in no wait-for graph: anybody may bring it about.
 *
 * Who may touch what: `granted`, `waking` and `wake_next` as in a waiter (queue.h). The
 * list of all watches, by `outer` and `newer`, is under a mutex of its own, a leaf, which
 * a fork holds: in the child the watches of gone threads are no more.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_CHANGE_H_
#define LOCKEDARRAY_CORE_LOCK_CHANGE_H_

#include "lock/acquire.h"

/*
 * Watches the regions of a hold, with all that is chained to it, which the calling thread
 * has. `others`: watches of other locks, or NULL; what is returned stands for all, and the
 * end of one is the end of all. NULL when out of memory, with `others` as they were.
 *
 * `*full` is set where a lock between processes has no room; then that is why. It may be NULL.
 *
 * Of such a lock those who are not threads are told of changes by this process alone, and not of
 * each: they are to look by themselves, too.
 *
 * `notify` NULL: the calling thread is woken. Else that is called once for each lock of
 * which there is a change, in the thread that made it, with no mutex held but the monitor of a
 * lock between processes, and finds
 * `context` in watch->subject; it may use no lock of this kind, and take no time.
 */
la_hold *la_change_watch(la_lock *lock, const la_hold *hold, la_thread *self, la_hold *others,
                         void (*notify)(la_hold *watch), void *context, bool *full);

/* Was there a change of what it stands for? */
static inline bool
la_change_is_seen(const la_hold *watch)
{
    /* Acquire: pairs with the release in la_changes_tell_locked. */
    while (watch != NULL && !atomic_load_explicit(&watch->granted, memory_order_acquire)) {
        watch = watch->older;
    }
    return watch != NULL;
}

/* Waits for one: LA_OK, LA_TIMEOUT, or LA_INTERRUPTED. Hooks as of la_acquire. */
la_status la_change_wait(la_hold *watch, la_thread *self, int64_t deadline,
                         const la_wait_hooks *hooks);

/*
 * No longer watches; the records go to the calling thread, which need not be the one that
 * began. When it returns, nobody calls `notify` any more; it may wait for that, between
 * the hooks before_wait and after_wait.
 */
void la_change_end(la_hold *watch, la_thread *self, const la_wait_hooks *hooks);

/* Has the current owner of the calling thread another hold of this lock, beside this one? */
bool la_lock_is_mine_beside(const la_lock *lock, const la_hold *hold, la_thread *self);

/* Calls `visit`, under a mutex, for the lock of each watch: it may look, and no more. */
void la_changes_visit_locks(void (*visit)(la_lock *lock, void *context), void *context);

void la_changes_fork_prepare(void);
void la_changes_fork_parent(void);
/* NULL: the calling thread has no record. */
void la_changes_fork_child(la_thread *self);

#endif  /* LOCKEDARRAY_CORE_LOCK_CHANGE_H_ */
