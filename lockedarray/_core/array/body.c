/*
 * The body of an array: acts on the C structure of an ndarray that NumPy offers no
 * API for.
 *
 * What an array shows (memory, shape, strides, base, dtype, flags: its body)
 * is exchanged in one step for every other thread (step.h).
 */
#include "array/body.h"

#include "array/raw.h"
#include "array/step.h"

static int
la_check_array(PyObject *object)
{
    if (!PyArray_Check(object)) {
        PyErr_Format(PyExc_TypeError, "expected an ndarray, not %s",
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    return 0;
}

/* Once a facade shows something else, its raw views are of what it showed before. */
static void
la_body_changed(PyObject *array)
{
    if (la_is_facade(array)) {
        la_raws_drop(array);
    }
}

static PyObject *
la_address(PyObject *Py_UNUSED(module), PyObject *array)
{
    if (la_check_array(array) < 0) {
        return NULL;
    }
    return PyLong_FromVoidPtr(la_fields(array)->data);
}

static PyObject *
la_was_exported(PyObject *Py_UNUSED(module), PyObject *array)
{
    if (la_check_array(array) < 0) {
        return NULL;
    }
    return PyBool_FromLong(la_fields(array)->_buffer_info != NULL);
}

static PyObject *
la_set_data(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *array, *pointer;

    if (!PyArg_ParseTuple(args, "OO!", &array, &PyLong_Type, &pointer)
            || la_check_array(array) < 0) {
        return NULL;
    }
    void *data = PyLong_AsVoidPtr(pointer);
    if (data == NULL && PyErr_Occurred()) {
        return NULL;
    }
    la_fields(array)->data = data;
    la_body_changed(array);
    Py_RETURN_NONE;
}

static PyObject *
la_set_base(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *array, *base;

    if (!PyArg_ParseTuple(args, "OO", &array, &base)
            || la_check_array(array) < 0) {
        return NULL;
    }
    PyObject *old = la_fields(array)->base;
    la_fields(array)->base = Py_NewRef(base);
    Py_XDECREF(old);
    la_body_changed(array);
    Py_RETURN_NONE;
}

static PyObject *
la_set_dtype(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *array, *dtype;

    if (!PyArg_ParseTuple(args, "OO!", &array, &PyArrayDescr_Type, &dtype)
            || la_check_array(array) < 0) {
        return NULL;
    }
    PyArray_Descr *old = la_fields(array)->descr;
    la_fields(array)->descr = (PyArray_Descr *)Py_NewRef(dtype);
    la_body_changed(array);
    Py_DECREF(old);
    Py_RETURN_NONE;
}

static PyObject *
la_set_writeable(PyObject *Py_UNUSED(module), PyObject *array)
{
    if (la_check_array(array) < 0) {
        return NULL;
    }
    la_fields(array)->flags |= NPY_ARRAY_WRITEABLE;
    Py_RETURN_NONE;
}

typedef struct {
    PyObject *pairs;        /* list of tuples of two arrays */
    bool only_places;       /* each keeps its shape block */
} la_exchange;

static void
la_exchange_shapes(PyArrayObject_fields *a, PyArrayObject_fields *b)
{
    PyArrayObject_fields old = *a;

    a->nd = b->nd;
    a->dimensions = b->dimensions;
    a->strides = b->strides;
    b->nd = old.nd;
    b->dimensions = old.dimensions;
    b->strides = old.strides;
}

static void
la_exchange_act(void *context)
{
    la_exchange *exchange = context;
    PyObject *pairs = exchange->pairs;

    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs); i++) {
        PyObject *pair = PyList_GET_ITEM(pairs, i);
        PyArrayObject_fields *a = la_fields(PyTuple_GET_ITEM(pair, 0));
        PyArrayObject_fields *b = la_fields(PyTuple_GET_ITEM(pair, 1));
        PyArrayObject_fields old = *a;

        if (!exchange->only_places) {
            la_exchange_shapes(a, b);
        }
        a->data = b->data;
        a->base = b->base;
        a->descr = b->descr;
        a->flags = b->flags;
        a->mem_handler = b->mem_handler;
        b->data = old.data;
        b->base = old.base;
        b->descr = old.descr;
        b->flags = old.flags;
        b->mem_handler = old.mem_handler;
    }
}

