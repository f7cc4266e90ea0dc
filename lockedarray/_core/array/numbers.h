/*
 * Number slots, in-place slots and comparisons.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_NUMBERS_H_
#define LOCKEDARRAY_CORE_ARRAY_NUMBERS_H_

#include "array/numpy.h"

extern PyType_Slot la_number_slots[];

/*
 * bool(x), float(x), int(x), range(x) and str(x) of the class itself, whose methods of these
 * names do them for all others, too.
 */
void la_set_number_slots(PyTypeObject *cls);

/* How: Py_LT ... */
PyObject *la_compare(PyObject *array, PyObject *other, int how);

#endif  /* LOCKEDARRAY_CORE_ARRAY_NUMBERS_H_ */
