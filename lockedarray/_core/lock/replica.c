/*
 * Bringing the RegionLock of this process up to the table that it shares with others.
 */
#include "lock/replica.h"

#if LA_HAS_CONTROL

#include <stdlib.h>
#include <string.h>

/* A bit that no subject of this process has: what stands for others is told apart by it. */
#define LA_SUBJECT_ELSEWHERE (UINT64_C(1) << 63)

void
la_shared_notify(la_hold *waiter)
{
    la_shared *shared = waiter->lock->shared;
    la_control_entry *entry =
        &shared->control->entries[(waiter->shared_slot - 1) / LA_ENTRY_SLOTS];
    /* Its thread may have several entries, and sleeps by the first. */
    la_control_wake(&shared->control->entries[entry->home].wake);
}

/* What others are to know of a waiter. */
static uint32_t
la_waiter_flags(const la_hold *waiter)
{
    return (waiter->signalled ? LA_SLOT_SIGNALLED : 0) | (waiter->away ? LA_SLOT_AWAY : 0)
        | (waiter->aside ? LA_SLOT_ASIDE : 0)
        | (la_owner_waits(waiter->wanted_by) == waiter ? LA_SLOT_IN_GRAPH : 0)
        | (waiter->recovers ? LA_SLOT_RECOVERS : 0) | la_hold_trying_flag(waiter);
}

void
la_shared_mark_trying(la_hold *hold)
{
    if (hold->shared_slot == 0) {
        return;                 /* it will be written with the rest */
    }
    la_control_slot *slot = la_control_slot_at(hold->lock->shared->control, hold->shared_slot - 1);
    uint32_t flags = atomic_load_explicit(&slot->flags, memory_order_relaxed);
    /* Of a hold, which nobody else writes to; or under the monitor. */
    atomic_store_explicit(&slot->flags, (flags & ~LA_SLOT_TRYING) | la_hold_trying_flag(hold),
                          memory_order_relaxed);
}

bool
la_shared_is_trying(const la_hold *hold)
{
    const la_control_slot *slot =
        la_control_slot_at(hold->lock->shared->control, hold->shared_slot - 1);

    return (atomic_load_explicit(&slot->flags, memory_order_relaxed) & LA_SLOT_TRYING) != 0;
}

void
la_shared_note(la_hold *hold, la_slot_state state)
{
    la_shared *shared = hold->lock->shared;
    uint32_t number = hold->shared_slot - 1;

    LA_ASSERT(hold->shared_slot != 0);
    if (state == LA_SLOT_WAITING || state == LA_SLOT_WATCHING) {
        la_control_slot *slot = la_control_slot_at(shared->control, number);
        slot->ticket = hold->ticket;
        slot->since = hold->since;
        atomic_store_explicit(&slot->heeds, hold->heeds, memory_order_relaxed);
        atomic_store_explicit(&slot->flags, la_waiter_flags(hold), memory_order_relaxed);
        shared->control->tickets = hold->lock->tickets;
    }
    LA_STEP();
    /* Release: a repair finds what was written before. */
    atomic_store_explicit(la_control_state_at(shared->control, number), state,
                          memory_order_release);
    LA_STEP();
    la_mirror_at(shared, number)->linked = la_state_linked(state);
    shared->changed = true;
}

/* One store to its own slot: what others may do to it meanwhile is to look. */
void
la_shared_accept(la_hold *hold)
{
    atomic_store_explicit(
        la_control_state_at(hold->lock->shared->control, hold->shared_slot - 1), LA_SLOT_HELD,
        memory_order_release);
    LA_STEP();
}

bool
la_shared_is_poisoned(const la_hold *hold)
{
    const la_shared *shared = hold->lock->shared;

    return shared->blind
           || (shared->poisons.first != NULL && !hold->recovers
               && la_hold_set_find(&shared->poisons, hold, NULL, NULL, NULL) != NULL);
}

/* -- who stands for others ----------------------------------------------------------- */

