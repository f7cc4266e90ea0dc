/*
 * A RegionLock between processes: the monitor, the entries of threads, the step by which it is
 * taken when nobody else is there, sleeping, and what becomes of the dead.
 *
 * Lock order: the graph's mutex, or the registry's, then the monitor; then the mutex of a lock
 * that is not shared. The list of all is under a mutex that comes before the monitor.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE     /* gettid(), syscall(), under -std=c11 */
#endif

#include "lock/replica.h"

#include "lock/registry.h"

#if LA_HAS_CONTROL

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static la_mutex la_shared_mutex;
static la_shared *la_shared_all;            /* by next */
static _Atomic(uint64_t) la_shared_tags;

#ifdef LA_DEBUG
#include <signal.h>

_Atomic(uint64_t) la_shared_steps;
uint64_t la_shared_last_step;

void
la_shared_step(void)
{
    if (atomic_fetch_add(&la_shared_steps, 1) + 1 == la_shared_last_step) {
        raise(SIGKILL);
    }
}
#endif

/* -- the control block --------------------------------------------------------------- */

size_t
la_control_size(void)
{
    return sizeof(la_control);
}

static uint64_t
la_control_layout(void)
{
    return (uint64_t)LA_CONTROL_LAYOUT << 32 | sizeof(la_control_entry);
}

/* A mutex that processes share, and that tells when one died that had it. */
static int
la_robust_init(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);

    if (error != 0) {
        return error;
    }
    error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (error == 0) {
        error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    }
    if (error == 0) {
        error = pthread_mutex_init(mutex, &attributes);
    }
    (void)pthread_mutexattr_destroy(&attributes);
    return error;
}

int
la_control_init(void *memory, uint64_t serial, uint64_t generation)
{
    la_control *control = memory;

    control->serial = serial;
    atomic_store_explicit(&control->generation, generation, memory_order_relaxed);
    int error = la_robust_init(&control->monitor);
    if (error == 0) {
        control->layout = la_control_layout();
    }
    return error;
}

bool
la_control_is_known(const void *memory)
{
    return ((const la_control *)memory)->layout == la_control_layout();
}

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

/* -- the monitor --------------------------------------------------------------------- */

/* Brings what is in the state word into the slots. */
static void
la_control_list(la_control *control)
{
    /* Relaxed: the compare-and-swap decides. */
    uint64_t state = atomic_load_explicit(&control->state, memory_order_relaxed);

    while (state != LA_CONTROL_LISTED) {
        /* Before the swap: whoever repairs after a death between the two below knows what was
           listed. */
        atomic_store_explicit(&control->listing, state, memory_order_release);
        LA_STEP();
        /* Acquire: pairs with the release of who claimed, whose slot is read from here on, and of
           who set FREE. */
        if (!atomic_compare_exchange_weak_explicit(&control->state, &state, LA_CONTROL_LISTED,
                                                   memory_order_acq_rel,
                                                   memory_order_relaxed)) {
            continue;
        }
        LA_STEP();
        if (state != LA_CONTROL_FREE) {
            atomic_store_explicit(
                la_control_state_at(control, (uint32_t)(state - LA_CONTROL_SLOT)), LA_SLOT_HELD,
                memory_order_release);
            control->version++;
        }
        LA_STEP();
        break;
    }
    atomic_store_explicit(&control->listing, LA_CONTROL_FREE, memory_order_release);
}

/* Somebody died in the monitor: the slots are right, but for one that was being listed. */
static void
la_control_repair(la_control *control)
{
    uint64_t listing = atomic_load_explicit(&control->listing, memory_order_relaxed);
    uint64_t state = atomic_load_explicit(&control->state, memory_order_relaxed);

    if (state == LA_CONTROL_LISTED && listing >= LA_CONTROL_SLOT) {
        _Atomic(uint32_t) *slot =
            la_control_state_at(control, (uint32_t)(listing - LA_CONTROL_SLOT));
        if (atomic_load_explicit(slot, memory_order_relaxed) == LA_SLOT_CLAIMING) {
            atomic_store_explicit(slot, LA_SLOT_HELD, memory_order_release);
        }
    }
    LA_STEP();
    control->version++;
    (void)pthread_mutex_consistent(&control->monitor);
}

#define LA_MONITOR_NS (5 * LA_MILLISECOND)

