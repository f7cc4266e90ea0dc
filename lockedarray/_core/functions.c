/*
 * __array_ufunc__ and __array_function__ with plain arguments: under the locks,
 * NumPy's function on raw views. Everything else is for the general versions.
 */
#include "hot.h"
#include "operand.h"

/* As many arguments a call may have here. */
#define LA_MOST_ARGUMENTS 6

/* A call with raw views in place of the LockedArrays. */
typedef struct {
    la_operation operation;
    int count;
    PyObject *given[LA_MOST_ARGUMENTS];     /* borrowed from the caller */
    int operands[LA_MOST_ARGUMENTS];        /* in the operation, or -1 */
    PyObject *raws[LA_MOST_ARGUMENTS];      /* new references */
} la_call;

/* Adds an array or a number; false for anything else. */
static bool
la_call_add(la_call *call, PyObject *object, la_mode mode)
{
    int operand = -1;

    if (call->count == LA_MOST_ARGUMENTS) {
        return false;
    }
    if (la_is_exact(object)) {
        operand = la_operation_add(&call->operation, object, mode);
        if (operand < 0) {
            return false;
        }
    }
    else if (!la_is_number(object) && !la_is_plain_array(object)) {
        return false;
    }
    call->operands[call->count] = operand;
    call->given[call->count++] = object;
    return true;
}

static void
la_call_end(la_call *call)
{
    for (int i = 0; i < call->count; i++) {
        Py_CLEAR(call->raws[i]);
    }
    la_operation_unlock(&call->operation);
}

/* 0, LA_GENERAL or -1. */
static int
la_call_begin(la_call *call)
{
    if (call->operation.count == 0) {
        return LA_GENERAL;
    }
    int result = la_operation_lock(&call->operation);
    if (result != 0) {
        return result;
    }
    for (int i = 0; i < call->count; i++) {
        call->raws[i] = la_operand_raw(&call->operation, call->operands[i], call->given[i]);
        if (call->raws[i] == NULL) {
            call->count = i;
            la_call_end(call);
            return -1;
        }
    }
    return 0;
}

/*
 * What to give out for what NumPy returned: for a raw view its LockedArray,
 * and for a view of one what the general path makes of it. Steals `result`.
 */
PyObject *
la_unwrapped(PyObject *result, PyObject *raw, PyObject *facade)
{
    if (result == NULL) {
        return NULL;
    }
    if (result == raw) {
        Py_DECREF(result);
        return Py_NewRef(facade);
    }
    if (PyArray_IsAnyScalar(result) && !PyArray_IsScalar(result, Void)) {
        return result;
    }
    if (PyArray_CheckExact(result) && PyArray_BASE((PyArrayObject *)result) == NULL) {
        return result;
    }
    if (result == Py_None || PyBool_Check(result)) {
        return result;
    }
    PyObject *wrapped = PyObject_CallFunctionObjArgs(la_above.wrapped, result, facade, NULL);
    Py_DECREF(result);
    return wrapped;
}

/* -- __array_ufunc__ -------------------------------------------------------------------- */

/* The only keyword that is handled here: out=(one array,). NULL: none. */
static bool
la_ufunc_out(PyObject *kwnames, PyObject *const *values, PyObject **out)
{
    *out = NULL;
    if (kwnames == NULL || PyTuple_GET_SIZE(kwnames) == 0) {
        return true;
    }
    if (PyTuple_GET_SIZE(kwnames) != 1
            || PyUnicode_Compare(PyTuple_GET_ITEM(kwnames, 0), la_names.out) != 0
            || !PyTuple_CheckExact(values[0]) || PyTuple_GET_SIZE(values[0]) != 1) {
        return false;
    }
    *out = PyTuple_GET_ITEM(values[0], 0);
    return la_is_exact(*out) || la_is_plain_array(*out);
}

