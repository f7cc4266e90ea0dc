/*
 * Region against brute force: the set of bytes of each array.
 *
 * Never "apart" when two arrays share a byte, and exact for the cases that are
 * named here.
 */
#include "check.h"

#define BYTES 4096

typedef struct {
    int ndim;
    intptr_t shape[8];
    intptr_t strides[8];
    intptr_t itemsize;
    intptr_t offset;
} view;

static la_region
region_of(const view *v)
{
    la_region region;
    la_region_set_array(&region, v->ndim, v->shape, v->strides, v->itemsize,
                        v->offset);
    return region;
}

/* Marks the bytes that the view touches. */
static void
touch(const view *v, unsigned char *bytes)
{
    intptr_t index[8] = {0};
    for (int k = 0; k < v->ndim; k++) {
        if (v->shape[k] == 0) {
            return;
        }
    }
    for (;;) {
        intptr_t at = v->offset;
        for (int k = 0; k < v->ndim; k++) {
            at += index[k] * v->strides[k];
        }
        CHECK(at >= 0 && at + v->itemsize <= BYTES);
        memset(bytes + at, 1, (size_t)v->itemsize);
        int k = v->ndim - 1;
        while (k >= 0 && ++index[k] == v->shape[k]) {
            index[k--] = 0;
        }
        if (k < 0) {
            return;
        }
    }
}

static bool
share_memory(const view *a, const view *b)
{
    static unsigned char in_a[BYTES], in_b[BYTES];
    memset(in_a, 0, sizeof(in_a));
    memset(in_b, 0, sizeof(in_b));
    touch(a, in_a);
    touch(b, in_b);
    for (int i = 0; i < BYTES; i++) {
        if (in_a[i] && in_b[i]) {
            return true;
        }
    }
    return false;
}

static bool
conflict(const view *a, const view *b)
{
    la_region ra = region_of(a), rb = region_of(b);
    bool forth = la_regions_conflict(&ra, &rb);
    CHECK(forth == la_regions_conflict(&rb, &ra));
    return forth;
}

#define CHECK_EXACT(a, b) CHECK(conflict(a, b) == share_memory(a, b))

/* The C-contiguous array, and basic slices of it, as NumPy makes them. */
static view
whole_of(int ndim, const intptr_t *shape, intptr_t itemsize)
{
    view v = { .ndim = ndim, .itemsize = itemsize };
    intptr_t stride = itemsize;
    for (int k = ndim - 1; k >= 0; k--) {
        v.shape[k] = shape[k];
        v.strides[k] = stride;
        stride *= shape[k];
    }
    return v;
}

static view
slice(view v, int axis, intptr_t start, intptr_t count, intptr_t step)
{
    v.offset += start * v.strides[axis];
    v.shape[axis] = count;
    v.strides[axis] *= step;
    return v;
}

static view
field(view v, intptr_t offset, intptr_t itemsize)
{
    v.offset += offset;
    v.itemsize = itemsize;
    return v;
}

static void
test_rows_and_columns_are_exact(void)
{
    view x = whole_of(2, (intptr_t[]){7, 5}, 8);
    for (int i = 0; i < 7; i++) {
        for (int j = 0; j < 5; j++) {
            view row = slice(x, 0, i, 1, 1), column = slice(x, 1, j, 1, 1);
            CHECK_EXACT(&row, &column);
            for (int k = 0; k < 7; k++) {
                view other = slice(x, 0, k, 1, 1);
                CHECK_EXACT(&row, &other);
            }
            for (int k = 0; k < 5; k++) {
                view other = slice(x, 1, k, 1, 1);
                view element = slice(column, 0, i, 1, 1);
                CHECK_EXACT(&column, &other);
                CHECK_EXACT(&element, &other);
            }
        }
    }
}

