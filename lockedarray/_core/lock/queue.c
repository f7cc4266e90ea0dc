/*
 * The monitor inside a lock. Everything here but la_lock_enter runs under the
 * lock's mutex; queue.h has the invariant.
 */
#include "lock/queue.h"

static void la_lock_check_locked(const la_lock *lock);

/* Is a part of it a write? */
static bool
la_hold_writes(const la_hold *hold)
{
    while (hold != NULL && hold->mode != LA_WRITE) {
        hold = hold->also;
    }
    return hold != NULL;
}

static void
la_lock_take_mutex(la_lock *lock, la_thread *self)
{
    /* Relaxed: the release in la_mutex_lock orders it for a fork. */
    atomic_store_explicit(&self->inside, lock, memory_order_relaxed);
    la_mutex_lock(&lock->mutex);
}

static void
la_lock_give_mutex(la_lock *lock, la_thread *self)
{
    la_mutex_unlock(&lock->mutex);
    /* Release: a fork that finds it cleared finds the mutex free. */
    atomic_store_explicit(&self->inside, NULL, memory_order_release);
}

/* The bias has ended: what is in slots comes into the list. */
static void
la_lock_list_slots_locked(la_lock *lock)
{
    la_hold *hold = la_bias_revoke_locked(lock), *next;

    for (; hold != NULL; hold = next) {
        next = hold->next;
        la_holds_link_locked(lock, hold, la_hold_owner(hold));
    }
}

/* Brings the lock into the list form. */
static void
la_lock_list_all_locked(la_lock *lock)
{
    /* Relaxed: the compare-and-swap decides; LISTED is the mutex's alone. */
    uintptr_t state = atomic_load_explicit(&lock->state, memory_order_relaxed);
    while (state != LA_LISTED) {
        /*
         * Acquire: pairs with the release of who claimed, whose hold is read
         * from here on, and with the release of who set FREE, after whom the
         * caller of la_acquire comes next. Sequentially consistent: it comes before
         * the look at the slots (la_lock_claim_slot).
         */
        if (atomic_compare_exchange_weak_explicit(
                &lock->state, &state, LA_LISTED,
                memory_order_seq_cst, memory_order_relaxed)) {
            if (state == LA_BIASED) {
                la_lock_list_slots_locked(lock);
            }
            else if (state != LA_FREE) {
                la_hold *hold = (la_hold *)(state & ~LA_INLINE);
                la_holds_link_locked(lock, hold, la_hold_owner(hold));
            }
            break;
        }
    }
}

void
la_lock_enter(la_lock *lock, la_thread *self)
{
    la_lock_take_mutex(lock, self);
    la_lock_list_all_locked(lock);
}

/* Under the mutex, where nobody else ends a bias. */
static bool
la_lock_is_biased_locked(const la_lock *lock)
{
    return atomic_load_explicit(&lock->state, memory_order_relaxed) == LA_BIASED;
}

bool
la_lock_enter_or_add(la_hold *hold, la_owner *owner, la_thread *self)
{
    la_lock *lock = hold->lock;

    la_lock_take_mutex(lock, self);
    if (la_lock_is_biased_locked(lock) && !la_hold_writes(hold)) {
        la_owner_remember(owner, hold);
        la_holds_link_locked(lock, hold, owner);
        la_lock_give_mutex(lock, self);
        return true;
    }
    la_lock_list_all_locked(lock);
    return false;
}

bool
la_lock_enter_or_drop(la_hold *hold, la_thread *self)
{
    la_lock *lock = hold->lock;

    la_lock_take_mutex(lock, self);
    if (la_lock_is_biased_locked(lock)) {
        /* Relaxed: under the mutex only who gives it back, as this one does, changes it. */
        la_slot *slot = atomic_load_explicit(&hold->slot, memory_order_relaxed);
        if (slot != NULL) {
            la_bias_take_locked(hold, slot);
        }
        else {
            la_holds_unlink_locked(lock, hold);
        }
        la_lock_give_mutex(lock, self);
        return true;
    }
    la_lock_list_all_locked(lock);
    return false;
}

/* The state word that the lists ask for; takes a single hold off its list. */
static void
la_lock_settle_locked(la_lock *lock)
{
    uintptr_t state = LA_LISTED;

    if (lock->first_waiter != NULL) {
        lock->reads = 0;
    }
    else if (la_bias_is_due_locked(lock)) {
        state = LA_BIASED;
    }
    else if (lock->holds == NULL) {
        state = LA_FREE;
    }
    else if (lock->holds->next == NULL) {
        state = (uintptr_t)lock->holds | LA_INLINE;
        la_holds_unlink_locked(lock, lock->holds);
    }
    if (state != LA_LISTED) {
        /*
         * Release: pairs with the acquire of la_lock_claim, la_lock_claim_slot and
         * la_lock_enter, and with that of la_lock_unclaim. After it the hold may be gone.
         */
        atomic_store_explicit(&lock->state, state, memory_order_release);
    }
}

