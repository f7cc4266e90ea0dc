/*
 * Owners that are not threads, case by case: several of them in one thread, and
 * one that goes on in another thread.
 */
#include "actors.h"

static la_owner *
owner_new(void)
{
    la_owner *owner = la_owner_new();
    CHECK(owner != NULL && !la_owner_holds_any(owner));
    CHECK(atomic_load(&owner->thread) == NULL);
    return owner;
}

/* Makes it the current one of the calling thread; returns the one before. */
static la_owner *
become(la_owner *owner)
{
    return la_owner_exchange(la_thread_self(), owner);
}

static void
owner_free(la_owner *owner)
{
    la_owner_free(owner, la_thread_self());
}

/* In an actor's thread. */
static void
call_become(la_thread *self, void *context)
{
    (void)la_owner_exchange(self, context);
}

static void
call_free(la_thread *self, void *context)
{
    la_owner_free(context, self);
}

typedef struct {
    la_owner *owner, *result;
} exchange;

static void
call_exchange(la_thread *self, void *context)
{
    exchange *e = context;
    e->result = la_owner_exchange(self, e->owner);
}

static void
test_exchanges_return_the_owner_before(void)
{
    la_thread *self = la_thread_self();
    la_owner *first = owner_new(), *second = owner_new();
    CHECK(become(NULL) == NULL);
    CHECK(become(first) == NULL);
    CHECK(become(first) == first);
    CHECK(become(second) == first);
    CHECK(become(NULL) == second);
    CHECK(la_thread_owner(self) == &self->own);
    CHECK(self->others == NULL);
    owner_free(first);
    owner_free(second);
    CHECK(owner_new() == second);       /* records are used again */
    owner_free(second);
}

static void
test_an_owner_that_is_current_elsewhere_is_refused(void)
{
    actor b;
    actor_start(&b);
    la_owner *owner = owner_new();
    exchange e = {owner, NULL};
    CHECK(become(owner) == NULL);
    actor_call(&b, call_exchange, &e);
    CHECK(e.result == owner);
    la_hold *mine = case_hold(LA_WRITE, 0, 8);
    CHECK(acquire(&x, mine) == LA_OK);
    actor_call(&b, call_exchange, &e);
    CHECK(e.result == owner && is_mine(mine));
    release(mine);
    CHECK(become(NULL) == owner);
    actor_call(&b, call_exchange, &e);
    CHECK(e.result == NULL);
    CHECK(become(owner) == owner);
    CHECK(la_thread_owner(la_thread_self()) != owner);
    e.owner = NULL;
    actor_call(&b, call_exchange, &e);
    CHECK(e.result == owner);
    owner_free(owner);
    actor_stop(&b);
}

static void
test_holds_of_two_owners_of_a_thread_conflict(void)
{
    la_owner *owner = owner_new();
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *its = case_hold(LA_WRITE, 0, 8);
    la_hold *apart = case_hold(LA_WRITE, 8, 8);
    la_deadlock deadlock = {0};
    CHECK(acquire(&x, mine) == LA_OK);
    (void)become(owner);
    CHECK(!is_mine(mine));
    CHECK(!try_acquire(&x, its));
    CHECK(la_acquire(&x, its, la_thread_self(), LA_NEVER, NULL, &deadlock) == LA_DEADLOCK);
    CHECK(deadlock.length == 1);
    CHECK(deadlock.blocker == la_thread_self()->ident);
    CHECK(deadlock.last == la_thread_self()->ident);
    CHECK(deadlock.waits_for == x.serial && deadlock.of_one_lock);
    CHECK(la_lock_count_waiters(&x, la_thread_self()) == 0);
    CHECK(try_acquire(&x, apart));
    /* And the other way round. */
    (void)become(NULL);
    la_hold *again = case_hold(LA_READ, 8, 8);
    CHECK(!try_acquire(&x, again));
    CHECK(acquire(&x, again) == LA_DEADLOCK);
    release(mine);
    CHECK(acquire(&x, again) == LA_DEADLOCK);
    CHECK(!la_owner_holds_any(la_thread_owner(la_thread_self())));
    CHECK(la_thread_holds_any(la_thread_self()));
    (void)become(owner);
    release(apart);
    (void)become(NULL);
    CHECK(!la_thread_holds_any(la_thread_self()));
    CHECK(acquire(&x, again) == LA_OK);
    release(again);
    owner_free(owner);
}

