/*
 * The record of a thread: what it holds, what it waits for.
 *
 * A record is made when a thread first takes a lock, and given back when the
 * thread ends, after everything it still held is released. Records are reused
 * and never freed: who has seen one may wake it at any later time, and at
 * worst wakes a thread for no reason.
 *
 * Who may touch what:
 *   holds, inside      written by the thread itself; read by others only in a
 *                      forked child, where those threads are gone
 *   waits, visited,    under the mutex of the wait-for graph
 *   parent, next_visit
 *   next, used         under the mutex of the registry
 *
 * Lock order: the graph's mutex (a fork takes both), the registry's, and that of
 * one lock, which the end of a thread takes to release what it held.
 */
#ifndef LOCKEDARRAY_CORE_THREAD_H_
#define LOCKEDARRAY_CORE_THREAD_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lock/compiler.h"
#include "lock/parker.h"

typedef struct la_lock la_lock;
typedef struct la_hold la_hold;
typedef struct la_waiter la_waiter;
typedef struct la_thread la_thread;

struct la_thread {
    _Atomic(la_hold *) holds;       /* newest first, by la_hold.next_held */
    _Atomic(la_lock *) inside;      /* whose mutex it has, or where it waits */
    la_parker parker;
    uint64_t ident;                 /* what the system calls the thread */

    la_waiter *waits;               /* set while it waits and holds something */
    la_thread *parent;
    la_thread *next_visit;
    uint64_t visited;

    la_thread *next;
    bool used;
};

extern LA_THREAD_LOCAL la_thread *la_thread_current;

la_thread *la_thread_begin_slow(void);

/* The record of the calling thread; NULL when out of memory. */
static inline la_thread *
la_thread_self(void)
{
    la_thread *self = la_thread_current;
    return LA_LIKELY(self != NULL) ? self : la_thread_begin_slow();
}

/*
 * Does the calling thread hold anything, of any lock? Relaxed: only the
 * thread itself writes it.
 */
static inline bool
la_thread_holds_any(la_thread *self)
{
    return atomic_load_explicit(&self->holds, memory_order_relaxed) != NULL;
}

/*
 * Returns when no thread is in the middle of its end. Who sees a hold of another
 * thread without an owner calls this before it frees the hold or the lock: the
 * end of a thread clears the owner before it has done with the two.
 */
void la_thread_await_ends(void);

/* All records ever made, for a fork. */
la_thread *la_thread_first(void);

void la_thread_fork_prepare(void);
void la_thread_fork_parent(void);
/* Gives back the records of all threads but the calling one. */
void la_thread_fork_child(void);

#endif  /* LOCKEDARRAY_CORE_THREAD_H_ */
