/*
 * Operands: the LockedArrays of one operation, locked together on the stack.
 *
 * The hot operations work like this:
 *
 *     la_operation operation = {0};
 *     add each LockedArray             or take the general path
 *     la_operation_lock
 *     call NumPy with the raw views
 *     la_operation_unlock
 *
 * An operand is taken only if nothing about it is special: it is on a Buffer,
 * no lock of somebody else is below that one's, its elements are not Python
 * objects, and it may be written if it is to be. Everything else takes the
 * general path, which is written in Python above both cores and is never
 * wrong, only slower.
 *
 * Regions are computed before the lock is held, from what the facade shows
 * then. Only a resize changes that; it holds the whole Buffer for writing. So
 * once our hold is granted nothing changes any more, and one comparison tells
 * whether it changed in between.
 *
 * While an operation is locked no Python code runs but what the general path
 * would run under its lock, too: NumPy's own, and handlers of warnings and
 * floating point errors.
 */
#ifndef LOCKEDARRAY_CORE_OPERAND_H_
#define LOCKEDARRAY_CORE_OPERAND_H_

#include "guard/binding.h"

#include <numpy/arrayscalars.h>

#define LA_MOST_OPERANDS 4

typedef struct {
    PyObject *facade;           /* the caller's reference */
    la_buffer_object *buffer;   /* the facade's reference */
    la_lock_object *lock;       /* the buffer's */
    bool locks;                 /* not frozen */
    bool is_part;               /* of what the facade shows; the caller checks it */
    bool held;                  /* this one's hold stands for its lock */
    la_hold hold;
} la_operand;

typedef struct la_operation la_operation;
struct la_operation {
    int count;
    la_thread *thread;
    la_operation *outer;        /* inside which the thread does this one */
    la_operand operands[LA_MOST_OPERANDS];
};

/* What the functions below return, besides 0 for success and -1 for an error. */
#define LA_GENERAL 1

static inline bool
la_is_frozen(const la_buffer_object *buffer)
{
    return atomic_load_explicit(&buffer->frozen, memory_order_acquire) != 0;
}

/* The lock of a facade that is not special; NULL: the general path. */
static inline la_lock_object *
la_facade_lock(PyObject *object)
{
    la_buffer_object *buffer = (la_buffer_object *)la_facade_of(object)->buffer;

    if (!LA_LIKELY(buffer != NULL) || PyDataType_REFCHK(la_fields(object)->descr)) {
        return NULL;
    }
    la_lock_object *lock = (la_lock_object *)buffer->lock;
    return lock != NULL && lock->below == NULL ? lock : NULL;
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

/* A number or a scalar of NumPy's own: nobody else's code runs to use it. */
static inline bool
la_is_number(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    if (type == &PyFloat_Type || type == &PyLong_Type || type == &PyBool_Type
            || type == &PyComplex_Type) {
        return true;
    }
    return PyArray_IsScalar(object, Generic)
           && !PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)
           && !PyArray_IsScalar(object, Void) && !PyArray_IsScalar(object, Object);
}

/* A plain array whose elements are not Python objects. */
static inline bool
la_is_plain_array(PyObject *object)
{
    return Py_TYPE(object) == &PyArray_Type
           && !PyDataType_REFCHK(PyArray_DESCR((PyArrayObject *)object));
}

/* Adds an array, once; its index, or -1 for the general path. */
int la_operation_add(la_operation *operation, PyObject *facade, la_mode mode);

/* 0, LA_GENERAL or -1; after 0 everything is held. */
int la_operation_lock(la_operation *operation);

void la_operation_unlock(la_operation *operation);

/* Is the thread inside an operation on this Buffer? Then it must not resize. */
bool la_in_operation(const la_buffer_object *buffer);

/*
 * A new reference to a raw view of the facade: an exact ndarray, writable or
 * not. The caller has the facade locked, or the Buffer is frozen.
 */
PyObject *la_raw(PyObject *facade, la_mode mode);

/*
 * The operand in place of an argument: a raw view of a LockedArray, anything
 * else itself. A new reference. `index` is what la_operation_add returned, or
 * -1 for what is no LockedArray.
 */
static inline PyObject *
la_operand_raw(const la_operation *operation, int index, PyObject *object)
{
    if (index < 0) {
        return Py_NewRef(object);
    }
    return la_raw(object, operation->operands[index].hold.mode);
}

/* A new raw view, which is the caller's alone. */
PyObject *la_raw_make(PyObject *facade, la_mode mode);

/* The lock of one region of a facade, for operations on elements. */
typedef struct la_grip la_grip;
struct la_grip {
    bool locked;
    la_hold hold;
    la_thread *thread;
    /* From la_grip_enter to la_grip_leave: whose element, and what is around it. */
    const la_buffer_object *buffer;
    la_grip *outer;
};

/* The one that the thread is inside of; la_in_operation looks there, too. */
extern LA_THREAD_LOCAL la_grip *la_innermost_grip;

/* Takes the hold whose region is set; 0 or -1. */
static inline int
la_grip_take(la_grip *grip, la_lock_object *lock, la_mode mode)
{
    la_hold_init(&grip->hold, mode);
    grip->thread = la_thread_here();
    if (grip->thread == NULL
            || la_hold_acquire(lock, &grip->hold, grip->thread, LA_NEVER) < 0) {
        return -1;
    }
    grip->locked = true;
    return 0;
}

static inline void
la_grip_release(la_grip *grip)
{
    if (grip->locked) {
        grip->locked = false;
        la_release(&grip->hold, grip->thread);
    }
}

/*
 * Around code of NumPy's that is given the address of an element, and may run
 * Python: handlers of warnings and of floating point errors.
 */
static inline void
la_grip_enter(la_grip *grip, const la_buffer_object *buffer)
{
    grip->buffer = buffer;
    grip->outer = la_innermost_grip;
    la_innermost_grip = grip;
}

static inline void
la_grip_leave(la_grip *grip)
{
    la_innermost_grip = grip->outer;
}

#endif  /* LOCKEDARRAY_CORE_OPERAND_H_ */
