/*
 * The lock, case by case. Interleavings are arranged: by steps that threads
 * announce, and by looking at the lock's queue. Other threads are actors: each
 * does what it is told, one command at a time, so that a case reads from top
 * to bottom.
 */
#include <errno.h>

#include "check.h"

#define SECOND (1000 * LA_MILLISECOND)

/* An actor: a thread that acquires and releases by command. */
typedef struct {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    enum { IDLE, ACQUIRE, RELEASE, STOP } command;
    la_lock *lock;
    la_hold *hold;
    int64_t deadline;
    const la_wait_hooks *hooks;
    la_status status;
    la_deadlock deadlock;
    atomic_ullong ident;
} actor;

static void *
actor_run(void *argument)
{
    actor *self = argument;
    la_thread *record = la_thread_self();
    atomic_store(&self->ident, record->ident);
    pthread_mutex_lock(&self->mutex);
    while (self->command != STOP) {
        if (self->command == IDLE) {
            pthread_cond_wait(&self->changed, &self->mutex);
            continue;
        }
        int command = self->command;
        pthread_mutex_unlock(&self->mutex);
        if (command == ACQUIRE) {
            self->status = la_acquire(self->lock, self->hold, record,
                                      self->deadline, self->hooks,
                                      &self->deadlock);
        }
        else {
            la_release(self->hold, record);
        }
        pthread_mutex_lock(&self->mutex);
        self->command = IDLE;
        pthread_cond_broadcast(&self->changed);
    }
    pthread_mutex_unlock(&self->mutex);
    return NULL;
}

static void
actor_start(actor *self)
{
    memset(self, 0, sizeof(*self));
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->thread = thread_start(actor_run, self);
}

static void
actor_send(actor *self, int command)
{
    pthread_mutex_lock(&self->mutex);
    self->command = command;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mutex);
}

/* Waits until the actor has done what it was told. */
static la_status
actor_done(actor *self)
{
    pthread_mutex_lock(&self->mutex);
    while (self->command != IDLE) {
        pthread_cond_wait(&self->changed, &self->mutex);
    }
    pthread_mutex_unlock(&self->mutex);
    return self->status;
}

static bool
actor_is_busy(actor *self)
{
    pthread_mutex_lock(&self->mutex);
    bool busy = self->command != IDLE;
    pthread_mutex_unlock(&self->mutex);
    return busy;
}

/* Tells the actor to acquire; returns at once. */
static void
actor_begin(actor *self, la_lock *lock, la_hold *hold)
{
    self->lock = lock;
    self->hold = hold;
    self->deadline = LA_NEVER;
    actor_send(self, ACQUIRE);
}

static void
actor_acquire(actor *self, la_lock *lock, la_hold *hold)
{
    actor_begin(self, lock, hold);
    CHECK(actor_done(self) == LA_OK);
}

/* Tells the actor to acquire, and returns once it waits. */
static void
actor_wait(actor *self, la_lock *lock, la_hold *hold)
{
    int before = la_lock_count_waiters(lock, la_thread_self());
    actor_begin(self, lock, hold);
    until_waiters(lock, before + 1);
    CHECK(actor_is_busy(self));
}

static void
actor_release(actor *self, la_hold *hold)
{
    self->hold = hold;
    actor_send(self, RELEASE);
    (void)actor_done(self);
}

static void
actor_stop(actor *self)
{
    actor_send(self, STOP);
    thread_join(self->thread);
    pthread_mutex_destroy(&self->mutex);
    pthread_cond_destroy(&self->changed);
}

static la_status
acquire(la_lock *lock, la_hold *hold)
{
    return la_acquire(lock, hold, la_thread_self(), LA_NEVER, NULL, NULL);
}

static bool
try_acquire(la_lock *lock, la_hold *hold)
{
    return la_try_acquire(lock, hold, la_thread_self());
}

static void
release(la_hold *hold)
{
    la_release(hold, la_thread_self());
}

static void
check_free(la_lock *lock)
{
    CHECK(atomic_load(&lock->state) == LA_FREE);
    CHECK(lock->holds == NULL && lock->first_waiter == NULL);
    CHECK(lock->last_waiter == NULL);
    la_lock_destroy(lock);
}

