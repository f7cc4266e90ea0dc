/*
 * The statement x[i] op= v, told from any other that reads x[i].
 */
#ifndef LOCKEDARRAY_CORE_GUARD_STATEMENT_H_
#define LOCKEDARRAY_CORE_GUARD_STATEMENT_H_

#include "guard/python.h"

/*
 * Does the running frame execute container[index] op= ..., and is what calls this the
 * slot that reads its value? Raises nothing.
 */
bool la_statement_augments(PyObject *container, PyObject *index);

/*
 * Does the running frame execute the assignment of ... op= ..., and is what calls this the
 * slot that assigns? Raises nothing.
 */
bool la_statement_ends(void);

int la_statement_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_STATEMENT_H_ */
