/*
 * Region: which bytes of a Buffer an array touches, as a small value.
 *
 * A region has an extent [low, high), in bytes from the start of the Buffer,
 * and up to LA_REGION_COMBS combs. A comb says: every byte touched lies,
 * modulo `period`, in the span [low, low + length), which may wrap around.
 * Where a stride does not divide the larger ones, it may still do so within a
 * window, such as a row: there the byte is taken modulo `window` first.
 *
 * And a region knows its axes: the strides that leave gaps in the extent, largest
 * first, and how far each reaches. A region in one piece has none.
 *
 * Two regions are apart when their extents are, when some pair of combs proves it,
 * or when no steps along their axes come to the same byte (see region.c). The last
 * is exact, and has a limit to its effort. Everything else counts as a conflict,
 * so to know less is always safe. "Apart" is never wrong.
 *
 *     a = zeros((1000, 10))            period 80 for every view with rows
 *     a[:, 0:3]  and  a[:, 3:5]        apart: spans [0, 24) and [24, 40)
 *     a[:, 2:4]  and  a[:, 3]          conflict: spans [16, 32) and [24, 32)
 *     b = zeros((1000, 5))
 *     b[:, ::2]  and  b[:, 1::2]       apart: 16 does not divide the row's 40
 *                                      bytes, but within the window of a row
 *                                      the spans are [0, 8) and [8, 16)
 *     c = zeros(1000)
 *     c[5:9:3]  and  c[6:11:4]         apart by their axes, as 3i + 5 = 4j + 6 has no
 *                                      solution with i and j below 2; for combs
 *                                      gcd(24, 32), one item, is too little
 */
#ifndef LOCKEDARRAY_CORE_LOCK_REGION_H_
#define LOCKEDARRAY_CORE_LOCK_REGION_H_

#include <stdbool.h>
#include <stdint.h>

#include "lock/overlap.h"

#define LA_REGION_COMBS 4
#define LA_REGION_AXES 6
#define LA_REGION_MORE_AXES (-1)
#define LA_REGION_NDIM 64       /* more axes than NumPy allows */

typedef struct {
    uint64_t window;            /* first take the byte modulo this; 0: do not */
    uint64_t period;            /* then modulo this */
    uint64_t low;               /* below period */
    uint64_t length;            /* at least 1, below period */
} la_comb;

typedef struct {
    int64_t low;                /* of an empty region: INT64_MAX ... */
    int64_t high;               /* ... and INT64_MIN */
    int32_t ncombs;
    int32_t naxes;              /* 0: in one piece; LA_REGION_MORE_AXES: they are not known */
    la_comb combs[LA_REGION_COMBS];     /* the first ncombs are set ... */
    la_axis axes[LA_REGION_AXES];       /* ... and the first naxes */
} la_region;

/*
 * The region of an array whose first element starts `offset` bytes into the
 * Buffer. What cannot be described (overflow) becomes all the bytes that arrays have.
 */
void la_region_set_array(la_region *region, int ndim, const intptr_t *shape,
                         const intptr_t *strides, intptr_t itemsize,
                         intptr_t offset);

/* Out of line part of la_regions_conflict: the extents are known to meet. */
bool la_regions_conflict_slow(const la_region *a, const la_region *b);

/* One contiguous extent, such as one element. `size` 0 is empty. */
static inline void
la_region_set_extent(la_region *region, int64_t low, int64_t size)
{
    if (size > 0) {
        region->low = low;
        region->high = low + size;
    }
    else {
        region->low = INT64_MAX;
        region->high = INT64_MIN;
    }
    region->ncombs = region->naxes = 0;
}

/* Everything of the Buffer; conflicts with each region that is not empty. */
static inline void
la_region_set_whole(la_region *region)
{
    region->low = INT64_MIN;
    region->high = INT64_MAX;
    region->ncombs = region->naxes = 0;
}

/*
 * The last byte of that, which no array has. A view of no byte is held there, for
 * reading whatever it is held for, and so keeps out only who takes everything, to resize.
 */
#define LA_REGION_NOWHERE (INT64_MAX - 1)

static inline void
la_region_set_nowhere(la_region *region)
{
    region->low = LA_REGION_NOWHERE;
    region->high = INT64_MAX;
    region->ncombs = region->naxes = 0;
}

static inline bool
la_region_is_nowhere(const la_region *region)
{
    return region->low == LA_REGION_NOWHERE;
}

/* All the bytes that any array has. */
static inline void
la_region_set_data(la_region *region)
{
    region->low = INT64_MIN;
    region->high = LA_REGION_NOWHERE;
    region->ncombs = region->naxes = 0;
}

static inline bool
la_region_is_empty(const la_region *region)
{
    return region->low >= region->high;
}

/* Most are in one piece, and what is not set is not copied. */
static inline void
la_region_copy(la_region *to, const la_region *from)
{
    to->low = from->low;
    to->high = from->high;
    to->ncombs = from->ncombs;
    to->naxes = from->naxes;
    for (int32_t i = 0; i < from->ncombs; i++) {
        to->combs[i] = from->combs[i];
    }
    for (int32_t i = 0; i < from->naxes; i++) {
        to->axes[i] = from->axes[i];
    }
}

/* Is it all of its extent? Then what conflicts with a region inside it conflicts with it. */
static inline bool
la_region_is_solid(const la_region *region)
{
    return region->naxes == 0;
}

/* May the two have a byte in common? Never false when they do. */
static inline bool
la_regions_conflict(const la_region *a, const la_region *b)
{
    if (a->low >= b->high || b->low >= a->high) {
        return false;
    }
    if ((a->naxes | b->naxes) == 0) {
        return true;
    }
    return la_regions_conflict_slow(a, b);
}

#endif  /* LOCKEDARRAY_CORE_LOCK_REGION_H_ */
