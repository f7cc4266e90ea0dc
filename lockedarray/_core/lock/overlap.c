/*
 * A question of integer programming: are there numbers of steps i_k, with
 * 0 <= i_k * s_k <= r_k, such that low <= sum of i_k * s_k <= high? It is hard only where
 * the strides fit each other badly. What is done about it:
 *
 * An axis whose stride is a multiple of the next smaller one, and not larger than what that
 * reaches and one step, continues it: the two are one axis.
 *
 * The sums of some axes are multiples of the gcd of their strides, from 0 to the sum of
 * their reaches, and both ends are such sums.
 *
 * Two axes. Each number of steps along the first leaves a range for the second, and the
 * question is whether a multiple of its stride lies in there, for any of them. How many do,
 * over all numbers of steps, is the difference of two sums of quotients, for which there is
 * a way like Euclid's. So two slices of one axis are told apart whatever their length.
 *
 * More axes are parted in two, large strides here and small ones there. What the large ones
 * sum up to is a multiple of their gcd, and if the small ones do not reach far, only a few
 * of these are possible. Each is tried: is it a sum of the large ones, and is what it leaves
 * of the range one of the small ones? Where they are parted depends on the axes alone.
 *
 * Each question of that kind is a step, and there is a limit to them, since a lock asks, under
 * its mutex. When no sum lies in the range, then all that is to be asked is asked, whatever
 * its order. So how many steps that takes does not depend on which of two regions is counted
 * from its other end (the possible sums are then the same, from their other ends). What is
 * a sum of the large ones is found earlier from one end than from the other, though: so that
 * is asked from the nearer end. And a range inside another one takes no more steps than that
 * one. region.c builds on both.
 */
#include "lock/overlap.h"

#include "lock/compiler.h"

/* The sums of axes that stand together; they are the leaves of a tree, or its nodes. */
typedef struct {
    int first, count;           /* axes */
    int large, small;           /* in which it is parted, if it has more than two */
    uint64_t gcd;
    uint64_t reach;
} la_sums;

typedef struct {
    const la_axis *axes;
    int nsums;
    int steps;                  /* that are left */
    la_sums sums[2 * LA_OVERLAP_AXES];
} la_search;

uint64_t
la_gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Makes one axis of those that continue each other; returns how many are left. */
static int
la_axes_continued(la_axis *axes, int count)
{
    int first = count;

    for (int k = count - 1; k >= 0; k--) {
        la_axis *last = &axes[first];
        if (first < count && axes[k].stride <= last->reach + last->stride
                && axes[k].stride % last->stride == 0) {
            last->reach += axes[k].reach;
        }
        else {
            axes[--first] = axes[k];
        }
    }
    for (int k = first; k < count; k++) {
        axes[k - first] = axes[k];
    }
    return count - first;
}

/* How many axes of a node are to be its large ones: those that leave the fewest choices. */
static int
la_sums_part(const la_search *search, const la_sums *sums)
{
    const la_axis *axes = search->axes + sums->first;
    uint64_t left = sums->reach, gcd = 0, least = UINT64_MAX;
    int at = 1;

    for (int k = 1; k < sums->count; k++) {
        left -= axes[k - 1].reach;
        gcd = la_gcd(axes[k - 1].stride, gcd);
        uint64_t choices = left / gcd;
        if (choices < least) {
            least = choices;
            at = k;
        }
    }
    return at;
}

static int
la_search_add(la_search *search, int first, int count)
{
    int added = search->nsums++;
    la_sums *sums = &search->sums[added];

    *sums = (la_sums){.first = first, .count = count};
    for (int k = first; k < first + count; k++) {
        sums->gcd = la_gcd(search->axes[k].stride, sums->gcd);
        sums->reach += search->axes[k].reach;
    }
    if (count > 2) {
        int at = la_sums_part(search, sums);
        sums->large = la_search_add(search, first, at);
        sums->small = la_search_add(search, first + at, count - at);
    }
    return added;
}

