/*
 * Facade: what a LockedArray has behind the fields of ndarray.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_FACADE_H_
#define LOCKEDARRAY_CORE_ARRAY_FACADE_H_

#include "array/numpy.h"

#include <stdatomic.h>

#define LA_SPARES 2

/* What few facades need: made when it is first needed, and kept until the facade is gone. */
typedef struct {
    PyObject *earlier;      /* what it showed before resizes */
    /* What its last guards gave out, the newest first; see raw.c. */
    _Atomic(PyObject *) spares[LA_SPARES];
} la_facade_rare;

typedef struct la_facade la_facade;
struct la_facade {
    PyObject *buffer;       /* la_buffer_object; NULL while NumPy fills it */
    PyObject *owner;
    PyObject *attributes;   /* a dict, or NULL as yet: what others give it */
    _Atomic(la_facade_rare *) rare;     /* or NULL as yet */
    /*
     * What operations work on: exact ndarrays over the same memory, made when
     * first needed and dropped when a resize changes the facade. The garbage
     * collector does not see them, so nobody gets at a writable array.
     */
    _Atomic(PyObject *) raw_read;
    _Atomic(PyObject *) raw_write;
    /* Among those of its Buffer; `back` is what points here, NULL for no list. */
    la_facade *next;
    la_facade **back;
    char may_write;
    char augmented;         /* a view that x[i] += ... has read, and not yet assigned */
};

extern PyTypeObject *la_array_type;
extern PyTypeObject *la_class;      /* LockedArray, set once by connect() */
extern Py_ssize_t la_facade_offset;

static inline la_facade *
la_facade_of(PyObject *array)
{
    return (la_facade *)((char *)array + la_facade_offset);
}

static inline PyObject *
la_facade_object(la_facade *facade)
{
    return (PyObject *)((char *)facade - la_facade_offset);
}

static inline la_facade_rare *
la_facade_rare_of(const la_facade *facade)
{
    /* Acquire: pairs with the release of who made it; it is complete. */
    return atomic_load_explicit(&facade->rare, memory_order_acquire);
}

/* Made now, if there is none; NULL when out of memory, without an error. */
la_facade_rare *la_facade_make_rare(la_facade *facade);

static inline bool
la_is_facade(PyObject *object)
{
    return Py_TYPE(object) == la_class || PyObject_TypeCheck(object, la_array_type);
}

/*
 * A LockedArray, not of a subclass: those may have methods of their own that
 * NumPy would call.
 */
static inline bool
la_is_exact(PyObject *object)
{
    return Py_TYPE(object) == la_class;
}

#endif  /* LOCKEDARRAY_CORE_ARRAY_FACADE_H_ */