static void
test_blocks_of_columns_are_exact(void)
{
    view x = whole_of(2, (intptr_t[]){6, 9}, 4);
    for (int a = 0; a < 9; a++) {
        for (int m = 1; a + m <= 9; m++) {
            for (int b = 0; b < 9; b++) {
                for (int n = 1; b + n <= 9; n++) {
                    view u = slice(x, 1, a, m, 1), v = slice(x, 1, b, n, 1);
                    CHECK_EXACT(&u, &v);
                }
            }
        }
    }
}

/* A box of x by one random interval on each axis. */
static view
random_box(view x, uint64_t *random)
{
    for (int k = 0; k < x.ndim; k++) {
        intptr_t start = random_below(random, (int)x.shape[k]);
        intptr_t count = 1 + random_below(random, (int)(x.shape[k] - start));
        bool backwards = random_below(random, 4) == 0;
        x = backwards ? slice(x, k, start + count - 1, count, -1)
                      : slice(x, k, start, count, 1);
    }
    return x;
}

static void
test_boxes_of_up_to_four_axes_are_exact(void)
{
    uint64_t random = random_seed();
    for (int i = 0; i < 200000; i++) {
        int ndim = 1 + random_below(&random, 4);
        intptr_t shape[4];
        for (int k = 0; k < ndim; k++) {
            shape[k] = 1 + random_below(&random, 5);
        }
        view x = whole_of(ndim, shape, 1 + random_below(&random, 4));
        view a = random_box(x, &random), b = random_box(x, &random);
        CHECK_EXACT(&a, &b);
    }
}

static void
test_step_slices_with_the_same_step_are_exact(void)
{
    view x = whole_of(1, (intptr_t[]){60}, 8);
    for (int step = 1; step < 7; step++) {
        for (int a = 0; a < step; a++) {
            for (int b = 0; b < step; b++) {
                view u = slice(x, 0, a, 9, step);
                view v = slice(x, 0, b, 9, step);
                view w = slice(x, 0, b + 8 * step, 9, -step);
                CHECK_EXACT(&u, &v);
                CHECK_EXACT(&u, &w);
            }
        }
    }
    view y = whole_of(2, (intptr_t[]){8, 5}, 8);
    view even_rows = slice(y, 0, 0, 4, 2), odd_rows = slice(y, 0, 1, 4, 2);
    CHECK(!conflict(&even_rows, &odd_rows));
}

/* A slice of x with the given steps by one random interval on each axis. */
static view
random_slices(view x, const int *steps, uint64_t *random)
{
    for (int k = 0; k < x.ndim; k++) {
        intptr_t start = random_below(random, (int)x.shape[k]);
        intptr_t most = (x.shape[k] - 1 - start) / steps[k] + 1;
        intptr_t count = 1 + random_below(random, (int)most);
        x = slice(x, k, start, count, steps[k]);
    }
    return x;
}

/* Whether the step divides the row's length or not. */
static void
test_step_slices_of_rows_and_columns_are_exact(void)
{
    uint64_t random = random_seed();
    for (int i = 0; i < 200000; i++) {
        intptr_t shape[2] = { 1 + random_below(&random, 5),
                              1 + random_below(&random, 9) };
        int steps[2] = { 1 + random_below(&random, 3), 1 + random_below(&random, 4) };
        view x = whole_of(2, shape, 1 + random_below(&random, 4));
        view a = random_slices(x, steps, &random);
        view b = random_slices(x, steps, &random);
        CHECK_EXACT(&a, &b);
    }
}

/* Each axis alone, and with other steps in each of the two. */
static void
test_slices_of_three_axes_are_exact(void)
{
    uint64_t random = random_seed();
    int count = 200000 * stress_scale();
    for (int i = 0; i < count; i++) {
        intptr_t shape[3];
        int steps[2][3], same = i & 1;
        for (int k = 0; k < 3; k++) {
            shape[k] = 1 + random_below(&random, 7);
            steps[0][k] = 1 + random_below(&random, 3);
            steps[1][k] = same ? steps[0][k] : 1 + random_below(&random, 3);
        }
        view x = whole_of(3, shape, 1 + random_below(&random, 3));
        view a = random_slices(x, steps[0], &random);
        view b = random_slices(x, steps[1], &random);
        CHECK_EXACT(&a, &b);
    }
}

