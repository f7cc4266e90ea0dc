/*
 * Elements that are no plain scalars: Python objects, text of varied length, records.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_OTHER_ELEMENT_H_
#define LOCKEDARRAY_CORE_ARRAY_OTHER_ELEMENT_H_

#include "array/numpy.h"

#include <string.h>

/*
 * The element at `count` integers, one for each axis, of an array that has that shape, if one is
 * given; NULL without an error: the general path.
 */
PyObject *la_other_element_get(PyObject *array, const npy_intp *index, int count,
                               const npy_intp *shape);

/* 0, LA_GENERAL or -1. */
int la_other_element_set(PyObject *array, const npy_intp *index, int count, PyObject *value);

/* The object that is there, borrowed. */
static inline PyObject *
la_object_at(const char *address)
{
    PyObject *object;

    memcpy(&object, address, sizeof(object));
    return object == NULL ? Py_None : object;
}

/* Has `value` be the object that is `read` now: 0, LA_GENERAL (another one is there, too) or -1. */
int la_object_replace(PyObject *array, const npy_intp *index, int count, PyObject *read,
                      PyObject *value);

/*
 * Puts an object into its place of the array, which is locked. The end of the one that was there may
 * run anything, under the lock; what that assigns to the same place is replaced again, as by NumPy.
 */
void la_object_put(PyObject *array, char *address, PyObject *value);

/* Is it one record, whose use runs no foreign code: a tuple of plain values, or a scalar? */
bool la_is_record(PyObject *value);

#endif  /* LOCKEDARRAY_CORE_ARRAY_OTHER_ELEMENT_H_ */
