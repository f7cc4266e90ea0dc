/*
 * The list of all locks between processes of this process, and leaving them.
 */
#include "lock/entries.h"

#if LA_HAS_CONTROL

#include <stdlib.h>

#include "lock/burial.h"

LA_THREAD_LOCAL uint32_t la_entries_count;

static la_mutex la_entries_mutex;
static la_shared *la_entries_all;           /* by next */
static _Atomic(uint64_t) la_departures;     /* how many were closed, or detached */

void
la_entries_add(la_shared *shared)
{
    la_mutex_lock(&la_entries_mutex);
    shared->next = la_entries_all;
    la_entries_all = shared;
    la_mutex_unlock(&la_entries_mutex);
}

/* Has the thread an entry there? All of its own are seen by the thread itself. */
static bool
la_entries_any(la_shared *shared, const la_thread *self)
{
    for (uint32_t number = 0; number < LA_ENTRIES; number++) {
        la_seat *seat = la_seat_at(shared, number);
        if (seat != NULL && la_seat_thread(seat) == self) {
            return true;
        }
    }
    return false;
}

static bool
la_entries_are_empty(la_shared *shared, const la_thread *self)
{
    for (uint32_t number = 0; number < LA_ENTRIES; number++) {
        la_seat *seat = la_seat_at(shared, number);
        for (uint32_t i = 0; seat != NULL && la_seat_thread(seat) == self && i < LA_ENTRY_SLOTS;
                i++) {
            if (atomic_load_explicit(&seat->slots[i].hold, memory_order_acquire) != NULL) {
                return false;
            }
        }
    }
    return true;
}

/*
 * What is in the slots of a thread that ends: nothing but a watch that whoever keeps it has not ended
 * yet. It is told of nothing more.
 */
static void
la_seat_empty_locked(la_control *control, la_seat *seat)
{
    for (uint32_t i = 0; i < LA_ENTRY_SLOTS; i++) {
        la_mirror *mirror = &seat->slots[i];
        la_hold *hold = atomic_load_explicit(&mirror->hold, memory_order_acquire);
        if (hold == NULL) {
            continue;
        }
        LA_ASSERT(mirror->linked != LA_SLOT_HELD && mirror->linked != LA_SLOT_WAITING);
        hold->shared_slot = 0;
        atomic_store_explicit(&control->entries[seat->number].states[i], LA_SLOT_FREE,
                              memory_order_release);
        mirror->linked = LA_SLOT_FREE;
        atomic_store_explicit(&mirror->hold, NULL, memory_order_release);
    }
}

/* The calling thread leaves them. */
static void
la_entries_leave(la_shared *shared, const la_thread *self)
{
    la_control *control = shared->control;

    if (la_control_lock(control)) {
        control->to_be_called = true;
    }
    for (uint32_t number = 0; number < LA_ENTRIES; number++) {
        la_seat *seat = la_seat_at(shared, number);
        if (seat == NULL || la_seat_thread(seat) != self) {
            continue;
        }
        la_seat_empty_locked(control, seat);
        la_entry_leave_locked(control, number);
        LA_STEP();
        atomic_store_explicit(&seat->mine, NULL, memory_order_relaxed);
        (void)pthread_mutex_unlock(&control->entries[number].alive);
        la_entries_count--;
    }
    la_control_wake_all_locked(control);    /* who watched these is to watch others of the process */
    la_control_unlock(control);
}

static bool
la_entries_are_nobodys(la_shared *shared)
{
    for (uint32_t number = 0; number < LA_ENTRIES; number++) {
        la_seat *seat = la_seat_at(shared, number);
        if (seat != NULL && la_seat_thread(seat) != NULL) {
            return false;
        }
    }
    return true;
}

static void
la_shared_free(la_shared *shared)
{
    for (uint32_t number = 0; number < LA_ENTRIES; number++) {
        la_seat *seat = la_seat_at(shared, number);
        if (seat != NULL) {
            la_seat_free(seat);
        }
    }
    la_control_unmap(shared->control);
    free(shared);
}

/* Frees it if it is detached, and of no use to anybody. Returns the next one. */
static la_shared *
la_entries_drop_locked(la_shared *shared)
{
    la_shared *next = shared->next, **at = &la_entries_all;

    if (shared->lock != NULL || shared->leaving != 0 || !la_entries_are_nobodys(shared)) {
        return next;
    }
    while (*at != shared) {
        at = &(*at)->next;
    }
    *at = next;
    la_shared_free(shared);
    return next;
}

/* Leaves one; the mutex is not held meanwhile, and it stays in the list. */
static void
la_entries_leave_locked(la_shared *shared, const la_thread *self)
{
    shared->leaving++;
    la_mutex_unlock(&la_entries_mutex);
    la_entries_leave(shared, self);
    la_mutex_lock(&la_entries_mutex);
    shared->leaving--;
}

static bool
la_shared_is_departed(const la_shared *shared)
{
    return shared->lock == NULL
           || atomic_load_explicit(&shared->closed, memory_order_relaxed);
}

static void
la_entries_leave_all(const la_thread *self, bool ends)
{
    la_mutex_lock(&la_entries_mutex);
    for (la_shared *shared = la_entries_all; shared != NULL;) {
        if (la_entries_any(shared, self)
                && (ends || (la_shared_is_departed(shared) && la_entries_are_empty(shared, self)))) {
            la_entries_leave_locked(shared, self);
        }
        shared = la_entries_drop_locked(shared);
    }
    la_mutex_unlock(&la_entries_mutex);
}

static void
la_entries_depart_locked(la_shared *shared, const la_thread *self)
{
    /* Relaxed: who sees it takes the mutex. */
    atomic_fetch_add_explicit(&la_departures, 1, memory_order_relaxed);
    if (self != NULL && la_entries_any(shared, self) && la_entries_are_empty(shared, self)) {
        la_entries_leave_locked(shared, self);
    }
    (void)la_entries_drop_locked(shared);
}

void
la_entries_depart(la_shared *shared, const la_thread *self)
{
    la_mutex_lock(&la_entries_mutex);
    la_entries_depart_locked(shared, self);
    la_mutex_unlock(&la_entries_mutex);
}

void
la_entries_detach(la_shared *shared, const la_thread *self)
{
    la_mutex_lock(&la_entries_mutex);
    shared->lock = NULL;
    la_entries_depart_locked(shared, self);
    la_mutex_unlock(&la_entries_mutex);
}

void
la_entries_leave_departed(const la_thread *self)
{
    static LA_THREAD_LOCAL uint64_t seen;
    uint64_t departures = atomic_load_explicit(&la_departures, memory_order_relaxed);

    if (seen != departures) {
        seen = departures;
        la_entries_leave_all(self, false);
    }
}

void
la_entries_end(const la_thread *self)
{
    if (la_entries_count != 0) {
        la_entries_leave_all(self, true);
    }
}

void
la_entries_fork_prepare(void)
{
    la_mutex_lock(&la_entries_mutex);
}

void
la_entries_fork_parent(void)
{
    la_mutex_unlock(&la_entries_mutex);
}

void
la_entries_fork_child(void (*renew)(la_shared *shared))
{
    la_mutex_init(&la_entries_mutex);
    la_entries_count = 0;
    for (la_shared *shared = la_entries_all; shared != NULL;) {
        shared->leaving = 0;
        renew(shared);
        shared = la_entries_drop_locked(shared);
    }
}

#endif  /* LA_HAS_CONTROL */
