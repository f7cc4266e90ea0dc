/*
 * Sleeping on words that processes share.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE     /* syscall(), under -std=c11 */
#endif

#include "lock/shared_sleep.h"

#if LA_HAS_CONTROL

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lock/monitor.h"

/* As struct futex_waitv in <linux/futex.h> of Linux 5.16 and later. */
typedef struct {
    uint64_t value, address;
    uint32_t flags, reserved;
} la_futex_wait;

#define LA_FUTEX_WAITV 449
#define LA_FUTEX_WAITERS UINT32_C(0x80000000)
#define LA_FUTEX_OWNER_DIED UINT32_C(0x40000000)
#define LA_FUTEX_32_SHARED 2
#define LA_FUTEX_WAIT_SHARED 0
#define LA_MOST_WATCHED 127     /* the system's limit is 128 */

/*
 * Has the system wake this thread, or another one that sleeps likewise, when a process dies. Any of
 * them, be it in the way or not: it may have granted this one the lock, and not lived to wake it.
 * One thread each is enough, as a thread that ends tells, too. Who comes later has all look again
 * (la_entry_take_locked). Returns how many there are; the last of them may be left out.
 */
static uint32_t
la_watch_processes_locked(la_shared *shared, la_futex_wait *waits)
{
    la_control *control = shared->control;
    uint64_t watched[LA_MOST_WATCHED + 1];
    uint32_t count = 0;

    watched[0] = shared->process;
    for (uint32_t number = 0; number < LA_ENTRIES && count < LA_MOST_WATCHED; number++) {
        la_control_entry *entry = &control->entries[number];
        uint32_t i = 0;
        if (!la_entry_is_used(control, number) || entry->dead) {
            continue;
        }
        while (i <= count && watched[i] != entry->process) {
            i++;
        }
        if (i <= count) {
            continue;
        }
        _Atomic(uint32_t) *word = la_robust_word(&entry->alive);
        uint32_t value = atomic_fetch_or_explicit(word, LA_FUTEX_WAITERS, memory_order_acq_rel)
                         | LA_FUTEX_WAITERS;
        waits[count++] = (la_futex_wait){value, (uint64_t)(uintptr_t)word, LA_FUTEX_32_SHARED, 0};
        watched[count] = entry->process;
    }
    return count;
}

/* Sleeps until one of the words changes. */
static la_wake_reason
la_futex_sleep(la_futex_wait *waits, uint32_t count, int64_t deadline)
{
    static _Atomic(bool) unknown;       /* the system has no such call */
    struct timespec until = {(time_t)(deadline / 1000000000), (long)(deadline % 1000000000)};
    long result;

    if (!atomic_load_explicit(&unknown, memory_order_relaxed)) {
        result = syscall(LA_FUTEX_WAITV, waits, count, 0, deadline == LA_NEVER ? NULL : &until,
                         CLOCK_MONOTONIC);
        if (result >= 0 || errno == EAGAIN) {
            return LA_WOKEN;
        }
        if (errno == ETIMEDOUT) {
            return LA_LATE;
        }
        if (errno == EINTR) {
            return LA_CUT;
        }
        atomic_store_explicit(&unknown, true, memory_order_relaxed);
    }
    /* Only for its own wake-up, and so it looks for the dead every now and then. */
    int64_t now = la_now();
    int64_t left = deadline == LA_NEVER ? LA_MILLISECOND : deadline - now;
    if (left <= 0) {
        return LA_LATE;
    }
    left = left < LA_MILLISECOND ? left : LA_MILLISECOND;
    struct timespec slice = {0, (long)left};
    result = syscall(SYS_futex, (void *)(uintptr_t)waits[0].address, LA_FUTEX_WAIT_SHARED,
                     (uint32_t)waits[0].value, &slice, NULL, 0);
    return result != 0 && errno == EINTR ? LA_CUT : la_now() >= deadline ? LA_LATE : LA_WOKEN;
}

la_wake_reason
la_shared_park(la_hold *waiter, la_thread *self, int64_t deadline)
{
    la_lock *lock = waiter->lock;
    la_shared *shared = lock->shared;
    la_seat *home = la_shared_home(shared, self);
    la_futex_wait waits[LA_MOST_WATCHED + 1];
    uint32_t count = 1;
    la_wakes wakes = {0};

    la_lock_enter(lock, self);
    waits[0] = (la_futex_wait){
        home->woken, (uint64_t)(uintptr_t)&shared->control->entries[home->number].wake,
        LA_FUTEX_32_SHARED, 0};
    bool sleeps = !atomic_load_explicit(&waiter->granted, memory_order_relaxed)
                  && !waiter->signalled;
    if (sleeps) {
        count += la_watch_processes_locked(shared, waits + 1);
        /* After the words were read: whoever dies from now on changes one of them. */
        sleeps = !la_queue_bury_locked(lock, &wakes);
    }
    la_lock_leave(lock, self, &wakes);
    if (!sleeps) {
        return LA_WOKEN;
    }
    int64_t look = count > LA_MOST_WATCHED ? la_now() + LA_MILLISECOND : LA_NEVER;
    la_wake_reason reason = la_futex_sleep(waits, count, look < deadline ? look : deadline);
    if (reason == LA_WOKEN) {
        /* Perhaps by a death, of which nobody else was told. */
        la_lock_enter(lock, self);
        (void)la_queue_bury_locked(lock, &wakes);
        la_lock_leave(lock, self, &wakes);
    }
    return reason == LA_LATE && look < deadline ? LA_WOKEN : reason;
}

#endif  /* LA_HAS_CONTROL */
