/*
 * Lockable: the lock objects that a RegionLock gives out.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_LOCKABLE_H_
#define LOCKEDARRAY_CORE_GUARD_LOCKABLE_H_

#include "guard/lock_object.h"

int la_lockable_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_LOCKABLE_H_ */
