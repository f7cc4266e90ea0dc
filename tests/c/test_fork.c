/*
 * Forks, at rest and in the middle of a crowd. The child checks and exits
 * with a status; the parent reports it.
 */
#include <sys/wait.h>

#include "visits.h"
#include "lock/fork.h"

static atomic_bool stop;

/* Forks; the child runs `check` within 20 seconds. */
static void
fork_and(void (*check)(void))
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(20);
        check();
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static la_hold *other_x, *other_y;
static atomic_int other_step;

static void *
hold_and_wait(void *argument)
{
    la_thread *self = la_thread_self();
    (void)argument;
    other_x = hold_extent(LA_WRITE, 0, 8);
    other_y = hold_extent(LA_WRITE, 0, 8);
    CHECK(la_acquire(&x, other_x, self, LA_NEVER, NULL, NULL) == LA_OK);
    atomic_store(&other_step, 1);
    CHECK(la_acquire(&y, other_y, self, LA_NEVER, NULL, NULL) == LA_OK);
    la_release(other_y, self);
    la_release(other_x, self);
    return NULL;
}

static la_hold *my_y, *my_y_inside;

static void
check_child_of_a_holder(void)
{
    la_thread *self = la_thread_self();
    la_hold *hold = hold_extent(LA_WRITE, 0, 8);
    /* What the other thread held is free, and its Guard is nobody's. */
    CHECK(la_try_acquire(&x, hold, self));
    la_release(hold, self);
    CHECK(atomic_load(&other_x->owner) == NULL);
    /* Nobody waits; what this thread held it still holds, and can release. */
    CHECK(la_lock_count_waiters(&y, self) == 0);
    CHECK(is_mine(my_y) && is_mine(my_y_inside));
    CHECK(la_lock_list(&y, self, NULL, 0) == 2);
    la_release(my_y_inside, self);
    la_release(my_y, self);
    CHECK(!la_thread_holds_any(self));
    CHECK(atomic_load(&x.state) == LA_FREE && atomic_load(&y.state) == LA_FREE);
}

static void
test_a_child_keeps_its_own_holds_only(void)
{
    la_thread *self = la_thread_self();
    my_y = hold_extent(LA_WRITE, 0, 8);
    my_y_inside = hold_extent(LA_READ, 0, 4);
    CHECK(la_try_acquire(&y, my_y, self));
    CHECK(la_try_acquire(&y, my_y_inside, self));
    pthread_t other = thread_start(hold_and_wait, NULL);
    until_step(&other_step, 1);
    until_waiters(&y, 1);
    fork_and(check_child_of_a_holder);
    /* The parent has lost nothing. */
    la_hold *hold = hold_extent(LA_READ, 0, 8);
    CHECK(!la_try_acquire(&x, hold, self));
    la_release(my_y, self);
    la_release(my_y_inside, self);
    thread_join(other);
    CHECK(atomic_load(&x.state) == LA_FREE && atomic_load(&y.state) == LA_FREE);
}

/* check_interrupt: uses the lock that is not waited for, now and then also that one. */
static int
use_locks(void *context)
{
    uint64_t *random = context;
    la_thread *self = la_thread_self();
    la_hold *hold = hold_extent(LA_READ, random_below(random, 8), 4);
    int64_t deadline = la_now() + random_below(random, 200) * 1000;
    if (la_acquire(random_below(random, 2) ? &x : &y, hold, self, deadline, NULL, NULL)
            == LA_OK) {
        la_release(hold, self);
    }
    la_hold_free(hold, self);
    return random_below(random, 8) == 0;
}

/* As one owner or the other: holds one lock, and wants the other one, too. */
static void
crowd_turn(uint64_t *random, la_thread *self, const la_wait_hooks *hooks)
{
    la_hold *first = hold_extent(random_below(random, 2) ? LA_READ : LA_WRITE,
                                 random_below(random, 8), 8);
    la_hold *second = hold_extent(LA_WRITE, random_below(random, 8), 8);
    la_lock *lock = random_below(random, 2) ? &x : &y;
    if (la_acquire(lock, first, self, LA_NEVER, hooks, NULL) == LA_OK) {
        if (la_acquire(lock == &x ? &y : &x, second, self, LA_NEVER, hooks, NULL) == LA_OK) {
            la_release(second, self);
        }
        if (random_below(random, 4) == 0) {
            la_abandon(la_hold_keep(first), self);
            first = NULL;
        }
        else {
            la_release(first, self);
        }
    }
    la_hold_free(second, self);
    if (first != NULL) {
        la_hold_free(first, self);
    }
}

