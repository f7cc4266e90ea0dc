/*
 * __array_ufunc__ with plain arguments: under the locks, NumPy's ufunc on raw
 * views. Everything else is for the general version.
 */
#include "array/ufunc.h"

#include "array/call.h"
#include "array/general.h"
#include "array/index.h"
#include "array/raw.h"
#include "array/run.h"

#include <numpy/ufuncobject.h>

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
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(la_connected.named_out); i++) {
        if (PyTuple_GET_ITEM(la_connected.named_out, i) == ufunc) {
            return false;
        }
    }
    return true;
}

PyObject *
la_ufunc_at(PyObject *ufunc, PyObject *facade, PyObject *index, PyObject *value,
            PyObject **updated, bool *general)
{
    la_call call;

    *general = true;
    call.count = call.operation.count = 0;
    if (!la_is_exact(facade) || !la_call_add(&call, facade, LA_WRITE)
            || (value != NULL && !la_call_add(&call, value, LA_READ))) {
        return NULL;
    }
    PyObject *taken = la_index_taken_or_basic(index, -1);
    if (taken == NULL) {
        *general = !PyErr_Occurred();
        return NULL;
    }
    int begun = la_call_begin(&call);
    *general = begun == LA_GENERAL;
    if (begun != 0) {
        Py_DECREF(taken);
        return NULL;
    }
    PyObject *passed[] = {ufunc, call.raws[0], taken, value == NULL ? NULL : call.raws[1]};
    PyObject *result = PyObject_VectorcallMethod(la_names.at, passed, value == NULL ? 3 : 4, NULL);
    if (result != NULL && updated != NULL) {
        *updated = la_raw_elements(passed[1], taken);
        if (*updated == NULL) {
            Py_CLEAR(result);
        }
    }
    la_call_end(&call);
    Py_DECREF(taken);
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

/*
 * What is called. NumPy makes the name anew each time, and CPython's cache of types keeps each
 * string that it is asked for; so it is asked for the one that is interned.
 */
static PyObject *
la_ufunc_method(PyObject *ufunc, PyObject *name)
{
    if (la_is_name(name, la_names.call)) {
        return Py_NewRef(ufunc);
    }
    Py_INCREF(name);
    PyUnicode_InternInPlace(&name);
    PyObject *method = PyObject_GetAttr(ufunc, name);
    Py_DECREF(name);
    return method;
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
    PyObject *method = la_ufunc_method(ufunc, PyTuple_GET_ITEM(args, 2));
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
    if (Py_TYPE(ufunc) != la_connected.ufunc) {
        return NULL;
    }
    if (la_is_name(method, la_names.at)) {
        if ((kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) || (inputs != 2 && inputs != 3)) {
            return NULL;
        }
        return la_ufunc_at(ufunc, PyTuple_GET_ITEM(args, 3), PyTuple_GET_ITEM(args, 4),
                           inputs == 3 ? PyTuple_GET_ITEM(args, 5) : NULL, NULL, general);
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
 * The same arguments, with arrays in place of the lists that are operands: a new tuple, or NULL,
 * without an error for the general version, unless there is no memory. What is an index stays what it is.
 */
static PyObject *
la_ufunc_converted(PyObject *args)
{
    PyObject *method = PyTuple_GET_ITEM(args, 2);
    bool is_at = la_is_name(method, la_names.at);
    bool has_index = is_at || la_is_name(method, la_names.reduceat);
    PyObject *made = PyTuple_New(PyTuple_GET_SIZE(args));

    for (Py_ssize_t i = 0; made != NULL && i < PyTuple_GET_SIZE(args); i++) {
        PyTuple_SET_ITEM(made, i, Py_NewRef(PyTuple_GET_ITEM(args, i)));
    }
    for (Py_ssize_t i = 3; made != NULL && i < PyTuple_GET_SIZE(made); i++) {
        PyObject *operand = PyTuple_GET_ITEM(made, i);
        if ((is_at && i == 3) || (has_index && i == 4)
                || !(PyList_CheckExact(operand) || PyTuple_CheckExact(operand))) {
            continue;
        }
        int found = la_run_looks(operand);
        PyObject *array = found == 0 ? PyArray_FROM_O(operand) : NULL;
        if (array != NULL) {
            PyTuple_SET_ITEM(made, i, array);
            Py_DECREF(operand);
        }
        else if (found <= 0) {
            Py_CLEAR(made);
        }
    }
    if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_Exception)
            && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear();          /* the general version raises what it should */
    }
    return made;
}

/* With any arguments: lists, several outs, where=. */
static PyObject *
la_ufunc_run(PyObject *args, PyObject *kwargs, bool *general)
{
    la_run_terms terms = {.anything = true};
    PyObject *result = NULL, *inputs = NULL;

    *general = true;
    if (la_class == NULL || PyTuple_GET_SIZE(args) < 4
            || Py_TYPE(PyTuple_GET_ITEM(args, 1)) != la_connected.ufunc) {
        return NULL;
    }
    PyObject *method = PyTuple_GET_ITEM(args, 2);
    bool is_at = la_is_name(method, la_names.at);
    PyObject *converted = is_at || la_is_reading_method(method) ? la_ufunc_converted(args) : NULL;
    if (converted == NULL) {
        return NULL;
    }
    result = la_ufunc_call(converted, kwargs, general);
    if (!*general || PyErr_Occurred()) {
        goto end;
    }
    if (is_at) {
        terms.written[terms.writes++] = PyTuple_GET_ITEM(args, 3);
    }
    PyObject *out = kwargs == NULL ? NULL : PyDict_GetItemWithError(kwargs, la_names.out);
    if (out != NULL && !la_run_add_written(&terms, out)) {
        goto end;
    }
    terms.function = la_ufunc_method(PyTuple_GET_ITEM(args, 1), method);
    inputs = PyTuple_GetSlice(converted, 3, PyTuple_GET_SIZE(converted));
    if (terms.function != NULL && inputs != NULL) {
        result = la_run_with(&terms, inputs, kwargs, general);
    }
    Py_XDECREF(terms.function);
    Py_XDECREF(inputs);
end:
    Py_DECREF(converted);
    return result;
}

/* May a result have no axes? Not of the commonest calls. */
static bool
la_ufunc_may_reduce(PyObject *ufunc, PyObject *method, PyObject *args)
{
    if (!la_is_name(method, la_names.call)
            || (Py_TYPE(ufunc) == la_connected.ufunc && ((PyUFuncObject *)ufunc)->core_enabled)) {
        return true;
    }
    for (Py_ssize_t i = 3; i < PyTuple_GET_SIZE(args); i++) {
        PyObject *input = PyTuple_GET_ITEM(args, i);
        if (PyArray_Check(input) && la_fields(input)->nd > 0) {
            return false;
        }
    }
    return true;
}

/* Does a call in this code name an out? The names of keywords are a tuple among its constants. */
static bool
la_code_names_out(PyCodeObject *code)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(code->co_consts); i++) {
        PyObject *names = PyTuple_GET_ITEM(code->co_consts, i);
        if (!PyTuple_CheckExact(names)) {
            continue;
        }
        for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(names); k++) {
            if (PyTuple_GET_ITEM(names, k) == la_names.out) {       /* both are interned */
                return true;
            }
        }
    }
    return false;
}

