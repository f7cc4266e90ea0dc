/*
 * Sleeping and waking: what the lock needs from the system.
 *
 * la_now, la_yield, la_sleep_while and la_wake are the only platform code: Linux uses
 * futexes, Windows WaitOnAddress, everything else (macOS) a small table of
 * POSIX condition variables. On them stand
 *
 *   la_mutex   guards a few instructions; never held while Python runs, while
 *              a callback runs, or across a sleep
 *   la_parker  one per thread; a token that another thread may hand over
 *
 * Lock order: a la_mutex may be held when la_wake or la_unpark is called.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_PARKER_H_
#define LOCKEDARRAY_CORE_LOCK_PARKER_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lock/compiler.h"

/* Times are nanoseconds of a monotonic clock. */
#define LA_NEVER INT64_MAX
#define LA_MILLISECOND INT64_C(1000000)

#if defined(__linux__) && !defined(LA_PARKER_PORTABLE)
#define LA_SIGNAL_ENDS_SLEEP 1
#else
#define LA_SIGNAL_ENDS_SLEEP 0
#endif

typedef enum {
    LA_WOKEN,           /* the word changed, somebody called la_wake, or no reason */
    LA_CUT,             /* a signal arrived, or may have */
    LA_LATE,            /* the deadline has passed */
} la_wake_reason;

int64_t la_now(void);

/* Lets another thread run on this processor, if one waits for it. */
void la_yield(void);

/*
 * Sleeps while *word == expected, until the deadline. A signal with a handler ends
 * it with LA_CUT where LA_SIGNAL_ENDS_SLEEP; but one that arrives just before the
 * system call is missed.
 */
la_wake_reason la_sleep_while(_Atomic(uint32_t) *word, uint32_t expected,
                              int64_t deadline);

/*
 * Wakes one thread that sleeps on the word, if there is one. The word itself
 * is not read: it may be gone by then.
 */
void la_wake(_Atomic(uint32_t) *word);

/*
 * How long a thread sleeps that has signals to look for, before it looks. A signal ends
 * the sleep, but for one that comes just before it; so each time is twice the one
 * before. Where signals end no sleep there is no other way. A debug build goes without,
 * so that a lost wake-up is a hang and not a delay.
 */
#if !LA_SIGNAL_ENDS_SLEEP
#define LA_FIRST_SLICE (20 * LA_MILLISECOND)
#elif defined(LA_DEBUG)
#define LA_FIRST_SLICE (3600000 * LA_MILLISECOND)
#else
#define LA_FIRST_SLICE (100 * LA_MILLISECOND)
#endif

static inline int64_t
la_slice_after(int64_t slice)
{
    return LA_SIGNAL_ENDS_SLEEP && slice < LA_NEVER / 4 ? 2 * slice : slice;
}

/* In a forked child, before anything else here. */
void la_parker_fork_child(void);

/*
 * A mutex of one word:
 *
 *   LA_HELD        somebody has it
 *   LA_SLEEPERS    somebody may sleep on the word; who unlocks clears it and
 *                  wakes one thread, which sets it again
 *   LA_STARVED     times the number of threads that have slept and still had
 *                  no luck for a millisecond. While there are any, only who
 *                  has slept may take the mutex, and newcomers go to sleep.
 *
 * Without the last, a thread that has to be woken first could lose against
 * threads that are running already for as long as these come back.
 */
typedef struct {
    _Atomic(uint32_t) word;
} la_mutex;

#define LA_HELD UINT32_C(1)
#define LA_SLEEPERS UINT32_C(2)
#define LA_STARVED UINT32_C(4)

void la_mutex_lock_slow(la_mutex *mutex);
void la_mutex_unlock_slow(la_mutex *mutex);

static inline void
la_mutex_init(la_mutex *mutex)
{
    atomic_init(&mutex->word, 0);
}

static inline void
la_mutex_lock(la_mutex *mutex)
{
    uint32_t expected = 0;
    /*
     * Acquire: pairs with the release of who unlocks. Release: a fork that
     * finds the mutex held also finds what was written before.
     */
    if (!atomic_compare_exchange_strong_explicit(
            &mutex->word, &expected, LA_HELD,
            memory_order_acq_rel, memory_order_relaxed)) {
        la_mutex_lock_slow(mutex);
    }
}

/* Takes it if nobody has it, or sleeps for it. */
static inline bool
la_mutex_trylock(la_mutex *mutex)
{
    uint32_t expected = 0;
    /* As in la_mutex_lock. */
    return atomic_compare_exchange_strong_explicit(&mutex->word, &expected, LA_HELD,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

static inline void
la_mutex_unlock(la_mutex *mutex)
{
    uint32_t expected = LA_HELD;
    /* Release: pairs with the acquire of who locks next. */
    if (!atomic_compare_exchange_strong_explicit(
            &mutex->word, &expected, 0,
            memory_order_release, memory_order_relaxed)) {
        la_mutex_unlock_slow(mutex);
    }
}

/*
 * A token for one thread. Any thread may hand it over, at any time and more
 * than once; only the owner takes it. A token that comes late is kept, so the
 * owner must bear waking for no reason.
 *
 *   0  no token
 *   1  token
 *   2  no token, and the owner sleeps or is about to
 */
typedef struct {
    _Atomic(uint32_t) word;
} la_parker;

static inline void
la_parker_init(la_parker *parker)
{
    atomic_init(&parker->word, 0);
}

/*
 * Sleeps until there is a token, or for another reason; takes the token in
 * every case, so look for what it stands for whatever the reason is.
 */
la_wake_reason la_park(la_parker *parker, int64_t deadline);
void la_unpark(la_parker *parker);

#endif  /* LOCKEDARRAY_CORE_LOCK_PARKER_H_ */