/* A deadline does not help: the thread that sleeps is the one that would release. */
static void
test_a_wait_with_a_deadline_for_another_owner_of_the_thread_is_refused(void)
{
    la_owner *owner = owner_new();
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *its = case_hold(LA_READ, 0, 8);
    CHECK(acquire(&x, mine) == LA_OK);
    (void)become(owner);
    CHECK(la_acquire(&x, its, la_thread_self(), la_now() + 100 * SECOND, NULL, NULL)
          == LA_DEADLOCK);
    CHECK(la_acquire(&x, its, la_thread_self(), la_now() - 1, NULL, NULL) == LA_TIMEOUT);
    (void)become(NULL);
    release(mine);
    owner_free(owner);
}

/*
 * This thread holds x by its first owner and waits by another one for y, which b
 * holds, who waits for x. Whoever waits last is refused, whichever it is.
 */
static void
test_a_cycle_through_an_owner_that_does_not_wait_is_refused(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_owner *owner = owner_new();
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *its = case_hold(LA_WRITE, 0, 8);
    la_hold *bs_y = case_hold(LA_WRITE, 0, 8), *bs_x = case_hold(LA_READ, 0, 8);
    la_deadlock deadlock = {0};
    /* The thread with the owners waits last. */
    CHECK(acquire(&x, mine) == LA_OK);
    actor_acquire(&b, &y, bs_y);
    actor_wait(&b, &x, bs_x);
    (void)become(owner);
    CHECK(la_acquire(&y, its, la_thread_self(), LA_NEVER, NULL, &deadlock) == LA_DEADLOCK);
    CHECK(deadlock.length == 2 && deadlock.blocker == b.ident);
    CHECK(deadlock.waits_for == x.serial && deadlock.last == b.ident);
    (void)become(NULL);
    release(mine);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, bs_x);
    /* The other one does. */
    actor_acquire(&c, &x, mine);
    actor_call(&c, call_become, owner);
    actor_wait(&c, &y, its);
    actor_begin(&b, &x, bs_x);
    CHECK(actor_done(&b) == LA_DEADLOCK);
    CHECK(b.deadlock.length == 2 && b.deadlock.blocker == c.ident);
    CHECK(b.deadlock.waits_for == y.serial);
    actor_release(&b, bs_y);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, its);
    actor_call(&c, call_become, NULL);
    actor_release(&c, mine);
    owner_free(owner);
    actor_stop(&b);
    actor_stop(&c);
}

/* As above, but what the owner that does not wait holds is in nobody's way. */
static void
test_an_owner_that_holds_something_apart_closes_no_cycle(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_owner *owner = owner_new();
    la_hold *cs_x = case_hold(LA_WRITE, 8, 8), *cs_y = case_hold(LA_WRITE, 0, 8);
    la_hold *bs_y = case_hold(LA_WRITE, 0, 8), *bs_x = case_hold(LA_WRITE, 0, 8);
    la_hold *mine = case_hold(LA_WRITE, 0, 8);
    CHECK(acquire(&x, mine) == LA_OK);
    actor_acquire(&c, &x, cs_x);
    actor_call(&c, call_become, owner);
    actor_acquire(&b, &y, bs_y);
    actor_wait(&c, &y, cs_y);
    actor_wait(&b, &x, bs_x);           /* for this thread only */
    release(mine);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, bs_x);
    actor_release(&b, bs_y);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, cs_y);
    actor_call(&c, call_become, NULL);
    actor_release(&c, cs_x);
    owner_free(owner);
    actor_stop(&b);
    actor_stop(&c);
}

/* Its thread is busy with another owner, which does not wait: it will come to it. */
static void
test_who_waits_for_an_owner_that_is_not_current_is_not_refused(void)
{
    actor b;
    actor_start(&b);
    la_owner *owner = owner_new();
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *bs = case_hold(LA_WRITE, 0, 8);
    la_hold *bs_y = case_hold(LA_WRITE, 0, 8);
    CHECK(acquire(&x, mine) == LA_OK);
    (void)become(owner);
    actor_acquire(&b, &y, bs_y);
    actor_wait(&b, &x, bs);
    (void)become(NULL);
    release(mine);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, bs);
    actor_release(&b, bs_y);
    owner_free(owner);
    actor_stop(&b);
}