static void
test_slices_with_unlike_steps_are_exact(void)
{
    view x = whole_of(1, (intptr_t[]){40}, 8);
    uint64_t random = random_seed();
    view threes = slice(x, 0, 5, 2, 3), fours = slice(x, 0, 6, 2, 4);
    CHECK(!conflict(&threes, &fours));      /* gcd(24, 32) is one item */
    view more = slice(x, 0, 8, 2, 4);
    CHECK(conflict(&threes, &more));
    for (int i = 0; i < 100000; i++) {
        view a = random_slices(x, (int[]){1 + random_below(&random, 9)}, &random);
        view b = random_slices(x, (int[]){1 + random_below(&random, 9)}, &random);
        CHECK_EXACT(&a, &b);
    }
}

/* Euclid's way, and not one through all the items. */
static void
test_slices_of_any_length_with_unlike_steps_are_exact(void)
{
    uint64_t random = random_seed();
    int apart = 0, met = 0;
    if (sizeof(intptr_t) < sizeof(int64_t)) {
        return;
    }
    for (int i = 0; i < 200; i++) {
        int lengths[2] = { 10 + random_below(&random, 3000), 10 + random_below(&random, 3000) };
        intptr_t strides[2] = { 900001 + random_below(&random, 9999),
                                900001 + random_below(&random, 9999) };
        intptr_t items[2] = { 1 + random_below(&random, 300), 1 + random_below(&random, 300) };
        intptr_t offsets[2] = { random_below(&random, 1000000), random_below(&random, 1000000) };
        bool shared = false;
        for (int k = 0; k < lengths[0] && !shared; k++) {
            intptr_t first = offsets[0] + k * strides[0] - offsets[1];
            /* An item of the second that starts at one of these meets it. */
            intptr_t least = first - items[1] + 1, most = first + items[0] - 1;
            intptr_t at = most < 0 ? -1 : most / strides[1];
            at = at < lengths[1] ? at : lengths[1] - 1;
            shared = at >= 0 && at * strides[1] >= least;
        }
        view a = { .ndim = 1, .shape = {lengths[0]}, .strides = {strides[0]},
                   .itemsize = items[0], .offset = offsets[0] };
        view b = { .ndim = 1, .shape = {lengths[1]}, .strides = {-strides[1]},
                   .itemsize = items[1],
                   .offset = offsets[1] + (lengths[1] - 1) * strides[1] };
        CHECK(conflict(&a, &b) == shared);
        apart += !shared;
        met += shared;
    }
    CHECK(apart > 10 && met > 10);
    /* And as far as numbers go: 3i and 3j + 2^57 - 1, with 2^57 = 2 modulo 3. */
    intptr_t far = (intptr_t)1 << 57, near = (intptr_t)1 << 58;
    view by_three = { .ndim = 1, .shape = {near / 3}, .strides = {3}, .itemsize = 1 };
    view by_five = { .ndim = 1, .shape = {near / 5}, .strides = {5}, .itemsize = 1,
                     .offset = far };
    view others = { .ndim = 1, .shape = {near / 9}, .strides = {9}, .itemsize = 1,
                    .offset = far };
    CHECK(conflict(&by_three, &by_five) && !conflict(&by_three, &others));
}

static void
test_fields_are_exact(void)
{
    view x = whole_of(2, (intptr_t[]){6, 3}, 16);
    struct { intptr_t offset, itemsize; } fields[] = {
        {0, 16}, {0, 8}, {8, 4}, {12, 4}, {8, 8}, {3, 1}
    };
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 6; j++) {
            view a = field(x, fields[i].offset, fields[i].itemsize);
            view b = field(x, fields[j].offset, fields[j].itemsize);
            CHECK_EXACT(&a, &b);
            view record = slice(slice(x, 0, 2, 1, 1), 1, 1, 1, 1);
            CHECK_EXACT(&record, &b);
            view column = slice(a, 1, 2, 1, 1), other = slice(b, 1, 1, 1, 1);
            CHECK_EXACT(&column, &b);
            CHECK_EXACT(&column, &other);
        }
    }
}

