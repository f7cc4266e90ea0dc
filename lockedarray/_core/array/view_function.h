/*
 * NumPy's functions that make views, or look at shapes and dtypes alone: no lock is waited for.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_VIEW_FUNCTION_H_
#define LOCKEDARRAY_CORE_ARRAY_VIEW_FUNCTION_H_

#include "array/numpy.h"

/* What such a function does; these are numbers in Python, too (function_roles.py). */
enum {
    LA_VIEWER_METADATA = 1,     /* returns nothing that it read, and no view */
    LA_VIEWER_FIRST = 2,        /* ... of its first argument, if that has axes */
    LA_VIEWER_READ_ONLY = 4,    /* its views are read-only */
    LA_VIEWER_CONTIGUOUS = 8,   /* it may make a copy of what is not contiguous */
    LA_VIEWER_VECTORS = 16,     /* it makes a copy of what has one axis */
    LA_VIEWER_COPIES = 32,      /* it makes copies, as a rule */
    LA_VIEWER_NEVER_COPIES = 64,        /* but for the above */
    LA_VIEWER_FLATTENS = 128,   /* of what is not contiguous, without more arguments: a copy */
    LA_VIEWER_SEVERAL = 256,    /* it views each array: others read all but the first */
};

/*
 * Calls the function, if it is one of these and its arguments are plain. NULL, and
 * `general`: nothing was done, and the general version is to do it.
 */
PyObject *la_view_function(PyObject *function, PyObject *args, PyObject *kwargs, bool *general);

/* The same of a method, which does this, by position: the array is the first argument. */
PyObject *la_view_method(PyObject *method, long does, PyObject *const *args, size_t nargs,
                         bool *general);

#endif  /* LOCKEDARRAY_CORE_ARRAY_VIEW_FUNCTION_H_ */
