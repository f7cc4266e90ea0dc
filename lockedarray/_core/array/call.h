/*
 * Call: a function of NumPy's with plain arguments, under the locks of its
 * LockedArrays, on raw views in place of them.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_CALL_H_
#define LOCKEDARRAY_CORE_ARRAY_CALL_H_

#include "array/operation.h"

/* As many arguments a call may have here. */
#define LA_MOST_ARGUMENTS 10

/* A call with raw views in place of the LockedArrays. */
typedef struct {
    la_operation operation;
    int count;
    PyObject *given[LA_MOST_ARGUMENTS];     /* borrowed from the caller */
    int operands[LA_MOST_ARGUMENTS];        /* in the operation, or -1 */
    PyObject *raws[LA_MOST_ARGUMENTS];      /* new references */
} la_call;


/* Adds an array or a number; false for anything else. */
bool la_call_add(la_call *call, PyObject *object, la_mode mode);

/* The same, or what la_is_parameter. */
bool la_call_add_argument(la_call *call, PyObject *object, la_mode mode);

/*
 * The names of keyword arguments whose values are added: a tuple, or NULL. Those of a
 * ufunc's method are given out in a tuple.
 */
PyObject *la_call_add_named(la_call *call, PyObject *kwargs, bool of_ufunc);

/* 0, LA_GENERAL or -1; after 0 everything is locked, until la_call_end. */
int la_call_begin(la_call *call);
void la_call_end(la_call *call);

/* The call itself, with raw views; the first `joined` of them in a list. */
PyObject *la_call_do(la_call *call, PyObject *function, Py_ssize_t joined, PyObject *kwnames);

#endif  /* LOCKEDARRAY_CORE_ARRAY_CALL_H_ */
