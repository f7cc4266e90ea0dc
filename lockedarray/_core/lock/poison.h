/*
 * Poison: what was held to write by processes that died. Who holds the region in spite of it may say
 * that it is whole again.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_POISON_H_
#define LOCKEDARRAY_CORE_LOCK_POISON_H_

#include "lock/queue.h"
#include "lock/replica.h"

/* A process that died while it wrote. */
typedef struct {
    int32_t pid;
    int64_t died;               /* seconds since the epoch */
    int64_t low, high;          /* bytes of the Buffer */
} la_poison;

#if LA_HAS_CONTROL

/* Copies what is half written in the way of a hold, or all of it for NULL; as many as there is room for, and returns how many. */
size_t la_shared_poisons(la_lock *lock, const la_hold *wanted, la_thread *self,
                         la_poison *poisons, size_t room);

/* What lies inside this hold, which is held to write, is whole again. */
void la_shared_heal(const la_hold *hold, la_thread *self);

#endif  /* LA_HAS_CONTROL */
#endif  /* LOCKEDARRAY_CORE_LOCK_POISON_H_ */
