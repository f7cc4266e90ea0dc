/*
 * The entries of this process's threads, their slots, and the step by which a lock is taken when
 * nobody else is there.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE     /* gettid(), syscall(), under -std=c11 */
#endif

#include "lock/seats.h"

#if LA_HAS_CONTROL

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lock/entries.h"
#include "lock/monitor.h"

/* Takes an entry for the calling thread, under the monitor; NULL: there is none, or no memory. */
static la_seat *
la_entry_take_locked(la_shared *shared, la_thread *self, la_seat *home)
{
    la_control *control = shared->control;
    uint32_t number = 0;

    while (number < LA_ENTRIES && la_entry_is_used(control, number)) {
        number++;
    }
    la_seat *seat = number == LA_ENTRIES ? NULL : la_seat_of_other(shared, number);
    if (seat == NULL) {
        return NULL;
    }
    la_control_entry *entry = &control->entries[number];
    if (!entry->prepared) {
        if (la_robust_init(&entry->alive) != 0) {
            return NULL;
        }
        entry->prepared = true;
    }
    int error = la_entries_count >= LA_MOST_ENTRIES ? EAGAIN
        : pthread_mutex_trylock(&entry->alive);
    if (error == EOWNERDEAD) {
        (void)pthread_mutex_consistent(&entry->alive);
    }
    else if (error != 0) {
        return NULL;
    }
    la_entries_count++;
    entry->dead = false;
    entry->home = home == NULL ? number : home->number;
    entry->process = shared->process;
    entry->pid = (int32_t)getpid();
    entry->tid = (int32_t)syscall(SYS_gettid);
    for (uint32_t i = 0; i < LA_ENTRY_SLOTS; i++) {
        atomic_store_explicit(&entry->states[i], LA_SLOT_FREE, memory_order_relaxed);
        LA_ASSERT(seat->slots[i].linked == LA_SLOT_FREE);
        atomic_store_explicit(&seat->slots[i].hold, NULL, memory_order_relaxed);
    }
    LA_STEP();
    atomic_fetch_or_explicit(&control->used[number / 64], UINT64_C(1) << (number % 64),
                             memory_order_release);
    LA_STEP();
    atomic_store_explicit(&seat->mine, self, memory_order_relaxed);
    if (home == NULL) {
        la_control_wake_all_locked(control);
    }
    return seat;
}

static la_seat *
la_shared_sit(la_shared *shared, la_thread *self)
{
    la_wakes wakes = {0};

    la_entries_leave_departed(self);
    la_seat *home = la_shared_home(shared, self);
    la_lock_enter(shared->lock, self);
    la_seat *seat = la_entry_take_locked(shared, self, home);
    if (seat == NULL && la_queue_bury_locked(shared->lock, &wakes)) {
        seat = la_entry_take_locked(shared, self, home);
    }
    la_lock_leave(shared->lock, self, &wakes);
    return seat;
}

/* A slot of a seat that is free: its number, and one; 0: none is. */
static inline uint32_t
la_seat_free_slot(la_seat *seat)
{
    for (uint32_t i = 0; i < LA_ENTRY_SLOTS; i++) {
        /* Acquire: pairs with the release of la_shared_end, after which the slot is not written
           to by whoever gave the last hold back. */
        if (atomic_load_explicit(&seat->slots[i].hold, memory_order_acquire) == NULL) {
            return seat->number * LA_ENTRY_SLOTS + i + 1;
        }
    }
    return 0;
}

static uint32_t
la_shared_free_slot(la_shared *shared, la_thread *self)
{
    la_seat *seat = la_shared_home(shared, self);
    uint32_t number = seat == NULL ? 0 : la_seat_free_slot(seat);

    for (uint32_t entry = 0; entry < LA_ENTRIES && number == 0 && seat != NULL; entry++) {
        la_seat *other = la_seat_at(shared, entry);
        if (other != NULL && la_seat_thread(other) == self) {
            number = la_seat_free_slot(other);
        }
    }
    if (number == 0) {
        seat = la_shared_sit(shared, self);
        number = seat == NULL ? 0 : la_seat_free_slot(seat);
    }
    return number;
}

