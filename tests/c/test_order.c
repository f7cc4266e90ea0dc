/*
 * Who comes first, scene by scene: everybody stands behind an older waiter that it
 * conflicts with, whatever it holds elsewhere; it overtakes where to queue would close a
 * cycle, and only there; and a cycle that no overtaking opens is refused.
 *
 * In a scene the actors a to e each do one thing at a time, and the next thing is told
 * once the lock counts as many waiters as it should. `old` is a waiter of more than a
 * millisecond: before that anybody may run past it.
 */
#include "visits.h"

static actor a, b, c, d, e;
static actor *const cast[] = {&a, &b, &c, &d, &e};
enum { CAST = sizeof(cast) / sizeof(cast[0]) };

static void
cast_start(void)
{
    for (int i = 0; i < CAST; i++) {
        actor_start(cast[i]);
    }
}

static void
cast_stop(void)
{
    for (int i = 0; i < CAST; i++) {
        actor_stop(cast[i]);
    }
}

#define SCENE(test) (setup(), cast_start(), RUN(test), cast_stop(), teardown())

/* -- what they do -------------------------------------------------------------------- */

/* It gets that at once. */
static la_hold *
takes(actor *who, la_lock *lock, la_mode mode, int64_t low, int64_t size)
{
    la_hold *hold = case_hold(mode, low, size);
    actor_acquire(who, lock, hold);
    return hold;
}

/* It has to wait for it, and is in the queue when this returns. */
static la_hold *
waits(actor *who, la_lock *lock, la_mode mode, int64_t low, int64_t size)
{
    la_hold *hold = case_hold(mode, low, size);
    actor_wait(who, lock, hold);
    return hold;
}

/* The same, and the waiter is old. */
static la_hold *
waits_long(actor *who, la_lock *lock, la_mode mode, int64_t low, int64_t size)
{
    la_hold *hold = waits(who, lock, mode, low, size);
    until_old();
    return hold;
}

/* Tells it to acquire; returns at once. */
static void
begins(actor *who, la_lock *lock, la_hold *hold, int64_t deadline)
{
    who->lock = lock;
    who->hold = hold;
    who->deadline = deadline;
    actor_send(who, ACQUIRE);
}

static la_status
asks(actor *who, la_lock *lock, la_hold *hold, int64_t deadline)
{
    begins(who, lock, hold, deadline);
    return actor_done(who);
}

/* It gets that, whether it would wait or not, and gives it back. */
static void
passes(actor *who, la_lock *lock, la_mode mode, int64_t low, int64_t size)
{
    const int64_t deadlines[] = {LA_NOW, LA_NEVER, la_now() + 1000 * SECOND};
    for (int i = 0; i < 3; i++) {
        la_hold *hold = case_hold(mode, low, size);
        CHECK(asks(who, lock, hold, deadlines[i]) == LA_OK);
        actor_release(who, hold);
    }
}

/* It would have to wait. */
static bool
fails(actor *who, la_lock *lock, la_mode mode, int64_t low, int64_t size)
{
    int before = la_lock_count_waiters(lock, la_thread_self());
    la_status status = asks(who, lock, case_hold(mode, low, size), LA_NOW);
    CHECK(la_lock_count_waiters(lock, la_thread_self()) == before);
    return status == LA_TIMEOUT;
}

#define gives actor_release
#define RUNS(who) CHECK(actor_done(who) == LA_OK)

static bool
is_listed(la_lock *lock, const actor *who, bool waiting)
{
    la_hold_info infos[64];
    size_t count = la_lock_list(lock, la_thread_self(), infos, 64);
    bool found = false;
    CHECK(count <= 64);
    for (size_t i = 0; i < count; i++) {
        found |= infos[i].thread == who->ident && infos[i].waits == waiting;
    }
    return found;
}

/* Is one of its holds in the list, or one of its waiters in the queue? */
#define HOLDS(lock, who) is_listed(lock, who, false)
#define QUEUES(lock, who) is_listed(lock, who, true)

/* -- a place in the queue --------------------------------------------------------------- */

/* Whatever the modes: who conflicts with an old waiter stands behind it, also nested. */
static void
test_a_nested_newcomer_queues_behind_an_old_waiter_that_it_conflicts_with(void)
{
    for (int modes = 0; modes < 4; modes++) {
        la_mode old_mode = modes & 1 ? LA_WRITE : LA_READ;
        la_mode mode = modes & 2 ? LA_WRITE : LA_READ;
        la_hold *first = takes(&b, &x, LA_WRITE, 0, 8);
        la_hold *old = waits_long(&c, &x, old_mode, 0, 16);
        la_hold *elsewhere = takes(&a, &y, LA_READ, 0, 8);
        la_hold *its = case_hold(mode, 8, 8);
        passes(&a, &x, mode, 16, 8);            /* apart from the old one */
        if (modes == 0) {
            passes(&a, &x, mode, 8, 8);         /* two readers do not conflict */
            gives(&b, first);
            RUNS(&c);
            gives(&c, old);
        }
        else {
            CHECK(fails(&a, &x, mode, 8, 8));
            actor_wait(&a, &x, its);
            passes(&d, &x, mode, 16, 8);        /* apart from both */
            gives(&b, first);
            RUNS(&c);
            CHECK(QUEUES(&x, &a));
            gives(&c, old);
            RUNS(&a);
            gives(&a, its);
        }
        gives(&a, elsewhere);
    }
}

/* One release lets the old writer in, not the nested reader that came after it. */
static void
test_a_nested_reader_is_granted_after_the_old_writer_only(void)
{
    la_hold *elsewhere = takes(&a, &y, LA_WRITE, 0, 8);
    for (int times = 0; times < 10; times++) {
        la_hold *first = takes(&b, &x, LA_READ, 0, 8);
        la_hold *write = waits_long(&c, &x, LA_WRITE, 0, 8);
        la_hold *read = waits(&a, &x, LA_READ, 0, 8);
        if (times % 2) {
            until_old();
        }
        gives(&b, first);
        CHECK(HOLDS(&x, &c) && QUEUES(&x, &a));
        RUNS(&c);
        CHECK(QUEUES(&x, &a));
        gives(&c, write);
        RUNS(&a);
        gives(&a, read);
    }
    gives(&a, elsewhere);
}

/* Nested or not: oldest first. */
static void
test_nested_waiters_and_others_are_served_in_order(void)
{
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *holds[CAST], *elsewhere[CAST];
    CHECK(acquire(&x, mine) == LA_OK);
    for (int i = 0; i < CAST; i++) {
        elsewhere[i] = i % 2 ? takes(cast[i], &y, LA_READ, 0, 8) : NULL;
        holds[i] = waits(cast[i], &x, LA_WRITE, 0, 8);
    }
    until_old();
    release(mine);
    for (int i = 0; i < CAST; i++) {
        RUNS(cast[i]);
        for (int j = i + 1; j < CAST; j++) {
            CHECK(QUEUES(&x, cast[j]));
        }
        gives(cast[i], holds[i]);
        if (elsewhere[i] != NULL) {
            gives(cast[i], elsewhere[i]);
        }
    }
}

/* One part of two is in conflict with the old waiter, and in no cycle. */
static void
test_a_nested_chain_queues_by_each_of_its_parts(void)
{
    la_hold *first = takes(&b, &x, LA_READ, 8, 8);
    la_hold *write = waits_long(&c, &x, LA_WRITE, 8, 8);
    la_hold *elsewhere = takes(&a, &y, LA_READ, 0, 8);
    la_hold *chain = case_hold(LA_WRITE, 0, 8);
    la_hold_chain(chain, hold_extent(LA_READ, 12, 4));
    CHECK(asks(&a, &x, chain, LA_NOW) == LA_TIMEOUT);
    actor_wait(&a, &x, chain);
    gives(&b, first);
    RUNS(&c);
    CHECK(QUEUES(&x, &a));
    gives(&c, write);
    RUNS(&a);
    gives(&a, chain);
    gives(&a, elsewhere);
}

