/*
 * The body of an array: what it shows, exchanged in one step for other threads.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_BODY_H_
#define LOCKEDARRAY_CORE_ARRAY_BODY_H_

#include "guard/python.h"

/* Do something in one step for all other threads: act must not use Python. */
void la_step_do(void (*act)(void *), void *context);

int la_body_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_BODY_H_ */
