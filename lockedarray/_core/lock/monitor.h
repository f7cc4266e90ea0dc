/*
 * Entering and leaving the monitor of a lock between processes.
 *
 * Lock order: the graph's mutex, or the registry's, then the monitor; then the mutex of a lock
 * that is not shared.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_MONITOR_H_
#define LOCKEDARRAY_CORE_LOCK_MONITOR_H_

#include "lock/replica.h"

#if LA_HAS_CONTROL

/* The first of the calling thread's seats; NULL if it has none. */
la_seat *la_shared_home(la_shared *shared, const la_thread *self);

/* It nests. True: somebody died in it, so that all who wait, or sleep, are to be called (queue.c). */
bool la_shared_enter(la_lock *lock, la_thread *self);
void la_shared_leave(la_lock *lock, la_thread *self);

/* So they are; now those who sleep are woken, too. */
void la_shared_called_locked(la_shared *shared);

#else

static inline bool la_shared_enter(la_lock *lock, la_thread *self)
{ (void)lock; (void)self; return false; }
static inline void la_shared_leave(la_lock *lock, la_thread *self) { (void)lock; (void)self; }
static inline void la_shared_called_locked(la_shared *shared) { (void)shared; }

#endif  /* LA_HAS_CONTROL */
#endif  /* LOCKEDARRAY_CORE_LOCK_MONITOR_H_ */
