/*
 * Holds: what general versions in Python lock by.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_HOLDS_H_
#define LOCKEDARRAY_CORE_GUARD_HOLDS_H_

#include "guard/python.h"

/* Gives back what a Holds object has; nothing of any other object. No error is set. */
void la_holds_give_back(PyObject *holds);

int la_holds_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_HOLDS_H_ */
