/*
 * Arrays, as guards know them: what the floor above tells this one, once, before
 * there is any array.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_ARRAYS_H_
#define LOCKEDARRAY_CORE_GUARD_ARRAYS_H_

#include "guard/region_lock.h"

/* What functions return, besides 0 for success and -1 for an error: not done in C. */
#define LA_GENERAL 1

/* None of these runs Python code of others. */
typedef struct {
    bool (*is_array)(PyObject *object);
    /* Its lock, borrowed; NULL with an error if it has none yet. */
    la_region_lock *(*lock_of)(PyObject *array);
    /* What it shows now: only a resize, which has all of it, changes that. */
    void (*region_of)(PyObject *array, la_region *region);
    /*
     * For an array that C locks by itself, in this mode: its lock, borrowed, and in the
     * hold its region, the mode in which that is held, and its Buffer as the subject. NULL
     * without an error: the general version locks it.
     */
    la_region_lock *(*want)(PyObject *array, la_mode mode, la_hold *hold);
    /* Is that what is wanted still? */
    bool (*is_current)(PyObject *array, la_mode mode, const la_hold *hold);
    /* A new reference to a raw view that nobody else has; NULL with an error. */
    PyObject *(*raw_take)(PyObject *array, la_mode mode);
    /* Makes it read-only. */
    void (*raw_end)(PyObject *raw);
    /* Makes it writable again, of an array that may be written. */
    void (*raw_go_on)(PyObject *raw);
    /* The same, and keeps it for later, while the lock is held; returns what is to be let go. Steals. */
    PyObject *(*raw_keep)(PyObject *array, PyObject *raw);
} la_arrays_type;

extern la_arrays_type la_arrays;

static inline bool
la_region_equal(const la_region *a, const la_region *b)
{
    if (a->low != b->low || a->high != b->high || a->ncombs != b->ncombs
            || a->naxes != b->naxes) {
        return false;
    }
    for (int32_t i = 0; i < a->ncombs; i++) {
        const la_comb *x = &a->combs[i], *y = &b->combs[i];
        if (x->period != y->period || x->window != y->window || x->low != y->low
                || x->length != y->length) {
            return false;
        }
    }
    for (int32_t i = 0; i < a->naxes; i++) {
        if (a->axes[i].stride != b->axes[i].stride || a->axes[i].reach != b->axes[i].reach) {
            return false;
        }
    }
    return true;
}

#endif  /* LOCKEDARRAY_CORE_GUARD_ARRAYS_H_ */
