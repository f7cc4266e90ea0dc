/*
 * What processes that died while they wrote have left half written.
 */
#include "lock/poison.h"

#if LA_HAS_CONTROL

#include "lock/burial.h"

typedef struct {
    la_shared *shared;
    la_poison *poisons;
    size_t room, count;
} la_poison_list;

static void
la_poison_list_add(la_poison_list *list, const la_hold *hold)
{
    const la_control_entry *entry =
        &list->shared->control->entries[(hold->shared_slot - 1) / LA_ENTRY_SLOTS];

    if (list->count < list->room) {
        list->poisons[list->count] = (la_poison){entry->pid, entry->died, hold->region.low,
                                                 hold->region.high};
    }
    list->count++;
}

size_t
la_shared_poisons(la_lock *lock, const la_hold *wanted, la_thread *self, la_poison *poisons,
                  size_t room)
{
    la_shared *shared = lock->shared;
    la_poison_list list = {shared, poisons, room, 0};
    la_wakes wakes = {0};

    la_lock_enter(lock, self);
    (void)la_queue_bury_locked(lock, &wakes);
    for (la_hold *hold = shared->poisons.first; hold != NULL; hold = hold->next) {
        if (wanted == NULL || la_holds_conflict(hold, wanted)) {
            la_poison_list_add(&list, hold);
        }
    }
    la_lock_leave(lock, self, &wakes);
    return list.count;
}

void
la_shared_heal(const la_hold *hold, la_thread *self)
{
    la_lock *lock = hold->lock;
    la_shared *shared = lock->shared;
    la_control *control = shared->control;
    la_wakes wakes = {0};
    bool healed = false;

    la_lock_enter(lock, self);
    for (la_hold *poison = shared->poisons.first, *next; poison != NULL; poison = next) {
        next = poison->next;
        uint32_t number = poison->shared_slot - 1;
        if (hold->mode != LA_WRITE || !la_region_is_solid(&hold->region)
                || hold->region.low > poison->region.low
                || hold->region.high < poison->region.high) {
            continue;
        }
        atomic_store_explicit(la_control_state_at(control, number), LA_SLOT_FREE,
                              memory_order_release);
        LA_STEP();
        la_control_entry *entry = &control->entries[number / LA_ENTRY_SLOTS];
        if (entry->dead && la_entry_is_empty(entry)) {
            la_entry_leave_locked(control, number / LA_ENTRY_SLOTS);
        }
        healed = true;
    }
    if (healed) {
        control->version++;
        shared->changed = true;
        la_replica_update(shared);
        la_queue_call_all_locked(lock, &wakes);
    }
    la_lock_leave(lock, self, &wakes);
}

#endif  /* LA_HAS_CONTROL */
