/*
 * What one process knows of a control block: which of its slots are its own, and for each of the
 * others' a stand-in among the holds and waiters of the RegionLock.
 *
 * A stand-in is a hold like any other, in the sets of the lock, with an owner and a thread that
 * stand for those of another process. So the rules of who may run, in what order, and who waits for whom (queue.c,
 * cycles.c) are not written a second time. It is woken by `notify`, and never waits here.
 *
 * All of it is under the monitor of the control block, but what is said to be atomic.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_REPLICA_H_
#define LOCKEDARRAY_CORE_LOCK_REPLICA_H_

#include "lock/control.h"
#include "lock/regionlock.h"

#if LA_HAS_CONTROL

/* An owner of another process. */
typedef struct la_stand_in la_stand_in;
struct la_stand_in {
    la_owner owner;
    uint64_t subject;           /* in its own process */
    uint32_t links;             /* how many of its stand-ins are in sets; 0: it may become another one */
    la_stand_in *next;
};

typedef struct {
    _Atomic(la_hold *) hold;    /* the hold in it, or the stand-in; NULL: it is free to be used */
    la_hold *stand_in;          /* made when it is needed first */
    uint64_t uses;
    uint32_t linked;            /* as what it is in the sets of the lock: a state, LA_SLOT_FREE for none */
} la_mirror;

/* What is known of an entry. */
typedef struct {
    _Atomic(la_thread *) mine;  /* the thread of this process whose it is; NULL: another one's */
    la_thread *stand_in;        /* for the other process's */
    uint32_t number;
    uint32_t woken;             /* `wake`, when the monitor was entered last */
    la_stand_in *owners;
    la_mirror slots[LA_ENTRY_SLOTS];
} la_seat;

struct la_shared {
    la_control *control;
    la_lock *lock;
    void *follower;             /* of the floors above, which set it */
    uint64_t tag;               /* another one for each attachment, and in each process */
    uint64_t process;           /* the number of this one in the block */
    uint64_t version;           /* of the block, that this is up to */
    bool changed;               /* something was noted since the monitor was entered */
    bool blind;                 /* there was no memory for a stand-in: nothing is told to be free */
    int depth;                  /* how often the monitor was entered, by `inside` */
    _Atomic(la_thread *) inside;
    la_hold_set poisons;
    _Atomic(uint64_t) followed;         /* the generation */
    _Atomic(la_seat *) seats[LA_ENTRIES];
    _Atomic(bool) closed;               /* nobody is to acquire it */
    /* See entries.c. */
    _Atomic(int) leaving;       /* how many threads are about to leave it; under the mutex */
    la_shared *next;
};

static inline la_seat *
la_seat_at(la_shared *shared, uint32_t entry)
{
    return atomic_load_explicit(&shared->seats[entry], memory_order_acquire);
}

static inline la_mirror *
la_mirror_at(la_shared *shared, uint32_t number)
{
    return &la_seat_at(shared, number / LA_ENTRY_SLOTS)->slots[number % LA_ENTRY_SLOTS];
}

/* Acquire: pairs with the release of la_shared_close. */
static inline bool
la_shared_is_closed(const la_lock *lock)
{
    return atomic_load_explicit(&lock->shared->closed, memory_order_acquire);
}

/* Relaxed: a thread looks for its own, which it alone sets; all else is under the monitor. */
static inline la_thread *
la_seat_thread(const la_seat *seat)
{
    return atomic_load_explicit(&seat->mine, memory_order_relaxed);
}

/* Makes what is known of an entry, which is not this process's; NULL when out of memory. */
la_seat *la_seat_of_other(la_shared *shared, uint32_t entry);

/* It is nobody's, and nothing stands for what was in it; or it is no more. */
void la_seat_clear(la_seat *seat);
void la_seat_free(la_seat *seat);

static inline uint32_t
la_hold_trying_flag(const la_hold *hold)
{
    return atomic_load_explicit(&hold->trying, memory_order_relaxed) ? LA_SLOT_TRYING : 0;
}

/* As what a slot in this state is in the sets of the lock. */
uint32_t la_state_linked(uint32_t state);

/* Brings the sets of the lock up to the table; under the monitor. */
void la_replica_update(la_shared *shared);

/* Writes what became of waiters to the table; under the monitor. */
void la_replica_publish(la_shared *shared);

/* Under the monitor: has all processes know what became of a hold. */
void la_shared_note(la_hold *hold, la_slot_state state);

/* Has a slot say whether its hold is `trying`. */
void la_shared_mark_trying(la_hold *hold);
bool la_shared_is_trying(const la_hold *hold);

/* A hold that was granted is known to its thread, which may write from now on. */
void la_shared_accept(la_hold *hold);

/* Under the monitor: is something in its way that was left half written? */
bool la_shared_is_poisoned(const la_hold *hold);

/* Wakes the thread of a waiter, or of one of another process: the `notify` of both. */
void la_shared_notify(la_hold *waiter);

#else

/* No lock is between processes here; what is asked of none is never called. */
static inline void la_shared_note(la_hold *hold, la_slot_state state) { (void)hold; (void)state; }
static inline bool la_shared_is_closed(const la_lock *lock) { (void)lock; return false; }
static inline void la_shared_accept(la_hold *hold) { (void)hold; }
static inline void la_shared_mark_trying(la_hold *hold) { (void)hold; }
static inline bool la_shared_is_trying(const la_hold *hold) { (void)hold; return false; }
static inline bool la_shared_is_poisoned(const la_hold *hold) { (void)hold; return false; }
static inline void la_shared_notify(la_hold *waiter) { (void)waiter; }

#endif  /* LA_HAS_CONTROL */
#endif  /* LOCKEDARRAY_CORE_LOCK_REPLICA_H_ */
