/*
 * Suspended holds: what an owner keeps of a lock, given back for a while and then taken
 * again, as a condition variable does that stands on the lock.
 *
 * Whoever keeps such a hold still finds it kept, but nobody's: its owner is NULL. It may be
 * abandoned meanwhile, and is not taken again then. The record is that of the suspension
 * until its end.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_SUSPEND_H_
#define LOCKEDARRAY_CORE_LOCK_SUSPEND_H_

#include "lock/acquire.h"

typedef struct {
    la_lock *lock;
    la_kept *kept;              /* the caller's room */
    size_t count;
    la_hold *all;               /* by which to take all of them again in one step */
} la_suspension;

/*
 * How many holds of a lock the current owner of the calling thread keeps; and, in
 * `*others`, how many it has that nobody keeps: those of operations, which cannot be
 * given back.
 */
size_t la_lock_count_mine(la_lock *lock, la_thread *self, size_t *others);

/* Gives them back; `kept` has room for all. False when out of memory, with nothing done. */
bool la_suspend(la_suspension *self, la_thread *thread);

/*
 * Takes again what was not abandoned: `acquire` takes a hold of it all, however long that takes. Where
 * it does not, for LA_DEADLOCK and the like, or a lock between processes has no room, all are
 * abandoned. In every case it is the suspension's end.
 */
typedef la_status (*la_acquire_all)(la_lock *lock, la_hold *all, la_thread *thread,
                                    la_deadlock *deadlock);

la_status la_resume(la_suspension *self, la_thread *thread, la_acquire_all acquire,
                    la_deadlock *deadlock);

/* Ends it, with all abandoned. */
void la_suspension_drop(la_suspension *self, la_thread *thread);

#endif  /* LOCKEDARRAY_CORE_LOCK_SUSPEND_H_ */
