/*
 * Lockable: the lock objects that a RegionLock gives out.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_LOCKABLE_H_
#define LOCKEDARRAY_CORE_GUARD_LOCKABLE_H_

#include "guard/region_lock.h"

int la_lockable_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_LOCKABLE_H_ */