/* Lets a waiter grow old enough to be handed the lock. */
static void
until_old(void)
{
    int64_t end = la_now() + LA_HAND_OFF_NS + LA_MILLISECOND;
    while (la_now() < end) {
        sched_yield();
    }
}

static la_lock x, y, z;

static void
setup(void)
{
    la_lock_init(&x, 1);
    la_lock_init(&y, 2);
    la_lock_init(&z, 3);
}

static void
teardown(void)
{
    check_free(&x);
    check_free(&y);
    check_free(&z);
    CHECK(!la_thread_holds_any(la_thread_self()));
}

static void
test_a_hold_alone_is_inline(void)
{
    la_hold a = hold_extent(LA_WRITE, 0, 8);
    CHECK(acquire(&x, &a) == LA_OK);
    CHECK(atomic_load(&x.state) == ((uintptr_t)&a | LA_INLINE));
    CHECK(la_hold_is_mine(&a, la_thread_self()));
    /* A look at the lists lists it, and puts it back. */
    CHECK(la_lock_count_waiters(&x, la_thread_self()) == 0);
    CHECK(atomic_load(&x.state) == ((uintptr_t)&a | LA_INLINE));
    release(&a);
    CHECK(!la_hold_is_mine(&a, la_thread_self()));
}

static void
test_readers_run_together(void)
{
    actor b;
    actor_start(&b);
    la_hold mine = hold_extent(LA_READ, 0, 8), other = hold_extent(LA_READ, 0, 8);
    CHECK(acquire(&x, &mine) == LA_OK);
    actor_acquire(&b, &x, &other);
    CHECK(atomic_load(&x.state) == LA_LISTED);
    release(&mine);
    CHECK(atomic_load(&x.state) == ((uintptr_t)&other | LA_INLINE));
    actor_release(&b, &other);
    actor_stop(&b);
}

static void
test_writers_of_disjoint_regions_run_together(void)
{
    actor b;
    actor_start(&b);
    la_hold mine = hold_extent(LA_WRITE, 0, 8), other = hold_extent(LA_WRITE, 8, 8);
    CHECK(acquire(&x, &mine) == LA_OK);
    actor_acquire(&b, &x, &other);
    actor_release(&b, &other);
    release(&mine);
    actor_stop(&b);
}

static void
test_conflicting_modes_exclude_each_other(void)
{
    actor b;
    actor_start(&b);
    for (int i = 0; i < 4; i++) {
        la_hold mine = hold_extent(i & 1 ? LA_WRITE : LA_READ, 0, 8);
        la_hold other = hold_extent(i & 2 ? LA_WRITE : LA_READ, 7, 8);
        actor_acquire(&b, &x, &other);
        CHECK(try_acquire(&x, &mine) == (i == 0));
        CHECK(la_hold_is_mine(&mine, la_thread_self()) == (i == 0));
        if (i == 0) {
            release(&mine);
        }
        actor_release(&b, &other);
    }
    actor_stop(&b);
}

static void
test_a_waiter_runs_when_the_holder_releases(void)
{
    actor b;
    actor_start(&b);
    la_hold mine = hold_extent(LA_WRITE, 0, 8), other = hold_extent(LA_READ, 0, 8);
    CHECK(acquire(&x, &mine) == LA_OK);
    actor_wait(&b, &x, &other);
    release(&mine);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, &other);
    actor_stop(&b);
}

