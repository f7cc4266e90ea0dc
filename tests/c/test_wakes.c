/*
 * Wakes: one release grants all that it lets in and wakes them once the mutex of the lock is
 * free; who wakes for another reason at that moment is right whatever it finds; and nobody
 * wakes by a clock.
 */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE             /* syscall() */
#endif

#include "actors.h"

/* -- one release, many waiters ------------------------------------------------------- */

#define CROWD 200

typedef struct {
    la_hold *hold;
    bool woken_inside;          /* while who woke it had the mutex of the lock */
    bool woken_before;          /* while another one was not granted yet */
} member;

static struct {
    member members[CROWD];
    la_thread *releases;
    atomic_int ready, woken;
    atomic_bool may_end;
} crowd;

static pthread_t
thread_start_small(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    pthread_attr_t small;
    CHECK(pthread_attr_init(&small) == 0);
    CHECK(pthread_attr_setstacksize(&small, 256 * 1024) == 0);
    CHECK(pthread_create(&thread, &small, run, argument) == 0);
    pthread_attr_destroy(&small);
    return thread;
}

/* Its record holds no token from before: it has slept for long. */
static void *
be_woken(void *argument)
{
    member *its = argument;
    la_thread *self = la_thread_self();
    atomic_fetch_add(&crowd.ready, 1);
    CHECK(la_acquire(&x, its->hold, self, LA_NEVER, NULL, NULL) == LA_OK);
    its->woken_inside = atomic_load(&crowd.releases->inside) == &x;
    for (int i = 0; i < CROWD; i++) {
        its->woken_before |= la_hold_owner(crowd.members[i].hold) == NULL;
    }
    atomic_fetch_add(&crowd.woken, 1);
    while (!atomic_load(&crowd.may_end)) {
        usleep(1000);
    }
    la_release(its->hold, self);
    return NULL;
}

/* Readers of the same bytes, and writers of bytes of their own. */
static void
test_one_release_grants_all_that_do_not_conflict_and_wakes_them_outside(void)
{
    static pthread_t threads[CROWD];
    int woken_inside = 0, woken_before = 0;
    for (int times = 0; times < 5; times++) {
        la_hold *mine = case_hold(LA_WRITE, 0, 1000000);
        memset(&crowd, 0, sizeof(crowd));
        crowd.releases = la_thread_self();
        CHECK(acquire(&x, mine) == LA_OK);
        for (int i = 0; i < CROWD; i++) {
            bool writes = i % 2;
            crowd.members[i].hold = case_hold(writes ? LA_WRITE : LA_READ,
                                              writes ? 8 * i : 4000, 8);
            threads[i] = thread_start_small(be_woken, &crowd.members[i]);
        }
        until_waiters(&x, CROWD);
        until_old();
        release(mine);
        until_step(&crowd.woken, CROWD);        /* this thread is in no mutex meanwhile */
        CHECK(la_lock_list(&x, la_thread_self(), NULL, 0) == CROWD);
        atomic_store(&crowd.may_end, true);
        for (int i = 0; i < CROWD; i++) {
            thread_join(threads[i]);
            woken_inside += crowd.members[i].woken_inside;
            woken_before += crowd.members[i].woken_before;
        }
    }
    CHECK(woken_inside == 0);
    CHECK(woken_before == 0);
}

/* -- another reason to wake, at that moment ------------------------------------------- */

#define SLEEPERS 6

static struct {
    atomic_int round;           /* may begin */
    atomic_int done;            /* have ended it */
    atomic_llong moment;        /* of the release */
    atomic_bool stop;
    atomic_int outcomes[4];
} nap;

typedef struct {
    pthread_t thread;
    uint64_t random;
    atomic_bool asleep;
} sleeper;

static int
raise_sometimes(void *context)
{
    return random_below(&((sleeper *)context)->random, 2);
}

/* Whatever its status says is so. */
static void
check_outcome(la_hold *hold, la_status status, la_thread *self)
{
    atomic_fetch_add(&nap.outcomes[status], 1);
    CHECK(!hold->queued);
    if (status == LA_OK) {
        CHECK(la_hold_is_of(hold, la_thread_owner(self)) && la_thread_holds_any(self));
        la_release(hold, self);
    }
    CHECK(la_hold_owner(hold) == NULL && !la_thread_holds_any(self));
    la_hold_free(hold, self);
}

/*
 * Waits until about the moment of the release; then at once, with the same record, for
 * another lock, without a limit.
 */
