/*
 * LockedProperty: an attribute of ndarray as a property of LockedArray.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_PROPERTY_H_
#define LOCKEDARRAY_CORE_ARRAY_PROPERTY_H_

#include "array/numpy.h"

int la_property_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_PROPERTY_H_ */