/* Cleared; NULL when out of memory. */
static void *
la_new_aligned(size_t alignment, size_t size)
{
    void *made = aligned_alloc(alignment, size);

    return made == NULL ? NULL : memset(made, 0, size);
}

static la_thread *
la_thread_stand_in(void)
{
    la_thread *thread = la_new_aligned(_Alignof(la_thread), sizeof(la_thread));

    if (thread != NULL) {
        la_parker_init(&thread->parker);
        atomic_init(&thread->owner, &thread->own);
    }
    return thread;
}

la_seat *
la_seat_of_other(la_shared *shared, uint32_t entry)
{
    la_seat *seat = la_seat_at(shared, entry);

    if (seat == NULL) {
        seat = calloc(1, sizeof(la_seat));
        if (seat != NULL) {
            seat->number = entry;
            /* Release: pairs with la_seat_at of threads that look for their own. */
            atomic_store_explicit(&shared->seats[entry], seat, memory_order_release);
        }
    }
    return seat;
}

void
la_seat_clear(la_seat *seat)
{
    while (seat->owners != NULL) {
        la_stand_in *next = seat->owners->next;
        free(seat->owners);
        seat->owners = next;
    }
    free(seat->stand_in);
    seat->stand_in = NULL;
    for (uint32_t i = 0; i < LA_ENTRY_SLOTS; i++) {
        free(seat->slots[i].stand_in);
        seat->slots[i] = (la_mirror){.stand_in = NULL};
    }
    atomic_store_explicit(&seat->mine, NULL, memory_order_relaxed);
}

void
la_seat_free(la_seat *seat)
{
    la_seat_clear(seat);
    free(seat);
}

/* The one with this subject, or one that nobody needs any more. */
static la_stand_in *
la_stand_in_find(la_seat *seat, uint64_t subject)
{
    la_stand_in *unused = NULL;

    for (la_stand_in *found = seat->owners; found != NULL; found = found->next) {
        if (found->subject == subject) {
            return found;
        }
        if (found->links == 0) {
            unused = found;
        }
    }
    if (unused == NULL) {
        unused = calloc(1, sizeof(la_stand_in));
        if (unused == NULL) {
            return NULL;
        }
        unused->next = seat->owners;
        seat->owners = unused;
    }
    unused->subject = subject;
    return unused;
}

static la_stand_in *
la_owner_stand_in(la_shared *shared, uint32_t number, uint64_t subject)
{
    const la_control_entry *entry = &shared->control->entries[number];
    /* All entries of one thread have their owners at the first. */
    la_seat *home = la_seat_of_other(shared, entry->home % LA_ENTRIES);

    if (home == NULL) {
        return NULL;
    }
    if (home->stand_in == NULL) {
        home->stand_in = la_thread_stand_in();
    }
    la_stand_in *found = home->stand_in == NULL ? NULL : la_stand_in_find(home, subject);
    if (found != NULL) {
        atomic_store_explicit(&found->owner.thread, home->stand_in, memory_order_relaxed);
        atomic_store_explicit(&found->owner.ident, (uint64_t)(uint32_t)entry->tid,
                              memory_order_relaxed);
        atomic_store_explicit(&found->owner.subject,
                              LA_SUBJECT_ELSEWHERE | (uint64_t)(uint32_t)entry->pid,
                              memory_order_relaxed);
    }
    return found;
}

static la_hold *
la_hold_stand_in(la_shared *shared, la_mirror *mirror, uint32_t number)
{
    if (mirror->stand_in == NULL) {
        mirror->stand_in = la_new_aligned(_Alignof(la_hold), sizeof(la_hold));
        if (mirror->stand_in == NULL) {
            return NULL;
        }
        mirror->stand_in->lock = shared->lock;
        mirror->stand_in->notify = la_shared_notify;
        mirror->stand_in->shared_slot = number + 1;
    }
    return mirror->stand_in;
}

