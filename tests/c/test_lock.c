/*
 * The lock, case by case. Interleavings are arranged: by steps that threads
 * announce, and by looking at the lock's queue.
 */
#include "actors.h"

#include <limits.h>

static void
test_a_hold_alone_is_inline(void)
{
    la_hold *a = case_hold(LA_WRITE, 0, 8);
    CHECK(acquire(&x, a) == LA_OK);
    CHECK(atomic_load(&x.state) == ((uintptr_t)a | LA_INLINE));
    CHECK(is_mine(a));
    /* A look at the lists lists it, and puts it back. */
    CHECK(la_lock_count_waiters(&x, la_thread_self()) == 0);
    CHECK(atomic_load(&x.state) == ((uintptr_t)a | LA_INLINE));
    release(a);
    CHECK(!is_mine(a));
}

static void
test_readers_run_together(void)
{
    actor b;
    actor_start(&b);
    la_hold *mine = case_hold(LA_READ, 0, 8), *other = case_hold(LA_READ, 0, 8);
    CHECK(acquire(&x, mine) == LA_OK);
    actor_acquire(&b, &x, other);
    CHECK(atomic_load(&x.state) == LA_LISTED);
    release(mine);
    CHECK(atomic_load(&x.state) == ((uintptr_t)other | LA_INLINE));
    actor_release(&b, other);
    actor_stop(&b);
}

static void
test_writers_of_disjoint_regions_run_together(void)
{
    actor b;
    actor_start(&b);
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *other = case_hold(LA_WRITE, 8, 8);
    CHECK(acquire(&x, mine) == LA_OK);
    actor_acquire(&b, &x, other);
    actor_release(&b, other);
    release(mine);
    actor_stop(&b);
}

static void
test_conflicting_modes_exclude_each_other(void)
{
    actor b;
    actor_start(&b);
    for (int i = 0; i < 4; i++) {
        la_hold *mine = case_hold(i & 1 ? LA_WRITE : LA_READ, 0, 8);
        la_hold *other = case_hold(i & 2 ? LA_WRITE : LA_READ, 7, 8);
        actor_acquire(&b, &x, other);
        CHECK(try_acquire(&x, mine) == (i == 0));
        CHECK(is_mine(mine) == (i == 0));
        if (i == 0) {
            release(mine);
        }
        actor_release(&b, other);
    }
    actor_stop(&b);
}

static void
test_a_waiter_runs_when_the_holder_releases(void)
{
    actor b;
    actor_start(&b);
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *other = case_hold(LA_READ, 0, 8);
    CHECK(acquire(&x, mine) == LA_OK);
    actor_wait(&b, &x, other);
    release(mine);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, other);
    actor_stop(&b);
}

static void
test_all_readers_wake_when_a_writer_releases(void)
{
    enum { READERS = 12 };      /* more than fit in one batch of wake-ups */
    actor readers[READERS];
    la_hold *holds[READERS], *mine = case_hold(LA_WRITE, 0, 8);
    for (int old = 0; old < 2; old++) {
        CHECK(acquire(&x, mine) == LA_OK);
        for (int i = 0; i < READERS; i++) {
            holds[i] = case_hold(LA_READ, 0, 8);
            actor_start(&readers[i]);
            actor_wait(&readers[i], &x, holds[i]);
        }
        if (old) {
            until_old();
        }
        release(mine);
        for (int i = 0; i < READERS; i++) {
            CHECK(actor_done(&readers[i]) == LA_OK);
        }
        for (int i = 0; i < READERS; i++) {
            actor_release(&readers[i], holds[i]);
            actor_stop(&readers[i]);
        }
    }
}