/*
 * The sum of (start + i * step) / divisor for i below `count`, modulo 2^64. Whole turns of
 * the divisor come out; what is left counts the points of a grid below a line, which are the
 * same points with the axes exchanged, and smaller numbers. start + count * step fits.
 */
static uint64_t
la_quotients(uint64_t count, uint64_t step, uint64_t start, uint64_t divisor)
{
    uint64_t total = 0;

    for (;;) {
        /* One of the two factors is even. */
        uint64_t pairs = count % 2 == 0 ? count / 2 * (count - 1) : (count - 1) / 2 * count;
        total += pairs * (step / divisor) + count * (start / divisor);
        step %= divisor;
        start %= divisor;
        uint64_t end = start + count * step;
        if (end < divisor) {
            return total;
        }
        count = end / divisor;
        start = end % divisor;
        uint64_t exchanged = step;
        step = divisor;
        divisor = exchanged;
    }
}

/*
 * Two axes x and y, where neither end of the range is an end of all sums. Of x those steps
 * count after which `high` is not passed, and `low` can still be reached. Then a multiple of
 * the stride of y in what is left of the range is one that y has, or the range has the first
 * or the last of these.
 */
static bool
la_two_reach(const la_axis *x, const la_axis *y, uint64_t low, uint64_t high)
{
    uint64_t first = low > y->reach ? (low - y->reach + x->stride - 1) / x->stride : 0;
    uint64_t last = (high < x->reach ? high : x->reach) / x->stride;

    if (first > last) {
        return false;
    }
    if (high - low + 1 >= y->stride) {
        return true;
    }
    /*
     * For each of them: how many multiples up to `high`, and below `low`; a turn more of both,
     * lest they be negative. Counted from the last step, what is left of the range grows. The
     * two differ by at most one for each, and so by less than 2^64.
     */
    uint64_t count = last - first + 1;
    uint64_t most = high - last * x->stride + y->stride;
    uint64_t least = most - (high - low + 1);
    return la_quotients(count, x->stride, most, y->stride)
           != la_quotients(count, x->stride, least, y->stride);
}

static bool
la_search_reaches(la_search *search, int which, int64_t low, int64_t high)
{
    const la_sums *sums = &search->sums[which];
    int64_t reach = (int64_t)sums->reach, gcd = (int64_t)sums->gcd;

    if (search->steps == 0) {
        return true;
    }
    search->steps--;
    low = low < 0 ? 0 : low;
    high = high > reach ? reach : high;
    if (low > high) {
        return false;
    }
    if (low == 0 || high == reach) {
        return true;
    }
    if (high / gcd * gcd < low) {
        return false;
    }
    if (sums->count == 1) {
        return true;
    }
    if (sums->count == 2) {
        const la_axis *axes = search->axes + sums->first;
        return la_two_reach(&axes[0], &axes[1], (uint64_t)low, (uint64_t)high);
    }
    const la_sums *large = &search->sums[sums->large];
    int64_t step = (int64_t)large->gcd;
    int64_t least = low - (int64_t)search->sums[sums->small].reach;
    int64_t most = high < (int64_t)large->reach ? high : (int64_t)large->reach;
    for (int64_t at = least > 0 ? (least + step - 1) / step * step : 0; at <= most; at += step) {
        int64_t rest = (int64_t)large->reach - at;      /* `at` from the other end */
        int64_t nearer = at < rest ? at : rest;
        if (la_search_reaches(search, sums->large, nearer, nearer)
                && la_search_reaches(search, sums->small, low - at, high - at)) {
            return true;
        }
    }
    return false;
}

bool
la_axes_reach(la_axis *axes, int count, int64_t low, int64_t high)
{
    la_search search;       /* most of it is unused */

    LA_ASSERT(count <= LA_OVERLAP_AXES);
    count = la_axes_continued(axes, count);
    search.axes = axes;
    search.nsums = 0;
    search.steps = LA_OVERLAP_STEPS;
    return la_search_reaches(&search, la_search_add(&search, 0, count), low, high);
}
