/*
 * What one element becomes by an update: see update.c.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_AT_UPDATE_H_
#define LOCKEDARRAY_CORE_ARRAY_AT_UPDATE_H_

#include "array/numpy.h"

typedef enum {
    LA_UPDATE_ADD,
    LA_UPDATE_SUBTRACT,
    LA_UPDATE_MULTIPLY,
    LA_UPDATE_DIVIDE,
    LA_UPDATE_MIN,
    LA_UPDATE_MAX,
    LA_UPDATE_AND,
    LA_UPDATE_OR,
    LA_UPDATE_XOR,
    LA_UPDATE_OTHER,
} la_update_kind;

/*
 * Updates the element at an aligned address, in native byte order, or leaves it
 * as it is and returns false. The ufunc is that of the kind; of LA_UPDATE_OTHER, any.
 */
bool la_update(la_update_kind kind, PyObject *ufunc, const PyArray_Descr *descr, char *address,
               PyObject *value);

/* Does the element equal the number? False: that is not told here. */
bool la_equals(const PyArray_Descr *descr, const char *address, PyObject *value, bool *equal);

#endif  /* LOCKEDARRAY_CORE_ARRAY_AT_UPDATE_H_ */
