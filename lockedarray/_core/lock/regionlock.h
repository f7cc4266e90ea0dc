/*
 * RegionLock: the lock of a Buffer. A monitor over the list of held regions,
 * each with its mode and owner. Two holds conflict when their regions do, one
 * of them is a write, and their owners differ.
 *
 * Here is the lock itself, and the one step by which it is taken and given back
 * when nobody else is there; acquire.h has all the rest that callers use. (It
 * is not called lock.h, since Python has a header of that name.) The argument
 * for what stands here is in docs/design/region-lock.md.
 *
 * The state word:
 *
 *     LA_FREE                nobody holds, nobody waits
 *     address | LA_INLINE    the hold at this address is the only one, and
 *                            nobody waits
 *     LA_LISTED              holds and waiters are in the lists, which the
 *                            mutex guards; so it is for as long as somebody waits
 *                            for a change (change.h)
 *     LA_BIASED              nobody waits, and all holds are reads: some in the
 *                            list, any number in slots of their threads
 *     LA_SHARED              for good: the lock is one between processes, whose state is
 *                            in control.h, and its monitor the mutex
 *
 *   FREE -> INLINE     whoever acquires, by compare-and-swap
 *   INLINE -> FREE     the owner of that hold, by compare-and-swap
 *   FREE, INLINE -> LISTED   whoever has the mutex, by compare-and-swap
 *   BIASED -> LISTED   the same, who then looks at the slots of all threads, and
 *                      lists what is in them
 *   LISTED -> any      whoever has the mutex, as the last thing before
 *                      leaving it, by a store: FREE, INLINE or BIASED when the
 *                      lists say so, else it stays LISTED
 *
 * So while the mutex is held the state is LISTED and only its holder changes
 * anything; or it is BIASED and stays so, and only listed reads come and go under
 * the mutex (la_lock_enter_or_add, la_lock_enter_or_drop). Nobody looks into a hold by its address in the state word before
 * having swapped that word to LISTED: from then on the owner has to come
 * through the mutex to take the hold back. A hold that is released and taken
 * again at the same address in between is simply the hold that is found.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_REGIONLOCK_H_
#define LOCKEDARRAY_CORE_LOCK_REGIONLOCK_H_

#include "lock/hold_set.h"

#include <stdlib.h>

#define LA_FREE ((uintptr_t)0)
#define LA_INLINE ((uintptr_t)1)        /* a bit beside an address */
#define LA_LISTED ((uintptr_t)2)
#define LA_BIASED ((uintptr_t)4)
#define LA_SHARED ((uintptr_t)8)

/* What few locks need: made when somebody does not get it at once, and kept. Under the mutex. */
typedef struct {
    struct {
        la_hold_index holds, waiters, changes;
    } indexes;                          /* room for those of its sets (hold_set.h) */
    la_hold_set changes;                /* who waits for a change: see change.h */
    int64_t unbiased_until;             /* see bias.h */
} la_lock_rare;

/*
 * What changes while nobody waits comes last, from the state on. Who has a lock in memory of its
 * own has something in front that stays (guard/lock_object.h), lest others' memory is in the cache
 * line of the state.
 */
struct la_lock {
    uint64_t serial;                    /* the caller's, for its lock order; it stays */
    _Atomic(la_lock_rare *) rare;       /* or NULL as yet */
    la_shared *shared;                  /* its part in what processes share, or NULL (shared.h) */
    /* Under the mutex, as all that follows the bias. */
    uint64_t tickets;                   /* how many have queued */
    _Atomic(uintptr_t) state;
    la_mutex mutex;
    /* For the bias (bias.h); under the mutex, as all that follows. */
    uint32_t writes : 24;               /* in the list */
    uint32_t reads : 8;                 /* how often only reads were seen, in a row */
    bool between;                       /* it stands over one between processes; it stays */
    la_hold_set holds;
    la_hold_set waiters;                /* who has waited longest is the first */
};

static inline la_lock_rare *
la_lock_rare_of(const la_lock *lock)
{
    /* Acquire: pairs with the release of who made it; it is cleared. */
    return atomic_load_explicit(&lock->rare, memory_order_acquire);
}

static inline void
la_lock_init(la_lock *lock, uint64_t serial)
{
    atomic_init(&lock->state, LA_FREE);
    la_mutex_init(&lock->mutex);
    la_hold_set_init(&lock->holds, NULL);
    la_hold_set_init(&lock->waiters, NULL);
    atomic_init(&lock->rare, NULL);
    lock->tickets = 0;
    lock->serial = serial;
    lock->shared = NULL;
    lock->writes = lock->reads = 0;
    lock->between = false;
}

/* Under the mutex: into the list, and out of it. */
static inline void
la_lock_link(la_lock *lock, la_hold *hold, la_owner *owner)
{
    LA_ASSERT(hold->lock == lock);
    atomic_store_explicit(&hold->owner, owner, memory_order_relaxed);
    la_hold_set_add(&lock->holds, hold, owner);
    if (la_hold_writes(hold)) {
        lock->writes++;
    }
}

static inline void
la_lock_unlink(la_lock *lock, la_hold *hold)
{
    la_hold_set_remove(&lock->holds, hold);
    if (la_hold_writes(hold)) {
        lock->writes--;
    }
}

static inline void
la_lock_destroy(la_lock *lock)
{
    /* Relaxed: nobody else knows the lock any more. */
    uintptr_t state = atomic_load_explicit(&lock->state, memory_order_relaxed);
    la_lock_rare *rare = atomic_exchange_explicit(&lock->rare, NULL, memory_order_relaxed);
    LA_ASSERT((state == LA_FREE || state == LA_BIASED) && lock->holds.count == 0
              && (rare == NULL || rare->changes.count == 0));
    (void)state;
    free(rare);
    lock->holds.index = lock->waiters.index = NULL;
}

