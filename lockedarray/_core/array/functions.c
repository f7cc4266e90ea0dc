/*
 * __array_ufunc__ and __array_function__ with plain arguments: under the locks,
 * NumPy's function on raw views. Everything else is for the general versions.
 */
#include "array/hot.h"
#include "array/operand.h"

#include <numpy/ufuncobject.h>

/* As many arguments a call may have here. */
#define LA_MOST_ARGUMENTS 10

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

/* Does an exact array show memory that NumPy allocated, and not a Memory's? */
static bool
la_is_new_array(PyObject *object)
{
    PyObject *base = PyArray_CheckExact(object) ? PyArray_BASE((PyArrayObject *)object) : object;

    return base == NULL
           || (base != object && PyArray_CheckExact(base)
               && PyArray_CHKFLAGS((PyArrayObject *)base, NPY_ARRAY_OWNDATA));
}

/* Is a result nobody's view: a number, None, a new array, or a tuple of such? */
static bool
la_is_new(PyObject *result)
{
    if (PyTuple_CheckExact(result)) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(result); i++) {
            PyObject *item = PyTuple_GET_ITEM(result, i);
            if (PyTuple_CheckExact(item) || !la_is_new(item)) {
                return false;
            }
        }
        return true;
    }
    return la_is_new_array(result) || result == Py_None || PyBool_Check(result)
           || (PyArray_IsAnyScalar(result) && !PyArray_IsScalar(result, Void));
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
    if (la_is_new(result)) {
        return result;
    }
    PyObject *wrapped = PyObject_CallFunctionObjArgs(la_above.wrapped, result, facade, NULL);
    Py_DECREF(result);
    return wrapped;
}

/* Is it this text? Both are interned as a rule. */
static inline bool
la_is_name(PyObject *object, PyObject *name)
{
    return object == name
           || (PyUnicode_CheckExact(object) && PyUnicode_Compare(object, name) == 0);
}

