/*
 * A glance: reading a few bytes without a hold, while nobody has one.
 *
 * Who has the GIL, and finds the lock free, may read until it gives the GIL up: whoever writes
 * acquires the lock first, needs the GIL to begin, and so begins later. A writer that let go of
 * the GIL in the middle of its work still has the lock. So between the look and the last byte
 * there is no Python code, nothing that waits, and nothing that lets go of the GIL. So the bytes
 * are those between two writes, as under a hold; and nobody could have seen the hold.
 *
 * Who writes without the GIL from the first, or changes the state word from elsewhere, is none of
 * whom this knows: a lock with somebody else's below it is not asked.
 *
 * Where locks are observed, each read takes one, to be told of; without a GIL, too.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_GLANCE_H_
#define LOCKEDARRAY_CORE_GUARD_GLANCE_H_

#include "guard/observer.h"
#include "guard/region_lock.h"

/* May what the lock guards be read so? `alone`: not even beside other readers. */
static inline bool
la_may_glance(const la_region_lock *lock, bool alone)
{
#ifdef Py_GIL_DISABLED
    (void)lock;
    (void)alone;
    return false;
#else
    /* Acquire: pairs with the release of who set it, and so sees what was written under the lock. */
    uintptr_t state = atomic_load_explicit(&lock->lock->state, memory_order_acquire);

    return (state == LA_FREE || (state == LA_BIASED && !alone)) && !la_is_observed();
#endif
}

#endif  /* LOCKEDARRAY_CORE_GUARD_GLANCE_H_ */
