/*
 * __array_function__ with plain arguments: under the locks, NumPy's function on raw
 * views. Everything else is for the general version.
 */
#include "array/function.h"

#include "array/call.h"
#include "array/general.h"
#include "array/run.h"
#include "array/view_function.h"

/* How many LockedArrays the function may be given, first of all; 0: none. */
static Py_ssize_t
la_most_arrays(PyObject *table, PyObject *function)
{
    PyObject *number = PyDict_GetItemWithError(table, function);

    if (number == NULL) {
        PyErr_Clear();      /* what cannot be hashed is in no table */
        return 0;
    }
    return PyLong_AsSsize_t(number);
}

/* Adds the arrays of a list or tuple: a tuple of them, a new reference, or NULL. */
static PyObject *
la_call_add_joined(la_call *call, PyObject *object)
{
    PyObject *joined;

    if (PyList_CheckExact(object)) {
        joined = PyList_AsTuple(object);    /* others may change the list */
    }
    else {
        joined = PyTuple_CheckExact(object) ? Py_NewRef(object) : NULL;
    }
    for (Py_ssize_t i = 0; joined != NULL && i < PyTuple_GET_SIZE(joined); i++) {
        if (!la_call_add(call, PyTuple_GET_ITEM(joined, i), LA_READ)) {
            Py_CLEAR(joined);
        }
    }
    PyErr_Clear();
    return joined;
}

/* What la_call_add... keep borrowed is the caller's, or joined's, or of keywords. */
static PyObject *
la_function_call(PyObject *function, PyObject *args, PyObject *kwargs, bool *general)
{
    la_call call;
    PyObject *joined = NULL, *keywords = NULL, *kwnames = NULL, *result = NULL;
    Py_ssize_t first = 0;

    *general = true;
    call.count = call.operation.count = 0;
    if (la_class == NULL || !PyTuple_CheckExact(args) || PyTuple_GET_SIZE(args) == 0) {
        return NULL;
    }
    Py_ssize_t arrays = la_most_arrays(la_connected.readers, function);
    bool writes = arrays == 0 && (arrays = la_most_arrays(la_connected.writers, function)) != 0;
    if (arrays == 0 && (arrays = la_most_arrays(la_connected.joiners, function)) != 0) {
        joined = la_call_add_joined(&call, PyTuple_GET_ITEM(args, 0));
        if (joined == NULL) {
            return NULL;
        }
        first = 1;
    }
    if (arrays == 0) {
        return NULL;
    }
    /* What else some of these may write is told by overwrite_input=, their fourth or fifth. */
    if (arrays == 1 && joined == NULL && PyTuple_GET_SIZE(args) > 3) {
        return NULL;
    }
    for (Py_ssize_t i = first; i < PyTuple_GET_SIZE(args); i++) {
        PyObject *argument = PyTuple_GET_ITEM(args, i);
        la_mode mode = writes && i == 0 ? LA_WRITE : LA_READ;
        if ((i >= arrays && la_is_facade(argument))
                || !la_call_add_argument(&call, argument, mode)) {
            goto end;
        }
    }
    if (PyDict_GET_SIZE(kwargs) != 0) {
        keywords = PyDict_Copy(kwargs);     /* others may change the dict while this waits */
        if (keywords == NULL) {
            goto end;
        }
        kwnames = la_call_add_named(&call, keywords, false);
        if (kwnames == NULL) {
            goto end;
        }
    }
    int begun = la_call_begin(&call);
    *general = begun == LA_GENERAL;
    if (begun == 0) {
        result = la_call_do(&call, function, joined == NULL ? -1 : PyTuple_GET_SIZE(joined), kwnames);
        la_call_end(&call);
    }
end:
    Py_XDECREF(joined);
    Py_XDECREF(keywords);
    Py_XDECREF(kwnames);
    return result;
}

/* More than NumPy has: those that programs make as they go are not kept for ever. */
#define LA_MOST_ROLES 2000