#if defined(__GLIBC__)
#define LA_MONITOR_CLOCK CLOCK_MONOTONIC
#else
#define LA_MONITOR_CLOCK CLOCK_REALTIME     /* which may jump: then the sleep is as much longer */
#endif

static int
la_monitor_lock_until(pthread_mutex_t *monitor, const struct timespec *until)
{
#if defined(__SANITIZE_THREAD__)
    (void)until;                /* which does not know that these tell of a death, too */
    (void)sched_yield();
    return pthread_mutex_trylock(monitor);
#elif defined(__GLIBC__)
    return pthread_mutex_clocklock(monitor, LA_MONITOR_CLOCK, until);
#else
    return pthread_mutex_timedlock(monitor, until);
#endif
}

/*
 * Sleeps no longer than that. A thread that was woken to take the mutex, and is killed before it
 * does, takes the wake-up along, if a third one had been faster: those that sleep on would do so
 * for ever.
 */
static int
la_monitor_lock_or_sleep(pthread_mutex_t *monitor)
{
    struct timespec until;

    clock_gettime(LA_MONITOR_CLOCK, &until);
    until.tv_nsec += LA_MONITOR_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return la_monitor_lock_until(monitor, &until);
}

/* True when somebody had died in it. */
static bool
la_monitor_lock(la_control *control)
{
    int error = pthread_mutex_trylock(&control->monitor);

    while (error == EBUSY || error == ETIMEDOUT) {
        error = la_monitor_lock_or_sleep(&control->monitor);
    }
    if (error == EOWNERDEAD) {
        la_control_repair(control);
        return true;
    }
    LA_ASSERT(error == 0);
    return false;
}

/* The first of the calling thread's seats; NULL if it has none. */
static la_seat *
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

/* Whoever sleeps is to look again, and at whom to watch. */
static void
la_call_sleepers_locked(la_control *control)
{
    for (uint32_t number = 0; number < LA_ENTRIES; number++) {
        if (la_entry_is_used(control, number)) {
            la_shared_wake(&control->entries[number].wake);
        }
    }
}

void
la_shared_enter(la_lock *lock, la_thread *self)
{
    la_shared *shared = lock->shared;
    la_control *control = shared->control;

    /* Relaxed: it is this thread that wrote it, or it is another one. */
    if (atomic_load_explicit(&shared->inside, memory_order_relaxed) == self) {
        shared->depth++;
        return;
    }
    bool somebody_died = la_monitor_lock(control);
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
    if (somebody_died || control->to_be_called) {
        la_wakes wakes = {0};
        control->to_be_called = true;   /* until it is done: this thread may die, too */
        if (!la_shared_bury(lock, &wakes)) {
            la_queue_call_all_locked(lock, &wakes);
        }
        la_wakes_make(&wakes);
        la_call_sleepers_locked(control);
        control->to_be_called = false;
    }
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
    if (lock->holds.count == 0 && lock->waiters.count == 0 && lock->changes.count == 0
            && shared->poisons.count == 0 && !shared->blind) {
        /* Release: pairs with the acquire of la_shared_claim. */
        atomic_store_explicit(&control->state, LA_CONTROL_FREE, memory_order_release);
    }
    LA_STEP();
    atomic_store_explicit(&shared->inside, NULL, memory_order_relaxed);
    (void)pthread_mutex_unlock(&control->monitor);
}

void
la_shared_note(la_hold *hold, la_slot_state state)
{
    la_shared *shared = hold->lock->shared;
    uint32_t number = hold->shared_slot - 1;

    LA_ASSERT(hold->shared_slot != 0);
    if (state == LA_SLOT_WAITING || state == LA_SLOT_WATCHING) {
        la_control_slot *slot = la_control_slot_at(shared->control, number);
        slot->ticket = hold->ticket;
        slot->since = hold->since;
        atomic_store_explicit(&slot->heeds, hold->heeds, memory_order_relaxed);
        atomic_store_explicit(&slot->flags, hold->recovers ? LA_SLOT_RECOVERS : 0,
                              memory_order_relaxed);
        shared->control->tickets = hold->lock->tickets;
    }
    LA_STEP();
    /* Release: a repair finds what was written before. */
    atomic_store_explicit(la_control_state_at(shared->control, number), state,
                          memory_order_release);
    LA_STEP();
    la_mirror_at(shared, number)->linked = la_state_linked(state);
    shared->changed = true;
}

