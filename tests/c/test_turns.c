/*
 * Whose turn it is, under load: six threads take three locks at random, write down when they
 * asked, when they were in the queue and when they had the lock, and the test looks
 * afterwards whether anybody ran past a waiter that was old when it asked.
 *
 * Meanwhile an observer lists the locks all the time: no two holds conflict, and the queue
 * keeps its order. (A debug build checks more each time the mutex of a lock is given back.)
 */
#include "check.h"

#define THREADS 6
#define LOCKS 3
#define SLOTS 4                 /* of a lock: a region is some of them */
#define SLOT (INT64_C(1) << 32)

/* What one thread asked for once. */
typedef struct {
    la_lock *lock;
    la_mode mode;
    int64_t low, high;          /* high says which request it is, see below */
    bool nested;
    la_status status;
    int64_t asked;              /* before la_acquire was called */
    int64_t queued;             /* when it was in the queue, at the latest; 0: it was not */
    int64_t got;                /* when la_acquire had returned */
    int thread;
} request;

typedef struct {
    uint64_t random;
    int number;
    int turns;
    int nested;                 /* how many holds at a time, at most */
    bool ascending;             /* in the order of locks, one of each */
    bool alone_writes;          /* writes only as the first and last, reads else */
    bool hurries;               /* tries, and waits with deadlines */
    bool interrupted;           /* handles signals while it waits */
    request *requests;          /* with room for `turns` */
    int count;
    atomic_bool waits_often, done;
} player;

static la_lock locks[LOCKS];
static player players[THREADS];
static int outcomes[4];
static atomic_int handlers;

static int64_t
microseconds(int count)
{
    return count * (LA_MILLISECOND / 1000);
}

/* -- the players ------------------------------------------------------------------------ */

/* before_wait: in the queue since now, or since before. */
static void
note_queued(void *context)
{
    request *its = context;
    if (its->queued == 0) {
        its->queued = la_now();
    }
}

static int
handle_signal(void *context)
{
    (void)context;
    atomic_fetch_add(&handlers, 1);
    return 0;
}

/* Each region has an end of its own within its last slot, by which it is known. */
static la_hold *
request_fill(request *its, player *p, int lock, bool nested, bool last)
{
    uint64_t *random = &p->random;
    int low = random_below(random, SLOTS), size = 1 + random_below(random, SLOTS - low);
    bool write = random_below(random, 100) < 40;
    if (p->alone_writes) {
        write = write && !nested && last;
    }
    *its = (request){ .lock = &locks[lock], .mode = write ? LA_WRITE : LA_READ,
                      .low = low * SLOT, .nested = nested, .thread = p->number };
    its->high = (low + size) * SLOT - (p->number * p->turns + p->count);
    return hold_extent(its->mode, its->low, its->high - its->low);
}

static la_hold *
player_ask(player *p, la_thread *self, int lock, bool nested, bool last)
{
    request *its = &p->requests[p->count];
    la_hold *hold = request_fill(its, p, lock, nested, last);
    la_wait_hooks hooks = { .before_wait = note_queued, .context = its,
                            .check_interrupt = p->interrupted ? handle_signal : NULL };
    int how = p->hurries ? random_below(&p->random, 8) : 8;
    p->count++;
    its->asked = la_now();
    int64_t deadline = how == 0 ? LA_NOW
        : how == 1 ? its->asked + microseconds(random_below(&p->random, 5000)) : LA_NEVER;
    its->status = la_acquire(its->lock, hold, self, deadline, &hooks, NULL);
    its->got = la_now();
    CHECK(its->status != LA_TIMEOUT || deadline != LA_NEVER);
    if (its->status != LA_OK) {
        la_hold_free(hold, self);
        return NULL;
    }
    return hold;
}

/* Up to 300 microseconds, half of them asleep. */
static void
work(uint64_t *random)
{
    int64_t end = la_now() + microseconds(random_below(random, 300));
    if (random_below(random, 2)) {
        usleep((useconds_t)random_below(random, 300));
    }
    while (la_now() < end) {
    }
}

static void *
play(void *argument)
{
    player *p = argument;
    la_thread *self = la_thread_self();
    la_hold *holds[LOCKS];
    atomic_store(&p->waits_often, true);
    while (p->count < p->turns) {
        int wanted = 1 + random_below(&p->random, p->nested), count = 0, lock = -1;
        for (int i = 0; i < wanted && p->count < p->turns; i++) {
            lock = p->ascending ? lock + 1 + random_below(&p->random, LOCKS)
                                : random_below(&p->random, LOCKS);
            if (lock >= LOCKS) {
                break;
            }
            holds[count] = player_ask(p, self, lock, count > 0, wanted == 1);
            if (holds[count] == NULL) {
                break;
            }
            count++;
            work(&p->random);
        }
        while (count > 0) {
            la_release(holds[--count], self);
            la_hold_free(holds[count], self);
        }
        if (random_below(&p->random, 4) == 0) {
            work(&p->random);
        }
    }
    atomic_store(&p->done, true);
    return NULL;
}

