/*
 * Region: which bytes of a Buffer an array touches, as a small value.
 *
 * A region has an extent [low, high), in bytes from the start of the Buffer,
 * and up to LA_REGION_COMBS combs. A comb says: every byte touched lies,
 * modulo `period`, in the span [low, low + length), which may wrap around.
 * Where a stride does not divide the larger ones, it may still do so within a
 * window, such as a row: there the byte is taken modulo `window` first.
 *
 * Two regions are apart when their extents are, or when some pair of combs
 * proves it (see region.c). Everything else counts as a conflict, so dropping
 * a comb is always safe. "Apart" is never wrong.
 *
 *     a = zeros((1000, 10))            period 80 for every view with rows
 *     a[:, 0:3]  and  a[:, 3:5]        apart: spans [0, 24) and [24, 40)
 *     a[:, 2:4]  and  a[:, 3]          conflict: spans [16, 32) and [24, 32)
 *     b = zeros((1000, 5))
 *     b[:, ::2]  and  b[:, 1::2]       apart: 16 does not divide the row's 40
 *                                      bytes, but within the window of a row
 *                                      the spans are [0, 8) and [8, 16)
 *     c = zeros(1000)
 *     c[5:9:3]  and  c[6:11:4]         conflict, although they share no byte:
 *                                      gcd(24, 32) is one item
 */
#ifndef LOCKEDARRAY_CORE_LOCK_REGION_H_
#define LOCKEDARRAY_CORE_LOCK_REGION_H_

#include <stdbool.h>
#include <stdint.h>

#define LA_REGION_COMBS 4
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
    la_comb combs[LA_REGION_COMBS];     /* the first ncombs are set */
} la_region;

/*
 * The region of an array whose first element starts `offset` bytes into the
 * Buffer. What cannot be described (overflow) becomes the whole Buffer.
 */
void la_region_set_array(la_region *region, int ndim, const intptr_t *shape,
                         const intptr_t *strides, intptr_t itemsize,
                         intptr_t offset);

/* Out of line part of la_regions_conflict: the extents are known to meet. */
bool la_combs_conflict(const la_region *a, const la_region *b);

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
    region->ncombs = 0;
}

/* Everything of the Buffer; conflicts with each region that is not empty. */
static inline void
la_region_set_whole(la_region *region)
{
    region->low = INT64_MIN;
    region->high = INT64_MAX;
    region->ncombs = 0;
}

static inline bool
la_region_is_empty(const la_region *region)
{
    return region->low >= region->high;
}

/* Most have no combs, and those that are not set are not copied. */
static inline void
la_region_copy(la_region *to, const la_region *from)
{
    to->low = from->low;
    to->high = from->high;
    to->ncombs = from->ncombs;
    for (int32_t i = 0; i < from->ncombs; i++) {
        to->combs[i] = from->combs[i];
    }
}

/* May the two have a byte in common? Never false when they do. */
static inline bool
la_regions_conflict(const la_region *a, const la_region *b)
{
    if (a->low >= b->high || b->low >= a->high) {
        return false;
    }
    if ((a->ncombs | b->ncombs) == 0) {
        return true;
    }
    return la_combs_conflict(a, b);
}

#endif  /* LOCKEDARRAY_CORE_LOCK_REGION_H_ */
