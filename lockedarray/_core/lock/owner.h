/*
 * The owner of holds: who holds and waits. Holds of one owner never conflict
 * with each other.
 *
 * An owner is not a thread. A thread has one owner that is current, which can
 * be exchanged for another one (registry.h); what is acquired belongs to that
 * one, and whoever has it current gives it back. One that was exchanged while
 * it held something stays bound to the thread, until another one makes it current.
 * But one that was in the middle of a wait (whose signal handler exchanged it) or of an
 * operation can go on there alone.
 *
 * Records are reused and never freed: who has seen one may look at it at any
 * later time.
 *
 * Who may touch what:
 *   holds, operations  written by the thread in which the owner is current or
 *                      bound; read by others under the registry's mutex, which
 *                      the end of the thread takes, and in a forked child
 *   abandoned          pushed to under the registry's mutex, taken by its thread
 *   thread             written under the registry's mutex
 *   waits              written under the mutex of the wait-for graph, or of what stands for an
 *                      owner of another process under the monitor; atomic, as it is told to
 *                      other processes under that monitor alone
 *   subject            relaxed, and only compared, or shown
 *   next, previous,    under the registry's mutex
 *   beside, stays
 */
#ifndef LOCKEDARRAY_CORE_LOCK_OWNER_H_
#define LOCKEDARRAY_CORE_LOCK_OWNER_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct la_hold la_hold;
typedef struct la_owner la_owner;
typedef struct la_thread la_thread;

struct la_owner {
    _Atomic(la_hold *) holds;       /* newest first, by la_hold.older */
    _Atomic(la_hold *) abandoned;   /* given back by others, by la_hold.next */
    _Atomic(la_thread *) thread;    /* where it is current, or bound; or NULL */
    _Atomic(uint64_t) ident;        /* of that thread, or of the last one */
    uint32_t operations;            /* how many of its holds are of one operation */

    /* What the floors above know it by; 0: a thread. The lock only hands it on. */
    _Atomic(uint64_t) subject;

    _Atomic(uint32_t) awaits;       /* its waits that no thread sleeps in (awaiting.h) */
    _Atomic(la_hold *) waits;       /* set while it waits and is waited for */

    la_owner *next, *previous;      /* bound to the same thread; or, by next, unused */
    bool beside;                    /* among those others of its thread */
    bool stays;                     /* bound, and can go on there alone */
};

/* Does it hold anything? Relaxed: for the thread in which it is current. */
static inline bool
la_owner_holds_any(const la_owner *owner)
{
    return atomic_load_explicit(&owner->holds, memory_order_relaxed) != NULL;
}

/* Relaxed, all three: see above. */
static inline la_hold *
la_owner_waits(const la_owner *owner)
{
    return atomic_load_explicit(&owner->waits, memory_order_relaxed);
}

static inline void
la_owner_wait(la_owner *owner, la_hold *waiter)
{
    atomic_store_explicit(&owner->waits, waiter, memory_order_relaxed);
}

/* If it is this that it waits for. */
static inline void
la_owner_stop_waiting(la_owner *owner, const la_hold *waiter)
{
    if (la_owner_waits(owner) == waiter) {
        la_owner_wait(owner, NULL);
    }
}

static inline uint64_t
la_owner_subject(const la_owner *owner)
{
    return atomic_load_explicit(&owner->subject, memory_order_relaxed);
}

#endif  /* LOCKEDARRAY_CORE_LOCK_OWNER_H_ */
