/*
 * The monitor inside a lock. Everything here but la_lock_enter runs under the
 * lock's mutex; queue.h has the invariant.
 */
#include "lock/queue.h"

#include "lock/burial.h"
#include "lock/monitor.h"

static void la_lock_check_locked(const la_lock *lock);

LA_COLD bool
la_lock_make_rare(la_lock *lock)
{
    la_lock_rare *made, *none = NULL;

    if (la_lock_rare_of(lock) != NULL) {
        return true;
    }
    made = calloc(1, sizeof(la_lock_rare));
    /* Release: pairs with the acquire of la_lock_rare_of. */
    if (made != NULL
            && !atomic_compare_exchange_strong_explicit(&lock->rare, &none, made,
                                                        memory_order_release,
                                                        memory_order_relaxed)) {
        free(made);             /* another thread was faster */
    }
    return made != NULL;
}

static void
la_lock_point_to_indexes_locked(la_lock *lock)
{
    la_lock_rare *rare = la_lock_rare_of(lock);

    if (lock->holds.index == NULL && rare != NULL) {
        lock->holds.index = &rare->indexes.holds;
        lock->waiters.index = &rare->indexes.waiters;
        rare->changes.index = &rare->indexes.changes;
    }
}

bool
la_queue_bury_locked(la_lock *lock, la_wakes *wakes)
{
    if (!la_shared_bury_locked(lock->shared)) {
        return false;
    }
    la_queue_call_all_locked(lock, wakes);
    return true;
}

/* Somebody died in the monitor, perhaps between a grant and the wake-up: all look again. */
static LA_COLD void
la_lock_call_for_dead_locked(la_lock *lock)
{
    la_wakes wakes = {0};

    if (!la_queue_bury_locked(lock, &wakes)) {
        la_queue_call_all_locked(lock, &wakes);
    }
    la_wakes_make(&wakes);
    la_shared_called_locked(lock->shared);
}

static void
la_lock_take_mutex(la_lock *lock, la_thread *self)
{
    /* Relaxed: a hint. */
    if (!LA_LIKELY(atomic_load_explicit(&lock->rare, memory_order_relaxed) != NULL)) {
        (void)la_lock_make_rare(lock);
    }
    if (LA_LIKELY(lock->shared == NULL)) {
        /* Relaxed: the release in la_mutex_lock orders it for a fork. */
        atomic_store_explicit(&self->inside, lock, memory_order_relaxed);
        la_mutex_lock(&lock->mutex);
    }
    else if (la_shared_enter(lock, self)) {
        la_lock_call_for_dead_locked(lock);
    }
    la_lock_point_to_indexes_locked(lock);
}

/* Who waits for a change, the one that began first; NULL: nobody. */
static la_hold *
la_lock_first_watch_locked(const la_lock *lock)
{
    la_lock_rare *rare = la_lock_rare_of(lock);
    return rare == NULL ? NULL : rare->changes.first;
}

