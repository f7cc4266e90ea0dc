/*
 * The monitor inside a lock: its mutex, the list of holds, the queue of
 * waiters, and the rule for who may run. Private to the core.
 *
 * Invariant, whenever the mutex is free:
 *   1. No two holds conflict.
 *   2. The state word says what the lists say: LA_FREE when both are empty,
 *      LA_INLINE for one hold and no waiter, else LA_LISTED.
 *   3. The queue is ordered by age, oldest first.
 *   4. A waiter that has not been signalled is truly blocked: a hold is in
 *      its way, or, if it holds nothing itself, an older waiter is.
 * The fourth is why no wake-up is lost; la_queue_serve_locked restores it
 * after each step that takes a hold or a waiter away.
 *
 * Lock order: the graph's mutex, then one lock's mutex. Nobody has the mutexes
 * of two locks. While it is held: no allocation, no callback (but la_lock_visit),
 * no sleep.
 */
#ifndef LOCKEDARRAY_CORE_MONITOR_H_
#define LOCKEDARRAY_CORE_MONITOR_H_

#include "lock/regionlock.h"

/* A thread in the queue of a lock; lives on that thread's stack. */
struct la_waiter {
    la_lock *lock;
    la_hold *hold;
    la_thread *thread;
    int64_t since;
    bool nested;            /* the thread holds something, of any lock */

    /* Under the lock's mutex. */
    la_waiter *next;
    la_waiter *previous;
    bool queued;
    bool signalled;         /* woken to try again, and has not tried yet */

    /* Set as the last thing that another thread does to this waiter. */
    atomic_bool granted;
};

/* Threads to wake once the mutex is free. */
#define LA_WAKES 8
typedef struct {
    int count;
    la_thread *threads[LA_WAKES];
} la_wakes;

/* Takes the mutex and brings the lock into the list form. */
void la_lock_enter(la_lock *lock, la_thread *self);

/*
 * Gives the mutex back, and wakes. A thread that goes on waiting for the lock
 * keeps its note that it is inside.
 */
void la_lock_leave(la_lock *lock, la_thread *self, la_wakes *wakes,
                   bool stays_inside);

void la_holds_link_locked(la_lock *lock, la_hold *hold, la_thread *owner);
void la_holds_unlink_locked(la_lock *lock, la_hold *hold);

/* Does a hold of another thread conflict with this one? */
bool la_holds_block_locked(const la_lock *lock, const la_hold *hold,
                           const la_thread *thread);

/* Do any two parts of the two conflict? (Owners are the caller's business.) */
bool la_holds_conflict(const la_hold *a, const la_hold *b);

/* May a newcomer run, or a waiter that was signalled? */
bool la_may_run_locked(const la_waiter *waiter);

/* By age: a waiter that comes back after an interrupt keeps its place. */
void la_queue_insert_locked(la_waiter *waiter);
void la_queue_remove_locked(la_waiter *waiter);

/*
 * Hands the lock to each waiter that may run and is old enough, and signals
 * each other one that may run. To be called after each step that takes away a
 * hold, a waiter, or a signal.
 */
void la_queue_serve_locked(la_lock *lock, la_wakes *wakes);

#endif  /* LOCKEDARRAY_CORE_MONITOR_H_ */
