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
 *                            mutex guards
 *
 *   FREE -> INLINE     whoever acquires, by compare-and-swap
 *   INLINE -> FREE     the owner of that hold, by compare-and-swap
 *   FREE, INLINE -> LISTED   whoever has the mutex, by compare-and-swap
 *   LISTED -> any      whoever has the mutex, as the last thing before
 *                      leaving it, by a store: FREE or INLINE when the lists
 *                      say so, else it stays LISTED
 *
 * So while the mutex is held the state is LISTED and only its holder changes
 * anything. Nobody looks into a hold by its address in the state word before
 * having swapped that word to LISTED: from then on the owner has to come
 * through the mutex to take the hold back. A hold that is released and taken
 * again at the same address in between is simply the hold that is found.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_REGIONLOCK_H_
#define LOCKEDARRAY_CORE_LOCK_REGIONLOCK_H_

#include "lock/hold.h"

#define LA_FREE ((uintptr_t)0)
#define LA_INLINE ((uintptr_t)1)        /* a bit beside an address */
#define LA_LISTED ((uintptr_t)2)

/*
 * Fits in one cache line; to keep neighbours off it, align the allocation
 * that it is part of to LA_CACHE_LINE.
 */
struct la_lock {
    _Atomic(uintptr_t) state;
    la_mutex mutex;
    /* The lists; under the mutex. */
    la_hold *holds;
    la_hold *first_waiter;              /* who has waited longest */
    la_hold *last_waiter;
    uint64_t serial;                    /* the caller's, for its lock order */
};

static inline void
la_lock_init(la_lock *lock, uint64_t serial)
{
    atomic_init(&lock->state, LA_FREE);
    la_mutex_init(&lock->mutex);
    lock->holds = NULL;
    lock->first_waiter = NULL;
    lock->last_waiter = NULL;
    lock->serial = serial;
}

static inline void
la_lock_destroy(la_lock *lock)
{
    /* Relaxed: nobody else knows the lock any more. */
    LA_ASSERT(atomic_load_explicit(&lock->state, memory_order_relaxed)
              == LA_FREE);
    (void)lock;
}

/* The uncontended acquire: FREE -> INLINE. */
static inline bool
la_lock_claim(la_lock *lock, la_hold *hold, la_thread *self)
{
    uintptr_t expected = LA_FREE;
    la_owner *owner = la_thread_owner(self);

    /* Relaxed: a hint; the compare-and-swap decides. */
    if (atomic_load_explicit(&lock->state, memory_order_relaxed) != LA_FREE) {
        return false;
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

/* The uncontended release: INLINE -> FREE. */
static inline bool
la_lock_unclaim(la_hold *hold)
{
    uintptr_t expected = (uintptr_t)hold | LA_INLINE;
    la_owner *owner = la_hold_owner(hold);
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