/*
 * out=... of NumPy 2.3 asks for an array where the result has no axes, and NumPy leaves
 * it out of the keywords. So the call itself is looked at: 1, 0 or -1.
 */
static int
la_ufunc_asks_for_array(PyObject *args, PyObject *kwargs)
{
    if (la_connected.asks_for_array == NULL || PyTuple_GET_SIZE(args) < 3
            || !la_ufunc_may_reduce(PyTuple_GET_ITEM(args, 1), PyTuple_GET_ITEM(args, 2), args)
            || (kwargs != NULL && PyDict_GetItemWithError(kwargs, la_names.out) != NULL)) {
        return 0;
    }
    PyFrameObject *frame = PyEval_GetFrame();       /* borrowed */
    if (frame == NULL) {
        return 0;
    }
    PyCodeObject *code = PyFrame_GetCode(frame);
    bool names_out = la_code_names_out(code);
    Py_DECREF(code);
    if (!names_out) {
        return 0;
    }
    Py_INCREF(frame);
    PyObject *asks = PyObject_CallOneArg(la_connected.asks_for_array, (PyObject *)frame);
    Py_DECREF(frame);
    int result = asks == NULL ? -1 : PyObject_IsTrue(asks);
    Py_XDECREF(asks);
    return result;
}

/* The general version, which hands on out=... to NumPy if `asks_for_array`. */
static PyObject *
la_ufunc_call_generally(PyObject *args, PyObject *kwargs, bool asks_for_array)
{
    PyObject *method = PyObject_GetAttr(PyTuple_GET_ITEM(args, 0), la_names.general_array_ufunc);
    PyObject *others = PyTuple_GetSlice(args, 1, PyTuple_GET_SIZE(args));
    PyObject *named = kwargs == NULL ? PyDict_New() : PyDict_Copy(kwargs), *result = NULL;

    if (method != NULL && others != NULL && named != NULL
            && (!asks_for_array || PyDict_SetItem(named, la_names.out, Py_Ellipsis) == 0)) {
        result = PyObject_Call(method, others, named);
    }
    Py_XDECREF(method);
    Py_XDECREF(others);
    Py_XDECREF(named);
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
    int asks = la_ufunc_asks_for_array(args, kwargs);
    if (asks != 0) {
        return asks < 0 ? NULL : la_ufunc_call_generally(args, kwargs, true);
    }
    PyObject *result = la_ufunc_call(args, kwargs, &general);
    if (general && !PyErr_Occurred()) {
        result = la_ufunc_run(args, kwargs, &general);
    }
    if (!general || PyErr_Occurred()) {
        return result;
    }
    return la_ufunc_call_generally(args, kwargs, false);
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
