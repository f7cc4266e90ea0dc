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

/* Makes an object of what is listed; NULL without an error leaves it out. */
typedef PyObject *(*la_lock_convert)(const la_hold_info *info, const void *context);

/* A list of what `convert` makes of each region held or waited for. */
PyObject *la_region_lock_list(la_region_lock *lock, la_lock_convert convert,
                              const void *context);

int la_region_lock_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_REGION_LOCK_H_ */