static void *
make_a_crowd(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    la_thread *self = la_thread_self();
    la_wait_hooks hooks = { .check_interrupt = use_locks, .context = &random };
    la_owner *owner = la_owner_new();
    while (!atomic_load(&stop)) {
        la_hold *outer = hold_extent(LA_WRITE, 4 * random_below(&random, 8), 4);
        bool held = random_below(&random, 2) && try_acquire(&x, outer);
        (void)la_owner_exchange(self, owner);
        crowd_turn(&random, self, &hooks);
        (void)la_owner_exchange(self, NULL);
        if (held) {
            la_release(outer, self);
        }
        la_hold_free(outer, self);
        crowd_turn(&random, self, &hooks);
    }
    la_owner_free(owner, self);
    return NULL;
}

static void
check_everything_is_free(void)
{
    la_thread *self = la_thread_self();
    la_hold *a = hold_extent(LA_WRITE, 0, 64), *b = hold_extent(LA_WRITE, 0, 64);
    CHECK(la_try_acquire(&x, a, self));
    CHECK(la_try_acquire(&y, b, self));
    la_release(a, self);
    la_release(b, self);
    CHECK(atomic_load(&x.state) == LA_FREE && atomic_load(&y.state) == LA_FREE);
}

static void
test_a_fork_in_a_crowd_leaves_the_locks_free_in_the_child(void)
{
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    uint64_t random = random_seed();
    ignore_signals();
    atomic_store(&stop, false);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = thread_start(make_a_crowd, (void *)(uintptr_t)(i + 1));
    }
    for (int i = 0; i < 300 * stress_scale(); i++) {
        for (int j = 0; j < 3; j++) {
            pthread_kill(threads[random_below(&random, THREADS)], SIGUSR1);
        }
        fork_and(check_everything_is_free);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
    }
    CHECK(atomic_load(&x.state) == LA_FREE && atomic_load(&y.state) == LA_FREE);
}


/* -- several owners ------------------------------------------------------------- */

enum { OWNERS = 3 };
static la_owner *owners[OWNERS];
static la_hold *owners_holds[OWNERS], *robbed;
static la_lock gone_lock;

/* The second one is current. */
static void
check_child_of_several_owners(void)
{
    la_thread *self = la_thread_self();
    la_hold *hold = hold_extent(LA_WRITE, 0, 64);
    CHECK(la_thread_owner(self) == owners[1]);
    for (size_t i = 0; i < sizeof(gone_lock); i++) {
        CHECK(((unsigned char *)&gone_lock)[i] == 0xee);
    }
    CHECK(la_lock_list(&x, self, NULL, 0) == OWNERS);
    CHECK(!try_acquire(&x, hold));
    CHECK(try_acquire(&y, hold));       /* b's are gone */
    release(hold);
    for (int i = 0; i < OWNERS; i++) {
        (void)la_owner_exchange(self, owners[i]);
        CHECK(is_mine(owners_holds[i]));
        if (i < OWNERS - 1) {           /* another owner's is in the way */
            CHECK(!try_acquire(&x, hold));
        }
        release(owners_holds[i]);
    }
    CHECK(!la_thread_holds_any(self));
    (void)la_owner_exchange(self, NULL);
    CHECK(!la_thread_holds_any(self));
    CHECK(try_acquire(&x, hold));
    release(hold);
    check_free(&x);
    check_free(&y);
}

static void
call_abandon(la_thread *self, void *context)
{
    CHECK(la_abandon(*(la_kept *)context, self));
}

static void
call_become(la_thread *self, void *context)
{
    (void)la_owner_exchange(self, context);
}