static void
test_a_try_of_a_nested_thread_fails_behind_an_old_waiter_and_leaves_no_trace(void)
{
    la_hold *its = takes(&b, &x, LA_READ, 0, 8);
    la_hold *write = waits_long(&c, &x, LA_WRITE, 0, 8);
    la_hold *elsewhere = takes(&a, &y, LA_WRITE, 0, 8);
    for (int i = 0; i < 100; i++) {
        CHECK(fails(&a, &x, i % 2 ? LA_READ : LA_WRITE, 0, 8));
    }
    CHECK(asks(&a, &x, case_hold(LA_READ, 0, 8), la_now() - 1) == LA_TIMEOUT);
    CHECK(la_lock_list(&x, la_thread_self(), NULL, 0) == 2);
    CHECK(HOLDS(&x, &b) && QUEUES(&x, &c));
    /* Nobody believes that it waits, so who waits for it closes no cycle with that. */
    la_hold *bs_y = waits(&b, &y, LA_READ, 0, 8);
    CHECK(fails(&d, &x, LA_READ, 0, 8));
    gives(&a, elsewhere);
    RUNS(&b);
    gives(&b, bs_y);
    CHECK(HOLDS(&x, &b) && QUEUES(&x, &c));
    gives(&b, its);
    RUNS(&c);
    gives(&c, write);
}

/* -- a baton among nested readers ------------------------------------------------------- */

#define BATON_READERS 4
#define BATON_ROUNDS 10

static struct {
    atomic_int old;             /* the writer of this round has waited for long */
    atomic_int entered;         /* the writer of this round has got in */
    atomic_int inside;          /* readers */
    atomic_int passed;          /* batons handed over while an old writer waited */
    atomic_bool stop;
} baton;

/*
 * Holds its read until another one is in, or a while. If nested readers did not queue,
 * there would be one in for ever.
 */
static void *
carry_baton(void *argument)
{
    la_thread *self = la_thread_self();
    la_hold *elsewhere = hold_extent(LA_READ, 0, 8), *read = hold_extent(LA_READ, 0, 8);
    (void)argument;
    while (!atomic_load(&baton.stop)) {
        CHECK(acquire(&y, elsewhere) == LA_OK);
        int old = atomic_load(&baton.old);
        CHECK(acquire(&x, read) == LA_OK);
        /* A writer that was old before this one asked was in before it. */
        CHECK(atomic_load(&baton.entered) >= old);
        atomic_fetch_add(&baton.inside, 1);
        int64_t end = la_now() + 5 * LA_MILLISECOND;
        while (atomic_load(&baton.inside) < 2 && la_now() < end) {
            sched_yield();
        }
        atomic_fetch_sub(&baton.inside, 1);
        la_release(read, self);
        la_release(elsewhere, self);
    }
    la_hold_free(read, self);
    la_hold_free(elsewhere, self);
    return NULL;
}

/* before_wait: the writer is in the queue. */
static void
grow_old(void *round)
{
    until_old();
    atomic_store(&baton.old, *(int *)round);
}

static void
test_nested_readers_that_pass_a_baton_let_the_writer_in(void)
{
    pthread_t readers[BATON_READERS];
    la_thread *self = la_thread_self();
    int round, waited = 0;
    la_wait_hooks hooks = { .before_wait = grow_old, .context = &round };
    memset(&baton, 0, sizeof(baton));
    for (int i = 0; i < BATON_READERS; i++) {
        readers[i] = thread_start(carry_baton, NULL);
    }
    for (round = 1; round <= BATON_ROUNDS; round++) {
        la_hold *write = hold_extent(LA_WRITE, 0, 8);
        while (atomic_load(&baton.inside) == 0) {
            sched_yield();
        }
        CHECK(la_acquire(&x, write, self, LA_NEVER, &hooks, NULL) == LA_OK);
        waited += atomic_load(&baton.old) == round;
        atomic_store(&baton.entered, round);
        release(write);
        la_hold_free(write, self);
    }
    atomic_store(&baton.stop, true);
    for (int i = 0; i < BATON_READERS; i++) {
        thread_join(readers[i]);
    }
    CHECK(waited > 0);
}

/* -- overtaking, where to queue would close a cycle -------------------------------------- */

/* The old writer waits for the read; so the same thread reads again at once. */
static void
test_a_reentrant_read_does_not_wait_for_a_writer_that_waits_for_the_first(void)
{
    la_hold *read = takes(&a, &x, LA_READ, 0, 16);
    la_hold *write = waits_long(&c, &x, LA_WRITE, 0, 16);
    passes(&a, &x, LA_READ, 0, 16);
    passes(&a, &x, LA_READ, 4, 4);
    passes(&a, &x, LA_READ, 8, 100);            /* and more than it had */
    la_hold *another = waits_long(&d, &x, LA_WRITE, 4, 4);
    passes(&a, &x, LA_READ, 0, 16);
    CHECK(fails(&b, &x, LA_READ, 0, 8));        /* it is nobody else's right */
    CHECK(QUEUES(&x, &c) && QUEUES(&x, &d));
    gives(&a, read);
    RUNS(&c);
    CHECK(QUEUES(&x, &d));
    gives(&c, write);
    RUNS(&d);
    gives(&d, another);
}

/* It waits for other readers' holds, but not behind a writer that waits for its own. */
static void
test_an_upgrade_does_not_wait_for_a_writer_that_waits_for_its_read(void)
{
    la_hold *read = takes(&a, &x, LA_READ, 0, 8), *others = takes(&b, &x, LA_READ, 0, 8);
    la_hold *write = waits_long(&c, &x, LA_WRITE, 0, 8);
    CHECK(fails(&a, &x, LA_WRITE, 0, 8));       /* the other read is there */
    la_hold *upgrade = waits_long(&a, &x, LA_WRITE, 0, 8);
    gives(&b, others);
    RUNS(&a);
    CHECK(QUEUES(&x, &c));
    gives(&a, upgrade);
    CHECK(QUEUES(&x, &c));
    passes(&a, &x, LA_WRITE, 0, 8);             /* alone: at once */
    gives(&a, read);
    RUNS(&c);
    gives(&c, write);
}

/* Inside its own read it writes: past who waits for the read, behind who does not. */
static void
test_a_write_inside_a_read_passes_who_waits_for_the_read_only(void)
{
    la_hold *read = takes(&a, &x, LA_READ, 0, 16), *others = takes(&b, &x, LA_READ, 32, 8);
    la_hold *elsewhere = waits_long(&e, &x, LA_WRITE, 24, 16);      /* for b alone */
    la_hold *apart = waits_long(&c, &x, LA_WRITE, 8, 8);
    la_hold *overlaps = waits_long(&d, &x, LA_WRITE, 14, 6);
    passes(&a, &x, LA_WRITE, 0, 8);             /* apart from all of them */
    passes(&a, &x, LA_WRITE, 0, 20);
    passes(&a, &x, LA_WRITE, 16, 8);
    CHECK(fails(&a, &x, LA_WRITE, 24, 4));
    CHECK(fails(&a, &x, LA_WRITE, 0, 28));      /* past two of three is not enough */
    la_hold *write = waits_long(&a, &x, LA_WRITE, 0, 28);
    gives(&b, others);
    RUNS(&e);
    CHECK(QUEUES(&x, &a));
    gives(&e, elsewhere);
    RUNS(&a);
    CHECK(QUEUES(&x, &c) && QUEUES(&x, &d));
    gives(&a, write);
    gives(&a, read);
    RUNS(&c);
    gives(&c, apart);
    RUNS(&d);
    gives(&d, overlaps);
}

/* By its other part it is in the cycle. */
static void
test_a_chain_passes_who_waits_for_its_thread(void)
{
    la_hold *read = takes(&a, &x, LA_READ, 8, 8);
    la_hold *write = waits_long(&c, &x, LA_WRITE, 8, 8);
    const int64_t deadlines[] = {LA_NOW, LA_NEVER};
    for (int i = 0; i < 2; i++) {
        la_hold *chain = case_hold(LA_WRITE, 0, 8);
        la_hold_chain(chain, hold_extent(LA_READ, 12, 4));
        CHECK(asks(&a, &x, chain, deadlines[i]) == LA_OK);
        gives(&a, chain);
    }
    gives(&a, read);
    RUNS(&c);
    gives(&c, write);
}

