/*
 * RegionLock: the lock of a Buffer. A monitor over the list of held regions,
 * each with its mode and owner. Two holds conflict when their regions do, one
 * of them is a write, and their owners differ.
 *
 * This header is all that a caller needs, with region.h and fork.h. (It is not
 * called lock.h, since Python has a header of that name.) The argument for
 * what stands here is in docs/design/region-lock.md.
 *
 * Use:
 *
 *     la_hold hold;                           on the stack, or in a Guard
 *     la_region_set_array(&hold.region, ...);
 *     la_hold_init(&hold, LA_WRITE);
 *     la_thread *self = la_thread_self();
 *     if (la_acquire(lock, &hold, self, LA_NEVER, &hooks, &deadlock) == LA_OK) {
 *         ...
 *         la_release(&hold, self);
 *     }
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
 *
 * What a caller must see to:
 *   - A lock outlives every call on it; a hold stays where it is, and lives,
 *     until it is released.
 *   - A hold is released by the thread that acquired it, and a thread does
 *     not leave the stack frame of a hold it has.
 *   - No call on a lock from a signal handler in C, or from before_wait or
 *     after_wait.
 */
#ifndef LOCKEDARRAY_CORE_REGIONLOCK_H_
#define LOCKEDARRAY_CORE_REGIONLOCK_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lock/compiler.h"
#include "lock/parker.h"
#include "lock/region.h"
#include "lock/thread.h"

#define LA_CACHE_LINE 64

#define LA_FREE ((uintptr_t)0)
#define LA_INLINE ((uintptr_t)1)        /* a bit beside an address */
#define LA_LISTED ((uintptr_t)2)

/* A waiter this old is handed the lock; newcomers queue behind it. */
#define LA_HAND_OFF_NS LA_MILLISECOND

/* As a deadline: do not wait. */
#define LA_NOW INT64_MIN

typedef enum {
    LA_READ,
    LA_WRITE,
} la_mode;

typedef enum {
    LA_OK,
    LA_TIMEOUT,
    LA_DEADLOCK,        /* waiting would have closed a cycle */
    LA_INTERRUPTED,     /* check_interrupt said so */
} la_status;

/*
 * One region of one lock, held or about to be. Several regions of one lock
 * are taken in one step by chaining them with `also`: the first one stands
 * for all, and only its other fields are used. They never conflict with each
 * other. Memory is the caller's.
 */
struct la_hold {
    la_mode mode;
    la_hold *also;
    la_lock *lock;
    _Atomic(la_thread *) owner;         /* NULL while not held */
    la_hold *next_held;                 /* in la_thread.holds */
    la_hold *next;                      /* in la_lock.holds, under its mutex */
    la_hold *previous;
    la_region region;                   /* last, since most of it is unused */
};

/*
 * Fits in one cache line; to keep neighbours off it, align the allocation
 * that it is part of to LA_CACHE_LINE.
 */
struct la_lock {
    _Atomic(uintptr_t) state;
    la_mutex mutex;
    /* The lists; under the mutex. */
    la_hold *holds;
    la_waiter *first_waiter;            /* who has waited longest */
    la_waiter *last_waiter;
    uint64_t serial;                    /* the caller's, for its lock order */
};

/*
 * What a wait does to the caller's world. Any of them may be NULL. None is
 * called with a mutex held.
 */
typedef struct {
    void (*before_wait)(void *context);     /* let others run Python */
    void (*after_wait)(void *context);      /* and come back; must return */
    /*
     * Called between after_wait and before_wait, with nothing held or queued
     * for this call, when a signal may have arrived. It may use locks, also
     * this one. Nonzero ends the wait with LA_INTERRUPTED. NULL for a thread
     * that has no signals to handle: it then sleeps in peace.
     */
    int (*check_interrupt)(void *context);
    void *context;
} la_wait_hooks;

/* Why a wait was refused. Names, not pointers: the lock may be gone. */
typedef struct {
    uint64_t blocker;       /* ident of the thread that is in the way */
    uint64_t waits_for;     /* serial of the lock for which that one waits */
    uint64_t last;          /* ident of the thread that waits for the caller */
    int length;             /* threads in the cycle; 2: blocker is last */
    bool of_one_lock;       /* all of them wait for the caller's lock */
} la_deadlock;

void la_lock_init(la_lock *lock, uint64_t serial);
void la_lock_destroy(la_lock *lock);

la_status la_acquire_slow(la_lock *lock, la_hold *hold, la_thread *self,
                          int64_t deadline, const la_wait_hooks *hooks,
                          la_deadlock *deadlock);
void la_release_slow(la_hold *hold, la_thread *self);
void la_thread_forget_slow(la_thread *self, la_hold *hold);

/* Everything of a hold but its region, which the caller sets. */
static inline void
la_hold_init(la_hold *hold, la_mode mode)
{
    hold->mode = mode;
    hold->also = NULL;
    /* Relaxed, here and wherever owner is stored: what publishes a hold to
       other threads is the state word or the mutex. */
    atomic_store_explicit(&hold->owner, NULL, memory_order_relaxed);
}

