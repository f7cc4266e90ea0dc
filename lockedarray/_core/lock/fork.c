/*
 * Forks. The child gets the locks as they were at one instant, in the middle
 * of whatever other threads were doing. So nothing that a gone thread may
 * have been changing is read, but the words that each thread keeps about
 * itself for this purpose:
 *
 *   owner.holds     at every instant contains each hold that the owner has,
 *                   and holds only memory that is valid: a hold is put in
 *                   before it is acquired, or while the other two tell, and taken
 *                   out after it was released. Following `older` is safe at
 *                   every instant. One that was abandoned has no lock.
 *   thread.inside   is set before the thread touches the mutex of a lock, and
 *                   cleared after.
 *   thread.waiting  the same, for the holds by which it is in queues.
 *
 * The locks that these name are emptied, as are the slots of all threads (a hold in one is
 * among those of its owner), then the survivor's own holds are
 * listed again, and its waits (it may have forked in a signal handler) queued
 * again. All other locks are free, or held by the survivor alone.
 *
 * Waits that no thread sleeps in (awaiting.h) are lost in the child, as its loops are not to be used
 * there.
 *
 * The mutexes of the graph, of the registry, of those waits and of the pool for all threads are
 * held across the fork, so nobody walks the graph and nobody is half registered; or who has one waits
 * for another process at that instant, having changed nothing (gate.h).
 *
 * Locks that gone threads named may be freed later in the child; so all of this
 * happens at once.
 */
#include "lock/fork.h"

#include "lock/awaiting.h"
#include "lock/change.h"
#include "lock/entries.h"
#include "lock/gate.h"
#include "lock/registry.h"
#include "lock/seats.h"
#include "lock/shared.h"

void
la_fork_prepare(void)
{
    la_gate_fork_prepare(LA_GATE_GRAPH);
    la_registry_fork_prepare();
    la_changes_fork_prepare();
    la_await_fork_prepare();
    la_entries_fork_prepare();
}

void
la_fork_parent(void)
{
    la_entries_fork_parent();
    la_await_fork_parent();
    la_changes_fork_parent();
    la_registry_fork_parent();
    la_gate_fork_parent(LA_GATE_GRAPH);
}

/* Relaxed, everywhere below: there is only one thread. */

static void
la_lock_empty_named(la_lock *lock)
{
    if (lock != NULL) {
        la_lock_empty(lock);
    }
}

static la_hold *
la_owner_newest(la_owner *owner)
{
    return atomic_load_explicit(&owner->holds, memory_order_relaxed);
}

static la_hold *
la_thread_innermost(la_thread *thread)
{
    return atomic_load_explicit(&thread->waiting, memory_order_relaxed);
}

/* Calls `act` for each owner of the thread. */
static void
la_thread_each_owner(la_thread *thread, void (*act)(la_owner *owner))
{
    act(la_thread_owner(thread));
    for (la_owner *owner = atomic_load_explicit(&thread->others, memory_order_relaxed);
            owner != NULL; owner = owner->next) {
        act(owner);
    }
}

static void
la_owner_empty_locks(la_owner *owner)
{
    for (la_hold *hold = la_owner_newest(owner); hold != NULL; hold = hold->older) {
        la_lock_empty_named(hold->lock);
    }
}

static void
la_thread_empty_locks(la_thread *thread)
{
    la_lock_empty_named(atomic_load_explicit(&thread->inside, memory_order_relaxed));
    for (la_hold *hold = la_thread_innermost(thread); hold != NULL; hold = hold->outer) {
        la_lock_empty_named(hold->lock);
    }
    la_thread_each_owner(thread, la_owner_empty_locks);
}

static void
la_hold_lose(la_hold *hold)
{
    if (la_hold_is_kept(hold)) {
        if (la_on_hold_end != NULL) {
            la_on_hold_end(hold);
        }
        la_hold_unkeep(hold);
    }
    atomic_store_explicit(&hold->owner, NULL, memory_order_relaxed);
}

/* Whoever keeps such a hold finds it given back. Its record is not used again. */
static void
la_owner_lose(la_owner *owner)
{
    for (la_hold *hold = la_owner_newest(owner); hold != NULL; hold = hold->older) {
        la_hold_lose(hold);
    }
    atomic_store_explicit(&owner->holds, NULL, memory_order_relaxed);
    atomic_store_explicit(&owner->abandoned, NULL, memory_order_relaxed);
    owner->operations = 0;
}