/*
 * The old writer waits for b, who waits for y, which a holds. To queue behind it would
 * be to wait for oneself.
 */
static void
test_who_is_waited_for_over_another_lock_overtakes(void)
{
    for (int order = 0; order < 2; order++) {
        la_hold *as_y = takes(&a, &y, LA_WRITE, 0, 8), *bs_x = takes(&b, &x, LA_READ, 0, 8);
        la_hold *bs_y, *write;
        if (order == 0) {
            write = waits_long(&c, &x, LA_WRITE, 0, 8);
            CHECK(fails(&a, &x, LA_READ, 0, 8));        /* b does not wait yet */
            bs_y = waits(&b, &y, LA_READ, 0, 8);
        }
        else {
            bs_y = waits(&b, &y, LA_READ, 0, 8);
            write = waits_long(&c, &x, LA_WRITE, 0, 8);
        }
        passes(&a, &x, LA_READ, 0, 8);
        CHECK(fails(&a, &x, LA_WRITE, 0, 8));           /* b's read is in its way */
        CHECK(fails(&d, &x, LA_READ, 0, 8));
        gives(&a, as_y);
        RUNS(&b);
        gives(&b, bs_y);
        gives(&b, bs_x);
        RUNS(&c);
        gives(&c, write);
    }
}

/* The same with one more between, and what is held there is in the way or is not. */
static void
test_who_is_waited_for_over_two_other_locks_overtakes(void)
{
    for (int way = 0; way < 3; way++) {
        bool closes = way == 0;
        la_hold *as_z = takes(&a, &z, LA_WRITE, 0, 8), *bs_x = takes(&b, &x, LA_READ, 0, 8);
        la_hold *ds_y = takes(&d, &y, LA_WRITE, 0, 8), *es_z = takes(&e, &z, LA_WRITE, 8, 8);
        la_hold *ds_z = way == 2 ? NULL : waits(&d, &z, LA_READ, closes ? 0 : 8, 8);
        la_hold *bs_y = waits(&b, &y, LA_READ, 0, 8);
        la_hold *write = waits_long(&c, &x, LA_WRITE, 0, 8), *read = NULL;
        if (closes) {
            passes(&a, &x, LA_READ, 0, 8);
        }
        else {                          /* d waits for e alone, or for nobody */
            CHECK(fails(&a, &x, LA_READ, 0, 8));
            read = waits(&a, &x, LA_READ, 0, 8);
        }
        gives(&e, es_z);
        if (closes) {
            gives(&a, as_z);
        }
        if (ds_z != NULL) {
            RUNS(&d);
            gives(&d, ds_z);
        }
        gives(&d, ds_y);
        RUNS(&b);
        gives(&b, bs_y);
        gives(&b, bs_x);
        RUNS(&c);
        CHECK(closes || QUEUES(&x, &a));
        gives(&c, write);
        if (!closes) {
            RUNS(&a);
            gives(&a, read);
            gives(&a, as_z);
        }
    }
}

/* c stands behind d, who waits for a; a conflicts with c only. */
static void
test_a_row_of_waiters_that_leads_back_is_overtaken(void)
{
    for (int nested = 0; nested < 2; nested++) {
        la_hold *as_x = takes(&a, &x, LA_READ, 16, 8);
        la_hold *cs_z = nested ? takes(&c, &z, LA_READ, 0, 8) : NULL;
        la_hold *ds_x = waits_long(&d, &x, LA_WRITE, 8, 16);
        la_hold *cs_x = waits_long(&c, &x, LA_WRITE, 0, 16);
        passes(&a, &x, LA_READ, 0, 8);
        CHECK(QUEUES(&x, &c) && QUEUES(&x, &d));
        gives(&a, as_x);
        RUNS(&d);
        CHECK(QUEUES(&x, &c));
        gives(&d, ds_x);
        RUNS(&c);
        gives(&c, cs_x);
        if (nested) {
            gives(&c, cs_z);
        }
    }
}

/* Three writers wait for its reads: one look is enough for all. */
static void
test_many_that_wait_for_one_are_all_overtaken(void)
{
    actor *writers[] = {&b, &c, &d};
    la_hold *reads[3], *writes[3];
    for (int i = 0; i < 3; i++) {
        reads[i] = takes(&a, &x, LA_READ, 8 * i, 8);
        writes[i] = waits(writers[i], &x, LA_WRITE, 8 * i, 8);
    }
    until_old();
    passes(&a, &x, LA_READ, 0, 24);
    passes(&a, &x, LA_WRITE, 0, 24);
    passes(&a, &x, LA_WRITE, 8, 16);
    for (int i = 0; i < 3; i++) {
        gives(&a, reads[i]);
        RUNS(writers[i]);
        gives(writers[i], writes[i]);
    }
}

/* To overtake is for one wait. The same record stands in line the next time. */
static void
test_who_has_overtaken_queues_the_next_time(void)
{
    la_hold *outer = takes(&a, &x, LA_READ, 0, 8), *inner = case_hold(LA_READ, 0, 8);
    la_hold *elsewhere = takes(&a, &y, LA_READ, 0, 8);
    la_hold *write = waits_long(&c, &x, LA_WRITE, 0, 8);
    CHECK(asks(&a, &x, inner, LA_NEVER) == LA_OK);
    gives(&a, inner);
    gives(&a, outer);
    RUNS(&c);
    gives(&c, write);
    la_hold *bs = takes(&b, &x, LA_READ, 0, 8);
    actor_wait(&c, &x, write);
    until_old();
    CHECK(asks(&a, &x, inner, LA_NOW) == LA_TIMEOUT);
    actor_wait(&a, &x, inner);
    gives(&b, bs);
    RUNS(&c);
    CHECK(QUEUES(&x, &a));
    gives(&c, write);
    RUNS(&a);
    gives(&a, inner);
    gives(&a, elsewhere);
}

/*
 * b is older than c. Only c waits for a; so a passes c, and still stands behind b.
 */
static void
test_only_who_is_in_the_cycle_is_overtaken(void)
{
    la_hold *as_x = takes(&a, &x, LA_READ, 8, 8), *ds_x = takes(&d, &x, LA_READ, 0, 8);
    la_hold *bs_x = waits_long(&b, &x, LA_WRITE, 0, 8);
    la_hold *cs_x = waits_long(&c, &x, LA_WRITE, 8, 8);
    CHECK(fails(&a, &x, LA_READ, 0, 16));
    la_hold *read = waits_long(&a, &x, LA_READ, 0, 16);
    passes(&e, &x, LA_WRITE, 16, 8);
    gives(&d, ds_x);
    RUNS(&b);
    CHECK(QUEUES(&x, &a) && QUEUES(&x, &c));
    gives(&b, bs_x);
    RUNS(&a);
    CHECK(QUEUES(&x, &c));
    gives(&a, read);
    gives(&a, as_x);
    RUNS(&c);
    gives(&c, cs_x);
}

/* The other way round the older one is in the cycle: a has its place, before both. */
static void
test_who_overtakes_an_older_one_is_before_all_that_are_younger(void)
{
    la_hold *as_x = takes(&a, &x, LA_READ, 8, 8), *ds_x = takes(&d, &x, LA_READ, 0, 8);
    la_hold *cs_x = waits_long(&c, &x, LA_WRITE, 8, 8);
    la_hold *bs_x = waits_long(&b, &x, LA_WRITE, 0, 8);
    passes(&a, &x, LA_READ, 0, 16);
    CHECK(QUEUES(&x, &b) && QUEUES(&x, &c));
    gives(&d, ds_x);
    RUNS(&b);
    gives(&b, bs_x);
    CHECK(QUEUES(&x, &c));
    gives(&a, as_x);
    RUNS(&c);
    gives(&c, cs_x);
}

/* -- another one overtakes ---------------------------------------------------------------- */

/*
 * a holds y and stands behind the writer b, who waits for c's read. When c wants y, a must
 * not wait for b any more: it reads x at once.
 */