static void
test_an_owner_goes_on_in_another_thread(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_owner *owner = owner_new();
    la_hold *its = case_hold(LA_WRITE, 0, 8), *inner = case_hold(LA_READ, 0, 8);
    la_hold *cs = case_hold(LA_WRITE, 0, 8);
    actor_call(&b, call_become, owner);
    actor_acquire(&b, &x, its);
    actor_call(&b, call_become, NULL);
    CHECK(atomic_load(&owner->thread) != NULL);
    (void)become(owner);
    CHECK(is_mine(its) && la_thread_holds_any(la_thread_self()));
    CHECK(try_acquire(&x, inner));
    release(inner);
    la_hold_info info;
    CHECK(la_lock_list(&x, la_thread_self(), &info, 1) == 1);
    CHECK(info.thread == la_thread_self()->ident);
    actor_wait(&c, &x, cs);
    release(its);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, cs);
    (void)become(NULL);
    /* What it left behind is of no thread any more. */
    actor_acquire(&b, &x, its);
    actor_release(&b, its);
    owner_free(owner);
    actor_stop(&b);
    actor_stop(&c);
}

static void
test_freeing_an_owner_gives_back_what_it_holds(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_owner *owner = owner_new();
    la_hold *cs_x = case_hold(LA_READ, 0, 8), *cs_y = case_hold(LA_READ, 0, 8);
    la_kept kept[2];
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        (void)become(owner);
        for (int i = 0; i < 2; i++) {
            la_hold *hold = hold_extent(LA_WRITE, 0, 8);
            la_hold_chain(hold, hold_extent(LA_WRITE, 16, 8));
            CHECK(acquire(i == 0 ? &x : &y, hold) == LA_OK);
            kept[i] = la_hold_keep(hold);
        }
        (void)become(NULL);
        CHECK(la_thread_holds_any(la_thread_self()));
        actor_wait(&b, &x, cs_x);
        actor_wait(&c, &y, cs_y);
        if (elsewhere) {
            actor d;
            actor_start(&d);
            actor_call(&d, call_free, owner);
            actor_stop(&d);
        }
        else {
            owner_free(owner);
        }
        CHECK(!la_thread_holds_any(la_thread_self()));
        CHECK(!la_kept_is_held(kept[0]) && !la_kept_is_held(kept[1]));
        CHECK(actor_done(&b) == LA_OK);
        CHECK(actor_done(&c) == LA_OK);
        actor_release(&b, cs_x);
        actor_release(&c, cs_y);
        CHECK(owner_new() == owner);
    }
    owner_free(owner);
    actor_stop(&b);
    actor_stop(&c);
}

/* As greenlets do it: each wants the thread in turn. */
static void
test_owners_take_turns_in_a_thread(void)
{
    enum { OWNERS = 5, TURNS = 400 };
    la_owner *owners[OWNERS];
    la_hold *held[OWNERS] = {0};
    la_lock *locks[] = {&x, &y, &z};
    uint64_t random = random_seed();
    la_thread *self = la_thread_self();
    owners[0] = NULL;
    for (int i = 1; i < OWNERS; i++) {
        owners[i] = owner_new();
    }
    for (int turn = 0; turn < TURNS; turn++) {
        int i = random_below(&random, OWNERS);
        (void)become(owners[i]);
        if (held[i] != NULL) {
            CHECK(is_mine(held[i]));
            release(held[i]);
            la_hold_free(held[i], self);
            held[i] = NULL;
        }
        else {
            la_lock *lock = locks[random_below(&random, 3)];
            la_hold *hold = hold_extent(LA_WRITE, 8 * random_below(&random, 4), 12);
            bool free = true;
            for (int j = 0; j < OWNERS; j++) {
                free &= held[j] == NULL || held[j]->lock != lock
                        || !la_holds_conflict(held[j], hold);
            }
            CHECK(acquire(lock, hold) == (free ? LA_OK : LA_DEADLOCK));
            if (free) {
                held[i] = hold;
            }
            else {
                la_hold_free(hold, self);
            }
        }
        bool any = false;
        for (int j = 0; j < OWNERS; j++) {
            any |= held[j] != NULL;
        }
        CHECK(la_thread_holds_any(self) == any);
    }
    for (int i = OWNERS - 1; i >= 0; i--) {
        (void)become(owners[i]);
        if (held[i] != NULL) {
            release(held[i]);
            la_hold_free(held[i], self);
        }
    }
    for (int i = 1; i < OWNERS; i++) {
        owner_free(owners[i]);
    }
}