static void
test_a_child_keeps_the_holds_of_all_its_owners(void)
{
    actor b;
    actor_start(&b);
    la_thread *self = la_thread_self();
    la_owner *its = la_owner_new();
    la_hold *bs = case_hold(LA_WRITE, 0, 8), *bs_other = case_hold(LA_WRITE, 8, 8);
    actor_acquire(&b, &y, bs);
    actor_call(&b, call_become, its);
    actor_acquire(&b, &y, bs_other);
    for (int i = 0; i < OWNERS; i++) {
        owners[i] = la_owner_new();
        (void)la_owner_exchange(self, owners[i]);
        owners_holds[i] = case_hold(LA_WRITE, 8 * i, 8);
        CHECK(acquire(&x, owners_holds[i]) == LA_OK);
    }
    (void)la_owner_exchange(self, owners[1]);
    /* In its list, but nobody's: another thread has given it back, and the lock is gone. */
    la_lock_init(&gone_lock, 9);
    robbed = hold_extent(LA_WRITE, 32, 8);
    CHECK(acquire(&gone_lock, robbed) == LA_OK);
    la_kept kept = la_hold_keep(robbed);
    actor_call(&b, call_abandon, &kept);
    la_lock_destroy(&gone_lock);
    memset(&gone_lock, 0xee, sizeof(gone_lock));
    fork_and(check_child_of_several_owners);
    for (int i = 0; i < OWNERS; i++) {
        (void)la_owner_exchange(self, owners[i]);
        release(owners_holds[i]);
    }
    (void)la_owner_exchange(self, NULL);
    actor_release(&b, bs_other);
    actor_call(&b, call_become, NULL);
    actor_release(&b, bs);
    actor_stop(&b);
    for (int i = 0; i < OWNERS; i++) {
        la_owner_free(owners[i], self);
    }
    la_owner_free(its, self);
}

/* -- threads that wait, are away or aside when they are gone -------------------- */

static la_kept gone_kept;
static int gone_ended;

static void
count_ended(la_hold *hold)
{
    (void)hold;
    gone_ended++;
}

static void
check_child_of_waiters(void)
{
    la_thread *self = la_thread_self();
    la_hold *hold = hold_extent(LA_WRITE, 0, 64);
    CHECK(la_lock_count_waiters(&x, self) == 0);
    CHECK(la_lock_count_waiters(&y, self) == 0);
    CHECK(try_acquire(&x, hold));
    release(hold);
    CHECK(try_acquire(&y, hold));
    release(hold);
    CHECK(try_acquire(&z, hold));
    release(hold);
    CHECK(gone_ended == 1 && !la_kept_is_held(gone_kept));
    CHECK(!la_abandon(gone_kept, self));
    check_free(&x);
    check_free(&y);
    check_free(&z);
}

static void
test_gone_threads_that_wait_leave_nothing_in_the_child(void)
{
    host away, aside;
    actor b, waiting;
    host_start(&away);
    host_start(&aside);
    actor_start(&b);
    actor_start(&waiting);
    la_hold *bs_x = case_hold(LA_WRITE, 0, 8), *bs_y = case_hold(LA_WRITE, 0, 8);
    la_hold *first = case_hold(LA_WRITE, 0, 8), *second = case_hold(LA_WRITE, 0, 8);
    la_hold *third = case_hold(LA_READ, 0, 8);
    la_hold *granted = case_hold(LA_WRITE, 32, 8), *bs_too = case_hold(LA_WRITE, 32, 8);
    host handed;
    host_start(&handed);
    gone_ended = 0;
    la_on_hold_end = count_ended;
    actor_acquire(&b, &x, bs_x);
    actor_acquire(&b, &x, bs_too);
    actor_acquire(&b, &y, bs_y);
    gone_kept = la_hold_keep(bs_y);
    actor_wait(&away.actor, &x, first);
    actor_wait(&aside.actor, &x, second);
    actor_wait(&waiting, &x, third);
    actor_wait(&handed.actor, &x, granted);
    host_visit(&away);
    host_visit(&handed);
    host_visit(&aside);
    aside.visit.act = act_acquire_and_release;
    aside.visit.lock = &y;
    aside.visit.hold = case_hold(LA_WRITE, 0, 8);
    visit_act(&aside.visit);
    until_waiters(&y, 1);
    actor_release(&b, bs_too);
    CHECK(look(&x, granted).held && look(&x, first).away && look(&x, second).aside);
    fork_and(check_child_of_waiters);
    la_on_hold_end = NULL;
    la_hold_unkeep(bs_y);
    visit_end(&away.visit);
    visit_end(&handed.visit);
    CHECK(actor_done(&handed.actor) == LA_OK);
    actor_release(&handed.actor, granted);
    actor_release(&b, bs_y);
    visit_end(&aside.visit);
    actor_release(&b, bs_x);
    CHECK(actor_done(&away.actor) == LA_OK);
    actor_release(&away.actor, first);
    CHECK(actor_done(&aside.actor) == LA_OK);
    actor_release(&aside.actor, second);
    CHECK(actor_done(&waiting) == LA_OK);
    actor_release(&waiting, third);
    actor_stop(&away.actor);
    actor_stop(&aside.actor);
    actor_stop(&handed.actor);
    actor_stop(&b);
    actor_stop(&waiting);
}

