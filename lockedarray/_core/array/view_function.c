/*
 * NumPy's functions that make views, or look at shapes and dtypes alone.
 *
 * They are called, without NumPy's dispatch, on plain read-only arrays in place of the
 * LockedArrays; what comes back of these, and is a view of one, is made a LockedArray.
 * What may be a copy was read without the lock: it is thrown away, and made again under
 * the read lock. No lock is held the first time, so the arguments may run anybody's code.
 */
#include "array/view_function.h"

#include "array/general.h"
#include "array/given.h"
#include "array/operation.h"
#include "array/result.h"
#include "array/view.h"

#include "guard/named.h"

#define LA_MOST_VIEWED 10

/* So deep are lists and tuples in what these functions return. */
#define LA_VIEWED_LEVELS 2

typedef struct {
    PyObject *function;     /* without the dispatch */
    long does;
    Py_ssize_t count, named;
    bool locked;
    bool is_plain;          /* it has no keyword and no text, which might ask for a copy */
    PyObject *given[LA_MOST_VIEWED];    /* borrowed from the caller */
    PyObject *passed[LA_MOST_VIEWED];   /* new references: raw views, or what was given */
    bool is_facade[LA_MOST_VIEWED];
    la_operation operation;
    PyObject *kwnames;
} la_viewed;

/* The arguments, borrowed: false where there are others than plain ones. */
static bool
la_viewed_add(la_viewed *viewed, PyObject *object)
{
    bool is_facade = la_is_exact(object) && la_facade_of(object)->buffer != NULL;

    if (viewed->count == LA_MOST_VIEWED
            || (!is_facade && !PyArray_CheckExact(object) && !la_is_parameter(object)
                && !la_is_int_list(object))) {
        return false;
    }
    if (is_facade && viewed->count != 0
            && !(viewed->does & (LA_VIEWER_SEVERAL | LA_VIEWER_METADATA))) {
        return false;       /* a shape, or axes */
    }
    if (is_facade && viewed->does & LA_VIEWER_FIRST
            && (viewed->count != 0 || la_fields(object)->nd == 0)) {
        return false;
    }
    if (is_facade && la_facade_settle(object) < 0) {
        la_forget_error();
        return false;
    }
    viewed->is_plain = viewed->is_plain && !PyUnicode_CheckExact(object);
    viewed->is_facade[viewed->count] = is_facade;
    viewed->given[viewed->count++] = object;
    return true;
}

static bool
la_viewed_add_all(la_viewed *viewed, PyObject *args, PyObject *keywords)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;

    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        if (!la_viewed_add(viewed, PyTuple_GET_ITEM(args, i))) {
            return false;
        }
    }
    if (keywords == NULL) {
        return true;
    }
    viewed->is_plain = false;
    while (PyDict_Next(keywords, &position, &name, &value)) {
        if (!PyUnicode_CheckExact(name) || la_is_name(name, la_names.out)
                || PyUnicode_CompareWithASCIIString(name, "writeable") == 0
                || !la_viewed_add(viewed, value)) {
            return false;
        }
        viewed->named++;
    }
    PyObject *names = PyDict_Keys(keywords);
    viewed->kwnames = names == NULL ? NULL : PyList_AsTuple(names);
    Py_XDECREF(names);
    return viewed->kwnames != NULL;
}

/* Is it sure to make a copy of this array? */
static bool
la_viewed_copies(const la_viewed *viewed, PyObject *facade)
{
    return (viewed->does & LA_VIEWER_VECTORS && la_fields(facade)->nd == 1)
           || (viewed->does & LA_VIEWER_FLATTENS && viewed->is_plain
               && !(la_fields(facade)->flags & NPY_ARRAY_C_CONTIGUOUS));
}

/*
 * May it copy objects? Even a copy that is thrown away counts references, which races with a
 * writer where there is no GIL.
 */
static bool
la_viewed_reads_objects(const la_viewed *viewed, PyObject *facade)
{
    if (!PyDataType_REFCHK(la_fields(facade)->descr) || viewed->does & LA_VIEWER_METADATA) {
        return false;
    }
    if (viewed->does & LA_VIEWER_CONTIGUOUS) {
        return !viewed->is_plain || !(la_fields(facade)->flags & NPY_ARRAY_C_CONTIGUOUS);
    }
    return la_viewed_copies(viewed, facade) || !(viewed->does & LA_VIEWER_NEVER_COPIES);
}

