/*
 * The slow paths: acquiring what is not free, and releasing where others are
 * interested. The one loop that all waiting goes through is here.
 *
 * Lock order: the graph's mutex, then the lock's. Neither is held across a
 * sleep or a callback.
 */
#include "lock/cycles.h"
#include "lock/monitor.h"

/* Not a result of la_acquire: the thread is queued. */
#define LA_WAITING ((la_status)(LA_INTERRUPTED + 1))

/* Under the mutex: takes the hold for the thread itself. */
static void
la_waiter_take_locked(la_waiter *waiter)
{
    la_thread_remember(waiter->thread, waiter->hold);
    la_holds_link_locked(waiter->lock, waiter->hold, waiter->thread);
}

/* Takes the hold if it can; else joins the queue if it may. */
static la_status
la_waiter_try(la_waiter *waiter, bool may_join)
{
    la_wakes wakes = {0};
    la_status status = LA_TIMEOUT;

    la_lock_enter(waiter->lock, waiter->thread);
    if (la_may_run_locked(waiter)) {
        la_waiter_take_locked(waiter);
        status = LA_OK;
    }
    else if (may_join) {
        if (waiter->since == 0) {       /* else it comes back, to its place */
            waiter->since = la_now();
        }
        la_queue_insert_locked(waiter);
        status = LA_WAITING;
    }
    la_lock_leave(waiter->lock, waiter->thread, &wakes, status == LA_WAITING);
    return status;
}

/* Tries once more, else joins the queue; a nested waiter joins the graph. */
static la_status
la_waiter_join(la_waiter *waiter, la_deadlock *deadlock)
{
    if (!waiter->nested) {
        return la_waiter_try(waiter, true);
    }
    la_graph_lock();
    la_status status = la_waiter_try(waiter, true);
    if (status == LA_WAITING && la_graph_add_locked(waiter, deadlock)) {
        status = LA_DEADLOCK;
    }
    la_graph_unlock();
    return status;
}

/* The lock was handed over: the hold is in the lock's list already. */
static void
la_waiter_accept(la_waiter *waiter)
{
    la_thread *self = waiter->thread;

    la_thread_remember(self, waiter->hold);
    /* Release: a fork that finds it cleared finds the hold remembered. */
    atomic_store_explicit(&self->inside, NULL, memory_order_release);
}

/*
 * Leaves the queue, unless the lock was handed over before; LA_OK then. Who
 * was behind this waiter may now be able to run.
 */
static la_status
la_waiter_leave_locked(la_waiter *waiter, la_status status, la_wakes *wakes)
{
    if (!waiter->queued) {
        la_waiter_accept(waiter);
        return LA_OK;
    }
    la_queue_remove_locked(waiter);
    la_queue_serve_locked(waiter->lock, wakes);
    return status;
}

/* What to do after a wake-up: LA_WAITING to sleep on. */
static la_status
la_waiter_woken_locked(la_waiter *waiter, la_wake_reason reason,
                     bool interruptible, la_wakes *wakes)
{
    if (!waiter->queued) {
        return la_waiter_leave_locked(waiter, LA_OK, wakes);
    }
    if (waiter->signalled) {
        if (la_may_run_locked(waiter)) {
            la_queue_remove_locked(waiter);
            la_waiter_take_locked(waiter);
            return LA_OK;
        }
        /* Somebody was faster. Others may have stepped back for this one. */
        waiter->signalled = false;
        la_queue_serve_locked(waiter->lock, wakes);
    }
    if (reason == LA_LATE) {
        return la_waiter_leave_locked(waiter, LA_TIMEOUT, wakes);
    }
    if (reason == LA_CUT && interruptible) {
        return la_waiter_leave_locked(waiter, LA_INTERRUPTED, wakes);
    }
    return LA_WAITING;
}

/* Sleeps until there is a result; the waiter is not queued any more then. */
static la_status
la_waiter_sleep(la_waiter *waiter, int64_t deadline, bool interruptible)
{
    la_lock *lock = waiter->lock;
    la_thread *self = waiter->thread;
    la_status status = LA_WAITING;

    while (status == LA_WAITING) {
        la_wake_reason reason = la_park(&self->parker, deadline);
        la_wakes wakes = {0};

        /* Acquire: pairs with the release in la_waiter_grant_locked, and so
           sees all that was written under the lock. */
        if (atomic_load_explicit(&waiter->granted, memory_order_acquire)) {
            la_waiter_accept(waiter);
            return LA_OK;
        }
        la_lock_enter(lock, self);
        status = la_waiter_woken_locked(waiter, reason, interruptible, &wakes);
        la_lock_leave(lock, self, &wakes, status == LA_WAITING);
    }
    return status;
}