/* What is held of locks between processes is the parent's. */
static void
la_owner_lose_shared(la_owner *owner)
{
    for (la_hold *hold = la_owner_newest(owner), *older; hold != NULL; hold = older) {
        older = hold->older;
        if (hold->lock != NULL && (hold->lock->shared != NULL || hold->lock->between)) {
            la_hold_lose(hold);
            la_owner_forget(owner, hold);
            la_shared_end(hold);
        }
    }
}

/*
 * Nor has its place in the queue come along: it stands there anew, as another process. Where there
 * is no room it is in no queue, and has no slot: so la_waiter_come_back finds it.
 */
static void
la_wait_queue_shared_again(la_hold *hold, la_thread *self)
{
    la_wakes wakes = {0};
    bool aside = hold->aside, recovers = hold->recovers;

    la_shared_end(hold);
    hold->recovers = recovers;
    if (!la_shared_begin(hold, hold->wanted_by, self)) {
        hold->queued = hold->away = hold->aside = false;
        return;
    }
    la_lock_enter(hold->lock, self);
    la_queue_append_locked(hold);
    hold->away = true;
    hold->aside = aside;
    la_queue_offer_locked(hold, &wakes);
    la_lock_leave(hold->lock, self, &wakes);
}

static void
la_owner_list_again(la_owner *owner)
{
    for (la_hold *hold = la_owner_newest(owner); hold != NULL; hold = hold->older) {
        if (hold->lock != NULL) {
            la_lock_list_again(hold->lock, hold, owner);
        }
    }
}

/* The outermost wait first: it is the oldest. */
static void
la_wait_queue_again(la_hold *hold)
{
    if (hold == NULL) {
        return;
    }
    la_wait_queue_again(hold->outer);
    if (hold->queued && hold->lock->shared != NULL) {
        la_wait_queue_shared_again(hold, la_thread_current);
    }
    else if (hold->queued) {
        bool aside = hold->aside;
        la_queue_append_locked(hold);
        hold->away = true;
        hold->aside = aside;
        atomic_store_explicit(&hold->lock->state, LA_LISTED, memory_order_relaxed);
    }
}

/* What was in their way may be gone. All are away, so nobody has to be woken. */
static void
la_waits_serve(la_thread *self)
{
    for (la_hold *hold = la_thread_innermost(self); hold != NULL; hold = hold->outer) {
        la_wakes wakes = {0};
        if (hold->queued && hold->lock->shared == NULL) {
            la_queue_offer_locked(hold, &wakes);
        }
        atomic_store_explicit(&hold->waking, false, memory_order_relaxed);
    }
}

static bool
la_owner_has(la_owner *owner, const la_hold *hold)
{
    const la_hold *held = la_owner_newest(owner);

    while (held != NULL && held != hold) {
        held = held->older;
    }
    return held != NULL;
}

/*
 * A grant that was not accepted yet is accepted; one that a gone thread left half
 * done is none.
 */
static void
la_waits_settle(la_thread *self)
{
    for (la_hold *hold = la_thread_innermost(self); hold != NULL; hold = hold->outer) {
        if (hold->lock->shared != NULL) {
            atomic_store_explicit(&hold->granted, false, memory_order_relaxed);
            atomic_store_explicit(&hold->owner, NULL, memory_order_relaxed);
            hold->queued = true;
        }
        else if (atomic_load_explicit(&hold->granted, memory_order_relaxed)) {
            atomic_store_explicit(&hold->granted, false, memory_order_relaxed);
            la_owner_remember(hold->wanted_by, hold);
        }
        else if (!la_owner_has(hold->wanted_by, hold)) {
            atomic_store_explicit(&hold->owner, NULL, memory_order_relaxed);
            hold->queued = true;
        }
    }
}

void
la_fork_child(void)
{
    la_thread *self = la_thread_current;

    la_parker_fork_child();
    la_gate_fork_child(LA_GATE_GRAPH);
    for (la_thread *thread = la_thread_first(); thread != NULL;
            thread = thread->next) {
        la_bias_fork_child(thread);
        if (thread->used) {
            la_thread_empty_locks(thread);
        }
    }
    la_await_fork_child(la_lock_empty_named);
    for (la_thread *thread = la_thread_first(); thread != NULL;
            thread = thread->next) {
        if (thread != self && thread->used) {
            la_thread_each_owner(thread, la_owner_lose);
        }
    }
    la_shared_fork_child();
    if (self != NULL) {
        la_thread_each_owner(self, la_owner_lose_shared);
        la_waits_settle(self);
        la_thread_each_owner(self, la_owner_list_again);
        la_wait_queue_again(la_thread_innermost(self));
        la_waits_serve(self);
    }
    la_changes_fork_child(self);
    la_registry_fork_child();
}
