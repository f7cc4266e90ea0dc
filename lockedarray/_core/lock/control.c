/*
 * The control block: making it, its monitor, its state word, and the words by which threads are woken.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE     /* syscall(), mremap(), under -std=c11 */
#endif

#include "lock/control.h"

#if LA_HAS_CONTROL

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lock/parker.h"

#ifdef LA_DEBUG

_Atomic(uint64_t) la_control_steps;
uint64_t la_control_last_step;

void
la_control_step(void)
{
    if (atomic_fetch_add(&la_control_steps, 1) + 1 == la_control_last_step) {
        raise(SIGKILL);
    }
}
#endif

size_t
la_control_size(void)
{
    return sizeof(la_control);
}

static uint64_t
la_control_layout(void)
{
    return (uint64_t)LA_CONTROL_LAYOUT << 32 | sizeof(la_control_entry);
}

int
la_robust_init(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);

    if (error != 0) {
        return error;
    }
    error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (error == 0) {
        error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    }
    if (error == 0) {
        error = pthread_mutex_init(mutex, &attributes);
    }
    (void)pthread_mutexattr_destroy(&attributes);
    return error;
}

int
la_control_init(void *memory, uint64_t serial, uint64_t generation)
{
    la_control *control = memory;

    control->serial = serial;
    atomic_store_explicit(&control->generation, generation, memory_order_relaxed);
    int error = la_robust_init(&control->monitor);
    if (error == 0) {
        control->layout = la_control_layout();
    }
    return error;
}

bool
la_control_is_known(const void *memory)
{
    return ((const la_control *)memory)->layout == la_control_layout();
}

/*
 * A mapping has no length to begin with where it is to be doubled; it is of whole pages, and the
 * block may begin within one.
 */
static size_t
la_control_offset(const void *memory)
{
    return (uintptr_t)memory % (size_t)sysconf(_SC_PAGESIZE);
}

la_control *
la_control_map(void *memory)
{
    size_t offset = la_control_offset(memory);
    char *mapped = mremap((char *)memory - offset, 0, offset + la_control_size(), MREMAP_MAYMOVE);

    return mapped == MAP_FAILED ? NULL : (la_control *)(void *)(mapped + offset);
}

void
la_control_unmap(la_control *control)
{
    size_t offset = la_control_offset(control);

    (void)munmap((char *)control - offset, offset + la_control_size());
}

_Atomic(uint32_t) *
la_robust_word(pthread_mutex_t *mutex)
{
#if defined(__GLIBC__)
    return (_Atomic(uint32_t) *)(void *)mutex;
#else
    return (_Atomic(uint32_t) *)(void *)((char *)mutex + sizeof(int));  /* musl */
#endif
}

/* -- the monitor --------------------------------------------------------------------- */

/* Brings what is in the state word into the slots. */
void
la_control_list(la_control *control)
{
    /* Relaxed: the compare-and-swap decides. */
    uint64_t state = atomic_load_explicit(&control->state, memory_order_relaxed);

    while (state != LA_CONTROL_LISTED) {
        /* Before the swap: whoever repairs after a death between the two below knows what was
           listed. */
        atomic_store_explicit(&control->listing, state, memory_order_release);
        LA_STEP();
        /* Acquire: pairs with the release of who claimed, whose slot is read from here on, and of
           who set FREE. */
        if (!atomic_compare_exchange_weak_explicit(&control->state, &state, LA_CONTROL_LISTED,
                                                   memory_order_acq_rel,
                                                   memory_order_relaxed)) {
            continue;
        }
        LA_STEP();
        if (state != LA_CONTROL_FREE) {
            atomic_store_explicit(
                la_control_state_at(control, (uint32_t)(state - LA_CONTROL_SLOT)), LA_SLOT_HELD,
                memory_order_release);
            control->version++;
        }
        LA_STEP();
        break;
    }
    atomic_store_explicit(&control->listing, LA_CONTROL_FREE, memory_order_release);
}

/* Somebody died in the monitor: the slots are right, but for one that was being listed. */
static void
la_control_repair(la_control *control)
{
    uint64_t listing = atomic_load_explicit(&control->listing, memory_order_relaxed);
    uint64_t state = atomic_load_explicit(&control->state, memory_order_relaxed);

    if (state == LA_CONTROL_LISTED && listing >= LA_CONTROL_SLOT) {
        _Atomic(uint32_t) *slot =
            la_control_state_at(control, (uint32_t)(listing - LA_CONTROL_SLOT));
        if (atomic_load_explicit(slot, memory_order_relaxed) == LA_SLOT_CLAIMING) {
            atomic_store_explicit(slot, LA_SLOT_HELD, memory_order_release);
        }
    }
    LA_STEP();
    control->version++;
    (void)pthread_mutex_consistent(&control->monitor);
}

#define LA_MONITOR_NS (5 * LA_MILLISECOND)

#if defined(__GLIBC__)
#define LA_MONITOR_CLOCK CLOCK_MONOTONIC
#else
#define LA_MONITOR_CLOCK CLOCK_REALTIME     /* which may jump: then the sleep is as much longer */
#endif

static int
la_monitor_lock_until(pthread_mutex_t *monitor, const struct timespec *until)
{
#if defined(__SANITIZE_THREAD__)
    (void)until;                /* which does not know that these tell of a death, too */
    (void)sched_yield();
    return pthread_mutex_trylock(monitor);
#elif defined(__GLIBC__)
    return pthread_mutex_clocklock(monitor, LA_MONITOR_CLOCK, until);
#else
    return pthread_mutex_timedlock(monitor, until);
#endif
}

/*
 * Sleeps no longer than that. A thread that was woken to take the mutex, and is killed before it
 * does, takes the wake-up along, if a third one had been faster: those that sleep on would do so
 * for ever.
 */
static int
la_monitor_lock_or_sleep(pthread_mutex_t *monitor)
{
    struct timespec until;

    clock_gettime(LA_MONITOR_CLOCK, &until);
    until.tv_nsec += LA_MONITOR_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return la_monitor_lock_until(monitor, &until);
}

static bool
la_control_locked(la_control *control, int error)
{
    if (error == EOWNERDEAD) {
        la_control_repair(control);
        return true;
    }
    LA_ASSERT(error == 0);
    return false;
}

bool
la_control_trylock(la_control *control, bool *somebody_died)
{
    int error = pthread_mutex_trylock(&control->monitor);

    if (error == EBUSY) {
        return false;
    }
    *somebody_died = la_control_locked(control, error);
    return true;
}

bool
la_control_lock(la_control *control)
{
    int error = pthread_mutex_trylock(&control->monitor);

    while (error == EBUSY || error == ETIMEDOUT) {
        error = la_monitor_lock_or_sleep(&control->monitor);
    }
    return la_control_locked(control, error);
}

void
la_control_unlock(la_control *control)
{
    (void)pthread_mutex_unlock(&control->monitor);
}

/* -- waking -------------------------------------------------------------------------- */

#define LA_FUTEX_WAKE 1     /* which processes share */

void
la_control_wake(_Atomic(uint32_t) *wake)
{
    /* Release: pairs with the acquire of la_shared_enter, which finds what it is woken for. */
    atomic_fetch_add_explicit(wake, 1, memory_order_release);
    LA_STEP();
    syscall(SYS_futex, wake, LA_FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

void
la_control_wake_all_locked(la_control *control)
{
    for (uint32_t number = 0; number < LA_ENTRIES; number++) {
        if (la_entry_is_used(control, number)) {
            la_control_wake(&control->entries[number].wake);
        }
    }
}

#endif  /* LA_HAS_CONTROL */