static void
test_own_holds_never_conflict(void)
{
    la_mode modes[][2] = {
        {LA_READ, LA_READ}, {LA_WRITE, LA_READ}, {LA_WRITE, LA_WRITE},
        {LA_READ, LA_WRITE},            /* an upgrade with nobody else there */
    };
    for (int i = 0; i < 4; i++) {
        la_hold *outer = case_hold(modes[i][0], 0, 8);
        la_hold *inner = case_hold(modes[i][1], 0, 8);
        CHECK(try_acquire(&x, outer));
        CHECK(try_acquire(&x, inner));
        release(i & 1 ? outer : inner);       /* in either order */
        CHECK(la_thread_holds_any(la_thread_self()));
        release(i & 1 ? inner : outer);
    }
}

static void
test_holds_are_released_in_any_order(void)
{
    enum { HOLDS = 6 };
    uint64_t random = random_seed();
    for (int turn = 0; turn < 200; turn++) {
        la_hold *holds[HOLDS];
        la_lock *locks[] = {&x, &y, &z};
        bool held[HOLDS];
        for (int i = 0; i < HOLDS; i++) {
            holds[i] = case_hold(LA_WRITE, 0, 8);
            CHECK(try_acquire(locks[random_below(&random, 3)], holds[i]));
            held[i] = true;
        }
        for (int left = HOLDS; left > 0;) {
            int i = random_below(&random, HOLDS);
            if (held[i]) {
                release(holds[i]);
                held[i] = false;
                left--;
            }
        }
        CHECK(!la_thread_holds_any(la_thread_self()));
    }
}

static void
test_upgrade_waits_for_other_readers_only(void)
{
    actor b;
    actor_start(&b);
    la_hold *mine = case_hold(LA_READ, 0, 8), *others = case_hold(LA_READ, 0, 8);
    la_hold *upgrade = case_hold(LA_WRITE, 0, 8);
    actor_acquire(&b, &x, others);
    CHECK(acquire(&x, mine) == LA_OK);
    actor_wait(&b, &x, upgrade);
    release(mine);
    CHECK(actor_done(&b) == LA_OK);
    CHECK(!try_acquire(&x, mine));
    actor_release(&b, upgrade);
    CHECK(try_acquire(&x, mine));      /* the other one's read is still there */
    release(mine);
    actor_release(&b, others);
    actor_stop(&b);
}

static void
test_of_two_upgraders_the_second_is_refused(void)
{
    actor b;
    actor_start(&b);
    la_hold *mine = case_hold(LA_READ, 0, 8), *others = case_hold(LA_READ, 0, 8);
    la_hold *my_upgrade = case_hold(LA_WRITE, 0, 8);
    la_hold *upgrade = case_hold(LA_WRITE, 0, 8);
    la_deadlock deadlock = {0};
    CHECK(acquire(&x, mine) == LA_OK);
    actor_acquire(&b, &x, others);
    actor_wait(&b, &x, upgrade);
    CHECK(la_acquire(&x, my_upgrade, la_thread_self(), LA_NEVER, NULL,
                     &deadlock) == LA_DEADLOCK);
    CHECK(deadlock.blocker == b.ident && deadlock.last == b.ident);
    CHECK(deadlock.waits_for == x.serial && deadlock.length == 2);
    CHECK(!is_mine(my_upgrade));
    CHECK(la_lock_count_waiters(&x, la_thread_self()) == 1);
    release(mine);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, upgrade);
    actor_release(&b, others);
    actor_stop(&b);
}

static void
test_a_cycle_of_two_is_refused(void)
{
    actor b;
    actor_start(&b);
    la_hold *my_x = case_hold(LA_WRITE, 0, 8), *my_y = case_hold(LA_READ, 0, 8);
    la_hold *its_x = case_hold(LA_WRITE, 0, 8), *its_y = case_hold(LA_WRITE, 0, 8);
    la_deadlock deadlock = {0};
    CHECK(acquire(&x, my_x) == LA_OK);
    actor_acquire(&b, &y, its_y);
    actor_wait(&b, &x, its_x);
    CHECK(la_acquire(&y, my_y, la_thread_self(), LA_NEVER, NULL, &deadlock)
          == LA_DEADLOCK);
    CHECK(deadlock.blocker == b.ident && deadlock.waits_for == x.serial);
    CHECK(deadlock.length == 2);
    /* A try does not wait, so it closes no cycle. */
    CHECK(!try_acquire(&y, my_y));
    release(my_x);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, its_x);
    actor_release(&b, its_y);
    actor_stop(&b);
}

