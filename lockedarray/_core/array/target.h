/*
 * Target: what a basic index names, before NumPy makes a view of it.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_TARGET_H_
#define LOCKEDARRAY_CORE_ARRAY_TARGET_H_

#include "array/element.h"

/* What ndarray would make a view of. The dtype is the array's, or its field's. */
typedef struct {
    char *data;
    PyArray_Descr *descr;       /* borrowed */
    int nd;
    npy_intp shape[NPY_MAXDIMS];
    npy_intp strides[NPY_MAXDIMS];
} la_target;


/* False for what is no such index, or one that NumPy refuses. */
bool la_target_find(PyObject *array, PyObject *index, la_target *target);

void la_target_region(const la_target *target, const la_buffer_object *buffer,
                      la_region *region);

/* Is `value` the view that the index names? Then x[index] += ... is at its end. */
bool la_target_is(const la_target *target, PyObject *array, PyObject *value);

#endif  /* LOCKEDARRAY_CORE_ARRAY_TARGET_H_ */
