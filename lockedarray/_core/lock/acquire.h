/*
 * Acquire and release: what callers of the lock use, with region.h, hold.h,
 * registry.h and fork.h.
 *
 *     la_thread *self = la_thread_self();
 *     la_hold *hold = la_hold_new(self, LA_WRITE);
 *     la_region_set_array(&hold->region, ...);
 *     if (la_acquire(lock, hold, self, LA_NEVER, &hooks, &deadlock) == LA_OK) {
 *         ...
 *         la_release(hold, self);
 *     }
 *     la_hold_free(hold, self);
 *
 * What a caller must see to:
 *   - A lock outlives every call on it, and each hold of it.
 *   - A hold is released by the thread in which its owner is current or bound;
 *     anybody else abandons it (registry.h).
 *   - No call on a lock from a signal handler in C, or from before_wait or
 *     after_wait.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_ACQUIRE_H_
#define LOCKEDARRAY_CORE_LOCK_ACQUIRE_H_

#include "lock/cycles.h"

/* As a deadline: do not wait. */
#define LA_NOW INT64_MIN

typedef enum {
    LA_OK,
    LA_TIMEOUT,
    LA_DEADLOCK,        /* waiting would have closed a cycle */
    LA_INTERRUPTED,     /* check_interrupt said so */
    LA_POISONED,        /* a process died while it wrote there (shared.h) */
    LA_FULL,            /* no more threads can share the lock, or hold more of it */
    LA_CLOSED,          /* it is between processes, and closed in this one (shared.h) */
} la_status;

/*
 * What a wait does to the caller's world. Any of them may be NULL. None is
 * called with a mutex held.
 */
typedef struct {
    void (*before_wait)(void *context);     /* let others run Python */
    void (*after_wait)(void *context);      /* and come back; must return */
    /*
     * Called between after_wait and before_wait when a signal may have arrived.
     * It may use locks, also this one; the wait keeps its place meanwhile, and may
     * be granted. Nonzero ends the wait with LA_INTERRUPTED. NULL for a thread
     * that has no signals to handle: it then sleeps in peace.
     */
    int (*check_interrupt)(void *context);
    void *context;
    int spins;      /* how often to look again before it queues, between before_wait and after_wait */
} la_wait_hooks;

la_status la_acquire_slow(la_lock *lock, la_hold *hold, la_thread *self,
                          int64_t deadline, const la_wait_hooks *hooks,
                          la_deadlock *deadlock);
bool la_try_in_turn_slow(la_lock *lock, la_hold *hold, la_thread *self);
void la_release_slow(la_hold *hold, la_thread *self);
void la_give_back_slow(la_hold *hold, la_thread *self);

/*
 * Takes the hold, waiting until `deadline`: LA_NOW, LA_NEVER or a time of
 * la_now(). `deadlock` is filled in for LA_DEADLOCK; it and `hooks` may be
 * NULL. After anything but LA_OK nothing is held or queued.
 */
static inline la_status
la_acquire(la_lock *lock, la_hold *hold, la_thread *self, int64_t deadline,
           const la_wait_hooks *hooks, la_deadlock *deadlock)
{
    if (LA_LIKELY(la_lock_claim(lock, hold, self))) {
        return LA_OK;
    }
    return la_acquire_slow(lock, hold, self, deadline, hooks, deadlock);
}

/* Takes the hold if that needs no waiting. */
static inline bool
la_try_acquire(la_lock *lock, la_hold *hold, la_thread *self)
{
    return la_acquire(lock, hold, self, LA_NOW, NULL, NULL) == LA_OK;
}

/*
 * Takes the hold if nothing is in its way at this moment, though that may be a hold of
 * somebody who is trying, or a waiter behind whom to queue would close a cycle.
 */
static inline bool
la_try_in_turn(la_lock *lock, la_hold *hold, la_thread *self)
{
    return la_lock_claim(lock, hold, self) || la_try_in_turn_slow(lock, hold, self);
}

/* Gives back what la_acquire took, with all that is chained to it. */
static inline void
la_release(la_hold *hold, la_thread *self)
{
    if (!LA_LIKELY(la_lock_unclaim(hold, self))) {
        la_release_slow(hold, self);
    }
}

/* The same of what nothing was written by: nobody takes it for a change. */
static inline void
la_give_back(la_hold *hold, la_thread *self)
{
    if (!LA_LIKELY(la_lock_unclaim(hold, self))) {
        la_give_back_slow(hold, self);
    }
}

#endif  /* LOCKEDARRAY_CORE_LOCK_ACQUIRE_H_ */
