/*
 * ArrayBase: the C part of LockedArray.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_ARRAY_TYPE_H_
#define LOCKEDARRAY_CORE_ARRAY_ARRAY_TYPE_H_

#include "guard/python.h"

int la_array_type_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_ARRAY_TYPE_H_ */