static void
test_all_readers_wake_when_a_writer_releases(void)
{
    enum { READERS = 12 };      /* more than fit in one batch of wake-ups */
    actor readers[READERS];
    la_hold holds[READERS], mine = hold_extent(LA_WRITE, 0, 8);
    for (int old = 0; old < 2; old++) {
        CHECK(acquire(&x, &mine) == LA_OK);
        for (int i = 0; i < READERS; i++) {
            holds[i] = hold_extent(LA_READ, 0, 8);
            actor_start(&readers[i]);
            actor_wait(&readers[i], &x, &holds[i]);
        }
        if (old) {
            until_old();
        }
        release(&mine);
        for (int i = 0; i < READERS; i++) {
            CHECK(actor_done(&readers[i]) == LA_OK);
        }
        for (int i = 0; i < READERS; i++) {
            actor_release(&readers[i], &holds[i]);
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
        la_hold outer = hold_extent(modes[i][0], 0, 8);
        la_hold inner = hold_extent(modes[i][1], 0, 8);
        CHECK(try_acquire(&x, &outer));
        CHECK(try_acquire(&x, &inner));
        release(i & 1 ? &outer : &inner);       /* in either order */
        CHECK(la_thread_holds_any(la_thread_self()));
        release(i & 1 ? &inner : &outer);
    }
}

static void
test_holds_are_released_in_any_order(void)
{
    enum { HOLDS = 6 };
    uint64_t random = random_seed();
    for (int turn = 0; turn < 200; turn++) {
        la_hold holds[HOLDS];
        la_lock *locks[] = {&x, &y, &z};
        bool held[HOLDS];
        for (int i = 0; i < HOLDS; i++) {
            holds[i] = hold_extent(LA_WRITE, 0, 8);
            CHECK(try_acquire(locks[random_below(&random, 3)], &holds[i]));
            held[i] = true;
        }
        for (int left = HOLDS; left > 0;) {
            int i = random_below(&random, HOLDS);
            if (held[i]) {
                release(&holds[i]);
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
    la_hold mine = hold_extent(LA_READ, 0, 8), others = hold_extent(LA_READ, 0, 8);
    la_hold upgrade = hold_extent(LA_WRITE, 0, 8);
    actor_acquire(&b, &x, &others);
    CHECK(acquire(&x, &mine) == LA_OK);
    actor_wait(&b, &x, &upgrade);
    release(&mine);
    CHECK(actor_done(&b) == LA_OK);
    CHECK(!try_acquire(&x, &mine));
    actor_release(&b, &upgrade);
    CHECK(try_acquire(&x, &mine));      /* the other one's read is still there */
    release(&mine);
    actor_release(&b, &others);
    actor_stop(&b);
}

static void
test_of_two_upgraders_the_second_is_refused(void)
{
    actor b;
    actor_start(&b);
    la_hold mine = hold_extent(LA_READ, 0, 8), others = hold_extent(LA_READ, 0, 8);
    la_hold my_upgrade = hold_extent(LA_WRITE, 0, 8);
    la_hold upgrade = hold_extent(LA_WRITE, 0, 8);
    la_deadlock deadlock = {0};
    CHECK(acquire(&x, &mine) == LA_OK);
    actor_acquire(&b, &x, &others);
    actor_wait(&b, &x, &upgrade);
    CHECK(la_acquire(&x, &my_upgrade, la_thread_self(), LA_NEVER, NULL,
                     &deadlock) == LA_DEADLOCK);
    CHECK(deadlock.blocker == b.ident && deadlock.last == b.ident);
    CHECK(deadlock.waits_for == x.serial && deadlock.length == 2);
    CHECK(!la_hold_is_mine(&my_upgrade, la_thread_self()));
    CHECK(la_lock_count_waiters(&x, la_thread_self()) == 1);
    release(&mine);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, &upgrade);
    actor_release(&b, &others);
    actor_stop(&b);
}

static void
test_a_cycle_of_two_is_refused(void)
{
    actor b;
    actor_start(&b);
    la_hold my_x = hold_extent(LA_WRITE, 0, 8), my_y = hold_extent(LA_READ, 0, 8);
    la_hold its_x = hold_extent(LA_WRITE, 0, 8), its_y = hold_extent(LA_WRITE, 0, 8);
    la_deadlock deadlock = {0};
    CHECK(acquire(&x, &my_x) == LA_OK);
    actor_acquire(&b, &y, &its_y);
    actor_wait(&b, &x, &its_x);
    CHECK(la_acquire(&y, &my_y, la_thread_self(), LA_NEVER, NULL, &deadlock)
          == LA_DEADLOCK);
    CHECK(deadlock.blocker == b.ident && deadlock.waits_for == x.serial);
    CHECK(deadlock.length == 2);
    /* A try does not wait, so it closes no cycle. */
    CHECK(!try_acquire(&y, &my_y));
    release(&my_x);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, &its_x);
    actor_release(&b, &its_y);
    actor_stop(&b);
}

static void
test_a_cycle_of_three_is_refused(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_hold my_x = hold_extent(LA_WRITE, 0, 8), my_y = hold_extent(LA_WRITE, 0, 8);
    la_hold b_y = hold_extent(LA_WRITE, 0, 8), b_z = hold_extent(LA_WRITE, 0, 8);
    la_hold c_z = hold_extent(LA_WRITE, 0, 8), c_x = hold_extent(LA_WRITE, 0, 8);
    la_deadlock deadlock = {0};
    CHECK(acquire(&x, &my_x) == LA_OK);
    actor_acquire(&b, &y, &b_y);
    actor_acquire(&c, &z, &c_z);
    actor_wait(&b, &z, &b_z);
    actor_wait(&c, &x, &c_x);
    CHECK(la_acquire(&y, &my_y, la_thread_self(), LA_NEVER, NULL, &deadlock)
          == LA_DEADLOCK);
    CHECK(deadlock.length == 3);
    CHECK(deadlock.blocker == b.ident && deadlock.waits_for == z.serial);
    CHECK(deadlock.last == c.ident);
    release(&my_x);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, &c_x);
    actor_release(&c, &c_z);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, &b_z);
    actor_release(&b, &b_y);
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
    la_hold my_x = hold_extent(LA_WRITE, 0, 8), my_y = hold_extent(LA_WRITE, 0, 8);
    la_hold b_y = hold_extent(LA_WRITE, 0, 8), b_x = hold_extent(LA_WRITE, 8, 8);
    la_hold c_x = hold_extent(LA_WRITE, 8, 8);
    la_hold a_z = hold_extent(LA_READ, 0, 8);
    CHECK(acquire(&z, &a_z) == LA_OK);
    actor_acquire(&c, &x, &c_x);
    CHECK(acquire(&x, &my_x) == LA_OK);
    actor_acquire(&b, &y, &b_y);
    actor_wait(&b, &x, &b_x);           /* for c, not for this thread */
    la_deadlock deadlock = {0};
    CHECK(la_acquire(&y, &my_y, la_thread_self(), la_now() + 5 * LA_MILLISECOND,
                     NULL, &deadlock) == LA_TIMEOUT);
    actor_release(&c, &c_x);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, &b_x);
    actor_release(&b, &b_y);
    release(&my_x);
    release(&a_z);
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
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_hold c_x = hold_extent(LA_READ, 0, 8), my_x = hold_extent(LA_READ, 0, 8);
    la_hold b_x = hold_extent(LA_WRITE, 0, 8), b_y = hold_extent(LA_WRITE, 0, 8);
    la_hold my_y = hold_extent(LA_WRITE, 0, 8), my_z = hold_extent(LA_WRITE, 0, 8);
    actor_acquire(&c, &x, &c_x);
    actor_acquire(&b, &y, &b_y);
    actor_wait(&b, &x, &b_x);
    CHECK(acquire(&z, &my_z) == LA_OK);         /* so no need to queue behind b */
    CHECK(acquire(&x, &my_x) == LA_OK);
    actor_release(&c, &c_x);
    CHECK(actor_is_busy(&b));
    CHECK(acquire(&y, &my_y) == LA_DEADLOCK);
    release(&my_x);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, &b_x);
    actor_release(&b, &b_y);
    release(&my_z);
    actor_stop(&b);
    actor_stop(&c);
}

