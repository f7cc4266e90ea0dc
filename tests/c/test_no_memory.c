/*
 * No memory: each allocation of the lock fails in turn. Who asked is told so, the lock is as it
 * was, and does its work afterwards.
 *
 * The linker has the lock call what is here in place of calloc and aligned_alloc.
 */
#include "actors.h"
#include "lock/change.h"
#include "lock/poison.h"
#include "lock/shared.h"
#include "lock/suspend.h"

#if LA_HAS_CONTROL
#include <sys/mman.h>
#endif

/* -- what fails --------------------------------------------------------------------- */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

/* Of the calling thread: how many allocations succeed before one fails, and whether all fail
   after it; LA_NO_LIMIT: none fails. */
#define NO_LIMIT (-1)
static LA_THREAD_LOCAL int left = NO_LIMIT, refused;
static LA_THREAD_LOCAL bool all_fail;

static bool
is_refused(void)
{
    if (left == NO_LIMIT) {
        return false;
    }
    if (left > 0) {
        left--;
        return false;
    }
    left = all_fail ? 0 : NO_LIMIT;
    refused++;
    return true;
}

void *
__wrap_calloc(size_t count, size_t size)
{
    return is_refused() ? NULL : __real_calloc(count, size);
}

void *
__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return is_refused() ? NULL : __real_aligned_alloc(alignment, size);
}

static void
allow(int count, bool then_all_fail)
{
    left = count;
    all_fail = then_all_fail;
    refused = 0;
}

/* Returns how many have failed. */
static int
allow_all(void)
{
    left = NO_LIMIT;
    return refused;
}

/* What is tried, and told whether it succeeded, is undone if it did. */
typedef bool attempt(void);

/*
 * Tries it with the first allocation failing, then with the second, until it succeeds without
 * that; `before` is called before each, and `after` behind each. Returns how often it failed.
 */
static int
until_it_succeeds(attempt *try, void (*before)(void), void (*after)(void))
{
    int failures = 0;

    for (int fail_all = 0; fail_all <= 1; fail_all++) {
        bool succeeded = false;
        for (int count = 0; !succeeded; count++) {
            before();
            allow(count, fail_all != 0);
            succeeded = try();
            int failed = allow_all();
            CHECK(succeeded == (failed == 0));
            failures += !succeeded;
            after();
        }
    }
    return failures;
}

/* -- records of holds ---------------------------------------------------------------- */

static la_hold *taken;          /* all records that no lock has, by `next` */
static int taken_count;

/* From now on a record needs memory. */
static void
empty_pool(void)
{
    la_hold *hold;

    taken = NULL;
    taken_count = 0;
    allow(0, true);
    while ((hold = la_hold_new(la_thread_self(), LA_READ)) != NULL) {
        hold->next = taken;
        taken = hold;
        taken_count++;
    }
    CHECK(allow_all() == 1);
}

static void
fill_pool(void)
{
    while (taken != NULL) {
        la_hold *next = taken->next;
        la_hold_free(taken, la_thread_self());
        taken = next;
    }
}

/* All but so many: the rest comes from what is in the pool. */
static void
empty_pool_but(int count)
{
    empty_pool();
    for (; count > 0 && taken != NULL; count--) {
        la_hold *next = taken->next;
        la_hold_free(taken, la_thread_self());
        taken = next;
    }
    CHECK(count == 0);
}

/* Are at least so many in the pool? */
static void
check_pool(int count)
{
    empty_pool();
    CHECK(taken_count >= count);
    fill_pool();
}

static void
test_a_hold_is_refused_and_what_is_held_stays(void)
{
    la_hold *held = case_hold(LA_WRITE, 0, 8), *other = case_hold(LA_WRITE, 8, 8);

    CHECK(acquire(&x, held) == LA_OK);
    empty_pool();
    for (int i = 0; i < 3; i++) {
        allow(0, false);
        CHECK(la_hold_new(la_thread_self(), LA_WRITE) == NULL && allow_all() == 1);
    }
    CHECK(is_mine(held));
    fill_pool();
    CHECK(acquire(&x, other) == LA_OK);
    release(other);
    release(held);
}

/* -- threads and owners ---------------------------------------------------------------- */

