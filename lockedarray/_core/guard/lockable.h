/*
 * Lockable: the lock objects that a RegionLock gives out.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_LOCKABLE_H_
#define LOCKEDARRAY_CORE_GUARD_LOCKABLE_H_

#include "guard/region_lock.h"

/*
 * The arguments of acquire() of a lock: until when to wait, and whether that is `limited`, by a
 * timeout, which may be longer than any deadline. 0, or -1 with an error.
 */
int la_lockable_deadline(PyObject *blocking, PyObject *timeout, int64_t *deadline, bool *limited);

int la_lockable_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_LOCKABLE_H_ */