static void
test_timeout_leaves_nothing_held_or_queued(void)
{
    actor b;
    actor_start(&b);
    la_hold other = hold_extent(LA_WRITE, 0, 8), mine = hold_extent(LA_READ, 0, 8);
    la_hold nested = hold_extent(LA_READ, 0, 8);
    actor_acquire(&b, &x, &other);
    for (int i = 0; i < 2; i++) {
        int64_t start = la_now(), limit = start + 20 * LA_MILLISECOND;
        CHECK(la_acquire(&x, &mine, la_thread_self(), limit, NULL, NULL)
              == LA_TIMEOUT);
        CHECK(la_now() >= limit);
        CHECK(la_lock_count_waiters(&x, la_thread_self()) == 0);
        CHECK(!la_hold_is_mine(&mine, la_thread_self()));
        if (i == 0) {       /* the second time while it holds something */
            CHECK(acquire(&y, &nested) == LA_OK);
        }
    }
    release(&nested);
    actor_release(&b, &other);
    actor_stop(&b);
}

/* A waiter that gives up was in the way of one behind it. */
static void
test_who_queued_behind_a_waiter_that_times_out_runs(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_hold mine = hold_extent(LA_READ, 0, 8), b_write = hold_extent(LA_WRITE, 0, 8);
    la_hold c_read = hold_extent(LA_READ, 0, 8);
    CHECK(acquire(&x, &mine) == LA_OK);
    b.lock = &x;
    b.hold = &b_write;
    b.deadline = la_now() + 100 * LA_MILLISECOND;
    actor_send(&b, ACQUIRE);
    until_waiters(&x, 1);
    until_old();
    actor_begin(&c, &x, &c_read);
    CHECK(actor_done(&b) == LA_TIMEOUT);
    CHECK(actor_done(&c) == LA_OK);     /* this thread still reads */
    actor_release(&c, &c_read);
    release(&mine);
    actor_stop(&b);
    actor_stop(&c);
}

