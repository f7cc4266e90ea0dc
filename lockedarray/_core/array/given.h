/*
 * Given: lists and tuples, of which an operation makes an array before it locks.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_GIVEN_H_
#define LOCKEDARRAY_CORE_ARRAY_GIVEN_H_

#include "array/numpy.h"

/* As many lists may be within one another here. */
#define LA_MOST_WITHIN 16

static inline bool
la_is_list(PyObject *object)
{
    return PyList_CheckExact(object) || PyTuple_CheckExact(object);
}

/* A number, or lists in lists of numbers: NumPy runs nobody else's code to read them. */
bool la_is_nested_numbers(PyObject *object, int most_within);

/* A list of ints, as reshape(x, [2, 3]) may be given. */
bool la_is_int_list(PyObject *object);

/*
 * The plain array that NumPy makes of a list or tuple of numbers and texts, and of lists and
 * tuples of these, as it is at one moment; in this dtype, or in the one that NumPy finds. A new
 * reference; NULL without an error for the general path, as where NumPy refuses it, or where more
 * than `most_axes` are within one another.
 */
PyObject *la_given_array(PyObject *value, PyArray_Descr *descr, int most_axes);

#endif  /* LOCKEDARRAY_CORE_ARRAY_GIVEN_H_ */
