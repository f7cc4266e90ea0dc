/*
 * Region: how one is made from an array, and when two of them are apart.
 *
 * An array touches the bytes
 *
 *     offset + sum over axes k of i_k * s_k + j,   0 <= i_k < n_k,
 *                                                  0 <= j < itemsize.
 *
 * Axes with n_k == 1 or s_k == 0 add nothing. An axis with s_k < 0 touches
 * what the axis with stride -s_k touches from its other end. So let all
 * s_k > 0, and `low` be the lowest byte.
 *
 * Comb of period P. Let P be a stride that divides all larger strides. Modulo
 * P those axes vanish, and what is left is the item and the axes with smaller
 * strides: one span that starts at low mod P and has the length
 *
 *     itemsize + sum over axes with s_k < P of (n_k - 1) * s_k.
 *
 * A span of P bytes or more says nothing, and is not kept.
 *
 * Two combs. Let a byte lie in the span A modulo P, and in the span B modulo
 * Q. With g = gcd(P, Q) it lies in both A and B modulo g. Where A and B,
 * taken modulo g, do not meet, no byte lies in both.
 *
 * Windows. Let W be such a period, and let the span modulo W not wrap around:
 * then a byte modulo W is low mod W plus the item and the axes with strides
 * below W. For these the same can be said again: of a stride P that divides
 * all strides between P and W. Two combs with the same window speak of the same
 * number, the byte modulo W, so the rule for two combs holds. With different
 * windows it holds for a g that divides the windows as well, since then
 * (x mod W) mod g = x mod g. An array that lies inside one window, such as a
 * part of one row, can be moved into the window: x mod W is x less a constant.
 *
 * A span modulo W that does not wrap around is also the extent of all that can
 * be seen through the window W.
 *
 * The extent is a comb as well, of period 0 (x = y modulo 0 means x == y), and
 * gcd(P, 0) = P: an element is told apart from a column without combs of its
 * own.
 *
 * Axes. What is not told apart so is asked exactly, by overlap.c: are there steps
 * along the axes of both that come to the same byte? Axes with strides up to the length
 * of the item make one piece with it, and so on; a region in one piece has none left, as
 * nearly all have. To count the steps of one region from its other end makes all strides
 * positive: let one end at `high`, and the pieces have the lengths l and m; then they
 * share a byte where
 *
 *     low + sum of i_k * s_k + p = high - m - (sum of j_k * t_k) + q,   0 <= p < l,
 *                                                                       0 <= q < m,
 *
 * so where the sum of both lies in a range of l + m - 1 numbers.
 *
 * First each is asked for a piece that meets the extent of the other. What is apart from
 * an extent is apart from each region inside it as well, and overlap.c finds that out in
 * no more steps. So, whatever is too hard to tell: if a region is all of its extent, all
 * that conflicts with a region inside it conflicts with it (and for combs that goes without
 * saying). The queue and the walk through the graph rely on it (la_hold_excludes).
 *
 * All of this is symmetric, and depends on nothing but the two regions.
 */
#include "lock/region.h"

#include "lock/compiler.h"

/* Strides of the axes that matter, all positive, largest first. */
typedef struct {
    int count;
    uint64_t strides[LA_REGION_NDIM];
    uint64_t reaches[LA_REGION_NDIM];       /* (n - 1) * stride */
} la_axes;

/*
 * Inserts an axis of n >= 2 steps and adds its reach to *low or *high;
 * false when a number would leave 63 bits.
 */
static bool
la_axes_insert(la_axes *axes, int64_t n, int64_t stride, int64_t *low,
               int64_t *high)
{
    if (stride == INT64_MIN) {
        return false;
    }
    int64_t step = stride < 0 ? -stride : stride;
    if (step > INT64_MAX / (n - 1)) {
        return false;
    }
    int64_t reach = step * (n - 1);
    if (stride > 0) {
        if (*high > INT64_MAX - reach) {
            return false;
        }
        *high += reach;
    }
    else {
        if (*low < INT64_MIN + reach) {
            return false;
        }
        *low -= reach;
    }
    int at = axes->count++;
    while (at > 0 && axes->strides[at - 1] < (uint64_t)step) {
        axes->strides[at] = axes->strides[at - 1];
        axes->reaches[at] = axes->reaches[at - 1];
        at--;
    }
    axes->strides[at] = (uint64_t)step;
    axes->reaches[at] = (uint64_t)reach;
    return true;
}

/* x modulo period, never negative. */
static uint64_t
la_modulo(int64_t x, uint64_t period)
{
    if (x >= 0) {
        return (uint64_t)x % period;
    }
    /* -(x + 1) cannot overflow */
    return period - 1 - (uint64_t)(-(x + 1)) % period;
}

/* Does the stride of axis k divide those of the axes from `first` on? */
static bool
la_axes_divide(const la_axes *axes, int first, int k)
{
    bool divides = true;

    for (int j = first; j < k && divides; j++) {
        divides = axes->strides[j] % axes->strides[k] == 0;
    }
    return divides;
}

