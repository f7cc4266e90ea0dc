/*
 * A look at the holds of a lock, one by one, and at no more of them than their regions.
 */
#include "lock/blockers.h"

size_t
la_lock_blockers(la_lock *lock, const la_hold *wanted, la_thread *self,
                 uint64_t *idents, size_t room)
{
    la_wakes wakes = {0};
    size_t count = 0;
    uint64_t last = 0;

    la_lock_enter(lock, self);
    for (la_hold *hold = lock->holds; hold != NULL; hold = hold->next) {
        if (la_hold_is_of(hold, la_thread_owner(self)) || !la_holds_conflict(hold, wanted)) {
            continue;
        }
        /* Relaxed: of an owner that holds, it changes when that moves. */
        uint64_t ident = atomic_load_explicit(&la_hold_owner(hold)->ident,
                                              memory_order_relaxed);
        if (count > 0 && ident == last) {
            continue;       /* a thread that has many, as a rule one after the other */
        }
        if (count < room) {
            idents[count] = ident;
        }
        last = ident;
        count++;
    }
    la_lock_leave(lock, self, &wakes);
    return count;
}
