/*
 * Waits that no thread sleeps in.
 *
 * The waits of each thread are in a list (thread.awaiting, by home_next and home_previous), from
 * before they are queued until they are accepted or have left, so that a fork finds them at every
 * instant; hold.home is the thread. One that is in no list is lost.
 */
#include "lock/awaiting.h"

static la_mutex la_await_mutex;

/* -- the waits of a thread ---------------------------------------------------------- */

static void
la_await_list(la_hold *hold, la_thread *home)
{
    la_mutex_lock(&la_await_mutex);
    la_hold *first = atomic_load_explicit(&home->awaiting, memory_order_relaxed);
    hold->home = home;
    hold->home_previous = NULL;
    hold->home_next = first;
    if (first != NULL) {
        first->home_previous = hold;
    }
    atomic_store_explicit(&home->awaiting, hold, memory_order_relaxed);
    /* Relaxed, as wherever it is changed: under this mutex. */
    atomic_fetch_add_explicit(&hold->wanted_by->awaits, 1, memory_order_relaxed);
    la_mutex_unlock(&la_await_mutex);
}

static void
la_await_unlist_locked(la_hold *hold)
{
    la_thread *home = hold->home;

    if (home == NULL) {
        return;
    }
    if (hold->home_next != NULL) {
        hold->home_next->home_previous = hold->home_previous;
    }
    if (hold->home_previous != NULL) {
        hold->home_previous->home_next = hold->home_next;
    }
    else {
        atomic_store_explicit(&home->awaiting, hold->home_next, memory_order_relaxed);
    }
    hold->home = NULL;
    atomic_fetch_sub_explicit(&hold->wanted_by->awaits, 1, memory_order_relaxed);
}

/* Is it in a list, and so not lost? */
static bool
la_await_unlist(la_hold *hold)
{
    la_mutex_lock(&la_await_mutex);
    bool listed = hold->home != NULL;
    la_await_unlist_locked(hold);
    la_mutex_unlock(&la_await_mutex);
    return listed;
}

LA_COLD void
la_await_aside_slow(la_thread *self, bool aside)
{
    la_mutex_lock(&la_await_mutex);
    for (la_hold *hold = atomic_load_explicit(&self->awaiting, memory_order_relaxed);
            hold != NULL; hold = hold->home_next) {
        la_wakes wakes = {0};
        la_lock_enter(hold->lock, self);
        if (hold->queued && hold->aside != aside) {
            hold->aside = aside;
            if (aside) {
                la_queue_serve_locked(hold, &wakes);
            }
            else {
                la_queue_offer_locked(hold, &wakes);
            }
        }
        la_lock_leave(hold->lock, self, &wakes);
    }
    la_mutex_unlock(&la_await_mutex);
}

/* -- one wait ----------------------------------------------------------------------- */

/* Takes the hold, or joins the queue: true if it is held. */
static bool
la_await_join(la_hold *hold, la_thread *self)
{
    la_wakes wakes = {0};
    la_owner *owner = hold->wanted_by;

    if (la_lock_enter_or_add(hold, owner, self)) {
        return true;
    }
    bool held = la_obstacle_locked(hold) == LA_NOTHING;
    if (held) {
        la_owner_remember(owner, hold);
        la_holds_link_locked(hold->lock, hold, owner);
    }
    else {
        la_queue_append_locked(hold);
        hold->away = true;
    }
    la_lock_leave(hold->lock, self, &wakes);
    return held;
}

/*
 * Out of the queue: LA_AWAIT_LEFT. Or it was granted: then it is given back if it is
 * not to be `kept`; else it is linked still, and its owner has yet to remember it.
 */
static la_await_status
la_await_unqueue(la_hold *hold, la_thread *self, bool kept)
{
    la_wakes wakes = {0};
    la_await_status status = LA_AWAIT_LEFT;

    la_lock_enter(hold->lock, self);
    if (hold->queued) {
        la_queue_remove_locked(hold);
        la_queue_serve_locked(hold, &wakes);
    }
    else if (atomic_load_explicit(&hold->granted, memory_order_relaxed)) {
        atomic_store_explicit(&hold->granted, false, memory_order_relaxed);
        if (kept) {
            status = LA_AWAIT_HELD;
        }
        else {
            la_holds_unlink_locked(hold->lock, hold);
            atomic_store_explicit(&hold->owner, NULL, memory_order_relaxed);
            la_queue_serve_locked(hold, &wakes);
        }
    }
    la_lock_leave(hold->lock, self, &wakes);
    return status;
}

/* Whoever has it in a list of whom to wake is about to be done with it. */
static void
la_await_wakers(la_hold *hold, la_thread *self)
{
    /* Acquire: pairs with the release of la_wakes_make. */
    while (atomic_load_explicit(&hold->waking, memory_order_acquire)) {
        (void)la_park(&self->parker, la_now() + LA_MILLISECOND / 50);
    }
}