void
la_lock_leave(la_lock *lock, la_thread *self, la_wakes *wakes)
{
    la_lock_check_locked(lock);
    la_lock_settle_locked(lock);
    la_lock_give_mutex(lock, self);
    /* Records live for ever, so a thread that has gone on may be woken. */
    for (int i = 0; i < wakes->count; i++) {
        la_unpark(&wakes->threads[i]->parker);
    }
    wakes->count = 0;
}

static void
la_wakes_add(la_wakes *wakes, la_thread *thread)
{
    if (wakes->count == LA_WAKES) {
        la_unpark(&thread->parker);     /* earlier than it could be, no harm */
        return;
    }
    wakes->threads[wakes->count++] = thread;
}

void
la_holds_link_locked(la_lock *lock, la_hold *hold, la_owner *owner)
{
    LA_ASSERT(hold->lock == lock);
    atomic_store_explicit(&hold->owner, owner, memory_order_relaxed);
    hold->previous = NULL;
    hold->next = lock->holds;
    if (hold->next != NULL) {
        hold->next->previous = hold;
    }
    lock->holds = hold;
    lock->writes += la_hold_writes(hold);
}

void
la_lock_list_again(la_lock *lock, la_hold *hold, la_owner *owner)
{
    atomic_store_explicit(&hold->slot, NULL, memory_order_relaxed);
    la_holds_link_locked(lock, hold, owner);
    atomic_store_explicit(&lock->state, LA_LISTED, memory_order_relaxed);
}

void
la_holds_unlink_locked(la_lock *lock, la_hold *hold)
{
    if (hold->next != NULL) {
        hold->next->previous = hold->previous;
    }
    if (hold->previous != NULL) {
        hold->previous->next = hold->next;
    }
    else {
        lock->holds = hold->next;
    }
    lock->writes -= la_hold_writes(hold);
}

bool
la_holds_conflict(const la_hold *a, const la_hold *b)
{
    for (; a != NULL; a = a->also) {
        for (const la_hold *part = b; part != NULL; part = part->also) {
            if ((a->mode == LA_WRITE || part->mode == LA_WRITE)
                    && la_regions_conflict(&a->region, &part->region)) {
                return true;
            }
        }
    }
    return false;
}

bool
la_holds_block_locked(const la_lock *lock, const la_hold *hold,
                      const la_owner *owner)
{
    for (la_hold *held = lock->holds; held != NULL; held = held->next) {
        if (!la_hold_is_of(held, owner) && la_holds_conflict(held, hold)) {
            return true;
        }
    }
    return false;
}

/*
 * Is an older waiter in the way: one that has waited since `old` or longer
 * or, if `heed_signals`, one that has been woken to look? Not one of the same
 * thread: that one goes on only after this one.
 */
static bool
la_queue_blocks_locked(const la_hold *waiter, int64_t old, bool heed_signals)
{
    for (const la_hold *older = waiter->lock->first_waiter;
            older != NULL && older != waiter; older = older->next) {
        if (!older->aside && older->thread != waiter->thread
                && (older->since <= old || (heed_signals && older->signalled))
                && la_holds_conflict(older, waiter)) {
            return true;
        }
    }
    return false;
}

bool
la_may_run_locked(const la_hold *waiter)
{
    const la_lock *lock = waiter->lock;

    if (la_holds_block_locked(lock, waiter, waiter->wanted_by)) {
        return false;
    }
    if (waiter->nested || lock->first_waiter == NULL
            || lock->first_waiter == waiter) {
        return true;
    }
    return !la_queue_blocks_locked(waiter, la_now() - LA_HAND_OFF_NS, false);
}

void
la_queue_append_locked(la_hold *waiter)
{
    la_lock *lock = waiter->lock;

    /* Under the mutex: so nobody in front has waited for less. */
    waiter->since = la_now();
    waiter->previous = lock->last_waiter;
    waiter->next = NULL;
    if (waiter->previous != NULL) {
        waiter->previous->next = waiter;
    }
    else {
        lock->first_waiter = waiter;
    }
    lock->last_waiter = waiter;
    waiter->queued = true;
    waiter->signalled = waiter->away = waiter->aside = false;
}

void
la_queue_remove_locked(la_hold *waiter)
{
    la_lock *lock = waiter->lock;

    if (waiter->next != NULL) {
        waiter->next->previous = waiter->previous;
    }
    else {
        lock->last_waiter = waiter->previous;
    }
    if (waiter->previous != NULL) {
        waiter->previous->next = waiter->next;
    }
    else {
        lock->first_waiter = waiter->next;
    }
    waiter->queued = waiter->signalled = waiter->away = waiter->aside = false;
}

