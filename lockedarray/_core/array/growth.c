/*
 * Growth: x.append, x.popleft and x.resize where the memory need not move.
 *
 * What they change is where the array begins, and how long its first axis is. So all
 * of the memory is locked, as for every resize; and nothing else is done here: what
 * is no view, is neither frozen nor the caller's, has its rows one behind the other
 * and no Python objects in them, inside no operation of this thread. Views and raw
 * views show what they showed, and need not be told.
 *
 * Behind the last row are bytes that nobody reads, or that views show of rows which a
 * resize took away. They are written first, and the length is set last: an error in
 * between leaves the array as it was.
 */
#include "array/growth.h"

#include <string.h>

#include "array/body.h"
#include "array/element.h"
#include "array/given.h"
#include "guard/task.h"

/* An array whose memory is locked to change its rows. */
typedef struct {
    PyObject *array;
    la_buffer_object *buffer;
    la_thread *thread;
    la_hold *hold;
    npy_intp row;               /* bytes */
    npy_intp room;              /* rows, together with those that there are */
} la_growth;

/* Bytes from row to row, if the rows are one behind the other in C order; else 0. */
static npy_intp
la_row_size(const PyArrayObject_fields *fields)
{
    npy_intp size = PyDataType_ELSIZE(fields->descr);

    for (int i = fields->nd - 1; i > 0; i--) {
        if (fields->dimensions[i] != 1 && fields->strides[i] != size) {
            return 0;
        }
        size *= fields->dimensions[i];
    }
    return fields->nd > 0 && fields->strides[0] == size ? size : 0;
}

/* The flags of an array of such rows, if there are so many. */
static int
la_rows_flags(const PyArrayObject_fields *fields, npy_intp length)
{
    npy_intp size = PyDataType_ELSIZE(fields->descr);
    bool fortran = true;

    for (int i = 0; i < fields->nd && length > 0; i++) {
        npy_intp dimension = i == 0 ? length : fields->dimensions[i];
        fortran &= dimension == 1 || fields->strides[i] == size;
        size *= dimension;
    }
    return (fields->flags & ~NPY_ARRAY_F_CONTIGUOUS) | NPY_ARRAY_C_CONTIGUOUS
           | (fortran ? NPY_ARRAY_F_CONTIGUOUS : 0);
}

static void
la_growth_end(la_growth *growth)
{
    la_release(growth->hold, growth->thread);
    if (!LA_LIKELY(!la_is_observed())) {
        la_observe_given(growth->hold);
    }
    la_hold_free(growth->hold, growth->thread);
}

/* The same where nothing was changed, and the general version does it. */
static void
la_growth_undo(la_growth *growth)
{
    la_give_back(growth->hold, growth->thread);
    if (!LA_LIKELY(!la_is_observed())) {
        la_observe_given(growth->hold);
    }
    la_hold_free(growth->hold, growth->thread);
}

/* Is it for this file, now that nobody else changes it? */
static bool
la_growth_may_be(la_growth *growth)
{
    PyArrayObject_fields *fields = la_fields(growth->array);
    la_buffer_object *buffer = growth->buffer;

    if (la_is_frozen(buffer) || buffer->foreign || buffer->growing
            || (buffer->operating != NULL && PyDict_GET_SIZE(buffer->operating) != 0)
            || !la_facade_of(growth->array)->may_write) {
        return false;
    }
    growth->row = la_row_size(fields);
    if (growth->row <= 0) {
        return false;
    }
    /* Relaxed: they change under the lock that is held. */
    uintptr_t origin = atomic_load_explicit(&buffer->origin, memory_order_relaxed);
    uintptr_t end = origin + atomic_load_explicit(&buffer->extent, memory_order_relaxed);
    uintptr_t begin = (uintptr_t)fields->data;
    if (begin < origin || end < begin) {    /* a move was broken off */
        return false;
    }
    growth->room = (npy_intp)((end - begin) / (uintptr_t)growth->row);
    return fields->dimensions[0] <= growth->room;
}

