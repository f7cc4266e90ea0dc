/*
 * RegionLock: the C lock in a Python object.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_REGION_LOCK_H_
#define LOCKEDARRAY_CORE_GUARD_REGION_LOCK_H_

#include "guard/interpreter.h"
#include "guard/lock_object.h"

extern PyTypeObject *la_region_lock_type;

/* The lock in C of a new object, with the next serial number: 0, or -1 with an error. */
int la_region_lock_make(la_region_lock *self);

int la_region_lock_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_REGION_LOCK_H_ */
