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
    uint32_t slot;              /* which it is, in the table, */
    uint64_t uses;              /* of all that were in that slot */
    int64_t died;               /* when that was noticed: nanoseconds since the epoch */
    int64_t low, high;          /* bytes of the Buffer */
} la_poison;

#if LA_HAS_CONTROL

/* Copies what is half written in the way of a hold, or all of it for NULL; as many as there is room for, and returns how many. */
size_t la_shared_poisons(la_lock *lock, const la_hold *wanted, la_thread *self,
                         la_poison *poisons, size_t room);

/*
 * Is something half written in the way of a hold that was refused for it, still? Copies one of it,
 * or zeros where there is no memory to know.
 */
bool la_shared_poison(const la_hold *wanted, la_thread *self, la_poison *poison);

/* This is whole again, if it is there still: the caller has it locked to write. */
void la_shared_heal(la_lock *lock, const la_poison *poison, la_thread *self);

#endif  /* LA_HAS_CONTROL */
#endif  /* LOCKEDARRAY_CORE_LOCK_POISON_H_ */
