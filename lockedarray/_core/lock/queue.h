/*
 * The monitor inside a lock: its mutex, the list of holds, the queue of those
 * that wait, and the rule for who may run.
 *
 * A waiter is in the queue from the moment when it first waits until it is
 * granted the lock or gives up; its place, its ticket, is by its age. It stands
 * behind the older waiters with which it conflicts, whatever its thread holds;
 * but where that closed a cycle, behind those alone that are in front of whom it
 * had to overtake (`heeds`, which cycles.c lowers). While its thread handles a
 * signal it is *away*: it cannot look for itself. While that handler waits for a
 * lock in turn, it is *aside*: nothing is granted to it, for an owner gets no
 * hold while it waits (cycles.h), and nobody stands behind it.
 *
 * Invariant, whenever the mutex is free:
 *   1. No two holds conflict.
 *   2. The state word says what the lists say: LA_FREE when all are empty,
 *      LA_INLINE for one hold and no waiter, else LA_LISTED. Or it is LA_BIASED:
 *      nobody waits, and nothing but reads is held.
 *   3. The queue is ordered by age, oldest first.
 *   4. A waiter that is neither signalled nor aside is truly blocked: a hold is
 *      in its way, or an older waiter is that it heeds.
 * The fourth is why no wake-up is lost; la_queue_serve_locked restores it
 * after each step that takes a hold or a waiter away.
 *
 * Lock order: the graph's mutex, then one lock's mutex. Nobody has the mutexes
 * of two locks. While it is held: no allocation, no callback (but la_lock_visit),
 * no sleep.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_QUEUE_H_
#define LOCKEDARRAY_CORE_LOCK_QUEUE_H_

#include "lock/bias.h"
#include "lock/hold_set.h"

/* A waiter this old is handed the lock; newcomers queue behind it. */
#define LA_HAND_OFF_NS LA_MILLISECOND

/* To be called once no mutex is held, but the monitor of a lock between processes. */
void la_wakes_make(la_wakes *wakes);

/* Makes what few locks need, if there is none: false when out of memory. No mutex is held. */
bool la_lock_make_rare(la_lock *lock);

/* Takes the mutex and brings the lock into the list form. */
void la_lock_enter(la_lock *lock, la_thread *self);

/*
 * A biased lock stays so when a read is added to the list, for which there is no slot, or
 * which is a chain; or when one is taken out, wherever it is. True: so it was done, and
 * the mutex is free again. (The owner has remembered the one that was added, and has yet to
 * forget the other.) False: as la_lock_enter.
 */
bool la_lock_enter_or_add(la_hold *hold, la_owner *owner, la_thread *self);
bool la_lock_enter_or_drop(la_hold *hold, la_thread *self);

/* Gives the mutex back, and wakes; later, where the thread has `deferred` set. */
void la_lock_leave(la_lock *lock, la_thread *self, la_wakes *wakes);

/* In a forked child: a hold that its owner keeps is put into the emptied list again. */
void la_lock_list_again(la_lock *lock, la_hold *hold, la_owner *owner);

void la_holds_link_locked(la_lock *lock, la_hold *hold, la_owner *owner);
void la_holds_unlink_locked(la_lock *lock, la_hold *hold);

/* It is as new, but for its number and what it is known by. */
void la_lock_empty(la_lock *lock);

/* Everybody who waits, for the lock or for a change, is to look again. */
void la_queue_call_all_locked(la_lock *lock, la_wakes *wakes);

/*
 * Of a lock between processes: sees to threads that have died. True if there were any: what was in the
 * way may be gone, and everybody who waits looks again.
 */
bool la_queue_bury_locked(la_lock *lock, la_wakes *wakes);

/* Does one thread sleep in both waits? Then it comes back to the later one first. */
static inline bool
la_waits_share_thread(const la_hold *a, const la_hold *b)
{
    return a->thread == b->thread && a->thread != NULL;
}

/* What is in the way of a newcomer, or of a waiter that looks. */
typedef enum {
    LA_NOTHING,
    LA_HELD_IN_TRYING,      /* holds of operations that may give them back at once */
    LA_OLDER_WAITER,
    LA_HELD_BY_OTHERS,
    LA_LEFT_HALF_WRITTEN,   /* by a process that died (shared.h) */
} la_obstacle;

la_obstacle la_obstacle_locked(const la_hold *waiter);

void la_queue_append_locked(la_hold *waiter);
void la_queue_remove_locked(la_hold *waiter);

/*
 * Does all that conflicts with the second one conflict with the first one? False also where
 * that would take longer to find out.
 */
bool la_hold_excludes(const la_hold *first, const la_hold *second);

/*
 * Hands the lock to a waiter if it may run and is old enough or away, or signals it if
 * it may run. To be called when it has less to heed than before.
 */
void la_queue_offer_locked(la_hold *waiter, la_wakes *wakes);

/*
 * Offers the lock to each waiter that conflicts with this hold or waiter, the oldest
 * first. To be called after each step that takes one away, or the signal of one, or
 * its place in the way of others.
 */
void la_queue_serve_locked(const la_hold *gone, la_wakes *wakes);

/*
 * Tells those who wait for a change of what was written by this hold, which is being
 * given back. To be called beside la_queue_serve_locked.
 */
void la_changes_tell_locked(const la_hold *gone, la_wakes *wakes);

/*
 * For people who debug, for messages and for tests: what is held, and then what
 * is waited for, region by region. Copies as many as there is room for, and
 * returns how many there are. Another thread's hold may be gone when this returns.
 */
typedef struct {
    const la_owner *owner;  /* to be compared only */
    uint64_t thread;        /* ident */
    uint64_t subject;       /* the owner's */
    la_mode mode;
    bool waits;
    int64_t since;          /* when it began to wait, by la_now() */
    bool for_change;        /* it waits for that, and not for the lock */
    la_region region;
} la_hold_info;

size_t la_lock_list(la_lock *lock, la_thread *self, la_hold_info *infos, size_t room);

/* How many threads wait at this moment. */
int la_lock_count_waiters(la_lock *lock, la_thread *self);

#endif  /* LOCKEDARRAY_CORE_LOCK_QUEUE_H_ */