static int hooks_before, hooks_after, hooks_checked;

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
    /* Nothing is queued for this wait, and locks can be used. */
    la_lock *lock = context;
    CHECK(la_lock_count_waiters(lock, la_thread_self()) == 0);
    la_hold hold = hold_extent(LA_READ, 64, 8);
    CHECK(try_acquire(lock, &hold));
    release(&hold);
    return ++hooks_checked >= 3;
}

static void
ignore_signal(int signal_number)
{
    (void)signal_number;
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
    la_hold other = hold_extent(LA_WRITE, 0, 8), mine = hold_extent(LA_READ, 0, 8);
    la_hold nested = hold_extent(LA_READ, 0, 8);
    la_wait_hooks hooks = {
        .before_wait = count_before,
        .after_wait = count_after,
        .check_interrupt = check_counts,
        .context = &x,
    };
    struct sigaction action = { .sa_handler = ignore_signal,
                                .sa_flags = SA_RESTART };
    pthread_t self = pthread_self();
    sigaction(SIGUSR1, &action, NULL);
    actor_acquire(&b, &x, &other);
    for (int i = 0; i < 2; i++) {
        hooks_before = hooks_after = hooks_checked = 0;
        atomic_store(&signals_stop, false);
        pthread_t signaller = thread_start(signal_again_and_again, &self);
        CHECK(la_acquire(&x, &mine, la_thread_self(), LA_NEVER, &hooks, NULL)
              == LA_INTERRUPTED);
        atomic_store(&signals_stop, true);
        thread_join(signaller);
        CHECK(hooks_checked == 3 && hooks_before == 3 && hooks_after == 3);
        CHECK(la_lock_count_waiters(&x, la_thread_self()) == 0);
        CHECK(!la_hold_is_mine(&mine, la_thread_self()));
        if (i == 0) {
            CHECK(acquire(&y, &nested) == LA_OK);
        }
    }
    release(&nested);
    actor_release(&b, &other);
    actor_stop(&b);
}

static void
test_signals_do_not_end_a_wait_that_does_not_ask(void)
{
    actor b;
    actor_start(&b);
    la_hold other = hold_extent(LA_WRITE, 0, 8), mine = hold_extent(LA_READ, 0, 8);
    pthread_t self = pthread_self();
    struct sigaction action = { .sa_handler = ignore_signal };
    sigaction(SIGUSR1, &action, NULL);
    actor_acquire(&b, &x, &other);
    atomic_store(&signals_stop, false);
    pthread_t signaller = thread_start(signal_again_and_again, &self);
    CHECK(la_acquire(&x, &mine, la_thread_self(), la_now() + 20 * LA_MILLISECOND,
                     NULL, NULL) == LA_TIMEOUT);
    atomic_store(&signals_stop, true);
    thread_join(signaller);
    actor_release(&b, &other);
    actor_stop(&b);
}

