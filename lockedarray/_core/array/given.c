/*
 * Lists and tuples, and arrays of them. They are copied first: another thread may change them while
 * NumPy reads what is in them.
 */
#include "array/given.h"

/* What NumPy reads without foreign code. */
static inline bool
la_is_given_item(PyObject *object)
{
    return la_is_number(object) || PyUnicode_CheckExact(object) || PyBytes_CheckExact(object);
}

bool
la_is_nested_numbers(PyObject *object, int most_within)
{
    if (la_is_number(object)) {
        return true;
    }
    if (most_within == 0 || !la_is_list(object)) {
        return false;
    }
    /* Another thread may make a list shorter meanwhile. */
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); i++) {
#ifdef Py_GIL_DISABLED
        PyObject *item = PySequence_GetItem(object, i);
        if (item == NULL) {
            PyErr_Clear();
            return false;
        }
        bool plain = la_is_nested_numbers(item, most_within - 1);
        Py_DECREF(item);
#else
        bool plain = la_is_nested_numbers(PySequence_Fast_GET_ITEM(object, i), most_within - 1);
#endif
        if (!plain) {
            return false;
        }
    }
    return true;
}

bool
la_is_int_list(PyObject *object)
{
    if (!PyList_CheckExact(object)) {
        return false;
    }
    bool are = true;
    Py_BEGIN_CRITICAL_SECTION(object);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(object); i++) {
        are = are && PyLong_CheckExact(PyList_GET_ITEM(object, i));
    }
    Py_END_CRITICAL_SECTION();
    return are;
}

/* A new tuple of what is in a list or tuple now; or the tuple itself. */
static PyObject *
la_given_items(PyObject *value)
{
    return PyList_CheckExact(value) ? PyList_AsTuple(value) : Py_NewRef(value);
}

static PyObject *
la_given_own_items(PyObject *items)
{
    Py_ssize_t count = PyTuple_GET_SIZE(items);
    PyObject *own = PyTuple_New(count);

    for (Py_ssize_t i = 0; own != NULL && i < count; i++) {
        PyTuple_SET_ITEM(own, i, Py_NewRef(PyTuple_GET_ITEM(items, i)));
    }
    return own;
}

/* Tuples of tuples, which nobody changes; NULL without an error if anything else is in them. */
static PyObject *
la_given_copy(PyObject *value, int most_within)
{
    PyObject *items = most_within < 1 ? NULL : la_given_items(value);
    bool is_own = items != value;

    if (items == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i);
        if (la_is_given_item(item)) {
            continue;
        }
        PyObject *copy = la_is_list(item) ? la_given_copy(item, most_within - 1) : NULL;
        if (copy != NULL && copy != item && !is_own) {
            Py_SETREF(items, la_given_own_items(items));
            is_own = true;
        }
        if (copy == NULL || items == NULL) {
            Py_XDECREF(copy);
            Py_XDECREF(items);
            return NULL;
        }
        if (copy == item) {
            Py_DECREF(copy);
            continue;
        }
        PyTuple_SET_ITEM(items, i, copy);
        Py_DECREF(item);
    }
    return items;
}

PyObject *
la_given_array(PyObject *value, PyArray_Descr *descr, int most_axes)
{
    PyObject *items
        = la_given_copy(value, most_axes < LA_MOST_WITHIN ? most_axes : LA_MOST_WITHIN);

    if (items == NULL) {
        return NULL;
    }
    Py_XINCREF(descr);
    PyObject *made = PyArray_FromAny(items, descr, 0, 0,
                                     NPY_ARRAY_CARRAY | NPY_ARRAY_FORCECAST, NULL);
    Py_DECREF(items);
    if (made == NULL && PyErr_ExceptionMatches(PyExc_Exception)
            && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear();          /* the general version raises what it should */
    }
    if (made != NULL && !la_is_plain_array(made)) {
        Py_CLEAR(made);         /* of objects, as of integers that are too large */
    }
    return made;
}
