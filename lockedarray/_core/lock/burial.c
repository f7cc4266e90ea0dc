/*
 * What becomes of the slots of threads that have died. A burial may be killed after each of its
 * stores: the next one goes on from there.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE     /* pthread_mutex_consistent(), under -std=c11 */
#endif

#include "lock/burial.h"

#if LA_HAS_CONTROL

#include <errno.h>
#include <string.h>
#include <time.h>

/* What a slot of a thread that died becomes. */
static uint32_t
la_state_after_death(uint32_t head, uint32_t state, uint32_t mode)
{
    if (state == LA_SLOT_POISONED) {
        return state;
    }
    /* One that was granted and did not know had not begun to write. */
    return head == LA_SLOT_HELD && mode == LA_WRITE ? LA_SLOT_POISONED : LA_SLOT_FREE;
}

/*
 * A hold or wait, with all that is chained to it; that first, so that who is killed here leaves the
 * head to tell the next one.
 */
static void
la_slot_bury_locked(la_control *control, uint32_t number)
{
    uint32_t head = atomic_load_explicit(la_control_state_at(control, number),
                                         memory_order_relaxed);
    uint32_t also = la_control_slot_at(control, number)->also;

    for (int length = 0; also != 0 && also <= LA_ENTRIES * LA_ENTRY_SLOTS
            && length < LA_ENTRIES * LA_ENTRY_SLOTS; length++) {
        la_control_slot *part = la_control_slot_at(control, also - 1);
        _Atomic(uint32_t) *state = la_control_state_at(control, also - 1);
        uint32_t was = atomic_load_explicit(state, memory_order_relaxed);
        if (was == LA_SLOT_PART) {
            atomic_store_explicit(state, la_state_after_death(head, was, part->mode),
                                  memory_order_release);
            LA_STEP();
        }
        also = part->also;
    }
    atomic_store_explicit(
        la_control_state_at(control, number),
        la_state_after_death(head, head, la_control_slot_at(control, number)->mode),
        memory_order_release);
    LA_STEP();
}

bool
la_entry_is_empty(const la_control_entry *entry)
{
    for (uint32_t i = 0; i < LA_ENTRY_SLOTS; i++) {
        if (atomic_load_explicit(&entry->states[i], memory_order_relaxed) != LA_SLOT_FREE) {
            return false;
        }
    }
    return true;
}

void
la_entry_leave_locked(la_control *control, uint32_t number)
{
    control->version++;
    atomic_fetch_and_explicit(&control->used[number / 64], ~(UINT64_C(1) << (number % 64)),
                              memory_order_release);
}

/* The entries whose threads are dead, and which this thread has locked now. */
typedef struct {
    uint32_t count;
    uint8_t numbers[LA_ENTRIES];
} la_dead;

_Static_assert(LA_ENTRIES <= 256, "the number of an entry is a byte");

static void
la_dead_find_locked(la_shared *shared, la_dead *dead)
{
    la_control *control = shared->control;

    dead->count = 0;
    for (uint32_t number = 0; number < LA_ENTRIES; number++) {
        la_control_entry *entry = &control->entries[number];
        la_seat *seat = la_seat_at(shared, number);
        if (!la_entry_is_used(control, number) || (seat != NULL && la_seat_thread(seat) != NULL)) {
            continue;
        }
        if (entry->dead) {
            if (la_entry_is_empty(entry)) {     /* who healed it died, too */
                la_entry_leave_locked(control, number);
            }
            continue;
        }
        int error = pthread_mutex_trylock(&entry->alive);
        if (error == EOWNERDEAD || error == 0) {
            dead->numbers[dead->count++] = (uint8_t)number;
        }
    }
}