static PyObject *
la_exchange_do(PyObject *pairs, bool only_places)
{
    if (!PyList_Check(pairs)) {
        PyErr_SetString(PyExc_TypeError, "expected a list of pairs of arrays");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs); i++) {
        PyObject *pair = PyList_GET_ITEM(pairs, i);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2
                || la_check_array(PyTuple_GET_ITEM(pair, 0)) < 0
                || la_check_array(PyTuple_GET_ITEM(pair, 1)) < 0) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_TypeError, "expected pairs of arrays");
            }
            return NULL;
        }
    }
    la_exchange exchange = {pairs, only_places};
    if (PyList_GET_SIZE(pairs) > 0) {
        la_step_do(la_exchange_act, &exchange);
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs); i++) {
        la_body_changed(PyTuple_GET_ITEM(PyList_GET_ITEM(pairs, i), 0));
        la_body_changed(PyTuple_GET_ITEM(PyList_GET_ITEM(pairs, i), 1));
    }
    Py_RETURN_NONE;
}

static PyObject *
la_exchange_bodies(PyObject *Py_UNUSED(module), PyObject *pairs)
{
    return la_exchange_do(pairs, false);
}

static PyObject *
la_exchange_places(PyObject *Py_UNUSED(module), PyObject *pairs)
{
    return la_exchange_do(pairs, true);
}

typedef struct {
    PyArrayObject_fields *array;
    int axis;
    npy_intp length;
    int flags;
} la_length;

static void
la_length_act(void *context)
{
    la_length *change = context;
    change->array->dimensions[change->axis] = change->length;
    change->array->flags = change->flags;
}

static PyObject *
la_set_length(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *array;
    la_length change;

    if (!PyArg_ParseTuple(args, "Oini", &array, &change.axis, &change.length,
                          &change.flags)
            || la_check_array(array) < 0) {
        return NULL;
    }
    change.array = la_fields(array);
    if (change.axis < 0 || change.axis >= change.array->nd) {
        PyErr_SetString(PyExc_ValueError, "no such axis");
        return NULL;
    }
    la_step_do(la_length_act, &change);
    la_body_changed(array);
    Py_RETURN_NONE;
}

typedef struct {
    PyArrayObject_fields *array;
    char *data;
    npy_intp length;
    int flags;
} la_rows;

static void
la_rows_act(void *context)
{
    la_rows *change = context;
    change->array->data = change->data;
    change->array->dimensions[0] = change->length;
    change->array->flags = change->flags;
}

void
la_body_set_rows(PyObject *array, char *data, npy_intp length, int flags)
{
    PyArrayObject_fields *fields = la_fields(array);

#ifdef Py_GIL_DISABLED
    if (fields->data == data && fields->flags == flags) {
        /*
         * One word: who reads it meanwhile finds the old length or the new one, and what is
         * there of both. Release: the rows were written before.
         */
        _Py_atomic_store_ssize_release((Py_ssize_t *)&fields->dimensions[0], length);
        la_body_changed(array);
        return;
    }
#endif
    la_rows change = {fields, data, length, flags};
    la_step_do(la_rows_act, &change);
    la_body_changed(array);
}

static PyObject *
la_set_rows(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *array, *pointer;
    Py_ssize_t length;
    int flags;

    if (!PyArg_ParseTuple(args, "OO!ni", &array, &PyLong_Type, &pointer, &length, &flags)
            || la_check_array(array) < 0) {
        return NULL;
    }
    void *data = PyLong_AsVoidPtr(pointer);
    if (data == NULL && PyErr_Occurred()) {
        return NULL;
    }
    if (la_fields(array)->nd < 1) {
        PyErr_SetString(PyExc_ValueError, "no such axis");
        return NULL;
    }
    la_body_set_rows(array, data, (npy_intp)length, flags);
    Py_RETURN_NONE;
}

static PyMethodDef la_body_functions[] = {
    {"address", la_address, METH_O, "Address of the first element of an array."},
    {"was_exported", la_was_exported, METH_O,
     "Whether anybody was given a buffer of an array: a memoryview, say."},
    {"set_data", la_set_data, METH_VARARGS,
     "Point an array, which no other thread knows yet, at other bytes."},
    {"set_base", la_set_base, METH_VARARGS,
     "Make an object the one that an array keeps alive for its memory."},
    {"set_dtype", la_set_dtype, METH_VARARGS,
     "Give an array, which no other thread knows yet, another instance of its dtype."},
    {"set_writeable", la_set_writeable, METH_O,
     "Set the WRITEABLE flag, without asking what the base allows."},
    {"set_length", la_set_length, METH_VARARGS,
     "Set one length in the shape of an array, and its flags, in one step."},
    {"exchange_bodies", la_exchange_bodies, METH_O,
     "Exchange what each pair of arrays shows, in one step for other threads."},
    {"exchange_places", la_exchange_places, METH_O,
     "Exchange where each pair of arrays of equal shape lies, in one step for other threads."},
    {"set_rows", la_set_rows, METH_VARARGS,
     "Set where an array begins, how long its first axis is, and its flags, in one step."},
    {NULL, NULL, 0, NULL},
};

int
la_body_add(PyObject *module)
{
    return PyModule_AddFunctions(module, la_body_functions);
}
