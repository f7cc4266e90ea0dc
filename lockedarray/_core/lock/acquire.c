/*
 * The slow paths: acquiring what is not free, and releasing where others are
 * interested. The one loop that all waiting goes through is here.
 *
 * Lock order: the graph's mutex, then the lock's. Neither is held across a
 * sleep or a callback.
 */
#include "lock/acquire.h"

#include "lock/awaiting.h"
#include "lock/seats.h"
#include "lock/shared_sleep.h"

/* Not results of la_acquire. */
#define LA_WAITING ((la_status)(LA_CLOSED + 1))           /* the thread is queued */
#define LA_CALLED ((la_status)(LA_CLOSED + 2))            /* and has a signal to look for */

/* Under the mutex: takes the hold for the thread itself. */
static void
la_waiter_take_locked(la_hold *waiter)
{
    la_owner_remember(waiter->wanted_by, waiter);
    la_holds_link_locked(waiter->lock, waiter, waiter->wanted_by);
}

/* Takes the hold if nothing is in its way; else joins the queue if it may. */
static la_obstacle
la_waiter_try(la_hold *waiter, bool may_join)
{
    la_wakes wakes = {0};

    if (la_lock_enter_or_add(waiter, waiter->wanted_by, waiter->thread)) {
        return LA_NOTHING;
    }
    la_obstacle obstacle = la_obstacle_locked(waiter);
    if (obstacle != LA_NOTHING && waiter->lock->shared != NULL
            && la_queue_bury_locked(waiter->lock, &wakes)) {
        obstacle = la_obstacle_locked(waiter);
    }
    if (obstacle == LA_NOTHING) {
        la_waiter_take_locked(waiter);
    }
    else if (may_join && obstacle != LA_LEFT_HALF_WRITTEN) {
        la_queue_append_locked(waiter);
    }
    la_lock_leave(waiter->lock, waiter->thread, &wakes);
    return obstacle;
}

/*
 * The lock was handed over, and the hold is in its list already; unless that was
 * accepted before, by a wait inside this one. A fork finds the hold among those of
 * its owner, or by thread.waiting.
 */
static void
la_waiter_accept(la_hold *waiter)
{
    /* Relaxed: under the mutex, or behind the acquire in la_waiter_sleep. */
    if (atomic_load_explicit(&waiter->granted, memory_order_relaxed)) {
        atomic_store_explicit(&waiter->granted, false, memory_order_relaxed);
        la_owner_remember(waiter->wanted_by, waiter);
        if (!LA_LIKELY(waiter->lock->shared == NULL)) {
            la_shared_accept(waiter);
        }
    }
}

/*
 * Leaves the queue, unless the lock was handed over before; LA_OK then. Who
 * was behind this waiter may now be able to run.
 */
static la_status
la_waiter_leave_locked(la_hold *waiter, la_status status, la_wakes *wakes)
{
    if (!waiter->queued) {
        la_waiter_accept(waiter);
        return LA_OK;
    }
    la_queue_remove_locked(waiter);
    la_queue_serve_locked(waiter, wakes);
    return status;
}

/* It looks, and takes the lock if nothing is in its way: LA_OK, LA_WAITING or LA_POISONED. */
static la_status
la_waiter_look_locked(la_hold *waiter, la_wakes *wakes)
{
    la_obstacle obstacle = la_obstacle_locked(waiter);

    if (obstacle == LA_NOTHING) {
        la_queue_remove_locked(waiter);
        la_waiter_take_locked(waiter);
        return LA_OK;
    }
    if (obstacle == LA_LEFT_HALF_WRITTEN) {
        return la_waiter_leave_locked(waiter, LA_POISONED, wakes);
    }
    if (waiter->signalled) {
        /* Somebody was faster. Others may have stepped back for this one. */
        waiter->signalled = false;
        la_queue_serve_locked(waiter, wakes);
    }
    return LA_WAITING;
}

/* What to do after a wake-up: LA_WAITING to sleep on. */
static la_status
la_waiter_woken_locked(la_hold *waiter, la_wake_reason reason,
                       bool interruptible, la_wakes *wakes)
{
    if (!waiter->queued) {
        return la_waiter_leave_locked(waiter, LA_OK, wakes);
    }
    if (waiter->signalled) {
        la_status status = la_waiter_look_locked(waiter, wakes);
        if (status != LA_WAITING) {
            return status;
        }
    }
    if (reason == LA_LATE) {
        return la_waiter_leave_locked(waiter, LA_TIMEOUT, wakes);
    }
    if (reason == LA_CUT && interruptible) {
        /* From now on it cannot look. It is blocked, or it would have been signalled. */
        waiter->away = true;
        return LA_CALLED;
    }
    return LA_WAITING;
}