/* In nanoseconds since the epoch. */
static int64_t
la_wall_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool
la_shared_bury_locked(la_shared *shared)
{
    la_control *control = shared->control;
    la_dead dead;

    la_dead_find_locked(shared, &dead);
    if (dead.count == 0) {
        return false;
    }
    for (uint32_t i = 0; i < dead.count * LA_ENTRY_SLOTS; i++) {
        uint32_t number = (uint32_t)dead.numbers[i / LA_ENTRY_SLOTS] * LA_ENTRY_SLOTS
                          + i % LA_ENTRY_SLOTS;
        uint32_t state = atomic_load_explicit(la_control_state_at(control, number),
                                              memory_order_relaxed);
        if (state != LA_SLOT_FREE && state != LA_SLOT_PART && state != LA_SLOT_POISONED) {
            la_slot_bury_locked(control, number);
        }
    }
    for (uint32_t i = 0; i < dead.count; i++) {
        uint32_t number = dead.numbers[i];
        la_control_entry *entry = &control->entries[number];
        for (uint32_t j = 0; j < LA_ENTRY_SLOTS; j++) {
            /* Of a chain that was being given back, or had not begun. */
            if (atomic_load_explicit(&entry->states[j], memory_order_relaxed) == LA_SLOT_PART) {
                atomic_store_explicit(&entry->states[j], LA_SLOT_FREE, memory_order_release);
            }
        }
        entry->died = la_wall_clock();
        entry->dead = !la_entry_is_empty(entry);
        if (!entry->dead) {
            la_entry_leave_locked(control, number);
        }
        LA_STEP();
        /* It was locked by nobody if its thread ended, and nobody's death was told. */
        (void)pthread_mutex_consistent(&entry->alive);
        (void)pthread_mutex_unlock(&entry->alive);
        LA_STEP();
    }
    control->version++;
    shared->changed = true;
    la_replica_update(shared);
    la_control_wake_all_locked(control);   /* also those whom the dead had granted, and not woken */
    return true;
}

/* -- files that outlive the machine ---------------------------------------------------- */

/* The slot that a word names is held; any other that is being claimed is not. */
static void
la_claim_settle(la_control *control, uint64_t word)
{
    uint64_t number = word - LA_CONTROL_SLOT;

    if (word >= LA_CONTROL_SLOT && number < LA_ENTRIES * LA_ENTRY_SLOTS) {
        _Atomic(uint32_t) *state = la_control_state_at(control, (uint32_t)number);
        if (atomic_load_explicit(state, memory_order_relaxed) == LA_SLOT_CLAIMING) {
            atomic_store_explicit(state, LA_SLOT_HELD, memory_order_relaxed);
        }
    }
}

static void
la_entry_bury(la_control *control, uint32_t entry)
{
    for (uint32_t i = 0; i < LA_ENTRY_SLOTS; i++) {
        uint32_t number = entry * LA_ENTRY_SLOTS + i;
        uint32_t state = atomic_load_explicit(la_control_state_at(control, number),
                                              memory_order_relaxed);
        if (state != LA_SLOT_FREE && state != LA_SLOT_PART && state != LA_SLOT_POISONED) {
            la_slot_bury_locked(control, number);
        }
    }
}

/* After all were buried: an entry with nothing but poison in it, or of nobody. */
static bool
la_entry_renew(la_control *control, uint32_t number)
{
    la_control_entry *entry = &control->entries[number];
    bool is_used = la_entry_is_used(control, number);

    for (uint32_t i = 0; i < LA_ENTRY_SLOTS; i++) {
        if (!is_used || atomic_load_explicit(&entry->states[i], memory_order_relaxed)
                            != LA_SLOT_POISONED) {
            atomic_store_explicit(&entry->states[i], LA_SLOT_FREE, memory_order_relaxed);
        }
    }
    memset(&entry->alive, 0, sizeof(entry->alive));
    entry->prepared = false;
    entry->died = entry->dead ? entry->died : la_wall_clock();
    entry->dead = is_used && !la_entry_is_empty(entry);
    if (is_used && !entry->dead) {
        la_entry_leave_locked(control, number);
    }
    return entry->dead;
}

int
la_control_renew(void *memory, uint64_t serial, uint64_t generation)
{
    la_control *control = memory;
    uint64_t state = atomic_load_explicit(&control->state, memory_order_relaxed);
    bool poisoned = false;

    la_claim_settle(control, state == LA_CONTROL_LISTED
        ? atomic_load_explicit(&control->listing, memory_order_relaxed) : state);
    for (uint32_t number = 0; number < LA_ENTRIES; number++) {
        if (la_entry_is_used(control, number)) {
            la_entry_bury(control, number);
        }
    }
    for (uint32_t number = 0; number < LA_ENTRIES; number++) {
        poisoned |= la_entry_renew(control, number);
    }
    memset(&control->monitor, 0, sizeof(control->monitor));
    control->to_be_called = false;
    atomic_store_explicit(&control->listing, LA_CONTROL_FREE, memory_order_relaxed);
    atomic_store_explicit(&control->state, poisoned ? LA_CONTROL_LISTED : LA_CONTROL_FREE,
                          memory_order_release);
    return la_control_init(memory, serial, generation);
}

#endif  /* LA_HAS_CONTROL */
