/*
 * The body of an array: what it shows, exchanged in one step for other threads.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_BODY_H_
#define LOCKEDARRAY_CORE_ARRAY_BODY_H_

#include "guard/python.h"

int la_body_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_BODY_H_ */
