/*
 * Results and parameters: which need nobody else's code, and which are views.
 */
#include "array/result.h"

#include "array/general.h"

#include <string.h>

/* Does an exact array show memory that NumPy allocated, and not a Memory's? */
static bool
la_is_new_array(PyObject *object)
{
    PyObject *base = PyArray_CheckExact(object) ? PyArray_BASE((PyArrayObject *)object) : object;

    return base == NULL
           || (base != object && PyArray_CheckExact(base)
               && PyArray_CHKFLAGS((PyArrayObject *)base, NPY_ARRAY_OWNDATA));
}

/* Is it a date, a time or a duration of Python's own? */
static bool
la_is_datetime(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    return !PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)
           && strncmp(type->tp_name, "datetime.", 9) == 0;
}

/* The same of what is neither a list nor a tuple. */
static bool
la_is_new_by_itself(PyObject *result)
{
    return la_is_new_array(result) || result == Py_None || PyBool_Check(result)
           || (PyArray_IsAnyScalar(result) && !PyArray_IsScalar(result, Void))
           || la_is_datetime(result);
}

bool
la_is_new(PyObject *result)
{
    if (PyTuple_Check(result)) {        /* a named tuple, too */
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(result); i++) {
            if (!la_is_new_by_itself(PyTuple_GET_ITEM(result, i))) {
                return false;
            }
        }
        return true;
    }
    return la_is_new_by_itself(result);
}

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
    /* In a list of its own: what nothing else refers to is a result, and not an element. */
    PyObject *box = PyList_New(1);
    if (box == NULL) {
        Py_DECREF(result);
        return NULL;
    }
    PyList_SET_ITEM(box, 0, result);
    PyObject *wrapped = PyObject_CallFunctionObjArgs(la_connected.wrapped, box, facade, raw, NULL);
    Py_DECREF(box);
    return wrapped;
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
