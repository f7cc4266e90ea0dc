/*
 * The wait-for graph over all locks of the process: would this wait close a
 * cycle? Private to the core.
 *
 * An edge goes from a waiter to each thread whose hold is in its way. Edges
 * are not stored; they are read off the lists of holds when somebody asks. A
 * thread that holds nothing is waited for by nobody and so in no cycle: it
 * never comes here.
 *
 * Invariant, whenever the graph's mutex is free: thread.waits is set for each
 * thread that waits while it holds something. A thread leaves la_acquire only
 * after clearing it under this mutex, so what it waits in stays readable.
 *
 * Lock order: the graph's mutex, then the mutex of one lock after the other.
 */
#ifndef LOCKEDARRAY_CORE_CYCLES_H_
#define LOCKEDARRAY_CORE_CYCLES_H_

#include "lock/monitor.h"

void la_graph_lock(void);
void la_graph_unlock(void);

/*
 * Enters the waiter, which is queued, into the graph. True when it closes a
 * cycle; it has been left out of the graph then, and `deadlock` filled in.
 */
bool la_graph_add_locked(la_waiter *waiter, la_deadlock *deadlock);

/* Takes the thread out of the graph. */
void la_graph_remove(la_thread *self);

void la_graph_fork_child(void);

#endif  /* LOCKEDARRAY_CORE_CYCLES_H_ */