/* Its owner may not be in the graph when it goes on. */
static void
la_await_leave_graph(la_hold *hold)
{
    if (hold->nested) {
        la_graph_remove(hold);
    }
}

la_await_status
la_await(la_lock *lock, la_hold *hold, la_thread *self, la_notice *notice, la_deadlock *deadlock)
{
    la_owner *owner = la_thread_owner(self);
    la_await_status status;

    LA_ASSERT(lock->shared == NULL);    /* whose waiters sleep, or look */
    if (la_lock_claim(lock, hold, self)) {
        return LA_AWAIT_HELD;
    }
    (void)la_thread_holds_any(self);    /* sees to what was abandoned */
    hold->lock = lock;
    hold->thread = NULL;
    hold->wanted_by = owner;
    hold->heeds = UINT64_MAX;
    hold->queued = hold->told = false;
    /* Others wait for its owner only if that holds something, as it keeps no thread. */
    hold->nested = la_owner_holds_any(owner);
    hold->notice = notice;
    hold->notify = NULL;
    atomic_store_explicit(&hold->granted, false, memory_order_relaxed);
    la_await_list(hold, self);
    if (hold->nested) {
        la_graph_lock();
    }
    status = la_await_join(hold, self) ? LA_AWAIT_HELD : LA_AWAIT_QUEUED;
    if (hold->nested) {
        if (status == LA_AWAIT_QUEUED && la_graph_add_locked(hold, deadlock)) {
            status = LA_AWAIT_DEADLOCK;
        }
        la_graph_unlock();
    }
    if (status == LA_AWAIT_HELD) {
        (void)la_await_unlist(hold);
        return status;
    }
    if (status == LA_AWAIT_DEADLOCK) {
        hold->nested = false;
        (void)la_await_unlist(hold);
        (void)la_await_unqueue(hold, self, false);
        la_await_wakers(hold, self);
    }
    return status;
}

la_await_status
la_await_accept(la_hold *hold, la_thread *self)
{
    /* Acquire: pairs with the release in la_waiter_grant_locked. */
    if (hold->home != NULL && !atomic_load_explicit(&hold->granted, memory_order_acquire)) {
        return LA_AWAIT_QUEUED;
    }
    la_await_leave_graph(hold);
    if (!la_await_unlist(hold)) {
        la_await_wakers(hold, self);    /* of one that was granted as its thread ended */
        return LA_AWAIT_LEFT;
    }
    la_await_status status = la_await_unqueue(hold, self, true);
    la_await_wakers(hold, self);
    if (status == LA_AWAIT_HELD) {
        la_owner_remember(hold->wanted_by, hold);
    }
    return status;
}

bool
la_await_leave(la_hold *hold, la_thread *self)
{
    la_await_leave_graph(hold);
    if (la_await_unlist(hold)) {
        (void)la_await_unqueue(hold, self, false);
    }
    la_await_wakers(hold, self);
    return hold->told;
}

/* -- the end of a thread, and forks --------------------------------------------------- */

void
la_await_end(la_thread *self)
{
    la_hold *hold;

    if (atomic_load_explicit(&self->awaiting, memory_order_relaxed) == NULL) {
        return;
    }
    la_graph_lock();
    la_mutex_lock(&la_await_mutex);
    while ((hold = atomic_load_explicit(&self->awaiting, memory_order_relaxed)) != NULL) {
        la_await_unlist_locked(hold);
        if (hold->nested) {
            la_owner_stop_waiting(hold->wanted_by, hold);
            hold->nested = false;   /* its owner may wait for something else by then */
        }
        (void)la_await_unqueue(hold, self, false);
        if (!hold->told) {
            hold->told = true;
            hold->notice->tell(hold->notice);
        }
    }
    la_mutex_unlock(&la_await_mutex);
    la_graph_unlock();
}

void
la_await_fork_prepare(void)
{
    la_mutex_lock(&la_await_mutex);
}

void
la_await_fork_parent(void)
{
    la_mutex_unlock(&la_await_mutex);
}

/* Relaxed: there is only one thread. */
void
la_await_fork_child(void (*empty)(la_lock *lock))
{
    la_mutex_init(&la_await_mutex);
    for (la_thread *thread = la_thread_first(); thread != NULL; thread = thread->next) {
        la_hold *hold;
        while ((hold = atomic_load_explicit(&thread->awaiting, memory_order_relaxed)) != NULL) {
            empty(hold->lock);
            la_await_unlist_locked(hold);
            la_owner_wait(hold->wanted_by, NULL);
            hold->queued = hold->nested = false;
            atomic_store_explicit(&hold->granted, false, memory_order_relaxed);
            atomic_store_explicit(&hold->waking, false, memory_order_relaxed);
        }
    }
}