static void *
begin_without_memory(void *context)
{
    (void)context;
    allow(0, false);
    CHECK(la_thread_self() == NULL && allow_all() == 1);
    allow(0, false);
    CHECK(la_thread_self() == NULL && allow_all() == 1);
    la_hold *hold = hold_extent(LA_WRITE, 0, 8);
    CHECK(acquire(&x, hold) == LA_OK);
    release(hold);
    la_hold_free(hold, la_thread_self());
    return NULL;
}

/* The first of all, so that there are no records of threads that have ended. */
static void
test_a_thread_gets_no_record_and_one_later(void)
{
    CHECK(la_thread_self() != NULL);
    thread_join(thread_start(begin_without_memory, NULL));
}

static void
test_an_owner_is_refused_and_made_later(void)
{
    la_thread *self = la_thread_self();

    allow(0, false);
    CHECK(la_owner_new() == NULL && allow_all() == 1);
    la_owner *owner = la_owner_new();
    la_hold *hold = case_hold(LA_WRITE, 0, 8);
    CHECK(owner != NULL && la_owner_exchange(self, owner) == NULL);
    CHECK(acquire(&x, hold) == LA_OK);
    release(hold);
    CHECK(la_owner_exchange(self, NULL) == owner);
    la_owner_free(owner, self);
}

/* -- what a lock has besides itself ------------------------------------------------------ */

static void
fail_from_now_on(la_thread *self, void *context)
{
    (void)self;
    (void)context;
    allow(0, true);
}

static void
fail_no_more(la_thread *self, void *context)
{
    (void)self;
    (void)context;
    CHECK(allow_all() > 0 || *(bool *)context);
}

static actor other;

static void
test_the_lock_does_without_what_helps_it(void)
{
    enum { COUNT = 100 };
    la_hold *held[COUNT], *wanted = case_hold(LA_WRITE, 0, 8 * COUNT);
    bool may_be_none = true;

    for (int i = 0; i < COUNT; i++) {
        held[i] = case_hold(i % 2 ? LA_READ : LA_WRITE, 8 * i, 8);
    }
    allow(0, true);
    actor_call(&other, fail_from_now_on, NULL);
    for (int i = 0; i < COUNT; i++) {
        CHECK(acquire(&x, held[i]) == LA_OK);
    }
    CHECK(la_lock_rare_of(&x) == NULL);
    actor_wait(&other, &x, wanted);
    for (int i = 0; i < COUNT; i++) {
        release(held[i]);
    }
    CHECK(actor_done(&other) == LA_OK);
    CHECK(!try_acquire(&x, held[0]));
    actor_release(&other, wanted);
    CHECK(la_lock_rare_of(&x) == NULL && allow_all() > 0);
    actor_call(&other, fail_no_more, &may_be_none);
}

/* The index comes when there are many holds already. */
static void
test_what_helps_the_lock_may_come_late(void)
{
    enum { COUNT = 100 };
    la_hold *held[COUNT], *wanted = case_hold(LA_WRITE, 8 * (COUNT - 1), 8);

    for (int i = 0; i < COUNT; i++) {
        held[i] = case_hold(LA_WRITE, 8 * i, 8);
    }
    allow(0, true);
    for (int i = 0; i < COUNT - 1; i++) {
        CHECK(acquire(&x, held[i]) == LA_OK);
    }
    CHECK(allow_all() > 0 && la_lock_rare_of(&x) == NULL);
    CHECK(acquire(&x, held[COUNT - 1]) == LA_OK);
    CHECK(la_lock_rare_of(&x) != NULL);
    actor_wait(&other, &x, wanted);
    for (int i = COUNT - 1; i >= 0; i--) {
        release(held[i]);
    }
    CHECK(actor_done(&other) == LA_OK);
    actor_release(&other, wanted);
}

static void
test_readers_do_without_what_helps_them(void)
{
    la_hold *outer = case_hold(LA_READ, 0, 8), *inner = case_hold(LA_READ, 0, 8);

    allow(0, true);
    CHECK(acquire(&x, outer) == LA_OK);
    for (int i = 0; i < 1000; i++) {
        CHECK(acquire(&x, inner) == LA_OK);
        release(inner);
    }
    release(outer);
    CHECK(!is_biased(&x) && allow_all() > 0);
    until_biased(&x);
    CHECK(try_acquire(&x, outer));
    release(outer);
    outer = case_hold(LA_WRITE, 0, 8);
    CHECK(acquire(&x, outer) == LA_OK);
    release(outer);
}