/* -- the observer ------------------------------------------------------------------------ */

#define ROOM (THREADS * (LOCKS + 1))

typedef struct {
    int64_t waiters[LOCKS][ROOM];       /* which request, oldest first */
    size_t counts[LOCKS];
    long looks, seen_waiting;
} observer;

static void
check_holds(const la_hold_info *infos, size_t count)
{
    for (size_t i = 0; i < count && !infos[i].waits; i++) {
        for (size_t j = 0; j < i; j++) {
            CHECK(infos[i].owner == infos[j].owner
                  || (infos[i].mode == LA_READ && infos[j].mode == LA_READ)
                  || !la_regions_conflict(&infos[i].region, &infos[j].region));
            CHECK(infos[i].region.high != infos[j].region.high);
        }
    }
}

/* Who was there the last time is first, in the same order as then. */
static void
check_waiters(observer *o, int lock, const la_hold_info *infos, size_t count)
{
    int64_t now[ROOM];
    size_t waiting = 0, before = 0;
    bool new_ones = false;
    for (size_t i = 0; i < count; i++) {
        if (!infos[i].waits) {
            CHECK(waiting == 0);
            continue;
        }
        int64_t which = infos[i].region.high;
        size_t at = 0;
        while (at < o->counts[lock] && o->waiters[lock][at] != which) {
            at++;
        }
        if (at < o->counts[lock]) {
            CHECK(!new_ones && at >= before);
            before = at + 1;
        }
        else {
            new_ones = true;
        }
        now[waiting++] = which;
    }
    memcpy(o->waiters[lock], now, waiting * sizeof(now[0]));
    o->counts[lock] = waiting;
    o->seen_waiting += (long)waiting;
}

static void
observe(observer *o)
{
    la_hold_info infos[ROOM];
    for (int lock = 0; lock < LOCKS; lock++) {
        size_t count = la_lock_list(&locks[lock], la_thread_self(), infos, ROOM);
        CHECK(count <= ROOM);
        check_holds(infos, count);
        check_waiters(o, lock, infos, count);
    }
    o->looks++;
}

static bool
all_done(void)
{
    for (int i = 0; i < THREADS; i++) {
        if (!atomic_load(&players[i].done)) {
            return false;
        }
    }
    return true;
}

/* -- afterwards --------------------------------------------------------------------------- */

static bool
requests_conflict(const request *one, const request *other)
{
    return one->lock == other->lock && one->thread != other->thread
           && (one->mode == LA_WRITE || other->mode == LA_WRITE)
           && one->low < other->high && other->low < one->high;
}

/*
 * Did `newcomer` run past `waiter`: it asked when that one was old, and had the lock first?
 * The two exclude each other, so the one that returned first was the one that ran first.
 */
static bool
has_passed(const request *newcomer, const request *waiter)
{
    return newcomer->status == LA_OK && newcomer->got < waiter->got
           && newcomer->asked > waiter->queued + LA_HAND_OFF_NS
           && requests_conflict(newcomer, waiter);
}

/* In the log of each thread the requests are in the order of time. */
static const request *
first_asked_after(const player *p, int64_t time)
{
    int low = 0, high = p->count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (p->requests[middle].asked > time) {
            high = middle;
        }
        else {
            low = middle + 1;
        }
    }
    return p->requests + low;
}

typedef struct {
    int old;                    /* waited for more than a millisecond */
    int passed;                 /* by how many that came later, nested ones and others */
    int passed_by_first;        /* ... others only */
    int longest_turns;          /* most grants to others in conflict while one was old */
} verdict;

static void
judge_waiter(verdict *v, const request *waiter)
{
    int64_t old = waiter->queued + LA_HAND_OFF_NS;
    int turns = 0;
    for (int i = 0; i < THREADS; i++) {
        const request *end = players[i].requests + players[i].count;
        for (const request *its = first_asked_after(&players[i], old);
                its < end && its->asked < waiter->got; its++) {
            if (has_passed(its, waiter)) {
                v->passed++;
                v->passed_by_first += !its->nested;
            }
        }
        for (const request *its = players[i].requests; its < end && its->got < waiter->got;
                its++) {
            turns += its->got > old && its->status == LA_OK && requests_conflict(its, waiter);
        }
    }
    v->longest_turns = turns > v->longest_turns ? turns : v->longest_turns;
}

/* One that gave up had not left the queue yet when it returned: it proves nothing. */
static verdict
judge(void)
{
    verdict v = {0};
    for (int i = 0; i < THREADS; i++) {
        for (int j = 0; j < players[i].count; j++) {
            const request *its = &players[i].requests[j];
            if (its->status == LA_OK && its->queued != 0
                    && its->got > its->queued + LA_HAND_OFF_NS) {
                v.old++;
                judge_waiter(&v, its);
            }
        }
    }
    return v;
}

