/*
 * RegionLock: the C lock in a Python object.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_REGION_LOCK_H_
#define LOCKEDARRAY_CORE_GUARD_REGION_LOCK_H_

#include "guard/interpreter.h"

#include <stddef.h>

typedef struct {
    PyObject_HEAD
    la_lock *lock;          /* the one below; NULL before __init__ */
    PyObject *below;        /* somebody else's lock to be taken, too, or NULL */
    /* For messages: texts, or NULL. */
    PyObject *name, *made_at;
    la_lock room;
} la_region_lock;

/* In the cache line of the state is not the reference count, which others write to. */
_Static_assert(offsetof(la_region_lock, room.state) - offsetof(PyObject, ob_type)
               >= LA_CACHE_LINE - sizeof(void *), "the state of a lock is too near to its beginning");

extern PyTypeObject *la_region_lock_type;

/* A borrowed reference: all locks are in such objects. */
static inline PyObject *
la_region_lock_object(const la_lock *lock)
{
    return (PyObject *)((char *)(uintptr_t)lock - offsetof(la_region_lock, room));
}

/* The lock in C of a new object, with the next serial number: 0, or -1 with an error. */
int la_region_lock_make(la_region_lock *self);

int la_region_lock_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_REGION_LOCK_H_ */
