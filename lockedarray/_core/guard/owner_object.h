/*
 * Owners for Python: what may hold locks beside the thread itself.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_OWNER_OBJECT_H_
#define LOCKEDARRAY_CORE_GUARD_OWNER_OBJECT_H_

#include "guard/interpreter.h"

int la_owner_object_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_OWNER_OBJECT_H_ */