static verdict
run(player model)
{
    pthread_t threads[THREADS];
    uint64_t random = random_seed();
    observer o = {0};
    ignore_signals();
    memset(outcomes, 0, sizeof(outcomes));
    for (int i = 0; i < LOCKS; i++) {
        la_lock_init(&locks[i], (uint64_t)i + 1);
    }
    model.turns *= stress_scale();
    for (int i = 0; i < THREADS; i++) {
        players[i] = model;
        players[i].number = i;
        players[i].random = random_next(&random);
        players[i].requests = calloc((size_t)model.turns, sizeof(request));
        CHECK(players[i].requests != NULL);
        threads[i] = thread_start(play, &players[i]);
    }
    while (!all_done()) {
        int i = random_below(&random, THREADS);
        if (model.interrupted && atomic_load(&players[i].waits_often)
                && !atomic_load(&players[i].done)) {
            pthread_kill(threads[i], SIGUSR1);
        }
        observe(&o);
        usleep(50);
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
        for (int j = 0; j < players[i].count; j++) {
            outcomes[players[i].requests[j].status]++;
        }
    }
    verdict v = judge();
    for (int i = 0; i < THREADS; i++) {
        free(players[i].requests);
    }
    for (int i = 0; i < LOCKS; i++) {
        CHECK(la_lock_list(&locks[i], la_thread_self(), NULL, 0) == 0);
        la_lock_destroy(&locks[i]);
    }
    printf("(%d held, %d timed out, %d refused, %ld looks, %d were old, passed %d times, "
           "longest %d turns) ", outcomes[LA_OK], outcomes[LA_TIMEOUT], outcomes[LA_DEADLOCK],
           o.looks, v.old, v.passed, v.longest_turns);
    CHECK(v.old > 0 && o.seen_waiting > 0);
    return v;
}

/* -- the runs ----------------------------------------------------------------------------- */

/* Where nobody nests, each other thread has at most the one turn that it asked for before. */
static void
test_nobody_runs_past_an_old_waiter(void)
{
    verdict v = run((player){ .turns = 500, .nested = 1, .hurries = true });
    CHECK(v.passed == 0 && v.longest_turns < THREADS);
    CHECK(outcomes[LA_DEADLOCK] == 0);
}

static void
test_nobody_runs_past_an_old_waiter_that_handles_signals(void)
{
    verdict v = run((player){ .turns = 500, .nested = 1, .hurries = true,
                              .interrupted = true });
    CHECK(v.passed == 0 && v.longest_turns < THREADS);
    CHECK(outcomes[LA_DEADLOCK] == 0);
}

/* In the order of the locks: no cycle, so nobody is refused, and nobody has to overtake. */
static void
test_threads_that_nest_in_order_run_past_nobody(void)
{
    verdict v = run((player){ .turns = 500, .nested = LOCKS, .ascending = true });
    CHECK(v.passed == 0 && v.longest_turns < THREADS);
    CHECK(outcomes[LA_DEADLOCK] == 0);
}

static void
test_threads_that_nest_in_order_and_hurry_run_past_nobody(void)
{
    verdict v = run((player){ .turns = 500, .nested = LOCKS, .ascending = true,
                              .hurries = true, .interrupted = true });
    CHECK(v.passed == 0 && v.longest_turns < THREADS);
    CHECK(outcomes[LA_DEADLOCK] == 0);
}

/*
 * Readers nest in any order, and read again what they read; who writes holds nothing else.
 * There are cycles through the queues all the time, and none through holds alone: nobody may
 * be refused, and nobody hangs. Who holds nothing else runs past nobody.
 */
static void
test_readers_that_nest_in_any_order_are_never_refused(void)
{
    verdict v = run((player){ .turns = 500, .nested = LOCKS, .alone_writes = true });
    CHECK(outcomes[LA_DEADLOCK] == 0 && v.passed_by_first == 0);
}

static void
test_readers_that_nest_in_any_order_and_hurry_are_never_refused(void)
{
    verdict v = run((player){ .turns = 500, .nested = LOCKS, .alone_writes = true,
                              .hurries = true, .interrupted = true });
    CHECK(outcomes[LA_DEADLOCK] == 0 && v.passed_by_first == 0);
}

/* Whatever comes: all end. */
static void
test_threads_that_nest_in_any_order_all_end(void)
{
    verdict v = run((player){ .turns = 500, .nested = LOCKS, .hurries = true,
                              .interrupted = true });
    CHECK(outcomes[LA_DEADLOCK] > 0 && v.passed_by_first == 0);
}

int
main(void)
{
    RUN(test_nobody_runs_past_an_old_waiter);
    RUN(test_nobody_runs_past_an_old_waiter_that_handles_signals);
    RUN(test_threads_that_nest_in_order_run_past_nobody);
    RUN(test_threads_that_nest_in_order_and_hurry_run_past_nobody);
    RUN(test_readers_that_nest_in_any_order_are_never_refused);
    RUN(test_readers_that_nest_in_any_order_and_hurry_are_never_refused);
    RUN(test_threads_that_nest_in_any_order_all_end);
    return 0;
}
