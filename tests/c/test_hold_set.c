/*
 * A set of holds against brute force: the same members in an array, each compared
 * with each; and how many nodes are looked at, when there are 100 and 10 000.
 */
#include "check.h"
#include "lock/hold_set.h"

#define OWNERS 4
#define PARTS 4000

static la_owner owners[OWNERS];

/* Records, and those that are not used, by `pooled`. */
static la_hold records[PARTS], *unused;

static void
records_reset(void)
{
    memset(records, 0, sizeof(records));
    unused = NULL;
    for (int i = 0; i < PARTS; i++) {
        records[i].pooled = unused;
        unused = &records[i];
    }
}

static la_hold *
record_new(la_mode mode)
{
    la_hold *hold = unused;
    CHECK(hold != NULL);
    unused = hold->pooled;
    hold->mode = mode;
    hold->also = NULL;
    return hold;
}

static void
record_free(la_hold *hold)
{
    while (hold != NULL) {
        la_hold *also = hold->also;
        memset(hold, 0x5a, sizeof(*hold));      /* nobody is to look at it any more */
        hold->pooled = unused;
        unused = hold;
        hold = also;
    }
}

/* An array of ROWS x COLUMNS records of 8 bytes that starts somewhere. */
#define ROWS 12
#define COLUMNS 9
#define ROW (COLUMNS * 8)

static void
box(la_region *region, intptr_t start, int row, int rows, int row_step, int column,
    int columns, int column_step, intptr_t itemsize)
{
    la_region_set_array(region, 2, (intptr_t[]){rows, columns},
                        (intptr_t[]){row_step * ROW, column_step * 8}, itemsize,
                        start + row * ROW + column * 8);
}

typedef enum {
    ELEMENT, ROW_OF, COLUMN, BLOCK, STEPS, FIELD, WRAPS, DEEP, FLAT_STEP, SHORT, EMPTY,
    WHOLE, HUGE_PERIOD, ANY_COMBS, KINDS
} kind;

static void
random_region(la_region *region, kind which, uint64_t *random)
{
    int row = random_below(random, ROWS), column = random_below(random, COLUMNS);
    int rows = 1 + random_below(random, ROWS - row);
    int columns = 1 + random_below(random, COLUMNS - column);
    /* Now and then in front of the Buffer's start: there bytes have negative numbers. */
    intptr_t start = random_below(random, 8) ? 40 : -5 * ROW - 24;

    switch (which) {
    case ELEMENT:
        la_region_set_extent(region, start + row * ROW + column * 8, 8);
        break;
    case ROW_OF:
        box(region, start, row, 1, 1, 0, COLUMNS, 1, 8);
        break;
    case COLUMN:
        box(region, start, 0, ROWS, 1, column, 1, 1, 8);
        break;
    case BLOCK:
        box(region, start, row, rows, 1, column, columns, 1, 8);
        break;
    case STEPS:
        box(region, start, row, 1 + (rows - 1) / 2, 2, column, 1 + (columns - 1) / 3, 3, 8);
        break;
    case FIELD:
        box(region, start, row, rows, 1, column, columns, 1, 1 + random_below(random, 4));
        break;
    case WRAPS:     /* a view that begins in the middle of a row */
        box(region, start, 0, ROWS - 1, 1, 4 + random_below(random, 5), 1 + columns / 2, 1, 8);
        break;
    case DEEP:      /* the same bytes as 4 x 3 x COLUMNS */
        la_region_set_array(region, 3,
                            (intptr_t[]){4, 1 + random_below(random, 3), 1 + columns / 3},
                            (intptr_t[]){3 * ROW, ROW, 8}, 8, start + (column % 3) * 8);
        break;
    case FLAT_STEP:
        la_region_set_array(region, 1, (intptr_t[]){2 + rows}, (intptr_t[]){16 + 8 * (columns % 4)},
                            8, start + column * 8);
        break;
    case SHORT:     /* less than a row, across the end of one */
        la_region_set_extent(region, start + row * ROW + column * 8,
                             8 + 8 * random_below(random, COLUMNS - 1));
        break;
    case EMPTY:
        la_region_set_extent(region, row, 0);
        break;
    case WHOLE:
        la_region_set_whole(region);
        break;
    case HUGE_PERIOD:
        region->low = INT64_MIN / 2;
        region->high = INT64_MAX - column;
        region->ncombs = 1;
        region->naxes = LA_REGION_MORE_AXES;
        region->combs[0] = (la_comb){
            .period = (uint64_t)INT64_MAX >> random_below(random, 4), .length = 8,
        };
        region->combs[0].low = region->combs[0].period - 1 - (uint64_t)(8 * column);
        break;
    default:        /* what no array has, but a region may say */
        la_region_set_extent(region, start + row * 8, 8 + rows * ROW);
        region->ncombs = 1 + random_below(random, LA_REGION_COMBS);
        region->naxes = LA_REGION_MORE_AXES;
        for (int i = 0; i < region->ncombs; i++) {
            la_comb *comb = &region->combs[i];
            comb->window = (uint64_t[]){0, 0, 2 * ROW, 100}[random_below(random, 4)];
            comb->period = (uint64_t[]){ROW, 2 * ROW, 24, 8}[random_below(random, 4)];
            comb->low = random_next(random) % comb->period;
            comb->length = 1 + random_next(random) % (comb->period - 1);
        }
    }
}

