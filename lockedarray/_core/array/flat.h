/*
 * x.flat: the elements in C order, each access under a lock.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_FLAT_H_
#define LOCKEDARRAY_CORE_ARRAY_FLAT_H_

#include "array/numpy.h"

/* x.flat */
PyObject *la_flat_make(PyObject *array);

/* x.flat = value: 0, LA_GENERAL or -1. */
int la_flat_fill(PyObject *array, PyObject *value);

int la_flat_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_FLAT_H_ */
