/*
 * Seeing to the dead of a lock between processes.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_BURIAL_H_
#define LOCKEDARRAY_CORE_LOCK_BURIAL_H_

#include "lock/replica.h"

#if LA_HAS_CONTROL

/*
 * Under the monitor: sees to threads that have died. True if there were any: what was in the way
 * may be gone, and whoever sleeps has been woken to look again.
 */
bool la_shared_bury_locked(la_shared *shared);

/* Is nothing in it any more? */
bool la_entry_is_empty(const la_control_entry *entry);

/* Under the monitor: an entry is nobody's from now on. */
void la_entry_leave_locked(la_control *control, uint32_t number);

/*
 * Has a block in a file that has outlived its machine's last run be as new, but for what was being
 * written then, which is poisoned: 0, or an errno. Nobody uses it.
 */
int la_control_renew(void *memory, uint64_t serial, uint64_t generation);

#else

static inline bool la_shared_bury_locked(la_shared *shared) { (void)shared; return false; }

#endif  /* LA_HAS_CONTROL */
#endif  /* LOCKEDARRAY_CORE_LOCK_BURIAL_H_ */