static void
test_one_who_stands_behind_the_cycle_overtakes_when_another_closes_it(void)
{
    for (int how = 0; how < 4; how++) {
        la_hold *as_y = takes(&a, &y, LA_WRITE, 0, 8), *cs_x = takes(&c, &x, LA_READ, 0, 8);
        la_hold *bs_z = how & 1 ? takes(&b, &z, LA_READ, 0, 8) : NULL;     /* nested */
        la_hold *bs_x = waits_long(&b, &x, LA_WRITE, 0, 8);
        la_hold *as_x = waits(&a, &x, LA_READ, 0, 8);
        if (how & 2) {
            until_old();
        }
        la_hold *cs_y = waits(&c, &y, LA_READ, 0, 8);
        RUNS(&a);
        CHECK(QUEUES(&x, &b) && QUEUES(&y, &c));
        gives(&a, as_x);
        CHECK(QUEUES(&x, &b) && QUEUES(&y, &c));
        gives(&a, as_y);
        RUNS(&c);
        gives(&c, cs_x);
        RUNS(&b);
        gives(&b, bs_x);
        gives(&c, cs_y);
        if (bs_z != NULL) {
            gives(&b, bs_z);
        }
    }
}

/* It overtakes, but still waits for who holds; and is in before the other one. */
static void
test_one_who_overtakes_still_waits_for_holders(void)
{
    la_hold *as_y = takes(&a, &y, LA_WRITE, 0, 8), *cs_x = takes(&c, &x, LA_READ, 0, 8);
    la_hold *ds_x = takes(&d, &x, LA_WRITE, 8, 8);
    la_hold *bs_x = waits_long(&b, &x, LA_WRITE, 0, 8);
    la_hold *as_x = waits_long(&a, &x, LA_READ, 0, 16);
    la_hold *cs_y = waits_long(&c, &y, LA_READ, 0, 8);
    CHECK(QUEUES(&x, &a) && QUEUES(&x, &b));
    gives(&d, ds_x);
    RUNS(&a);
    CHECK(QUEUES(&x, &b));
    gives(&a, as_x);
    gives(&a, as_y);
    RUNS(&c);
    gives(&c, cs_y);
    gives(&c, cs_x);
    RUNS(&b);
    gives(&b, bs_x);
}

/* Two stand behind the writer, each on the way from c back to c. Both have to pass. */
static void
test_as_many_overtake_as_it_takes(void)
{
    la_hold *as_y = takes(&a, &y, LA_READ, 0, 8), *ds_y = takes(&d, &y, LA_READ, 0, 8);
    la_hold *cs_x = takes(&c, &x, LA_READ, 0, 8);
    la_hold *bs_x = waits_long(&b, &x, LA_WRITE, 0, 8);
    la_hold *as_x = waits(&a, &x, LA_READ, 0, 8), *ds_x = waits(&d, &x, LA_READ, 0, 8);
    la_hold *cs_y = waits(&c, &y, LA_WRITE, 0, 8);
    RUNS(&a);
    RUNS(&d);
    CHECK(QUEUES(&x, &b));
    gives(&a, as_x);
    gives(&d, ds_x);
    gives(&a, as_y);
    CHECK(QUEUES(&y, &c));
    gives(&d, ds_y);
    RUNS(&c);
    gives(&c, cs_y);
    gives(&c, cs_x);
    RUNS(&b);
    gives(&b, bs_x);
}

/* a stands in a row: behind d, who stands behind b. It is the one who overtakes. */
static void
test_the_first_of_a_row_of_waiters_overtakes(void)
{
    la_hold *as_y = takes(&a, &y, LA_WRITE, 0, 8), *cs_x = takes(&c, &x, LA_READ, 16, 8);
    la_hold *bs_x = waits_long(&b, &x, LA_WRITE, 8, 16);
    la_hold *ds_x = waits_long(&d, &x, LA_WRITE, 0, 16);
    la_hold *as_x = waits_long(&a, &x, LA_READ, 0, 8);
    la_hold *cs_y = waits(&c, &y, LA_READ, 0, 8);
    RUNS(&a);
    CHECK(QUEUES(&x, &b) && QUEUES(&x, &d));
    gives(&a, as_x);
    gives(&a, as_y);
    RUNS(&c);
    gives(&c, cs_y);
    gives(&c, cs_x);
    RUNS(&b);
    gives(&b, bs_x);
    RUNS(&d);
    gives(&d, ds_x);
}

/* Two places where the cycle can be opened: at one of them it is, and nobody is refused. */
static void
test_a_cycle_with_two_soft_edges_is_opened_at_one(void)
{
    la_hold *as_y = takes(&a, &y, LA_READ, 0, 8), *bs_x = takes(&b, &x, LA_READ, 0, 8);
    la_hold *ds_y = waits_long(&d, &y, LA_WRITE, 0, 8);         /* for a */
    la_hold *cs_x = waits_long(&c, &x, LA_WRITE, 0, 8);         /* for b */
    la_hold *bs_y = waits(&b, &y, LA_READ, 0, 8), *as_x = case_hold(LA_READ, 0, 8);
    actor_begin(&a, &x, as_x);
    while (!(HOLDS(&x, &a) || HOLDS(&y, &b))) {
        sched_yield();
    }
    bool first = HOLDS(&x, &a);
    RUNS(first ? &a : &b);
    CHECK(first != HOLDS(&y, &b));
    CHECK(QUEUES(&x, &c) && QUEUES(&y, &d));
    gives(first ? &a : &b, first ? as_x : bs_y);
    gives(first ? &a : &b, first ? as_y : bs_x);
    RUNS(first ? &d : &c);              /* older than the other one of the two readers */
    gives(first ? &d : &c, first ? ds_y : cs_x);
    RUNS(first ? &b : &a);
    gives(first ? &b : &a, first ? bs_y : as_x);
    gives(first ? &b : &a, first ? bs_x : as_y);
    RUNS(first ? &c : &d);
    gives(first ? &c : &d, first ? cs_x : ds_y);
}

/* The same, but a only tries: it has no business to change the turns of others. */
static void
test_a_try_makes_nobody_else_overtake(void)
{
    la_hold *as_y = takes(&a, &y, LA_READ, 0, 8), *bs_x = takes(&b, &x, LA_READ, 0, 8);
    la_hold *ds_y = waits_long(&d, &y, LA_WRITE, 0, 8);
    la_hold *cs_x = waits_long(&c, &x, LA_WRITE, 0, 8);
    la_hold *bs_y = waits(&b, &y, LA_READ, 0, 8), *as_x = case_hold(LA_READ, 0, 8);
    if (asks(&a, &x, as_x, LA_NOW) == LA_OK) {
        gives(&a, as_x);
    }
    CHECK(QUEUES(&x, &c) && QUEUES(&y, &d) && QUEUES(&y, &b));
    gives(&a, as_y);
    RUNS(&d);                           /* it is before b, as ever */
    CHECK(QUEUES(&y, &b));
    gives(&d, ds_y);
    RUNS(&b);
    gives(&b, bs_y);
    gives(&b, bs_x);
    RUNS(&c);
    gives(&c, cs_x);
}

/* -- tries of several locks ---------------------------------------------------------------- */

static void
try_marks(la_hold *hold, bool trying)
{
    atomic_store(&hold->trying, trying);
}

/* Not an answer yet: it can go either way as long as b has not made up its mind. */
static void
check_undecided(actor *who)
{
    usleep(20 * 1000);
    CHECK(actor_is_busy(who));
}

/* b has x at this moment, but may give it back at once, if it does not get something else. */
static void
test_a_try_outlasts_the_try_of_another(void)
{
    la_hold *bs_x = case_hold(LA_WRITE, 0, 8), *as_x = case_hold(LA_READ, 0, 16);
    for (int way = 0; way < 4; way++) {
        bool nested = way & 1, stays = way & 2;
        la_hold *elsewhere = nested ? takes(&a, &y, LA_READ, 0, 8) : NULL;
        try_marks(bs_x, true);
        actor_acquire(&b, &x, bs_x);
        begins(&a, &x, as_x, LA_NOW);
        check_undecided(&a);
        CHECK(la_lock_count_waiters(&x, la_thread_self()) == 0);
        if (stays) {
            try_marks(bs_x, false);
            CHECK(actor_done(&a) == LA_TIMEOUT);
            gives(&b, bs_x);
        }
        else {
            gives(&b, bs_x);
            RUNS(&a);
            gives(&a, as_x);
        }
        try_marks(bs_x, false);
        if (nested) {
            gives(&a, elsewhere);
        }
    }
}