/* Writes a hold to a slot, of which the number, and one, is given. */
static inline void
la_slot_write(la_shared *shared, const la_hold *hold, uint32_t number, const la_owner *owner)
{
    la_control_slot *slot = la_control_slot_at(shared->control, number - 1);

    slot->uses++;
    slot->subject = la_owner_subject(owner);
    slot->mode = hold->mode;
    slot->also = 0;
    atomic_store_explicit(&slot->flags, la_hold_trying_flag(hold), memory_order_relaxed);
    la_region_copy(&slot->region, &hold->region);
}

bool
la_shared_begin(la_hold *hold, const la_owner *owner, la_thread *self)
{
    la_shared *shared = hold->lock->shared;
    la_hold *before = NULL;

    for (la_hold *part = hold; part != NULL; part = part->also) {
        part->lock = hold->lock;
        part->shared_slot = la_shared_free_slot(shared, self);
        if (part->shared_slot == 0) {
            la_shared_end(hold);
            return false;
        }
        la_slot_write(shared, part, part->shared_slot, owner);
        atomic_store_explicit(
            la_control_state_at(shared->control, part->shared_slot - 1),
            before == NULL ? LA_SLOT_FREE : LA_SLOT_PART, memory_order_relaxed);
        if (before != NULL) {
            la_control_slot_at(shared->control, before->shared_slot - 1)->also = part->shared_slot;
        }
        atomic_store_explicit(&la_mirror_at(shared, part->shared_slot - 1)->hold, part,
                              memory_order_release);
        before = part;
    }
    return true;
}

void
la_shared_end(la_hold *hold)
{
    for (; hold != NULL && hold->shared_slot != 0; hold = hold->also) {
        la_shared *shared = hold->lock->shared;
        uint32_t number = hold->shared_slot - 1;
        la_mirror *mirror = la_mirror_at(shared, number);

        hold->shared_slot = 0;
        hold->recovers = false;     /* it is asked for each time */
        if (atomic_load_explicit(&mirror->hold, memory_order_relaxed) != hold) {
            continue;               /* the slot is the parent's, before a fork */
        }
        atomic_store_explicit(la_control_state_at(shared->control, number), LA_SLOT_FREE,
                              memory_order_relaxed);
        /* Release: pairs with the acquire of la_seat_free_slot. */
        atomic_store_explicit(&mirror->hold, NULL, memory_order_release);
    }
}

/* -- moving -------------------------------------------------------------------------- */

static void
la_shared_reserve_undo(la_hold *hold)
{
    for (; hold != NULL && hold->shared_next != 0; hold = hold->also) {
        atomic_store_explicit(&la_mirror_at(hold->lock->shared, hold->shared_next - 1)->hold, NULL,
                              memory_order_release);
        hold->shared_next = 0;
    }
}

/* A slot of this thread for each part of the hold; false: there is no room. */
static bool
la_shared_reserve(la_hold *hold, la_thread *self)
{
    la_shared *shared = hold->lock->shared;

    for (la_hold *part = hold; part != NULL; part = part->also) {
        part->shared_next = la_shared_free_slot(shared, self);
        if (part->shared_next == 0) {
            la_shared_reserve_undo(hold);
            return false;
        }
        atomic_store_explicit(&la_mirror_at(shared, part->shared_next - 1)->hold, part,
                              memory_order_release);
    }
    return true;
}

/* Writes a part to its next slot, and those behind it before: the head comes last. */
static void
la_slot_copy_locked(la_shared *shared, la_hold *part, const la_owner *owner, bool is_head)
{
    if (part->also != NULL) {
        la_slot_copy_locked(shared, part->also, owner, false);
    }
    la_slot_write(shared, part, part->shared_next, owner);
    la_control_slot_at(shared->control, part->shared_next - 1)->also =
        part->also == NULL ? 0 : part->also->shared_next;
    LA_STEP();
    atomic_store_explicit(la_control_state_at(shared->control, part->shared_next - 1),
                          is_head ? LA_SLOT_HELD : LA_SLOT_PART, memory_order_release);
    LA_STEP();
}