/* Copies a slot, with all that is chained to it, to what stands for it; NULL when out of memory. */
static la_hold *
la_hold_stand_in_read(la_shared *shared, uint32_t number, la_owner *owner)
{
    la_control_slot *slot = la_control_slot_at(shared->control, number);
    la_seat *seat = la_seat_of_other(shared, number / LA_ENTRY_SLOTS);
    la_hold *hold = seat == NULL ? NULL
        : la_hold_stand_in(shared, &seat->slots[number % LA_ENTRY_SLOTS], number);

    if (hold == NULL) {
        return NULL;
    }
    hold->mode = slot->mode == LA_WRITE ? LA_WRITE : LA_READ;
    hold->thread = atomic_load_explicit(&owner->thread, memory_order_relaxed);
    hold->wanted_by = owner;
    hold->ticket = slot->ticket;
    hold->since = slot->since;
    hold->heeds = atomic_load_explicit(&slot->heeds, memory_order_relaxed);
    hold->queued = false;
    hold->also = NULL;
    la_region_copy(&hold->region, &slot->region);
    /* Each part that was written is poison of its own. */
    bool is_poison = atomic_load_explicit(la_control_state_at(shared->control, number),
                                          memory_order_relaxed) == LA_SLOT_POISONED;
    if (!is_poison && slot->also != 0 && slot->also <= LA_ENTRIES * LA_ENTRY_SLOTS) {
        hold->also = la_hold_stand_in_read(shared, slot->also - 1, owner);
        if (hold->also == NULL) {
            return NULL;
        }
    }
    return hold;
}

/* -- the sets ------------------------------------------------------------------------ */

/* What was found that begins to wait, or to watch: it comes into its set in the order of tickets. */
typedef struct {
    la_hold *first;             /* by wake_next, which is free for it: it is in nobody's list */
} la_arrivals;

static void
la_arrivals_add(la_arrivals *arrivals, la_hold *hold)
{
    la_hold **at = &arrivals->first;

    while (*at != NULL && (*at)->ticket < hold->ticket) {
        at = &(*at)->wake_next;
    }
    hold->wake_next = *at;
    *at = hold;
}

static void
la_mirror_unlink(la_shared *shared, la_mirror *mirror)
{
    la_lock *lock = shared->lock;
    la_hold *hold = mirror->stand_in;

    switch (mirror->linked) {
    case LA_SLOT_HELD:
        la_lock_unlink(lock, hold);
        break;
    case LA_SLOT_WAITING:
        la_hold_set_remove(&lock->waiters, hold);
        hold->queued = false;
        la_owner_stop_waiting(hold->wanted_by, hold);
        break;
    case LA_SLOT_WATCHING:
        la_hold_set_remove(&la_lock_rare_of(lock)->changes, hold);
        break;
    case LA_SLOT_POISONED:
        la_hold_set_remove(&shared->poisons, hold);
        break;
    default:
        return;
    }
    ((la_stand_in *)hold->wanted_by)->links--;
    mirror->linked = LA_SLOT_FREE;
}

uint32_t
la_state_linked(uint32_t state)
{
    switch (state) {
    case LA_SLOT_HELD:
    case LA_SLOT_RELEASING:
    case LA_SLOT_GRANTED:
        return LA_SLOT_HELD;
    case LA_SLOT_WAITING:
    case LA_SLOT_WATCHING:
    case LA_SLOT_POISONED:
        return state;
    case LA_SLOT_CHANGED:
        return LA_SLOT_WATCHING;
    default:
        return LA_SLOT_FREE;
    }
}