/* -- a fork in a signal handler that interrupts a wait --------------------------- */

typedef struct inside inside;

/* What the handler does before it forks, and the child in it; NULL for nothing. */
struct inside {
    void (*before)(inside *self);
    void (*in_child)(inside *self);
    void (*in_parent)(inside *self);
    actor *b;
    la_hold *outer, *inner, *bs_x, *bs_y;
    bool done;
};

static bool in_child;
static atomic_bool interrupts_stop;

static int
fork_inside(void *context)
{
    inside *self = context;
    if (self->done) {
        return 0;
    }
    self->done = true;
    if (self->before != NULL) {
        self->before(self);
    }
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(20);
        in_child = true;
        if (self->in_child != NULL) {
            self->in_child(self);
        }
        return 0;                       /* the wait goes on in the child */
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (self->in_parent != NULL) {
        self->in_parent(self);
    }
    return 0;
}

static void *
interrupt_again_and_again(void *target)
{
    while (!atomic_load(&interrupts_stop)) {
        pthread_kill(*(pthread_t *)target, SIGUSR1);
        usleep(500);
    }
    return NULL;
}

/* The wait, in both processes; the child ends in here. */
static void
wait_and_fork(inside *self, la_wait_hooks *hooks)
{
    pthread_t me = pthread_self(), interrupter;
    ignore_signals();
    atomic_store(&interrupts_stop, false);
    interrupter = thread_start(interrupt_again_and_again, &me);
    la_status status = la_acquire(&x, self->outer, la_thread_self(), LA_NEVER, hooks, NULL);
    CHECK(status == LA_OK && is_mine(self->outer) && look(&x, self->outer).held);
    CHECK(atomic_load(&la_thread_self()->waiting) == NULL);
    release(self->outer);
    if (in_child) {
        CHECK(!la_thread_holds_any(la_thread_self()));
        check_free(&x);
        check_free(&y);
        _exit(0);
    }
    atomic_store(&interrupts_stop, true);
    thread_join(interrupter);
}

static void
let_go_of_x(inside *self)
{
    actor_release(self->b, self->bs_x);
}

/* Nothing is in its way any more, so the lock is its own at once. */
static void
check_granted(inside *self)
{
    la_thread *thread = la_thread_self();
    CHECK(la_lock_count_waiters(&x, thread) == 0);
    CHECK(look(&x, self->outer).held);
    la_hold *hold = hold_extent(LA_READ, 0, 4);
    CHECK(try_acquire(&x, hold));
    release(hold);
    CHECK(try_acquire(&y, hold));
    release(hold);
    la_hold_free(hold, thread);
}