/*
 * Walks the axes from the largest stride to the smallest. `length` is the
 * span of the item and of the axes not yet passed. The window is the smallest
 * so far; axes from `first` on are inside it.
 */
static void
la_region_add_combs(la_region *region, const la_axes *axes)
{
    uint64_t length = (uint64_t)region->high - (uint64_t)region->low;
    uint64_t window = 0;
    int first = 0;

    for (int k = 0; k < axes->count && region->ncombs < LA_REGION_COMBS; k++) {
        uint64_t period = axes->strides[k];
        length -= axes->reaches[k];
        if (k + 1 < axes->count && axes->strides[k + 1] == period) {
            continue;       /* equal strides vanish together */
        }
        la_comb comb = { .period = period, .length = length };
        uint64_t low = la_modulo(region->low, period);
        if (la_axes_divide(axes, 0, k)) {
            comb.low = low;
            if (length <= period - low) {
                window = period;
                first = k + 1;
            }
        }
        else if (window != 0 && la_axes_divide(axes, first, k)) {
            comb.window = window;
            comb.low = la_modulo(region->low, window) % period;
        }
        else {
            continue;
        }
        if (length < period) {
            region->combs[region->ncombs++] = comb;
        }
    }
}

/* Keeps what leaves gaps: from the smallest stride on, as long as there is one piece. */
static void
la_region_set_axes(la_region *region, const la_axes *axes, uint64_t item)
{
    la_axis last = {0, 0}, kept[LA_REGION_AXES];
    int k = axes->count - 1, count = 0;

    while (k >= 0 && axes->strides[k] <= item) {
        item += axes->reaches[k--];
    }
    for (; k >= 0; k--) {
        uint64_t stride = axes->strides[k], reach = axes->reaches[k];
        for (; k > 0 && axes->strides[k - 1] == stride; k--) {
            reach += axes->reaches[k - 1];
        }
        if (count > 0 && stride == last.stride + last.reach) {
            last.reach += reach;        /* it goes on where that one ends */
        }
        else if (count < LA_REGION_AXES) {
            last = (la_axis){stride, reach};
            count++;
        }
        else {
            region->naxes = LA_REGION_MORE_AXES;
            return;
        }
        kept[count - 1] = last;
    }
    for (int i = 0; i < count; i++) {
        region->axes[i] = kept[count - 1 - i];
    }
    region->naxes = count;
}

void
la_region_set_array(la_region *region, int ndim, const intptr_t *shape,
                    const intptr_t *strides, intptr_t itemsize, intptr_t offset)
{
    la_axes axes;
    int64_t low = offset, high = offset;
    bool fits = ndim <= LA_REGION_NDIM
                && (offset < 0 || itemsize <= INT64_MAX - offset);
    bool empty = itemsize <= 0;

    axes.count = 0;
    for (int k = 0; k < ndim; k++) {
        empty = empty || shape[k] <= 0;
    }
    if (empty) {
        la_region_set_extent(region, 0, 0);
        return;
    }
    if (fits) {
        high += itemsize;
        for (int k = 0; k < ndim && fits; k++) {
            if (shape[k] > 1 && strides[k] != 0) {
                fits = la_axes_insert(&axes, shape[k], strides[k], &low, &high);
            }
        }
    }
    if (!fits) {
        la_region_set_data(region);
        return;
    }
    region->low = low;
    region->high = high;
    region->ncombs = region->naxes = 0;
    if (axes.count > 0) {
        la_region_set_axes(region, &axes, (uint64_t)itemsize);
        if (region->naxes != 0) {
            la_region_add_combs(region, &axes);
        }
    }
}

/* Do the spans meet, taken modulo the gcd of what both are known modulo? */
static bool
la_combs_meet(const la_comb *a, const la_comb *b)
{
    uint64_t g = a->period == b->period ? a->period
                                        : la_gcd(a->period, b->period);
    if (a->window != b->window) {
        g = la_gcd(g, la_gcd(a->window, b->window));
    }
    if (a->length >= g || b->length >= g) {
        return true;
    }
    uint64_t a_low = a->low % g, b_low = b->low % g;
    uint64_t ahead = b_low >= a_low ? b_low - a_low : g - (a_low - b_low);
    /* going up from the start of a: b starts `ahead`; from b: g - ahead */
    return ahead < a->length || g - ahead < b->length;
}

/*
 * A comb of the region as it looks through the window of another comb, where
 * the whole region lies inside one window; else as it is.
 */
static la_comb
la_comb_through(const la_region *region, la_comb comb, uint64_t window)
{
    if (comb.window != 0 || window == 0) {
        return comb;
    }
    uint64_t length = (uint64_t)region->high - (uint64_t)region->low;
    uint64_t inside = la_modulo(region->low, window);
    if (length <= window - inside) {
        uint64_t period = comb.period;
        uint64_t low = la_modulo(region->low, period);
        /* the byte, less region->low, plus `inside` */
        uint64_t start = comb.low >= low ? comb.low - low
                                         : period - (low - comb.low);
        comb.low = (start + inside % period) % period;
        comb.window = window;
    }
    return comb;
}

