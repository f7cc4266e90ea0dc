/*
 * Holds: what general versions in Python lock by.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_HOLDS_H_
#define LOCKEDARRAY_CORE_GUARD_HOLDS_H_

#include "guard/python.h"

/* Gives back what a Holds object has; nothing of any other object. No error is set. */
void la_holds_give_back(PyObject *holds);

/* The subject of holds of operations in Python: they are not given back before these end. */
extern const char la_holds_of_operation;

int la_holds_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_HOLDS_H_ */
