/*
 * A set of holds: those of a lock, or those that wait for it.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_HOLD_SET_H_
#define LOCKEDARRAY_CORE_LOCK_HOLD_SET_H_

#include "lock/hold.h"

typedef struct {
    la_hold *first, *last;      /* as they were added, by la_hold.next and .previous */
    size_t count;
} la_hold_set;

bool la_holds_conflict(const la_hold *a, const la_hold *b);

static inline void
la_hold_set_init(la_hold_set *set)
{
    set->first = set->last = NULL;
    set->count = 0;
}

void la_hold_set_add(la_hold_set *set, la_hold *hold, la_owner *owner);
void la_hold_set_remove(la_hold_set *set, la_hold *hold);
la_hold *la_hold_set_find(const la_hold_set *set, const la_hold *wanted, const la_owner *except,
                          bool (*accept)(la_hold *found, void *context), void *context);
la_hold *la_hold_set_next(const la_hold_set *set, const la_hold *wanted, uint64_t from,
                          uint64_t before);

#endif  /* LOCKEDARRAY_CORE_LOCK_HOLD_SET_H_ */
