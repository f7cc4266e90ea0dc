/*
 * FlatBase: what x.flat does by itself. One element is locked alone; several,
 * which NumPy's own iterator reads or writes, under a lock of the whole array.
 * Everything else is for the general versions of the class above.
 *
 * Threads may share an iterator: each gets a position of its own.
 */
#include "array/flat.h"

#include <string.h>

#include "array/augmented.h"
#include "array/element.h"
#include "array/general.h"
#include "array/index.h"
#include "array/other_element.h"
#include "array/result.h"
#include "guard/statement.h"

/* NumPy's iterator refuses more axes. */
#define LA_MOST_FLAT_AXES 32

typedef struct {
    PyObject_HEAD
    PyObject *array;
    _Atomic(npy_intp) position;     /* of the element that comes next; relaxed: it orders nothing */
} la_flat;

static PyTypeObject *la_flat_type;

/* -- one element ------------------------------------------------------------------ */

/*
 * The coordinates of the element at a position in C order, which may count from the
 * end: how many, or -1 if there is none, or if they are too many.
 */
static inline int
la_flat_coordinates(PyObject *array, npy_intp position, npy_intp *coordinates)
{
    const PyArrayObject_fields *fields = la_fields(array);
    int axes = fields->nd;

    if (axes > LA_MOST_INDICES) {
        return -1;
    }
    if (position < 0) {
        position += PyArray_MultiplyList(fields->dimensions, axes);
        if (position < 0) {
            return -1;
        }
    }
    for (int k = axes - 1; k > 0; k--) {
        npy_intp length = fields->dimensions[k];
        if (length == 0) {
            return -1;
        }
        coordinates[k] = position % length;
        position /= length;
    }
    if (axes == 0) {
        return position == 0 ? 0 : -1;
    }
    coordinates[0] = position;
    return position < fields->dimensions[0] ? axes : -1;
}

/* As la_element_lock. */
static inline char *
la_flat_lock(PyObject *array, npy_intp position, la_mode mode, la_hold **hold, bool *error)
{
    npy_intp coordinates[LA_MOST_INDICES], now[LA_MOST_INDICES];

    *error = false;
    int count = la_flat_coordinates(array, position, coordinates);
    if (count < 0) {
        return NULL;
    }
    char *address = la_element_lock(array, coordinates, count, mode, hold, error);
    /* After a resize that came in between, the position may be another element's. */
    if (address != NULL && *hold != NULL && (count != 1 || position < 0)
            && (la_flat_coordinates(array, position, now) != count
                || memcmp(coordinates, now, (size_t)count * sizeof(now[0])) != 0)) {
        la_element_unlock(*hold);
        return NULL;
    }
    return address;
}

/* The element; NULL without an error: the general path. */
static inline PyObject *
la_flat_get(PyObject *array, npy_intp position)
{
    la_hold *hold;
    bool error;

    char *address = la_flat_lock(array, position, LA_READ, &hold, &error);
    if (address == NULL) {
        return NULL;
    }
    PyObject *result = PyArray_Scalar(address, (PyArray_Descr *)la_fields(array)->descr, array);
    la_element_unlock(hold);
    return result;
}

/*
 * Of objects, records and varied text: what the array itself has there. NULL without an error:
 * the general path.
 */
static LA_COLD PyObject *
la_flat_get_special(PyObject *array, npy_intp position)
{
    npy_intp coordinates[LA_MOST_INDICES], shape[LA_MOST_INDICES];

    if (!la_is_exact(array) || la_has_plain_scalars(la_fields(array)->descr)) {
        return NULL;
    }
    int count = la_flat_coordinates(array, position, coordinates);
    if (count < 0) {
        return NULL;
    }
    for (int k = 0; k < count; k++) {
        shape[k] = la_fields(array)->dimensions[k];
    }
    return la_other_element_get(array, coordinates, count, shape);
}

/* NumPy's own iterator over a raw view; the array is locked. */
static PyObject *
la_flat_raw(PyObject *array, la_mode mode)
{
    PyObject *raw = la_raw(array, mode);
    PyObject *iterator = raw == NULL ? NULL : PyArray_IterNew(raw);

    Py_XDECREF(raw);
    return iterator;
}