/* One store to its own slot: what others may do to it meanwhile is to look. */
void
la_shared_accept(la_hold *hold)
{
    atomic_store_explicit(
        la_control_state_at(hold->lock->shared->control, hold->shared_slot - 1), LA_SLOT_HELD,
        memory_order_release);
    LA_STEP();
}

/* -- entries ------------------------------------------------------------------------- */

/* Takes an entry for the calling thread, under the monitor; NULL: there is none, or no memory. */
static la_seat *
la_entry_take_locked(la_shared *shared, la_thread *self, la_seat *home)
{
    la_control *control = shared->control;
    uint32_t number = 0;

    while (number < LA_ENTRIES && la_entry_is_used(control, number)) {
        number++;
    }
    la_seat *seat = number == LA_ENTRIES ? NULL : la_seat_of_other(shared, number);
    if (seat == NULL) {
        return NULL;
    }
    la_control_entry *entry = &control->entries[number];
    if (!entry->prepared) {
        if (la_robust_init(&entry->alive) != 0) {
            return NULL;
        }
        entry->prepared = true;
    }
    int error = pthread_mutex_trylock(&entry->alive);
    if (error == EOWNERDEAD) {
        (void)pthread_mutex_consistent(&entry->alive);
    }
    else if (error != 0) {
        return NULL;            /* the system's limit of what one thread may have */
    }
    entry->dead = false;
    entry->home = home == NULL ? number : home->number;
    entry->process = shared->process;
    entry->pid = (int32_t)getpid();
    entry->tid = (int32_t)syscall(SYS_gettid);
    for (uint32_t i = 0; i < LA_ENTRY_SLOTS; i++) {
        atomic_store_explicit(&entry->states[i], LA_SLOT_FREE, memory_order_relaxed);
        LA_ASSERT(seat->slots[i].linked == LA_SLOT_FREE);
        atomic_store_explicit(&seat->slots[i].hold, NULL, memory_order_relaxed);
    }
    LA_STEP();
    atomic_fetch_or_explicit(&control->used[number / 64], UINT64_C(1) << (number % 64),
                             memory_order_release);
    LA_STEP();
    atomic_store_explicit(&seat->mine, self, memory_order_relaxed);
    if (home == NULL) {
        la_call_sleepers_locked(control);
    }
    return seat;
}

static void
la_entry_leave_locked(la_control *control, uint32_t number)
{
    control->version++;
    atomic_fetch_and_explicit(&control->used[number / 64], ~(UINT64_C(1) << (number % 64)),
                              memory_order_release);
}

static la_seat *
la_shared_sit(la_shared *shared, la_thread *self)
{
    la_seat *home = la_shared_home(shared, self);

    la_shared_enter(shared->lock, self);
    la_seat *seat = la_entry_take_locked(shared, self, home);
    if (seat == NULL) {
        la_wakes wakes = {0};
        if (la_shared_bury(shared->lock, &wakes)) {
            seat = la_entry_take_locked(shared, self, home);
        }
        la_wakes_make(&wakes);
    }
    la_shared_leave(shared->lock, self);
    return seat;
}

/* A slot of a seat that is free: its number, and one; 0: none is. */
static inline uint32_t
la_seat_free_slot(la_seat *seat)
{
    for (uint32_t i = 0; i < LA_ENTRY_SLOTS; i++) {
        /* Acquire: pairs with the release of la_shared_end, after which the slot is not written
           to by whoever gave the last hold back. */
        if (atomic_load_explicit(&seat->slots[i].hold, memory_order_acquire) == NULL) {
            return seat->number * LA_ENTRY_SLOTS + i + 1;
        }
    }
    return 0;
}

static uint32_t
la_shared_free_slot(la_shared *shared, la_thread *self)
{
    la_seat *seat = la_shared_home(shared, self);
    uint32_t number = seat == NULL ? 0 : la_seat_free_slot(seat);

    for (uint32_t entry = 0; entry < LA_ENTRIES && number == 0 && seat != NULL; entry++) {
        la_seat *other = la_seat_at(shared, entry);
        if (other != NULL && la_seat_thread(other) == self) {
            number = la_seat_free_slot(other);
        }
    }
    if (number == 0) {
        seat = la_shared_sit(shared, self);
        number = seat == NULL ? 0 : la_seat_free_slot(seat);
    }
    return number;
}

