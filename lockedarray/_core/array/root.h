/*
 * New roots: LockedArrays over memory of their own.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_ROOT_H_
#define LOCKEDARRAY_CORE_ARRAY_ROOT_H_

#include "array/buffer.h"

int la_root_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_ROOT_H_ */
