/*
 * x.at: the bases of At and AtIndex.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_AT_H_
#define LOCKEDARRAY_CORE_ARRAY_AT_H_

#include "array/numpy.h"

/* x.at */
PyObject *la_array_get_at(PyObject *array, void *closure);

/* The number of AtIndex's method of this qualified name, or -1. */
int la_at_method_find(const char *name);

/* NULL without an error: for the general version. args[0] is the AtIndex. */
PyObject *la_at_method_call(int method, PyObject *const *args, Py_ssize_t nargs);

int la_at_types_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_AT_H_ */
