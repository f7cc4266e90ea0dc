/*
 * Waiting for a change: the records of who does, and their wait.
 */
#include "lock/change.h"

#include "lock/seats.h"
#include "lock/shared_sleep.h"

static la_mutex la_changes_mutex;
static la_hold *la_changes;         /* all watches there are, by outer and newer */

/* -- the list of all ------------------------------------------------------------- */

static void
la_changes_enter(la_hold *watch)
{
    la_mutex_lock(&la_changes_mutex);
    watch->newer = NULL;
    watch->outer = la_changes;
    if (la_changes != NULL) {
        la_changes->newer = watch;
    }
    la_changes = watch;
    la_mutex_unlock(&la_changes_mutex);
}

static void
la_changes_leave(la_hold *watch)
{
    la_mutex_lock(&la_changes_mutex);
    *(watch->newer != NULL ? &watch->newer->outer : &la_changes) = watch->outer;
    if (watch->outer != NULL) {
        watch->outer->newer = watch->newer;
    }
    la_mutex_unlock(&la_changes_mutex);
}

/* -- a watch --------------------------------------------------------------------- */

/* Where it is, or is to be: made before there was a watch. */
static la_hold_set *
la_watch_set(const la_hold *watch)
{
    return &la_lock_rare_of(watch->lock)->changes;
}

/* A record for each part of the hold, chained; NULL when out of memory. */
static la_hold *
la_watch_new(la_lock *lock, const la_hold *hold, la_thread *self)
{
    la_hold *watch = NULL;

    for (; hold != NULL; hold = hold->also) {
        la_hold *part = la_hold_new(self, LA_READ);
        if (part == NULL) {
            if (watch != NULL) {
                la_hold_free(watch, self);
            }
            return NULL;
        }
        la_region_copy(&part->region, &hold->region);
        part->lock = lock;
        part->also = watch;
        watch = part;
    }
    return watch;
}

static void
la_watch_link_locked(la_hold *watch)
{
    watch->since = la_now();
    watch->ticket = watch->lock->tickets++;
    watch->queued = true;
    la_hold_set_add(la_watch_set(watch), watch, watch->wanted_by);
    if (watch->shared_slot != 0) {
        la_shared_note(watch, LA_SLOT_WATCHING);
    }
}

la_hold *
la_change_watch(la_lock *lock, const la_hold *hold, la_thread *self, la_hold *others,
                void (*notify)(la_hold *watch), void *context, bool *full)
{
    la_wakes wakes = {0};
    la_hold *watch = la_lock_make_rare(lock) ? la_watch_new(lock, hold, self) : NULL;

    if (watch == NULL) {
        return NULL;
    }
    if (lock->shared != NULL && notify == NULL
            && !la_shared_begin(watch, la_thread_owner(self), self)) {
        la_hold_free(watch, self);
        if (full != NULL) {
            *full = true;
        }
        return NULL;
    }
    watch->thread = self;
    watch->wanted_by = la_thread_owner(self);
    watch->notify = notify != NULL || lock->shared == NULL ? notify : la_shared_notify;
    watch->subject = context;
    watch->shown = NULL;
    watch->older = others;
    watch->queued = false;
    atomic_store_explicit(&watch->granted, false, memory_order_relaxed);
    la_changes_enter(watch);
    la_lock_enter(lock, self);
    la_watch_link_locked(watch);
    la_lock_leave(lock, self, &wakes);
    return watch;
}

/*
 * Of several locks one may be between processes. Then its word is slept on; and where another one is
 * not, who tells of a change there does not know, so that is looked for.
 */
#define LA_MIXED_NS LA_MILLISECOND

static la_wake_reason
la_change_park(const la_hold *watch, la_thread *self, int64_t deadline)
{
    const la_hold *shared = watch;

    while (shared != NULL && shared->lock->shared == NULL) {
        shared = shared->older;
    }
    if (shared == NULL) {
        return la_park(&self->parker, deadline);
    }
    if (shared == watch && watch->older == NULL) {
        return la_shared_park((la_hold *)shared, self, deadline);
    }
    int64_t look = la_now() + LA_MIXED_NS;
    la_wake_reason reason =
        la_shared_park((la_hold *)shared, self, look < deadline ? look : deadline);
    return reason == LA_LATE && look < deadline ? LA_WOKEN : reason;
}

/* Sleeps until there is a change, the deadline has passed, or there is a signal to look for. */
static la_wake_reason
la_change_sleep(const la_hold *watch, la_thread *self, int64_t deadline, int64_t *slice)
{
    bool interruptible = *slice != LA_NEVER;
    int64_t look = interruptible ? la_now() + *slice : LA_NEVER;

    for (;;) {
        la_wake_reason reason = la_change_park(watch, self, look < deadline ? look : deadline);
        if (la_change_is_seen(watch)) {
            return LA_WOKEN;
        }
        if (reason == LA_LATE && look < deadline) {
            *slice = la_slice_after(*slice);
            return LA_CUT;
        }
        if (reason == LA_CUT && interruptible) {
            *slice = LA_FIRST_SLICE;    /* there may be more of them */
            return LA_CUT;
        }
        if (reason == LA_LATE) {
            return LA_LATE;
        }
    }
}

static void
la_change_hook(void (*hook)(void *), const la_wait_hooks *hooks)
{
    if (hook != NULL) {
        hook(hooks->context);
    }
}

