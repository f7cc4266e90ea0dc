/*
 * The wait-for graph over all locks of the process: would this wait close a
 * cycle?
 *
 * Edges are not stored; they are read off the lists of holds when somebody
 * asks:
 *
 *   - from an owner that waits to each owner whose hold is in its way;
 *   - from an owner that does not wait, but is bound to a thread in which
 *     another owner waits, to that one: the thread has to come back first.
 *
 * A thread of which no owner holds anything is waited for by nobody and so in
 * no cycle: it never comes here.
 *
 * Invariant, whenever the graph's mutex is free: owner.waits is set for each
 * owner that waits in a thread that holds something. While it is set, its
 * thread acquires nothing and releases nothing (an outer wait is aside, see
 * queue.h). It leaves la_acquire only after clearing it under this mutex, so
 * what it waits by stays readable.
 *
 * Lock order: the graph's mutex, then the mutex of one lock after the other.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_CYCLES_H_
#define LOCKEDARRAY_CORE_LOCK_CYCLES_H_

#include "lock/queue.h"

/* Why a wait was refused. Names, not pointers: the lock may be gone. */
typedef struct {
    uint64_t blocker;       /* ident of the thread that is in the way */
    uint64_t waits_for;     /* serial of the lock for which that one waits */
    uint64_t last;          /* ident of the thread that waits for the caller */
    int length;             /* owners in the cycle; 2: blocker is last; 1: see below */
    bool of_one_lock;       /* all of them wait for the caller's lock */
} la_deadlock;
/* Of a length of 1 the blocker is another owner of the caller's own thread. */

void la_graph_lock(void);
void la_graph_unlock(void);

/*
 * Enters the waiter, which is queued, into the graph. True when it closes a
 * cycle; it has been left out of the graph then, and `deadlock` filled in.
 */
bool la_graph_add_locked(la_hold *waiter, la_deadlock *deadlock);

/* Takes the owner of the waiter out of the graph. */
void la_graph_remove(la_hold *waiter);

void la_graph_fork_child(void);

#endif  /* LOCKEDARRAY_CORE_LOCK_CYCLES_H_ */