/* -- results ------------------------------------------------------------------------------ */

/* What is at the end of the chain of an array's bases; borrowed from that array. NULL: an error. */
static PyObject *
la_end_of_bases(PyObject *array)
{
    PyObject *end = array;

    while (PyArray_Check(end) || Py_TYPE(end) == la_connected.stand_in) {
        PyObject *base;
        if (PyArray_Check(end)) {
            base = la_fields(end)->base;
            if (base == NULL) {
                break;
            }
        }
        else {
            base = la_get_named(end, "base");
            if (base == NULL) {
                return NULL;
            }
            Py_DECREF(base);        /* it is the stand-in's */
        }
        end = base;
    }
    return end;
}

/* The Memory that a raw view shows. */
static PyObject *
la_memory_behind(PyObject *raw)
{
    PyObject *root = la_root_behind(raw);

    return root == NULL ? NULL : la_fields(root)->base;
}

/* The first of the arrays that are on the same Buffer as this one. */
static PyObject *
la_viewed_template(const la_viewed *viewed, Py_ssize_t i)
{
    PyObject *buffer = la_facade_of(viewed->given[i])->buffer;
    Py_ssize_t first = 0;

    while (!viewed->is_facade[first] || la_facade_of(viewed->given[first])->buffer != buffer) {
        first++;
    }
    return viewed->given[first];
}

/* An array that the function returned. A new reference; NULL without an error: a copy, perhaps. */
static PyObject *
la_viewed_array(const la_viewed *viewed, PyObject *array)
{
    bool is_theirs = false;

    for (Py_ssize_t i = 0; i < viewed->count; i++) {
        if (array == viewed->passed[i]) {
            return Py_NewRef(viewed->given[i]);
        }
    }
    PyObject *end = la_end_of_bases(array);
    if (end == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < viewed->count; i++) {
        if (viewed->is_facade[i]) {
            if (end == la_memory_behind(viewed->passed[i])) {
                PyObject *template = la_viewed_template(viewed, i);
                bool may_write = la_facade_of(template)->may_write
                                 && !(viewed->does & LA_VIEWER_READ_ONLY);
                return la_view_of(array, viewed->passed[i], template, may_write);
            }
        }
        else if (PyArray_CheckExact(viewed->passed[i])) {
            PyObject *its = la_end_of_bases(viewed->passed[i]);
            if (its == NULL) {
                return NULL;
            }
            is_theirs = is_theirs || its == end;
        }
    }
    /* What is neither theirs nor NumPy's memory is nothing to be handed out as it is. */
    return is_theirs || (viewed->locked && PyArray_Check(end)) ? Py_NewRef(array) : NULL;
}

/* The same of all that it returned. */
static PyObject *
la_viewed_result(const la_viewed *viewed, PyObject *result, int levels)
{
    if (PyArray_CheckExact(result)) {
        return la_viewed_array(viewed, result);
    }
    bool is_list = PyList_CheckExact(result);
    if (levels == 0 || !(is_list || PyTuple_CheckExact(result))) {
        return viewed->locked ? Py_NewRef(result) : NULL;
    }
    Py_ssize_t count = PySequence_Fast_GET_SIZE(result);
    PyObject *made = is_list ? PyList_New(count) : PyTuple_New(count);
    for (Py_ssize_t i = 0; made != NULL && i < count; i++) {
        PyObject *item = la_viewed_result(viewed, PySequence_Fast_GET_ITEM(result, i), levels - 1);
        if (item == NULL) {
            Py_CLEAR(made);
        }
        else if (is_list) {
            PyList_SET_ITEM(made, i, item);
        }
        else {
            PyTuple_SET_ITEM(made, i, item);
        }
    }
    return made;
}

/* -- the call ------------------------------------------------------------------------------- */