static void
test_real_and_imag_are_exact(void)
{
    view x = whole_of(1, (intptr_t[]){10}, 16);
    view real = field(x, 0, 8), imag = field(x, 8, 8);
    CHECK(!conflict(&real, &imag));
    CHECK(conflict(&x, &imag));
    CHECK(conflict(&real, &x));
    CHECK(conflict(&real, &real));
}

static void
test_zero_dimensions_zero_strides_and_axes_of_length_one(void)
{
    view scalar = { .ndim = 0, .itemsize = 8, .offset = 16 };
    view row = whole_of(1, (intptr_t[]){10}, 8);
    view next = slice(row, 0, 3, 1, 1);
    CHECK(conflict(&scalar, &row));
    CHECK(!conflict(&scalar, &next));
    view broadcast = { .ndim = 2, .shape = {5, 3}, .strides = {0, 8},
                       .itemsize = 8, .offset = 24 };
    CHECK(!conflict(&scalar, &broadcast));
    CHECK(conflict(&next, &broadcast));
    view all_zero = { .ndim = 1, .shape = {9}, .strides = {0}, .itemsize = 8,
                      .offset = 16 };
    CHECK(conflict(&scalar, &all_zero));
    CHECK(!conflict(&next, &all_zero));
    view odd_stride = { .ndim = 2, .shape = {1, 2}, .strides = {12345, 16},
                        .itemsize = 8, .offset = 16 };
    CHECK(!conflict(&next, &odd_stride));
}

static void
test_empty_regions_conflict_with_nothing(void)
{
    view x = whole_of(2, (intptr_t[]){4, 4}, 8);
    view none = slice(x, 1, 2, 0, 1);
    view nothing = field(x, 0, 0);
    la_region whole, empty;
    la_region_set_whole(&whole);
    la_region_set_extent(&empty, 5, 0);
    la_region a = region_of(&none), b = region_of(&nothing), c = region_of(&x);
    CHECK(la_region_is_empty(&a) && la_region_is_empty(&b));
    CHECK(!la_regions_conflict(&a, &a) && !la_regions_conflict(&a, &c));
    CHECK(!la_regions_conflict(&whole, &b) && !la_regions_conflict(&b, &whole));
    CHECK(!la_regions_conflict(&whole, &empty));
    CHECK(la_regions_conflict(&whole, &whole) && la_regions_conflict(&whole, &c));
    /* What is nowhere meets everything, and nothing that an array has. */
    la_region nowhere, data;
    la_region_set_nowhere(&nowhere);
    la_region_set_data(&data);
    CHECK(la_regions_conflict(&nowhere, &whole) && la_regions_conflict(&data, &whole));
    CHECK(!la_regions_conflict(&nowhere, &data) && !la_regions_conflict(&c, &nowhere));
    CHECK(la_regions_conflict(&data, &c) && la_region_is_nowhere(&nowhere));
    CHECK(!la_region_is_nowhere(&data) && !la_region_is_nowhere(&whole));
}

static void
test_views_of_another_itemsize(void)
{
    view x = whole_of(1, (intptr_t[]){16}, 8);
    view bytes = whole_of(1, (intptr_t[]){128}, 1);
    view low = slice(bytes, 0, 0, 16, 8);           /* one byte of each item */
    view high_half = { .ndim = 1, .shape = {16}, .strides = {8}, .itemsize = 4,
                       .offset = 4 };
    CHECK_EXACT(&x, &low);
    CHECK_EXACT(&low, &high_half);
    CHECK(!conflict(&low, &high_half));
}

