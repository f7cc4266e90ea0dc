/*
 * Number slots, in-place slots and comparisons.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_NUMBERS_H_
#define LOCKEDARRAY_CORE_ARRAY_NUMBERS_H_

#include "array/numpy.h"

extern PyType_Slot la_number_slots[];

/* How: Py_LT ... */
PyObject *la_compare(PyObject *array, PyObject *other, int how);

#endif  /* LOCKEDARRAY_CORE_ARRAY_NUMBERS_H_ */