/* The same for one who overtakes: the try of b is as short, whoever waits. */
static void
test_a_try_that_overtakes_outlasts_the_try_of_another(void)
{
    la_hold *outer = takes(&a, &x, LA_READ, 8, 8), *bs_x = case_hold(LA_WRITE, 0, 8);
    la_hold *write = waits_long(&c, &x, LA_WRITE, 8, 8), *inner = case_hold(LA_READ, 0, 16);
    try_marks(bs_x, true);
    actor_acquire(&b, &x, bs_x);
    begins(&a, &x, inner, LA_NOW);
    check_undecided(&a);
    gives(&b, bs_x);
    RUNS(&a);
    CHECK(QUEUES(&x, &c));
    try_marks(bs_x, false);
    gives(&a, inner);
    gives(&a, outer);
    RUNS(&c);
    gives(&c, write);
}

/* Behind an old waiter, or another's hold, there is nothing to be outlasted. */
static void
test_a_try_does_not_outlast_a_try_in_vain(void)
{
    la_hold *bs_x = case_hold(LA_READ, 0, 8), *ds_x = takes(&d, &x, LA_READ, 16, 8);
    try_marks(bs_x, true);
    actor_acquire(&b, &x, bs_x);
    CHECK(fails(&a, &x, LA_WRITE, 0, 24));
    la_hold *write = waits_long(&c, &x, LA_WRITE, 20, 8);
    CHECK(fails(&a, &x, LA_WRITE, 0, 28));
    la_hold *elsewhere = takes(&a, &y, LA_READ, 0, 8);
    CHECK(fails(&a, &x, LA_WRITE, 0, 28));
    gives(&a, elsewhere);
    gives(&b, bs_x);
    try_marks(bs_x, false);
    gives(&d, ds_x);
    RUNS(&c);
    gives(&c, write);
}

/* -- a ring ------------------------------------------------------------------------------- */

#define RING 6

static struct {
    la_lock locks[RING];
    actor readers[RING], writers[RING];
    la_hold *own[RING], *next[RING], *writes[RING];     /* NULL: given back */
} ring;

/* It has both reads, and gives them back. */
static bool
ring_reader_ends(int i)
{
    actor *reader = &ring.readers[i];
    if (ring.own[i] == NULL || actor_is_busy(reader)) {
        return false;
    }
    RUNS(reader);
    gives(reader, ring.next[i]);
    gives(reader, ring.own[i]);
    ring.own[i] = NULL;
    return true;
}

static bool
ring_writer_ends(int i)
{
    actor *writer = &ring.writers[i];
    if (ring.writes[i] == NULL || actor_is_busy(writer)) {
        return false;
    }
    RUNS(writer);
    gives(writer, ring.writes[i]);
    ring.writes[i] = NULL;
    return true;
}

/*
 * Each reads a lock of its own, and then wants to read the next one's, behind a writer
 * that waits there. The last one closes the ring, and nobody is refused.
 */
static void
test_a_ring_of_readers_and_writers_gets_round(void)
{
    for (int i = 0; i < RING; i++) {
        la_lock_init(&ring.locks[i], (uint64_t)i + 10);
        actor_start(&ring.readers[i]);
        actor_start(&ring.writers[i]);
        ring.own[i] = takes(&ring.readers[i], &ring.locks[i], LA_READ, 0, 8);
        ring.writes[i] = waits(&ring.writers[i], &ring.locks[i], LA_WRITE, 0, 8);
    }
    until_old();
    for (int i = 0; i < RING; i++) {
        la_lock *lock = &ring.locks[(i + 1) % RING];
        ring.next[i] = case_hold(LA_READ, 0, 8);
        if (i < RING - 1) {
            actor_wait(&ring.readers[i], lock, ring.next[i]);
        }
        else {
            actor_begin(&ring.readers[i], lock, ring.next[i]);
        }
    }
    for (int left = 2 * RING; left > 0; sched_yield()) {
        for (int i = 0; i < RING; i++) {
            left -= ring_reader_ends(i) + ring_writer_ends(i);
        }
    }
    for (int i = 0; i < RING; i++) {
        actor_stop(&ring.readers[i]);
        actor_stop(&ring.writers[i]);
        check_free(&ring.locks[i]);
    }
}

/* -- young waiters ------------------------------------------------------------------------ */

/*
 * The writer c is young when a comes to wait behind it (and for d's hold), and old by the
 * time when d lets go. The cycle b -> a -> c -> b was closed while c was young.
 */
static void
test_a_cycle_over_a_young_waiter_is_seen(void)
{
    for (int times = 0; times < 30; times++) {
        la_hold *as_y = takes(&a, &y, LA_WRITE, 0, 8), *bs_x = takes(&b, &x, LA_READ, 0, 8);
        la_hold *ds_x = takes(&d, &x, LA_WRITE, 8, 8);
        la_hold *cs_x = waits(&c, &x, LA_WRITE, 0, 8);
        la_hold *as_x = waits(&a, &x, LA_READ, 0, 16);
        la_hold *bs_y = waits(&b, &y, LA_READ, 0, 8);
        until_old();
        gives(&d, ds_x);
        RUNS(&a);
        CHECK(QUEUES(&x, &c));
        gives(&a, as_x);
        gives(&a, as_y);
        RUNS(&b);
        gives(&b, bs_y);
        gives(&b, bs_x);
        RUNS(&c);
        gives(&c, cs_x);
    }
}

/* -- the one in front gives up ------------------------------------------------------------ */

/* It held nothing, and had been the only thing in the way. */
static void
test_a_nested_reader_runs_when_the_writer_in_front_gives_up(void)
{
    la_hold *bs_x = takes(&b, &x, LA_READ, 0, 8), *as_y = takes(&a, &y, LA_READ, 0, 8);
    la_hold *cs_x = case_hold(LA_WRITE, 0, 8);
    begins(&c, &x, cs_x, la_now() + 200 * LA_MILLISECOND);
    until_waiters(&x, 1);
    until_old();
    la_hold *as_x = waits(&a, &x, LA_READ, 0, 8);
    CHECK(actor_done(&c) == LA_TIMEOUT);
    RUNS(&a);
    gives(&a, as_x);
    gives(&a, as_y);
    gives(&b, bs_x);
}

/*
 * The writer b gives up at about the time when c closes the cycle a -> b -> c -> a:
 * before it, during the look, after it.
 */
static void
test_a_writer_gives_up_while_the_cycle_through_it_is_opened(void)
{
    uint64_t random = random_seed();
    int gave_up = 0;
    la_hold *as_y = case_hold(LA_WRITE, 0, 8), *as_x = case_hold(LA_READ, 0, 8);
    la_hold *bs_x = case_hold(LA_WRITE, 0, 8), *cs_x = case_hold(LA_READ, 0, 8);
    la_hold *cs_y = case_hold(LA_READ, 0, 8);
    for (int times = 0; times < 50 * stress_scale(); times++) {
        actor_acquire(&a, &y, as_y);
        actor_acquire(&c, &x, cs_x);
        int64_t end = la_now() + 4 * LA_MILLISECOND;
        begins(&b, &x, bs_x, end);
        while (!QUEUES(&x, &b) && la_now() < end) {
            sched_yield();
        }
        until_old();
        begins(&a, &x, as_x, LA_NEVER);
        end += random_below(&random, 400) * 1000 - 300 * 1000;
        while (la_now() < end) {
        }
        begins(&c, &y, cs_y, LA_NEVER);
        RUNS(&a);
        gives(&a, as_x);
        gives(&a, as_y);
        RUNS(&c);
        gives(&c, cs_y);
        gives(&c, cs_x);
        if (actor_done(&b) == LA_OK) {
            gives(&b, bs_x);
        }
        else {
            CHECK(b.status == LA_TIMEOUT);
            gave_up++;
        }
    }
    printf("(%d gave up) ", gave_up);
}

