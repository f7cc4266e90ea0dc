/*
 * RegionLock: the C lock in a Python object.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_REGION_LOCK_H_
#define LOCKEDARRAY_CORE_GUARD_REGION_LOCK_H_

#include "guard/interpreter.h"

typedef struct {
    PyObject_HEAD
    la_lock *lock;          /* in a cache line of its own, inside `block`; NULL before __init__ */
    void *block;
    PyObject *below;        /* somebody else's lock to be taken, too, or NULL */
} la_region_lock;

extern PyTypeObject *la_region_lock_type;

int la_region_lock_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_REGION_LOCK_H_ */