static void
la_lock_give_mutex(la_lock *lock, la_thread *self)
{
    if (!LA_LIKELY(lock->shared == NULL)) {
        la_shared_leave(lock, self);
        return;
    }
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
    while (state != LA_LISTED && state != LA_SHARED) {
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

    if (lock->shared != NULL) {
        return;
    }
    if (lock->waiters.count > 0 || la_lock_first_watch_locked(lock) != NULL) {
        lock->reads = 0;
    }
    else if (la_bias_is_due_locked(lock)) {
        state = LA_BIASED;
    }
    else if (lock->holds.count == 0) {
        state = LA_FREE;
    }
    else if (lock->holds.count == 1) {
        state = (uintptr_t)lock->holds.first | LA_INLINE;
        la_holds_unlink_locked(lock, lock->holds.first);
    }
    if (state != LA_LISTED) {
        /*
         * Release: pairs with the acquire of la_lock_claim, la_lock_claim_slot and
         * la_lock_enter, and with that of la_lock_unclaim. After it the hold may be gone.
         */
        atomic_store_explicit(&lock->state, state, memory_order_release);
    }
}

/*
 * The waiter may not be touched any more once `waking` is cleared: its thread may have
 * been awake for another reason, and waits for that. Records of threads live for ever,
 * so one that has gone on may be woken.
 */
void
la_wakes_make(la_wakes *wakes)
{
    la_hold *waiter = wakes->first;
    la_notice *told = NULL, **last = &told;

    while (waiter != NULL) {
        la_hold *next = waiter->wake_next;
        la_thread *thread = waiter->thread;
        la_notice *notice = waiter->notice;

        if (waiter->notify != NULL) {
            waiter->notify(waiter);
        }
        /* Release: pairs with the acquire of la_waiter_await_wakers. */
        atomic_store_explicit(&waiter->waking, false, memory_order_release);
        if (thread != NULL) {
            la_unpark(&thread->parker);
        }
        else {
            *last = notice;
            last = &notice->next;
        }
        waiter = next;
    }
    /* Last, as it may take longer, while a waiter may be waited for until `waking` is cleared. */
    *last = NULL;
    while (told != NULL) {
        la_notice *notice = told;
        told = notice->next;
        notice->tell(notice);
    }
    wakes->first = wakes->last = NULL;
}

static void
la_wakes_append(la_wakes *wakes, la_wakes *others)
{
    if (others->first == NULL) {
        return;
    }
    *(wakes->last != NULL ? &wakes->last->wake_next : &wakes->first) = others->first;
    wakes->last = others->last;
    others->first = others->last = NULL;
}

void
la_lock_leave(la_lock *lock, la_thread *self, la_wakes *wakes)
{
    la_lock_check_locked(lock);
    la_lock_settle_locked(lock);
    if (!LA_LIKELY(lock->shared == NULL)) {
        /* First: what stands for waiters of other processes stands for others afterwards. */
        la_wakes_make(wakes);
    }
    la_lock_give_mutex(lock, self);
    if (LA_LIKELY(self->deferred == NULL)) {
        la_wakes_make(wakes);
    }
    else {
        la_wakes_append(self->deferred, wakes);
    }
}

/*
 * One that is in somebody's list already will be woken by that one, and later than now:
 * had its token been taken already, `waking` would be seen cleared, as the thread came
 * through the mutex after it.
 */
static void
la_wakes_add(la_wakes *wakes, la_hold *waiter)
{
    /* Acquire: pairs with the release of who had it before, and has read wake_next. */
    if (atomic_load_explicit(&waiter->waking, memory_order_acquire)) {
        return;
    }
    atomic_store_explicit(&waiter->waking, true, memory_order_relaxed);
    waiter->wake_next = NULL;
    if (wakes->last != NULL) {
        wakes->last->wake_next = waiter;
    }
    else {
        wakes->first = waiter;
    }
    wakes->last = waiter;
}

void
la_holds_link_locked(la_lock *lock, la_hold *hold, la_owner *owner)
{
    la_lock_link(lock, hold, owner);
    if (!LA_LIKELY(lock->shared == NULL)) {
        la_shared_note(hold, LA_SLOT_HELD);
    }
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
    la_lock_unlink(lock, hold);
    if (!LA_LIKELY(lock->shared == NULL)) {
        la_shared_note(hold, LA_SLOT_FREE);
    }
}

void
la_lock_empty(la_lock *lock)
{
    /* Relaxed, all: nobody else uses the lock. */
    la_shared *shared = lock->shared;
    la_lock_rare *rare = la_lock_rare_of(lock);
    bool between = lock->between;

    la_lock_init(lock, lock->serial);
    lock->shared = shared;
    lock->between = between;
    if (shared != NULL) {
        atomic_store_explicit(&lock->state, LA_SHARED, memory_order_relaxed);
    }
    if (rare != NULL) {
        *rare = (la_lock_rare){0};
        atomic_store_explicit(&lock->rare, rare, memory_order_relaxed);
    }
}

/*
 * The first waiter with a ticket of at least `from` behind which this one stands; NULL
 * if there is none. A newcomer heeds all.
 */
static la_hold *
la_queue_in_front_locked(const la_hold *waiter, uint64_t from)
{
    const la_hold_set *waiters = &waiter->lock->waiters;
    la_hold *older = la_hold_set_next(waiters, waiter, from, waiter->heeds);

    /* One of the same thread goes on only after this one. */
    while (older != NULL && (la_waits_share_thread(older, waiter) || older->aside)) {
        older = la_hold_set_next(waiters, waiter, older->ticket + 1, waiter->heeds);
    }
    return older;
}

/*
 * Is an older waiter in the way: one that has waited since `old` or longer
 * or, if `heed_signals`, one that has been woken to look?
 */
static bool
la_queue_blocks_locked(const la_hold *waiter, int64_t old, bool heed_signals)
{
    const la_hold *older = la_queue_in_front_locked(waiter, 0);

    if (older != NULL && older->since <= old) {
        return true;
    }
    while (heed_signals && older != NULL && !older->signalled) {
        older = la_queue_in_front_locked(waiter, older->ticket + 1);
    }
    return heed_signals && older != NULL;
}

static bool
la_hold_is_for_good(la_hold *hold, void *any)
{
    *(bool *)any = true;
    /* Relaxed: who clears it is done with it, and asks nobody. */
    return !(LA_LIKELY(hold->lock->shared == NULL)
             ? atomic_load_explicit(&hold->trying, memory_order_relaxed)
             : la_shared_is_trying(hold));
}

bool
la_hold_excludes(const la_hold *first, const la_hold *second)
{
    return first->mode == LA_WRITE && la_region_is_solid(&first->region) && second->also == NULL
           && first->region.low <= second->region.low
           && first->region.high >= second->region.high;
}

static bool
la_hold_is_own(la_hold *hold, void *waiter)
{
    return la_hold_is_of(hold, ((const la_hold *)waiter)->wanted_by)
           && la_hold_excludes(hold, waiter);
}

/*
 * Has its owner to write what it asks for? Then all that is in front of it waits for
 * this owner anyway.
 */
static bool
la_owner_excludes_locked(const la_hold *waiter)
{
    return la_owner_holds_any(waiter->wanted_by)
           && la_hold_set_find(&waiter->lock->holds, waiter, NULL, la_hold_is_own,
                               (void *)waiter) != NULL;
}

la_obstacle
la_obstacle_locked(const la_hold *waiter)
{
    const la_lock *lock = waiter->lock;
    bool any = false;

    if (lock->shared != NULL && la_shared_is_poisoned(waiter)) {
        return LA_LEFT_HALF_WRITTEN;
    }
    if (la_hold_set_find(&lock->holds, waiter, waiter->wanted_by, la_hold_is_for_good,
                         &any) != NULL) {
        return LA_HELD_BY_OTHERS;
    }
    if (lock->waiters.first != NULL && lock->waiters.first != waiter
            && la_queue_blocks_locked(waiter, la_now() - LA_HAND_OFF_NS, false)
            && !la_owner_excludes_locked(waiter)) {
        return LA_OLDER_WAITER;
    }
    return any ? LA_HELD_IN_TRYING : LA_NOTHING;
}

void
la_queue_append_locked(la_hold *waiter)
{
    la_lock *lock = waiter->lock;

    /* Under the mutex: so nobody in front has waited for less. */
    waiter->since = la_now();
    waiter->ticket = waiter->heeds = lock->tickets++;
    waiter->queued = true;
    waiter->signalled = waiter->away = waiter->aside = false;
    la_hold_set_add(&lock->waiters, waiter, waiter->wanted_by);
    if (!LA_LIKELY(lock->shared == NULL)) {
        la_shared_note(waiter, LA_SLOT_WAITING);
    }
}

static void
la_queue_unlink_locked(la_hold *waiter)
{
    la_hold_set_remove(&waiter->lock->waiters, waiter);
    waiter->queued = waiter->signalled = waiter->away = waiter->aside = false;
}

void
la_queue_remove_locked(la_hold *waiter)
{
    la_queue_unlink_locked(waiter);
    if (!LA_LIKELY(waiter->lock->shared == NULL)) {
        la_shared_note(waiter, LA_SLOT_FREE);
    }
}

static void
la_waiter_grant_locked(la_hold *waiter, la_wakes *wakes)
{
    la_queue_unlink_locked(waiter);
    /* It has waited, and will have it for longer than a moment. */
    atomic_store_explicit(&waiter->trying, false, memory_order_relaxed);
    la_lock_link(waiter->lock, waiter, waiter->wanted_by);
    if (!LA_LIKELY(waiter->lock->shared == NULL)) {
        la_shared_mark_trying(waiter);
        la_shared_note(waiter, LA_SLOT_GRANTED);    /* in one step: it never has nothing */
    }
    waiter->told = true;
    la_wakes_add(wakes, waiter);
    /* Release: pairs with the acquire in la_waiter_sleep. */
    atomic_store_explicit(&waiter->granted, true, memory_order_release);
}

/* It is to look for itself. */
static void
la_waiter_signal_locked(la_hold *waiter, la_wakes *wakes)
{
    if (!waiter->signalled) {
        waiter->signalled = true;
        la_wakes_add(wakes, waiter);
    }
}

/* True when the lock is its own now. */
static bool
la_waiter_offer_locked(la_hold *waiter, int64_t old, la_wakes *wakes)
{
    if (waiter->lock->shared != NULL && la_shared_is_poisoned(waiter)) {
        la_waiter_signal_locked(waiter, wakes);
        return false;
    }
    if (waiter->aside
            || la_hold_set_find(&waiter->lock->holds, waiter, waiter->wanted_by, NULL,
                                NULL) != NULL
            || la_queue_blocks_locked(waiter, old, true)) {
        return false;
    }
    if (waiter->since <= old || waiter->away) {
        la_waiter_grant_locked(waiter, wakes);
        return true;
    }
    la_waiter_signal_locked(waiter, wakes);
    return false;
}

void
la_queue_offer_locked(la_hold *waiter, la_wakes *wakes)
{
    (void)la_waiter_offer_locked(waiter, la_now() - LA_HAND_OFF_NS, wakes);
}

/* The oldest waiter with a ticket of at least that of `at` that conflicts with this. */
static la_hold *
la_queue_conflicting_locked(const la_hold *gone, la_hold *at)
{
    const la_hold_set *waiters = &gone->lock->waiters;

    if (waiters->indexed) {
        return at == NULL ? NULL : la_hold_set_next(waiters, gone, at->ticket, UINT64_MAX);
    }
    while (at != NULL && (at == gone || !la_holds_conflict(at, gone))) {
        at = at->next;
    }
    return at;
}

void
la_queue_serve_locked(const la_hold *gone, la_wakes *wakes)
{
    la_hold *waiter = gone->lock->waiters.first, *next;

    if (waiter == NULL) {
        return;
    }
    int64_t old = la_now() - LA_HAND_OFF_NS;

    for (; (waiter = la_queue_conflicting_locked(gone, waiter)) != NULL; waiter = next) {
        next = waiter->next;        /* it may be in another list afterwards */
        if (la_waiter_offer_locked(waiter, old, wakes) && la_hold_excludes(waiter, gone)) {
            return;     /* it is in the way of all others that may have waited for this */
        }
    }
}

static void
la_change_tell_locked(la_hold *watch, la_wakes *wakes)
{
    /* Relaxed: only changed under the mutex. */
    if (atomic_load_explicit(&watch->granted, memory_order_relaxed)) {
        return;
    }
    la_wakes_add(wakes, watch);
    /* Release: pairs with the acquire in la_change_is_seen. */
    atomic_store_explicit(&watch->granted, true, memory_order_release);
    if (watch->shared_slot != 0) {
        la_shared_note(watch, LA_SLOT_CHANGED);
    }
}

void
la_queue_call_all_locked(la_lock *lock, la_wakes *wakes)
{
    for (la_hold *waiter = lock->waiters.first; waiter != NULL; waiter = waiter->next) {
        la_waiter_signal_locked(waiter, wakes);
    }
    for (la_hold *watch = la_lock_first_watch_locked(lock); watch != NULL; watch = watch->next) {
        la_change_tell_locked(watch, wakes);
    }
}

void
la_changes_tell_locked(const la_hold *gone, la_wakes *wakes)
{
    la_hold *watch = la_lock_first_watch_locked(gone->lock);

    if (LA_LIKELY(watch == NULL) || !la_hold_writes(gone)) {
        return;
    }
    const la_hold_set *changes = &la_lock_rare_of(gone->lock)->changes;
    for (uint64_t from = 0;
            (watch = la_hold_set_next(changes, gone, from, UINT64_MAX)) != NULL;
            from = watch->ticket + 1) {
        la_change_tell_locked(watch, wakes);
    }
}

/* What la_lock_list copies to. */
typedef struct {
    la_hold_info *infos;
    size_t room, count;
} la_listing;

static void
la_listing_add(la_listing *listing, const la_hold *hold, const la_owner *owner, bool waits,
               bool for_change)
{
    int64_t since = waits ? hold->since : 0;    /* which the others of the chain do not have */

    for (; hold != NULL; hold = hold->also, listing->count++) {
        if (listing->count < listing->room) {
            listing->infos[listing->count] = (la_hold_info){
                .owner = owner,
                /* Relaxed: of an owner that holds, it changes when that moves. */
                .thread = atomic_load_explicit(&owner->ident, memory_order_relaxed),
                .subject = la_owner_subject(owner),
                .mode = hold->mode,
                .waits = waits,
                .since = since,
                .for_change = for_change,
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
    if (lock->shared != NULL) {
        (void)la_queue_bury_locked(lock, &wakes);       /* those who died hold nothing, nor wait */
    }
    for (la_hold *hold = lock->holds.first; hold != NULL; hold = hold->next) {
        /* Relaxed: linked, so the owner changes under the mutex only. */
        la_listing_add(&listing, hold, atomic_load_explicit(&hold->owner,
                                                            memory_order_relaxed),
                       false, false);
    }
    for (la_hold *waiter = lock->waiters.first; waiter != NULL;
            waiter = waiter->next) {
        la_listing_add(&listing, waiter, waiter->wanted_by, true, false);
    }
    for (la_hold *watch = la_lock_first_watch_locked(lock); watch != NULL; watch = watch->next) {
        la_listing_add(&listing, watch, watch->wanted_by, true, true);
    }
    la_lock_leave(lock, self, &wakes);
    return listing.count;
}

int
la_lock_count_waiters(la_lock *lock, la_thread *self)
{
    la_wakes wakes = {0};

    la_lock_enter(lock, self);
    int count = (int)lock->waiters.count;
    la_lock_leave(lock, self, &wakes);
    return count;
}

#ifdef LA_DEBUG

/* Longer lists are not looked through each time. */
#define LA_CHECKED 40

/* Invariants 1, 3 and 4 of queue.h. */
static void
la_lock_check_locked(const la_lock *lock)
{
    int checked = 0;

    uint32_t writes = 0;
    LA_ASSERT(atomic_load_explicit(&lock->state, memory_order_relaxed)
              == (lock->shared == NULL ? LA_LISTED : LA_SHARED));
    const la_hold *hold = lock->holds.first;
    for (; hold != NULL && checked < LA_CHECKED; hold = hold->next, checked++) {
        LA_ASSERT(hold->lock == lock && !hold->queued);
        LA_ASSERT(atomic_load_explicit(&hold->slot, memory_order_relaxed) == NULL);
        writes += la_hold_writes(hold);
        la_owner *owner = atomic_load_explicit(&hold->owner,
                                               memory_order_relaxed);
        LA_ASSERT(owner != NULL);
        LA_ASSERT(la_hold_set_find(&lock->holds, hold, owner, NULL, NULL) == NULL);
    }
    LA_ASSERT(hold != NULL || lock->writes == writes);
    const la_hold *older = NULL;
    /* Who was old when the queue was last served still is. */
    int64_t old = lock->waiters.first == NULL ? 0 : la_now() - LA_HAND_OFF_NS;
    checked = 0;
    for (la_hold *waiter = lock->waiters.first; waiter != NULL && checked < LA_CHECKED;
            waiter = waiter->next, checked++) {
        LA_ASSERT(waiter->lock == lock && waiter->queued);
        LA_ASSERT(waiter->heeds <= waiter->ticket);
        LA_ASSERT(older == NULL || (older->since <= waiter->since
                                    && older->ticket < waiter->ticket));
        LA_ASSERT(waiter->signalled || waiter->aside || lock->shared != NULL
                  || la_hold_set_find(&lock->holds, waiter, waiter->wanted_by, NULL,
                                      NULL) != NULL
                  || la_queue_blocks_locked(waiter, old, true));
        older = waiter;
    }
}

#else

static void
la_lock_check_locked(const la_lock *lock)
{
    (void)lock;
}

#endif