/* A chain of one to four parts; `only` is the kind of nearly all, or KINDS for any. */
static la_hold *
random_hold(kind only, uint64_t *random)
{
    la_hold *head = NULL;
    int parts = random_below(random, 5) == 0 ? 1 + random_below(random, 4) : 1;

    for (int i = 0; i < parts; i++) {
        la_hold *part = record_new(random_below(random, 3) ? LA_READ : LA_WRITE);
        kind which = only == KINDS || random_below(random, 8) == 0
                     ? (kind)random_below(random, KINDS) : only;
        random_region(&part->region, which, random);
        part->also = head;
        head = part;
    }
    return head;
}

/* The set, and the same as an array. */
typedef struct {
    la_hold_set set;
    la_hold_index index;
    int count;
    la_hold *members[PARTS];
    la_owner *whose[PARTS];
    uint64_t next_ticket;
    bool any_tickets;       /* not in order, and some the same: as of holds */
} pair;

static pair both;

static void
both_reset(void)
{
    memset(&both, 0, sizeof(both));
    la_hold_set_init(&both.set, &both.index);
    records_reset();
}

static void
check_both(void)
{
    int at = 0;
    CHECK(both.set.count == (size_t)both.count);
    for (la_hold *hold = both.set.first; hold != NULL; hold = hold->next) {
        CHECK(hold == both.members[at] && hold->whose == both.whose[at]);
        CHECK(at == 0 || hold->previous == both.members[at - 1]);
        at++;
    }
    CHECK(at == both.count && la_hold_set_last(&both.set) == (at == 0 ? NULL : both.members[at - 1]));
    CHECK(at <= 16 || both.set.indexed);
    CHECK(at >= 8 || !both.set.indexed);
#ifdef LA_DEBUG
    la_hold_set_check(&both.set);
#endif
}

static void
add(la_hold *hold, la_owner *owner, uint64_t *random)
{
    hold->ticket = both.any_tickets ? (uint64_t)random_below(random, 60) : both.next_ticket++;
    la_hold_set_add(&both.set, hold, owner);
    both.members[both.count] = hold;
    both.whose[both.count++] = owner;
}

static void
remove_at(int at)
{
    la_hold *hold = both.members[at];
    la_hold_set_remove(&both.set, hold);
    both.count--;
    size_t behind = (size_t)(both.count - at);
    memmove(&both.members[at], &both.members[at + 1], sizeof(la_hold *) * behind);
    memmove(&both.whose[at], &both.whose[at + 1], sizeof(la_owner *) * behind);
    record_free(hold);
}

static bool
conflict(const la_hold *a, const la_hold *b)
{
    for (const la_hold *i = a; i != NULL; i = i->also) {
        for (const la_hold *j = b; j != NULL; j = j->also) {
            if ((i->mode == LA_WRITE || j->mode == LA_WRITE)
                    && la_regions_conflict(&i->region, &j->region)) {
                return true;
            }
        }
    }
    return false;
}

static bool
is_answer(int at, const la_hold *wanted, const la_owner *except)
{
    return both.members[at] != wanted && both.whose[at] != except
           && conflict(both.members[at], wanted);
}