static void *
take_naps(void *argument)
{
    sleeper *its = argument;
    la_thread *self = la_thread_self();
    la_wait_hooks hooks = { .check_interrupt = raise_sometimes, .context = its };
    for (int round = 1;; round++) {
        until_step(&nap.round, round);
        if (atomic_load(&nap.stop)) {
            return NULL;
        }
        la_mode mode = random_below(&its->random, 2) ? LA_WRITE : LA_READ;
        la_hold *hold = hold_extent(mode, 8 * random_below(&its->random, 3), 8);
        int64_t deadline = atomic_load(&nap.moment)
            + (random_below(&its->random, 200) - 100) * (LA_MILLISECOND / 1000);
        atomic_store(&its->asleep, true);
        la_status status = la_acquire(&x, hold, self, deadline, &hooks, NULL);
        atomic_store(&its->asleep, false);
        CHECK(status != LA_DEADLOCK);
        check_outcome(hold, status, self);
        hold = hold_extent(LA_WRITE, 0, 8);
        status = la_acquire(&y, hold, self, LA_NEVER, NULL, NULL);
        CHECK(status == LA_OK);
        check_outcome(hold, status, self);
        atomic_fetch_add(&nap.done, 1);
    }
}

static void
take_rounds(int rounds, bool signals)
{
    sleeper sleepers[SLEEPERS];
    uint64_t random = random_seed();
    la_hold *mine = case_hold(LA_WRITE, 0, 24);
    memset(&nap, 0, sizeof(nap));
    ignore_signals();
    for (int i = 0; i < SLEEPERS; i++) {
        sleepers[i] = (sleeper){ .random = random_next(&random) };
        sleepers[i].thread = thread_start(take_naps, &sleepers[i]);
    }
    for (int round = 1; round <= rounds; round++) {
        CHECK(acquire(&x, mine) == LA_OK);
        /* Some are old by then, and some are not. */
        int64_t moment = la_now() + (round % 2 ? 1200 : 200) * (LA_MILLISECOND / 1000);
        atomic_store(&nap.done, 0);
        atomic_store(&nap.moment, moment);
        atomic_store(&nap.round, round);
        moment += (random_below(&random, 100) - 50) * (LA_MILLISECOND / 1000);
        while (la_now() < moment) {
            sched_yield();
        }
        if (signals) {
            int i = random_below(&random, SLEEPERS);
            if (atomic_load(&sleepers[i].asleep)) {
                pthread_kill(sleepers[i].thread, SIGUSR1);
            }
        }
        release(mine);
        until_step(&nap.done, SLEEPERS);
        CHECK(atomic_load(&x.state) == LA_FREE && atomic_load(&y.state) == LA_FREE);
    }
    atomic_store(&nap.stop, true);
    atomic_store(&nap.round, rounds + 1);
    for (int i = 0; i < SLEEPERS; i++) {
        thread_join(sleepers[i].thread);
    }
    printf("(%d held, %d timed out, %d interrupted) ", nap.outcomes[LA_OK],
           nap.outcomes[LA_TIMEOUT], nap.outcomes[LA_INTERRUPTED]);
    CHECK(nap.outcomes[LA_TIMEOUT] > 0 && nap.outcomes[LA_OK] > 0);
}

static void
test_waiters_that_give_up_at_the_moment_of_the_release_are_right(void)
{
    take_rounds(1000 * stress_scale(), false);
}

static void
test_waiters_that_are_interrupted_at_the_moment_of_the_release_are_right(void)
{
    take_rounds(1000 * stress_scale(), true);
}

/* -- no clock ------------------------------------------------------------------------- */

#if defined(__linux__)

#include <sys/syscall.h>

#define WAITERS 50

typedef struct {
    pthread_t thread;
    atomic_long id;
    int kind;
    la_hold *hold;
} patient;

static int
never_raise(void *context)
{
    (void)context;
    return 0;
}

/* With a deadline or without, nested or not; one handles signals. */
static void *
wait_in_peace(void *argument)
{
    patient *its = argument;
    la_thread *self = la_thread_self();
    la_wait_hooks hooks = { .check_interrupt = its->kind == 0 ? never_raise : NULL };
    la_hold *outer = hold_extent(LA_READ, 0, 8);
    atomic_store(&its->id, syscall(SYS_gettid));
    CHECK(its->kind % 2 == 0 || acquire(&y, outer) == LA_OK);
    CHECK(la_acquire(&x, its->hold, self, its->kind % 3 ? LA_NEVER : la_now() + 1000 * SECOND,
                     &hooks, NULL) == LA_OK);
    la_release(its->hold, self);
    if (its->kind % 2) {
        la_release(outer, self);
    }
    la_hold_free(outer, self);
    return NULL;
}