/*
 * What role() tells of the function, which is asked once: borrowed from a table, or NULL, with an
 * error if that is Ctrl-C.
 */
static PyObject *
la_function_role(PyObject *function)
{
    PyObject *role = PyDict_GetItemWithError(la_connected.roles, function);

    if (role == NULL && !PyErr_Occurred() && PyDict_GET_SIZE(la_connected.roles) < LA_MOST_ROLES) {
        PyObject *told = PyObject_CallOneArg(la_connected.role, function);
        if (told != NULL) {
            role = PyDict_SetDefault(la_connected.roles, function, told);
            Py_DECREF(told);
        }
    }
    la_forget_error();  /* of what cannot be hashed, or has no name */
    return role == Py_None ? NULL : role;
}

/* An argument that may be given by position or by name: borrowed, or NULL. */
static PyObject *
la_argument(PyObject *args, PyObject *kwargs, PyObject *name, Py_ssize_t position)
{
    PyObject *value = PyDict_GetItemWithError(kwargs, name);

    if (value == NULL && position >= 0 && position < PyTuple_GET_SIZE(args)) {
        value = PyTuple_GET_ITEM(args, position);
    }
    PyErr_Clear();
    return value;
}

/* A function that reads all its arguments but those that its role names. */
static PyObject *
la_function_run(PyObject *function, PyObject *args, PyObject *given, bool *general)
{
    la_run_terms terms = {.function = function};
    const char *name;
    PyObject *condition, *copies;
    Py_ssize_t position, condition_position, out_position;

    *general = true;
    PyObject *role = la_class == NULL || !PyTuple_CheckExact(args) ? NULL
                                                                   : la_function_role(function);
    if (role == NULL) {
        return NULL;
    }
    if (!PyArg_ParseTuple(role, "snOnnO", &name, &position, &condition, &condition_position,
                          &out_position, &copies)) {
        return NULL;
    }
    PyObject *kwargs = PyDict_Copy(given);      /* others may change the dict while this waits */
    PyObject *result = NULL, *written, *out;
    if (kwargs == NULL) {
        return NULL;
    }
    terms.copies_read_only = copies == Py_True;
    if (condition != Py_None) {
        if (la_argument(args, kwargs, condition, condition_position) != NULL) {
            goto end;
        }
    }
    else if (position >= 0) {
        written = la_argument(args, kwargs, PyTuple_GET_ITEM(role, 0), position);
        if (written != NULL && !la_run_add_written(&terms, written)) {
            goto end;
        }
    }
    out = la_argument(args, kwargs, la_names.out, out_position);
    if (out != NULL && !la_run_add_written(&terms, out)) {
        goto end;
    }
    result = la_run_with(&terms, args, kwargs, general);
end:
    Py_DECREF(kwargs);
    return result;
}

/* (func, types, args, kwargs), by position as NumPy calls it, or by keyword */
PyObject *
la_array_function(PyObject *array, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *passed[5] = {array};
    bool general = true;
    PyObject *result = NULL;

    if (nargs + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames)) != 4) {
        PyErr_SetString(PyExc_TypeError,
                        "__array_function__() takes func, types, args and kwargs");
        return NULL;
    }
    if (kwnames == NULL && PyDict_CheckExact(args[3])) {
        result = la_view_function(args[0], args[2], args[3], &general);
        if (general && !PyErr_Occurred()) {
            result = la_function_call(args[0], args[2], args[3], &general);
        }
        if (general && !PyErr_Occurred()) {
            result = la_function_run(args[0], args[2], args[3], &general);
        }
    }
    if (!general || PyErr_Occurred()) {
        return result;
    }
    for (int i = 0; i < 4; i++) {
        passed[i + 1] = args[i];
    }
    return PyObject_VectorcallMethod(la_names.general_array_function, passed,
                                     (size_t)nargs + 1, kwnames);
}