static void
test_overlapping_windows(void)
{
    view windows = { .ndim = 2, .shape = {7, 4}, .strides = {8, 8},
                     .itemsize = 8, .offset = 0 };
    view after = { .ndim = 1, .shape = {3}, .strides = {8}, .itemsize = 8,
                   .offset = 80 };
    CHECK_EXACT(&windows, &after);
    view last = { .ndim = 0, .itemsize = 8, .offset = 72 };
    CHECK_EXACT(&windows, &last);
}

static void
test_what_combs_cannot_tell_apart(void)
{
    view x = whole_of(2, (intptr_t[]){4, 4}, 8);
    view diagonal = { .ndim = 1, .shape = {4}, .strides = {40}, .itemsize = 8 };
    view below = slice(slice(x, 0, 1, 3, 1), 1, 0, 1, 1);
    view first = slice(x, 1, 0, 1, 1);
    CHECK(!conflict(&diagonal, &below) && conflict(&diagonal, &first));
    /* Rows of an odd length that begin anywhere, so that they have no window. */
    view rows = whole_of(2, (intptr_t[]){8, 5}, 8);
    rows.offset = 16;
    view even = slice(rows, 1, 0, 3, 2), odd = slice(rows, 1, 1, 2, 2);
    CHECK(!conflict(&even, &odd));
    /* Windows of a row and of a plane. */
    view y = whole_of(3, (intptr_t[]){2, 2, 3}, 8);
    view plane = slice(slice(y, 0, 0, 1, 1), 2, 0, 2, 2);
    view middle = slice(slice(y, 1, 1, 1, 1), 2, 1, 1, 2);
    CHECK(!conflict(&plane, &middle));
    /* The fifth axis. */
    view z = whole_of(6, (intptr_t[]){3, 3, 3, 3, 3, 3}, 1);
    for (int k = 0; k < 5; k++) {
        z = slice(z, k, 0, 2, 1);
    }
    view low = slice(z, 5, 0, 1, 1), high = slice(z, 5, 2, 1, 1);
    CHECK(!conflict(&low, &high));
}

/* Axes whose strides fit each other as badly as they can, more than can be told apart. */
static la_region
hard_region(int ndim, int size, uint64_t *random)
{
    intptr_t shape[8], strides[8];
    for (int k = 0; k < ndim; k++) {
        shape[k] = 2 + random_below(random, 5);
        strides[k] = size + random_below(random, 9 * size);
    }
    la_region region;
    la_region_set_array(&region, ndim, shape, strides, 1 + random_below(random, 40),
                        random_below(random, 2000000));
    return region;
}

static void
test_hard_ones_are_answered_the_same_from_both_sides(void)
{
    uint64_t random = random_seed();
    int apart = 0;
    for (int i = 0; i < 5000; i++) {
        la_region a = hard_region(1 + random_below(&random, 8), 100000, &random);
        la_region b = hard_region(1 + random_below(&random, 8), 100000, &random);
        bool forth = la_regions_conflict(&a, &b);
        CHECK(forth == la_regions_conflict(&b, &a));
        apart += !forth;
    }
    CHECK(apart > 100);
    printf("(of 5000, %d are apart) ", apart);
}

/* Some sums of the large axes are found sooner from one end of them than from the other. */
static void
test_hard_ones_with_many_sums_are_answered_the_same_from_both_sides(void)
{
    view two = { .ndim = 2, .shape = {10, 5}, .strides = {257740, 1505}, .itemsize = 6,
                 .offset = 22165 };
    view three = { .ndim = 3, .shape = {2, 10, 10}, .strides = {374775, 348475, 309025},
                   .itemsize = 12, .offset = 143260 };
    (void)conflict(&two, &three);       /* which asks both ways */
    uint64_t random = random_seed();
    for (int i = 0; i < 30000; i++) {
        la_region regions[2];
        for (int k = 0; k < 2; k++) {
            intptr_t shape[4], strides[4], unit = 100 + random_below(&random, 9000);
            int ndim = 1 + random_below(&random, 4);
            for (int axis = 0; axis < ndim; axis++) {
                shape[axis] = 2 + random_below(&random, 9);
                strides[axis] = (1 + random_below(&random, 60)) * unit;
            }
            la_region_set_array(&regions[k], ndim, shape, strides, 1 + random_below(&random, 12),
                                random_below(&random, 300000));
        }
        CHECK(la_regions_conflict(&regions[0], &regions[1])
              == la_regions_conflict(&regions[1], &regions[0]));
    }
}