/* NULL without an error: the result may be a copy. */
static PyObject *
la_viewed_call(la_viewed *viewed)
{
    PyObject *result = NULL;
    Py_ssize_t ready = 0;

    for (; ready < viewed->count; ready++) {
        PyObject *object = viewed->given[ready];
        PyObject *passed = !viewed->is_facade[ready] ? Py_NewRef(object)
            : viewed->locked ? la_raw(object, LA_READ) : la_raw_unlocked(object);
        if (passed == NULL) {
            goto end;
        }
        viewed->passed[ready] = passed;
    }
    PyObject *returned = PyObject_Vectorcall(viewed->function, viewed->passed,
                                             (size_t)(viewed->count - viewed->named),
                                             viewed->kwnames);
    if (returned == NULL || viewed->does & LA_VIEWER_METADATA) {
        result = returned;
        goto end;
    }
    result = la_viewed_result(viewed, returned, LA_VIEWED_LEVELS);
    Py_DECREF(returned);
end:
    while (ready-- > 0) {
        Py_DECREF(viewed->passed[ready]);
    }
    return result;
}

/* Under the read lock. NULL without an error: for the general version. */
static PyObject *
la_viewed_call_locked(la_viewed *viewed)
{
    viewed->operation.count = 0;
    for (Py_ssize_t i = 0; i < viewed->count; i++) {
        PyObject *object = viewed->given[i];
        if (viewed->is_facade[i]
                && (PyArray_TYPE((PyArrayObject *)object) == NPY_VOID   /* whose scalars are views */
                    || la_operation_add(&viewed->operation, object, LA_READ) < 0)) {
            return NULL;
        }
        if (!viewed->is_facade[i] && PyArray_CheckExact(object) && !la_is_plain_array(object)) {
            return NULL;
        }
    }
    if (la_operation_lock(&viewed->operation) != 0) {
        return NULL;
    }
    viewed->locked = true;
    PyObject *result = la_viewed_call(viewed);
    la_operation_unlock(&viewed->operation);
    return result;
}

static PyObject *
la_viewed_do(la_viewed *viewed, bool *general)
{
    /* A keyword may say that it is not to, as meshgrid's does. */
    bool copies = viewed->does & LA_VIEWER_COPIES && viewed->named == 0, any = false;

    for (Py_ssize_t i = 0; i < viewed->count; i++) {
        if (viewed->is_facade[i]) {
            any = true;
            copies = copies || la_viewed_copies(viewed, viewed->given[i]);
            if (la_viewed_reads_objects(viewed, viewed->given[i])) {
                return NULL;
            }
        }
    }
    if (!any || (viewed->does & LA_VIEWER_FIRST && !viewed->is_facade[0])) {
        return NULL;
    }
    PyObject *result = copies ? NULL : la_viewed_call(viewed);
    if (result == NULL && !PyErr_Occurred()) {
        result = la_viewed_call_locked(viewed);
    }
    *general = result == NULL && !PyErr_Occurred();
    return result;
}

static void
la_viewed_begin(la_viewed *viewed, PyObject *function, long does)
{
    viewed->function = function;
    viewed->does = does;
    viewed->count = viewed->named = 0;
    viewed->locked = false;
    viewed->is_plain = true;
    viewed->kwnames = NULL;
}

PyObject *
la_view_method(PyObject *method, long does, PyObject *const *args, size_t nargs, bool *general)
{
    la_viewed viewed;

    *general = true;
    la_viewed_begin(&viewed, method, does);
    for (size_t i = 0; i < nargs; i++) {
        if (!la_viewed_add(&viewed, args[i])) {
            return NULL;
        }
    }
    return la_viewed_do(&viewed, general);
}

PyObject *
la_view_function(PyObject *function, PyObject *args, PyObject *kwargs, bool *general)
{
    la_viewed viewed;
    PyObject *keywords = NULL, *result = NULL;

    *general = true;
    if (la_class == NULL || !PyTuple_CheckExact(args)) {
        return NULL;
    }
    PyObject *known = PyDict_GetItemWithError(la_connected.viewers, function);
    if (known == NULL) {
        PyErr_Clear();      /* what cannot be hashed is in no table */
        return NULL;
    }
    la_viewed_begin(&viewed, PyTuple_GET_ITEM(known, 0), PyLong_AsLong(PyTuple_GET_ITEM(known, 1)));
    if (PyDict_GET_SIZE(kwargs) != 0) {
        keywords = PyDict_Copy(kwargs);     /* others may change the dict meanwhile */
        if (keywords == NULL) {
            return NULL;
        }
    }
    if (la_viewed_add_all(&viewed, args, keywords)) {
        result = la_viewed_do(&viewed, general);
    }
    Py_XDECREF(viewed.kwnames);
    Py_XDECREF(keywords);
    return result;
}