/* Whichever owner is current, and whatever the thread's others hold elsewhere. */
static void
test_an_owner_queues_behind_an_old_waiter(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_owner *owner = owner_new();
    la_hold *bs = case_hold(LA_READ, 0, 8), *cs = case_hold(LA_WRITE, 0, 8);
    la_hold *mine = case_hold(LA_READ, 0, 8), *apart = case_hold(LA_READ, 0, 8);
    actor_acquire(&b, &x, bs);
    actor_wait(&c, &x, cs);
    until_old();
    (void)become(owner);
    CHECK(!la_thread_holds_any(la_thread_self()));
    CHECK(!try_acquire(&x, mine));
    (void)become(NULL);
    CHECK(acquire(&y, apart) == LA_OK);
    (void)become(owner);
    CHECK(la_thread_holds_any(la_thread_self()));
    CHECK(!try_acquire(&x, mine));
    (void)become(NULL);
    release(apart);
    actor_release(&b, bs);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, cs);
    owner_free(owner);
    actor_stop(&b);
    actor_stop(&c);
}

/* Who is in front waits for another owner of the same thread, which cannot go on. */
static void
test_an_owner_overtakes_who_waits_for_its_thread(void)
{
    actor c;
    actor_start(&c);
    la_owner *owner = owner_new();
    la_hold *cs = case_hold(LA_WRITE, 0, 8), *mine = case_hold(LA_READ, 0, 8);
    la_hold *other = case_hold(LA_READ, 0, 8);
    CHECK(acquire(&x, other) == LA_OK);
    actor_wait(&c, &x, cs);
    until_old();
    (void)become(owner);
    CHECK(try_acquire(&x, mine));
    release(mine);
    CHECK(acquire(&x, mine) == LA_OK);
    release(mine);
    (void)become(NULL);
    release(other);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, cs);
    owner_free(owner);
    actor_stop(&c);
}

static la_owner *end_owners[3];
static la_kept end_kept[4];

static void *
end_with_several_owners(void *argument)
{
    la_thread *self = la_thread_self();
    bool explicitly = argument != NULL;
    for (int i = 0; i < 4; i++) {
        (void)la_owner_exchange(self, i == 0 ? NULL : end_owners[i - 1]);
        la_hold *hold = hold_extent(LA_WRITE, 8 * i, 8);
        CHECK(acquire(i % 2 ? &x : &y, hold) == LA_OK);
        end_kept[i] = la_hold_keep(hold);
    }
    if (explicitly) {
        la_thread_end_holds(self);
        for (int i = 0; i < 4; i++) {
            CHECK(!la_kept_is_held(end_kept[i]));
        }
        CHECK(!la_thread_holds_any(self));
    }
    return NULL;
}

static void
test_a_thread_that_ends_gives_back_what_all_its_owners_hold(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_hold *bs = case_hold(LA_WRITE, 0, 64), *cs = case_hold(LA_WRITE, 0, 64);
    for (int i = 0; i < 3; i++) {
        end_owners[i] = owner_new();
    }
    for (int turn = 0; turn < 20; turn++) {
        thread_join(thread_start(end_with_several_owners, turn % 2 ? &x : NULL));
        actor_acquire(&b, &x, bs);
        actor_acquire(&c, &y, cs);
        for (int i = 0; i < 4; i++) {
            CHECK(!la_kept_is_held(end_kept[i]));
        }
        for (int i = 0; i < 3; i++) {
            CHECK(atomic_load(&end_owners[i]->thread) == NULL);
            CHECK(!la_owner_holds_any(end_owners[i]));
        }
        actor_release(&b, bs);
        actor_release(&c, cs);
    }
    /* They can go on elsewhere. */
    (void)become(end_owners[2]);
    (void)become(NULL);
    for (int i = 0; i < 3; i++) {
        owner_free(end_owners[i]);
    }
    actor_stop(&b);
    actor_stop(&c);
}

/* -- an exchange in the handler of a signal that interrupts a wait --------------- */

typedef struct {
    la_owner *owner;
    atomic_int at;
    bool done;
    la_hold *hold;
    la_lock *lock;
    la_status status;
    la_deadlock deadlock;
} switching;