/* flat[index] = value on a raw view; the array, or this element of it, is locked. 0 or -1. */
static int
la_flat_raw_assign(PyObject *array, PyObject *index, PyObject *value)
{
    PyObject *iterator = la_flat_raw(array, LA_WRITE);

    if (iterator == NULL) {
        return -1;
    }
    int result = Py_TYPE(iterator)->tp_as_mapping->mp_ass_subscript(iterator, index, value);
    Py_DECREF(iterator);
    return result;
}

/* 0, LA_GENERAL or -1. */
static int
la_flat_set(PyObject *array, npy_intp position, PyObject *index, PyObject *value)
{
    la_hold *hold;
    bool error;

    char *address = la_flat_lock(array, position, LA_WRITE, &hold, &error);
    if (address == NULL) {
        return error ? -1 : LA_GENERAL;
    }
    /* Of what is no single number it takes the first element: its rules are its own. */
    int result = la_flat_raw_assign(array, index, value);
    la_element_unlock(hold);
    return result;
}

/* -- several ---------------------------------------------------------------------- */

/* A slice, or indices as la_index_taken takes them: a new reference, or NULL for another index. */
static PyObject *
la_flat_index_taken(PyObject *index)
{
    return PySlice_Check(index) ? Py_NewRef(index)
        : PyTuple_CheckExact(index) ? NULL : la_index_taken(index);
}

/* 0, LA_GENERAL or -1; after 0 the whole array is locked. */
static int
la_flat_begin(la_operation *operation, PyObject *array, la_mode mode)
{
    operation->count = 0;
    return la_is_exact(array) && la_operation_add(operation, array, mode) >= 0
           ? la_operation_lock(operation) : LA_GENERAL;
}

/* The copy; NULL without an error: the general path. */
static PyObject *
la_flat_get_several(PyObject *array, PyObject *index)
{
    la_operation operation;
    PyObject *result = NULL;

    if (la_flat_begin(&operation, array, LA_READ) != 0) {
        return NULL;
    }
    PyObject *raw = la_raw(array, LA_READ);
    PyObject *iterator = raw == NULL ? NULL : PyArray_IterNew(raw);
    if (iterator != NULL) {
        result = la_unwrapped(Py_TYPE(iterator)->tp_as_mapping->mp_subscript(iterator, index),
                              raw, array);
        Py_DECREF(iterator);
    }
    Py_XDECREF(raw);
    la_operation_unlock(&operation);
    return result;
}

/* 0, LA_GENERAL or -1. */
static int
la_flat_set_several(PyObject *array, PyObject *index, PyObject *value)
{
    la_operation operation;

    if (!la_is_number(value) && !la_is_plain_array(value)) {
        return LA_GENERAL;
    }
    int result = la_flat_begin(&operation, array, LA_WRITE);
    if (result == 0) {
        result = la_flat_raw_assign(array, index, value);
        la_operation_unlock(&operation);
    }
    return result;
}

int
la_flat_fill(PyObject *array, PyObject *value)
{
    la_operation operation;

    if (!la_is_number(value) && !la_is_plain_array(value)) {
        return LA_GENERAL;
    }
    int result = la_flat_begin(&operation, array, LA_WRITE);
    if (result == 0) {
        PyObject *raw = la_raw(array, LA_WRITE);
        result = raw == NULL ? -1 : PyObject_SetAttr(raw, la_names.flat, value);
        Py_XDECREF(raw);
        la_operation_unlock(&operation);
    }
    return result;
}

/* -- the slots ---------------------------------------------------------------------- */

