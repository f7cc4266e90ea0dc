#include "lock/hold_set.h"

bool
la_holds_conflict(const la_hold *a, const la_hold *b)
{
    for (; a != NULL; a = a->also) {
        for (const la_hold *part = b; part != NULL; part = part->also) {
            if ((a->mode == LA_WRITE || part->mode == LA_WRITE)
                    && la_regions_conflict(&a->region, &part->region)) {
                return true;
            }
        }
    }
    return false;
}

void
la_hold_set_add(la_hold_set *set, la_hold *hold, la_owner *owner)
{
    (void)owner;
    hold->next = NULL;
    hold->previous = set->last;
    if (set->last != NULL) {
        set->last->next = hold;
    }
    else {
        set->first = hold;
    }
    set->last = hold;
    set->count++;
}

void
la_hold_set_remove(la_hold_set *set, la_hold *hold)
{
    if (hold->next != NULL) {
        hold->next->previous = hold->previous;
    }
    else {
        set->last = hold->previous;
    }
    if (hold->previous != NULL) {
        hold->previous->next = hold->next;
    }
    else {
        set->first = hold->next;
    }
    set->count--;
}

la_hold *
la_hold_set_find(const la_hold_set *set, const la_hold *wanted, const la_owner *except,
                 bool (*accept)(la_hold *found, void *context), void *context)
{
    for (la_hold *hold = set->first; hold != NULL; hold = hold->next) {
        if (hold != wanted && !la_hold_is_of(hold, except) && la_holds_conflict(hold, wanted)
                && (accept == NULL || accept(hold, context))) {
            return hold;
        }
    }
    return NULL;
}

la_hold *
la_hold_set_next(const la_hold_set *set, const la_hold *wanted, uint64_t from, uint64_t before)
{
    for (la_hold *hold = set->first; hold != NULL; hold = hold->next) {
        if (hold != wanted && hold->ticket >= from && hold->ticket < before
                && la_holds_conflict(hold, wanted)) {
            return hold;
        }
    }
    return NULL;
}
