/*
 * The body of an array: what it shows, exchanged in one step for other threads.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_BODY_H_
#define LOCKEDARRAY_CORE_ARRAY_BODY_H_

#include "array/numpy.h"

/*
 * Where the array begins and how long its first axis is, with the flags that it has
 * then: in one step for other threads.
 */
void la_body_set_rows(PyObject *array, char *data, npy_intp length, int flags);

int la_body_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_BODY_H_ */