/* The new slots are written first: whoever is killed here leaves what was written half in both. */
static void
la_shared_move_hold(la_hold *hold, const la_owner *owner, la_thread *self)
{
    la_lock *lock = hold->lock;
    la_shared *shared = lock->shared;
    la_wakes wakes = {0};

    la_lock_enter(lock, self);
    la_slot_copy_locked(shared, hold, owner, true);
    la_mirror_at(shared, hold->shared_slot - 1)->linked = LA_SLOT_FREE;
    la_mirror_at(shared, hold->shared_next - 1)->linked = LA_SLOT_HELD;
    for (la_hold *part = hold; part != NULL; part = part->also) {
        uint32_t number = part->shared_slot - 1;
        atomic_store_explicit(la_control_state_at(shared->control, number), LA_SLOT_FREE,
                              memory_order_release);
        LA_STEP();
        atomic_store_explicit(&la_mirror_at(shared, number)->hold, NULL, memory_order_release);
        part->shared_slot = part->shared_next;
        part->shared_next = 0;
    }
    shared->changed = true;
    la_lock_leave(lock, self, &wakes);
}

static bool
la_hold_is_shared(const la_hold *hold)
{
    return hold->lock != NULL && hold->lock->shared != NULL;
}

bool
la_shared_move(la_owner *owner, la_thread *self)
{
    la_hold *newest = atomic_load_explicit(&owner->holds, memory_order_relaxed), *hold = newest;

    while (hold != NULL && (!la_hold_is_shared(hold) || la_shared_reserve(hold, self))) {
        hold = hold->older;
    }
    for (la_hold *moved = newest; moved != hold; moved = moved->older) {
        if (!la_hold_is_shared(moved)) {
            continue;
        }
        if (hold != NULL) {
            la_shared_reserve_undo(moved);
        }
        else {
            la_shared_move_hold(moved, owner, self);
        }
    }
    return hold == NULL;
}

/* -- when nobody else is there ------------------------------------------------------- */

bool
la_shared_claim(la_lock *lock, la_hold *hold, la_thread *self)
{
    la_shared *shared = lock->shared;
    la_control *control = shared->control;
    uint64_t expected = LA_CONTROL_FREE;

    if (atomic_load_explicit(&control->state, memory_order_relaxed) != LA_CONTROL_FREE
            || hold->also != NULL) {
        return false;
    }
    la_seat *seat = la_shared_home(shared, self);
    uint32_t slot = seat == NULL ? 0 : la_seat_free_slot(seat);
    if (slot == 0) {
        return false;
    }
    la_owner *owner = la_thread_owner(self);
    hold->lock = lock;
    hold->shared_slot = slot;
    atomic_store_explicit(&hold->owner, owner, memory_order_relaxed);
    la_owner_remember(owner, hold);
    la_slot_write(shared, hold, slot, owner);
    atomic_store_explicit(la_control_state_at(control, slot - 1), LA_SLOT_CLAIMING,
                          memory_order_relaxed);
    /* Release: pairs with the acquire of la_replica_update in another thread of this process. */
    atomic_store_explicit(&seat->slots[(slot - 1) % LA_ENTRY_SLOTS].hold, hold,
                          memory_order_release);
    LA_STEP();
    /*
     * Acquire: pairs with the release of who set FREE, and so sees all that was written under
     * the lock. Release: pairs with the acquire of la_control_list, which has the slot read.
     */
    if (atomic_compare_exchange_strong_explicit(&control->state, &expected,
                                                LA_CONTROL_SLOT + (slot - 1),
                                                memory_order_acq_rel, memory_order_relaxed)) {
        LA_STEP();
        return true;
    }
    la_owner_forget(owner, hold);
    la_shared_end(hold);
    return false;
}

bool
la_shared_unclaim(la_hold *hold, la_thread *self)
{
    la_shared *shared = hold->lock->shared;
    la_control *control = shared->control;
    uint64_t expected = LA_CONTROL_SLOT + (hold->shared_slot - 1);
    uint32_t held = LA_SLOT_HELD;

    (void)self;
    LA_STEP();
    /* Release: pairs with the acquire of who takes the lock next. */
    if (atomic_compare_exchange_strong_explicit(&control->state, &expected, LA_CONTROL_FREE,
                                                memory_order_acq_rel, memory_order_relaxed)) {
        LA_STEP();
        la_owner_forget(la_hold_owner(hold), hold);
        la_shared_end(hold);
        return true;
    }
    /* From here on a death leaves nothing half written. It is not so while it is being listed. */
    (void)atomic_compare_exchange_strong_explicit(
        la_control_state_at(control, hold->shared_slot - 1), &held, LA_SLOT_RELEASING,
        memory_order_release, memory_order_relaxed);
    LA_STEP();
    return false;
}

#endif  /* LA_HAS_CONTROL */
