/*
 * New roots: LockedArrays over memory of their own.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_ROOT_H_
#define LOCKEDARRAY_CORE_ARRAY_ROOT_H_

#include "array/buffer.h"

/* Can la_root_make make one over this array? Else it is for the general version. */
bool la_root_takes(PyObject *array);

/* And is it one of numbers or texts, which all paths know? */
bool la_root_is_fit(PyObject *array);

/*
 * A LockedArray over an exact array that nobody else can reach, and that need not own its bytes
 * afterwards. Lock and name may be None. It is for the caller to have the lock named.
 */
PyObject *la_root_make(PyObject *array, PyObject *lock, PyObject *objects, PyObject *name);

/* One over an array that is fit, with a lock of its own; NULL with an error. */
PyObject *la_root_over(PyObject *array);

int la_root_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_ROOT_H_ */