/* How often the thread has gone to sleep so far. */
static long
sleeps_of(const patient *its)
{
    char name[100], line[200];
    long count = -1;
    snprintf(name, sizeof(name), "/proc/self/task/%ld/status", atomic_load(&its->id));
    FILE *status = fopen(name, "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof(line), status) != NULL) {
        (void)sscanf(line, "voluntary_ctxt_switches: %ld", &count);
    }
    fclose(status);
    CHECK(count >= 0);
    return count;
}

static void
test_waiters_sleep_in_peace(void)
{
    patient patients[WAITERS];
    long before[WAITERS], of_one = 0;
    la_hold *mine = case_hold(LA_WRITE, 0, 8);
    CHECK(acquire(&x, mine) == LA_OK);
    for (int i = 0; i < WAITERS; i++) {
        patients[i] = (patient){ .kind = i, .hold = case_hold(LA_READ, 0, 8) };
        patients[i].thread = thread_start(wait_in_peace, &patients[i]);
    }
    until_waiters(&x, WAITERS);
    usleep(500 * 1000);             /* all sleep by now */
    for (int i = 0; i < WAITERS; i++) {
        before[i] = sleeps_of(&patients[i]);
    }
    usleep(2000 * 1000);
    for (int i = 0; i < WAITERS; i++) {
        long woken = sleeps_of(&patients[i]) - before[i];
        of_one = i == 0 ? woken : of_one;
#if LA_SIGNAL_ENDS_SLEEP
        CHECK(woken <= (i == 0 ? 6 : 0));
#else
        CHECK(i == 0 || woken <= 4);
#endif
    }
    printf("(one that handles signals looked %ld times) ", of_one);
    release(mine);
    for (int i = 0; i < WAITERS; i++) {
        thread_join(patients[i].thread);
    }
}

#else
#define test_waiters_sleep_in_peace() ((void)0)
#endif

/* -- a signal just before the sleep ----------------------------------------------------- */

/* Handled before the system call, a signal ends no sleep. (A debug build sleeps for an hour.) */
#if !defined(LA_DEBUG) || !LA_SIGNAL_ENDS_SLEEP

static struct {
    atomic_int looks;
    int early_from;             /* the look after which signals come before the sleep */
    int last;                   /* the look that raises */
} alarms;

static void
raise_before_the_sleep(void *context)
{
    (void)context;
    if (atomic_load(&alarms.looks) >= alarms.early_from) {
        pthread_kill(pthread_self(), SIGUSR1);
    }
}

static int
look_for_signals(void *context)
{
    (void)context;
    return atomic_fetch_add(&alarms.looks, 1) + 1 >= alarms.last;
}

/* So many signals during the sleep, and then three that come too early. */
static void
see_early_signals(int others)
{
    la_wait_hooks hooks = { .before_wait = raise_before_the_sleep,
                            .check_interrupt = look_for_signals };
    actor b;
    actor_start(&b);
    la_hold *its = case_hold(LA_WRITE, 0, 8), *mine = case_hold(LA_READ, 0, 8);
    ignore_signals();
    actor_acquire(&b, &x, its);
    atomic_store(&alarms.looks, 0);
    alarms.early_from = others;
    alarms.last = others + 3;
    actor c;
    actor_start(&c);
    c.hooks = &hooks;
    c.lock = &x;
    c.hold = mine;
    c.deadline = la_now() + 30 * SECOND;
    actor_send(&c, ACQUIRE);
    until_waiters(&x, 1);
    while (atomic_load(&alarms.looks) < others) {
        pthread_kill(c.thread, SIGUSR1);
        usleep(1000);
    }
    CHECK(actor_done(&c) == LA_INTERRUPTED);
    CHECK(atomic_load(&alarms.looks) == alarms.last);
    actor_release(&b, its);
    actor_stop(&b);
    actor_stop(&c);
}

static void
test_a_signal_just_before_the_sleep_is_seen(void)
{
    see_early_signals(0);
}

/* A timer that went off for a while has not made it deaf. */
static void
test_a_signal_just_before_the_sleep_is_seen_after_many_others(void)
{
    see_early_signals(50);
}

#else
#define test_a_signal_just_before_the_sleep_is_seen() ((void)0)
#define test_a_signal_just_before_the_sleep_is_seen_after_many_others() ((void)0)
#endif

int
main(void)
{
    CASE(test_one_release_grants_all_that_do_not_conflict_and_wakes_them_outside);
    CASE(test_waiters_that_give_up_at_the_moment_of_the_release_are_right);
    CASE(test_waiters_that_are_interrupted_at_the_moment_of_the_release_are_right);
    CASE(test_waiters_sleep_in_peace);
    CASE(test_a_signal_just_before_the_sleep_is_seen);
    CASE(test_a_signal_just_before_the_sleep_is_seen_after_many_others);
    return 0;
}