static PyObject *
la_flat_subscript(PyObject *object, PyObject *index)
{
    PyObject *array = ((la_flat *)object)->array;
    PyObject *result = NULL;
    npy_intp position;

    if (la_index_integer(index, &position)) {
        result = la_flat_get(array, position);
        if (LA_LIKELY(result != NULL)) {
            return LA_LIKELY(!la_statement_augments(object, index)) ? result
                : la_augmented_new(object, index, result);
        }
        if (!PyErr_Occurred() && !la_statement_augments(object, index)) {
            result = la_flat_get_special(array, position);
        }
    }
    else if (!la_statement_augments(object, index)) {
        PyObject *taken = la_flat_index_taken(index);
        if (taken != NULL) {
            result = la_flat_get_several(array, taken);
            Py_DECREF(taken);
        }
    }
    if (result != NULL || PyErr_Occurred()) {
        return result;
    }
    return PyObject_CallMethodOneArg(object, la_statement_augments(object, index)
                                                 ? la_names.general_augmented
                                                 : la_names.general_getitem, index);
}

/* The end of flat[i] op= v. 0 or -1. */
static LA_COLD int
la_flat_store(PyObject *object, PyObject *index, PyObject *augmented)
{
    PyObject *array = ((la_flat *)object)->array;
    npy_intp position, coordinates[LA_MOST_INDICES];

    int count = la_index_integer(index, &position)
                ? la_flat_coordinates(array, position, coordinates) : -1;
    if (count == 1) {
        coordinates[0] = position;      /* which is looked at again under the lock */
    }
    /*
     * If an array has another shape then, the address at these coordinates is that of
     * another element, or still that of the position: provided that it is contiguous.
     */
    else if (count > 1
             && (position < 0 || !(la_fields(array)->flags & NPY_ARRAY_C_CONTIGUOUS))) {
        count = -1;
    }
    return la_augmented_store(object, index, array, coordinates, count, augmented);
}

static int
la_flat_assign_subscript(PyObject *object, PyObject *index, PyObject *value)
{
    PyObject *array = ((la_flat *)object)->array;
    npy_intp position;
    int result = LA_GENERAL;

    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "Cannot delete iterator elements");
        return -1;
    }
    if (la_is_augmented(value)) {
        return la_flat_store(object, index, value);
    }
    if (la_index_integer(index, &position)) {
        if (la_is_element(value)) {
            result = la_flat_set(array, position, index, value);
        }
    }
    else {
        PyObject *taken = la_flat_index_taken(index);
        if (taken != NULL) {
            result = la_flat_set_several(array, taken, value);
            Py_DECREF(taken);
        }
        else if (PyErr_Occurred()) {
            return -1;
        }
    }
    if (result != LA_GENERAL) {
        return result;
    }
    PyObject *done = PyObject_CallMethodObjArgs(object, la_names.general_setitem, index, value,
                                                NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* The general version; NULL without an error where the array has shrunk, and it is at its end. */
static LA_COLD PyObject *
la_flat_next_general(PyObject *object, npy_intp position)
{
    PyObject *index = PyLong_FromSsize_t(position);
    PyObject *result = index == NULL ? NULL
        : PyObject_CallMethodOneArg(object, la_names.general_getitem, index);

    Py_XDECREF(index);
    if (result == NULL && PyErr_ExceptionMatches(PyExc_IndexError)) {
        PyErr_Clear();
    }
    return result;
}

static PyObject *
la_flat_next(PyObject *object)
{
    la_flat *self = (la_flat *)object;
    npy_intp position = atomic_load_explicit(&self->position, memory_order_relaxed);

    do {
        if (position >= PyArray_SIZE((PyArrayObject *)self->array)) {
            return NULL;
        }
    } while (!atomic_compare_exchange_weak_explicit(&self->position, &position, position + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    PyObject *result = la_flat_get(self->array, position);
    if (result == NULL && !PyErr_Occurred()) {
        result = la_flat_get_special(self->array, position);
        if (result == NULL && !PyErr_Occurred()) {
            result = la_flat_next_general(object, position);
        }
    }
    return result;
}

static Py_ssize_t
la_flat_length(PyObject *object)
{
    PyObject *array = ((la_flat *)object)->array;

    return la_facade_settle(array) < 0 ? -1 : PyArray_SIZE((PyArrayObject *)array);
}

static PyObject *
la_flat_copy(PyObject *object, PyObject *Py_UNUSED(unused))
{
    PyObject *array = ((la_flat *)object)->array;
    la_operation operation;
    PyObject *result = NULL;

    int begun = la_flat_begin(&operation, array, LA_READ);
    if (begun == LA_GENERAL) {
        return PyObject_CallMethodNoArgs(object, la_names.general_copy);
    }
    if (begun == 0) {
        PyObject *raw = la_raw(array, LA_READ);
        result = raw == NULL ? NULL : PyArray_Flatten((PyArrayObject *)raw, NPY_CORDER);
        Py_XDECREF(raw);
        la_operation_unlock(&operation);
    }
    return result;
}

/* np.asarray(x.flat) */
static PyObject *
la_flat_array(PyObject *object, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) == 0 && (kwargs == NULL || PyDict_GET_SIZE(kwargs) == 0)) {
        return la_flat_copy(object, NULL);
    }
    PyObject *general = PyObject_GetAttr(object, la_names.general_array);
    PyObject *result = general == NULL ? NULL : PyObject_Call(general, args, kwargs);
    Py_XDECREF(general);
    return result;
}

static PyObject *
la_flat_get_position(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(
        atomic_load_explicit(&((la_flat *)object)->position, memory_order_relaxed));
}

static PyObject *
la_flat_get_array(PyObject *object, void *Py_UNUSED(closure))
{
    return Py_NewRef(((la_flat *)object)->array);
}

/* -- the type ----------------------------------------------------------------------- */

static PyObject *
la_flat_of(PyTypeObject *type, PyObject *array)
{
    if (la_fields(array)->nd > LA_MOST_FLAT_AXES) {
        PyObject *refused = PyArray_IterNew(array);     /* in NumPy's own words */
        if (refused == NULL) {
            return NULL;
        }
        Py_DECREF(refused);
    }
    la_flat *self = (la_flat *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->array = Py_NewRef(array);
    }
    return (PyObject *)self;
}

PyObject *
la_flat_make(PyObject *array)
{
    return la_flat_of(la_connected.flat, array);
}

static PyObject *
la_flat_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"array", NULL};
    PyObject *array;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!", names, la_array_type, &array)) {
        return NULL;
    }
    return la_flat_of(type, array);
}