/* Sleeps until there is a result, or a signal to look for. */
static la_status
la_waiter_sleep(la_hold *waiter, int64_t deadline, int64_t *slice)
{
    la_lock *lock = waiter->lock;
    la_thread *self = waiter->thread;
    bool interruptible = *slice != LA_NEVER;
    int64_t look = interruptible ? la_now() + *slice : LA_NEVER;
    la_status status = LA_WAITING;

    while (status == LA_WAITING) {
        int64_t until = look < deadline ? look : deadline;
        la_wake_reason reason = LA_LIKELY(lock->shared == NULL)
            ? la_park(&self->parker, until) : la_shared_park(waiter, self, until);
        la_wakes wakes = {0};

        if (reason == LA_LATE && look < deadline) {
            reason = LA_CUT;
            *slice = la_slice_after(*slice);
        }
        else if (reason == LA_CUT && interruptible) {
            *slice = LA_FIRST_SLICE;    /* there may be more of them */
        }

        /* Acquire: pairs with the release in la_waiter_grant_locked, and so
           sees all that was written under the lock. */
        if (atomic_load_explicit(&waiter->granted, memory_order_acquire)) {
            la_waiter_accept(waiter);
            return LA_OK;
        }
        /* Who goes away is out of the graph at the same moment. */
        bool may_go_away = waiter->nested && interruptible && reason == LA_CUT;
        if (may_go_away) {
            la_graph_lock();
        }
        la_lock_enter(lock, self);
        status = la_waiter_woken_locked(waiter, reason, interruptible, &wakes);
        if (status == LA_CALLED && waiter->nested) {
            la_owner_stop_waiting(waiter->wanted_by, waiter);
        }
        la_lock_leave(lock, self, &wakes);
        if (may_go_away) {
            la_graph_unlock();
        }
    }
    return status;
}

/* It leaves the queue for another reason than a grant, which may be there already. */
static la_status
la_waiter_leave(la_hold *waiter, la_status status)
{
    la_wakes wakes = {0};

    la_lock_enter(waiter->lock, waiter->thread);
    status = la_waiter_leave_locked(waiter, status, &wakes);
    la_lock_leave(waiter->lock, waiter->thread, &wakes);
    return status;
}

/* Back from a signal: has it been granted, or may it run now? */
static la_status
la_waiter_come_back(la_hold *waiter, bool nested)
{
    la_wakes wakes = {0};
    la_status status = LA_OK;

    la_lock_enter(waiter->lock, waiter->thread);
    if (waiter->lock->shared != NULL && waiter->shared_slot == 0) {
        status = LA_FULL;       /* since a fork */
    }
    else if (!waiter->queued) {
        la_waiter_accept(waiter);
    }
    else {
        waiter->away = false;
        waiter->nested = nested;
        status = la_waiter_look_locked(waiter, &wakes);
    }
    la_lock_leave(waiter->lock, waiter->thread, &wakes);
    return status;
}

/*
 * Tries once more, or joins the queue, or comes back to its place there; a nested
 * waiter joins the graph. What a signal made its thread do may have made it one. Who
 * does not stay is out of the graph at the same moment: nobody is refused for its sake.
 */
static la_status
la_waiter_join(la_hold *waiter, bool comes_back, bool stays, la_deadlock *deadlock)
{
    bool nested = la_thread_holds_any(waiter->thread);
    la_lock *lock = waiter->lock;
    la_wakes wakes = {0};
    la_status status;

    if (nested) {
        la_graph_lock();
        if (lock->shared != NULL) {
            /* What stands for others is in the graph for as long as this lasts. */
            la_lock_enter(lock, waiter->thread);
        }
    }
    if (comes_back) {
        status = la_waiter_come_back(waiter, nested);
    }
    else {
        waiter->nested = nested;
        la_obstacle obstacle = la_waiter_try(waiter, true);
        status = obstacle == LA_NOTHING ? LA_OK
            : obstacle == LA_LEFT_HALF_WRITTEN ? LA_POISONED : LA_WAITING;
    }
    if (nested) {
        if (status == LA_WAITING && la_graph_add_locked(waiter, deadlock)) {
            status = LA_DEADLOCK;
        }
        if (status == LA_WAITING && !stays) {
            la_owner_stop_waiting(waiter->wanted_by, waiter);
        }
        if (lock->shared != NULL) {
            la_lock_leave(lock, waiter->thread, &wakes);
        }
        la_graph_unlock();
    }
    return status;
}

