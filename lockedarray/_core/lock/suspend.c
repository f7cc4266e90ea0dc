/*
 * Suspended holds. The end of a keeper and the end of a suspension exclude each other by
 * the registry's mutex.
 */
#include "lock/suspend.h"

#include "lock/registry.h"

size_t
la_lock_count_mine(la_lock *lock, la_thread *self, size_t *others)
{
    size_t count = 0;

    *others = 0;
    if (!la_thread_holds_any(self)) {
        return 0;
    }
    for (la_hold *hold = atomic_load_explicit(&la_thread_owner(self)->holds,
                                              memory_order_relaxed);
            hold != NULL; hold = hold->older) {
        if (hold->lock == lock) {
            *(la_hold_is_kept(hold) ? &count : others) += 1;
        }
    }
    return count;
}

/* Adds a record for each part of the hold to the chain; false when out of memory. */
static bool
la_suspension_add(la_suspension *self, const la_hold *hold, la_thread *thread)
{
    for (; hold != NULL; hold = hold->also) {
        la_hold *part = la_hold_new(thread, hold->mode);
        if (part == NULL) {
            return false;
        }
        la_region_copy(&part->region, &hold->region);
        part->subject = part->shown = NULL;
        /* A write stands for all, as in la_wanted_order. */
        if (self->all != NULL && self->all->mode == LA_WRITE) {
            la_hold_chain(self->all, part);
        }
        else {
            part->also = self->all;
            self->all = part;
        }
    }
    return true;
}

bool
la_suspend(la_suspension *self, la_thread *thread)
{
    size_t count = 0;

    self->all = NULL;
    for (la_hold *hold = atomic_load_explicit(&la_thread_owner(thread)->holds,
                                              memory_order_relaxed);
            hold != NULL; hold = hold->older) {
        if (hold->lock == self->lock && la_hold_is_kept(hold)) {
            if (!la_suspension_add(self, hold, thread)) {
                if (self->all != NULL) {
                    la_hold_free(self->all, thread);
                    self->all = NULL;
                }
                return false;
            }
            /* Relaxed: as in la_hold_keep. */
            self->kept[count++] = (la_kept){
                hold, atomic_load_explicit(&hold->turn, memory_order_relaxed)};
        }
    }
    self->count = count;
    la_registry_suspend(self->kept, count, thread);
    return true;
}

void
la_suspension_drop(la_suspension *self, la_thread *thread)
{
    la_registry_resume(self->kept, self->count, NULL, thread);
    if (self->all != NULL) {
        la_hold_free(self->all, thread);
        self->all = NULL;
    }
    self->count = 0;
}

la_status
la_resume(la_suspension *self, la_thread *thread, la_acquire_all acquire, la_deadlock *deadlock)
{
    if (self->all != NULL) {
        la_status status = !la_registry_make_room(self->kept, self->count, self->lock, thread)
            ? LA_FULL : acquire(self->lock, self->all, thread, deadlock);
        if (status != LA_OK) {
            la_suspension_drop(self, thread);
            return status;
        }
        la_registry_resume(self->kept, self->count, self->all, thread);
        la_give_back(self->all, thread);
        la_hold_free(self->all, thread);
        self->all = NULL;
    }
    self->count = 0;
    return LA_OK;
}
