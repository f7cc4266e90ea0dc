/*
 * One element: its index, and the lock of its bytes. Inline, since it is all
 * that some operations do.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_ELEMENT_H_
#define LOCKEDARRAY_CORE_ARRAY_ELEMENT_H_

#include "array/operation.h"
#include "guard/glance.h"

/* As many integers an element's index may have here. */
#define LA_MOST_INDICES 8

/* Is it an int of one digit, as nearly all are? Then it is the value. */
static inline bool
la_index_is_short(PyObject *object, npy_intp *value)
{
    const PyLongObject *number = (const PyLongObject *)object;
#if PY_VERSION_HEX >= 0x030C0000
    *value = 0;
    if (!PyUnstable_Long_IsCompact(number)) {
        return false;
    }
    *value = (npy_intp)PyUnstable_Long_CompactValue(number);
    return true;
#else
    *value = Py_SIZE(number) == 0 ? 0 : (npy_intp)number->ob_digit[0];
    return Py_SIZE(number) == 0 || Py_SIZE(number) == 1;
#endif
}

/* An int or numpy.intp that fits. Other kinds of integers are left to NumPy. */
static inline bool
la_index_integer(PyObject *object, npy_intp *value)
{
    if (LA_LIKELY(PyLong_CheckExact(object))) {
        if (LA_LIKELY(la_index_is_short(object, value))) {
            return true;
        }
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
        *value = (npy_intp)number;
        return overflow == 0 && (long long)*value == number;
    }
    if (Py_TYPE(object) == &PyIntpArrType_Type) {
        PyArray_ScalarAsCtype(object, value);
        return true;
    }
    return false;
}

/* The integers of an index that is nothing else: how many, or -1. */
static inline int
la_index_integers(PyObject *index, npy_intp *values)
{
    if (la_index_integer(index, values)) {
        return 1;
    }
    if (!PyTuple_CheckExact(index) || PyTuple_GET_SIZE(index) > LA_MOST_INDICES) {
        return -1;
    }
    int count = (int)PyTuple_GET_SIZE(index);
    for (int i = 0; i < count; i++) {
        if (!la_index_integer(PyTuple_GET_ITEM(index, i), &values[i])) {
            return -1;
        }
    }
    return count;
}

/* Is a scalar of this dtype a copy, made by code of NumPy's own? */
static inline bool
la_has_plain_scalars(const PyArray_Descr *descr)
{
    int type = descr->type_num;
    return type >= 0 && type < NPY_NTYPES_LEGACY && type != NPY_OBJECT && type != NPY_VOID
           && PyDataType_ELSIZE(descr) > 0;
}

/* Is this what an element may be set to without foreign code? */
static inline bool
la_is_element(PyObject *value)
{
    return la_is_number(value) || PyUnicode_CheckExact(value) || PyBytes_CheckExact(value)
           || la_is_plain_array(value);
}

static inline char *
la_element_address(PyObject *array, const npy_intp *index, int count)
{
    PyArrayObject_fields *fields = la_fields(array);
    char *address = fields->data;

    if (fields->nd != count) {
        return NULL;
    }
    for (int k = 0; k < count; k++) {
        npy_intp length = fields->dimensions[k];
        npy_intp i = index[k] < 0 ? index[k] + length : index[k];
        if ((npy_uintp)i >= (npy_uintp)length) {
            return NULL;
        }
        address += i * fields->strides[k];
    }
    return address;
}

/* Where an element is in the Buffer: below its lock's region, if that is all of it. */
static inline int64_t
la_element_offset(const char *address, const la_buffer_object *buffer)
{
    return (int64_t)((uintptr_t)address
                     - atomic_load_explicit(&buffer->origin, memory_order_relaxed));
}

/*
 * Locks one element, of no objects: its address, or NULL with `error` set if there is one,
 * else for the general path. `hold` is the lock; NULL where there is none to be
 * given back, as of a reader of what is frozen, or one that may read at a glance: so a
 * reader runs no Python code, and does not wait, before it has read.
 */
static LA_ALWAYS_INLINE char *
la_element_lock_of_any(PyObject *array, const npy_intp *index, int count, la_mode mode,
                       la_hold **hold, bool *error)
{
    la_region_lock *lock = la_facade_lock(array);

    *hold = NULL;
    *error = false;
    if (lock == NULL) {
        return NULL;
    }
    la_buffer_object *buffer = (la_buffer_object *)la_facade_of(array)->buffer;
    char *address = la_element_address(array, index, count);
    if (address == NULL
            || (mode == LA_READ && (la_may_glance(lock, false) || la_is_frozen(buffer)))) {
        return address;
    }
    la_thread *thread = la_thread_here();
    la_hold *taken = thread == NULL ? NULL : la_hold_make(thread, mode);
    if (!LA_LIKELY(taken != NULL)) {
        *error = true;
        return NULL;
    }
    int64_t offset = la_element_offset(address, buffer);
    if (LA_LIKELY(!buffer->whole)) {
        la_region_set_extent(&taken->region, offset,
                             PyDataType_ELSIZE(la_fields(array)->descr));
    }
    else {
        la_region_set_data(&taken->region);
    }
    taken->in_operation = 1;
    taken->subject = buffer;
    if (la_hold_acquire(lock, taken, thread, LA_NEVER) < 0) {
        la_hold_free(taken, thread);
        *error = true;
        return NULL;
    }
    /* A resize may have come in between; nothing changes from here on. */
    address = la_element_address(array, index, count);
    if (address == NULL || la_element_offset(address, buffer) != offset
            || (mode == LA_WRITE
                && (la_is_frozen(buffer) || !la_facade_of(array)->may_write))) {
        la_release(taken, thread);
        la_hold_free(taken, thread);
        return NULL;
    }
    *hold = taken;
    return address;
}

/* The same for elements that are plain scalars, and else for the general path. */
static LA_ALWAYS_INLINE char *
la_element_lock(PyObject *array, const npy_intp *index, int count, la_mode mode,
                la_hold **hold, bool *error)
{
    if (!LA_LIKELY(la_has_plain_scalars(la_fields(array)->descr))) {
        *hold = NULL;
        *error = false;
        return NULL;
    }
    return la_element_lock_of_any(array, index, count, mode, hold, error);
}

static inline void
la_element_unlock(la_hold *hold)
{
    if (LA_LIKELY(hold != NULL)) {
        la_thread *thread = la_thread_current;
        la_release(hold, thread);
        la_hold_free(hold, thread);
    }
}

#endif  /* LOCKEDARRAY_CORE_ARRAY_ELEMENT_H_ */