/*
 * The wait around this one, whose signal handler called it, steps aside for as
 * long as it lasts, or steps back to its place. One that was granted before is held
 * from now on. Waits around that one are aside already, and are so until it ends.
 */
static void
la_waiter_set_aside(la_hold *outer, bool aside)
{
    if (outer == NULL) {
        return;
    }
    la_wakes wakes = {0};

    la_lock_enter(outer->lock, outer->thread);
    if (outer->queued) {
        outer->aside = aside;
        if (aside) {
            la_queue_serve_locked(outer, &wakes);
        }
        else {
            la_queue_offer_locked(outer, &wakes);
        }
    }
    else {
        la_waiter_accept(outer);
    }
    la_lock_leave(outer->lock, outer->thread, &wakes);
}

/*
 * Its thread goes on with this one. A handler may have switched stacks, as greenlets
 * do: then waits that began inside this one last longer. They are around it from now
 * on.
 */
static void
la_waiter_resume(la_hold *waiter)
{
    la_thread *self = waiter->thread;
    la_hold *innermost = atomic_load_explicit(&self->waiting, memory_order_relaxed);
    la_hold *inner = innermost;

    if (LA_LIKELY(innermost == waiter)) {
        return;
    }
    la_graph_lock();            /* so that no fork finds it half done */
    while (inner->outer != waiter) {
        inner = inner->outer;
    }
    inner->outer = waiter->outer;
    waiter->outer = innermost;
    atomic_store_explicit(&self->waiting, waiter, memory_order_relaxed);
    la_graph_unlock();
    la_waiter_set_aside(innermost, true);
    la_waiter_set_aside(waiter, false);
}

static void
la_hook_call(void (*hook)(void *), const la_wait_hooks *hooks)
{
    if (hook != NULL) {
        hook(hooks->context);
    }
}

/* The wait, from joining the queue to leaving it. */
static la_status
la_waiter_wait(la_hold *waiter, int64_t deadline, const la_wait_hooks *hooks,
               la_deadlock *deadlock)
{
    bool comes_back = false;
    int64_t slice = hooks->check_interrupt != NULL ? LA_FIRST_SLICE : LA_NEVER;

    for (;;) {
        la_await_aside(waiter->thread, true);
        la_status status = la_waiter_join(waiter, comes_back, true, deadlock);
        if (status == LA_DEADLOCK) {
            return la_waiter_leave(waiter, LA_DEADLOCK);
        }
        if (status != LA_WAITING) {
            return status;
        }
        la_hook_call(hooks->before_wait, hooks);
        status = la_waiter_sleep(waiter, deadline, &slice);
        if (waiter->nested && status != LA_CALLED) {
            la_graph_remove(waiter);
        }
        la_hook_call(hooks->after_wait, hooks);
        if (status != LA_CALLED) {
            return status;
        }
        la_await_aside(waiter->thread, false);
        bool raised = hooks->check_interrupt(hooks->context) != 0;
        la_waiter_resume(waiter);
        if (raised) {
            if (la_waiter_leave(waiter, LA_INTERRUPTED) == LA_OK) {
                la_give_back(waiter, waiter->thread);
            }
            return LA_INTERRUPTED;
        }
        comes_back = true;
    }
}

/*
 * A try that older waiters are in the way of: it joins them, finds out which of them it
 * has to overtake, looks, and leaves. For a thread that may be waited for.
 */
static la_status
la_waiter_try_in_graph(la_hold *waiter)
{
    la_wakes wakes = {0};
    la_status status = la_waiter_join(waiter, false, false, NULL);

    if (status == LA_OK) {
        return LA_OK;
    }
    la_lock_enter(waiter->lock, waiter->thread);
    status = waiter->queued ? la_waiter_look_locked(waiter, &wakes) : LA_WAITING;
    if (status == LA_WAITING) {
        status = la_waiter_leave_locked(waiter, LA_TIMEOUT, &wakes);
    }
    la_lock_leave(waiter->lock, waiter->thread, &wakes);
    return status;
}

/*
 * A try that nothing is in the way of but others' tries. Those last for moments, but that
 * is up to others' code, where others' locks are below; so not for ever.
 */
#define LA_TRY_NS (50 * LA_MILLISECOND / 1000)
#define LA_TRIES_NS (1000 * LA_MILLISECOND)