static void
test_a_cycle_of_three_is_refused(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_hold *my_x = case_hold(LA_WRITE, 0, 8), *my_y = case_hold(LA_WRITE, 0, 8);
    la_hold *b_y = case_hold(LA_WRITE, 0, 8), *b_z = case_hold(LA_WRITE, 0, 8);
    la_hold *c_z = case_hold(LA_WRITE, 0, 8), *c_x = case_hold(LA_WRITE, 0, 8);
    la_deadlock deadlock = {0};
    CHECK(acquire(&x, my_x) == LA_OK);
    actor_acquire(&b, &y, b_y);
    actor_acquire(&c, &z, c_z);
    actor_wait(&b, &z, b_z);
    actor_wait(&c, &x, c_x);
    CHECK(la_acquire(&y, my_y, la_thread_self(), LA_NEVER, NULL, &deadlock)
          == LA_DEADLOCK);
    CHECK(deadlock.length == 3);
    CHECK(deadlock.blocker == b.ident && deadlock.waits_for == z.serial);
    CHECK(deadlock.last == c.ident);
    release(my_x);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, c_x);
    actor_release(&c, c_z);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, b_z);
    actor_release(&b, b_y);
    actor_stop(&b);
    actor_stop(&c);
}

/* As the case of two, but the regions are apart at one place. */
static void
test_a_wait_that_closes_no_cycle_is_not_refused(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_hold *my_x = case_hold(LA_WRITE, 0, 8), *my_y = case_hold(LA_WRITE, 0, 8);
    la_hold *b_y = case_hold(LA_WRITE, 0, 8), *b_x = case_hold(LA_WRITE, 8, 8);
    la_hold *c_x = case_hold(LA_WRITE, 8, 8);
    la_hold *a_z = case_hold(LA_READ, 0, 8);
    CHECK(acquire(&z, a_z) == LA_OK);
    actor_acquire(&c, &x, c_x);
    CHECK(acquire(&x, my_x) == LA_OK);
    actor_acquire(&b, &y, b_y);
    actor_wait(&b, &x, b_x);           /* for c, not for this thread */
    la_deadlock deadlock = {0};
    CHECK(la_acquire(&y, my_y, la_thread_self(), la_now() + 5 * LA_MILLISECOND,
                     NULL, &deadlock) == LA_TIMEOUT);
    actor_release(&c, c_x);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, b_x);
    actor_release(&b, b_y);
    release(my_x);
    release(a_z);
    actor_stop(&b);
    actor_stop(&c);
}

/*
 * b waits for x, which c holds. c lets go, and this thread barges in: now b
 * waits for this thread, by an edge that nobody has looked at yet. The wait
 * of this thread for b has to find it.
 */
static void
test_a_cycle_through_a_hold_granted_while_the_other_slept(void)
{
    actor b, c, d;
    actor_start(&b);
    actor_start(&c);
    actor_start(&d);
    la_hold *c_x = case_hold(LA_WRITE, 0, 8), *d_x = case_hold(LA_READ, 0, 8);
    la_hold *b_x = case_hold(LA_WRITE, 0, 8), *b_y = case_hold(LA_WRITE, 0, 8);
    la_hold *d_y = case_hold(LA_WRITE, 0, 8);
    actor_acquire(&c, &x, c_x);
    actor_wait(&d, &x, d_x);
    actor_acquire(&b, &y, b_y);
    actor_wait(&b, &x, b_x);                    /* behind d */
    actor_release(&c, c_x);
    CHECK(actor_done(&d) == LA_OK);
    CHECK(actor_is_busy(&b));
    actor_begin(&d, &y, d_y);
    CHECK(actor_done(&d) == LA_DEADLOCK);
    actor_release(&d, d_x);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, b_x);
    actor_release(&b, b_y);
    actor_stop(&b);
    actor_stop(&c);
    actor_stop(&d);
}