static void
test_a_wait_goes_on_in_a_child_of_its_signal_handler(void)
{
    actor b;
    actor_start(&b);
    for (int granted = 0; granted < 2; granted++) {
        inside self = { .b = &b, .outer = case_hold(LA_WRITE, 0, 8),
                        .bs_x = case_hold(LA_WRITE, 0, 8), .in_child = check_granted,
                        .before = granted ? let_go_of_x : NULL,
                        .in_parent = granted ? NULL : let_go_of_x };
        la_wait_hooks hooks = { .check_interrupt = fork_inside, .context = &self };
        actor_acquire(&b, &x, self.bs_x);
        wait_and_fork(&self, &hooks);
    }
    actor_stop(&b);
}

/* The child of a child, each of which goes on with the wait. */
static void
fork_again(inside *self)
{
    inside again = { .in_child = check_granted, .outer = self->outer };
    check_granted(self);
    CHECK(fork_inside(&again) == 0);
}

static void
test_a_wait_goes_on_in_a_child_s_child(void)
{
    actor b;
    actor_start(&b);
    inside self = { .b = &b, .outer = case_hold(LA_WRITE, 0, 8),
                    .bs_x = case_hold(LA_WRITE, 0, 8), .in_child = fork_again,
                    .in_parent = let_go_of_x };
    la_wait_hooks hooks = { .check_interrupt = fork_inside, .context = &self };
    actor_acquire(&b, &x, self.bs_x);
    wait_and_fork(&self, &hooks);
    actor_stop(&b);
}

/* The handler's own wait is interrupted, too, and its handler forks. */
static int
wait_inside(void *context)
{
    inside *self = context;
    la_wait_hooks hooks = { .check_interrupt = fork_inside, .context = self };
    la_hold *inner = self->inner;
    if (inner == NULL) {
        return 0;
    }
    self->inner = NULL;
    CHECK(la_acquire(&y, inner, la_thread_self(), LA_NEVER, &hooks, NULL) == LA_OK);
    CHECK(look(&y, inner).held);
    release(inner);
    return 0;
}

static void
check_inner_is_granted(inside *self)
{
    CHECK(la_lock_count_waiters(&y, la_thread_self()) == 0);
    sight outer = look(&x, self->outer);
    CHECK(outer.queued && outer.aside && !outer.held);
}

static void
let_go_of_y(inside *self)
{
    actor_release(self->b, self->bs_y);
    actor_release(self->b, self->bs_x);
}

static void
test_a_wait_that_is_aside_goes_on_in_a_child(void)
{
    actor b;
    actor_start(&b);
    inside self = { .b = &b, .outer = case_hold(LA_WRITE, 0, 8),
                    .inner = case_hold(LA_WRITE, 0, 8), .bs_x = case_hold(LA_WRITE, 0, 8),
                    .bs_y = case_hold(LA_WRITE, 0, 8), .in_child = check_inner_is_granted,
                    .in_parent = let_go_of_y };
    la_wait_hooks hooks = { .check_interrupt = wait_inside, .context = &self };
    actor_acquire(&b, &x, self.bs_x);
    actor_acquire(&b, &y, self.bs_y);
    wait_and_fork(&self, &hooks);
    actor_stop(&b);
}

static la_hold *in_slot, *in_list, *others_in_slot;

static void
check_child_of_readers(void)
{
    la_thread *self = la_thread_self();
    la_hold *write = hold_extent(LA_WRITE, 0, 8);
    /* Only what this thread holds is left, and it is in the list. */
    CHECK(la_hold_owner(others_in_slot) == NULL);
    CHECK(is_mine(in_slot) && is_mine(in_list));
    CHECK(look(&x, in_slot).held && look(&x, in_list).held);
    CHECK(la_lock_list(&x, self, NULL, 0) == 1 + LA_SLOTS);
    CHECK(count_slots(&x) == 0 && count_slots(&y) == 0);
    CHECK(try_acquire(&y, write));      /* biased, and nobody holds it */
    release(write);
    while (la_owner_holds_any(la_thread_owner(self))) {
        release(self->own.holds);
    }
    CHECK(try_acquire(&x, write));
    release(write);
    for (la_thread *thread = la_thread_first(); thread != NULL; thread = thread->next) {
        for (int i = 0; i < LA_SLOTS; i++) {
            CHECK(atomic_load(&thread->slots[i]) == NULL);
        }
    }
    /* All slots can be used again. */
    until_biased(&x);
    for (int i = 0; i < LA_SLOTS; i++) {
        CHECK(try_acquire(&x, hold_extent(LA_READ, 0, 8)));
    }
    CHECK(count_slots(&x) == LA_SLOTS);
}