static void
la_waiter_grant_locked(la_hold *waiter, la_wakes *wakes)
{
    la_thread *thread = waiter->thread;

    la_queue_remove_locked(waiter);
    la_holds_link_locked(waiter->lock, waiter, waiter->wanted_by);
    la_wakes_add(wakes, thread);
    /* Release: pairs with the acquire in la_waiter_sleep; after it the hold may
       be given back. */
    atomic_store_explicit(&waiter->granted, true, memory_order_release);
}

void
la_queue_serve_locked(la_lock *lock, la_wakes *wakes)
{
    if (lock->first_waiter == NULL) {
        return;
    }
    int64_t old = la_now() - LA_HAND_OFF_NS;
    la_hold *next;

    for (la_hold *waiter = lock->first_waiter; waiter != NULL; waiter = next) {
        next = waiter->next;
        if (waiter->aside
                || la_holds_block_locked(lock, waiter, waiter->wanted_by)
                || (!waiter->nested && la_queue_blocks_locked(waiter, old, true))) {
            continue;
        }
        if (waiter->since <= old || waiter->away) {
            la_waiter_grant_locked(waiter, wakes);
        }
        else if (!waiter->signalled) {
            waiter->signalled = true;
            la_wakes_add(wakes, waiter->thread);
        }
    }
}

/* What la_lock_list copies to. */
typedef struct {
    la_hold_info *infos;
    size_t room, count;
} la_listing;

static void
la_listing_add(la_listing *listing, const la_hold *hold, const la_owner *owner, bool waits)
{
    for (; hold != NULL; hold = hold->also, listing->count++) {
        if (listing->count < listing->room) {
            listing->infos[listing->count] = (la_hold_info){
                .owner = owner,
                /* Relaxed: of an owner that holds, it changes when that moves. */
                .thread = atomic_load_explicit(&owner->ident, memory_order_relaxed),
                .mode = hold->mode,
                .waits = waits,
                .region = hold->region,
            };
        }
    }
}

size_t
la_lock_list(la_lock *lock, la_thread *self, la_hold_info *infos, size_t room)
{
    la_wakes wakes = {0};
    la_listing listing = {infos, room, 0};

    la_lock_enter(lock, self);
    for (la_hold *hold = lock->holds; hold != NULL; hold = hold->next) {
        /* Relaxed: linked, so the owner changes under the mutex only. */
        la_listing_add(&listing, hold, atomic_load_explicit(&hold->owner,
                                                            memory_order_relaxed), false);
    }
    for (la_hold *waiter = lock->first_waiter; waiter != NULL;
            waiter = waiter->next) {
        la_listing_add(&listing, waiter, waiter->wanted_by, true);
    }
    la_lock_leave(lock, self, &wakes);
    return listing.count;
}

int
la_lock_count_waiters(la_lock *lock, la_thread *self)
{
    la_wakes wakes = {0};
    int count = 0;

    la_lock_enter(lock, self);
    for (la_hold *waiter = lock->first_waiter; waiter != NULL;
            waiter = waiter->next) {
        count++;
    }
    la_lock_leave(lock, self, &wakes);
    return count;
}

#ifdef LA_DEBUG

/* Invariants 1, 3 and 4 of queue.h, and that the lists are lists. */
static void
la_lock_check_locked(const la_lock *lock)
{
    const la_hold *previous = NULL;
    uint32_t writes = 0;
    LA_ASSERT(atomic_load_explicit(&lock->state, memory_order_relaxed)
              == LA_LISTED);
    for (la_hold *hold = lock->holds; hold != NULL; hold = hold->next) {
        LA_ASSERT(hold->lock == lock && !hold->queued);
        LA_ASSERT(atomic_load_explicit(&hold->slot, memory_order_relaxed) == NULL);
        writes += la_hold_writes(hold);
        LA_ASSERT(hold->previous == previous);
        la_owner *owner = atomic_load_explicit(&hold->owner,
                                               memory_order_relaxed);
        LA_ASSERT(owner != NULL);
        LA_ASSERT(!la_holds_block_locked(lock, hold, owner));
        previous = hold;
    }
    LA_ASSERT(lock->writes == writes);
    const la_hold *older = NULL;
    /* Who was old when the queue was last served still is. */
    int64_t old = older == lock->first_waiter ? 0 : la_now() - LA_HAND_OFF_NS;
    for (la_hold *waiter = lock->first_waiter; waiter != NULL;
            waiter = waiter->next) {
        LA_ASSERT(waiter->lock == lock && waiter->queued);
        LA_ASSERT(waiter->previous == older);
        LA_ASSERT(older == NULL || older->since <= waiter->since);
        LA_ASSERT(waiter->signalled || waiter->aside
                  || la_holds_block_locked(lock, waiter, waiter->wanted_by)
                  || (!waiter->nested
                      && la_queue_blocks_locked(waiter, old, true)));
        older = waiter;
    }
    LA_ASSERT(lock->last_waiter == older);
}

#else

static void
la_lock_check_locked(const la_lock *lock)
{
    (void)lock;
}

#endif