static void
test_timeout_leaves_nothing_held_or_queued(void)
{
    actor b;
    actor_start(&b);
    la_hold *other = case_hold(LA_WRITE, 0, 8), *mine = case_hold(LA_READ, 0, 8);
    la_hold *nested = case_hold(LA_READ, 0, 8);
    actor_acquire(&b, &x, other);
    for (int i = 0; i < 2; i++) {
        int64_t start = la_now(), limit = start + 20 * LA_MILLISECOND;
        CHECK(la_acquire(&x, mine, la_thread_self(), limit, NULL, NULL)
              == LA_TIMEOUT);
        CHECK(la_now() >= limit);
        CHECK(la_lock_count_waiters(&x, la_thread_self()) == 0);
        CHECK(!is_mine(mine));
        if (i == 0) {       /* the second time while it holds something */
            CHECK(acquire(&y, nested) == LA_OK);
        }
    }
    release(nested);
    actor_release(&b, other);
    actor_stop(&b);
}

/* A waiter that gives up was in the way of one behind it. */
static void
test_who_queued_behind_a_waiter_that_times_out_runs(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_hold *mine = case_hold(LA_READ, 0, 8), *b_write = case_hold(LA_WRITE, 0, 8);
    la_hold *c_read = case_hold(LA_READ, 0, 8);
    CHECK(acquire(&x, mine) == LA_OK);
    b.lock = &x;
    b.hold = b_write;
    b.deadline = la_now() + 100 * LA_MILLISECOND;
    actor_send(&b, ACQUIRE);
    until_waiters(&x, 1);
    until_old();
    actor_begin(&c, &x, c_read);
    CHECK(actor_done(&b) == LA_TIMEOUT);
    CHECK(actor_done(&c) == LA_OK);     /* this thread still reads */
    actor_release(&c, c_read);
    release(mine);
    actor_stop(&b);
    actor_stop(&c);
}

static _Atomic int hooks_before, hooks_after, hooks_checked;

static void
count_before(void *context)
{
    (void)context;
    CHECK(hooks_before == hooks_after);
    hooks_before++;
}

static void
count_after(void *context)
{
    (void)context;
    hooks_after++;
    CHECK(hooks_before == hooks_after);
}

static int
check_counts(void *context)
{
    CHECK(hooks_before == hooks_after);
    /* The wait keeps its place, and locks can be used. */
    la_lock *lock = context;
    CHECK(la_lock_count_waiters(lock, la_thread_self()) == 1);
    la_hold *hold = hold_extent(LA_READ, 64, 8);
    CHECK(try_acquire(lock, hold));
    release(hold);
    la_hold_free(hold, la_thread_self());
    return ++hooks_checked >= 3;
}

static atomic_bool signals_stop;

static void *
signal_again_and_again(void *target)
{
    while (!atomic_load(&signals_stop)) {
        pthread_kill(*(pthread_t *)target, SIGUSR1);
        usleep(1000);
    }
    return NULL;
}

