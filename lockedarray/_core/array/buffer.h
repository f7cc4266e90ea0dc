/*
 * BufferBase: what a Buffer has in C, which is all that an operation needs to know
 * of it; and which facades are on it.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_BUFFER_H_
#define LOCKEDARRAY_CORE_ARRAY_BUFFER_H_

#include "array/facade.h"
#include "guard/arrays.h"

typedef struct {
    PyObject_HEAD
    PyObject *lock;         /* la_region_lock, or NULL before __init__ */
    /*
     * Set under the write lock of everything, for good. Release, and acquire
     * by readers, which then take no lock: all that was written is seen.
     */
    _Atomic(char) frozen;
    char whole;             /* the lock is shared: regions would mix up */
    char growing;           /* a general version is about to move it, or to change its rows */
    char foreign;           /* the memory is the caller's: it never moves */
    /*
     * The facades, from their attachment until the beginning of their end,
     * by la_facade.next. Under the critical section of the object (the GIL,
     * before 3.13).
     */
    la_facade *facades;
    /*
     * Where the current memory begins. Relaxed: it changes under the write
     * lock of everything, and who read it before that lock compares again.
     */
    _Atomic(uintptr_t) origin;
    _Atomic(uintptr_t) extent;          /* in bytes */
    _Atomic(PyObject *) memory;         /* the current Memory; a reference */
    /* Of the class in Python, or NULL: the policy for objects, the name, a weak reference
       to the array that owns the Buffer. */
    PyObject *objects, *name, *owner;
    PyObject *operating;    /* a dict, or NULL as yet: raw views of operations of general versions */
    /* Of an array that processes share: an la_watched, which lives as long; else 0. */
    _Atomic(uintptr_t) watched;
} la_buffer_object;

/* What other processes change, and what this one has of it. */
typedef struct {
    uint64_t word;          /* where their number of the layout stands */
    _Atomic(uint64_t) shown;            /* the number of the layout that the arrays here show */
} la_watched;

extern PyTypeObject *la_buffer_type;

static inline bool
la_is_frozen(const la_buffer_object *buffer)
{
    return atomic_load_explicit(&buffer->frozen, memory_order_acquire) != 0;
}

/* The lock of a facade, whatever its elements are; NULL: the general path. */
static inline la_region_lock *
la_facade_lock_of_any(PyObject *object)
{
    la_buffer_object *buffer = (la_buffer_object *)la_facade_of(object)->buffer;

    if (!LA_LIKELY(buffer != NULL)) {
        return NULL;
    }
    la_region_lock *lock = (la_region_lock *)buffer->lock;
    return lock != NULL && lock->below == NULL ? lock : NULL;
}

/* The lock of a facade that is not special; NULL: the general path. */
static inline la_region_lock *
la_facade_lock(PyObject *object)
{
    return PyDataType_REFCHK(la_fields(object)->descr) ? NULL : la_facade_lock_of_any(object);
}

/*
 * The region of what a facade shows, in bytes from the start of its memory.
 * Never empty: whoever works on an array without a byte keeps its shape from
 * changing. A view is somewhere that only a resize wants, too; what is no view
 * has the byte at which it would begin, as it may grow.
 */
void la_facade_region(PyObject *facade, const la_buffer_object *buffer,
                      la_region *region);

/* What is locked for these bytes: all data if the lock is shared, and never nothing. */
static inline void
la_region_settle(la_region *region, const la_buffer_object *buffer)
{
    if (la_region_is_empty(region)) {
        la_region_set_nowhere(region);
    }
    else if (buffer->whole) {
        la_region_set_data(region);
    }
}

/* As la_facade_settle, of a Buffer with something to watch. */
int la_buffer_settle(la_buffer_object *buffer);

/*
 * Has an array show what another process has made of it, before its shape is asked for without its
 * lock: 0, or -1 with an error, as where it is closed. Of arrays of this process alone it is one
 * look.
 */
static inline int
la_facade_settle(PyObject *object)
{
    la_buffer_object *buffer = (la_buffer_object *)la_facade_of(object)->buffer;

    if (LA_LIKELY(buffer == NULL
                  || atomic_load_explicit(&buffer->watched, memory_order_relaxed) == 0)) {
        return 0;
    }
    return la_buffer_settle(buffer);
}

/* Have an array among those of its Buffer, while it lives. */
void la_buffer_know(la_buffer_object *buffer, PyObject *facade);
/* It is about to be gone. */
void la_buffer_forget(la_buffer_object *buffer, la_facade *facade);

int la_buffer_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_BUFFER_H_ */