/* a has a deadline, overtakes by c's wait, and gives up for what d holds. */
static void
test_one_who_has_overtaken_gives_up(void)
{
    la_hold *as_y = takes(&a, &y, LA_WRITE, 0, 8), *cs_x = takes(&c, &x, LA_READ, 0, 8);
    la_hold *ds_x = takes(&d, &x, LA_WRITE, 8, 8);
    la_hold *bs_x = waits_long(&b, &x, LA_WRITE, 0, 8);
    begins(&a, &x, case_hold(LA_READ, 0, 16), la_now() + 300 * LA_MILLISECOND);
    until_waiters(&x, 2);
    la_hold *es_x = waits_long(&e, &x, LA_WRITE, 12, 8);        /* behind d and a */
    la_hold *cs_y = waits(&c, &y, LA_READ, 0, 8);
    CHECK(actor_done(&a) == LA_TIMEOUT);
    CHECK(QUEUES(&x, &b) && QUEUES(&x, &e) && QUEUES(&y, &c));
    gives(&d, ds_x);
    RUNS(&e);
    gives(&e, es_x);
    gives(&a, as_y);
    RUNS(&c);
    gives(&c, cs_y);
    gives(&c, cs_x);
    RUNS(&b);
    gives(&b, bs_x);
}

/* -- cycles that are refused -------------------------------------------------------------- */

/* Is refused, by a cycle of so many, with `blocker`, who waits for `lock`, and `last`. */
static void
check_refused(actor *who, la_lock *lock, la_mode mode, int length, const actor *blocker,
              const la_lock *waits_for, const actor *last, bool of_one_lock)
{
    int before = la_lock_count_waiters(lock, la_thread_self());
    const int64_t deadlines[] = {LA_NEVER, la_now() + 1000 * SECOND};
    for (int i = 0; i < 2; i++) {
        memset(&who->deadlock, 0, sizeof(who->deadlock));
        CHECK(asks(who, lock, case_hold(mode, 0, 8), deadlines[i]) == LA_DEADLOCK);
        CHECK(who->deadlock.length == length);
        CHECK(who->deadlock.blocker == blocker->ident);
        CHECK(who->deadlock.waits_for == waits_for->serial);
        CHECK(who->deadlock.last == last->ident);
        CHECK(who->deadlock.of_one_lock == of_one_lock);
        CHECK(la_lock_count_waiters(lock, la_thread_self()) == before);
    }
    CHECK(fails(who, lock, mode, 0, 8));        /* a try is none of it */
}

/*
 * a and b each read what the other one wants to write; writers wait for both reads. The
 * cycle is there with the writers and without. For a wait that is refused nobody is let past
 * another one.
 */
static void
test_a_cycle_of_two_is_refused_with_writers_in_front(void)
{
    la_hold *as_x = takes(&a, &x, LA_READ, 0, 8), *bs_y = takes(&b, &y, LA_READ, 0, 8);
    la_hold *cs_x = waits_long(&c, &x, LA_WRITE, 0, 8);
    la_hold *ds_y = waits_long(&d, &y, LA_WRITE, 0, 8);
    la_hold *bs_x = waits_long(&b, &x, LA_WRITE, 0, 8);
    check_refused(&a, &y, LA_WRITE, 2, &b, &x, &b, false);
    passes(&a, &y, LA_READ, 0, 8);      /* b's read is not in its way, and d is passed */
    gives(&a, as_x);
    RUNS(&c);
    CHECK(QUEUES(&x, &b));
    gives(&c, cs_x);
    RUNS(&b);
    gives(&b, bs_x);
    gives(&b, bs_y);
    RUNS(&d);
    gives(&d, ds_y);
}

static void
test_a_cycle_of_three_is_refused_with_writers_in_front(void)
{
    la_hold *as_x = takes(&a, &x, LA_READ, 0, 8), *bs_y = takes(&b, &y, LA_READ, 0, 8);
    la_hold *cs_z = takes(&c, &z, LA_READ, 0, 8);
    la_hold *ds_x = waits_long(&d, &x, LA_WRITE, 0, 8);
    la_hold *es_z = waits_long(&e, &z, LA_WRITE, 0, 8);
    la_hold *bs_z = waits_long(&b, &z, LA_WRITE, 0, 8);
    la_hold *cs_x = waits_long(&c, &x, LA_WRITE, 0, 8);
    check_refused(&a, &y, LA_WRITE, 3, &b, &z, &c, false);
    gives(&a, as_x);
    RUNS(&d);
    CHECK(QUEUES(&x, &c));
    gives(&d, ds_x);
    RUNS(&c);
    gives(&c, cs_x);
    gives(&c, cs_z);
    RUNS(&e);
    CHECK(QUEUES(&z, &b));
    gives(&e, es_z);
    RUNS(&b);
    gives(&b, bs_z);
    gives(&b, bs_y);
}

/* Of two upgraders one is refused, with a writer that waits for both of them, and without. */
static void
test_of_two_upgraders_the_second_is_refused_with_a_writer_in_front(void)
{
    la_hold *as_x = takes(&a, &x, LA_READ, 0, 8), *bs_x = takes(&b, &x, LA_READ, 0, 8);
    la_hold *cs_x = waits_long(&c, &x, LA_WRITE, 0, 8);
    la_hold *upgrade = waits_long(&b, &x, LA_WRITE, 0, 8);
    check_refused(&a, &x, LA_WRITE, 2, &b, &x, &b, true);
    passes(&a, &x, LA_READ, 0, 8);              /* and still it reads */
    gives(&a, as_x);
    RUNS(&b);                                   /* it has passed the writer */
    CHECK(QUEUES(&x, &c));
    gives(&b, upgrade);
    gives(&b, bs_x);
    RUNS(&c);
    gives(&c, cs_x);
}

/*
 * Of the same cycle a part is there twice: over c's hold and behind d. To overtake d does
 * not help a, for c's hold is in its way as well.
 */
static void
test_a_cycle_is_refused_that_is_there_beside_a_soft_one(void)
{
    la_hold *as_y = takes(&a, &y, LA_WRITE, 0, 8), *cs_x = takes(&c, &x, LA_READ, 0, 8);
    la_hold *ds_x = waits_long(&d, &x, LA_WRITE, 0, 8);
    la_hold *as_x = waits_long(&a, &x, LA_WRITE, 0, 8);         /* for c, and behind d */
    check_refused(&c, &y, LA_READ, 2, &a, &x, &a, false);
    gives(&c, cs_x);
    RUNS(&d);
    CHECK(QUEUES(&x, &a));
    gives(&d, ds_x);
    RUNS(&a);
    gives(&a, as_x);
    gives(&a, as_y);
}

/* -- owners -------------------------------------------------------------------------------- */

static void
call_become(la_thread *self, void *context)
{
    (void)la_owner_exchange(self, context);
}

/* What holds the old writer up is bound to a thread that waits for this one, or is it. */
static void
test_an_owner_that_is_bound_to_a_waiting_thread_leads_on(void)
{
    la_owner *owner = la_owner_new();
    la_hold *as_y = takes(&a, &y, LA_WRITE, 0, 8), *bs_x = takes(&b, &x, LA_READ, 0, 8);
    actor_call(&b, call_become, owner);
    la_hold *cs_x = waits_long(&c, &x, LA_WRITE, 0, 8);
    CHECK(fails(&a, &x, LA_READ, 0, 8));
    passes(&b, &x, LA_READ, 0, 8);      /* as another owner than the one that is waited for */
    la_hold *bs_y = waits(&b, &y, LA_READ, 0, 8);
    passes(&a, &x, LA_READ, 0, 8);
    gives(&a, as_y);
    RUNS(&b);
    gives(&b, bs_y);
    actor_call(&b, call_become, NULL);
    gives(&b, bs_x);
    RUNS(&c);
    gives(&c, cs_x);
    la_owner_free(owner, la_thread_self());
}

/* -- waits that a signal interrupts ------------------------------------------------------- */