static void
test_an_interrupted_wait_leaves_nothing_held_or_queued(void)
{
    actor b;
    actor_start(&b);
    la_hold *other = case_hold(LA_WRITE, 0, 8), *mine = case_hold(LA_READ, 0, 8);
    la_hold *nested = case_hold(LA_READ, 0, 8);
    la_wait_hooks hooks = {
        .before_wait = count_before,
        .after_wait = count_after,
        .check_interrupt = check_counts,
        .context = &x,
    };
    pthread_t self = pthread_self();
    ignore_signals();
    actor_acquire(&b, &x, other);
    for (int i = 0; i < 2; i++) {
        hooks_before = hooks_after = hooks_checked = 0;
        atomic_store(&signals_stop, false);
        pthread_t signaller = thread_start(signal_again_and_again, &self);
        CHECK(la_acquire(&x, mine, la_thread_self(), LA_NEVER, &hooks, NULL)
              == LA_INTERRUPTED);
        atomic_store(&signals_stop, true);
        thread_join(signaller);
        CHECK(hooks_checked == 3 && hooks_before == 3 && hooks_after == 3);
        CHECK(la_lock_count_waiters(&x, la_thread_self()) == 0);
        CHECK(!is_mine(mine));
        if (i == 0) {
            CHECK(acquire(&y, nested) == LA_OK);
        }
    }
    release(nested);
    actor_release(&b, other);
    actor_stop(&b);
}

static void
test_signals_do_not_end_a_wait_that_does_not_ask(void)
{
    actor b;
    actor_start(&b);
    la_hold *other = case_hold(LA_WRITE, 0, 8), *mine = case_hold(LA_READ, 0, 8);
    pthread_t self = pthread_self();
    ignore_signals();
    actor_acquire(&b, &x, other);
    atomic_store(&signals_stop, false);
    pthread_t signaller = thread_start(signal_again_and_again, &self);
    CHECK(la_acquire(&x, mine, la_thread_self(), la_now() + 20 * LA_MILLISECOND,
                     NULL, NULL) == LA_TIMEOUT);
    atomic_store(&signals_stop, true);
    thread_join(signaller);
    actor_release(&b, other);
    actor_stop(&b);
}

static void
test_who_spins_does_not_queue_but_behind_others(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_hold *other = case_hold(LA_WRITE, 0, 8), *mine = case_hold(LA_WRITE, 0, 8);
    la_hold *third = case_hold(LA_WRITE, 0, 8);
    la_wait_hooks hooks = { .before_wait = count_before, .after_wait = count_after,
                            .spins = INT_MAX };
    hooks_before = hooks_after = 0;
    CHECK(acquire(&x, other) == LA_OK);
    b.hooks = &hooks;
    actor_begin(&b, &x, mine);
    while (hooks_before == 0) {         /* who is in the way may wait until it is away */
        usleep(100);
    }
    CHECK(hooks_after == 0 && x.waiters.first == NULL);
    release(other);
    CHECK(actor_done(&b) == LA_OK);
    CHECK(hooks_before == 1 && hooks_after == 1);

    actor_wait(&c, &x, other);
    b.hooks = NULL;
    actor_release(&b, mine);
    CHECK(actor_done(&c) == LA_OK);
    actor_wait(&b, &x, mine);
    hooks_before = hooks_after = 0;
    CHECK(la_acquire(&x, third, la_thread_self(), la_now() + LA_MILLISECOND, &hooks, NULL)
          == LA_TIMEOUT);
    CHECK(hooks_before == 1);   /* it queued, though it might have spun for ever */
    actor_release(&c, other);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, mine);
    actor_stop(&b);
    actor_stop(&c);
}

static void
test_newcomers_barge_past_a_young_waiter(void)
{
    actor b;
    actor_start(&b);
    la_hold *mine = case_hold(LA_READ, 0, 8), *its = case_hold(LA_WRITE, 0, 8);
    la_hold *second = case_hold(LA_READ, 0, 8);
    bool barged = false;
    /* Young means below 1 ms: try until this thread was quick enough. */
    for (int i = 0; i < 1000 && !barged; i++) {
        actor c;
        actor_start(&c);
        actor_acquire(&c, &x, mine);
        actor_wait(&b, &x, its);
        barged = try_acquire(&x, second);
        if (barged) {
            release(second);
        }
        actor_release(&c, mine);
        CHECK(actor_done(&b) == LA_OK);
        actor_release(&b, its);
        actor_stop(&c);
    }
    CHECK(barged);
    actor_stop(&b);
}

