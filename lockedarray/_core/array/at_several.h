/*
 * Several elements of x.at: what they are, and their update where a mask selects them.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_AT_SEVERAL_H_
#define LOCKEDARRAY_CORE_ARRAY_AT_SEVERAL_H_

#include "array/numpy.h"

/* A copy of what the index names; NULL without an error: for the general version. */
PyObject *la_several_get(PyObject *array, PyObject *index);

/*
 * array[mask] = ufunc(array[mask], value), with the casts of ufunc.at: 0, LA_GENERAL or -1.
 * `updated`: for a copy of the new elements, or NULL.
 */
int la_mask_update(PyObject *array, PyObject *mask, PyObject *ufunc, PyObject *value,
                   PyObject **updated);

#endif  /* LOCKEDARRAY_CORE_ARRAY_AT_SEVERAL_H_ */
