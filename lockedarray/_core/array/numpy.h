/*
 * NumPy's headers, and what this floor asks of plain arrays and numbers.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_NUMPY_H_
#define LOCKEDARRAY_CORE_ARRAY_NUMPY_H_

#include "guard/python.h"

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL lockedarray_array_api
#ifndef LA_IMPORTS_ARRAY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>

static inline PyArrayObject_fields *
la_fields(PyObject *array)
{
    return (PyArrayObject_fields *)array;
}

/* A number or a scalar of NumPy's own: nobody else's code runs to use it. */
static inline bool
la_is_number(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    if (type == &PyFloat_Type || type == &PyLong_Type || type == &PyBool_Type
            || type == &PyComplex_Type) {
        return true;
    }
    return PyArray_IsScalar(object, Generic)
           && !PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)
           && !PyArray_IsScalar(object, Void) && !PyArray_IsScalar(object, Object);
}

/* A plain array whose elements are not Python objects. */
static inline bool
la_is_plain_array(PyObject *object)
{
    return Py_TYPE(object) == &PyArray_Type
           && !PyDataType_REFCHK(PyArray_DESCR((PyArrayObject *)object));
}

#endif  /* LOCKEDARRAY_CORE_ARRAY_NUMPY_H_ */
