/*
 * How a thread sleeps that waits for a lock between processes, or for a change there.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_SHARED_SLEEP_H_
#define LOCKEDARRAY_CORE_LOCK_SHARED_SLEEP_H_

#include "lock/queue.h"
#include "lock/replica.h"

#if LA_HAS_CONTROL

/* Sleeps until the thread of this waiter, or watch, is woken, or one dies that is in its way. */
la_wake_reason la_shared_park(la_hold *waiter, la_thread *self, int64_t deadline);

#else

static inline la_wake_reason la_shared_park(la_hold *waiter, la_thread *self, int64_t deadline)
{ (void)waiter; (void)self; (void)deadline; return LA_WOKEN; }

#endif  /* LA_HAS_CONTROL */
#endif  /* LOCKEDARRAY_CORE_LOCK_SHARED_SLEEP_H_ */