/* Writes a hold to the slot that it has. */
static inline void
la_slot_write(la_shared *shared, la_hold *hold, const la_owner *owner)
{
    la_control_slot *slot = la_control_slot_at(shared->control, hold->shared_slot - 1);

    slot->uses++;
    slot->subject = la_owner_subject(owner);
    slot->mode = hold->mode;
    slot->also = 0;
    la_region_copy(&slot->region, &hold->region);
}

bool
la_shared_begin(la_hold *hold, la_thread *self)
{
    la_shared *shared = hold->lock->shared;
    const la_owner *owner = la_thread_owner(self);
    la_hold *before = NULL;

    for (la_hold *part = hold; part != NULL; part = part->also) {
        part->lock = hold->lock;
        part->shared_slot = la_shared_free_slot(shared, self);
        if (part->shared_slot == 0) {
            la_shared_end(hold);
            return false;
        }
        la_slot_write(shared, part, owner);
        atomic_store_explicit(
            la_control_state_at(shared->control, part->shared_slot - 1),
            before == NULL ? LA_SLOT_FREE : LA_SLOT_PART, memory_order_relaxed);
        if (before != NULL) {
            la_control_slot_at(shared->control, before->shared_slot - 1)->also = part->shared_slot;
        }
        atomic_store_explicit(&la_mirror_at(shared, part->shared_slot - 1)->hold, part,
                              memory_order_release);
        before = part;
    }
    return true;
}

void
la_shared_end(la_hold *hold)
{
    for (; hold != NULL && hold->shared_slot != 0; hold = hold->also) {
        la_shared *shared = hold->lock->shared;
        uint32_t number = hold->shared_slot - 1;

        hold->shared_slot = 0;
        hold->recovers = false;     /* it is asked for each time */
        atomic_store_explicit(la_control_state_at(shared->control, number), LA_SLOT_FREE,
                              memory_order_relaxed);
        /* Release: pairs with the acquire of la_seat_free_slot. */
        atomic_store_explicit(&la_mirror_at(shared, number)->hold, NULL, memory_order_release);
    }
}

/* -- when nobody else is there ------------------------------------------------------- */

bool
la_shared_claim(la_lock *lock, la_hold *hold, la_thread *self)
{
    la_shared *shared = lock->shared;
    la_control *control = shared->control;
    uint64_t expected = LA_CONTROL_FREE;

    if (atomic_load_explicit(&control->state, memory_order_relaxed) != LA_CONTROL_FREE
            || hold->also != NULL) {
        return false;
    }
    la_seat *seat = la_shared_home(shared, self);
    uint32_t slot = seat == NULL ? 0 : la_seat_free_slot(seat);
    if (slot == 0) {
        return false;
    }
    la_owner *owner = la_thread_owner(self);
    hold->lock = lock;
    hold->shared_slot = slot;
    atomic_store_explicit(&hold->owner, owner, memory_order_relaxed);
    la_owner_remember(owner, hold);
    la_slot_write(shared, hold, owner);
    atomic_store_explicit(la_control_state_at(control, slot - 1), LA_SLOT_CLAIMING,
                          memory_order_relaxed);
    /* Release: pairs with the acquire of la_replica_update in another thread of this process. */
    atomic_store_explicit(&seat->slots[(slot - 1) % LA_ENTRY_SLOTS].hold, hold,
                          memory_order_release);
    LA_STEP();
    /*
     * Acquire: pairs with the release of who set FREE, and so sees all that was written under
     * the lock. Release: pairs with the acquire of la_control_list, which has the slot read.
     */
    if (atomic_compare_exchange_strong_explicit(&control->state, &expected,
                                                LA_CONTROL_SLOT + (slot - 1),
                                                memory_order_acq_rel, memory_order_relaxed)) {
        LA_STEP();
        return true;
    }
    la_owner_forget(owner, hold);
    la_shared_end(hold);
    return false;
}