la_status
la_change_wait(la_hold *watch, la_thread *self, int64_t deadline, const la_wait_hooks *hooks)
{
    static const la_wait_hooks none = {0};
    la_wake_reason reason = LA_WOKEN;

    hooks = hooks != NULL ? hooks : &none;
    int64_t slice = hooks->check_interrupt != NULL ? LA_FIRST_SLICE : LA_NEVER;
    while (!la_change_is_seen(watch)) {
        if (deadline == LA_NOW || reason == LA_LATE) {
            return LA_TIMEOUT;
        }
        la_change_hook(hooks->before_wait, hooks);
        reason = la_change_sleep(watch, self, deadline, &slice);
        la_change_hook(hooks->after_wait, hooks);
        if (reason == LA_CUT && hooks->check_interrupt != NULL
                && hooks->check_interrupt(hooks->context) != 0) {
            return LA_INTERRUPTED;
        }
    }
    return LA_OK;
}

/* Whoever is about to wake it, or to call notify, is soon done with it. */
#define LA_NOTIFYING_NS (50 * LA_MILLISECOND / 1000)

static void
la_watch_await_wakers(la_hold *watch, la_thread *self, const la_wait_hooks *hooks)
{
    /* Acquire: pairs with the release of la_wakes_make. */
    if (!atomic_load_explicit(&watch->waking, memory_order_acquire)) {
        return;
    }
    if (hooks != NULL) {
        la_change_hook(hooks->before_wait, hooks);
    }
    while (atomic_load_explicit(&watch->waking, memory_order_acquire)) {
        (void)la_park(&self->parker, la_now() + LA_NOTIFYING_NS);
    }
    if (hooks != NULL) {
        la_change_hook(hooks->after_wait, hooks);
    }
}

void
la_change_end(la_hold *watch, la_thread *self, const la_wait_hooks *hooks)
{
    while (watch != NULL) {
        la_hold *other = watch->older;
        la_lock *lock = watch->lock;
        la_wakes wakes = {0};

        if (watch->queued) {        /* else a fork has left it behind */
            la_lock_enter(lock, self);
            la_hold_set_remove(la_watch_set(watch), watch);
            watch->queued = false;
            if (watch->shared_slot != 0) {
                la_shared_note(watch, LA_SLOT_FREE);
                la_shared_end(watch);
            }
            la_lock_leave(lock, self, &wakes);
            la_watch_await_wakers(watch, self, hooks);
            la_changes_leave(watch);
        }
        la_hold_free(watch, self);
        watch = other;
    }
}

bool
la_lock_is_mine_beside(const la_lock *lock, const la_hold *hold, la_thread *self)
{
    const la_hold *held = atomic_load_explicit(&la_thread_owner(self)->holds,
                                               memory_order_relaxed);

    while (held != NULL && (held == hold || held->lock != lock)) {
        held = held->older;
    }
    return held != NULL;
}

void
la_changes_visit_locks(void (*visit)(la_lock *lock, void *context), void *context)
{
    la_mutex_lock(&la_changes_mutex);
    for (la_hold *watch = la_changes; watch != NULL; watch = watch->outer) {
        visit(watch->lock, context);
    }
    la_mutex_unlock(&la_changes_mutex);
}

/* -- forks ------------------------------------------------------------------------ */

void
la_changes_fork_prepare(void)
{
    la_mutex_lock(&la_changes_mutex);
}

void
la_changes_fork_parent(void)
{
    la_mutex_unlock(&la_changes_mutex);
}

/* It stands in the table as another process's; where there is no room, its thread is to look. */
static void
la_watch_link_shared_again(la_hold *watch, la_thread *self)
{
    bool has_slot = watch->shared_slot != 0;
    la_wakes wakes = {0};

    la_shared_end(watch);
    if (has_slot && !la_shared_begin(watch, watch->wanted_by, self)) {
        atomic_store_explicit(&watch->granted, true, memory_order_relaxed);
    }
    la_lock_enter(watch->lock, self);
    la_watch_link_locked(watch);
    la_lock_leave(watch->lock, self, &wakes);
    la_changes_enter(watch);
}

/* The locks are in order already, but for their sets of watches. */
void
la_changes_fork_child(la_thread *self)
{
    la_hold *all = la_changes, *next;

    la_mutex_init(&la_changes_mutex);
    la_changes = NULL;
    for (la_hold *watch = all; watch != NULL; watch = watch->outer) {
        if (watch->lock->shared == NULL) {
            la_hold_set_init(la_watch_set(watch), la_watch_set(watch)->index);
        }
    }
    for (la_hold *watch = all; watch != NULL; watch = next) {
        la_lock *lock = watch->lock;
        next = watch->outer;
        atomic_store_explicit(&watch->waking, false, memory_order_relaxed);
        if (self != NULL && watch->thread == self && watch->queued && lock->shared != NULL) {
            la_watch_link_shared_again(watch, self);
            continue;
        }
        if (self != NULL && watch->thread == self && watch->queued) {
            la_watch_link_locked(watch);
            atomic_store_explicit(&lock->state, LA_LISTED, memory_order_relaxed);
            la_changes_enter(watch);
            continue;
        }
        watch->queued = false;
        la_shared_end(watch);
        if (la_watch_set(watch)->count == 0 && lock->holds.count == 0 && lock->waiters.count == 0
                && atomic_load_explicit(&lock->state, memory_order_relaxed) == LA_LISTED) {
            atomic_store_explicit(&lock->state, LA_FREE, memory_order_relaxed);
        }
    }
}