/*
 * The read of a biased lock, which writes to nothing that other threads write to,
 * too: it is put into a slot.
 */
static inline bool
la_lock_claim_slot(la_lock *lock, la_hold *hold, la_thread *self)
{
    la_slot *slot = self->slots;
    la_lock *expected = lock;
    la_owner *owner = la_thread_owner(self);

    /* Acquire: pairs with the release of who took the last hold out, and so has its
       hold->slot cleared, before this thread can use the slot again. */
    while (atomic_load_explicit(slot, memory_order_acquire) != NULL) {
        if (++slot == self->slots + LA_SLOTS) {
            return false;
        }
    }
    hold->lock = lock;
    atomic_store_explicit(&hold->owner, owner, memory_order_relaxed);
    la_owner_remember(owner, hold);
    self->slot_holds[slot - self->slots] = hold;
    atomic_store_explicit(&hold->slot, slot, memory_order_relaxed);
    /*
     * Sequentially consistent, both: either who ends the bias sees the slot, or
     * the bias is seen ended here. The store is also a release: who takes the hold
     * out of the slot reads its fields. The load is also an acquire: pairs with the
     * release of la_lock_leave, and so sees what was written under the lock.
     */
    atomic_store(slot, lock);
    if (LA_LIKELY(atomic_load(&lock->state) == LA_BIASED)) {
        return true;
    }
    /*
     * Too late. If it cannot be taken back, then somebody has it in the list, or is
     * about to, under the mutex: so it is held. Acquire: pairs with that one's release.
     */
    if (atomic_compare_exchange_strong_explicit(slot, &expected, NULL,
                                                memory_order_acquire,
                                                memory_order_acquire)) {
        atomic_store_explicit(&hold->slot, NULL, memory_order_relaxed);
        la_owner_forget(owner, hold);
        return false;
    }
    return true;
}

/* Takes the hold out of its slot, if it is one of this thread and nobody was faster. */
static inline bool
la_lock_unclaim_slot(la_slot *slot, la_hold *hold, la_thread *self)
{
    la_lock *expected = hold->lock;
    la_owner *owner = la_hold_owner(hold);

    /*
     * The slot of another thread, from which the owner came, may have another hold
     * of the same lock by the time of the compare-and-swap. Not one of this thread:
     * it fills them alone.
     *
     * Release: pairs with the acquire of who looks for it here and finds nothing.
     */
    if ((uintptr_t)slot - (uintptr_t)self->slots < sizeof(self->slots)
            && LA_LIKELY(atomic_compare_exchange_strong_explicit(
                slot, &expected, NULL, memory_order_release, memory_order_relaxed))) {
        atomic_store_explicit(&hold->slot, NULL, memory_order_relaxed);
        la_owner_forget(owner, hold);
        return true;
    }
    return false;
}

/* The uncontended acquire: FREE -> INLINE; of a read, also BIASED and a slot. */
static inline bool
la_lock_claim(la_lock *lock, la_hold *hold, la_thread *self)
{
    uintptr_t expected = LA_FREE;
    la_owner *owner = la_thread_owner(self);

    /* Relaxed: a hint; the compare-and-swap decides. */
    uintptr_t state = atomic_load_explicit(&lock->state, memory_order_relaxed);
    if (!LA_LIKELY(state == LA_FREE)) {
        return state == LA_BIASED && hold->mode == LA_READ && hold->also == NULL
               && la_lock_claim_slot(lock, hold, self);
    }
    hold->lock = lock;
    /* Relaxed, here and wherever owner is stored: what publishes a hold to
       other threads is the state word or the mutex. */
    atomic_store_explicit(&hold->owner, owner, memory_order_relaxed);
    la_owner_remember(owner, hold);
    /*
     * Acquire: pairs with the release of who set FREE, and so sees all that
     * was written under the lock. Release: pairs with the acquire of
     * la_lock_enter, which reads the hold's fields.
     */
    if (LA_LIKELY(atomic_compare_exchange_strong_explicit(
            &lock->state, &expected, (uintptr_t)hold | LA_INLINE,
            memory_order_acq_rel, memory_order_relaxed))) {
        return true;
    }
    la_owner_forget(owner, hold);
    return false;
}

/* The uncontended release: INLINE -> FREE, or out of the slot. */
static inline bool
la_lock_unclaim(la_hold *hold, la_thread *self)
{
    uintptr_t expected = (uintptr_t)hold | LA_INLINE;
    la_owner *owner = la_hold_owner(hold);
    /* Relaxed: who takes it out meanwhile is seen by the compare-and-swap. */
    la_slot *slot = atomic_load_explicit(&hold->slot, memory_order_relaxed);

    if (!LA_LIKELY(slot == NULL)) {
        return la_lock_unclaim_slot(slot, hold, self);
    }
    /*
     * Release: pairs with the acquire of who takes the lock next. Acquire:
     * pairs with the release store of la_lock_leave: whoever listed this hold
     * and put it back has done reading it before the caller reuses its memory.
     */
    if (LA_LIKELY(atomic_compare_exchange_strong_explicit(
            &hold->lock->state, &expected, LA_FREE,
            memory_order_acq_rel, memory_order_relaxed))) {
        la_owner_forget(owner, hold);
        return true;
    }
    return false;
}

#endif  /* LOCKEDARRAY_CORE_LOCK_REGIONLOCK_H_ */
