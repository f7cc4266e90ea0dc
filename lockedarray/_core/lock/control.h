/*
 * The control block: what processes that share an array have in common of its lock.
 *
 * Shared memory, mapped wherever each process likes; so there are no pointers in it, and
 * no linked lists, which whoever dies would leave half done. It is a table:
 *
 *   entry   of a thread that has used the lock, from then on until the thread ends. It
 *           holds `alive` all the while: a robust mutex, which tells the others when the
 *           thread died with its process. (No process number: those are used again.)
 *   slot    of an entry, eight each: one hold, or wait, or part of a chain.
 *
 * The lock itself is the RegionLock as ever: each process has one (replica.c), in
 * whose lists the others' holds and waiters stand beside its own, and works on it under the
 * *monitor*, having brought it up to date; what it changes goes to the slots at once. So what is in the table
 * is the truth, each step of it is one store, and it is right after each step, whoever
 * is killed: repair is a look at all slots, which may be killed, and done again.
 *
 * The state word is as that of regionlock.h, with the number of a slot for an address:
 *
 *     LA_CONTROL_FREE     nobody holds, waits, or has left something half written
 *     slot + 2            that one is held, to be found by nobody but its owner, and nobody waits
 *     LA_CONTROL_LISTED   the slots tell; they are changed under the monitor
 *
 *   FREE -> slot, slot -> FREE    the owner, by compare-and-swap
 *   FREE, slot -> LISTED          who has the monitor, by compare-and-swap, having written to
 *                                 `listing` what it lists: so a repair knows, too
 *   LISTED -> FREE                who has the monitor, as the last thing before leaving it
 */
#ifndef LOCKEDARRAY_CORE_LOCK_CONTROL_H_
#define LOCKEDARRAY_CORE_LOCK_CONTROL_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lock/region.h"

typedef enum {
    LA_SLOT_FREE,
    LA_SLOT_CLAIMING,           /* held if, and only if, the state word or `listing` names it */
    LA_SLOT_HELD,
    LA_SLOT_RELEASING,          /* held, and its owner is done with it */
    LA_SLOT_WAITING,
    LA_SLOT_GRANTED,            /* held, and its owner does not know yet */
    LA_SLOT_WATCHING,           /* waits for a change */
    LA_SLOT_CHANGED,            /* and there was one */
    LA_SLOT_PART,               /* of the chain of another slot */
    LA_SLOT_POISONED,           /* who held it died while it wrote */
} la_slot_state;

#if defined(__linux__)
#define LA_HAS_CONTROL 1

#include <pthread.h>

#include "lock/compiler.h"

#define LA_CONTROL_LAYOUT 2     /* one more whenever anything here changes */
#define LA_ENTRIES 256
#define LA_ENTRY_SLOTS 8

#define LA_CONTROL_FREE UINT64_C(0)
#define LA_CONTROL_LISTED UINT64_C(1)
#define LA_CONTROL_SLOT UINT64_C(2)     /* plus its number */

/* Flags of a waiter: see la_hold. */
#define LA_SLOT_SIGNALLED UINT32_C(1)
#define LA_SLOT_AWAY UINT32_C(2)
#define LA_SLOT_ASIDE UINT32_C(4)
#define LA_SLOT_IN_GRAPH UINT32_C(8)
#define LA_SLOT_RECOVERS UINT32_C(16)
#define LA_SLOT_TRYING UINT32_C(32)     /* also of a hold */

/* Written by its owner before it is published; then under the monitor. */
typedef struct {
    uint64_t uses;              /* one more for each hold that it was of */
    uint64_t subject;           /* of the owner: which of its thread */
    uint32_t mode;
    uint32_t also;              /* the number of the next slot of its chain, and one; 0: none */
    _Atomic(uint32_t) flags;
    uint64_t ticket;
    _Atomic(uint64_t) heeds;
    int64_t since;              /* la_now(), which is the same clock in all processes */
    la_region region;
} la_control_slot;

