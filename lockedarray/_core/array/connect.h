/*
 * connect(): what is above the core introduces itself, and this floor to the one below.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_CONNECT_H_
#define LOCKEDARRAY_CORE_ARRAY_CONNECT_H_

#include "guard/python.h"

int la_connect_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_CONNECT_H_ */
