/*
 * What makes LockedArrays of plain arguments: zeros(), array() and the others, and
 * the class itself.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_MAKE_H_
#define LOCKEDARRAY_CORE_ARRAY_MAKE_H_

#include "array/facade.h"

/*
 * LockedArray(given) with nothing else, where that is `temporary`, a plain array that
 * nobody else can reach, or to be copied. NULL without an error: the general way.
 */
PyObject *la_make_from(PyObject *given, bool temporary);

int la_make_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_MAKE_H_ */
