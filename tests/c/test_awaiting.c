/*
 * Waits that no thread sleeps in: granted, left, aside, and raced.
 */
#include "visits.h"

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

/* -- beside what the thread itself waits for ------------------------------------------ */

/* An owner that waits, and what for. */
typedef struct {
    la_owner *owner;
    la_lock *lock;
    la_hold *hold;
    bell bell;
    la_thread *thread;
    la_await_status status;
} place;

static void
call_await(la_thread *self, void *context)
{
    place *p = context;
    p->thread = self;
    p->bell.notice.tell = bell_tell;
    (void)la_owner_exchange(self, p->owner);
    p->status = la_await(p->lock, p->hold, self, &p->bell.notice, NULL);
    (void)la_owner_exchange(self, NULL);
}

static void
call_accept_and_release(la_thread *self, void *context)
{
    place *p = context;
    (void)la_owner_exchange(self, p->owner);
    p->status = la_await_accept(p->hold, self);
    if (p->status == LA_AWAIT_HELD) {
        la_release(p->hold, self);
    }
    (void)la_owner_exchange(self, NULL);
}

static place begun_in_handler;

static void
act_await_and_acquire(visit *self)
{
    call_await(la_thread_self(), &begun_in_handler);
    act_acquire_and_release(self);
}

/*
 * In a handler, amid a wait at x, an owner begins to wait for z, and then the thread for y. Whoever
 * has y is not behind that owner, which could not go on with z.
 */
static void
test_a_wait_in_a_handler_sets_aside_what_was_begun_there(void)
{
    host t;
    actor a, q, v;
    host_start(&t);
    actor_start(&a);
    actor_start(&q);
    actor_start(&v);
    la_hold *vs = case_hold(LA_WRITE, 0, 8), *ts = case_hold(LA_WRITE, 0, 8);
    la_hold *qs = case_hold(LA_WRITE, 0, 8), *a_on_y = case_hold(LA_WRITE, 0, 8);
    la_hold *a_on_z = case_hold(LA_WRITE, 0, 8);
    begun_in_handler = (place){.owner = la_owner_new(), .lock = &z, .hold = case_hold(LA_WRITE, 0, 8)};
    actor_acquire(&v, &x, vs);
    actor_acquire(&q, &z, qs);
    actor_acquire(&a, &y, a_on_y);
    t.visit.act = act_await_and_acquire;
    t.visit.lock = &y;
    t.visit.hold = case_hold(LA_WRITE, 0, 8);
    actor_wait(&t.actor, &x, ts);
    host_visit(&t);
    visit_act(&t.visit);
    until_waiters(&z, 1);
    until_waiters(&y, 1);
    CHECK(look(&z, begun_in_handler.hold).aside);
    actor_wait(&a, &z, a_on_z);
    actor_release(&q, qs);
    CHECK(actor_done(&a) == LA_OK);
    actor_release(&a, a_on_z);
    actor_release(&a, a_on_y);
    visit_end(&t.visit);                /* the handler has had y; t sleeps for x again */
    actor_release(&v, vs);
    CHECK(actor_done(&t.actor) == LA_OK);
    actor_release(&t.actor, ts);
    actor_call(&t.actor, call_accept_and_release, &begun_in_handler);
    CHECK(begun_in_handler.status == LA_AWAIT_HELD);
    la_owner_free(begun_in_handler.owner, la_thread_self());
    actor_stop(&t.actor);
    actor_stop(&a);
    actor_stop(&q);
    actor_stop(&v);
}

/*
 * t tries x with something of another owner in its hands, which waits for z. The walk is stopped at
 * y, whose waiter is b, and b is behind that owner at z. There z is given back: b waits for t now, by
 * a hard edge that the first walk has not seen. A try is not refused; it has not got x, that is all.
 */
static void
test_a_try_beside_an_owner_that_is_granted_its_lock_is_no_deadlock(void)
{
    la_thread *self = la_thread_self();
    actor t, b, q, v, w;
    actor_start(&t);
    actor_start(&b);
    actor_start(&q);
    actor_start(&v);
    actor_start(&w);
    place p = {.owner = la_owner_new(), .lock = &z, .hold = case_hold(LA_WRITE, 0, 8)};
    la_hold *qs = case_hold(LA_WRITE, 0, 8), *b_on_y = case_hold(LA_WRITE, 0, 8);
    la_hold *b_on_z = case_hold(LA_WRITE, 0, 8), *vs = case_hold(LA_WRITE, 16, 8);
    la_hold *ws = case_hold(LA_WRITE, 8, 16), *ts = case_hold(LA_WRITE, 0, 16);
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *my_y = case_hold(LA_WRITE, 0, 8);
    actor_acquire(&q, &z, qs);
    actor_call(&t, call_await, &p);
    CHECK(p.status == LA_AWAIT_QUEUED);
    actor_acquire(&b, &y, b_on_y);
    actor_wait(&b, &z, b_on_z);
    actor_acquire(&v, &x, vs);
    actor_wait(&w, &x, ws);             /* in front of t, and not in its way for long */
    until_old();

    la_graph_lock();
    t.lock = &x;
    t.hold = ts;
    t.deadline = LA_NOW;
    actor_send(&t, ACQUIRE);
    while (atomic_load(&p.thread->waiting) != ts) {
        sched_yield();                  /* it has tried, and is about to enter the graph */
    }
    /* As a thread would that takes x, waits for y, and is in the graph. */
    CHECK(acquire(&x, mine) == LA_OK);
    my_y->lock = &y;
    my_y->thread = self;
    my_y->notify = NULL;
    my_y->wanted_by = la_thread_owner(self);
    my_y->heeds = UINT64_MAX;
    my_y->nested = true;
    la_wakes wakes = {0};
    la_lock_enter(&y, self);
    la_queue_append_locked(my_y);
    la_lock_leave(&y, self, &wakes);
    CHECK(!la_graph_add_locked(my_y, NULL));
    la_mutex_lock(&y.mutex);
    la_graph_unlock();

    until_stopped(&y);                  /* in the first walk */
    la_mutex_lock(&z.mutex);
    la_mutex_unlock(&y.mutex);
    until_stopped(&z);
    la_mutex_lock(&y.mutex);
    la_mutex_unlock(&z.mutex);
    until_stopped(&y);                  /* in the second */
    actor_release(&q, qs);
    CHECK(atomic_load(&p.bell.told) == 1);
    la_mutex_unlock(&y.mutex);
    CHECK(actor_done(&t) == LA_TIMEOUT);

    la_graph_remove(my_y);
    la_lock_enter(&y, self);
    la_queue_remove_locked(my_y);
    la_lock_leave(&y, self, &wakes);
    release(mine);
    actor_call(&t, call_accept_and_release, &p);
    CHECK(p.status == LA_AWAIT_HELD);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, b_on_z);
    actor_release(&b, b_on_y);
    actor_release(&v, vs);
    CHECK(actor_done(&w) == LA_OK);
    actor_release(&w, ws);
    la_owner_free(p.owner, self);
    actor_stop(&t);
    actor_stop(&b);
    actor_stop(&q);
    actor_stop(&v);
    actor_stop(&w);
}

int
main(void)
{
    RUN(test_a_free_lock_is_had_at_once);
    RUN(test_one_is_told_once_when_it_is_granted);
    RUN(test_one_that_leaves_is_not_told_and_those_behind_are_served);
    RUN(test_waits_race_with_threads);
    CASE(test_a_wait_in_a_handler_sets_aside_what_was_begun_there);
    CASE(test_a_try_beside_an_owner_that_is_granted_its_lock_is_no_deadlock);
    return 0;
}
