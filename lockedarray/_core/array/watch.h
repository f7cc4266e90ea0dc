/*
 * Which locks are in use, over all threads.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_WATCH_H_
#define LOCKEDARRAY_CORE_ARRAY_WATCH_H_

#include "guard/python.h"

int la_watch_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_WATCH_H_ */