/* Locks all of the memory of the array: 0, LA_GENERAL or -1; after 0, until la_growth_end. */
static int
la_growth_begin(PyObject *array, la_growth *growth)
{
    la_region_lock *lock = la_is_exact(array) ? la_facade_lock(array) : NULL;

    if (lock == NULL || la_facade_of(array)->owner != NULL) {
        return LA_GENERAL;
    }
    growth->array = array;
    growth->buffer = (la_buffer_object *)la_facade_of(array)->buffer;
    growth->thread = la_thread_here();
    if (growth->thread == NULL || la_task_follow() < 0) {
        return -1;
    }
    if (la_thread_owner(growth->thread)->operations != 0) {
        return LA_GENERAL;      /* which asks of which arrays */
    }
    growth->hold = la_hold_make(growth->thread, LA_WRITE);
    if (growth->hold == NULL) {
        return -1;
    }
    la_region_set_whole(&growth->hold->region);
    growth->hold->in_operation = 1;
    growth->hold->subject = growth->buffer;
    if (la_hold_acquire(lock, growth->hold, growth->thread, LA_NEVER) < 0) {
        la_hold_free(growth->hold, growth->thread);
        return -1;
    }
    if (!la_growth_may_be(growth)) {
        la_growth_undo(growth);
        return LA_GENERAL;
    }
    return 0;
}

/* -- append ------------------------------------------------------------------------ */

/* An element of an array of one axis: 0, LA_GENERAL or -1. */
static int
la_append_element(la_growth *growth, PyObject *value)
{
    PyArrayObject_fields *fields = la_fields(growth->array);
    npy_intp length = fields->dimensions[0];

    if (fields->nd != 1 || length >= growth->room || !la_has_plain_scalars(fields->descr)) {
        return LA_GENERAL;
    }
    return PyArray_Pack((PyArray_Descr *)fields->descr, fields->data + length * growth->row, value);
}

/* How many rows for this array the values are; -1: they have another shape. */
static npy_intp
la_rows_of(const PyArrayObject_fields *fields, const PyArrayObject_fields *values)
{
    int front = values->nd - (fields->nd - 1);      /* one axis more if they are rows, not a row */

    if (front != 0 && front != 1) {
        return -1;
    }
    for (int i = 1; i < fields->nd; i++) {
        if (values->dimensions[i - 1 + front] != fields->dimensions[i]) {
            return -1;
        }
    }
    return front == 0 ? 1 : values->dimensions[0];
}

/* A plain array over what is behind the last row, for so many rows. */
static PyObject *
la_rows_behind(la_growth *growth, npy_intp count)
{
    PyArrayObject_fields *fields = la_fields(growth->array);
    npy_intp shape[NPY_MAXDIMS];

    shape[0] = count;
    for (int i = 1; i < fields->nd; i++) {
        shape[i] = fields->dimensions[i];
    }
    Py_INCREF(fields->descr);
    return PyArray_NewFromDescr(&PyArray_Type, fields->descr, fields->nd, shape, NULL,
                                fields->data + fields->dimensions[0] * growth->row,
                                NPY_ARRAY_CARRAY, NULL);
}

/* So many rows of a plain array: 0, LA_GENERAL or -1. */
static int
la_append_rows(la_growth *growth, PyObject *values, npy_intp *count)
{
    PyArrayObject_fields *fields = la_fields(growth->array), *given = la_fields(values);
    npy_intp length = fields->dimensions[0];

    *count = la_rows_of(fields, given);
    if (*count < 0 || *count > growth->room - length) {
        return LA_GENERAL;
    }
    if (given->descr == fields->descr && (given->flags & NPY_ARRAY_C_CONTIGUOUS)) {
        memmove(fields->data + length * growth->row, given->data, (size_t)(*count * growth->row));
        return 0;
    }
    PyObject *rows = la_rows_behind(growth, *count);
    if (rows == NULL) {
        return -1;
    }
    int result = PyArray_CopyInto((PyArrayObject *)rows, (PyArrayObject *)values);
    Py_DECREF(rows);
    return result;
}

/* What is to be appended, if not foreign code makes rows of it: a new reference, or NULL. */
static PyObject *
la_append_given(PyObject *array, PyObject *values)
{
    PyArray_Descr *descr = la_fields(array)->descr;

    if (la_is_plain_array(values) || la_is_number(values)
            || (PyUnicode_CheckExact(values) && descr->type_num == NPY_UNICODE)
            || (PyBytes_CheckExact(values) && descr->type_num == NPY_STRING)) {
        return Py_NewRef(values);
    }
    return la_is_list(values) && la_has_plain_scalars(descr)
           ? la_given_array(values, descr, la_fields(array)->nd) : NULL;
}

