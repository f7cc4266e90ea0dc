/*
 * Places in the queue of a lock, for asyncio tasks, which do not sleep while they wait.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_PLACE_H_
#define LOCKEDARRAY_CORE_GUARD_PLACE_H_

#include "guard/interpreter.h"

int la_place_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_PLACE_H_ */