typedef struct {
    _Alignas(LA_CACHE_LINE)
    pthread_mutex_t alive;
    bool prepared;              /* `alive` was made */
    bool dead;                  /* it died, and what it left half written is in its slots */
    _Atomic(uint32_t) wake;     /* a futex: one more whenever the thread is woken */
    uint32_t home;              /* the first entry of the same thread */
    uint64_t process;           /* a number of the process's own, by `processes` */
    /* For messages. */
    int32_t pid, tid;
    int64_t died;               /* when that was noticed: nanoseconds since the epoch */
    _Alignas(LA_CACHE_LINE)
    _Atomic(uint32_t) states[LA_ENTRY_SLOTS];
    la_control_slot slots[LA_ENTRY_SLOTS];
} la_control_entry;

typedef struct {
    uint64_t layout;            /* LA_CONTROL_LAYOUT, and the size of an entry */
    uint64_t serial;            /* the lock's, in all processes */
    _Atomic(uint64_t) generation;       /* of what the floors above keep in step by it */
    _Atomic(uint64_t) processes;        /* how many have used it, ever */
    _Alignas(LA_CACHE_LINE)
    pthread_mutex_t monitor;
    /* Under the monitor. */
    uint64_t tickets;
    uint64_t version;           /* one more for each change under the monitor */
    bool to_be_called;          /* somebody died in it: all who sleep are to be woken still */
    _Atomic(uint64_t) listing;
    _Atomic(uint64_t) used[LA_ENTRIES / 64];
    _Alignas(LA_CACHE_LINE)
    _Atomic(uint64_t) state;
    la_control_entry entries[LA_ENTRIES];
} la_control;

/* How many bytes a control block takes. */
size_t la_control_size(void);

/* Makes one in zeroed memory, aligned to a cache line, with the first generation: 0, or an errno. */
int la_control_init(void *memory, uint64_t serial, uint64_t generation);

/* Is it one that this code knows, and made by la_control_init? */
bool la_control_is_known(const void *memory);

/*
 * Maps it once more, for as long as a thread of this process has something locked in it, as the
 * system walks through that when the thread ends; NULL: it cannot be.
 */
la_control *la_control_map(void *memory);
void la_control_unmap(la_control *control);

/* A mutex that processes share, and that tells when one died that had it: 0, or an errno. */
int la_robust_init(pthread_mutex_t *mutex);

/* Where such a one has the word that the system sets when its owner dies. */
_Atomic(uint32_t) *la_robust_word(pthread_mutex_t *mutex);

/* The monitor, for as long as it takes; true when somebody had died in it. */
bool la_control_lock(la_control *control);
bool la_control_trylock(la_control *control, bool *somebody_died);
void la_control_unlock(la_control *control);

/* Under the monitor: brings what is in the state word into the slots. */
void la_control_list(la_control *control);

/* Wakes the thread that has this word; or all, to look again, and at whom to watch. */
void la_control_wake(_Atomic(uint32_t) *wake);
void la_control_wake_all_locked(la_control *control);

static inline la_control_slot *
la_control_slot_at(la_control *control, uint32_t number)
{
    return &control->entries[number / LA_ENTRY_SLOTS].slots[number % LA_ENTRY_SLOTS];
}

static inline _Atomic(uint32_t) *
la_control_state_at(la_control *control, uint32_t number)
{
    return &control->entries[number / LA_ENTRY_SLOTS].states[number % LA_ENTRY_SLOTS];
}

/* Is an entry somebody's? */
static inline bool
la_entry_is_used(const la_control *control, uint32_t entry)
{
    return atomic_load_explicit(&control->used[entry / 64], memory_order_relaxed) >> (entry % 64) & 1;
}

/* What LA_DEBUG builds call between two steps of the protocol, to be killed there. */
#ifdef LA_DEBUG
extern _Atomic(uint64_t) la_control_steps;
extern uint64_t la_control_last_step;   /* 0: none */
void la_control_step(void);
#define LA_STEP() la_control_step()
#else
#define LA_STEP() ((void)0)
#endif

#else
#define LA_HAS_CONTROL 0
typedef struct la_control la_control;
#endif

#endif  /* LOCKEDARRAY_CORE_LOCK_CONTROL_H_ */
