/*
 * Waits that no thread sleeps in: granted, left, aside, and raced.
 */
#include "actors.h"

#include "lock/awaiting.h"

typedef struct {
    la_notice notice;
    atomic_int told;
} bell;

static void
bell_tell(la_notice *notice)
{
    atomic_fetch_add(&((bell *)notice)->told, 1);
}

static la_hold *
whole(la_mode mode)
{
    la_hold *hold = la_hold_new(la_thread_self(), mode);
    la_region_set_whole(&hold->region);
    return hold;
}

/* Waits as another owner of this thread, which is not current afterwards. */
static la_await_status
await_as(la_owner *owner, la_lock *lock, la_hold *hold, bell *b)
{
    la_thread *self = la_thread_self();
    *b = (bell){.notice = {.tell = bell_tell}};
    (void)la_owner_exchange(self, owner);
    la_await_status status = la_await(lock, hold, self, &b->notice, NULL);
    (void)la_owner_exchange(self, NULL);
    return status;
}

static la_await_status
accept_as(la_owner *owner, la_hold *hold)
{
    la_thread *self = la_thread_self();
    (void)la_owner_exchange(self, owner);
    la_await_status status = la_await_accept(hold, self);
    (void)la_owner_exchange(self, NULL);
    return status;
}

static void
test_a_free_lock_is_had_at_once(void)
{
    la_lock lock;
    la_lock_init(&lock, 1);
    la_thread *self = la_thread_self();
    la_owner *owner = la_owner_new();
    la_hold *hold = whole(LA_WRITE);
    bell b;
    CHECK(await_as(owner, &lock, hold, &b) == LA_AWAIT_HELD);
    CHECK(atomic_load(&b.told) == 0);
    la_release(hold, self);
    la_hold_free(hold, self);
    la_owner_free(owner, self);
    la_lock_destroy(&lock);
}

static void
test_one_is_told_once_when_it_is_granted(void)
{
    la_lock lock;
    la_lock_init(&lock, 1);
    la_thread *self = la_thread_self();
    la_owner *owner = la_owner_new();
    la_hold *mine = whole(LA_WRITE), *theirs = whole(LA_WRITE);
    bell b;
    CHECK(la_acquire(&lock, mine, self, LA_NEVER, NULL, NULL) == LA_OK);
    CHECK(await_as(owner, &lock, theirs, &b) == LA_AWAIT_QUEUED);
    CHECK(accept_as(owner, theirs) == LA_AWAIT_QUEUED);
    la_release(mine, self);
    CHECK(atomic_load(&b.told) == 1);
    CHECK(!la_try_acquire(&lock, mine, self));
    CHECK(accept_as(owner, theirs) == LA_AWAIT_HELD);
    la_release(theirs, self);
    CHECK(la_try_acquire(&lock, mine, self));
    la_release(mine, self);
    la_hold_free(mine, self);
    la_hold_free(theirs, self);
    la_owner_free(owner, self);
    la_lock_destroy(&lock);
}

static void
test_one_that_leaves_is_not_told_and_those_behind_are_served(void)
{
    la_lock lock;
    la_lock_init(&lock, 1);
    la_thread *self = la_thread_self();
    la_owner *first = la_owner_new(), *second = la_owner_new();
    la_hold *mine = whole(LA_READ), *writer = whole(LA_WRITE), *reader = whole(LA_READ);
    bell b, c;
    CHECK(la_acquire(&lock, mine, self, LA_NEVER, NULL, NULL) == LA_OK);
    CHECK(await_as(first, &lock, writer, &b) == LA_AWAIT_QUEUED);
    int64_t since = la_now();
    while (la_now() < since + 2 * LA_HAND_OFF_NS) {
    }
    CHECK(await_as(second, &lock, reader, &c) == LA_AWAIT_QUEUED);
    CHECK(!la_await_leave(writer, self));
    CHECK(atomic_load(&b.told) == 0 && atomic_load(&c.told) == 1);
    CHECK(la_await_leave(reader, self));        /* granted, and not accepted */
    la_release(mine, self);
    CHECK(la_lock_list(&lock, self, NULL, 0) == 0);
    la_hold_free(mine, self);
    la_hold_free(writer, self);
    la_hold_free(reader, self);
    la_owner_free(first, self);
    la_owner_free(second, self);
    la_lock_destroy(&lock);
}

typedef struct {
    la_lock *lock;
    int turns;
} worker;

static void *
work(void *context)
{
    worker *w = context;
    la_thread *self = la_thread_self();
    la_hold *hold = whole(LA_WRITE);
    for (int i = 0; i < w->turns; i++) {
        CHECK(la_acquire(w->lock, hold, self, LA_NEVER, NULL, NULL) == LA_OK);
        la_release(hold, self);
    }
    la_hold_free(hold, self);
    return NULL;
}

static void
test_waits_race_with_threads(void)
{
    la_lock lock;
    la_lock_init(&lock, 1);
    la_thread *self = la_thread_self();
    la_owner *owner = la_owner_new();
    worker w = {&lock, 3000};
    pthread_t threads[2];
    la_hold *hold = whole(LA_WRITE);
    uint64_t state = random_seed();
    for (int i = 0; i < 2; i++) {
        threads[i] = thread_start(work, &w);
    }
    for (int i = 0; i < 2000; i++) {
        bell b;
        la_await_status status = await_as(owner, &lock, hold, &b);
        if (status == LA_AWAIT_HELD) {
            la_release(hold, self);
            continue;
        }
        bool told = false, held = false;
        if (random_below(&state, 2)) {
            told = la_await_leave(hold, self);
        }
        else {
            while ((status = accept_as(owner, hold)) == LA_AWAIT_QUEUED) {
                sched_yield();
            }
            told = held = true;
            CHECK(status == LA_AWAIT_HELD);
        }
        while (told && atomic_load(&b.told) == 0) {
            sched_yield();
        }
        CHECK(atomic_load(&b.told) == told);
        if (held) {
            la_release(hold, self);
        }
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK(la_lock_list(&lock, self, NULL, 0) == 0);
    la_hold_free(hold, self);
    la_owner_free(owner, self);
    la_lock_destroy(&lock);
}

int
main(void)
{
    RUN(test_a_free_lock_is_had_at_once);
    RUN(test_one_is_told_once_when_it_is_granted);
    RUN(test_one_that_leaves_is_not_told_and_those_behind_are_served);
    RUN(test_waits_race_with_threads);
    return 0;
}
