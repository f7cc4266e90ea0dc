/*
 * What a RegionLock is made of: the C lock, inside a Python object.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_LOCK_OBJECT_H_
#define LOCKEDARRAY_CORE_GUARD_LOCK_OBJECT_H_

#include "guard/python.h"
#include "lock/regionlock.h"

#include <stddef.h>

typedef struct {
    PyObject_HEAD
    la_lock *lock;          /* the one below; NULL before __init__ */
    PyObject *below;        /* somebody else's lock to be taken, too, or NULL */
    PyObject *known_as;     /* a tuple for messages, which is in lock_names, too; or NULL */
    la_lock room;
} la_region_lock;

/* In the cache line of the state is not the reference count, which others write to. */
_Static_assert(offsetof(la_region_lock, room.state) - offsetof(PyObject, ob_type)
               >= LA_CACHE_LINE - sizeof(void *), "the state of a lock is too near to its beginning");

/* A borrowed reference: all locks are in such objects. */
static inline PyObject *
la_region_lock_object(const la_lock *lock)
{
    return (PyObject *)((char *)(uintptr_t)lock - offsetof(la_region_lock, room));
}

#endif  /* LOCKEDARRAY_CORE_GUARD_LOCK_OBJECT_H_ */