static void
test_newcomers_queue_behind_an_old_waiter(void)
{
    actor b, c, d;
    actor_start(&b);
    actor_start(&c);
    actor_start(&d);
    la_hold *its = case_hold(LA_READ, 0, 8), *write = case_hold(LA_WRITE, 0, 16);
    la_hold *read = case_hold(LA_READ, 0, 8), *apart = case_hold(LA_WRITE, 16, 8);
    actor_acquire(&b, &x, its);
    actor_wait(&c, &x, write);
    until_old();
    CHECK(!try_acquire(&x, read));
    /* Who does not conflict with the old waiter need not queue. */
    CHECK(try_acquire(&x, apart));
    release(apart);
    actor_wait(&d, &x, read);
    actor_release(&b, its);
    CHECK(actor_done(&c) == LA_OK);
    CHECK(actor_is_busy(&d));
    actor_release(&c, write);
    CHECK(actor_done(&d) == LA_OK);
    actor_release(&d, read);
    actor_stop(&b);
    actor_stop(&c);
    actor_stop(&d);
}

/* The lock is the waiter's from the moment of the release on. */
static void
test_an_old_waiter_is_handed_the_lock(void)
{
    actor b;
    actor_start(&b);
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *its = case_hold(LA_WRITE, 0, 8);
    la_hold *again = case_hold(LA_WRITE, 0, 8);
    for (int i = 0; i < 20; i++) {
        CHECK(acquire(&x, mine) == LA_OK);
        actor_wait(&b, &x, its);
        until_old();
        release(mine);
        CHECK(!try_acquire(&x, again));
        CHECK(la_lock_count_waiters(&x, la_thread_self()) == 0);
        CHECK(actor_done(&b) == LA_OK);
        actor_release(&b, its);
    }
    actor_stop(&b);
}

static void
test_old_waiters_are_served_in_order(void)
{
    enum { WRITERS = 5 };
    actor writers[WRITERS];
    la_hold *holds[WRITERS], *mine = case_hold(LA_WRITE, 0, 8);
    CHECK(acquire(&x, mine) == LA_OK);
    for (int i = 0; i < WRITERS; i++) {
        holds[i] = case_hold(LA_WRITE, 0, 8);
        actor_start(&writers[i]);
        actor_wait(&writers[i], &x, holds[i]);
    }
    until_old();
    release(mine);
    for (int i = 0; i < WRITERS; i++) {
        CHECK(actor_done(&writers[i]) == LA_OK);
        for (int j = i + 1; j < WRITERS; j++) {
            CHECK(actor_is_busy(&writers[j]));
        }
        actor_release(&writers[i], holds[i]);
        actor_stop(&writers[i]);
    }
}

static void
test_a_thread_that_holds_something_else_queues_as_well(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_hold *its = case_hold(LA_READ, 0, 8), *write = case_hold(LA_WRITE, 0, 8);
    la_hold *read = case_hold(LA_READ, 0, 8), *other = case_hold(LA_READ, 0, 8);
    actor_acquire(&b, &x, its);
    actor_wait(&c, &x, write);
    until_old();
    CHECK(!try_acquire(&x, read));
    CHECK(acquire(&y, other) == LA_OK);
    CHECK(!try_acquire(&x, read));
    CHECK(la_lock_count_waiters(&x, la_thread_self()) == 1);
    release(other);
    actor_release(&b, its);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, write);
    actor_stop(&b);
    actor_stop(&c);
}

static void
test_who_would_wait_for_itself_in_the_queue_overtakes(void)
{
    actor c;
    actor_start(&c);
    la_hold *mine = case_hold(LA_READ, 0, 8), *write = case_hold(LA_WRITE, 0, 8);
    la_hold *again = case_hold(LA_READ, 0, 8), *once_more = case_hold(LA_READ, 0, 8);
    CHECK(acquire(&x, mine) == LA_OK);
    actor_wait(&c, &x, write);
    until_old();
    CHECK(try_acquire(&x, again));
    CHECK(acquire(&x, once_more) == LA_OK);
    CHECK(actor_is_busy(&c));
    release(once_more);
    release(again);
    release(mine);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, write);
    actor_stop(&c);
}

