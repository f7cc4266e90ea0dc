/*
 * The monitor of a lock between processes, in one of them: who has it has the replica up to date, and
 * whoever comes next finds in the table what this one did.
 */
#include "lock/monitor.h"

#include "lock/gate.h"

#if LA_HAS_CONTROL

la_seat *
la_shared_home(la_shared *shared, const la_thread *self)
{
    enum { KNOWN = 4 };
    static LA_THREAD_LOCAL struct {
        uint64_t tag;
        la_seat *seat;
    } known[KNOWN];

    if (LA_LIKELY(known[shared->tag % KNOWN].tag == shared->tag
                  && la_seat_thread(known[shared->tag % KNOWN].seat) == self)) {
        return known[shared->tag % KNOWN].seat;
    }
    for (uint32_t entry = 0; entry < LA_ENTRIES; entry++) {
        la_seat *seat = la_seat_at(shared, entry);
        if (seat != NULL && la_seat_thread(seat) == self) {
            known[shared->tag % KNOWN].tag = shared->tag;
            known[shared->tag % KNOWN].seat = seat;
            return seat;
        }
    }
    return NULL;
}

/* The monitor; forks go on without what this thread has, for as long as that takes. */
static bool
la_shared_lock(la_control *control)
{
    bool somebody_died = false;

    if (!LA_LIKELY(la_control_trylock(control, &somebody_died))) {
        la_gate_stall();
        somebody_died = la_control_lock(control);
        la_gate_go_on();
    }
    return somebody_died;
}

bool
la_shared_enter(la_lock *lock, la_thread *self)
{
    la_shared *shared = lock->shared;
    la_control *control = shared->control;

    /* Relaxed: it is this thread that wrote it, or it is another one. */
    if (atomic_load_explicit(&shared->inside, memory_order_relaxed) == self) {
        shared->depth++;
        return false;
    }
    if (la_shared_lock(control)) {
        control->to_be_called = true;   /* until it is done: this thread may die, too */
    }
    atomic_store_explicit(&shared->inside, self, memory_order_relaxed);
    shared->depth = 1;
    shared->changed = false;
    la_control_list(control);
    lock->tickets = control->tickets;
    la_replica_update(shared);
    la_seat *home = la_shared_home(shared, self);
    if (home != NULL) {
        /* Acquire: pairs with the release of la_shared_notify. */
        home->woken = atomic_load_explicit(&control->entries[home->number].wake,
                                           memory_order_acquire);
    }
    return control->to_be_called;
}

void
la_shared_leave(la_lock *lock, la_thread *self)
{
    la_shared *shared = lock->shared;
    la_control *control = shared->control;

    LA_ASSERT(atomic_load(&shared->inside) == self);
    (void)self;
    if (--shared->depth > 0) {
        return;
    }
    la_replica_publish(shared);
    if (shared->changed) {
        shared->version = ++control->version;
    }
    LA_STEP();
    if (lock->holds.count == 0 && lock->waiters.count == 0 && la_lock_rare_of(lock)->changes.count == 0
            && shared->poisons.count == 0 && !shared->blind) {
        /* Release: pairs with the acquire of la_shared_claim. */
        atomic_store_explicit(&control->state, LA_CONTROL_FREE, memory_order_release);
    }
    LA_STEP();
    atomic_store_explicit(&shared->inside, NULL, memory_order_relaxed);
    la_control_unlock(control);
}


void
la_shared_called_locked(la_shared *shared)
{
    la_control_wake_all_locked(shared->control);
    shared->control->to_be_called = false;
}

#endif  /* LA_HAS_CONTROL */