static la_obstacle
la_waiter_outlast(la_hold *waiter, const la_wait_hooks *hooks)
{
    int64_t last = la_now() + LA_TRIES_NS;
    la_obstacle obstacle;

    la_hook_call(hooks->before_wait, hooks);
    do {
        (void)la_park(&waiter->thread->parker, la_now() + LA_TRY_NS);
        obstacle = la_waiter_try(waiter, false);
    } while (obstacle == LA_HELD_IN_TRYING && la_now() < last);
    la_hook_call(hooks->after_wait, hooks);
    return obstacle;
}

/* Whoever has it in a list of whom to wake is about to be done with it. */
static void
la_waiter_await_wakers(la_hold *waiter)
{
    /* Acquire: pairs with the release of la_wakes_make. */
    while (atomic_load_explicit(&waiter->waking, memory_order_acquire)) {
        (void)la_park(&waiter->thread->parker, LA_NEVER);
    }
}

/* In the queue, as long as it takes, or for one look. */
static la_status
la_acquire_queued(la_hold *hold, bool may_wait, int64_t deadline,
                  const la_wait_hooks *hooks, la_deadlock *deadlock)
{
    la_thread *self = hold->thread;
    la_status status;

    /* Relaxed: only this thread writes it. */
    hold->outer = atomic_load_explicit(&self->waiting, memory_order_relaxed);
    la_waiter_set_aside(hold->outer, true);
    /* Release, twice: a fork that finds the thread queued finds its note, and one that
       finds the note gone finds the hold remembered, or the queue without it. */
    atomic_store_explicit(&self->waiting, hold, memory_order_release);
    status = may_wait ? la_waiter_wait(hold, deadline, hooks, deadlock)
                      : la_waiter_try_in_graph(hold);
    la_waiter_await_wakers(hold);
    atomic_store_explicit(&self->waiting, hold->outer, memory_order_release);
    la_waiter_set_aside(hold->outer, false);
    la_await_aside(self, false);
    return status;
}

/* Without waiting, but for those who do not wait either. */
static la_status
la_acquire_now(la_hold *hold, bool nested, const la_wait_hooks *hooks)
{
    la_obstacle obstacle = la_waiter_try(hold, false);

    if (obstacle == LA_HELD_IN_TRYING) {
        obstacle = la_waiter_outlast(hold, hooks);
    }
    if (obstacle == LA_OLDER_WAITER && nested) {
        if (la_acquire_queued(hold, false, LA_NOW, hooks, NULL) == LA_OK) {
            return LA_OK;
        }
        obstacle = la_waiter_try(hold, false);      /* it may heed fewer now */
        if (obstacle == LA_HELD_IN_TRYING) {
            obstacle = la_waiter_outlast(hold, hooks);
        }
    }
    return obstacle == LA_NOTHING ? LA_OK
        : obstacle == LA_LEFT_HALF_WRITTEN ? LA_POISONED : LA_TIMEOUT;
}

/* A newcomer heeds everybody. */
static void
la_waiter_begin(la_lock *lock, la_hold *hold, la_thread *self)
{
    hold->lock = lock;      /* before it is remembered anywhere: see fork.c */
    hold->thread = self;
    hold->notify = lock->shared == NULL ? NULL : la_shared_notify;
    hold->wanted_by = la_thread_owner(self);
    hold->heeds = UINT64_MAX;
    hold->queued = false;
    atomic_store_explicit(&hold->granted, false, memory_order_relaxed);
}

/* Is a single hold in the way? Whoever finds others queued queues, too. */
static bool
la_acquire_may_spin(const la_lock *lock)
{
    /* Relaxed: to claim it decides. */
    uintptr_t state = atomic_load_explicit(&lock->state, memory_order_relaxed);
    return state != LA_LISTED && state != LA_SHARED;
}

/*
 * Looks again for a moment before it queues: most holds are shorter than a sleep, and
 * as long as nobody queues, all others take the lock in one step.
 */
static bool
la_acquire_spinning(la_hold *hold, int spins, int64_t deadline)
{
    la_lock *lock = hold->lock;

    for (; spins > 0 && la_now() < deadline && la_acquire_may_spin(lock); spins--) {
        if ((atomic_load_explicit(&lock->state, memory_order_relaxed) & LA_INLINE) == 0
                && la_lock_claim(lock, hold, hold->thread)) {
            return true;
        }
        la_yield();
    }
    return false;
}

/* Before it queues. */
static bool
la_acquire_at_last(la_hold *hold, bool nested, int64_t deadline, const la_wait_hooks *hooks)
{
    la_obstacle obstacle = la_waiter_try(hold, false);

    if (obstacle != LA_HELD_BY_OTHERS || nested) {
        return obstacle == LA_NOTHING;
    }
    if (!la_acquire_may_spin(hold->lock)) {
        return false;
    }
    /* Away already: who is in the way may be stopping all threads that are not. */
    if (hooks->before_wait != NULL) {
        hooks->before_wait(hooks->context);
    }
    bool taken = la_acquire_spinning(hold, hooks->spins, deadline);
    if (hooks->after_wait != NULL) {
        hooks->after_wait(hooks->context);
    }
    return taken;
}