/* A refused waiter leaves the queue it had joined. */
static la_status
la_waiter_refuse(la_waiter *waiter)
{
    la_wakes wakes = {0};

    la_lock_enter(waiter->lock, waiter->thread);
    la_status status = la_waiter_leave_locked(waiter, LA_DEADLOCK, &wakes);
    la_lock_leave(waiter->lock, waiter->thread, &wakes, false);
    return status;
}

static void
la_hook_call(void (*hook)(void *), const la_wait_hooks *hooks)
{
    if (hook != NULL) {
        hook(hooks->context);
    }
}

/* One stay in the queue, from joining to leaving it. */
static la_status
la_waiter_wait(la_waiter *waiter, int64_t deadline, const la_wait_hooks *hooks,
               la_deadlock *deadlock)
{
    la_status status = la_waiter_join(waiter, deadlock);

    if (status == LA_DEADLOCK) {
        status = la_waiter_refuse(waiter);
    }
    else if (status == LA_WAITING) {
        la_hook_call(hooks->before_wait, hooks);
        status = la_waiter_sleep(waiter, deadline,
                                 hooks->check_interrupt != NULL);
        if (waiter->nested) {
            la_graph_remove(waiter->thread);
        }
        la_hook_call(hooks->after_wait, hooks);
    }
    return status;
}

/*
 * A thread that waits with a deadline that has passed does not queue. One that
 * holds something tries first, so that the graph is for those who must wait.
 */
LA_COLD la_status
la_acquire_slow(la_lock *lock, la_hold *hold, la_thread *self,
                int64_t deadline, const la_wait_hooks *hooks,
                la_deadlock *deadlock)
{
    static const la_wait_hooks none = {0};
    bool may_wait = deadline == LA_NEVER
                    || (deadline != LA_NOW && deadline > la_now());
    la_status status = LA_TIMEOUT;
    la_waiter waiter = {
        .lock = lock,
        .hold = hold,
        .thread = self,
        .nested = la_thread_holds_any(self),
    };

    atomic_init(&waiter.granted, false);
    hold->lock = lock;      /* before it is remembered anywhere: see fork.c */
    if (waiter.nested || !may_wait) {
        status = la_waiter_try(&waiter, false);
    }
    if (status == LA_OK || !may_wait) {
        return status;
    }
    hooks = hooks != NULL ? hooks : &none;
    do {
        /* Anew each time: what a signal made Python do may have changed it. */
        waiter.nested = la_thread_holds_any(self);
        status = la_waiter_wait(&waiter, deadline, hooks, deadlock);
    } while (status == LA_INTERRUPTED
             && hooks->check_interrupt(hooks->context) == 0);
    return status;
}

LA_COLD void
la_release_slow(la_hold *hold, la_thread *self)
{
    la_lock *lock = hold->lock;
    la_wakes wakes = {0};

    la_lock_enter(lock, self);
    la_holds_unlink_locked(lock, hold);
    la_queue_serve_locked(lock, &wakes);
    la_thread_forget(self, hold);
    la_lock_leave(lock, self, &wakes, false);
}

LA_COLD void
la_thread_forget_slow(la_thread *self, la_hold *hold)
{
    /* Relaxed: only this thread writes its list. */
    la_hold *newer = atomic_load_explicit(&self->holds, memory_order_relaxed);

    while (newer->next_held != hold) {
        newer = newer->next_held;
    }
    newer->next_held = hold->next_held;
}

/* As one that holds nothing: the queue is in its way. */
LA_COLD bool
la_try_in_turn_slow(la_lock *lock, la_hold *hold, la_thread *self)
{
    la_waiter waiter = {.lock = lock, .hold = hold, .thread = self, .nested = false};

    atomic_init(&waiter.granted, false);
    hold->lock = lock;
    return la_waiter_try(&waiter, false) == LA_OK;
}
