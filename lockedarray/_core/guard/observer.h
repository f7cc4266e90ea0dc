/*
 * The observer: what traces and the debug mode are told of locks, as it happens. It is
 * an object in Python (`_guards/observing.py`); while there is none, all this costs is
 * one look at a flag.
 *
 * It is told with the lock in hand, or after that was given back, and so may use no lock
 * that it could wait for. A signal may strike in it, and a warning that it gives may be
 * an error: where a hold was acquired, the acquire fails; elsewhere that is raised a little
 * later. That it is out of memory, or too deep, makes no operation fail.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_OBSERVER_H_
#define LOCKEDARRAY_CORE_GUARD_OBSERVER_H_

#include "guard/python.h"

#include "lock/acquire.h"

extern _Atomic(bool) la_observed;

/* Relaxed: who begins to observe sees what begins later. */
static inline bool
la_is_observed(void)
{
    return atomic_load_explicit(&la_observed, memory_order_relaxed);
}

/* A hold was acquired: 0, or -1 with an error, and it is to be given back. */
int la_observe_taken(const la_lock *lock, const la_hold *hold);

/* Somebody waited for it from `since` until now, whatever came of it. */
void la_observe_waited(const la_lock *lock, const la_hold *hold, int64_t since);

/* It was given back, by the thread that calls. The record may be used again already. */
void la_observe_given(const la_hold *hold);

int la_observer_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_OBSERVER_H_ */
