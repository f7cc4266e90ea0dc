/*
 * What the tests in C share: checks that abort, a deadline for each program,
 * threads, and looks at a lock's queue instead of sleeping.
 */
#ifndef LOCKEDARRAY_TESTS_CHECK_H_
#define LOCKEDARRAY_TESTS_CHECK_H_

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "posix.h"
#include "lock/registry.h"

#define CHECK(condition) \
    ((condition) ? (void)0 : \
     (fprintf(stderr, "%s:%d: in %s: check failed: %s\n", \
              __FILE__, __LINE__, __func__, #condition), abort()))

/* Runs one test, which has five minutes, if LA_ONLY does not name others. */
#define RUN(test) \
    (is_wanted(#test) \
     ? (alarm(300), printf("%s ... ", #test), fflush(stdout), test(), (void)puts("ok")) \
     : (void)0)

/* Is LA_ONLY not set, or a part of the name? */
static inline bool
is_wanted(const char *test)
{
    const char *only = getenv("LA_ONLY");
    return only == NULL || strstr(test, only) != NULL;
}

/* A random number generator with a seed of its own (splitmix64). */
static inline uint64_t
random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline int
random_below(uint64_t *state, int bound)
{
    return (int)(random_next(state) % (uint64_t)bound);
}

/* The seed: LA_SEED, or a fixed one. Printed, so that a failure can be repeated. */
static inline uint64_t
random_seed(void)
{
    const char *text = getenv("LA_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 20240607;
    printf("(LA_SEED=%llu) ", (unsigned long long)seed);
    return seed;
}

/* How many times the usual work a stress test does: LA_SCALE, or 1. */
static inline int
stress_scale(void)
{
    const char *text = getenv("LA_SCALE");
    return text != NULL ? atoi(text) : 1;
}

static inline pthread_t
thread_start(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, run, argument) == 0);
    return thread;
}

static inline void
thread_join(pthread_t thread)
{
    CHECK(pthread_join(thread, NULL) == 0);
}

/* Does nobody hold it, seen while nobody uses it? (A hold in a slot is not seen.) */
static inline bool
is_unheld(la_lock *lock)
{
    uintptr_t state = atomic_load(&lock->state);
    return (state == LA_FREE || state == LA_BIASED) && lock->holds.count == 0;
}

/* Until `count` threads wait for the lock. */
static inline void
until_waiters(la_lock *lock, int count)
{
    while (la_lock_count_waiters(lock, la_thread_self()) != count) {
        sched_yield();
    }
}

/* Until another thread has come to `step`. */
static inline void
until_step(atomic_int *at, int step)
{
    while (atomic_load(at) < step) {
        sched_yield();
    }
}

static inline void
ignore_signal(int signal_number)
{
    (void)signal_number;
}

/* From now on SIGUSR1 does no more than cut a sleep. */
static inline void
ignore_signals(void)
{
    struct sigaction action = { .sa_handler = ignore_signal,
                                .sa_flags = SA_RESTART };
    sigaction(SIGUSR1, &action, NULL);
}

/* A record from the pool of the calling thread, for one extent. */
static inline la_hold *
hold_extent(la_mode mode, int64_t low, int64_t size)
{
    la_hold *hold = la_hold_new(la_thread_self(), mode);
    CHECK(hold != NULL);
    la_region_set_extent(&hold->region, low, size);
    return hold;
}

#endif  /* LOCKEDARRAY_TESTS_CHECK_H_ */
