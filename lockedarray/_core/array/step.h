/*
 * Something that is done in one step for all other threads.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_STEP_H_
#define LOCKEDARRAY_CORE_ARRAY_STEP_H_

#include "guard/python.h"

/* `act` must not use Python. */
void la_step_do(void (*act)(void *), void *context);

int la_step_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_STEP_H_ */
