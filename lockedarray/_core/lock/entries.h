/*
 * All locks between processes that this process is attached to, and how a thread leaves its entries
 * of their tables: it alone can, since it has their mutexes.
 *
 * Lock order: the mutex of the list, then no other. A fork holds it; so nobody waits for a monitor
 * with it, which a process that is stopped may have.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_ENTRIES_H_
#define LOCKEDARRAY_CORE_LOCK_ENTRIES_H_

#include "lock/replica.h"

#if LA_HAS_CONTROL

/* A new one, in the list. */
void la_entries_add(la_shared *shared);

/*
 * Of one that is closed, or detached, which all threads leave soon: this one does so now, and others
 * when they next come into a table (la_entries_leave_departed), or end. One that is detached
 * (without `lock`) is freed with the last of them.
 */
void la_entries_depart(la_shared *shared, const la_thread *self);
void la_entries_detach(la_shared *shared, const la_thread *self);
void la_entries_leave_departed(const la_thread *self);

/* The calling thread ends; no mutex is held. */
void la_entries_end(const la_thread *self);

/* Across a fork; in the child `renew` is called for each, which no thread has an entry of. */
void la_entries_fork_prepare(void);
void la_entries_fork_parent(void);
void la_entries_fork_child(void (*renew)(la_shared *shared));

/*
 * How many robust mutexes the calling thread has of these tables. The system sees to no more than
 * LA_ROBUST_LIMIT of a thread when that dies, and a burial and the monitor need some.
 */
#define LA_ROBUST_LIMIT 2048
#define LA_MOST_ENTRIES (LA_ROBUST_LIMIT - LA_ENTRIES - 16)
extern LA_THREAD_LOCAL uint32_t la_entries_count;

#else

static inline void la_entries_end(const la_thread *self) { (void)self; }
static inline void la_entries_fork_prepare(void) {}
static inline void la_entries_fork_parent(void) {}

#endif  /* LA_HAS_CONTROL */
#endif  /* LOCKEDARRAY_CORE_LOCK_ENTRIES_H_ */
