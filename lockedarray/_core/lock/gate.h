/*
 * Forks beside threads that wait for the monitor of a lock between processes.
 *
 * A fork takes the mutexes of the graph and of the registry, so that nobody is amid a change of what
 * these guard. Who has one of them may have to wait for a monitor, which a process that is stopped
 * keeps for as long as it likes. But such a thread changes nothing: it *stalls*, and a fork goes on
 * without the mutex. It may come back from the wait meanwhile, but no further than the gate.
 *
 * Lock order: the gate's mutex is a leaf.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_GATE_H_
#define LOCKEDARRAY_CORE_LOCK_GATE_H_

#include "lock/parker.h"

/* The mutexes that a fork takes and that may be had while a monitor is waited for. */
typedef enum {
    LA_GATE_GRAPH,
    LA_GATE_REGISTRY,
    LA_GATES,
} la_gate;

void la_gate_lock(la_gate gate);
void la_gate_unlock(la_gate gate);

/* Around a wait for a monitor, by whoever has any of them, or none. */
void la_gate_stall(void);
void la_gate_go_on(void);

/* Takes one for a fork, or finds its thread stalled, which it is then until the other two. */
void la_gate_fork_prepare(la_gate gate);
void la_gate_fork_parent(la_gate gate);
void la_gate_fork_child(la_gate gate);

#endif  /* LOCKEDARRAY_CORE_LOCK_GATE_H_ */