/* Adds `other`, with all that is chained to it, to what `hold` stands for. */
static inline void
la_hold_chain(la_hold *hold, la_hold *other)
{
    la_hold *last = other;
    while (last->also != NULL) {
        last = last->also;
    }
    last->also = hold->also;
    hold->also = other;
}

/* Does the calling thread own this hold? */
static inline bool
la_hold_is_mine(la_hold *hold, const la_thread *self)
{
    return atomic_load_explicit(&hold->owner, memory_order_relaxed) == self;
}

/*
 * Release, here and in la_thread_forget: a fork that finds a later step of
 * this thread also finds its list right; see fork.c.
 */
static inline void
la_thread_remember(la_thread *self, la_hold *hold)
{
    hold->next_held = atomic_load_explicit(&self->holds, memory_order_relaxed);
    atomic_store_explicit(&self->holds, hold, memory_order_release);
}

static inline void
la_thread_forget(la_thread *self, la_hold *hold)
{
    atomic_store_explicit(&hold->owner, NULL, memory_order_relaxed);
    if (LA_LIKELY(atomic_load_explicit(&self->holds, memory_order_relaxed)
                  == hold)) {
        atomic_store_explicit(&self->holds, hold->next_held,
                              memory_order_release);
    }
    else {
        la_thread_forget_slow(self, hold);
    }
}

/* The uncontended acquire: FREE -> INLINE. */
static inline bool
la_lock_claim(la_lock *lock, la_hold *hold, la_thread *self)
{
    uintptr_t expected = LA_FREE;

    /* Relaxed: a hint; the compare-and-swap decides. */
    if (atomic_load_explicit(&lock->state, memory_order_relaxed) != LA_FREE) {
        return false;
    }
    hold->lock = lock;
    atomic_store_explicit(&hold->owner, self, memory_order_relaxed);
    la_thread_remember(self, hold);
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
    la_thread_forget(self, hold);
    return false;
}

/*
 * Takes the hold, waiting until `deadline`: LA_NOW, LA_NEVER or a time of
 * la_now(). `deadlock` is filled in for LA_DEADLOCK; it and `hooks` may be
 * NULL. After anything but LA_OK nothing is held or queued.
 */
static inline la_status
la_acquire(la_lock *lock, la_hold *hold, la_thread *self, int64_t deadline,
           const la_wait_hooks *hooks, la_deadlock *deadlock)
{
    if (LA_LIKELY(la_lock_claim(lock, hold, self))) {
        return LA_OK;
    }
    return la_acquire_slow(lock, hold, self, deadline, hooks, deadlock);
}

/* Takes the hold if that needs no waiting. */
static inline bool
la_try_acquire(la_lock *lock, la_hold *hold, la_thread *self)
{
    return la_acquire(lock, hold, self, LA_NOW, NULL, NULL) == LA_OK;
}

bool la_try_in_turn_slow(la_lock *lock, la_hold *hold, la_thread *self);

/*
 * Takes the hold if that needs no waiting, but before nobody who has waited for
 * long, even if the thread holds other locks.
 */
static inline bool
la_try_in_turn(la_lock *lock, la_hold *hold, la_thread *self)
{
    return la_lock_claim(lock, hold, self) || la_try_in_turn_slow(lock, hold, self);
}

/* Gives back what la_acquire took, with all that is chained to it. */
static inline void
la_release(la_hold *hold, la_thread *self)
{
    uintptr_t expected = (uintptr_t)hold | LA_INLINE;

    LA_ASSERT(la_hold_is_mine(hold, self));
    /*
     * Release: pairs with the acquire of who takes the lock next. Acquire:
     * pairs with the release store of la_lock_leave: whoever listed this hold
     * and put it back has done reading it before the caller reuses its memory.
     */
    if (LA_LIKELY(atomic_compare_exchange_strong_explicit(
            &hold->lock->state, &expected, LA_FREE,
            memory_order_acq_rel, memory_order_relaxed))) {
        la_thread_forget(self, hold);
    }
    else {
        la_release_slow(hold, self);
    }
}

/*
 * For people who debug, and for tests: calls `visit` for each region held or
 * waited for, those held first. It runs under the lock's mutex: it must be
 * short, and may only copy. Another thread's hold may be gone when this
 * returns.
 */
typedef struct {
    uint64_t thread;        /* ident */
    la_mode mode;
    bool waits;
    la_region region;
} la_hold_info;

typedef void (*la_hold_visitor)(const la_hold_info *info, void *context);

void la_lock_visit(la_lock *lock, la_thread *self, la_hold_visitor visit,
                   void *context);

/* How many threads wait at this moment. */
int la_lock_count_waiters(la_lock *lock, la_thread *self);

#endif  /* LOCKEDARRAY_CORE_REGIONLOCK_H_ */