/* What another process decides of a waiter of its own, or of anybody's. */
static void
la_waiter_read_flags(const la_control_slot *slot, la_hold *waiter)
{
    uint32_t flags = atomic_load_explicit(&slot->flags, memory_order_relaxed);
    bool in_graph = (flags & LA_SLOT_IN_GRAPH) != 0;

    waiter->signalled = (flags & LA_SLOT_SIGNALLED) != 0;
    waiter->away = (flags & LA_SLOT_AWAY) != 0;
    waiter->aside = (flags & LA_SLOT_ASIDE) != 0;
    waiter->recovers = (flags & LA_SLOT_RECOVERS) != 0;
    atomic_store_explicit(&waiter->trying, (flags & LA_SLOT_TRYING) != 0, memory_order_relaxed);
    waiter->nested = in_graph;
    waiter->heeds = atomic_load_explicit(&slot->heeds, memory_order_relaxed);
    if (in_graph) {
        la_owner_wait(waiter->wanted_by, waiter);
    }
    else {
        la_owner_stop_waiting(waiter->wanted_by, waiter);
    }
}

static uint32_t
la_slot_linked(la_shared *shared, uint32_t number)
{
    return la_state_linked(
        atomic_load_explicit(la_control_state_at(shared->control, number), memory_order_relaxed));
}

/* Takes what stands for it out of the sets, unless it is still that. */
static void
la_mirror_forget_other(la_shared *shared, la_seat *seat, uint32_t number)
{
    la_control_slot *slot = la_control_slot_at(shared->control, number);
    la_mirror *mirror = &seat->slots[number % LA_ENTRY_SLOTS];

    if (mirror->linked != la_slot_linked(shared, number) || mirror->uses != slot->uses) {
        la_mirror_unlink(shared, mirror);
    }
}

static void
la_mirror_update_other(la_shared *shared, la_seat *seat, uint32_t number, la_arrivals *arrivals)
{
    la_control_slot *slot = la_control_slot_at(shared->control, number);
    la_mirror *mirror = &seat->slots[number % LA_ENTRY_SLOTS];
    uint32_t linked = la_slot_linked(shared, number);

    if (mirror->linked == linked) {
        if (linked == LA_SLOT_WAITING) {
            la_waiter_read_flags(slot, mirror->stand_in);
        }
        return;
    }
    la_stand_in *whose = la_owner_stand_in(shared, seat->number, slot->subject);
    la_hold *hold = whose == NULL ? NULL
        : la_hold_stand_in_read(shared, number, &whose->owner);
    if (hold == NULL) {
        shared->blind = true;
        return;
    }
    la_owner *owner = &whose->owner;
    whose->links++;
    mirror->uses = slot->uses;
    mirror->linked = linked;
    atomic_store_explicit(&hold->granted, false, memory_order_relaxed);
    switch (linked) {
    case LA_SLOT_HELD:
        la_lock_link(shared->lock, hold, owner);
        break;
    case LA_SLOT_POISONED:
        la_hold_set_add(&shared->poisons, hold, owner);
        break;
    default:
        la_arrivals_add(arrivals, hold);
        break;
    }
}

static void
la_arrivals_enter(la_shared *shared, la_arrivals *arrivals)
{
    la_hold *hold = arrivals->first;

    while (hold != NULL) {
        la_hold *next = hold->wake_next;
        uint32_t number = hold->shared_slot - 1;
        if (la_mirror_at(shared, number)->linked == LA_SLOT_WAITING) {
            hold->queued = true;
            la_hold_set_add(&shared->lock->waiters, hold, hold->wanted_by);
            la_waiter_read_flags(la_control_slot_at(shared->control, number), hold);
        }
        else {
            la_hold_set_add(&la_lock_rare_of(shared->lock)->changes, hold,
                            hold->wanted_by);
        }
        hold = next;
    }
}