static PyObject *
la_ufunc_call(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, bool *general)
{
    la_call call;
    PyObject *out, *result = NULL;

    *general = true;
    call.count = call.operation.count = 0;
    if (la_class == NULL || nargs < 3 || PyUnicode_Compare(args[1], la_names.call) != 0
            || !la_ufunc_out(kwnames, args + nargs, &out)) {
        return NULL;
    }
    Py_ssize_t inputs = nargs - 2;
    for (Py_ssize_t i = 0; i < inputs; i++) {
        if (!la_call_add(&call, args[2 + i], LA_READ)) {
            return NULL;
        }
    }
    if (out != NULL && !la_call_add(&call, out, LA_WRITE)) {
        return NULL;
    }
    int begun = la_call_begin(&call);
    *general = begun == LA_GENERAL;
    if (begun != 0) {
        return NULL;
    }
    /* By name, as it was given: some ufuncs warn of a third positional argument. */
    result = PyObject_Vectorcall(args[0], call.raws, (size_t)inputs,
                                 out != NULL ? la_names.only_out : NULL);
    if (out != NULL && result == call.raws[inputs]) {
        Py_DECREF(result);
        result = Py_NewRef(out);
    }
    la_call_end(&call);
    return result;
}

PyObject *
la_array_ufunc(PyObject *array, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    bool general;
    PyObject *result = la_ufunc_call(args, nargs, kwnames, &general);

    if (!general) {
        return result;
    }
    PyObject *method = PyObject_GetAttr(array, la_names.general_array_ufunc);
    if (method == NULL) {
        return NULL;
    }
    result = PyObject_Vectorcall(method, args, (size_t)nargs, kwnames);
    Py_DECREF(method);
    return result;
}

/* -- __array_function__ -------------------------------------------------------------------- */

/* A parameter whose use runs no foreign code: None, a number, text, a tuple of ints. */
bool
la_is_parameter(PyObject *object)
{
    if (object == Py_None || la_is_number(object) || PyUnicode_CheckExact(object)) {
        return true;
    }
    if (!PyTuple_CheckExact(object)) {
        return false;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object); i++) {
        if (!PyLong_CheckExact(PyTuple_GET_ITEM(object, i))) {
            return false;
        }
    }
    return true;
}

static bool
la_call_add_argument(la_call *call, PyObject *object, la_mode mode)
{
    if (la_call_add(call, object, mode)) {
        return true;
    }
    if (call->count == LA_MOST_ARGUMENTS || !la_is_parameter(object)) {
        return false;
    }
    call->operands[call->count] = -1;
    call->given[call->count++] = object;
    return true;
}

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

static PyObject *
la_function_call(PyObject *function, PyObject *args, PyObject *kwargs, bool *general)
{
    la_call call;
    PyObject *result;

    *general = true;
    call.count = call.operation.count = 0;
    if (la_class == NULL || !PyTuple_CheckExact(args) || PyTuple_GET_SIZE(args) == 0
            || (kwargs != Py_None && PyDict_GET_SIZE(kwargs) != 0)) {
        return NULL;
    }
    Py_ssize_t arrays = la_most_arrays(la_above.readers, function);
    bool writes = arrays == 0;
    if (writes) {
        arrays = la_most_arrays(la_above.writers, function);
    }
    if (arrays == 0) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        PyObject *argument = PyTuple_GET_ITEM(args, i);
        la_mode mode = writes && i == 0 ? LA_WRITE : LA_READ;
        if ((i >= arrays && la_is_facade(argument))
                || !la_call_add_argument(&call, argument, mode)) {
            return NULL;
        }
    }
    /* Only the first argument can come back, or a view of it. */
    if (call.operands[0] < 0) {
        return NULL;
    }
    int begun = la_call_begin(&call);
    *general = begun == LA_GENERAL;
    if (begun != 0) {
        return NULL;
    }
    result = PyObject_Vectorcall(function, call.raws, (size_t)call.count, NULL);
    result = la_unwrapped(result, call.raws[0], call.given[0]);
    la_call_end(&call);
    return result;
}

/* (function, types, args, kwargs) */
PyObject *
la_array_function(PyObject *array, PyObject *const *args, Py_ssize_t nargs)
{
    bool general = true;
    PyObject *result = NULL;

    if (nargs != 4) {
        PyErr_SetString(PyExc_TypeError,
                        "__array_function__() takes a function, types, args and kwargs");
        return NULL;
    }
    if (PyDict_CheckExact(args[3])) {
        result = la_function_call(args[0], args[2], args[3], &general);
    }
    if (!general) {
        return result;
    }
    return PyObject_CallMethodObjArgs(array, la_names.general_array_function, args[0],
                                      args[1], args[2], args[3], NULL);
}
