/*
 * Results: what NumPy returned for raw views, and what its arguments may be.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_RESULT_H_
#define LOCKEDARRAY_CORE_ARRAY_RESULT_H_

#include "array/numpy.h"

/*
 * What to give out for what NumPy returned: for a raw view its LockedArray,
 * and for a view of one what the general path makes of it. Steals `result`.
 */
PyObject *la_unwrapped(PyObject *result, PyObject *raw, PyObject *facade);

/* Is a result nobody's view: a number, None, a new array, or a list or tuple of such? */
bool la_is_new(PyObject *result);

/* None, a number, text, a tuple of ints, or a dtype: its use runs no foreign code. */
bool la_is_parameter(PyObject *object);

#endif  /* LOCKEDARRAY_CORE_ARRAY_RESULT_H_ */
