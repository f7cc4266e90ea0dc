/*
 * Whether an argument is a temporary that only its caller's stack refers to.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_TEMPORARY_H_
#define LOCKEDARRAY_CORE_ARRAY_TEMPORARY_H_

#include "array/numpy.h"

void la_temporary_connect(PyTypeObject *cls);
int la_temporary_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_TEMPORARY_H_ */