/* check_interrupt: another owner runs meanwhile, and waits for something. */
static int
switch_and_wait(void *context)
{
    switching *s = context;
    la_thread *self = la_thread_self();
    if (s->done) {
        return 0;
    }
    s->done = true;
    la_owner *before = la_owner_exchange(self, s->owner);
    atomic_store(&s->at, 1);
    until_step(&s->at, 2);
    s->status = la_acquire(s->lock, s->hold, self, LA_NEVER, NULL, &s->deadlock);
    if (s->status == LA_OK) {
        la_release(s->hold, self);
    }
    CHECK(la_owner_exchange(self, before) == s->owner);
    atomic_store(&s->at, 3);
    return 0;
}

static void
until_interrupted(switching *s, actor *waiter)
{
    while (atomic_load(&s->at) < 1) {
        pthread_kill(waiter->thread, SIGUSR1);
        usleep(50);
    }
}

/*
 * The owner that waits was exchanged away by a signal handler, and is granted the
 * lock meanwhile. The other owner of its thread must not wait for that for ever.
 */
static void
test_an_owner_that_waits_stays_bound_to_its_thread(void)
{
    actor b, c;
    ignore_signals();
    actor_start(&b);
    actor_start(&c);
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *bs = case_hold(LA_WRITE, 0, 8);
    la_hold *cs_y = case_hold(LA_WRITE, 0, 8), *cs_x = case_hold(LA_WRITE, 0, 8);
    la_owner *owner = owner_new();
    actor_call(&b, call_become, owner);
    for (int how = 0; how < 3; how++) {
        switching s = { .owner = owner_new(), .hold = case_hold(LA_READ, 0, 8),
                        .lock = how == 0 ? &x : &y };
        la_wait_hooks hooks = { .check_interrupt = switch_and_wait, .context = &s };
        b.hooks = &hooks;
        CHECK(acquire(&x, mine) == LA_OK);
        actor_wait(&b, &x, bs);
        until_interrupted(&s, &b);
        if (how > 0) {
            actor_acquire(&c, &y, cs_y);
        }
        release(mine);                  /* it is granted to the owner that is away */
        if (how == 1) {
            actor_wait(&c, &x, cs_x);   /* who holds y waits for x */
        }
        atomic_store(&s.at, 2);
        if (how == 2) {
            until_waiters(&y, 1);
            actor_begin(&c, &x, cs_x);
            CHECK(actor_done(&c) == LA_DEADLOCK);
            actor_release(&c, cs_y);
        }
        CHECK(actor_done(&b) == LA_OK);
        CHECK(s.status == (how == 2 ? LA_OK : LA_DEADLOCK));
        if (how == 0) {
            CHECK(s.deadlock.length == 1);
        }
        actor_release(&b, bs);
        if (how == 1) {
            CHECK(actor_done(&c) == LA_OK);
            actor_release(&c, cs_x);
            actor_release(&c, cs_y);
        }
        owner_free(s.owner);
    }
    actor_call(&b, call_become, NULL);
    owner_free(owner);
    actor_stop(&b);
    actor_stop(&c);
}

#if defined(__GLIBC__) && !defined(__SANITIZE_THREAD__)
#include <ucontext.h>

/*
 * Two owners with a stack each, as greenlets have. The handler of the first one's
 * wait switches to the second, the handler of whose wait switches back: the first
 * wait ends before the one inside it.
 */
static struct {
    ucontext_t first, second;
    la_owner *owner;
    la_hold *outer, *inner;
    actor *b;
    la_hold *bs_x, *bs_y;
    int step;
} stacks;

static int
switch_back(void *context)
{
    (void)context;
    if (stacks.step == 1) {
        stacks.step = 2;
        (void)become(NULL);
        swapcontext(&stacks.second, &stacks.first);
        (void)become(stacks.owner);
    }
    return 0;
}

static void
run_second(void)
{
    la_wait_hooks hooks = { .check_interrupt = switch_back };
    CHECK(la_acquire(&y, stacks.inner, la_thread_self(), LA_NEVER, &hooks, NULL) == LA_OK);
    CHECK(is_mine(stacks.inner) && la_thread_self()->waiting == NULL);
    release(stacks.inner);
    (void)become(NULL);
    stacks.step = 4;
}

