/*
 * Changes of what an index names, under a lock of just that.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_CHANGE_H_
#define LOCKEDARRAY_CORE_ARRAY_CHANGE_H_

#include "array/operation.h"

/* array[index] = value, with an index that makes a view: 0, LA_GENERAL or -1. */
int la_view_assign(PyObject *array, PyObject *index, PyObject *value);

/*
 * array[index] = ufunc(array[index], value), with an index that makes a view and
 * the casts of ufunc.at: 0, LA_GENERAL or -1. `updated`: for a copy of the new
 * elements, or NULL.
 */
int la_view_update(PyObject *array, PyObject *index, PyObject *ufunc, PyObject *value,
                   PyObject **updated);

/*
 * The same of the element at `count` integers, one for each axis, by ufunc.at. `updated`: for a
 * copy of it, an array without axes or of one element.
 */
int la_element_update(PyObject *array, const npy_intp *integers, int count, PyObject *ufunc,
                      PyObject *value, PyObject **updated);

/* Can no two elements share a byte, as far as the strides tell? */
bool la_is_apart(PyObject *view);

/* array[index] = value through their raw views, under the lock of the operation. */
int la_raw_assign(PyObject *array, PyObject *index, const la_operation *operation, int value_at,
                  PyObject *value);

#endif  /* LOCKEDARRAY_CORE_ARRAY_CHANGE_H_ */
