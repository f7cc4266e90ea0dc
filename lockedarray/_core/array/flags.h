/*
 * x.flags: NumPy's flags of an array, told of the array that the user sees.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_FLAGS_H_
#define LOCKEDARRAY_CORE_ARRAY_FLAGS_H_

#include "array/numpy.h"

/* x.flags */
PyObject *la_flags_make(PyObject *array);

int la_flags_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_FLAGS_H_ */