/* What others have done to a hold of this process. */
static void
la_mirror_update_mine(la_shared *shared, la_mirror *mirror, uint32_t number)
{
    la_lock *lock = shared->lock;
    la_hold *hold = atomic_load_explicit(&mirror->hold, memory_order_acquire);
    _Atomic(uint32_t) *state = la_control_state_at(shared->control, number);
    la_control_slot *slot = la_control_slot_at(shared->control, number);

    switch (atomic_load_explicit(state, memory_order_relaxed)) {
    case LA_SLOT_HELD:
    case LA_SLOT_RELEASING:
        if (mirror->linked == LA_SLOT_FREE) {       /* it was in the state word */
            mirror->linked = LA_SLOT_HELD;
            la_lock_link(lock, hold, la_hold_owner(hold));
        }
        break;
    case LA_SLOT_GRANTED:
        if (mirror->linked == LA_SLOT_WAITING) {
            la_hold_set_remove(&lock->waiters, hold);
            hold->queued = hold->signalled = hold->away = hold->aside = false;
            mirror->linked = LA_SLOT_HELD;
            la_lock_link(lock, hold, hold->wanted_by);
            hold->told = true;
            /* Release: pairs with the acquire in la_waiter_sleep. */
            atomic_store_explicit(&hold->granted, true, memory_order_release);
        }
        break;
    case LA_SLOT_WAITING:
        hold->signalled = (atomic_load_explicit(&slot->flags, memory_order_relaxed)
                           & LA_SLOT_SIGNALLED) != 0;
        hold->heeds = atomic_load_explicit(&slot->heeds, memory_order_relaxed);
        break;
    case LA_SLOT_CHANGED:
        /* Release: pairs with the acquire in la_change_is_seen. */
        atomic_store_explicit(&hold->granted, true, memory_order_release);
        break;
    default:
        break;
    }
}

/* First, as a record may stand for a part of another chain next. */
static void
la_replica_forget(la_shared *shared)
{
    for (uint32_t entry = 0; entry < LA_ENTRIES; entry++) {
        la_seat *seat = la_seat_at(shared, entry);
        for (uint32_t i = 0; seat != NULL && la_seat_thread(seat) == NULL && i < LA_ENTRY_SLOTS;
                i++) {
            la_mirror_forget_other(shared, seat, entry * LA_ENTRY_SLOTS + i);
        }
    }
}

void
la_replica_update(la_shared *shared)
{
    la_control *control = shared->control;
    la_arrivals arrivals = {NULL};

    if (shared->version == control->version && !shared->blind) {
        return;
    }
    shared->blind = false;
    la_replica_forget(shared);
    for (uint32_t entry = 0; entry < LA_ENTRIES; entry++) {
        la_seat *seat = la_seat_at(shared, entry);
        if (seat == NULL && la_entry_is_used(control, entry)) {
            seat = la_seat_of_other(shared, entry);
            shared->blind |= seat == NULL;
        }
        if (seat == NULL) {
            continue;
        }
        for (uint32_t i = 0; i < LA_ENTRY_SLOTS; i++) {
            uint32_t number = entry * LA_ENTRY_SLOTS + i;
            if (la_seat_thread(seat) == NULL) {
                la_mirror_update_other(shared, seat, number, &arrivals);
            }
            else if (atomic_load_explicit(&seat->slots[i].hold, memory_order_acquire) != NULL) {
                la_mirror_update_mine(shared, &seat->slots[i], number);
            }
        }
    }
    la_arrivals_enter(shared, &arrivals);
    shared->version = control->version;
}

void
la_replica_publish(la_shared *shared)
{
    for (la_hold *waiter = shared->lock->waiters.first; waiter != NULL; waiter = waiter->next) {
        la_control_slot *slot = la_control_slot_at(shared->control, waiter->shared_slot - 1);
        uint32_t flags = la_waiter_flags(waiter);
        if (atomic_load_explicit(&slot->flags, memory_order_relaxed) != flags) {
            atomic_store_explicit(&slot->flags, flags, memory_order_relaxed);
            shared->changed = true;
        }
        if (atomic_load_explicit(&slot->heeds, memory_order_relaxed) != waiter->heeds) {
            atomic_store_explicit(&slot->heeds, waiter->heeds, memory_order_relaxed);
            shared->changed = true;
        }
    }
}

#endif  /* LA_HAS_CONTROL */
