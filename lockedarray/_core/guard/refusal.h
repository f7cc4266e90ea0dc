/*
 * What it means in Python that a lock was not taken.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_REFUSAL_H_
#define LOCKEDARRAY_CORE_GUARD_REFUSAL_H_

#include "guard/region_lock.h"

/* Has the words at hand, while modules can still be imported: 0, or -1 with an error. */
int la_refusal_connect(void);

/* Raises what a status other than LA_OK means; the lock was not taken. */
void la_refusal_raise(la_status status, la_region_lock *lock, const la_hold *hold,
                      const la_deadlock *deadlock);

/* Raises that a guard's predicate, of this array among others, was not true in time (seconds). */
void la_refusal_raise_not_true(PyObject *array, double timeout);

/* And that this thread has something of the lock beside the guard, so that nobody can change it. */
void la_refusal_raise_beside(la_region_lock *lock);

#endif  /* LOCKEDARRAY_CORE_GUARD_REFUSAL_H_ */
