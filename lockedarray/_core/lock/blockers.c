/*
 * A look at the holds of a lock that are in the way of another, and at no more of them
 * than whose they are.
 */
#include "lock/blockers.h"

typedef struct {
    la_blocker *found;
    size_t room, count;
    la_blocker last;
} la_blockers;

static bool
la_blockers_add(la_hold *hold, void *context)
{
    la_blockers *blockers = context;
    /* Relaxed: of an owner that holds, it changes when that moves. */
    const la_owner *owner = la_hold_owner(hold);
    la_blocker found = {atomic_load_explicit(&owner->ident, memory_order_relaxed),
                        la_owner_subject(owner)};

    if (blockers->count > 0 && found.ident == blockers->last.ident
            && found.subject == blockers->last.subject) {
        return false;           /* a thread that has many, as a rule one after the other */
    }
    if (blockers->count < blockers->room) {
        blockers->found[blockers->count] = found;
    }
    blockers->last = found;
    blockers->count++;
    return false;
}

size_t
la_lock_blockers(la_lock *lock, const la_hold *wanted, la_thread *self,
                 la_blocker *found, size_t room)
{
    la_wakes wakes = {0};
    la_blockers blockers = {found, room, 0, {0, 0}};

    la_lock_enter(lock, self);
    (void)la_hold_set_find(&lock->holds, wanted, la_thread_owner(self), la_blockers_add,
                           &blockers);
    la_lock_leave(lock, self, &wakes);
    return blockers.count;
}
