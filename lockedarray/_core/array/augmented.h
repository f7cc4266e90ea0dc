/*
 * x[i] += v as one step: what x[i] is in between, for plain elements.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_AUGMENTED_H_
#define LOCKEDARRAY_CORE_ARRAY_AUGMENTED_H_

#include "array/numpy.h"

extern PyTypeObject la_augmented_type;

static inline bool
la_is_augmented(PyObject *object)
{
    return Py_TYPE(object) == &la_augmented_type;
}

/* Stands in place of `value`, which was read from container[index]; takes its reference. */
PyObject *la_augmented_new(PyObject *container, PyObject *index, PyObject *value);

/*
 * The assignment at the end, to container[index]: 0 or -1. The element is that of the array at
 * `integers` where these are as many as it has axes. The container is the array itself, or its flat.
 */
int la_augmented_store(PyObject *container, PyObject *index, PyObject *array,
                       const npy_intp *integers, int count, PyObject *augmented);

/*
 * The same in place of the copy of several elements, whose reference it takes; `taken` is the
 * index by which they were read. NULL without an error: not of this value, or this index.
 */
PyObject *la_augmented_of_several(PyObject *array, PyObject *index, PyObject *taken,
                                  PyObject *value);

int la_augmented_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_AUGMENTED_H_ */
