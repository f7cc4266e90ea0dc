/*
 * The bias towards readers: when there is one, and what it takes to end it.
 */
#include "lock/bias.h"

/* To end a bias takes time. For so many times that time there is no next one. */
#define LA_BIAS_PAUSE 10

/* Takes the hold of this lock out of one slot, if there is one: it, or NULL. */
static la_hold *
la_bias_revoke_slot_locked(la_lock *lock, la_thread *thread, int number)
{
    la_slot *slot = &thread->slots[number];
    la_lock *expected = lock;

    /*
     * Sequentially consistent: see la_lock_claim_slot. Also an acquire: pairs with the
     * release of a reader that is gone, whose reads come before the write that follows.
     */
    if (LA_LIKELY(atomic_load(slot) != lock)) {
        return NULL;
    }
    /*
     * Acquire: the fields of the hold, which is the one that is there now. Release: a
     * reader that finds itself listed sees what was written under the lock before.
     * Failed: it is gone; acquire as above.
     */
    if (!atomic_compare_exchange_strong_explicit(slot, &expected, LA_TAKEN,
                                                 memory_order_acq_rel,
                                                 memory_order_acquire)) {
        return NULL;
    }
    la_hold *hold = thread->slot_holds[number];
    /* Relaxed: its thread looks at it again only behind the acquire of the next line's
       release; or before, and then its compare-and-swap of the slot fails. */
    atomic_store_explicit(&hold->slot, NULL, memory_order_relaxed);
    atomic_store_explicit(slot, NULL, memory_order_release);
    return hold;
}

LA_COLD la_hold *
la_bias_revoke_locked(la_lock *lock)
{
    int64_t start = la_now();
    la_hold *found = NULL;

    for (la_thread *thread = la_thread_first(); thread != NULL; thread = thread->next) {
        for (int i = 0; i < LA_SLOTS; i++) {
            la_hold *hold = la_bias_revoke_slot_locked(lock, thread, i);
            if (hold != NULL) {
                hold->next = found;
                found = hold;
            }
        }
    }
    int64_t end = la_now();
    la_lock_rare *rare = la_lock_rare_of(lock);
    if (rare != NULL) {
        rare->unbiased_until = end + LA_BIAS_PAUSE * (end - start);
    }
    return found;
}

LA_COLD bool
la_bias_may_begin_locked(const la_lock *lock)
{
    const la_lock_rare *rare = la_lock_rare_of(lock);
    return rare != NULL && la_now() >= rare->unbiased_until;
}

void
la_bias_take_locked(la_hold *hold, la_slot *slot)
{
    atomic_store_explicit(&hold->slot, NULL, memory_order_relaxed);
    LA_ASSERT(atomic_load_explicit(slot, memory_order_relaxed) == hold->lock);
    /* Nobody else changes a slot that has a lock but who has its mutex, and who releases
       the hold. Release: as in la_lock_unclaim_slot. */
    atomic_store_explicit(slot, NULL, memory_order_release);
}

void
la_bias_fork_child(la_thread *thread)
{
    for (int i = 0; i < LA_SLOTS; i++) {
        atomic_store_explicit(&thread->slots[i], NULL, memory_order_relaxed);
    }
}