/* -- waiting for a change ----------------------------------------------------------------- */

static la_hold *read_hold;      /* of two parts */
static int pool_before;

static void
before_watch(void)
{
    read_hold = hold_extent(LA_READ, 0, 8);
    la_hold_chain(read_hold, hold_extent(LA_READ, 16, 8));
    CHECK(acquire(&y, read_hold) == LA_OK);
    empty_pool_but(1);
    pool_before = taken_count;
}

static bool
try_watch(void)
{
    bool full = false;
    la_hold *watch = la_change_watch(&y, read_hold, la_thread_self(), NULL, NULL, NULL, &full);

    CHECK(!full);
    if (watch == NULL) {
        return false;
    }
    CHECK(!la_change_is_seen(watch));
    la_change_end(watch, la_thread_self(), NULL);
    return true;
}

static void
after_watch(void)
{
    CHECK(is_mine(read_hold));
    release(read_hold);
    la_hold_free(read_hold, la_thread_self());
    fill_pool();
    check_pool(pool_before + 2);
    CHECK(la_lock_rare_of(&y) == NULL || la_lock_rare_of(&y)->changes.count == 0);
    la_hold *write = hold_extent(LA_WRITE, 0, 100);
    CHECK(try_acquire(&y, write));
    release(write);
    la_hold_free(write, la_thread_self());
}

static void
test_a_watch_is_refused_and_leaves_nothing(void)
{
    CHECK(until_it_succeeds(try_watch, before_watch, after_watch) >= 2);
}

/* -- suspending ------------------------------------------------------------------------- */

static la_kept kept[2], room[2];

static void
before_suspend(void)
{
    la_hold *first = hold_extent(LA_WRITE, 0, 8), *second = hold_extent(LA_READ, 4, 8);
    CHECK(acquire(&z, first) == LA_OK && acquire(&z, second) == LA_OK);
    kept[0] = la_hold_keep(first);
    kept[1] = la_hold_keep(second);
    empty_pool_but(1);
    pool_before = taken_count;
}

static la_status
acquire_all(la_lock *lock, la_hold *all, la_thread *thread, la_deadlock *deadlock)
{
    return la_acquire(lock, all, thread, LA_NEVER, NULL, deadlock);
}

static bool
try_suspend(void)
{
    la_suspension suspension = {.lock = &z, .kept = room};
    la_deadlock deadlock;

    if (!la_suspend(&suspension, la_thread_self())) {
        CHECK(suspension.all == NULL);
        return false;
    }
    CHECK(!la_kept_is_mine(kept[0], la_thread_self()));
    CHECK(la_resume(&suspension, la_thread_self(), acquire_all, &deadlock) == LA_OK);
    return true;
}

static void
after_suspend(void)
{
    fill_pool();
    for (int i = 0; i < 2; i++) {
        CHECK(la_kept_is_mine(kept[i], la_thread_self()));
        la_hold_unkeep(kept[i].hold);
        release(kept[i].hold);
        la_hold_free(kept[i].hold, la_thread_self());
    }
    check_pool(pool_before + 2);
}

static void
test_a_suspension_is_refused_and_all_stays_held(void)
{
    CHECK(until_it_succeeds(try_suspend, before_suspend, after_suspend) >= 2);
}

/* -- between processes --------------------------------------------------------------------- */

#if LA_HAS_CONTROL

static la_lock shared[2];       /* two attachments of one control block, as of two processes */
static void *control;

static void
before_attach(void)
{
    control = mmap(NULL, la_control_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                   -1, 0);
    CHECK(control != MAP_FAILED && la_control_init(control, 77, 0) == 0);
    la_lock_init(&shared[0], 1);
}

static bool
try_attach(void)
{
    if (la_shared_attach(&shared[0], control) == NULL) {
        CHECK(shared[0].shared == NULL && atomic_load(&shared[0].state) == LA_FREE);
        return false;
    }
    return true;
}