static void
until_back(la_lock *lock, la_hold *hold)
{
    while (look(lock, hold).away) {
        sched_yield();
    }
}

/* Its handler waits for y, which e holds, when this returns: the wait for x is aside. */
static void
step_aside(host *h, la_hold *hold)
{
    host_visit(h);
    h->visit.act = act_acquire_and_release;
    h->visit.lock = &y;
    h->visit.hold = case_hold(LA_WRITE, 0, 8);
    visit_act(&h->visit);
    until_waiters(&y, 1);
    CHECK(look(&x, hold).aside);
}

static void
test_nobody_stands_behind_a_waiter_that_is_aside(void)
{
    host h;
    host_start(&h);
    la_hold *bs_x = takes(&b, &x, LA_READ, 0, 8), *as_z = takes(&a, &z, LA_READ, 0, 8);
    la_hold *es_y = takes(&e, &y, LA_WRITE, 0, 8);
    la_hold *write = waits_long(&h.actor, &x, LA_WRITE, 0, 8);
    CHECK(fails(&a, &x, LA_READ, 0, 8) && fails(&c, &x, LA_READ, 0, 8));
    la_hold *ds_x = waits_long(&d, &x, LA_READ, 0, 8);
    step_aside(&h, write);
    RUNS(&d);                                   /* it was behind that one only */
    passes(&a, &x, LA_READ, 0, 8);
    passes(&c, &x, LA_READ, 0, 8);
    CHECK(QUEUES(&x, &h.actor));
    gives(&e, es_y);
    visit_end(&h.visit);
    CHECK(h.visit.status == LA_OK);
    until_back(&x, write);
    CHECK(fails(&a, &x, LA_READ, 0, 8) && fails(&c, &x, LA_READ, 0, 8));
    gives(&d, ds_x);
    gives(&b, bs_x);
    RUNS(&h.actor);
    gives(&h.actor, write);
    gives(&a, as_z);
    actor_stop(&h.actor);
}

/*
 * d comes to wait for c's hold while the older wait of h is aside. Later h stands before it
 * again; h waits for b; and b comes to wait for d: before h is back, or after.
 */
static void
test_a_waiter_that_steps_back_closes_no_cycle(void)
{
    host h;
    host_start(&h);
    for (int after = 0; after < 2; after++) {
        la_hold *cs_x = takes(&c, &x, LA_WRITE, 0, 8), *bs_x = takes(&b, &x, LA_WRITE, 8, 8);
        la_hold *es_y = takes(&e, &y, LA_WRITE, 0, 8), *ds_z = takes(&d, &z, LA_WRITE, 0, 8);
        la_hold *wide = waits_long(&h.actor, &x, LA_WRITE, 0, 16), *bs_z = NULL;
        step_aside(&h, wide);
        la_hold *ds_x = waits_long(&d, &x, LA_WRITE, 0, 8);
        if (!after) {
            bs_z = waits(&b, &z, LA_READ, 0, 8);
        }
        gives(&e, es_y);
        visit_end(&h.visit);
        until_back(&x, wide);
        if (after) {
            bs_z = waits(&b, &z, LA_READ, 0, 8);
        }
        gives(&c, cs_x);
        RUNS(&d);
        CHECK(QUEUES(&x, &h.actor) && QUEUES(&z, &b));
        gives(&d, ds_x);
        gives(&d, ds_z);
        RUNS(&b);
        gives(&b, bs_z);
        gives(&b, bs_x);
        RUNS(&h.actor);
        gives(&h.actor, wide);
    }
    actor_stop(&h.actor);
}

/*
 * The same with nobody in d's way but h: it runs at once, and h waits for it when it is
 * back.
 */
static void
test_who_ran_past_a_waiter_that_was_aside_is_waited_for(void)
{
    host h;
    host_start(&h);
    la_hold *bs_x = takes(&b, &x, LA_WRITE, 8, 8), *es_y = takes(&e, &y, LA_WRITE, 0, 8);
    la_hold *ds_z = takes(&d, &z, LA_WRITE, 0, 8);
    la_hold *wide = waits_long(&h.actor, &x, LA_WRITE, 0, 16);
    step_aside(&h, wide);
    la_hold *ds_x = takes(&d, &x, LA_WRITE, 0, 8);
    gives(&e, es_y);
    visit_end(&h.visit);
    until_back(&x, wide);
    la_hold *bs_z = waits(&b, &z, LA_READ, 0, 8);
    passes(&d, &x, LA_READ, 0, 8);              /* h waits for d */
    gives(&d, ds_z);
    RUNS(&b);
    gives(&b, bs_z);
    gives(&b, bs_x);
    CHECK(QUEUES(&x, &h.actor));
    gives(&d, ds_x);
    RUNS(&h.actor);
    gives(&h.actor, wide);
    actor_stop(&h.actor);
}

/*
 * h stands behind d, who waits for b. While h handles a signal it takes y, and b comes to
 * wait for that. When h comes back it must not wait for d any more.
 */
static void
test_a_waiter_that_comes_back_with_more_overtakes(void)
{
    host h;
    host_start(&h);
    la_hold *bs_x = takes(&b, &x, LA_WRITE, 8, 8), *cs_x = takes(&c, &x, LA_WRITE, 0, 8);
    la_hold *ds_x = waits_long(&d, &x, LA_WRITE, 0, 16);
    la_hold *narrow = waits_long(&h.actor, &x, LA_WRITE, 0, 8);
    host_visit(&h);
    h.visit.act = act_acquire;                  /* and keeps it */
    h.visit.lock = &y;
    h.visit.hold = case_hold(LA_WRITE, 0, 8);
    visit_act(&h.visit);
    until_step(&h.visit.at, 3);
    la_hold *bs_y = waits(&b, &y, LA_READ, 0, 8);
    visit_end(&h.visit);
    until_back(&x, narrow);
    CHECK(QUEUES(&x, &h.actor));
    gives(&c, cs_x);
    RUNS(&h.actor);
    CHECK(QUEUES(&x, &d) && QUEUES(&y, &b));
    gives(&h.actor, narrow);
    gives(&h.actor, h.visit.hold);
    RUNS(&b);
    gives(&b, bs_y);
    gives(&b, bs_x);
    RUNS(&d);
    gives(&d, ds_x);
    actor_stop(&h.actor);
}

/* The same with nobody in h's way but d: it runs as soon as it is back. */
static void
test_a_waiter_that_comes_back_with_more_runs_at_once(void)
{
    host h;
    host_start(&h);
    la_hold *bs_x = takes(&b, &x, LA_WRITE, 8, 8);
    la_hold *ds_x = waits_long(&d, &x, LA_WRITE, 0, 16);
    la_hold *narrow = waits_long(&h.actor, &x, LA_WRITE, 0, 8);
    host_visit(&h);
    h.visit.act = act_acquire;
    h.visit.lock = &y;
    h.visit.hold = case_hold(LA_WRITE, 0, 8);
    visit_act(&h.visit);
    until_step(&h.visit.at, 3);
    la_hold *bs_y = waits(&b, &y, LA_READ, 0, 8);
    visit_end(&h.visit);
    RUNS(&h.actor);
    CHECK(QUEUES(&x, &d) && QUEUES(&y, &b));
    gives(&h.actor, narrow);
    gives(&h.actor, h.visit.hold);
    RUNS(&b);
    gives(&b, bs_y);
    gives(&b, bs_x);
    RUNS(&d);
    gives(&d, ds_x);
    actor_stop(&h.actor);
}

/*
 * a, nested, stands behind h, whose handler runs for long. b waits for a, and h for b: the
 * cycle is closed while h is away, and a overtakes it.
 */
static void
test_a_waiter_that_is_away_is_overtaken(void)
{
    host h;
    host_start(&h);
    la_hold *as_y = takes(&a, &y, LA_WRITE, 0, 8), *bs_x = takes(&b, &x, LA_READ, 0, 8);
    la_hold *write = waits_long(&h.actor, &x, LA_WRITE, 0, 8);
    la_hold *as_x = waits(&a, &x, LA_READ, 0, 8);
    host_visit(&h);
    h.visit.act = NULL;
    la_hold *bs_y = waits(&b, &y, LA_READ, 0, 8);
    RUNS(&a);
    CHECK(QUEUES(&x, &h.actor));
    gives(&a, as_x);
    gives(&a, as_y);
    RUNS(&b);
    visit_end(&h.visit);
    gives(&b, bs_y);
    gives(&b, bs_x);
    RUNS(&h.actor);
    gives(&h.actor, write);
    actor_stop(&h.actor);
}