/* The queue and the graph leave out what is behind such a one; see region.c. */
static void
test_what_conflicts_with_a_part_conflicts_with_all_of_an_extent(void)
{
    uint64_t random = random_seed();
    int with_part = 0, with_none = 0;
    for (int i = 0; i < 20000; i++) {
        la_region other = hard_region(1 + random_below(&random, 4), 100000, &random);
        la_region part = hard_region(1 + random_below(&random, 7), 100, &random);
        if (random_below(&random, 4) == 0) {
            la_region_set_extent(&part, random_below(&random, 3000000),
                                 1 + random_below(&random, 100));
        }
        la_region all;
        int64_t before = random_below(&random, 200), after = random_below(&random, 200);
        la_region_set_extent(&all, part.low - before,
                             part.high - part.low + before + after);
        bool conflicts = la_regions_conflict(&other, &part);
        CHECK(!conflicts || la_regions_conflict(&other, &all));
        with_part += conflicts;
        with_none += !la_regions_conflict(&other, &all);
    }
    printf("(%d conflict with a part, %d with none of it) ", with_part, with_none);
    CHECK(with_part > 100 && with_none > 100);
}

static void
test_numbers_that_overflow_mean_the_whole_buffer(void)
{
    view small = { .ndim = 0, .itemsize = 8, .offset = 16 };
    view views[] = {
        { .ndim = 1, .shape = {INTPTR_MAX}, .strides = {8}, .itemsize = 8 },
        { .ndim = 1, .shape = {INTPTR_MAX}, .strides = {-8}, .itemsize = 8 },
        { .ndim = 1, .shape = {2}, .strides = {INTPTR_MIN}, .itemsize = 8 },
        { .ndim = 2, .shape = {3, 3}, .strides = {INTPTR_MAX / 3, INTPTR_MAX / 3},
          .itemsize = 8 },
        { .ndim = 0, .itemsize = 8, .offset = INTPTR_MAX - 3 },
    };
    la_region other = region_of(&small);
    /* On a system of 32 bits none of these numbers overflows the region's 64. */
    for (int i = 0; i < 5 && sizeof(intptr_t) == sizeof(int64_t); i++) {
        la_region region = region_of(&views[i]);
        CHECK(la_regions_conflict(&region, &other));
    }
    view low = { .ndim = 1, .shape = {2}, .strides = {-16}, .itemsize = 8,
                 .offset = INTPTR_MIN + 16 };
    la_region region = region_of(&low);
    CHECK(!la_regions_conflict(&region, &other));
    CHECK(la_regions_conflict(&region, &region));
}

/* Any strides at all, as as_strided would make them. */
static view
random_view(uint64_t *random)
{
    for (;;) {
        view v = { .ndim = random_below(random, 4) };
        intptr_t low = 0, high = 0;
        v.itemsize = 1 + random_below(random, 12);
        for (int k = 0; k < v.ndim; k++) {
            v.shape[k] = random_below(random, 12) == 0 ? 0
                         : 1 + random_below(random, 6);
            int unit = 1 + random_below(random, 4);
            v.strides[k] = unit * (random_below(random, 41) - 20);
            intptr_t reach = (v.shape[k] - 1) * v.strides[k];
            if (reach < 0) {
                low += reach;
            }
            else {
                high += reach;
            }
        }
        v.offset = -low + random_below(random, 64);
        if (v.offset + high + v.itemsize <= BYTES) {
            return v;
        }
    }
}

