/*
 * Overlap: whether a sum of steps along some axes lies in a range.
 *
 * That is what two regions come down to when their extents and combs cannot tell
 * them apart; see region.c.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_OVERLAP_H_
#define LOCKEDARRAY_CORE_LOCK_OVERLAP_H_

#include <stdbool.h>
#include <stdint.h>

#define LA_OVERLAP_AXES 12
#define LA_OVERLAP_STEPS 128    /* after so many the answer is yes */

/* Steps of `stride`, which is positive, up to `reach`, a multiple of it. */
typedef struct {
    uint64_t stride;
    uint64_t reach;
} la_axis;

/* The other one if one is 0. */
uint64_t la_gcd(uint64_t a, uint64_t b);

/*
 * Is some sum of steps, one along each axis, at least `low` and at most `high`? Also true
 * where it is too hard to tell. At most LA_OVERLAP_AXES axes, largest stride first, of
 * which the reaches sum up to less than 2^61; they are changed. `low` and `high` are
 * nearer to zero than 2^62.
 */
bool la_axes_reach(la_axis *axes, int count, int64_t low, int64_t high);

#endif  /* LOCKEDARRAY_CORE_LOCK_OVERLAP_H_ */
