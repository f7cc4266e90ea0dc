/*
 * A hold's place in the table of a lock between processes: a slot of an entry of its thread.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_SEATS_H_
#define LOCKEDARRAY_CORE_LOCK_SEATS_H_

#include "lock/queue.h"
#include "lock/replica.h"

#if LA_HAS_CONTROL

/* The uncontended acquire and release. */
bool la_shared_claim(la_lock *lock, la_hold *hold, la_thread *self);
bool la_shared_unclaim(la_hold *hold, la_thread *self);

/*
 * Before a hold, with all that is chained to it, is acquired in another way; false: the table is
 * full. And after it was given back, or not acquired.
 */
bool la_shared_begin(la_hold *hold, const la_owner *owner, la_thread *self);
void la_shared_end(la_hold *hold);

/*
 * What an owner holds is in entries of the thread in which it was current then. It is to be current
 * in the calling one, which takes over; false, and nothing is changed: a table is full.
 * Under the registry's mutex, and the owner is current nowhere.
 */
bool la_shared_move(la_owner *owner, la_thread *self);

#else

/* No lock is between processes here; what is asked of none is never called. */
static inline bool la_shared_claim(la_lock *lock, la_hold *hold, la_thread *self)
{ (void)lock; (void)hold; (void)self; return false; }
static inline bool la_shared_unclaim(la_hold *hold, la_thread *self)
{ (void)hold; (void)self; return false; }
static inline bool la_shared_begin(la_hold *hold, const la_owner *owner, la_thread *self)
{ (void)hold; (void)owner; (void)self; return false; }
static inline void la_shared_end(la_hold *hold) { (void)hold; }
static inline bool la_shared_move(la_owner *owner, la_thread *self)
{ (void)owner; (void)self; return true; }

#endif  /* LA_HAS_CONTROL */
#endif  /* LOCKEDARRAY_CORE_LOCK_SEATS_H_ */
