/*
 * A look at the holds of a lock that are in the way of another, and at no more of them
 * than whose they are.
 */
#include "lock/blockers.h"

typedef struct {
    uint64_t *idents;
    size_t room, count;
    uint64_t last;
} la_blockers;

static bool
la_blockers_add(la_hold *hold, void *context)
{
    la_blockers *blockers = context;
    /* Relaxed: of an owner that holds, it changes when that moves. */
    uint64_t ident = atomic_load_explicit(&la_hold_owner(hold)->ident, memory_order_relaxed);

    if (blockers->count > 0 && ident == blockers->last) {
        return false;           /* a thread that has many, as a rule one after the other */
    }
    if (blockers->count < blockers->room) {
        blockers->idents[blockers->count] = ident;
    }
    blockers->last = ident;
    blockers->count++;
    return false;
}

size_t
la_lock_blockers(la_lock *lock, const la_hold *wanted, la_thread *self,
                 uint64_t *idents, size_t room)
{
    la_wakes wakes = {0};
    la_blockers blockers = {idents, room, 0, 0};

    la_lock_enter(lock, self);
    (void)la_hold_set_find(&lock->holds, wanted, la_thread_owner(self), la_blockers_add,
                           &blockers);
    la_lock_leave(lock, self, &wakes);
    return blockers.count;
}
