/*
 * Locks between processes: attaching and detaching one, what is kept in step by it, and forks.
 */
#include "lock/shared.h"

#include "lock/entries.h"

#if LA_HAS_CONTROL

#include <stdlib.h>

uint64_t
la_shared_generation(const la_lock *lock)
{
    /* Acquire: pairs with the release of la_shared_publish. */
    return atomic_load_explicit(&lock->shared->control->generation, memory_order_acquire);
}

void
la_shared_publish(la_lock *lock, uint64_t generation)
{
    la_shared_follow(lock, generation);
    /* Release: pairs with the acquire of la_shared_generation. */
    atomic_store_explicit(&lock->shared->control->generation, generation, memory_order_release);
}

void
la_shared_follow(la_lock *lock, uint64_t generation)
{
    atomic_store_explicit(&lock->shared->followed, generation, memory_order_release);
}

bool
la_shared_is_behind(const la_lock *lock)
{
    return lock->shared != NULL
           && atomic_load_explicit(&lock->shared->followed, memory_order_acquire)
                  != la_shared_generation(lock);
}

/* -- attachments --------------------------------------------------------------------- */

/* What is another one for each attachment, and in each process. */
static void
la_shared_number(la_shared *shared)
{
    static _Atomic(uint64_t) tags;

    /* From 1, both. */
    shared->tag = 1 + atomic_fetch_add_explicit(&tags, 1, memory_order_relaxed);
    shared->process =
        1 + atomic_fetch_add_explicit(&shared->control->processes, 1, memory_order_relaxed);
}

la_shared *
la_shared_attach(la_lock *lock, void *memory)
{
    /* For those of other processes who wait for a change. */
    la_shared *shared = la_lock_make_rare(lock) ? calloc(1, sizeof(la_shared)) : NULL;

    if (shared == NULL) {
        return NULL;
    }
    shared->control = la_control_map(memory);
    if (shared->control == NULL) {
        free(shared);
        return NULL;
    }
    shared->lock = lock;
    la_shared_number(shared);
    shared->version = UINT64_MAX;
    la_hold_set_init(&shared->poisons, NULL);
    lock->serial = shared->control->serial;
    lock->shared = shared;
    atomic_store_explicit(&lock->state, LA_SHARED, memory_order_release);
    la_entries_add(shared);
    return shared;
}

void
la_shared_close(la_lock *lock, la_thread *self)
{
    /* No process publishes that: who is granted it is behind, and asks. */
    la_shared_follow(lock, UINT64_MAX);
    atomic_store_explicit(&lock->shared->closed, true, memory_order_release);
    la_entries_depart(lock->shared, self);
}

void
la_shared_detach(la_lock *lock, const la_thread *self)
{
    la_shared *shared = lock->shared;

    if (shared != NULL) {
        lock->shared = NULL;
        la_lock_empty(lock);    /* of what stood for others */
        la_entries_detach(shared, self);
    }
}

/* -- forks --------------------------------------------------------------------------- */

/* Relaxed, everywhere: there is only one thread. What stood for others is made anew. */
static void
la_shared_renew(la_shared *shared)
{
    la_shared_number(shared);
    shared->version = UINT64_MAX;
    shared->depth = 0;
    atomic_store_explicit(&shared->inside, NULL, memory_order_relaxed);
    la_hold_set_init(&shared->poisons, NULL);
    for (uint32_t number = 0; number < LA_ENTRIES; number++) {
        la_seat *seat = la_seat_at(shared, number);
        if (seat != NULL) {
            la_seat_clear(seat);
        }
    }
    if (shared->lock != NULL) {
        la_lock_empty(shared->lock);
    }
}

void
la_shared_fork_child(void)
{
    la_entries_fork_child(la_shared_renew);
}

#endif  /* LA_HAS_CONTROL */
