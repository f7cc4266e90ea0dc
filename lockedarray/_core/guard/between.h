/*
 * RegionLocks between processes, for lockedarray._shared.robust.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_BETWEEN_H_
#define LOCKEDARRAY_CORE_GUARD_BETWEEN_H_

#include "guard/python.h"

int la_between_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_BETWEEN_H_ */