/* The one who has to overtake is away when the cycle is closed, and looks when it is back. */
static void
test_a_waiter_that_was_away_overtakes_when_it_comes_back(void)
{
    host h;
    host_start(&h);
    for (int held = 0; held < 2; held++) {
        la_hold *hs_y = takes(&h.actor, &y, LA_WRITE, 0, 8);
        la_hold *bs_x = takes(&b, &x, LA_READ, 0, 8);
        la_hold *ds_x = held ? takes(&d, &x, LA_WRITE, 8, 8) : NULL;
        la_hold *cs_x = waits_long(&c, &x, LA_WRITE, 0, 8);
        la_hold *read = waits(&h.actor, &x, LA_READ, 0, 16);
        host_visit(&h);
        h.visit.act = NULL;
        la_hold *bs_y = waits(&b, &y, LA_READ, 0, 8);
        until_old();
        CHECK(QUEUES(&x, &h.actor));
        visit_end(&h.visit);
        if (held) {
            until_back(&x, read);
            gives(&d, ds_x);
        }
        RUNS(&h.actor);
        CHECK(QUEUES(&x, &c) && QUEUES(&y, &b));
        gives(&h.actor, read);
        gives(&h.actor, hs_y);
        RUNS(&b);
        gives(&b, bs_y);
        gives(&b, bs_x);
        RUNS(&c);
        gives(&c, cs_x);
    }
    actor_stop(&h.actor);
}

/* The older one that is aside belongs to the thread of the wide one, which does not stand behind it. */
static void
test_a_wide_waiter_does_not_hide_what_stands_before_it(void)
{
    host h;
    host_start(&h);
    la_hold *bs_x = takes(&b, &x, LA_WRITE, 0, 8), *es_x = takes(&e, &x, LA_WRITE, 16, 16);
    la_hold *as_z = takes(&a, &z, LA_WRITE, 0, 8);
    la_hold *outer = waits_long(&h.actor, &x, LA_WRITE, 0, 16);
    la_hold *cs_x = waits_long(&c, &x, LA_WRITE, 8, 16);
    la_hold *ds_x = waits_long(&d, &x, LA_WRITE, 16, 16);
    host_visit(&h);
    h.visit.act = act_acquire_and_release;
    h.visit.lock = &x;
    h.visit.hold = case_hold(LA_WRITE, 8, 56);
    h.visit.deadline = la_now() + SECOND;
    visit_act(&h.visit);
    until_waiters(&x, 4);
    CHECK(look(&x, outer).aside);
    la_hold *bs_z = waits(&b, &z, LA_WRITE, 0, 8);
    la_hold *as_x = waits(&a, &x, LA_WRITE, 24, 8);
    visit_end(&h.visit);
    CHECK(h.visit.status == LA_TIMEOUT);
    until_back(&x, outer);
    gives(&e, es_x);
    RUNS(&a);
    gives(&a, as_x);
    gives(&a, as_z);
    RUNS(&b);
    gives(&b, bs_z);
    gives(&b, bs_x);
    RUNS(&h.actor);
    gives(&h.actor, outer);
    RUNS(&c);
    gives(&c, cs_x);
    RUNS(&d);
    gives(&d, ds_x);
    actor_stop(&h.actor);
}

/*
 * h waits for one of several locks, and will try the others then. It is granted this one
 * while its handler runs, which may be for long: no try lasts that long.
 */
static void
test_a_try_does_not_outlast_a_handler(void)
{
    host h;
    host_start(&h);
    la_hold *bs_x = takes(&b, &x, LA_WRITE, 0, 8), *hs_x = case_hold(LA_WRITE, 0, 8);
    try_marks(hs_x, true);
    actor_wait(&h.actor, &x, hs_x);
    host_visit(&h);
    gives(&b, bs_x);
    CHECK(look(&x, hs_x).held);
    CHECK(fails(&c, &x, LA_READ, 0, 8));
    visit_end(&h.visit);
    RUNS(&h.actor);
    gives(&h.actor, hs_x);
    try_marks(hs_x, false);
    actor_stop(&h.actor);
}

int
main(void)
{
    SCENE(test_a_nested_newcomer_queues_behind_an_old_waiter_that_it_conflicts_with);
    SCENE(test_a_nested_reader_is_granted_after_the_old_writer_only);
    SCENE(test_nested_waiters_and_others_are_served_in_order);
    SCENE(test_a_nested_chain_queues_by_each_of_its_parts);
    SCENE(test_a_try_of_a_nested_thread_fails_behind_an_old_waiter_and_leaves_no_trace);
    SCENE(test_nested_readers_that_pass_a_baton_let_the_writer_in);
    SCENE(test_a_reentrant_read_does_not_wait_for_a_writer_that_waits_for_the_first);
    SCENE(test_an_upgrade_does_not_wait_for_a_writer_that_waits_for_its_read);
    SCENE(test_a_write_inside_a_read_passes_who_waits_for_the_read_only);
    SCENE(test_a_chain_passes_who_waits_for_its_thread);
    SCENE(test_who_is_waited_for_over_another_lock_overtakes);
    SCENE(test_who_is_waited_for_over_two_other_locks_overtakes);
    SCENE(test_a_row_of_waiters_that_leads_back_is_overtaken);
    SCENE(test_many_that_wait_for_one_are_all_overtaken);
    SCENE(test_who_has_overtaken_queues_the_next_time);
    SCENE(test_only_who_is_in_the_cycle_is_overtaken);
    SCENE(test_who_overtakes_an_older_one_is_before_all_that_are_younger);
    SCENE(test_one_who_stands_behind_the_cycle_overtakes_when_another_closes_it);
    SCENE(test_one_who_overtakes_still_waits_for_holders);
    SCENE(test_as_many_overtake_as_it_takes);
    SCENE(test_the_first_of_a_row_of_waiters_overtakes);
    SCENE(test_a_cycle_with_two_soft_edges_is_opened_at_one);
    SCENE(test_a_try_makes_nobody_else_overtake);
    SCENE(test_a_try_outlasts_the_try_of_another);
    SCENE(test_a_try_that_overtakes_outlasts_the_try_of_another);
    SCENE(test_a_try_does_not_outlast_a_try_in_vain);
    SCENE(test_a_ring_of_readers_and_writers_gets_round);
    SCENE(test_a_cycle_over_a_young_waiter_is_seen);
    SCENE(test_a_nested_reader_runs_when_the_writer_in_front_gives_up);
    SCENE(test_a_writer_gives_up_while_the_cycle_through_it_is_opened);
    SCENE(test_one_who_has_overtaken_gives_up);
    SCENE(test_a_cycle_of_two_is_refused_with_writers_in_front);
    SCENE(test_a_cycle_of_three_is_refused_with_writers_in_front);
    SCENE(test_of_two_upgraders_the_second_is_refused_with_a_writer_in_front);
    SCENE(test_a_cycle_is_refused_that_is_there_beside_a_soft_one);
    SCENE(test_an_owner_that_is_bound_to_a_waiting_thread_leads_on);
    SCENE(test_nobody_stands_behind_a_waiter_that_is_aside);
    SCENE(test_a_waiter_that_steps_back_closes_no_cycle);
    SCENE(test_who_ran_past_a_waiter_that_was_aside_is_waited_for);
    SCENE(test_a_waiter_that_comes_back_with_more_overtakes);
    SCENE(test_a_waiter_that_comes_back_with_more_runs_at_once);
    SCENE(test_a_waiter_that_is_away_is_overtaken);
    SCENE(test_a_waiter_that_was_away_overtakes_when_it_comes_back);
    SCENE(test_a_wide_waiter_does_not_hide_what_stands_before_it);
    SCENE(test_a_try_does_not_outlast_a_handler);
    return 0;
}