/*
 * A thread that waits with a deadline that has passed does not queue. One that
 * holds something tries first, so that the graph is for those who must wait; so does
 * who spins.
 */
static la_status
la_acquire_contended(la_lock *lock, la_hold *hold, la_thread *self, int64_t deadline,
                     const la_wait_hooks *hooks, la_deadlock *deadlock)
{
    static const la_wait_hooks none = {0};
    bool may_wait = deadline == LA_NEVER
                    || (deadline != LA_NOW && deadline > la_now());
    bool nested = la_thread_holds_any(self);

    hooks = hooks != NULL ? hooks : &none;
    la_waiter_begin(lock, hold, self);
    if (!may_wait) {
        /* A task does not overtake for its thread's sake, which goes on with other tasks. */
        nested = la_owner_subject(hold->wanted_by) == 0 ? nested
            : la_owner_holds_any(hold->wanted_by);
        return la_acquire_now(hold, nested, hooks);
    }
    if ((nested || hooks->spins > 0)
            && la_acquire_at_last(hold, nested, deadline, hooks)) {
        return LA_OK;
    }
    return la_acquire_queued(hold, true, deadline, hooks, deadlock);
}

/* Of a lock between processes: that step which needs no others, or a slot and all the rest. */
static la_status
la_acquire_shared(la_lock *lock, la_hold *hold, la_thread *self, int64_t deadline,
                  const la_wait_hooks *hooks, la_deadlock *deadlock)
{
    if (la_shared_is_closed(lock)) {
        return LA_CLOSED;
    }
    if (la_shared_claim(lock, hold, self)) {
        return LA_OK;
    }
    hold->lock = lock;
    if (!la_shared_begin(hold, la_thread_owner(self), self)) {
        return LA_FULL;
    }
    la_status status = la_acquire_contended(lock, hold, self, deadline, hooks, deadlock);
    if (status != LA_OK) {
        la_shared_end(hold);
    }
    return status;
}

LA_COLD la_status
la_acquire_slow(la_lock *lock, la_hold *hold, la_thread *self,
                int64_t deadline, const la_wait_hooks *hooks,
                la_deadlock *deadlock)
{
    return LA_LIKELY(lock->shared == NULL)
        ? la_acquire_contended(lock, hold, self, deadline, hooks, deadlock)
        : la_acquire_shared(lock, hold, self, deadline, hooks, deadlock);
}

static void
la_release_or_give_back(la_hold *hold, la_thread *self, bool is_change)
{
    la_lock *lock = hold->lock;
    la_owner *owner = la_hold_owner(hold);
    la_wakes wakes = {0};

    if (!LA_LIKELY(lock->shared == NULL)
            && (owner == NULL || la_shared_unclaim(hold, self))) {
        return;                 /* of nobody: a fork has lost it */
    }
    if (la_lock_enter_or_drop(hold, self)) {
        la_owner_forget(owner, hold);
        return;
    }
    la_holds_unlink_locked(lock, hold);
    la_queue_serve_locked(hold, &wakes);
    if (is_change) {
        la_changes_tell_locked(hold, &wakes);
    }
    la_owner_forget(owner, hold);
    la_lock_leave(lock, self, &wakes);
    if (!LA_LIKELY(lock->shared == NULL)) {
        la_shared_end(hold);
    }
}

LA_COLD void
la_release_slow(la_hold *hold, la_thread *self)
{
    la_release_or_give_back(hold, self, true);
}

LA_COLD void
la_give_back_slow(la_hold *hold, la_thread *self)
{
    la_release_or_give_back(hold, self, false);
}

LA_COLD bool
la_try_in_turn_slow(la_lock *lock, la_hold *hold, la_thread *self)
{
    bool held;

    if (lock->shared != NULL) {
        if (la_shared_is_closed(lock)) {
            return false;
        }
        if (la_shared_claim(lock, hold, self)) {
            return true;
        }
        hold->lock = lock;
        if (!la_shared_begin(hold, la_thread_owner(self), self)) {
            return false;
        }
    }
    la_waiter_begin(lock, hold, self);
    held = la_waiter_try(hold, false) == LA_NOTHING;
    if (!held && lock->shared != NULL) {
        la_shared_end(hold);
    }
    return held;
}
