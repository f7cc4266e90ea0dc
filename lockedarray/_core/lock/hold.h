/*
 * The hold: one record for what is asked for, waited for, and held.
 *
 *   idle       in a pool, or being filled in
 *   waiting    in the queue of its lock: `queued` (queue.h)
 *   held       `owner` is set, and the lock has it: inline, in its list, or in
 *              a slot
 *
 * A hold is never on a stack above which Python code may run: greenlets copy
 * such stacks away. It lives in a record from the pool of its thread, and goes
 * back there. Records are never freed, so that a guard may keep the address of
 * its hold for as long as it likes:
 *
 *   turn       odd while somebody keeps the hold beyond one call. It is one
 *              more with each keeping and each giving back, so who remembers
 *              it (la_kept) can tell whether the hold is still that one.
 *
 * Several regions of one lock are taken in one step by chaining them with
 * `also`: the first one stands for all, and only its other fields are used.
 * They never conflict with each other.
 *
 * Who may touch what: the thread that fills it in, until it is published by
 * the lock's state word or under the lock's mutex. Then mode, region and also
 * do not change; what belongs to the set and to waiting is under the lock's
 * mutex, but visit, which is under the graph's; slot as bias.h says; older and newer
 * are the owner's (owner.h); turn, subject and shown its thread's, or under the
 * registry's mutex.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_HOLD_H_
#define LOCKEDARRAY_CORE_LOCK_HOLD_H_

#include "lock/region.h"
#include "lock/thread.h"

typedef enum {
    LA_READ,
    LA_WRITE,
} la_mode;

/*
 * What is told that a waiter has been granted the lock, instead of a thread that sleeps
 * (awaiting.h).
 */
typedef struct la_notice la_notice;
struct la_notice {
    void (*tell)(la_notice *notice);
    la_notice *next;                    /* the lock's, and then that one's */
};

/* What a walk through the wait-for graph notes of a waiter; see cycles.h. */
typedef struct {
    uint64_t walk;                      /* the last one that met it */
    la_hold *from;                      /* who waits for it */
    la_hold *next;                      /* whom the walk met after it */
    bool in_graph;                      /* its owner may be waited for, and it does not leave */
    bool soft;                          /* who waits for it stands behind it */
    uint64_t ticket;                    /* what its place was then */
} la_visit;

/*
 * One part of a chain, in the index of a large set (hold_set.c): in a tree by
 * region, and the head of the chain also in one by ticket. Two cache lines: a
 * question needs no more than the first one of most nodes that it looks at.
 */
typedef struct {
    _Alignas(LA_CACHE_LINE) la_hold *left;
    la_hold *right;
    int64_t low;                        /* where its range starts */
    /* Of all that is below it and of itself: */
    int64_t highest;
    uint64_t least, greatest;           /* tickets */
    la_owner *sole;                     /* whose it is; NULL: of several owners */
    la_hold *head;                      /* of the chain */

    int64_t high;                       /* where its range ends */
    uint64_t ticket;                    /* the head's */
    la_owner *whose;
    la_hold **root;                     /* of its tree; NULL: an empty region is in none */
    uint64_t priority;                  /* random; none below has a higher one */
    la_hold *earlier, *later;           /* the tree by ticket */
} la_node;

/*
 * In its first cache line is what others touch to list it, in the second one the rest of what
 * is used when nobody else is there.
 */
struct la_hold {
    _Alignas(LA_CACHE_LINE)             /* two threads' holds have no line in common */
    la_lock *lock;                      /* NULL: abandoned, and no more than a record */
    _Atomic(la_owner *) owner;          /* NULL while not held */
    _Atomic(la_slot *) slot;            /* where it is, if it is in one; else NULL */
    /* While it is a member of a set. */
    la_owner *whose;                    /* it is, or will be */
    la_hold *next, *previous;
    la_hold *also;                      /* NULL in a pool */
    la_mode mode;
    uint32_t in_operation;              /* 1: of one call; code under it must not move the memory */