static int
place_of(const la_hold *hold)
{
    int at = 0;
    while (at < both.count && both.members[at] != hold) {
        at++;
    }
    CHECK(at < both.count);
    return at;
}

/* Whom accept was called for, by place; and whom it takes. */
typedef struct {
    bool seen[PARTS];
    const la_hold *takes;
} asked;

static bool
accept_one(la_hold *found, void *context)
{
    asked *all = context;
    all->seen[place_of(found)] = true;
    return found == all->takes;
}

static void
check_find(const la_hold *wanted, const la_owner *except, uint64_t *random)
{
    static asked all;
    int answers = 0, taken = -1;

    memset(&all, 0, sizeof(all));
    for (int i = 0; i < both.count; i++) {
        if (is_answer(i, wanted, except) && random_below(random, ++answers) == 0) {
            taken = i;
        }
    }
    la_hold *found = la_hold_set_find(&both.set, wanted, except, NULL, NULL);
    CHECK((found != NULL) == (answers > 0));
    CHECK(found == NULL || is_answer(place_of(found), wanted, except));
    /* Refuses all, so it has to see all. */
    CHECK(la_hold_set_find(&both.set, wanted, except, accept_one, &all) == NULL);
    for (int i = 0; i < both.count; i++) {
        CHECK(all.seen[i] == is_answer(i, wanted, except));
    }
    if (taken >= 0) {
        all.takes = both.members[taken];
        CHECK(la_hold_set_find(&both.set, wanted, except, accept_one, &all) == all.takes);
    }
}

static void
check_next(const la_hold *wanted, uint64_t from, uint64_t before)
{
    la_hold *least = NULL;

    if (both.any_tickets && !both.set.indexed) {
        return;             /* it is not for such a list */
    }
    for (int i = 0; i < both.count; i++) {
        la_hold *member = both.members[i];
        if (is_answer(i, wanted, NULL) && member->ticket >= from && member->ticket < before
                && (least == NULL || member->ticket < least->ticket)) {
            least = member;
        }
    }
    la_hold *found = la_hold_set_next(&both.set, wanted, from, before);
    CHECK((found == NULL) == (least == NULL));
    CHECK(found == NULL || (found->ticket == least->ticket
                            && is_answer(place_of(found), wanted, NULL)));
}

/* All, in turn, while some of them go. */
static void
check_walk(const la_hold *wanted, bool removing, uint64_t *random)
{
    uint64_t from = 0;
    la_hold *found;

    do {
        check_next(wanted, from, UINT64_MAX);
        found = la_hold_set_next(&both.set, wanted, from, UINT64_MAX);
        if (found != NULL) {
            from = found->ticket + 1;
            if (removing && random_below(random, 2)) {
                remove_at(place_of(found));
                check_both();
            }
        }
    } while (found != NULL);
}

static void
check_questions(kind only, uint64_t *random)
{
    /* A member asks about the others, or somebody who is none. */
    bool member = both.count > 0 && random_below(random, 3) == 0;
    la_hold *wanted = member ? both.members[random_below(random, both.count)]
                             : random_hold(random_below(random, 2) ? only : KINDS, random);
    int owner = random_below(random, OWNERS + 1);

    check_find(wanted, owner == OWNERS ? NULL : &owners[owner], random);
    uint64_t range = both.any_tickets ? 64 : both.next_ticket + 2;
    check_next(wanted, random_next(random) % range, random_next(random) % range);
    check_next(wanted, 0, UINT64_MAX);
    check_next(wanted, 0, member ? wanted->ticket : random_next(random) % range);
    if (!member) {
        record_free(wanted);
    }
}

static void
random_steps(kind only, int most, int steps, bool any_tickets, uint64_t *random)
{
    both_reset();
    both.any_tickets = any_tickets;
    bool grows = true;
    for (int i = 0; i < steps; i++) {
        if (both.count == 0) {
            grows = true;
        }
        else if (both.count == most) {
            grows = false;
        }
        else if (random_below(random, most) == 0) {
            grows = !grows;
        }
        bool likely = random_below(random, 10) < (grows ? 9 : 1);
        if (both.count == 0 || (both.count < most && likely)) {
            /* Most sets have one owner who holds most of it. */
            int owner = random_below(random, 2) ? 0 : random_below(random, OWNERS);
            add(random_hold(only, random), &owners[owner], random);
        }
        else {
            remove_at(random_below(random, both.count));
        }
        check_both();
        check_questions(only, random);
        if (random_below(random, 100) == 0) {
            la_hold *wanted = random_hold(KINDS, random);
            check_walk(wanted, random_below(random, 2), random);
            record_free(wanted);
        }
    }
    while (both.count > 0) {
        remove_at(random_below(random, both.count));
        check_both();
    }
}

