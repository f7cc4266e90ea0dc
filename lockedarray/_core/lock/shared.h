/*
 * A RegionLock between processes: its part in this process, over a control block (control.h).
 *
 *     la_shared *shared = la_shared_attach(lock, memory, size, serial)
 *     la_acquire(lock, ...), and everything else, as ever
 *     la_shared_detach(lock)
 *
 * `lock->state` is LA_SHARED for as long: so whoever acquires or releases comes here
 * first, out of line.
 *
 * What a caller must see to: the memory stays mapped for as long as the process lives, since
 * the system walks through what each thread of it has locked there when that ends.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_SHARED_H_
#define LOCKEDARRAY_CORE_LOCK_SHARED_H_

#include "lock/control.h"
#include "lock/queue.h"

#if LA_HAS_CONTROL

/* How many bytes a control block takes. */
size_t la_control_size(void);

/* Makes one in zeroed memory, aligned to a cache line, with the first generation: 0, or an errno. */
int la_control_init(void *memory, uint64_t serial, uint64_t generation);

/* Is it one that this code knows, and made by la_control_init? */
bool la_control_is_known(const void *memory);

/*
 * Has a new lock, which nobody uses yet, be between processes. Its serial number is that of the block.
 * NULL when out of memory, or where there is no such thing.
 */
la_shared *la_shared_attach(la_lock *lock, void *memory);

/*
 * Nobody holds it or waits for it in this process. The memory is to stay mapped nevertheless, for
 * the threads that have an entry until they end.
 */
void la_shared_detach(la_lock *lock);

/*
 * The generation of what the floors above keep in step: of all processes, published under the write
 * lock of everything; and that which this process follows.
 */
uint64_t la_shared_generation(const la_lock *lock);
void la_shared_publish(la_lock *lock, uint64_t generation);
void la_shared_follow(la_lock *lock, uint64_t generation);
bool la_shared_is_behind(const la_lock *lock);

/* -- what acquire.c, queue.c and the others ask for ---------------------------------- */

/* The uncontended acquire and release. */
bool la_shared_claim(la_lock *lock, la_hold *hold, la_thread *self);
bool la_shared_unclaim(la_hold *hold, la_thread *self);

/*
 * Before a hold, with all that is chained to it, is acquired in another way; false: the table is
 * full. And after it was given back, or not acquired.
 */
bool la_shared_begin(la_hold *hold, la_thread *self);
void la_shared_end(la_hold *hold);

/* The monitor; it nests. */
void la_shared_enter(la_lock *lock, la_thread *self);
void la_shared_leave(la_lock *lock, la_thread *self);

/* A hold that was granted is known to its thread, which may write from now on. */
void la_shared_accept(la_hold *hold);

/* Under the monitor: has all processes know what became of a hold. */
void la_shared_note(la_hold *hold, la_slot_state state);

/*
 * Under the monitor: sees to threads that have died. True if there were any: what was in the way
 * may be gone. Everybody who waits looks again.
 */
bool la_shared_bury(la_lock *lock, la_wakes *wakes);

/* Under the monitor: is something in its way that was left half written? */
bool la_shared_is_poisoned(const la_hold *hold);

/* Wakes the thread of a waiter, or of one of another process: the `notify` of both. */
void la_shared_notify(la_hold *waiter);

/* Sleeps until the thread of this waiter, or watch, is woken, or one dies that is in its way. */
la_wake_reason la_shared_park(la_hold *waiter, la_thread *self, int64_t deadline);

/* A process that died while it wrote. */
typedef struct {
    int32_t pid;
    int64_t died;               /* seconds since the epoch */
    int64_t low, high;          /* bytes of the Buffer */
} la_poison;

/* Copies what is half written in the way of a hold, or all of it for NULL; as many as there is room for, and returns how many. */
size_t la_shared_poisons(la_lock *lock, const la_hold *wanted, la_thread *self,
                         la_poison *poisons, size_t room);

/* What lies inside this hold, which is held to write, is whole again. */
void la_shared_heal(const la_hold *hold, la_thread *self);

/* How many threads of how many processes use it; for those who clean up. */
int la_shared_count_alive(la_lock *lock, la_thread *self);

/* The calling thread ends; no mutex is held. */
void la_shared_thread_end(la_thread *self);

/* The list of all such locks, across a fork; in the child nobody holds anything of them. */
void la_shared_fork_prepare(void);
void la_shared_fork_parent(void);
void la_shared_fork_child(void);

#else

/* No lock is between processes here; what is asked of none is never called. */
static inline bool la_shared_claim(la_lock *lock, la_hold *hold, la_thread *self)
{ (void)lock; (void)hold; (void)self; return false; }
static inline bool la_shared_unclaim(la_hold *hold, la_thread *self)
{ (void)hold; (void)self; return false; }
static inline bool la_shared_begin(la_hold *hold, la_thread *self)
{ (void)hold; (void)self; return false; }
static inline void la_shared_end(la_hold *hold) { (void)hold; }
static inline void la_shared_enter(la_lock *lock, la_thread *self) { (void)lock; (void)self; }
static inline void la_shared_leave(la_lock *lock, la_thread *self) { (void)lock; (void)self; }
static inline void la_shared_accept(la_hold *hold) { (void)hold; }
static inline void la_shared_note(la_hold *hold, la_slot_state state) { (void)hold; (void)state; }
static inline bool la_shared_bury(la_lock *lock, la_wakes *wakes)
{ (void)lock; (void)wakes; return false; }
static inline bool la_shared_is_poisoned(const la_hold *hold) { (void)hold; return false; }
static inline bool la_shared_is_behind(const la_lock *lock) { (void)lock; return false; }
static inline void la_shared_notify(la_hold *waiter) { (void)waiter; }
static inline la_wake_reason la_shared_park(la_hold *waiter, la_thread *self, int64_t deadline)
{ (void)waiter; (void)self; (void)deadline; return LA_WOKEN; }
static inline void la_shared_thread_end(la_thread *self) { (void)self; }
static inline void la_shared_fork_prepare(void) {}
static inline void la_shared_fork_parent(void) {}
static inline void la_shared_fork_child(void) {}

#endif  /* LA_HAS_CONTROL */

#endif  /* LOCKEDARRAY_CORE_LOCK_SHARED_H_ */
