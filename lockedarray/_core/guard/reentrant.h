/*
 * ReentrantLock: a RegionLock that is itself a lock object, the array's RLock.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_REENTRANT_H_
#define LOCKEDARRAY_CORE_GUARD_REENTRANT_H_

#include "guard/region_lock.h"

int la_reentrant_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_REENTRANT_H_ */
