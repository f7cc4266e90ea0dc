/*
 * __array_ufunc__.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_UFUNC_H_
#define LOCKEDARRAY_CORE_ARRAY_UFUNC_H_

#include "array/numpy.h"

/*
 * ufunc.at(facade, index, value), value NULL where the ufunc has one operand.
 * NULL, and no error, with *general: for the general version. `updated`: for a copy of the
 * elements afterwards, or NULL.
 */
PyObject *la_ufunc_at(PyObject *ufunc, PyObject *facade, PyObject *index, PyObject *value,
                      PyObject **updated, bool *general);

/* Gives the array type its __array_ufunc__. */
int la_array_ufunc_add(PyTypeObject *array_type);

#endif  /* LOCKEDARRAY_CORE_ARRAY_UFUNC_H_ */