    la_hold *older;                     /* of the owner's */
    la_hold *pooled;                    /* the next one in its pool */
    _Atomic(uint64_t) turn;
    /* What the floors above know it by. The lock only hands it on. */
    const void *subject;
    void *shown;
    la_region region;                   /* most of it is unused, as a rule */

    /* While it waits; in one line again. */
    _Alignas(LA_CACHE_LINE)
    uint64_t ticket;                    /* its place among the waiters of the lock */
    int64_t since;
    uint64_t heeds;                     /* it stands behind those with a ticket below this */
    la_thread *thread;                  /* which sleeps; NULL: none does, and `notice` is told */
    void (*notify)(la_hold *waiter);    /* called to wake it; NULL: its thread is woken */
    la_owner *wanted_by;                /* whose it will be */
    la_hold *wake_next;
    uint32_t shared_slot;               /* its number, and one; 0: it has none (control.h) */
    uint32_t shared_next;               /* that to which it moves, likewise (seats.c) */
    bool nested;                        /* somebody may wait for the thread */
    bool queued;
    bool signalled;                     /* woken to look, and has not looked yet */
    bool away;                          /* handles a signal, and cannot look */
    bool aside;                         /* waits for something else meanwhile */
    bool recovers;                      /* in spite of what is half written (shared.h) */
    /* Not in the word of the others, which compilers read together. */
    _Alignas(8) _Atomic(bool) granted;
    _Atomic(bool) waking;               /* in somebody's list of whom to wake, by wake_next */
    /* Its operation wants other locks, too, and gives all back at once if it does not get them. */
    _Atomic(bool) trying;

    la_hold *newer;                     /* as `older`; not set of the newest */
    la_hold *outer;                     /* the thread waited for this one first */
    /* Of one that no thread sleeps for (awaiting.h). */
    la_notice *notice;
    la_thread *home;
    la_hold *home_next, *home_previous;
    bool told;
    la_visit visit;
    la_node node;                       /* last, since few sets are that large */
};

/* A hold that is kept beyond one call, by who remembers this. */
typedef struct {
    la_hold *hold;
    uint64_t turn;
} la_kept;

la_hold *la_hold_new_slow(la_thread *self);

/* Everything but its region, which the caller sets. NULL when out of memory. */
static inline la_hold *
la_hold_new(la_thread *self, la_mode mode)
{
    la_hold *hold = self->pool;

    if (LA_LIKELY(hold != NULL)) {
        self->pool = hold->pooled;
    }
    else {
        hold = la_hold_new_slow(self);
        if (hold == NULL) {
            return NULL;
        }
    }
    hold->mode = mode;
    hold->in_operation = 0;
    return hold;
}

/* The mode in which a region is held that is asked for in this one; see LA_REGION_NOWHERE. */
static inline la_mode
la_region_mode(const la_region *region, la_mode asked)
{
    return la_region_is_nowhere(region) ? LA_READ : asked;
}

void la_hold_free_chain_slow(la_hold *hold, la_thread *self);