static void
test_newcomers_barge_past_a_young_waiter(void)
{
    actor b;
    actor_start(&b);
    la_hold mine = hold_extent(LA_READ, 0, 8), its = hold_extent(LA_WRITE, 0, 8);
    la_hold second = hold_extent(LA_READ, 0, 8);
    bool barged = false;
    /* Young means below 1 ms: try until this thread was quick enough. */
    for (int i = 0; i < 1000 && !barged; i++) {
        actor c;
        actor_start(&c);
        actor_acquire(&c, &x, &mine);
        actor_wait(&b, &x, &its);
        barged = try_acquire(&x, &second);
        if (barged) {
            release(&second);
        }
        actor_release(&c, &mine);
        CHECK(actor_done(&b) == LA_OK);
        actor_release(&b, &its);
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
    la_hold its = hold_extent(LA_READ, 0, 8), write = hold_extent(LA_WRITE, 0, 16);
    la_hold read = hold_extent(LA_READ, 0, 8), apart = hold_extent(LA_WRITE, 16, 8);
    actor_acquire(&b, &x, &its);
    actor_wait(&c, &x, &write);
    until_old();
    CHECK(!try_acquire(&x, &read));
    /* Who does not conflict with the old waiter need not queue. */
    CHECK(try_acquire(&x, &apart));
    release(&apart);
    actor_wait(&d, &x, &read);
    actor_release(&b, &its);
    CHECK(actor_done(&c) == LA_OK);
    CHECK(actor_is_busy(&d));
    actor_release(&c, &write);
    CHECK(actor_done(&d) == LA_OK);
    actor_release(&d, &read);
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
    la_hold mine = hold_extent(LA_WRITE, 0, 8), its = hold_extent(LA_WRITE, 0, 8);
    la_hold again = hold_extent(LA_WRITE, 0, 8);
    for (int i = 0; i < 20; i++) {
        CHECK(acquire(&x, &mine) == LA_OK);
        actor_wait(&b, &x, &its);
        until_old();
        release(&mine);
        CHECK(!try_acquire(&x, &again));
        CHECK(la_lock_count_waiters(&x, la_thread_self()) == 0);
        CHECK(actor_done(&b) == LA_OK);
        actor_release(&b, &its);
    }
    actor_stop(&b);
}

static void
test_old_waiters_are_served_in_order(void)
{
    enum { WRITERS = 5 };
    actor writers[WRITERS];
    la_hold holds[WRITERS], mine = hold_extent(LA_WRITE, 0, 8);
    CHECK(acquire(&x, &mine) == LA_OK);
    for (int i = 0; i < WRITERS; i++) {
        holds[i] = hold_extent(LA_WRITE, 0, 8);
        actor_start(&writers[i]);
        actor_wait(&writers[i], &x, &holds[i]);
    }
    until_old();
    release(&mine);
    for (int i = 0; i < WRITERS; i++) {
        CHECK(actor_done(&writers[i]) == LA_OK);
        for (int j = i + 1; j < WRITERS; j++) {
            CHECK(actor_is_busy(&writers[j]));
        }
        actor_release(&writers[i], &holds[i]);
        actor_stop(&writers[i]);
    }
}

static void
test_a_thread_that_holds_something_does_not_queue(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_hold its = hold_extent(LA_READ, 0, 8), write = hold_extent(LA_WRITE, 0, 8);
    la_hold read = hold_extent(LA_READ, 0, 8), other = hold_extent(LA_READ, 0, 8);
    actor_acquire(&b, &x, &its);
    actor_wait(&c, &x, &write);
    until_old();
    CHECK(!try_acquire(&x, &read));
    CHECK(acquire(&y, &other) == LA_OK);
    CHECK(try_acquire(&x, &read));
    release(&read);
    release(&other);
    actor_release(&b, &its);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, &write);
    actor_stop(&b);
    actor_stop(&c);
}