static void
test_never_apart_when_memory_is_shared(void)
{
    uint64_t random = random_seed();
    int count = 200000 * stress_scale(), apart = 0, proven = 0;
    for (int i = 0; i < count; i++) {
        view a = random_view(&random), b = random_view(&random);
        bool shared = share_memory(&a, &b);
        CHECK(conflict(&a, &b) || !shared);
        apart += !shared;
        proven += !conflict(&a, &b);
    }
    printf("(%d of %d pairs apart, %d proven) ", apart, count, proven);
    CHECK(proven >= apart - apart / 1000);
}

/* Combs and axes that are dropped make more conflicts, never fewer. */
static void
test_many_axes(void)
{
    view x = whole_of(7, (intptr_t[]){2, 3, 2, 3, 2, 3, 2}, 1);
    uint64_t random = random_seed();
    int dropped = 0;
    for (int i = 0; i < 20000; i++) {
        view a = random_box(x, &random), b = random_box(x, &random);
        bool known = region_of(&a).naxes >= 0 && region_of(&b).naxes >= 0;
        bool shared = share_memory(&a, &b);
        CHECK(conflict(&a, &b) || !shared);
        CHECK(!known || conflict(&a, &b) == shared);
        dropped += !known;
    }
    view y = whole_of(8, (intptr_t[]){3, 3, 3, 3, 2, 2, 3, 2}, 1);
    for (int k = 0; k < 8; k++) {
        y = slice(y, k, 0, 2, 1);
    }
    y = slice(y, 7, 0, 1, 1);
    CHECK(region_of(&y).naxes <= LA_REGION_AXES);
    printf("(of some, %d have too many axes) ", dropped);
}

/* Only what leaves gaps is kept, and what goes on where another axis ends is one with it. */
static void
test_regions_know_few_axes(void)
{
    view x = whole_of(4, (intptr_t[]){4, 5, 6, 7}, 8);
    CHECK(region_of(&x).naxes == 0);
    view rows = slice(x, 0, 1, 2, 1), columns = slice(x, 3, 2, 1, 1), steps = slice(x, 3, 0, 4, 2);
    CHECK(la_region_is_solid(&(la_region[]){region_of(&rows)}[0]));
    CHECK(region_of(&columns).naxes == 1 && region_of(&steps).naxes == 2);
    view turned = whole_of(2, (intptr_t[]){4, 5}, 8);
    turned.strides[0] = 8, turned.strides[1] = 32;
    CHECK(region_of(&turned).naxes == 0 && region_of(&turned).ncombs == 0);
}

int
main(void)
{
    RUN(test_rows_and_columns_are_exact);
    RUN(test_blocks_of_columns_are_exact);
    RUN(test_boxes_of_up_to_four_axes_are_exact);
    RUN(test_step_slices_with_the_same_step_are_exact);
    RUN(test_step_slices_of_rows_and_columns_are_exact);
    RUN(test_slices_of_three_axes_are_exact);
    RUN(test_slices_with_unlike_steps_are_exact);
    RUN(test_slices_of_any_length_with_unlike_steps_are_exact);
    RUN(test_fields_are_exact);
    RUN(test_real_and_imag_are_exact);
    RUN(test_zero_dimensions_zero_strides_and_axes_of_length_one);
    RUN(test_empty_regions_conflict_with_nothing);
    RUN(test_views_of_another_itemsize);
    RUN(test_overlapping_windows);
    RUN(test_what_combs_cannot_tell_apart);
    RUN(test_hard_ones_are_answered_the_same_from_both_sides);
    RUN(test_hard_ones_with_many_sums_are_answered_the_same_from_both_sides);
    RUN(test_what_conflicts_with_a_part_conflicts_with_all_of_an_extent);
    RUN(test_numbers_that_overflow_mean_the_whole_buffer);
    RUN(test_never_apart_when_memory_is_shared);
    RUN(test_many_axes);
    RUN(test_regions_know_few_axes);
    return 0;
}
