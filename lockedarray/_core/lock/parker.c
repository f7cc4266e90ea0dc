/*
 * Sleeping and waking. First the platforms, one after the other; then the
 * mutex and the parker, which are the same everywhere.
 */
#if !defined(_WIN32) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE     /* syscall(), clock_gettime() under -std=c11 */
#endif

#include "lock/parker.h"

#define LA_SPINS 100
#define LA_SECOND (1000 * LA_MILLISECOND)

/*
 * The longest sleep in one call of the system, so that the numbers fit, or, where it
 * goes by the wall clock, which may jump, because of that. After it the thread sleeps
 * again.
 */
#if defined(_WIN32) || defined(__linux__) || defined(__APPLE__)
#define LA_LONGEST_NS (1000000 * LA_SECOND)
#else
#define LA_LONGEST_NS LA_SECOND
#endif

/* How long to sleep now; *is_last when that is until the deadline. */
static int64_t
la_sleep_time(int64_t now, int64_t deadline, bool *is_last)
{
    *is_last = deadline <= now + LA_LONGEST_NS;
    return *is_last ? deadline - now : LA_LONGEST_NS;
}

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#if defined(_MSC_VER)
#pragma comment(lib, "Synchronization.lib")     /* elsewhere: -lsynchronization */
#endif

int64_t
la_now(void)
{
    LARGE_INTEGER count, frequency;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    int64_t seconds = count.QuadPart / frequency.QuadPart;
    int64_t rest = count.QuadPart % frequency.QuadPart;
    return seconds * LA_SECOND + rest * LA_SECOND / frequency.QuadPart;
}

void
la_yield(void)
{
    SwitchToThread();
}

la_wake_reason
la_sleep_while(_Atomic(uint32_t) *word, uint32_t expected, int64_t deadline)
{
    bool is_last;
    int64_t now = la_now();
    if (deadline <= now) {
        return LA_LATE;
    }
    int64_t time = la_sleep_time(now, deadline, &is_last);
    DWORD milliseconds = (DWORD)((time + LA_MILLISECOND - 1) / LA_MILLISECOND);
    if (WaitOnAddress((volatile VOID *)word, &expected, sizeof(expected),
                      milliseconds)) {
        return LA_WOKEN;
    }
    return is_last ? LA_LATE : LA_WOKEN;
}

void
la_wake(_Atomic(uint32_t) *word)
{
    WakeByAddressSingle((PVOID)word);
}

void
la_parker_fork_child(void)
{
}

#else   /* POSIX */

#include <errno.h>
#include <sched.h>
#include <time.h>

int64_t
la_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * LA_SECOND + time.tv_nsec;
}

void
la_yield(void)
{
    sched_yield();
}

#if defined(__linux__) && !defined(LA_PARKER_PORTABLE)

#include <sys/syscall.h>
#include <unistd.h>

/* As in <linux/futex.h>, which a system with musl need not have. */
#define LA_FUTEX_WAIT_PRIVATE (0 | 128)
#define LA_FUTEX_WAKE_PRIVATE (1 | 128)