static void
test_several_regions_in_one_step(void)
{
    actor b;
    actor_start(&b);
    la_hold write = hold_extent(LA_WRITE, 0, 8), read = hold_extent(LA_READ, 4, 20);
    la_hold its = hold_extent(LA_READ, 20, 8), blocks = hold_extent(LA_WRITE, 20, 8);
    la_hold_chain(&write, &read);
    CHECK(try_acquire(&x, &write));             /* they overlap: no conflict */
    CHECK(atomic_load(&x.state) == ((uintptr_t)&write | LA_INLINE));
    actor_acquire(&b, &x, &its);
    actor_release(&b, &its);
    release(&write);
    /* All or nothing. */
    actor_acquire(&b, &x, &blocks);
    CHECK(!try_acquire(&x, &write));
    la_hold first = hold_extent(LA_WRITE, 0, 8);
    CHECK(try_acquire(&x, &first));
    release(&first);
    actor_release(&b, &blocks);
    CHECK(try_acquire(&x, &write));
    actor_wait(&b, &x, &blocks);                /* the chained part blocks it */
    release(&write);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, &blocks);
    actor_stop(&b);
}

static la_hold left_behind[3];

static void *
end_while_holding(void *argument)
{
    (void)argument;
    for (int i = 0; i < 3; i++) {
        left_behind[i] = hold_extent(LA_WRITE, 0, 8);
        CHECK(acquire(i == 1 ? &y : &x, &left_behind[i]) == LA_OK);
    }
    return NULL;
}

static void
test_a_thread_that_ends_releases_what_it_holds(void)
{
    la_hold mine = hold_extent(LA_WRITE, 0, 8);
    for (int i = 0; i < 100; i++) {
        thread_join(thread_start(end_while_holding, NULL));
        CHECK(atomic_load(&left_behind[1].owner) == NULL);
        CHECK(try_acquire(&x, &mine));
        release(&mine);
        CHECK(try_acquire(&y, &mine));
        release(&mine);
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
    la_hold mine = hold_extent(LA_WRITE, 0, 8), its = hold_extent(LA_WRITE, 0, 8);
    actor_acquire(&b, &x, &its);
    b.hold = NULL;
    actor c;
    actor_start(&c);
    actor_wait(&c, &x, &mine);
    actor_stop(&b);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, &mine);
    actor_stop(&c);
}

typedef struct {
    int holds, waiters, writes;
} census;

static void
count_info(const la_hold_info *info, void *context)
{
    census *counts = context;
    counts->holds += !info->waits;
    counts->waiters += info->waits;
    counts->writes += info->mode == LA_WRITE;
}

static void
test_holds_and_waiters_can_be_listed(void)
{
    actor b;
    actor_start(&b);
    la_hold mine = hold_extent(LA_READ, 0, 8), part = hold_extent(LA_READ, 8, 8);
    la_hold its = hold_extent(LA_WRITE, 0, 8);
    census counts = {0};
    la_hold_chain(&mine, &part);
    CHECK(acquire(&x, &mine) == LA_OK);
    actor_wait(&b, &x, &its);
    la_lock_visit(&x, la_thread_self(), count_info, &counts);
    CHECK(counts.holds == 2 && counts.waiters == 1 && counts.writes == 1);
    release(&mine);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, &its);
    actor_stop(&b);
}

#define CASE(test) (setup(), RUN(test), teardown())

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
    CASE(test_newcomers_barge_past_a_young_waiter);
    CASE(test_newcomers_queue_behind_an_old_waiter);
    CASE(test_an_old_waiter_is_handed_the_lock);
    CASE(test_old_waiters_are_served_in_order);
    CASE(test_a_thread_that_holds_something_does_not_queue);
    CASE(test_several_regions_in_one_step);
    CASE(test_a_thread_that_ends_releases_what_it_holds);
    CASE(test_a_thread_that_ends_wakes_who_waits);
    CASE(test_holds_and_waiters_can_be_listed);
    return 0;
}
