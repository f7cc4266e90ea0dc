/*
 * __array_ufunc__ and __array_function__ with plain arguments: under the locks,
 * NumPy's function on raw views. Everything else is for the general versions.
 */
#include "hot.h"
#include "operand.h"

#include <numpy/ufuncobject.h>

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
la_ufunc_out(PyObject *kwargs, PyObject **out)
{
    *out = NULL;
    if (kwargs == NULL || PyDict_GET_SIZE(kwargs) == 0) {
        return true;
    }
    /* Borrowed: NumPy made the dict, or Python did, for this call. */
    PyObject *outs = PyDict_GetItemWithError(kwargs, la_names.out);
    if (outs == NULL || PyDict_GET_SIZE(kwargs) != 1 || !PyTuple_CheckExact(outs)
            || PyTuple_GET_SIZE(outs) != 1) {
        return false;
    }
    *out = PyTuple_GET_ITEM(outs, 0);
    return la_is_exact(*out) || la_is_plain_array(*out);
}

/*
 * May the output of this ufunc stand behind its inputs? It is faster there; but
 * NumPy warns of that for a few, and reads it otherwise where inputs are missing.
 */
static bool
la_ufunc_takes_out(PyObject *ufunc, Py_ssize_t inputs)
{
    if (((PyUFuncObject *)ufunc)->nin != inputs) {
        return false;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(la_above.named_out); i++) {
        if (PyTuple_GET_ITEM(la_above.named_out, i) == ufunc) {
            return false;
        }
    }
    return true;
}

/* args: the array, the ufunc, the name of its method, and the inputs. */
static PyObject *
la_ufunc_call(PyObject *args, PyObject *kwargs, bool *general)
{
    la_call call;
    PyObject *out, *result = NULL;
    Py_ssize_t inputs = PyTuple_GET_SIZE(args) - 3;

    *general = true;
    call.count = call.operation.count = 0;
    if (la_class == NULL || inputs < 1 || !PyUnicode_CheckExact(PyTuple_GET_ITEM(args, 2))
            || PyUnicode_Compare(PyTuple_GET_ITEM(args, 2), la_names.call) != 0
            || !la_ufunc_out(kwargs, &out)) {
        return NULL;
    }
    PyObject *ufunc = PyTuple_GET_ITEM(args, 1);
    /* Python code in its place might keep the raw views, and one of them is writable. */
    if (Py_TYPE(ufunc) != la_above.ufunc) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < inputs; i++) {
        if (!la_call_add(&call, PyTuple_GET_ITEM(args, 3 + i), LA_READ)) {
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
    bool named = out != NULL && !la_ufunc_takes_out(ufunc, inputs);
    result = PyObject_Vectorcall(ufunc, call.raws,
                                 (size_t)(named ? inputs : call.count),
                                 named ? la_names.only_out : NULL);
    if (out != NULL && result == call.raws[inputs]) {
        Py_DECREF(result);
        result = Py_NewRef(out);
    }
    la_call_end(&call);
    return result;
}

/*
 * The method is an object of a type of its own, since NumPy calls it with a
 * tuple and a dict: any kind of method that Python offers would have them taken
 * apart, and their items put into new ones.
 */
static PyObject *
la_ufunc_method_call(PyObject *Py_UNUSED(object), PyObject *args, PyObject *kwargs)
{
    bool general;

    if (PyTuple_GET_SIZE(args) == 0 || !la_is_facade(PyTuple_GET_ITEM(args, 0))) {
        PyErr_SetString(PyExc_TypeError, "__array_ufunc__() needs a LockedArray");
        return NULL;
    }
    PyObject *result = la_ufunc_call(args, kwargs, &general);
    if (!general || PyErr_Occurred()) {
        return result;
    }
    PyObject *method = PyObject_GetAttr(PyTuple_GET_ITEM(args, 0),
                                        la_names.general_array_ufunc);
    PyObject *others = PyTuple_GetSlice(args, 1, PyTuple_GET_SIZE(args));
    if (method != NULL && others != NULL) {
        result = PyObject_Call(method, others, kwargs);
    }
    Py_XDECREF(method);
    Py_XDECREF(others);
    return result;
}

static PyObject *
la_ufunc_method_bind(PyObject *object, PyObject *array, PyObject *Py_UNUSED(type))
{
    if (array == NULL || array == Py_None) {
        return Py_NewRef(object);
    }
    return PyMethod_New(object, array);
}

static void
la_ufunc_method_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    type->tp_free(object);
    Py_DECREF(type);
}

static PyType_Slot la_ufunc_method_slots[] = {
    {Py_tp_doc, "Every method of every ufunc, locked."},
    {Py_tp_dealloc, la_ufunc_method_dealloc},
    {Py_tp_call, la_ufunc_method_call},
    {Py_tp_descr_get, la_ufunc_method_bind},
    {0, NULL},
};

static PyType_Spec la_ufunc_method_spec = {
    .name = "lockedarray._core._native.ArrayUFunc",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = la_ufunc_method_slots,
};

/* Gives the array type its __array_ufunc__. */
int
la_array_ufunc_add(PyTypeObject *array_type)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(&la_ufunc_method_spec);
    PyObject *method = type == NULL ? NULL : type->tp_alloc(type, 0);
    int result = method == NULL ? -1
        : PyObject_SetAttrString((PyObject *)array_type, "__array_ufunc__", method);

    Py_XDECREF(method);
    Py_XDECREF(type);
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
