/*
 * LockedMethod: methods of ndarray, locked.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_METHOD_H_
#define LOCKEDARRAY_CORE_ARRAY_METHOD_H_

#include "guard/python.h"

int la_method_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_METHOD_H_ */
