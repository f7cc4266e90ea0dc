/*
 * The index of a large set of holds, and the questions to a set.
 */
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