static bool
la_is_int_tuple(PyObject *object)
{
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

/* A dtype, or one of Python's and NumPy's own types that stand for one. */
static bool
la_is_dtype(PyObject *object)
{
    return PyArray_DescrCheck(object)
           || (Py_TYPE(object) == &PyType_Type
               && !PyType_HasFeature((PyTypeObject *)object, Py_TPFLAGS_HEAPTYPE));
}

bool
la_is_parameter(PyObject *object)
{
    return object == Py_None || la_is_number(object) || PyUnicode_CheckExact(object)
           || la_is_int_tuple(object) || la_is_dtype(object);
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

/*
 * Adds keyword arguments: out is written, others are read, and none says what
 * else is written. A ufunc's method is given out in a tuple: of one array, here.
 */
static bool
la_call_add_keywords(la_call *call, PyObject *kwargs, bool of_ufunc)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;

    while (PyDict_Next(kwargs, &position, &name, &value)) {
        if (!PyUnicode_CheckExact(name) || la_is_name(name, la_names.overwrite_input)) {
            return false;
        }
        bool is_out = la_is_name(name, la_names.out);
        if (is_out && of_ufunc) {
            if (!PyTuple_CheckExact(value) || PyTuple_GET_SIZE(value) != 1) {
                return false;
            }
            value = PyTuple_GET_ITEM(value, 0);
        }
        if (!la_call_add_argument(call, value, is_out ? LA_WRITE : LA_READ)) {
            return false;
        }
    }
    return true;
}

/* The names of keyword arguments whose values are added: a tuple, or NULL. */
static PyObject *
la_call_add_named(la_call *call, PyObject *kwargs, bool of_ufunc)
{
    PyObject *names = la_call_add_keywords(call, kwargs, of_ufunc) ? PyDict_Keys(kwargs) : NULL;
    PyObject *kwnames = names == NULL ? NULL : PyList_AsTuple(names);

    Py_XDECREF(names);
    return kwnames;
}

/* The call itself, with raw views; the first `joined` of them in a list. */
static PyObject *
la_call_do(la_call *call, PyObject *function, Py_ssize_t joined, PyObject *kwnames)
{
    PyObject **passed = call->raws;
    Py_ssize_t count = call->count, names = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    PyObject *rest[LA_MOST_ARGUMENTS + 1], *list = NULL;

    if (joined >= 0) {
        list = PyList_New(joined);
        if (list == NULL) {
            return NULL;
        }
        for (Py_ssize_t i = 0; i < joined; i++) {
            PyList_SET_ITEM(list, i, Py_NewRef(call->raws[i]));
        }
        rest[0] = list;
        for (Py_ssize_t i = joined; i < count; i++) {
            rest[i - joined + 1] = call->raws[i];
        }
        passed = rest;
        count += 1 - joined;
    }
    PyObject *result = PyObject_Vectorcall(function, passed, (size_t)(count - names), kwnames);
    Py_XDECREF(list);
    /* What comes back may be one of them, or a view of any. */
    for (int i = 0; i < call->count; i++) {
        if (call->operands[i] >= 0 && result == call->raws[i]) {
            Py_DECREF(result);
            return Py_NewRef(call->given[i]);
        }
    }
    for (int i = 0; i < call->count && !(result != NULL && la_is_facade(result)); i++) {
        if (call->operands[i] >= 0) {
            result = la_unwrapped(result, call->raws[i], call->given[i]);
        }
    }
    return result;
}

/* -- __array_ufunc__ -------------------------------------------------------------------- */

/* The only keyword of the commonest calls: out=(one array,). NULL: none. */
static bool
la_ufunc_out(PyObject *kwargs, PyObject **out)
{
    PyObject *name, *outs;
    Py_ssize_t position = 0;

    *out = NULL;
    if (kwargs == NULL || PyDict_GET_SIZE(kwargs) == 0) {
        return true;
    }
    /* Borrowed: NumPy made the dict, or Python did, for this call. */
    if (PyDict_GET_SIZE(kwargs) != 1 || !PyDict_Next(kwargs, &position, &name, &outs)
            || !la_is_name(name, la_names.out) || !PyTuple_CheckExact(outs)
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

/*
 * ufunc.at(facade, index, value), value NULL where the ufunc has one operand.
 * NULL, and no error, with *general: for the general version.
 */
PyObject *
la_ufunc_at(PyObject *ufunc, PyObject *facade, PyObject *index, PyObject *value, bool *general)
{
    la_call call;

    *general = true;
    call.count = call.operation.count = 0;
    if (!la_is_exact(facade) || !la_index_is_plain(index)
            || !la_call_add(&call, facade, LA_WRITE)
            || (value != NULL && !la_call_add(&call, value, LA_READ))) {
        return NULL;
    }
    int begun = la_call_begin(&call);
    *general = begun == LA_GENERAL;
    if (begun != 0) {
        return NULL;
    }
    PyObject *passed[] = {ufunc, call.raws[0], index, value == NULL ? NULL : call.raws[1]};
    PyObject *result = PyObject_VectorcallMethod(la_names.at, passed, value == NULL ? 3 : 4, NULL);
    la_call_end(&call);
    return result;
}

/* The inputs are behind the array, the ufunc, and the name of its method. */
static bool
la_call_add_inputs(la_call *call, PyObject *args)
{
    for (Py_ssize_t i = 3; i < PyTuple_GET_SIZE(args); i++) {
        if (!la_call_add(call, PyTuple_GET_ITEM(args, i), LA_READ)) {
            return false;
        }
    }
    return true;
}

/* ufunc(inputs) or ufunc(inputs, out): the commonest. */
static PyObject *
la_ufunc_call_plainly(PyObject *ufunc, PyObject *args, PyObject *out, bool *general)
{
    la_call call;
    Py_ssize_t inputs = PyTuple_GET_SIZE(args) - 3;

    call.count = call.operation.count = 0;
    if (!la_call_add_inputs(&call, args) || (out != NULL && !la_call_add(&call, out, LA_WRITE))) {
        return NULL;
    }
    int begun = la_call_begin(&call);
    *general = begun == LA_GENERAL;
    if (begun != 0) {
        return NULL;
    }
    bool named = out != NULL && !la_ufunc_takes_out(ufunc, inputs);
    PyObject *result = PyObject_Vectorcall(ufunc, call.raws,
                                           (size_t)(named ? inputs : call.count),
                                           named ? la_names.only_out : NULL);
    if (out != NULL && result == call.raws[inputs]) {
        Py_DECREF(result);
        result = Py_NewRef(out);
    }
    la_call_end(&call);
    return result;
}

/* A method that writes nothing but out, with keywords: where, axis, dtype and others. */
static PyObject *
la_ufunc_call_by_keywords(PyObject *ufunc, PyObject *args, PyObject *kwargs, bool *general)
{
    la_call call;
    PyObject *kwnames = NULL, *result = NULL;

    call.count = call.operation.count = 0;
    if (!la_call_add_inputs(&call, args)) {
        return NULL;
    }
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        /* Borrowed, as in la_ufunc_out. */
        kwnames = la_call_add_named(&call, kwargs, true);
        if (kwnames == NULL) {
            return NULL;
        }
    }
    PyObject *name = PyTuple_GET_ITEM(args, 2);
    PyObject *method = la_is_name(name, la_names.call) ? Py_NewRef(ufunc)
                                                       : PyObject_GetAttr(ufunc, name);
    int begun = method == NULL ? -1 : la_call_begin(&call);
    *general = begun == LA_GENERAL;
    if (begun == 0) {
        result = la_call_do(&call, method, -1, kwnames);
        la_call_end(&call);
    }
    Py_XDECREF(method);
    Py_XDECREF(kwnames);
    return result;
}

static bool
la_is_reading_method(PyObject *name)
{
    PyObject *names[] = {la_names.call, la_names.reduce, la_names.accumulate, la_names.reduceat,
                         la_names.outer};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (la_is_name(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* args: the array, the ufunc, the name of its method, and the inputs. */
static PyObject *
la_ufunc_call(PyObject *args, PyObject *kwargs, bool *general)
{
    PyObject *out;
    Py_ssize_t inputs = PyTuple_GET_SIZE(args) - 3;

    *general = true;
    if (la_class == NULL || inputs < 1) {
        return NULL;
    }
    PyObject *ufunc = PyTuple_GET_ITEM(args, 1), *method = PyTuple_GET_ITEM(args, 2);
    /* Python code in its place might keep the raw views, and one of them is writable. */
    if (Py_TYPE(ufunc) != la_above.ufunc) {
        return NULL;
    }
    if (la_is_name(method, la_names.at)) {
        if ((kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) || (inputs != 2 && inputs != 3)) {
            return NULL;
        }
        return la_ufunc_at(ufunc, PyTuple_GET_ITEM(args, 3), PyTuple_GET_ITEM(args, 4),
                           inputs == 3 ? PyTuple_GET_ITEM(args, 5) : NULL, general);
    }
    if (la_is_name(method, la_names.call) && la_ufunc_out(kwargs, &out)) {
        return la_ufunc_call_plainly(ufunc, args, out, general);
    }
    if (!la_is_reading_method(method)) {
        return NULL;
    }
    return la_ufunc_call_by_keywords(ufunc, args, kwargs, general);
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
    Py_ssize_t arrays = la_most_arrays(la_above.readers, function);
    bool writes = arrays == 0 && (arrays = la_most_arrays(la_above.writers, function)) != 0;
    if (arrays == 0 && (arrays = la_most_arrays(la_above.joiners, function)) != 0) {
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
        result = la_function_call(args[0], args[2], args[3], &general);
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