static void
test_a_child_keeps_what_it_holds_in_slots(void)
{
    actor b;
    actor_start(&b);
    la_hold *mine[LA_SLOTS + 1];
    others_in_slot = case_hold(LA_READ, 0, 8);
    until_biased(&x);
    until_biased(&y);
    for (int i = 0; i <= LA_SLOTS; i++) {
        mine[i] = case_hold(LA_READ, 0, 8);
        CHECK(acquire(&x, mine[i]) == LA_OK);
    }
    in_slot = mine[0];
    in_list = mine[LA_SLOTS];
    actor_acquire(&b, &x, others_in_slot);
    CHECK(is_biased(&x) && is_biased(&y) && count_slots(&x) == LA_SLOTS);
    fork_and(check_child_of_readers);
    /* The parent has lost nothing. */
    CHECK(is_biased(&x) && count_slots(&x) == LA_SLOTS);
    for (int i = 0; i <= LA_SLOTS; i++) {
        release(mine[i]);
    }
    CHECK(look(&x, others_in_slot).held);
    actor_release(&b, others_in_slot);
    actor_stop(&b);
}

/* In the crowd: they read, mostly, and so are in slots or being taken out of them. */
static void *
read_mostly(void *argument)
{
    la_thread *self = la_thread_self();
    uint64_t random = (uint64_t)(uintptr_t)argument;
    while (!atomic_load(&stop)) {
        la_mode mode = random_below(&random, 1000) == 0 ? LA_WRITE : LA_READ;
        la_hold *hold = hold_extent(mode, 0, 8);
        CHECK(la_acquire(&x, hold, self, LA_NEVER, NULL, NULL) == LA_OK);
        la_release(hold, self);
        la_hold_free(hold, self);
    }
    return NULL;
}

static void
check_child_of_a_crowd_of_readers(void)
{
    la_thread *self = la_thread_self();
    la_hold *hold = hold_extent(LA_WRITE, 0, 8);
    CHECK(la_lock_list(&x, self, NULL, 0) == 0);
    CHECK(try_acquire(&x, hold));
    release(hold);
    until_biased(&x);
    CHECK(try_acquire(&x, hold));
    release(hold);
}

static void
test_a_fork_in_a_crowd_of_readers_leaves_the_lock_free(void)
{
    pthread_t threads[3];
    int biased = 0;
    atomic_store(&stop, false);
    for (uintptr_t i = 0; i < 3; i++) {
        threads[i] = thread_start(read_mostly, (void *)(i + 1));
    }
    for (int i = 0; i < 40 * stress_scale(); i++) {
        for (int wait = 0; wait < 1000 && !is_biased(&x); wait++) {
            sched_yield();
        }
        biased += is_biased(&x);
        fork_and(check_child_of_a_crowd_of_readers);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) {
        thread_join(threads[i]);
    }
    printf("(biased in %d) ", biased);
}

int
main(void)
{
    CHECK(pthread_atfork(la_fork_prepare, la_fork_parent, la_fork_child) == 0);
    CASE(test_a_child_keeps_its_own_holds_only);
    CASE(test_a_child_keeps_the_holds_of_all_its_owners);
    CASE(test_gone_threads_that_wait_leave_nothing_in_the_child);
    CASE(test_a_wait_goes_on_in_a_child_of_its_signal_handler);
    CASE(test_a_wait_goes_on_in_a_child_s_child);
    CASE(test_a_wait_that_is_aside_goes_on_in_a_child);
    CASE(test_a_fork_in_a_crowd_leaves_the_locks_free_in_the_child);
    CASE(test_a_child_keeps_what_it_holds_in_slots);
    CASE(test_a_fork_in_a_crowd_of_readers_leaves_the_lock_free);
    return 0;
}