static void
test_several_regions_in_one_step(void)
{
    actor b;
    actor_start(&b);
    la_hold *write = case_hold(LA_WRITE, 0, 8), *read = hold_extent(LA_READ, 4, 20);
    la_hold *its = case_hold(LA_READ, 20, 8), *blocks = case_hold(LA_WRITE, 20, 8);
    la_hold_chain(write, read);
    CHECK(try_acquire(&x, write));             /* they overlap: no conflict */
    CHECK(atomic_load(&x.state) == ((uintptr_t)write | LA_INLINE));
    actor_acquire(&b, &x, its);
    actor_release(&b, its);
    release(write);
    /* All or nothing. */
    actor_acquire(&b, &x, blocks);
    CHECK(!try_acquire(&x, write));
    la_hold *first = case_hold(LA_WRITE, 0, 8);
    CHECK(try_acquire(&x, first));
    release(first);
    actor_release(&b, blocks);
    CHECK(try_acquire(&x, write));
    actor_wait(&b, &x, blocks);                /* the chained part blocks it */
    release(write);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, blocks);
    actor_stop(&b);
}

static la_kept left_behind[3];

static void *
end_while_holding(void *argument)
{
    (void)argument;
    for (int i = 0; i < 3; i++) {
        la_hold *hold = hold_extent(LA_WRITE, 0, 8);
        CHECK(acquire(i == 1 ? &y : &x, hold) == LA_OK);
        left_behind[i] = la_hold_keep(hold);
    }
    return NULL;
}

static void
test_a_thread_that_ends_releases_what_it_holds(void)
{
    la_hold *mine = case_hold(LA_WRITE, 0, 8);
    for (int i = 0; i < 100; i++) {
        thread_join(thread_start(end_while_holding, NULL));
        for (int j = 0; j < 3; j++) {
            CHECK(!la_kept_is_held(left_behind[j]));
        }
        CHECK(try_acquire(&x, mine));
        release(mine);
        CHECK(try_acquire(&y, mine));
        release(mine);
    }
    int records = 0;
    for (la_thread *thread = la_thread_first(); thread != NULL;
            thread = thread->next) {
        records++;
    }
    CHECK(records < 50);        /* they are used again */
}

static void
test_a_thread_that_ends_wakes_who_waits(void)
{
    actor b;
    actor_start(&b);
    /* Its own record: it goes with the thread. */
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *its = hold_extent(LA_WRITE, 0, 8);
    actor_acquire(&b, &x, its);
    actor c;
    actor_start(&c);
    actor_wait(&c, &x, mine);
    actor_stop(&b);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, mine);
    actor_stop(&c);
}

static void
test_holds_and_waiters_can_be_listed(void)
{
    actor b;
    actor_start(&b);
    la_hold *mine = case_hold(LA_READ, 0, 8), *part = hold_extent(LA_READ, 8, 8);
    la_hold *its = case_hold(LA_WRITE, 0, 8);
    la_hold_info infos[4];
    la_hold_chain(mine, part);
    CHECK(acquire(&x, mine) == LA_OK);
    actor_wait(&b, &x, its);
    for (size_t room = 0; room <= 4; room++) {      /* it copies what there is room for */
        memset(infos, 0xee, sizeof(infos));
        CHECK(la_lock_list(&x, la_thread_self(), infos, room) == 3);
        for (size_t i = 0; i < room && i < 3; i++) {
            CHECK(infos[i].waits == (i == 2));
            CHECK(infos[i].mode == (i == 2 ? LA_WRITE : LA_READ));
            CHECK(infos[i].region.low == (i == 1 ? 8 : 0));
            CHECK(infos[i].thread == (i == 2 ? b.ident : la_thread_self()->ident));
        }
        for (size_t i = room; i < 4; i++) {
            CHECK(infos[i].thread == UINT64_C(0xeeeeeeeeeeeeeeee));
        }
    }
    CHECK(la_lock_list(&x, la_thread_self(), NULL, 0) == 3);
    release(mine);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, its);
    actor_stop(&b);
}

