/*
 * Growth: rows that are added at the end, removed in front, or given and taken by a
 * resize, where the memory need not move.
 *
 * Each function returns a new reference, or NULL with an error, or NULL without one
 * for the general version (lockedarray._array.growing, .resizing).
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_GROWTH_H_
#define LOCKEDARRAY_CORE_ARRAY_GROWTH_H_

#include "array/numpy.h"

/* x.append(values) */
PyObject *la_append(PyObject *array, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* x.popleft(n) */
PyObject *la_popleft(PyObject *array, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* x.resize(n, m, refcheck=...) */
PyObject *la_resize(PyObject *array, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

#endif  /* LOCKEDARRAY_CORE_ARRAY_GROWTH_H_ */
