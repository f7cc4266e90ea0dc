/*
 * Who is in the way: for the message of a wait that came to nothing.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_BLOCKERS_H_
#define LOCKEDARRAY_CORE_LOCK_BLOCKERS_H_

#include "lock/queue.h"

typedef struct {
    uint64_t ident, subject;
} la_blocker;

/*
 * The owners of which a hold conflicts with the one that is wanted, but for its own, by the
 * idents of their threads and their subjects; one that has several may come several times.
 * Copies as many as there is room for, and returns how many there are.
 */
size_t la_lock_blockers(la_lock *lock, const la_hold *wanted, la_thread *self,
                        la_blocker *found, size_t room);

#endif  /* LOCKEDARRAY_CORE_LOCK_BLOCKERS_H_ */
