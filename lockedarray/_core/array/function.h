/*
 * __array_function__.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_FUNCTION_H_
#define LOCKEDARRAY_CORE_ARRAY_FUNCTION_H_

#include "array/numpy.h"

PyObject *la_array_function(PyObject *array, PyObject *const *args, Py_ssize_t nargs,
                            PyObject *kwnames);

#endif  /* LOCKEDARRAY_CORE_ARRAY_FUNCTION_H_ */