PyObject *
la_append(PyObject *array, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    la_growth growth;
    npy_intp count = 1;
    PyObject *first = NULL;

    if (nargs != 1 || kwnames != NULL || !la_is_exact(array) || la_facade_lock(array) == NULL) {
        return NULL;
    }
    PyObject *values = la_append_given(array, args[0]);
    if (values == NULL) {
        return NULL;
    }
    int result = la_growth_begin(array, &growth);
    if (result == 0) {
        PyArrayObject_fields *fields = la_fields(array);
        npy_intp length = fields->dimensions[0];
        result = PyArray_CheckExact(values) ? la_append_rows(&growth, values, &count)
                                            : la_append_element(&growth, values);
        first = result == 0 ? PyLong_FromSsize_t(length) : NULL;
        if (first != NULL && count > 0) {
            la_body_set_rows(array, fields->data, length + count,
                             la_rows_flags(fields, length + count));
        }
        la_growth_end(&growth);
    }
    Py_DECREF(values);
    return first;
}

/* -- popleft ----------------------------------------------------------------------- */

/* A number of rows, from an int that is not negative; -1 for the general version. */
static npy_intp
la_count_given(PyObject *object)
{
    npy_intp count;

    if (!PyLong_CheckExact(object) || !la_index_integer(object, &count) || count < 0) {
        return -1;
    }
    return count;
}

PyObject *
la_popleft(PyObject *array, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    la_growth growth;
    npy_intp shape[NPY_MAXDIMS];
    npy_intp count = nargs == 0 ? 1 : nargs == 1 ? la_count_given(args[0]) : -1;

    if (count < 0 || kwnames != NULL || la_growth_begin(array, &growth) != 0) {
        return NULL;
    }
    PyArrayObject_fields *fields = la_fields(array);
    npy_intp length = fields->dimensions[0];
    PyObject *removed = NULL;
    if (count <= length) {
        shape[0] = count;
        for (int i = 1; i < fields->nd; i++) {
            shape[i] = fields->dimensions[i];
        }
        Py_INCREF(fields->descr);
        removed = PyArray_NewFromDescr(&PyArray_Type, fields->descr, fields->nd, shape, NULL,
                                       NULL, 0, NULL);
    }
    if (removed != NULL) {
        memcpy(la_fields(removed)->data, fields->data, (size_t)(count * growth.row));
        la_body_set_rows(array, fields->data + count * growth.row, length - count,
                         la_rows_flags(fields, length - count));
    }
    la_growth_end(&growth);
    return removed;
}

/* -- resize ------------------------------------------------------------------------ */

/* The shape that is given as ints, or as one tuple of ints: how many, or -1. */
static int
la_shape_given(PyObject *const *args, Py_ssize_t nargs, npy_intp *shape)
{
    if (nargs == 1 && PyTuple_CheckExact(args[0])) {
        nargs = PyTuple_GET_SIZE(args[0]);
        args = ((PyTupleObject *)args[0])->ob_item;
    }
    if (nargs < 1 || nargs > NPY_MAXDIMS) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        shape[i] = la_count_given(args[i]);
        if (shape[i] < 0) {
            return -1;
        }
    }
    return (int)nargs;
}

PyObject *
la_resize(PyObject *array, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    la_growth growth;
    npy_intp shape[NPY_MAXDIMS];

    if (kwnames != NULL && (PyTuple_GET_SIZE(kwnames) != 1 || !PyBool_Check(args[nargs])
                            || PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0),
                                                                "refcheck") != 0)) {
        return NULL;
    }
    int nd = la_shape_given(args, nargs, shape);
    if (nd < 0 || la_growth_begin(array, &growth) != 0) {
        return NULL;
    }
    PyArrayObject_fields *fields = la_fields(array);
    npy_intp length = fields->dimensions[0];
    bool ours = nd == fields->nd && shape[0] <= growth.room;
    for (int i = 1; i < nd && ours; i++) {
        ours = shape[i] == fields->dimensions[i];
    }
    if (ours && shape[0] != length) {
        if (shape[0] > length) {
            memset(fields->data + length * growth.row, 0,
                   (size_t)((shape[0] - length) * growth.row));
        }
        la_body_set_rows(array, fields->data, shape[0], la_rows_flags(fields, shape[0]));
    }
    la_growth_end(&growth);
    return ours ? Py_NewRef(Py_None) : NULL;
}
