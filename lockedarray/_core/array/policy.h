/*
 * What the elements of an array ask of its lock, where not all of them is in the array:
 * Python objects, whose code NumPy runs, and text in an arena. `_array/objects.py` has the
 * reasons, and the same in Python.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_POLICY_H_
#define LOCKEDARRAY_CORE_ARRAY_POLICY_H_

#include "array/buffer.h"

/* connect() is told whether this NumPy's arenas need it; set before any array exists. */
extern bool la_arenas_deadlock;

/* Must no two operations on any parts of such an array overlap? */
static inline bool
la_has_arena(const PyArray_Descr *descr)
{
    return descr->type_num == NPY_VSTRING && la_arenas_deadlock;
}

/* Do readers of it exclude each other, too, even where it is frozen? */
static inline bool
la_is_exclusive(const la_buffer_object *buffer, const PyArray_Descr *descr)
{
    if (LA_LIKELY(!PyDataType_REFCHK(descr))) {
        return false;
    }
    if (descr->type_num == NPY_VSTRING) {
        return la_arenas_deadlock;
    }
    /* 'exclusive', 'shared' or 'forbid' */
    return buffer->objects == NULL || !PyUnicode_Check(buffer->objects)
           || PyUnicode_READ_CHAR(buffer->objects, 0) == 'e';
}

/* The region of what a facade shows, as it is locked: all data, of what has an arena. */
static inline void
la_facade_region_locked(PyObject *facade, const la_buffer_object *buffer, la_region *region)
{
    if (la_has_arena((PyArray_Descr *)la_fields(facade)->descr)) {
        la_region_set_data(region);
    }
    else {
        la_facade_region(facade, buffer, region);
    }
}

#endif  /* LOCKEDARRAY_CORE_ARRAY_POLICY_H_ */