static void
test_a_set_answers_as_brute_force_does(void)
{
    uint64_t random = random_seed();
    for (int round = 0; round < 4 * stress_scale(); round++) {
        for (kind only = 0; only <= KINDS; only++) {
            random_steps(only, 40, 300, round & 1, &random);
        }
    }
}

static void
test_a_large_set_answers_as_brute_force_does(void)
{
    uint64_t random = random_seed();
    for (int round = 0; round < stress_scale(); round++) {
        random_steps(KINDS, 400, 1500, false, &random);
        random_steps(COLUMN, 400, 1500, false, &random);
        random_steps(BLOCK, 400, 1500, true, &random);
    }
}

/* The index comes with the 17th, and goes when there are fewer than 8. */
static void
test_the_index_comes_and_goes(void)
{
    uint64_t random = random_seed();
    both_reset();
    for (int round = 0; round < 3; round++) {
        while (both.count < 16) {
            add(random_hold(KINDS, &random), &owners[0], &random);
            CHECK(!both.set.indexed);
        }
        for (int i = 0; i < 5; i++) {
            add(random_hold(KINDS, &random), &owners[1], &random);
            CHECK(both.set.indexed);
            check_both();
            check_questions(KINDS, &random);
        }
        while (both.count > 8) {
            remove_at(random_below(&random, both.count));
            CHECK(both.set.indexed);
            check_both();
            check_questions(KINDS, &random);
        }
        remove_at(0);
        CHECK(!both.set.indexed);
    }
}

/* What a child does after a fork: whatever the nodes say does not matter. */
static void
test_a_set_is_made_anew_over_what_was_left(void)
{
    uint64_t random = random_seed();
    both_reset();
    for (int i = 0; i < 40; i++) {
        add(random_hold(KINDS, &random), &owners[i % OWNERS], &random);
    }
    check_walk(both.members[3], false, &random);
    la_hold_set_init(&both.set, &both.index);
    for (int i = 0; i < 40; i++) {
        memset(&both.members[i]->node, 0x5a, sizeof(la_node));
        la_hold_set_add(&both.set, both.members[i], both.whose[i]);
    }
    check_both();
    for (int i = 0; i < 100; i++) {
        check_questions(KINDS, &random);
    }
}

#ifdef LA_DEBUG

#define FEW 100
#define MANY 10000

static la_hold crowd[MANY];

/* Member number i of n, in some order. */
typedef void (*crowd_member)(la_hold *hold, int64_t i, int64_t n);

static void
a_row(la_hold *hold, int64_t i, int64_t n)
{
    (void)n;
    la_region_set_extent(&hold->region, i * 4096, 4096);
}

static void
an_element(la_hold *hold, int64_t i, int64_t n)
{
    (void)n;
    la_region_set_extent(&hold->region, i * 8, 8);
}

static void
strip(la_hold *hold, int64_t n, int64_t rows, int64_t column, int64_t columns)
{
    la_region_set_array(&hold->region, 2, (intptr_t[]){(intptr_t)rows, (intptr_t)columns},
                        (intptr_t[]){(intptr_t)n * 8, 8}, 8, (intptr_t)column * 8);
}

static void
a_column(la_hold *hold, int64_t i, int64_t n)
{
    strip(hold, n, 50, i, 1);
}

/* The last one of these wraps around. */
static void
a_shifted_pair_of_columns(la_hold *hold, int64_t i, int64_t n)
{
    strip(hold, 2 * n, 49, 2 * i + 1, 2);
}

static void
a_whole(la_hold *hold, int64_t i, int64_t n)
{
    (void)i, (void)n;
    la_region_set_whole(&hold->region);
}

