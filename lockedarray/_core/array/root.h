/*
 * New roots: LockedArrays over memory of their own.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_ROOT_H_
#define LOCKEDARRAY_CORE_ARRAY_ROOT_H_

#include "array/buffer.h"

/* May a root be made over this array, which nobody else can reach, without Python's help? */
bool la_root_is_fit(PyObject *array);

/* One over an array that is fit, with a lock of its own; NULL with an error. */
PyObject *la_root_over(PyObject *array);

int la_root_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_ROOT_H_ */
