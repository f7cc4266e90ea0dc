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
 *   pool               the thread itself
 *   inside, waiting    written by the thread itself; read by others only in a
 *                      forked child, where the thread is gone
 *   others, next, used under the registry's mutex; that there are others is
 *                      for the thread itself to see without it
 */
#ifndef LOCKEDARRAY_CORE_LOCK_THREAD_H_
#define LOCKEDARRAY_CORE_LOCK_THREAD_H_

#include "lock/compiler.h"
#include "lock/owner.h"
#include "lock/parker.h"

typedef struct la_lock la_lock;

struct la_thread {
    _Atomic(la_owner *) owner;      /* the current one, never NULL */
    la_hold *pool;                  /* records to be used next, by la_hold.pooled */
    _Atomic(la_lock *) inside;      /* whose mutex it may have */
    _Atomic(la_hold *) waiting;     /* in a queue, the innermost first, by outer */
    la_parker parker;
    uint64_t ident;                 /* what the system calls the thread */

    _Atomic(la_owner *) others;     /* bound to it, as they hold something, or wait */
    la_owner own;                   /* the one it begins with */
    la_thread *next;
    bool used;
};

/* Relaxed: only the thread itself writes it, but for who walks the graph. */
static inline la_owner *
la_thread_owner(const la_thread *thread)
{
    return atomic_load_explicit(&thread->owner, memory_order_relaxed);
}

#endif  /* LOCKEDARRAY_CORE_LOCK_THREAD_H_ */