/* Of an array with three axes: the period of the first one does not tell these apart. */
static void
a_column_of_planes(la_hold *hold, int64_t i, int64_t n)
{
    intptr_t row = (intptr_t)n * 8;
    la_region_set_array(&hold->region, 3, (intptr_t[]){5, 10, 1},
                        (intptr_t[]){10 * row, row, 8}, 8, (intptr_t)i * 8);
}

/* Of 100 there are 10 rows with 10 each, of 10 000 a hundred with a hundred each. */
static void
a_hot_row(la_hold *hold, int64_t i, int64_t n)
{
    a_row(hold, i % (n == FEW ? 10 : 100), n);
}

typedef struct {
    double change, find, next;
} looks;

/* n of the crowd into a set: by region in an order that is none, by address the last first. */
static void
gather(la_hold_set *set, la_hold *members, crowd_member member, int64_t n, la_mode mode)
{
    memset(members, 0, sizeof(la_hold) * (size_t)n);
    static la_hold_index index;
    la_hold_set_init(set, &index);
    for (int64_t i = 0; i < n; i++) {
        la_hold *hold = &members[n - 1 - i];
        hold->mode = mode;
        hold->ticket = (uint64_t)i;
        member(hold, i * 7919 % n, n);              /* a prime, so all are there */
        la_hold_set_add(set, hold, &owners[0]);
    }
}

static uint64_t
looks_since(uint64_t *start)
{
    uint64_t looks = la_hold_set_visits - *start;
    *start = la_hold_set_visits;
    return looks;
}

typedef struct {
    double change, find, next;
} averages;

/*
 * How many looks each takes in a set of n, on average: of several sets, since by
 * chance one of a hundred can be better than most. Each wanted one is like a
 * member that has just gone; `found`: there is another one in the way.
 */
static averages
count_looks(crowd_member member, int64_t n, la_mode mode, la_mode wanted_mode,
            const la_owner *except, bool found)
{
    static la_hold_set set;
    uint64_t change = 0, find = 0, next = 0, start = la_hold_set_visits;
    la_hold wanted = { .mode = wanted_mode };

    for (la_hold *members = crowd; members + n <= crowd + MANY; members += n) {
        gather(&set, members, member, n, mode);
        la_hold_set_next(&set, &wanted, 0, UINT64_MAX);
        looks_since(&start);
        for (int64_t i = 0; i < n; i++) {
            la_hold *hold = &members[i];
            la_hold_set_remove(&set, hold);
            change += looks_since(&start);
            la_region_copy(&wanted.region, &hold->region);
            CHECK((la_hold_set_find(&set, &wanted, except, NULL, NULL) != NULL) == found);
            find += looks_since(&start);
            la_hold_set_next(&set, &wanted, 0, UINT64_MAX);
            next += looks_since(&start);
            hold->ticket = (uint64_t)(n + i);
            la_hold_set_add(&set, hold, &owners[0]);
            change += looks_since(&start);
        }
        la_hold_set_check(&set);
    }
    return (averages){(double)change / MANY, (double)find / MANY, (double)next / MANY};
}

static void
check_growth(const char *name, crowd_member member, la_mode mode, la_mode wanted_mode,
             const la_owner *except, bool found)
{
    averages few = count_looks(member, FEW, mode, wanted_mode, except, found);
    averages many = count_looks(member, MANY, mode, wanted_mode, except, found);

    printf("\n    %-26s change %5.1f -> %5.1f  find %5.1f -> %5.1f  next %5.1f -> %5.1f ",
           name, few.change, many.change, few.find, many.find, few.next, many.next);
    /* Twice as many are expected, and a hundred times if each is looked at; the one large tree is
     * made by chance, of addresses, which are others in each run. */
    CHECK(many.change < 8 * few.change);
    CHECK(many.find <= 8 * few.find);
    CHECK(many.next < 8 * few.next);
}

static void
test_questions_grow_by_the_logarithm(void)
{
    la_owner *me = &owners[0], *other = &owners[1];

    check_growth("rows", a_row, LA_WRITE, LA_WRITE, other, false);
    check_growth("elements", an_element, LA_WRITE, LA_READ, other, false);
    check_growth("columns", a_column, LA_WRITE, LA_WRITE, other, false);
    check_growth("shifted pairs of columns", a_shifted_pair_of_columns, LA_READ, LA_WRITE,
                 other, false);
    check_growth("columns of planes", a_column_of_planes, LA_WRITE, LA_WRITE, other, false);
    check_growth("all of it, by the owner", a_whole, LA_WRITE, LA_WRITE, me, false);
    check_growth("rows, by the owner", a_row, LA_WRITE, LA_WRITE, me, false);
    check_growth("reads among reads", a_whole, LA_READ, LA_READ, other, false);
    check_growth("all of it, by another", a_whole, LA_WRITE, LA_READ, other, true);
}

