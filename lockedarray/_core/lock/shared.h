/*
 * A RegionLock between processes: its part in this process, over a control block (control.h).
 *
 *     la_shared *shared = la_shared_attach(lock, memory)
 *     la_acquire(lock, ...), and everything else, as ever
 *     la_shared_close(lock, self)     from now on who wants it is told that it is closed
 *     la_shared_detach(lock, self)
 *
 * `lock->state` is LA_SHARED for as long: so whoever acquires or releases comes out of line first.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_SHARED_H_
#define LOCKEDARRAY_CORE_LOCK_SHARED_H_

#include "lock/queue.h"
#include "lock/replica.h"

#if LA_HAS_CONTROL

/*
 * Has a new lock, which nobody uses yet, be between processes. Its serial number is that of the block,
 * which is mapped once more, so that the caller's memory may go. NULL when out of memory.
 */
la_shared *la_shared_attach(la_lock *lock, void *memory);

/*
 * Nobody holds it any more. Who waits for it may still be granted it, and finds this process behind;
 * who asks for it from now on gets LA_CLOSED.
 */
void la_shared_close(la_lock *lock, la_thread *self);

/* Nobody holds it, waits for it or will use it in this process. `self` NULL: there is no record. */
void la_shared_detach(la_lock *lock, const la_thread *self);

/*
 * The generation of what the floors above keep in step: of all processes, published under the write
 * lock of everything; and that which this process follows.
 */
uint64_t la_shared_generation(const la_lock *lock);
void la_shared_publish(la_lock *lock, uint64_t generation);
void la_shared_follow(la_lock *lock, uint64_t generation);
bool la_shared_is_behind(const la_lock *lock);

/* In a forked child, where nobody holds anything of them: all such locks are as if attached anew. */
void la_shared_fork_child(void);

#else

static inline bool la_shared_is_behind(const la_lock *lock) { (void)lock; return false; }
static inline void la_shared_fork_child(void) {}

#endif  /* LA_HAS_CONTROL */

#endif  /* LOCKEDARRAY_CORE_LOCK_SHARED_H_ */
