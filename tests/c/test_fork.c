/*
 * Forks, at rest and in the middle of a crowd. The child checks and exits
 * with a status; the parent reports it.
 */
#include <sys/wait.h>

#include "check.h"
#include "lock/fork.h"

static la_lock x, y;
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

static bool
is_mine(la_hold *hold, la_thread *self)
{
    return la_hold_is_of(hold, la_thread_owner(self));
}

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
    CHECK(is_mine(my_y, self) && is_mine(my_y_inside, self));
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
    la_lock_init(&x, 1);
    la_lock_init(&y, 2);
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

static void *
make_a_crowd(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    la_thread *self = la_thread_self();
    while (!atomic_load(&stop)) {
        la_hold *first = hold_extent(random_below(&random, 2) ? LA_READ : LA_WRITE,
                                     random_below(&random, 8), 8);
        la_hold *second = hold_extent(LA_WRITE, random_below(&random, 8), 8);
        la_lock *lock = random_below(&random, 2) ? &x : &y;
        if (la_acquire(lock, first, self, LA_NEVER, NULL, NULL) == LA_OK) {
            if (la_acquire(lock == &x ? &y : &x, second, self, LA_NEVER, NULL,
                           NULL) == LA_OK) {
                la_release(second, self);
            }
            la_release(first, self);
        }
        la_hold_free(second, self);
        la_hold_free(first, self);
    }
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
    atomic_store(&stop, false);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = thread_start(make_a_crowd, (void *)(uintptr_t)(i + 1));
    }
    for (int i = 0; i < 300 * stress_scale(); i++) {
        fork_and(check_everything_is_free);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
    }
    CHECK(atomic_load(&x.state) == LA_FREE && atomic_load(&y.state) == LA_FREE);
}

int
main(void)
{
    CHECK(pthread_atfork(la_fork_prepare, la_fork_parent, la_fork_child) == 0);
    RUN(test_a_child_keeps_its_own_holds_only);
    RUN(test_a_fork_in_a_crowd_leaves_the_locks_free_in_the_child);
    return 0;
}