/* An element is shorter than the period, and so in one of the columns. */
static void
test_an_element_is_found_among_columns(void)
{
    static la_hold_set set;
    double looks[2] = {0, 0};

    for (int round = 0; round < 2; round++) {
        int n = round ? MANY : FEW;
        for (la_hold *members = crowd; members + n <= crowd + MANY; members += n) {
            gather(&set, members, a_column, n, LA_WRITE);
            for (int64_t i = 0; i < n; i++) {
                la_hold wanted = { .mode = LA_READ };
                uint64_t start = la_hold_set_visits;
                la_region_set_extent(&wanted.region, (10 * n + i * 7919 % n) * 8, 8);
                CHECK(la_hold_set_find(&set, &wanted, NULL, NULL, NULL)
                      == &members[n - 1 - i]);
                looks[round] += (double)looks_since(&start) / MANY;
            }
        }
    }
    printf("(%.1f -> %.1f) ", looks[0], looks[1]);
    CHECK(looks[1] < 8 * looks[0]);
}

/* Looks for each one that is found, going through all of them in turn. */
static double
count_walk(crowd_member member, crowd_member wants, int64_t n, int expected)
{
    static la_hold_set set;
    uint64_t looks = 0, questions = 0;

    for (la_hold *members = crowd; members + n <= crowd + MANY; members += n) {
        la_hold wanted = { .mode = LA_WRITE }, *found;
        uint64_t from = 0, before = questions;
        gather(&set, members, member, n, LA_WRITE);
        wants(&wanted, 0, n);
        la_hold_set_next(&set, &wanted, 0, UINT64_MAX);
        uint64_t start = la_hold_set_visits;
        do {
            found = la_hold_set_next(&set, &wanted, from, UINT64_MAX);
            from = found != NULL ? found->ticket + 1 : from;
            questions++;
        } while (found != NULL);
        looks += looks_since(&start);
        CHECK(questions - before == (uint64_t)expected + 1);
    }
    return (double)looks / (double)questions;
}

static void
a_tenth(la_hold *hold, int64_t i, int64_t n)
{
    (void)i;
    la_region_set_extent(&hold->region, 0, n / 10 * 4096);
}

static void
check_walk_growth(const char *name, crowd_member member, crowd_member wants,
                  int few, int few_found, int many_found)
{
    double at_few = count_walk(member, wants, few, few_found);
    double at_many = count_walk(member, wants, MANY, many_found);

    printf("\n    %-26s %5.1f at %4d -> %5.1f ", name, at_few, few, at_many);
    CHECK(at_many < 3 * at_few);
}

static void
test_walks_in_turn_grow_by_the_logarithm(void)
{
    check_walk_growth("rows, all wanted", a_row, a_whole, FEW, FEW, MANY);
    check_walk_growth("columns, all wanted", a_column, a_whole, FEW, FEW, MANY);
    check_walk_growth("all of it, all wanted", a_whole, a_whole, FEW, FEW, MANY);
    check_walk_growth("rows, one wanted", a_row, a_row, FEW, 1, 1);
    check_walk_growth("hot rows, one wanted", a_hot_row, a_hot_row, FEW, 10, 100);
    /* Of a hundred, these would be few enough to look at all. */
    check_walk_growth("rows, a tenth wanted", a_row, a_tenth, 1000, 100, 1000);
}

#endif

int
main(void)
{
    RUN(test_a_set_answers_as_brute_force_does);
    RUN(test_a_large_set_answers_as_brute_force_does);
    RUN(test_the_index_comes_and_goes);
    RUN(test_a_set_is_made_anew_over_what_was_left);
#ifdef LA_DEBUG
    RUN(test_questions_grow_by_the_logarithm);
    RUN(test_an_element_is_found_among_columns);
    RUN(test_walks_in_turn_grow_by_the_logarithm);
#endif
    return 0;
}