bool
la_shared_unclaim(la_hold *hold, la_thread *self)
{
    la_shared *shared = hold->lock->shared;
    la_control *control = shared->control;
    uint64_t expected = LA_CONTROL_SLOT + (hold->shared_slot - 1);
    uint32_t held = LA_SLOT_HELD;

    (void)self;
    LA_STEP();
    /* Release: pairs with the acquire of who takes the lock next. */
    if (atomic_compare_exchange_strong_explicit(&control->state, &expected, LA_CONTROL_FREE,
                                                memory_order_acq_rel, memory_order_relaxed)) {
        LA_STEP();
        la_owner_forget(la_hold_owner(hold), hold);
        la_shared_end(hold);
        return true;
    }
    /* From here on a death leaves nothing half written. It is not so while it is being listed. */
    (void)atomic_compare_exchange_strong_explicit(
        la_control_state_at(control, hold->shared_slot - 1), &held, LA_SLOT_RELEASING,
        memory_order_release, memory_order_relaxed);
    LA_STEP();
    return false;
}

/* -- the dead ------------------------------------------------------------------------ */

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

/* Is nothing in it any more? */
static bool
la_entry_is_empty(const la_control_entry *entry)
{
    for (uint32_t i = 0; i < LA_ENTRY_SLOTS; i++) {
        if (atomic_load_explicit(&entry->states[i], memory_order_relaxed) != LA_SLOT_FREE) {
            return false;
        }
    }
    return true;
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

bool
la_shared_bury(la_lock *lock, la_wakes *wakes)
{
    la_shared *shared = lock->shared;
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
        entry->died = (int64_t)time(NULL);
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
    la_queue_call_all_locked(lock, wakes);
    la_call_sleepers_locked(control);   /* also those whom the dead had granted, and not woken */
    return true;
}

bool
la_shared_is_poisoned(const la_hold *hold)
{
    const la_shared *shared = hold->lock->shared;

    return shared->blind
           || (shared->poisons.first != NULL && !hold->recovers
               && la_hold_set_find(&shared->poisons, hold, NULL, NULL, NULL) != NULL);
}

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
    (void)la_shared_bury(lock, &wakes);
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

/* -- sleeping ------------------------------------------------------------------------ */

/* As struct futex_waitv in <linux/futex.h> of Linux 5.16 and later. */
typedef struct {
    uint64_t value, address;
    uint32_t flags, reserved;
} la_futex_wait;

#define LA_FUTEX_WAITV 449
#define LA_FUTEX_WAITERS UINT32_C(0x80000000)
#define LA_FUTEX_OWNER_DIED UINT32_C(0x40000000)
#define LA_FUTEX_32_SHARED 2
#define LA_FUTEX_WAIT_SHARED 0
#define LA_MOST_WATCHED 127     /* the system's limit is 128 */

/* Where a robust mutex has the word that the system sets when its owner dies. */
static _Atomic(uint32_t) *
la_robust_word(pthread_mutex_t *mutex)
{
#if defined(__GLIBC__)
    return (_Atomic(uint32_t) *)(void *)mutex;
#else
    return (_Atomic(uint32_t) *)(void *)((char *)mutex + sizeof(int));  /* musl */
#endif
}

/*
 * Has the system wake this thread, or another one that sleeps likewise, when a process dies. Any of
 * them, be it in the way or not: it may have granted this one the lock, and not lived to wake it.
 * One thread each is enough, as a thread that ends tells, too. Who comes later has all look again
 * (la_entry_take_locked). Returns how many there are; the last of them may be left out.
 */
static uint32_t
la_watch_processes_locked(la_shared *shared, la_futex_wait *waits)
{
    la_control *control = shared->control;
    uint64_t watched[LA_MOST_WATCHED + 1];
    uint32_t count = 0;

    watched[0] = shared->process;
    for (uint32_t number = 0; number < LA_ENTRIES && count < LA_MOST_WATCHED; number++) {
        la_control_entry *entry = &control->entries[number];
        uint32_t i = 0;
        if (!la_entry_is_used(control, number) || entry->dead) {
            continue;
        }
        while (i <= count && watched[i] != entry->process) {
            i++;
        }
        if (i <= count) {
            continue;
        }
        _Atomic(uint32_t) *word = la_robust_word(&entry->alive);
        uint32_t value = atomic_fetch_or_explicit(word, LA_FUTEX_WAITERS, memory_order_acq_rel)
                         | LA_FUTEX_WAITERS;
        waits[count++] = (la_futex_wait){value, (uint64_t)(uintptr_t)word, LA_FUTEX_32_SHARED, 0};
        watched[count] = entry->process;
    }
    return count;
}

/* Sleeps until one of the words changes. */
static la_wake_reason
la_futex_sleep(la_futex_wait *waits, uint32_t count, int64_t deadline)
{
    static _Atomic(bool) unknown;       /* the system has no such call */
    struct timespec until = {(time_t)(deadline / 1000000000), (long)(deadline % 1000000000)};
    long result;

    if (!atomic_load_explicit(&unknown, memory_order_relaxed)) {
        result = syscall(LA_FUTEX_WAITV, waits, count, 0, deadline == LA_NEVER ? NULL : &until,
                         CLOCK_MONOTONIC);
        if (result >= 0 || errno == EAGAIN) {
            return LA_WOKEN;
        }
        if (errno == ETIMEDOUT) {
            return LA_LATE;
        }
        if (errno == EINTR) {
            return LA_CUT;
        }
        atomic_store_explicit(&unknown, true, memory_order_relaxed);
    }
    /* Only for its own wake-up, and so it looks for the dead every now and then. */
    int64_t now = la_now();
    int64_t left = deadline == LA_NEVER ? LA_MILLISECOND : deadline - now;
    if (left <= 0) {
        return LA_LATE;
    }
    left = left < LA_MILLISECOND ? left : LA_MILLISECOND;
    struct timespec slice = {0, (long)left};
    result = syscall(SYS_futex, (void *)(uintptr_t)waits[0].address, LA_FUTEX_WAIT_SHARED,
                     (uint32_t)waits[0].value, &slice, NULL, 0);
    return result != 0 && errno == EINTR ? LA_CUT : la_now() >= deadline ? LA_LATE : LA_WOKEN;
}

la_wake_reason
la_shared_park(la_hold *waiter, la_thread *self, int64_t deadline)
{
    la_lock *lock = waiter->lock;
    la_shared *shared = lock->shared;
    la_seat *home = la_shared_home(shared, self);
    la_futex_wait waits[LA_MOST_WATCHED + 1];
    uint32_t count = 1;
    la_wakes wakes = {0};

    la_lock_enter(lock, self);
    waits[0] = (la_futex_wait){
        home->woken, (uint64_t)(uintptr_t)&shared->control->entries[home->number].wake,
        LA_FUTEX_32_SHARED, 0};
    bool sleeps = !atomic_load_explicit(&waiter->granted, memory_order_relaxed)
                  && !waiter->signalled;
    if (sleeps) {
        count += la_watch_processes_locked(shared, waits + 1);
        /* After the words were read: whoever dies from now on changes one of them. */
        sleeps = !la_shared_bury(lock, &wakes);
    }
    la_lock_leave(lock, self, &wakes);
    if (!sleeps) {
        return LA_WOKEN;
    }
    int64_t look = count > LA_MOST_WATCHED ? la_now() + LA_MILLISECOND : LA_NEVER;
    la_wake_reason reason = la_futex_sleep(waits, count, look < deadline ? look : deadline);
    if (reason == LA_WOKEN) {
        /* Perhaps by a death, of which nobody else was told. */
        la_lock_enter(lock, self);
        (void)la_shared_bury(lock, &wakes);
        la_lock_leave(lock, self, &wakes);
    }
    return reason == LA_LATE && look < deadline ? LA_WOKEN : reason;
}

/* -- attachments --------------------------------------------------------------------- */

/* From 1. */
static uint64_t
la_control_next_process(la_control *control)
{
    return 1 + atomic_fetch_add_explicit(&control->processes, 1, memory_order_relaxed);
}

la_shared *
la_shared_attach(la_lock *lock, void *memory)
{
    la_shared *shared = calloc(1, sizeof(la_shared));

    if (shared == NULL) {
        return NULL;
    }
    shared->control = memory;
    shared->lock = lock;
    shared->tag = 1 + atomic_fetch_add_explicit(&la_shared_tags, 1, memory_order_relaxed);
    shared->process = la_control_next_process(shared->control);
    shared->version = UINT64_MAX;
    la_hold_set_init(&shared->poisons, NULL);
    atomic_init(&shared->followed, 0);
    lock->serial = shared->control->serial;
    lock->shared = shared;
    atomic_store_explicit(&lock->state, LA_SHARED, memory_order_release);
    la_mutex_lock(&la_shared_mutex);
    shared->next = la_shared_all;
    la_shared_all = shared;
    la_mutex_unlock(&la_shared_mutex);
    return shared;
}

/* The calling thread leaves its entries of one control block. */
static void
la_shared_leave_entries(la_shared *shared, const la_thread *self)
{
    la_control *control = shared->control;
    bool mine = false;

    for (uint32_t number = 0; number < LA_ENTRIES && !mine; number++) {
        la_seat *seat = la_seat_at(shared, number);
        mine = seat != NULL && la_seat_thread(seat) == self;
    }
    if (!mine) {
        return;
    }
    if (la_monitor_lock(control)) {
        control->to_be_called = true;
    }
    for (uint32_t number = 0; number < LA_ENTRIES; number++) {
        la_seat *seat = la_seat_at(shared, number);
        if (seat == NULL || la_seat_thread(seat) != self) {
            continue;
        }
        la_entry_leave_locked(control, number);
        LA_STEP();
        atomic_store_explicit(&seat->mine, NULL, memory_order_relaxed);
        (void)pthread_mutex_unlock(&control->entries[number].alive);
    }
    la_call_sleepers_locked(control);   /* who watched these is to watch others of the process */
    (void)pthread_mutex_unlock(&control->monitor);
}

void
la_shared_thread_end(la_thread *self)
{
    la_mutex_lock(&la_shared_mutex);
    for (la_shared *shared = la_shared_all; shared != NULL; shared = shared->next) {
        la_shared_leave_entries(shared, self);
    }
    la_mutex_unlock(&la_shared_mutex);
}

void
la_shared_detach(la_lock *lock)
{
    la_shared *shared = lock->shared;

    if (shared == NULL) {
        return;
    }
    /* It stays in the list for the entries of other threads, which end with them. */
    la_mutex_lock(&la_shared_mutex);
    shared->lock = NULL;
    if (la_thread_current != NULL) {
        la_shared_leave_entries(shared, la_thread_current);
    }
    la_mutex_unlock(&la_shared_mutex);
    lock->shared = NULL;
    la_lock_empty(lock);        /* of what stood for others */
}

int
la_shared_count_alive(la_lock *lock, la_thread *self)
{
    la_shared *shared = lock->shared;
    la_wakes wakes = {0};
    int count = 0;

    la_lock_enter(lock, self);
    (void)la_shared_bury(lock, &wakes);
    for (uint32_t number = 0; number < LA_ENTRIES; number++) {
        count += la_entry_is_used(shared->control, number)
                 && !shared->control->entries[number].dead;
    }
    la_lock_leave(lock, self, &wakes);
    return count;
}

void
la_shared_fork_prepare(void)
{
    la_mutex_lock(&la_shared_mutex);
}

void
la_shared_fork_parent(void)
{
    la_mutex_unlock(&la_shared_mutex);
}

/* Relaxed, everywhere: there is only one thread. What stood for others is made anew. */
void
la_shared_fork_child(void)
{
    la_mutex_init(&la_shared_mutex);
    for (la_shared *shared = la_shared_all; shared != NULL; shared = shared->next) {
        shared->tag = 1 + atomic_fetch_add_explicit(&la_shared_tags, 1, memory_order_relaxed);
        shared->process = la_control_next_process(shared->control);
        shared->version = UINT64_MAX;
        shared->depth = 0;
        atomic_store_explicit(&shared->inside, NULL, memory_order_relaxed);
        la_hold_set_init(&shared->poisons, NULL);
        for (uint32_t number = 0; number < LA_ENTRIES; number++) {
            la_seat *seat = la_seat_at(shared, number);
            if (seat == NULL) {
                continue;
            }
            atomic_store_explicit(&seat->mine, NULL, memory_order_relaxed);
            seat->owners = NULL;
            for (uint32_t i = 0; i < LA_ENTRY_SLOTS; i++) {
                seat->slots[i] = (la_mirror){.stand_in = NULL};
            }
        }
        if (shared->lock != NULL) {
            la_lock_empty(shared->lock);
        }
    }
}

#endif  /* LA_HAS_CONTROL */
