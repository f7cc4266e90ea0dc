/*
 * What x.at does beside updates by a ufunc: set, exchange, apply.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_AT_ACTION_H_
#define LOCKEDARRAY_CORE_ARRAY_AT_ACTION_H_

#include "array/facade.h"

typedef enum {
    LA_AT_SET,                  /* assigns a value; the new elements */
    LA_AT_EXCHANGE,             /* the same; the old ones */
    LA_AT_APPLY,                /* assigns what a function makes of them; the new ones */
    LA_AT_COMPARE_EXCHANGE,     /* of an object: whether it was what is expected, and the old one */
    LA_AT_ADD,                  /* to one object, as those that follow; the new one */
    LA_AT_SUBTRACT,
    LA_AT_MULTIPLY,
    LA_AT_DIVIDE,
} la_at_action;

/*
 * Does it with what array[index] names, under a lock of that: 0, LA_GENERAL or -1. The
 * result is a new reference, or nothing is asked for, if it is NULL. There is one value, or,
 * for LA_AT_COMPARE_EXCHANGE, the expected one and the desired one.
 */
int la_at_act(PyObject *array, PyObject *index, la_at_action action, PyObject *const *values,
              PyObject **result);

/* x.at[index] = value: 0, LA_GENERAL or -1. */
int la_at_assign(PyObject *array, PyObject *index, PyObject *value);

/* What compare_exchange returns, a named tuple. */
PyObject *la_at_exchanged(bool swaps, PyObject *old);

#endif  /* LOCKEDARRAY_CORE_ARRAY_AT_ACTION_H_ */