static int
la_flat_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((la_flat *)object)->array);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static void
la_flat_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    Py_CLEAR(((la_flat *)object)->array);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyGetSetDef la_flat_getset[] = {
    {"_array", la_flat_get_array, NULL, NULL, NULL},
    {"_position", la_flat_get_position, NULL, NULL, NULL},
    {"base", la_flat_get_array, NULL, "The LockedArray that is iterated over.", NULL},
    {"index", la_flat_get_position, NULL,
     "The index, in C order, of the element that comes next: an int.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef la_flat_methods[] = {
    {"copy", la_flat_copy, METH_NOARGS,
     "copy($self, /)\n--\n\n"
     "Return a plain copy of the elements, 1-d, of one moment (read lock)."},
    {"__array__", (PyCFunction)(void (*)(void))la_flat_array, METH_VARARGS | METH_KEYWORDS,
     "Return the elements as a plain 1-d array of shape (size,)."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot la_flat_slots[] = {
    {Py_tp_new, la_flat_new},
    {Py_tp_dealloc, la_flat_dealloc},
    {Py_tp_traverse, la_flat_traverse},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, la_flat_next},
    {Py_mp_length, la_flat_length},
    {Py_mp_subscript, la_flat_subscript},
    {Py_mp_ass_subscript, la_flat_assign_subscript},
    {Py_tp_getset, la_flat_getset},
    {Py_tp_methods, la_flat_methods},
    {0, NULL},
};

static PyType_Spec la_flat_spec = {
    .name = "lockedarray._core._native.FlatBase",
    .basicsize = sizeof(la_flat),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = la_flat_slots,
};

int
la_flat_add(PyObject *module)
{
    la_flat_type = (PyTypeObject *)PyType_FromSpec(&la_flat_spec);
    if (la_flat_type == NULL) {
        return -1;
    }
    return PyModule_AddType(module, la_flat_type);
}