/* 32-bit systems with 64-bit time have a call of their own. */
#if !defined(SYS_futex)
#define LA_FUTEX SYS_futex_time64
#elif defined(SYS_futex_time64)
#define LA_FUTEX \
    (sizeof(time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex)
#else
#define LA_FUTEX SYS_futex
#endif

la_wake_reason
la_sleep_while(_Atomic(uint32_t) *word, uint32_t expected, int64_t deadline)
{
    bool is_last;
    int64_t now = la_now();
    if (deadline <= now) {
        return LA_LATE;
    }
    int64_t time = la_sleep_time(now, deadline, &is_last);
    struct timespec timeout = {
        .tv_sec = (time_t)(time / LA_SECOND),
        .tv_nsec = (long)(time % LA_SECOND),
    };
    /* A sleep with a time limit ends for every signal that has a handler,
       SA_RESTART or not. */
    long status = syscall(LA_FUTEX, word, LA_FUTEX_WAIT_PRIVATE, expected,
                          &timeout, NULL, 0);
    if (status == 0 || errno == EAGAIN) {
        return LA_WOKEN;
    }
    if (errno == ETIMEDOUT) {
        return is_last ? LA_LATE : LA_WOKEN;
    }
    return LA_CUT;      /* EINTR */
}

void
la_wake(_Atomic(uint32_t) *word)
{
    syscall(LA_FUTEX, word, LA_FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void
la_parker_fork_child(void)
{
}

#else   /* macOS and other POSIX systems */

#include <pthread.h>

/*
 * Sleepers on a word share one of a few condition variables, chosen by the
 * word's address. Waking is a broadcast under the bucket's mutex; the sleeper
 * looks at its word under the same mutex, so no wake-up falls between the
 * look and the sleep. Lock order: la_mutex, then bucket.
 */
#define LA_BUCKETS 16

typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} la_bucket;

#define LA_BUCKET { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER }
#define LA_BUCKETS_4 LA_BUCKET, LA_BUCKET, LA_BUCKET, LA_BUCKET

static la_bucket la_buckets[LA_BUCKETS] = {
    LA_BUCKETS_4, LA_BUCKETS_4, LA_BUCKETS_4, LA_BUCKETS_4
};

static la_bucket *
la_bucket_of(const _Atomic(uint32_t) *word)
{
    uint64_t hash = (uint64_t)(uintptr_t)word * UINT64_C(0x9E3779B97F4A7C15);
    return &la_buckets[hash >> 60];
}

/* Sleeps once, for at most `time`; nonzero when that time has passed. */
static int
la_bucket_sleep(la_bucket *bucket, int64_t time)
{
    struct timespec timeout;
#if defined(__APPLE__)
    timeout.tv_sec = (time_t)(time / LA_SECOND);
    timeout.tv_nsec = (long)(time % LA_SECOND);
    return pthread_cond_timedwait_relative_np(&bucket->changed, &bucket->mutex,
                                              &timeout);
#else
    /* The deadline is checked by the monotonic clock. */
    clock_gettime(CLOCK_REALTIME, &timeout);
    time += timeout.tv_nsec;
    timeout.tv_sec += (time_t)(time / LA_SECOND);
    timeout.tv_nsec = (long)(time % LA_SECOND);
    return pthread_cond_timedwait(&bucket->changed, &bucket->mutex, &timeout);
#endif
}

la_wake_reason
la_sleep_while(_Atomic(uint32_t) *word, uint32_t expected, int64_t deadline)
{
    bool is_last;
    int64_t now = la_now();
    if (deadline <= now) {
        return LA_LATE;
    }
    int64_t time = la_sleep_time(now, deadline, &is_last);
    la_bucket *bucket = la_bucket_of(word);
    la_wake_reason reason = LA_WOKEN;

    pthread_mutex_lock(&bucket->mutex);
    /* Relaxed: the bucket's mutex orders this against la_wake, and the caller
       looks again with an acquire. */
    if (atomic_load_explicit(word, memory_order_relaxed) == expected
            && la_bucket_sleep(bucket, time) != 0) {
        reason = is_last ? LA_LATE : LA_WOKEN;
    }
    pthread_mutex_unlock(&bucket->mutex);
    return reason;
}

void
la_wake(_Atomic(uint32_t) *word)
{
    la_bucket *bucket = la_bucket_of(word);
    pthread_mutex_lock(&bucket->mutex);
    pthread_cond_broadcast(&bucket->changed);
    pthread_mutex_unlock(&bucket->mutex);
}

void
la_parker_fork_child(void)
{
    /* Threads that are gone may have held a bucket's mutex. */
    static const la_bucket fresh = LA_BUCKET;
    for (int i = 0; i < LA_BUCKETS; i++) {
        la_buckets[i] = fresh;
    }
}

#endif
#endif  /* POSIX */

/* A thread on its way to a mutex. */
typedef struct {
    bool has_slept;
    bool starves;       /* counted in the word */
    int64_t since;
} la_mutex_comer;

/* Takes the mutex if the word that was read lets this thread do so. */
static bool
la_mutex_try(la_mutex *mutex, uint32_t word, const la_mutex_comer *comer)
{
    if ((word & LA_HELD) != 0 || (word >= LA_STARVED && !comer->has_slept)) {
        return false;
    }
    uint32_t taken = word | LA_HELD;
    if (comer->has_slept) {
        taken |= LA_SLEEPERS;       /* others may sleep as well */
    }
    if (comer->starves) {
        taken -= LA_STARVED;
    }
    /* As in la_mutex_lock. */
    return atomic_compare_exchange_strong_explicit(
        &mutex->word, &word, taken, memory_order_acq_rel, memory_order_relaxed);
}

/* Spins for a moment: what the mutex guards takes less time than a sleep. */
static bool
la_mutex_spin(la_mutex *mutex, const la_mutex_comer *comer)
{
    for (int i = 0; i < LA_SPINS; i++) {
        /* Relaxed, here and below: the compare-and-swap decides. */
        uint32_t word = atomic_load_explicit(&mutex->word, memory_order_relaxed);
        if (la_mutex_try(mutex, word, comer)) {
            return true;
        }
        LA_PAUSE();
    }
    return false;
}

/* Sleeps, unless there is something to take. */
static void
la_mutex_sleep(la_mutex *mutex, la_mutex_comer *comer)
{
    uint32_t word = atomic_load_explicit(&mutex->word, memory_order_relaxed);
    uint32_t marked = word | LA_SLEEPERS;

    if (!comer->starves && comer->has_slept
            && la_now() - comer->since > LA_MILLISECOND) {
        marked += LA_STARVED;
    }
    if ((word & LA_HELD) == 0 && (word < LA_STARVED || comer->has_slept)) {
        return;
    }
    /* Relaxed: it only makes the next unlock come by la_mutex_unlock_slow. */
    if (word == marked
            || atomic_compare_exchange_strong_explicit(
                   &mutex->word, &word, marked,
                   memory_order_relaxed, memory_order_relaxed)) {
        comer->starves = comer->starves || marked - word >= LA_STARVED;
        (void)la_sleep_while(&mutex->word, marked, LA_NEVER);
        comer->has_slept = true;
    }
}

LA_COLD void
la_mutex_lock_slow(la_mutex *mutex)
{
    la_mutex_comer comer = { .since = la_now() };

    while (!la_mutex_spin(mutex, &comer)) {
        la_mutex_sleep(mutex, &comer);
    }
}

LA_COLD void
la_mutex_unlock_slow(la_mutex *mutex)
{
    uint32_t word = atomic_load_explicit(&mutex->word, memory_order_relaxed);

    /* Release: as in la_mutex_unlock. */
    while (!atomic_compare_exchange_weak_explicit(
            &mutex->word, &word, word & ~(LA_HELD | LA_SLEEPERS),
            memory_order_release, memory_order_relaxed)) {
    }
    if ((word & LA_SLEEPERS) != 0) {
        la_wake(&mutex->word);
    }
}

LA_COLD la_wake_reason
la_park(la_parker *parker, int64_t deadline)
{
    uint32_t expected = 0;
    la_wake_reason reason = LA_WOKEN;

    /*
     * 0 -> 2, or there is a token already. Acquire on both outcomes is left
     * to the exchange below, which takes the token in every case.
     */
    if (atomic_compare_exchange_strong_explicit(
            &parker->word, &expected, 2,
            memory_order_relaxed, memory_order_relaxed)) {
        reason = la_sleep_while(&parker->word, 2, deadline);
    }
    /*
     * Acquire: pairs with the release in la_unpark. The reason stays as it
     * is: a signal must not be forgotten because a token came with it.
     */
    (void)atomic_exchange_explicit(&parker->word, 0, memory_order_acquire);
    return reason;
}

LA_COLD void
la_unpark(la_parker *parker)
{
    /* Release: pairs with the acquire in la_park. */
    if (atomic_exchange_explicit(&parker->word, 1, memory_order_release) == 2) {
        la_wake(&parker->word);
    }
}