static bool
la_combs_meet_through(const la_region *a, const la_comb *in_a,
                      const la_region *b, const la_comb *in_b)
{
    la_comb from_a = la_comb_through(a, *in_a, in_b->window);
    la_comb from_b = la_comb_through(b, *in_b, in_a->window);
    return la_combs_meet(&from_a, &from_b);
}

/* The extent, as a comb against those of the other region. */
static bool
la_extent_meets(const la_region *extent, const la_region *other)
{
    uint64_t length = (uint64_t)extent->high - (uint64_t)extent->low;

    for (int32_t i = 0; i < other->ncombs; i++) {
        const la_comb *comb = &other->combs[i];
        if (length < comb->period) {
            la_comb span = {
                .period = comb->period,
                .low = la_modulo(extent->low, comb->period),
                .length = length,
            };
            if (!la_combs_meet_through(extent, &span, other, comb)) {
                return false;
            }
        }
    }
    return true;
}

/*
 * A span that does not wrap around is the extent within the window of its
 * period. As a comb there, against those of the other region there.
 */
static bool
la_span_meets(const la_comb *span, const la_region *other)
{
    if (span->window != 0 || span->length > span->period - span->low) {
        return true;
    }
    for (int32_t i = 0; i < other->ncombs; i++) {
        la_comb comb = la_comb_through(other, other->combs[i], span->period);
        if (comb.window == span->period && span->length < comb.period) {
            la_comb inside = {
                .window = span->period,
                .period = comb.period,
                .low = span->low % comb.period,
                .length = span->length,
            };
            if (!la_combs_meet(&inside, &comb)) {
                return false;
            }
        }
    }
    return true;
}

/* Does nothing of what is known of a prove it apart from b's combs? */
static bool
la_region_meets(const la_region *a, const la_region *b)
{
    for (int32_t i = 0; i < a->ncombs; i++) {
        if (!la_span_meets(&a->combs[i], b)) {
            return false;
        }
    }
    return la_extent_meets(a, b);
}

static bool
la_combs_conflict(const la_region *a, const la_region *b)
{
    for (int32_t i = 0; i < a->ncombs; i++) {
        for (int32_t j = 0; j < b->ncombs; j++) {
            if (!la_combs_meet_through(a, &a->combs[i], b, &b->combs[j])) {
                return false;
            }
        }
    }
    return la_region_meets(a, b) && la_region_meets(b, a);
}

/* -- axes ----------------------------------------------------------------------- */

/* No sum of two such lengths overflows. */
#define LA_REGION_LONGEST (UINT64_C(1) << 60)

static bool
la_region_is_exact(const la_region *region)
{
    return region->naxes > 0
           && (uint64_t)region->high - (uint64_t)region->low < LA_REGION_LONGEST;
}

/* How long the pieces are between the gaps. */
static int64_t
la_region_item(const la_region *region)
{
    int64_t item = region->high - region->low;

    for (int32_t i = 0; i < region->naxes; i++) {
        item -= (int64_t)region->axes[i].reach;
    }
    return item;
}

/* Does a piece of the region, if it is known, meet the extent of the other? */
static bool
la_pieces_meet_extent(const la_region *region, const la_region *other)
{
    la_axis axes[LA_REGION_AXES];

    if (!la_region_is_exact(region)) {
        return true;
    }
    int64_t low = other->low > region->low ? other->low : region->low;
    int64_t high = other->high < region->high ? other->high : region->high;
    for (int32_t i = 0; i < region->naxes; i++) {
        axes[i] = region->axes[i];
    }
    return la_axes_reach(axes, region->naxes, low - region->low - la_region_item(region) + 1,
                         high - region->low - 1);
}

/* Does a piece of the one meet one of the other, if both have gaps? */
static bool
la_pieces_meet(const la_region *a, const la_region *b)
{
    la_axis axes[2 * LA_REGION_AXES];
    int count = 0;

    if (!la_region_is_exact(a) || !la_region_is_exact(b)) {
        return true;
    }
    for (int32_t i = 0, j = 0; i < a->naxes || j < b->naxes;) {
        bool next_is_a = j == b->naxes
                         || (i < a->naxes && a->axes[i].stride >= b->axes[j].stride);
        axes[count++] = next_is_a ? a->axes[i++] : b->axes[j++];
    }
    int64_t ahead = b->high - la_region_item(b) - a->low;
    int64_t low = ahead - la_region_item(a) + 1, high = ahead + la_region_item(b) - 1;
    /* Strides that leave no gaps in a range as long as this. */
    while (count > 0 && (int64_t)axes[count - 1].stride <= high - low + 1) {
        low -= (int64_t)axes[--count].reach;
    }
    return la_axes_reach(axes, count, low, high);
}

LA_COLD bool
la_regions_conflict_slow(const la_region *a, const la_region *b)
{
    return la_combs_conflict(a, b) && la_pieces_meet_extent(a, b)
           && la_pieces_meet_extent(b, a) && la_pieces_meet(a, b);
}
