/*
 * Arrays, as guards know them: what the floor above tells this one, once, before
 * there is any array.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_ARRAYS_H_
#define LOCKEDARRAY_CORE_GUARD_ARRAYS_H_

#include "guard/lock_object.h"

/* What functions return, besides 0 for success and -1 for an error: not done in C. */
#define LA_GENERAL 1

/* No function here raises but `lock_of` and `raw_take`; none runs Python code of others. */
typedef struct {
    bool (*is_array)(PyObject *object);
    /* Its lock, borrowed; NULL with an error if it has none yet. */
    la_lock_object *(*lock_of)(PyObject *array);
    /* The same of an array that C locks by itself; NULL without an error: it does not. */
    la_lock_object *(*plain_lock_of)(PyObject *array);
    /* Its Buffer, to be compared only. */
    const void *(*buffer_of)(PyObject *array);
    /* What it shows now: only a resize, which has all of it, changes that. */
    void (*region_of)(PyObject *array, la_region *region);
    /* May it be locked for that mode: is it not frozen, or read-only? */
    bool (*may_lock)(PyObject *array, la_mode mode);
    /* A new reference to a raw view that nobody else has; NULL with an error. */
    PyObject *(*raw_take)(PyObject *array, la_mode mode);
    /* Makes it read-only. */
    void (*raw_end)(PyObject *raw);
    /* Keeps it for later, while the lock is held; returns what is to be let go. Steals. */
    PyObject *(*raw_keep)(PyObject *array, PyObject *raw);
} la_arrays_type;

extern la_arrays_type la_arrays;

static inline bool
la_region_equal(const la_region *a, const la_region *b)
{
    if (a->low != b->low || a->high != b->high || a->ncombs != b->ncombs) {
        return false;
    }
    for (int32_t i = 0; i < a->ncombs; i++) {
        const la_comb *x = &a->combs[i], *y = &b->combs[i];
        if (x->period != y->period || x->window != y->window || x->low != y->low
                || x->length != y->length) {
            return false;
        }
    }
    return true;
}

#endif  /* LOCKEDARRAY_CORE_GUARD_ARRAYS_H_ */
