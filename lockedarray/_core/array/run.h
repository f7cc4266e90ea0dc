/*
 * Run: any function with any arguments, under the locks of the LockedArrays in them, on raw
 * views in place of them. What the general version in Python does for all, for those that
 * nothing is special about.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_RUN_H_
#define LOCKEDARRAY_CORE_ARRAY_RUN_H_

#include "array/numpy.h"

/* So many arrays a call may write here, and so many arguments it may have. */
#define LA_MOST_WRITTEN 4
#define LA_MOST_RUN_ARGUMENTS 16

typedef struct {
    PyObject *function;
    PyObject *written[LA_MOST_WRITTEN];     /* borrowed: which LockedArrays are written */
    int writes;                             /* how many */
    bool read_only_result;      /* it returns views that NumPy documents as read-only */
    bool elements;              /* it returns elements and copies: handed out as they are */
    bool lists;                 /* the same of a list, unless elements are records */
    bool anything;              /* what it returns may be anything, and not only its own arrays */
    bool copies_read_only;      /* NumPy's C code would copy a read-only array, to read it alone */
} la_run_terms;

/* Adds what is written: a LockedArray, or those in a tuple or list; false: they are too many. */
bool la_run_add_written(la_run_terms *terms, PyObject *object);

/*
 * Calls it with these arguments, of which those by keyword are behind the others. NULL with
 * `general` set: for the general version, and nothing has been done.
 */
PyObject *la_run(const la_run_terms *terms, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames, bool *general);

/* The same, of a tuple and a dict, or NULL, that nobody else changes. */
PyObject *la_run_with(const la_run_terms *terms, PyObject *args, PyObject *kwargs, bool *general);

/* Are there LockedArrays in it? 1, 0, or -1 where only the general version knows. */
int la_run_looks(PyObject *object);

int la_run_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_RUN_H_ */