/*
 * More than any room that somebody would set aside: each of them is found. A debug
 * build compares all holds with each other at each step, so there they have parts.
 */
static void
test_a_list_of_thousands_of_holds_is_complete(void)
{
#ifdef LA_DEBUG
    enum { HOLDS = 300, PARTS = 10 };
#else
    enum { HOLDS = 3000, PARTS = 1 };
#endif
    static la_hold *holds[HOLDS];
    static la_hold_info infos[HOLDS * PARTS + 1];
    static bool seen[HOLDS * PARTS];
    la_thread *self = la_thread_self();
    for (int i = 0; i < HOLDS; i++) {
        holds[i] = hold_extent(LA_WRITE, 8 * PARTS * i, 8);
        for (int j = 1; j < PARTS; j++) {
            la_hold_chain(holds[i], hold_extent(LA_WRITE, 8 * (PARTS * i + j), 8));
        }
        CHECK(try_acquire(&x, holds[i]));
    }
    CHECK(la_lock_list(&x, self, infos, 100) == HOLDS * PARTS);
    CHECK(la_lock_list(&x, self, infos, HOLDS * PARTS + 1) == HOLDS * PARTS);
    for (int i = 0; i < HOLDS * PARTS; i++) {
        int64_t at = infos[i].region.low / 8;
        CHECK(at >= 0 && at < HOLDS * PARTS && !seen[at]);
        seen[at] = true;
    }
    for (int i = 0; i < HOLDS; i++) {
        release(holds[i]);
        la_hold_free(holds[i], self);
    }
}

int
main(void)
{
    CASE(test_a_hold_alone_is_inline);
    CASE(test_readers_run_together);
    CASE(test_writers_of_disjoint_regions_run_together);
    CASE(test_conflicting_modes_exclude_each_other);
    CASE(test_a_waiter_runs_when_the_holder_releases);
    CASE(test_all_readers_wake_when_a_writer_releases);
    CASE(test_own_holds_never_conflict);
    CASE(test_holds_are_released_in_any_order);
    CASE(test_upgrade_waits_for_other_readers_only);
    CASE(test_of_two_upgraders_the_second_is_refused);
    CASE(test_a_cycle_of_two_is_refused);
    CASE(test_a_cycle_of_three_is_refused);
    CASE(test_a_wait_that_closes_no_cycle_is_not_refused);
    CASE(test_a_cycle_through_a_hold_granted_while_the_other_slept);
    CASE(test_timeout_leaves_nothing_held_or_queued);
    CASE(test_who_queued_behind_a_waiter_that_times_out_runs);
    CASE(test_an_interrupted_wait_leaves_nothing_held_or_queued);
    CASE(test_signals_do_not_end_a_wait_that_does_not_ask);
    CASE(test_who_spins_does_not_queue_but_behind_others);
    CASE(test_newcomers_barge_past_a_young_waiter);
    CASE(test_newcomers_queue_behind_an_old_waiter);
    CASE(test_an_old_waiter_is_handed_the_lock);
    CASE(test_old_waiters_are_served_in_order);
    CASE(test_a_thread_that_holds_something_else_queues_as_well);
    CASE(test_who_would_wait_for_itself_in_the_queue_overtakes);
    CASE(test_several_regions_in_one_step);
    CASE(test_a_thread_that_ends_releases_what_it_holds);
    CASE(test_a_thread_that_ends_wakes_who_waits);
    CASE(test_holds_and_waiters_can_be_listed);
    CASE(test_a_list_of_thousands_of_holds_is_complete);
    return 0;
}
