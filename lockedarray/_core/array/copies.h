/*
 * Copies: LockedArrays with memory and a lock of their own.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_COPIES_H_
#define LOCKEDARRAY_CORE_ARRAY_COPIES_H_

#include "array/operation.h"

PyObject *la_array_copy(PyObject *array, PyObject *unused);
PyObject *la_array_deepcopy(PyObject *array, PyObject *memo);
PyObject *la_array_reduce(PyObject *array, PyObject *unused);
PyObject *la_array_reduce_ex(PyObject *array, PyObject *protocol);

int la_copies_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_COPIES_H_ */