static int
switch_forth(void *context)
{
    (void)context;
    if (stacks.step == 0) {
        stacks.step = 1;
        (void)become(stacks.owner);
        swapcontext(&stacks.first, &stacks.second);
        /* The inner wait has its place, and b lets go of what the outer one wants. */
        CHECK(stacks.step == 2 && la_lock_count_waiters(&y, la_thread_self()) == 1);
    }
    return 0;
}

static atomic_bool second_interrupts_stop;

static void *
interrupt_and_let_go(void *target)
{
    la_thread *self = la_thread_self();
    while (!atomic_load(&second_interrupts_stop)) {
        pthread_kill(*(pthread_t *)target, SIGUSR1);
        usleep(200);
        /* Back in the outer wait, asleep: the inner one is aside. */
        la_wakes wakes = {0};
        la_lock_enter(&y, self);
        bool aside = stacks.inner->aside;
        la_lock_leave(&y, self, &wakes);
        la_lock_enter(&x, self);
        bool back = !stacks.outer->away && !stacks.outer->aside;
        la_lock_leave(&x, self, &wakes);
        if (aside && back && stacks.bs_x != NULL) {
            actor_release(stacks.b, stacks.bs_y);
            actor_release(stacks.b, stacks.bs_x);
            stacks.bs_x = NULL;
        }
    }
    return NULL;
}

static void
test_a_wait_ends_before_the_one_inside_it(void)
{
    static char stack[256 * 1024];
    actor b;
    la_wait_hooks hooks = { .check_interrupt = switch_forth };
    pthread_t me = pthread_self();
    ignore_signals();
    actor_start(&b);
    memset(&stacks, 0, sizeof(stacks));
    stacks.b = &b;
    stacks.owner = owner_new();
    stacks.outer = case_hold(LA_WRITE, 0, 8);
    stacks.inner = case_hold(LA_WRITE, 0, 8);
    stacks.bs_x = case_hold(LA_WRITE, 0, 8);
    stacks.bs_y = case_hold(LA_WRITE, 0, 8);
    getcontext(&stacks.second);
    stacks.second.uc_stack.ss_sp = stack;
    stacks.second.uc_stack.ss_size = sizeof(stack);
    stacks.second.uc_link = &stacks.first;
    makecontext(&stacks.second, run_second, 0);
    actor_acquire(&b, &x, stacks.bs_x);
    actor_acquire(&b, &y, stacks.bs_y);
    atomic_store(&second_interrupts_stop, false);
    pthread_t thread = thread_start(interrupt_and_let_go, &me);
    CHECK(la_acquire(&x, stacks.outer, la_thread_self(), LA_NEVER, &hooks, NULL) == LA_OK);
    CHECK(stacks.step == 2 && is_mine(stacks.outer));
    CHECK(la_thread_self()->waiting == stacks.inner && stacks.inner->outer == NULL);
    release(stacks.outer);
    stacks.outer->lock = NULL;          /* as if the lock were gone */
    stacks.step = 3;
    (void)become(stacks.owner);
    swapcontext(&stacks.first, &stacks.second);
    CHECK(stacks.step == 4);
    atomic_store(&second_interrupts_stop, true);
    thread_join(thread);
    owner_free(stacks.owner);
    actor_stop(&b);
}
#else
#define test_a_wait_ends_before_the_one_inside_it() ((void)0)
#endif

int
main(void)
{
    CASE(test_exchanges_return_the_owner_before);
    CASE(test_an_owner_that_is_current_elsewhere_is_refused);
    CASE(test_holds_of_two_owners_of_a_thread_conflict);
    CASE(test_a_wait_with_a_deadline_for_another_owner_of_the_thread_is_refused);
    CASE(test_a_cycle_through_an_owner_that_does_not_wait_is_refused);
    CASE(test_an_owner_that_holds_something_apart_closes_no_cycle);
    CASE(test_who_waits_for_an_owner_that_is_not_current_is_not_refused);
    CASE(test_an_owner_goes_on_in_another_thread);
    CASE(test_freeing_an_owner_gives_back_what_it_holds);
    CASE(test_owners_take_turns_in_a_thread);
    CASE(test_an_owner_queues_behind_an_old_waiter);
    CASE(test_an_owner_overtakes_who_waits_for_its_thread);
    CASE(test_a_thread_that_ends_gives_back_what_all_its_owners_hold);
    CASE(test_an_owner_that_waits_stays_bound_to_its_thread);
    CASE(test_a_wait_ends_before_the_one_inside_it);
    return 0;
}
