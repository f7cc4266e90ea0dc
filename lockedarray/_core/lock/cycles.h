/*
 * The wait-for graph over all locks of the process: would this wait close a
 * cycle?
 *
 * Its nodes are waiters. Edges are not stored; they are read off the lists when
 * somebody asks:
 *
 *   - hard, from a waiter to the one by which the owner of a hold waits that is in
 *     its way, or by which another owner waits in the thread to which that one is
 *     bound: the thread has to come back first; both, where no thread sleeps in the owner's
 *     own wait (awaiting.h);
 *   - soft, from a waiter to each older one of the same lock that it heeds. It does
 *     not matter whether that one is aside, or young: so an edge to it is there from
 *     the beginning, and never comes into being later.
 *
 * A cycle of hard edges is a deadlock, and is refused. One that has a soft edge is
 * dissolved: who stands behind another overtakes it.
 *
 * Invariant, whenever the graph's mutex is free: owner.waits is set for each
 * owner that waits in a thread that holds something, and does not handle a
 * signal (it is away, queue.h). While it is set, the
 * owner acquires nothing and releases nothing (an outer wait is aside, see
 * queue.h). A thread leaves la_acquire only after clearing it under this mutex, so
 * what it waits by stays readable. A waiter whose thread holds nothing may leave
 * at any time: it is looked at under its lock's mutex alone. No hard edge goes
 * to it, and when it comes nobody stands behind it; so it closes no cycle.
 *
 * Lock order: the graph's mutex, then the mutex of one lock after the other.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_CYCLES_H_
#define LOCKEDARRAY_CORE_LOCK_CYCLES_H_

#include "lock/queue.h"

/* Why a wait was refused. Names, not pointers: the lock may be gone. */
typedef struct {
    uint64_t blocker;       /* ident of the thread that is in the way */
    uint64_t blocker_subject;   /* of its owner (owner.h) */
    uint64_t waits_for;     /* serial of the lock for which that one waits */
    uint64_t last;          /* ident of the thread that waits for the caller */
    uint64_t last_subject;
    int length;             /* owners in the cycle; 2: blocker is last; 1: see below */
    bool of_one_lock;       /* all of them wait for the caller's lock */
} la_deadlock;
/* Of a length of 1 the blocker is another owner of the caller's own thread. */

void la_graph_lock(void);
void la_graph_unlock(void);

/*
 * Enters the waiter, which is queued, into the graph. True when it closes a
 * cycle; it has been left out of the graph then, and `deadlock` filled in. Where
 * waiters overtake others for its sake, they are offered the lock; it may be one.
 */
bool la_graph_add_locked(la_hold *waiter, la_deadlock *deadlock);

/* Takes the owner of the waiter out of the graph. */
void la_graph_remove(la_hold *waiter);


#endif  /* LOCKEDARRAY_CORE_LOCK_CYCLES_H_ */
