/*
 * The slots of indexing.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_SUBSCRIPT_H_
#define LOCKEDARRAY_CORE_ARRAY_SUBSCRIPT_H_

#include "array/numpy.h"

PyObject *la_subscript(PyObject *array, PyObject *index);
int la_assign_subscript(PyObject *array, PyObject *index, PyObject *value);
PyObject *la_item(PyObject *array, Py_ssize_t i);
int la_assign_item(PyObject *array, Py_ssize_t i, PyObject *value);

#endif  /* LOCKEDARRAY_CORE_ARRAY_SUBSCRIPT_H_ */
