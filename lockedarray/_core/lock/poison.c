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
    la_control *control = list->shared->control;
    uint32_t slot = hold->shared_slot - 1;
    const la_control_entry *entry = &control->entries[slot / LA_ENTRY_SLOTS];

    if (list->count < list->room) {
        list->poisons[list->count] = (la_poison){
            .pid = entry->pid, .slot = slot, .uses = la_control_slot_at(control, slot)->uses,
            .died = entry->died, .low = hold->region.low, .high = hold->region.high,
        };
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

bool
la_shared_poison(const la_hold *wanted, la_thread *self, la_poison *poison)
{
    la_lock *lock = wanted->lock;

    *poison = (la_poison){0};
    if (la_shared_poisons(lock, wanted, self, poison, 1) != 0) {
        return true;
    }
    la_wakes wakes = {0};
    la_lock_enter(lock, self);
    bool is_blind = lock->shared->blind;
    la_lock_leave(lock, self, &wakes);
    return is_blind;
}

/* Is it there still, and not another one in its place? */
static bool
la_poison_is_there_locked(la_control *control, const la_poison *poison)
{
    return poison->slot < LA_ENTRIES * LA_ENTRY_SLOTS
           && atomic_load_explicit(la_control_state_at(control, poison->slot),
                                   memory_order_relaxed) == LA_SLOT_POISONED
           && la_control_slot_at(control, poison->slot)->uses == poison->uses;
}

void
la_shared_heal(la_lock *lock, const la_poison *poison, la_thread *self)
{
    la_shared *shared = lock->shared;
    la_control *control = shared->control;
    la_wakes wakes = {0};

    la_lock_enter(lock, self);
    if (la_poison_is_there_locked(control, poison)) {
        atomic_store_explicit(la_control_state_at(control, poison->slot), LA_SLOT_FREE,
                              memory_order_release);
        LA_STEP();
        la_control_entry *entry = &control->entries[poison->slot / LA_ENTRY_SLOTS];
        if (entry->dead && la_entry_is_empty(entry)) {
            la_entry_leave_locked(control, poison->slot / LA_ENTRY_SLOTS);
        }
        control->version++;
        shared->changed = true;
        la_replica_update(shared);
        la_queue_call_all_locked(lock, &wakes);
    }
    la_lock_leave(lock, self, &wakes);
}

#endif  /* LA_HAS_CONTROL */