static void
after_attach(void)
{
    la_hold *hold = hold_extent(LA_WRITE, 0, 8);
    CHECK(acquire(&shared[0], hold) == LA_OK);      /* as a lock of this process alone, too */
    release(hold);
    la_hold_free(hold, la_thread_self());
    la_shared_detach(&shared[0], la_thread_self());
    la_lock_destroy(&shared[0]);
    CHECK(munmap(control, la_control_size()) == 0);
}

static void
test_attaching_is_refused_and_leaves_a_lock(void)
{
    CHECK(until_it_succeeds(try_attach, before_attach, after_attach) >= 2);
}

static void
before_sit(void)
{
    before_attach();
    CHECK(la_shared_attach(&shared[0], control) != NULL);
    read_hold = hold_extent(LA_WRITE, 0, 8);
}

/* A thread has no place in the table yet. */
static bool
try_sit(void)
{
    la_status status = acquire(&shared[0], read_hold);
    CHECK(status == LA_OK || status == LA_FULL);
    if (status == LA_OK) {
        release(read_hold);
    }
    return status == LA_OK;
}

static void
after_sit(void)
{
    la_hold_free(read_hold, la_thread_self());
    after_attach();
}

static void
test_a_place_between_processes_is_refused_and_found_later(void)
{
    CHECK(until_it_succeeds(try_sit, before_sit, after_sit) >= 1);
}

static void
before_replica(void)
{
    before_sit();
    la_lock_init(&shared[1], 2);
    CHECK(la_shared_attach(&shared[1], control) != NULL);
    la_hold *mine = case_hold(LA_READ, 100, 8);
    CHECK(acquire(&shared[1], mine) == LA_OK);      /* it has a place, and knows of no other */
    release(mine);
    actor_acquire(&other, &shared[0], read_hold);
    empty_pool();
}

/* What another process holds is not known, so nothing is free. */
static bool
try_replica(void)
{
    static la_hold *hold;
    if (hold == NULL) {
        hold = taken;
        taken = taken->next;
        hold->mode = LA_READ;
        la_region_set_extent(&hold->region, 1000, 8);
    }
    la_status status = la_acquire(&shared[1], hold, la_thread_self(), LA_NOW, NULL, NULL);
    CHECK(status == LA_OK || status == LA_POISONED);
    if (status == LA_OK) {
        release(hold);
    }
    else {
        la_poison poison;
        int failed = refused;
        allow(0, true);
        CHECK(la_shared_poison(hold, la_thread_self(), &poison) && poison.pid == 0);
        refused = failed;
    }
    if (status == LA_OK) {
        la_hold_free(hold, la_thread_self());
        hold = NULL;
    }
    return status == LA_OK;
}

static void
after_replica(void)
{
    fill_pool();
    la_hold *hold = hold_extent(LA_WRITE, 1000, 8);
    CHECK(acquire(&shared[1], hold) == LA_OK);
    release(hold);
    la_region_set_extent(&hold->region, 0, 8);
    CHECK(la_acquire(&shared[1], hold, la_thread_self(), LA_NOW, NULL, NULL) == LA_TIMEOUT);
    actor_release(&other, read_hold);
    CHECK(acquire(&shared[1], hold) == LA_OK);
    release(hold);
    la_hold_free(hold, la_thread_self());
    la_shared_detach(&shared[1], la_thread_self());
    la_lock_destroy(&shared[1]);
    after_sit();
}

static void
test_what_others_hold_is_refused_and_known_later(void)
{
    CHECK(until_it_succeeds(try_replica, before_replica, after_replica) >= 3);
}

#endif

int
main(void)
{
    CASE(test_a_thread_gets_no_record_and_one_later);
    CASE(test_an_owner_is_refused_and_made_later);
    CASE(test_a_hold_is_refused_and_what_is_held_stays);
    actor_start(&other);
    CASE(test_the_lock_does_without_what_helps_it);
    CASE(test_what_helps_the_lock_may_come_late);
    CASE(test_readers_do_without_what_helps_them);
    CASE(test_a_watch_is_refused_and_leaves_nothing);
    CASE(test_a_suspension_is_refused_and_all_stays_held);
#if LA_HAS_CONTROL
    CASE(test_attaching_is_refused_and_leaves_a_lock);
    CASE(test_a_place_between_processes_is_refused_and_found_later);
    CASE(test_what_others_hold_is_refused_and_known_later);
#endif
    actor_stop(&other);
    return 0;
}