/* Back into the pool, with all that is chained to it; it is not held or queued. */
static inline void
la_hold_free(la_hold *hold, la_thread *self)
{
    if (LA_LIKELY(hold->also == NULL)) {
        /* The last one out is the first one back, as a rule; and a store costs more. */
        if (hold->pooled != self->pool) {
            hold->pooled = self->pool;
        }
        self->pool = hold;
    }
    else {
        la_hold_free_chain_slow(hold, self);
    }
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

/* Is a part of it a write? */
static inline bool
la_hold_writes(const la_hold *hold)
{
    while (hold != NULL && hold->mode != LA_WRITE) {
        hold = hold->also;
    }
    return hold != NULL;
}

/* Relaxed: only compared, or read by the owner's thread or under the lock's mutex. */
static inline la_owner *
la_hold_owner(const la_hold *hold)
{
    return atomic_load_explicit(&hold->owner, memory_order_relaxed);
}

static inline bool
la_hold_is_of(const la_hold *hold, const la_owner *owner)
{
    return la_hold_owner(hold) == owner;
}

/* Have it kept beyond the call that acquired it. */
static inline la_kept
la_hold_keep(la_hold *hold)
{
    /* Relaxed: a keeper's reference is handed to other threads by their means. */
    uint64_t turn = atomic_load_explicit(&hold->turn, memory_order_relaxed) + 1;
    LA_ASSERT(turn % 2 == 1);
    atomic_store_explicit(&hold->turn, turn, memory_order_relaxed);
    return (la_kept){hold, turn};
}

/* The keeper's end of it; whoever remembers it still finds it given back. */
static inline void
la_hold_unkeep(la_hold *hold)
{
    uint64_t turn = atomic_load_explicit(&hold->turn, memory_order_relaxed);
    LA_ASSERT(turn % 2 == 1);
    atomic_store_explicit(&hold->turn, turn + 1, memory_order_relaxed);
}

static inline bool
la_hold_is_kept(const la_hold *hold)
{
    return atomic_load_explicit(&hold->turn, memory_order_relaxed) % 2 == 1;
}

/*
 * Has nobody given it back? The answer stays right for as long as the thread in
 * which its owner is current, or bound, is the calling one; else it may have
 * changed already, and la_abandon looks again.
 */
static inline bool
la_kept_is_held(la_kept kept)
{
    return kept.hold != NULL
           && atomic_load_explicit(&kept.hold->turn, memory_order_relaxed) == kept.turn;
}

/* Does the calling thread give it back, when its keeper does? */
static inline bool
la_kept_is_mine(la_kept kept, const la_thread *self)
{
    /* A record that serves another thread by now has another turn. */
    return la_kept_is_held(kept) && la_hold_is_of(kept.hold, la_thread_owner(self));
}

/*
 * Among what the owner holds. Release, here and below: a fork that finds a later
 * step of this thread also finds its list right; see fork.c.
 */
static inline void
la_owner_remember(la_owner *owner, la_hold *hold)
{
    la_hold *older = atomic_load_explicit(&owner->holds, memory_order_relaxed);

    owner->operations += hold->in_operation;
    hold->older = older;
    if (older != NULL) {
        older->newer = hold;
    }
    atomic_store_explicit(&owner->holds, hold, memory_order_release);
}

static inline void
la_owner_forget(la_owner *owner, la_hold *hold)
{
    owner->operations -= hold->in_operation;
    atomic_store_explicit(&hold->owner, NULL, memory_order_relaxed);
    if (LA_LIKELY(atomic_load_explicit(&owner->holds, memory_order_relaxed) == hold)) {
        atomic_store_explicit(&owner->holds, hold->older, memory_order_release);
        return;
    }
    hold->newer->older = hold->older;
    if (hold->older != NULL) {
        hold->older->newer = hold->newer;
    }
}

void la_owner_reap_slow(la_owner *owner, la_thread *self);

/*
 * May somebody be waiting for what this thread alone can give back? For the
 * calling thread.
 */
static inline bool
la_thread_holds_any(la_thread *self)
{
    la_owner *owner = la_thread_owner(self);

    /* Acquire: pairs with the release of who abandoned. */
    if (atomic_load_explicit(&owner->abandoned, memory_order_acquire) != NULL) {
        la_owner_reap_slow(owner, self);
    }
    return la_owner_holds_any(owner)
           || atomic_load_explicit(&self->others, memory_order_relaxed) != NULL;
}

/* The mutex of the pool that is for all threads, across a fork. */
void la_pool_fork_prepare(void);
void la_pool_fork_parent(void);
void la_pool_fork_child(void);

/* A thread ends: what it had in its pool is for others. */
void la_pool_give(la_thread *thread);

#endif  /* LOCKEDARRAY_CORE_LOCK_HOLD_H_ */
