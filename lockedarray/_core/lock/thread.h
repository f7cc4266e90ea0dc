/*
 * The record of a thread: its current owner, where it sleeps, and what it may
 * leave half done.
 *
 * A record is made when a thread first takes a lock, and given back when the
 * thread ends (registry.h). Records are reused and never freed: who has seen
 * one may wake it at any later time, and at worst wakes a thread for no reason.
 *
 * Who may touch what:
 *   owner              written by the thread itself, under the registry's mutex
 *   pool, slot_holds   the thread itself; the latter also who lists a hold (bias.h)
 *   slots              filled by the thread itself; see bias.h
 *   inside, waiting    written by the thread itself; read by others only in a
 *                      forked child, where the thread is gone
 *   others, used       under the registry's mutex; that there are others is
 *                      for the thread itself to see without it
 *   deferred           the thread itself
 *   next               does not change once others can see the record
 */
#ifndef LOCKEDARRAY_CORE_LOCK_THREAD_H_
#define LOCKEDARRAY_CORE_LOCK_THREAD_H_

#include "lock/compiler.h"
#include "lock/owner.h"
#include "lock/parker.h"

typedef struct la_lock la_lock;
typedef struct la_shared la_shared;

/*
 * A place for a read of a biased lock (bias.h): that lock, NULL while nothing is in
 * it, or LA_TAKEN while somebody takes out what is.
 */
typedef _Atomic(la_lock *) la_slot;
#define LA_TAKEN ((la_lock *)1)

/* How many there are: one cache line, which is all that is looked at. */
#define LA_SLOTS 8

/*
 * Waiters to wake once the mutex is free, by wake_next. None of them leaves
 * la_acquire before it was woken.
 */
typedef struct {
    la_hold *first, *last;
} la_wakes;

/* In cache lines of its own. What the thread writes in each hold, what others look at
   or take, and what others write are in different ones. */
struct la_thread {
    _Alignas(LA_CACHE_LINE)
    _Atomic(la_owner *) owner;      /* the current one, never NULL */
    la_hold *pool;                  /* records to be used next, by la_hold.pooled */
    _Atomic(la_lock *) inside;      /* whose mutex it may have */
    _Atomic(la_hold *) waiting;     /* in a queue, the innermost first, by outer */
    uint64_t ident;                 /* what the system calls the thread */

    _Atomic(la_hold *) awaiting;    /* waits of its owners that it does not sleep in (awaiting.h) */
    _Atomic(la_owner *) others;     /* bound to it, as they hold something, or wait */
    la_owner own;                   /* the one it begins with */
    la_thread *next;
    bool used;
    la_wakes *deferred;             /* whom to wake once no mutex is held: registry.c */

    la_hold *slot_holds[LA_SLOTS];  /* what is in the slot of that number */
    _Alignas(LA_CACHE_LINE) la_slot slots[LA_SLOTS];
    _Alignas(LA_CACHE_LINE) la_parker parker;
};

/* Relaxed: only the thread itself writes it, but for who walks the graph. */
static inline la_owner *
la_thread_owner(const la_thread *thread)
{
    return atomic_load_explicit(&thread->owner, memory_order_relaxed);
}

/* All records ever made, newest first, by `next`. Any thread, without a mutex. */
la_thread *la_thread_first(void);

/* Makes a record, seen by all from then on, under the registry's mutex; or NULL. */
la_thread *la_thread_new_locked(void);

#endif  /* LOCKEDARRAY_CORE_LOCK_THREAD_H_ */
