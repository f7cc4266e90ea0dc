/*
 * GuardBase: the C part of Guard, which read(), write() and acquire() return.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_GUARD_H_
#define LOCKEDARRAY_CORE_GUARD_GUARD_H_

#include "guard/arrays.h"

/*
 * A guard of one array, with a timeout in seconds, or a negative one, and a predicate, or
 * NULL; NULL with an error.
 */
PyObject *la_guard_new(PyObject *array, bool writes, double timeout, PyObject *when);

/* Is it None, or a predicate? Else the general version is to look at it. */
bool la_guard_knows(PyObject *when);

/* The timeout of a guard in seconds, -1 for none; -2: the general version is to look at it. */
double la_guard_timeout(PyObject *given);

/* The class Guard, of which guards are made. */
void la_guard_connect(PyTypeObject *cls);

int la_guard_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_GUARD_H_ */
