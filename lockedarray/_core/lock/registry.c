/*
 * The registry: records of threads and owners, and their end.
 *
 * Lock order: the registry's mutex, then that of one lock, or that of the pool for
 * all threads.
 */
#include "lock/registry.h"

#include <stdlib.h>

#include "lock/awaiting.h"
#include "lock/entries.h"
#include "lock/gate.h"
#include "lock/seats.h"

LA_THREAD_LOCAL la_thread *la_thread_current = NULL;

static la_owner *la_owners_unused;      /* by la_owner.next */

void (*la_on_hold_end)(la_hold *hold);

static void la_thread_end(la_thread *self);

/* The system's thread ident, and its call when a thread ends. */
#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

static DWORD la_thread_key = FLS_OUT_OF_INDEXES;
static BOOLEAN (WINAPI *la_process_ends)(void);

/*
 * The system calls this, too, for the thread that ends the process, after it
 * has ended all others wherever they were. What those had locked stays locked,
 * and nobody is left who would miss what this one holds.
 */
static VOID WINAPI
la_thread_on_end(PVOID record)
{
    if (record != NULL && (la_process_ends == NULL || !la_process_ends())) {
        la_thread_end(record);
    }
}

static bool
la_thread_watch_locked(la_thread *self)
{
    if (la_thread_key == FLS_OUT_OF_INDEXES) {
        HMODULE system = GetModuleHandleW(L"ntdll.dll");
        if (system != NULL) {
            la_process_ends = (BOOLEAN (WINAPI *)(void))(void (*)(void))
                GetProcAddress(system, "RtlDllShutdownInProgress");
        }
        la_thread_key = FlsAlloc(la_thread_on_end);
    }
    self->ident = GetCurrentThreadId();
    return la_thread_key != FLS_OUT_OF_INDEXES
           && FlsSetValue(la_thread_key, self);
}

#else

#include <pthread.h>

static pthread_key_t la_thread_key;
static bool la_thread_has_key;

static void
la_thread_on_end(void *record)
{
    la_thread_end(record);
}

static bool
la_thread_watch_locked(la_thread *self)
{
    if (!la_thread_has_key) {
        la_thread_has_key = pthread_key_create(&la_thread_key,
                                               la_thread_on_end) == 0;
    }
    self->ident = (uint64_t)(uintptr_t)pthread_self();
    return la_thread_has_key && pthread_setspecific(la_thread_key, self) == 0;
}

#endif

static void
la_owner_bind(la_owner *owner, la_thread *thread)
{
    /* Relaxed: see la_graph_following, and under the mutex else. */
    atomic_store_explicit(&owner->thread, thread, memory_order_relaxed);
    if (thread != NULL) {
        atomic_store_explicit(&owner->ident, thread->ident, memory_order_relaxed);
    }
}

/* A record that nobody uses, or a new one. */
static la_thread *
la_registry_take_locked(void)
{
    la_thread *thread = la_thread_first();

    while (thread != NULL && thread->used) {
        thread = thread->next;
    }
    return thread != NULL ? thread : la_thread_new_locked();
}

LA_COLD la_thread *
la_thread_begin_slow(void)
{
    la_gate_lock(LA_GATE_REGISTRY);
    la_thread *self = la_registry_take_locked();
    if (self != NULL && la_thread_watch_locked(self)) {
        self->used = true;
        la_owner_bind(&self->own, self);
        la_thread_current = self;
    }
    else {
        self = NULL;
    }
    la_gate_unlock(LA_GATE_REGISTRY);
    return self;
}

/*
 * While the registry's mutex is held nobody is woken, since `notify` may do what it
 * likes (change.h).
 */
static void
la_registry_enter(la_thread *self, la_wakes *wakes)
{
    *wakes = (la_wakes){0};
    la_gate_lock(LA_GATE_REGISTRY);
    self->deferred = wakes;
}

static void
la_registry_leave(la_thread *self, la_wakes *wakes)
{
    self->deferred = NULL;
    la_gate_unlock(LA_GATE_REGISTRY);
    la_wakes_make(wakes);
}

/* -- what is kept ------------------------------------------------------------- */

static void
la_hold_end(la_hold *hold)
{
    if (la_on_hold_end != NULL) {
        la_on_hold_end(hold);
    }
    la_hold_unkeep(hold);
}

/* Its owner's thread may be using the owner's list: there it stays until that looks. */
static void
la_abandon_locked(la_hold *hold, la_thread *self, bool is_change)
{
    la_owner *owner = la_hold_owner(hold);
    la_lock *lock = hold->lock;
    la_wakes wakes = {0};

    if (!la_lock_enter_or_drop(hold, self)) {
        la_holds_unlink_locked(lock, hold);
        la_queue_serve_locked(hold, &wakes);
        if (is_change) {
            la_changes_tell_locked(hold, &wakes);
        }
        la_lock_leave(lock, self, &wakes);
    }
    la_shared_end(hold);
    atomic_store_explicit(&hold->owner, NULL, memory_order_relaxed);
    hold->lock = NULL;          /* for a fork: the lock may be gone from now on */
    hold->next = atomic_load_explicit(&owner->abandoned, memory_order_relaxed);
    /* Release: pairs with the acquire of la_owner_reap_slow. */
    while (!atomic_compare_exchange_weak_explicit(&owner->abandoned, &hold->next, hold,
                                                  memory_order_release,
                                                  memory_order_relaxed)) {
    }
}

static bool
la_abandon_kept(la_kept kept, la_thread *self, bool is_change)
{
    bool mine = la_kept_is_mine(kept, self), held;
    la_wakes wakes;

    /* Its own, too: others may visit it. */
    la_registry_enter(self, &wakes);
    held = la_kept_is_held(kept);
    if (held) {
        la_hold_end(kept.hold);
        /* One that is suspended has no owner, and is no more than a record. */
        if (!mine && la_hold_owner(kept.hold) != NULL) {
            la_abandon_locked(kept.hold, self, is_change);
        }
    }
    la_registry_leave(self, &wakes);
    if (held && mine) {
        if (is_change) {
            la_release(kept.hold, self);
        }
        else {
            la_give_back(kept.hold, self);
        }
        la_hold_free(kept.hold, self);
    }
    return held;
}

bool
la_abandon(la_kept kept, la_thread *self)
{
    return la_abandon_kept(kept, self, true);
}

bool
la_abandon_unwritten(la_kept kept, la_thread *self)
{
    return la_abandon_kept(kept, self, false);
}

void
la_lock_visit_mine(la_lock *lock, la_thread *self,
                   void (*visit)(la_hold *hold, void *context), void *context)
{
    la_wakes wakes = {0};

    la_gate_lock(LA_GATE_REGISTRY);
    la_lock_enter(lock, self);
    for (la_hold *hold = lock->holds.first; hold != NULL; hold = hold->next) {
        if (la_hold_is_of(hold, la_thread_owner(self))) {
            visit(hold, context);
        }
    }
    la_lock_leave(lock, self, &wakes);
    la_gate_unlock(LA_GATE_REGISTRY);
}

static void
la_owner_visit_locks(const la_owner *owner, void (*visit)(la_lock *lock, void *context),
                     void *context)
{
    /* Acquire: pairs with la_owner_remember of a waiter that is granted just now. */
    const la_hold *hold = atomic_load_explicit(&owner->holds, memory_order_acquire);

    for (; hold != NULL; hold = hold->older) {
        if (hold->lock != NULL) {
            visit(hold->lock, context);
        }
    }
}

void
la_registry_visit_locks(void (*visit)(la_lock *lock, void *context), void *context)
{
    la_gate_lock(LA_GATE_REGISTRY);
    for (la_thread *thread = la_thread_first(); thread != NULL; thread = thread->next) {
        if (!thread->used) {
            continue;
        }
        la_owner_visit_locks(la_thread_owner(thread), visit, context);
        const la_owner *owner = atomic_load_explicit(&thread->others, memory_order_relaxed);
        for (; owner != NULL; owner = owner->next) {
            la_owner_visit_locks(owner, visit, context);
        }
        /* Acquire: pairs with the release of la_acquire_queued. */
        const la_hold *waiter = atomic_load_explicit(&thread->waiting, memory_order_acquire);
        for (; waiter != NULL; waiter = waiter->outer) {
            visit(waiter->lock, context);
        }
    }
    la_gate_unlock(LA_GATE_REGISTRY);
}

/* -- what is suspended -------------------------------------------------------- */

void
la_registry_suspend(la_kept *kept, size_t count, la_thread *self)
{
    la_wakes wakes;

    la_registry_enter(self, &wakes);
    for (size_t i = 0; i < count; i++) {
        if (la_kept_is_held(kept[i])) {
            la_release(kept[i].hold, self);
        }
        else {
            kept[i].hold = NULL;
        }
    }
    la_registry_leave(self, &wakes);
}

bool
la_registry_make_room(const la_kept *kept, size_t count, la_lock *lock, la_thread *self)
{
    la_wakes wakes;
    bool room = true;

    if (LA_LIKELY(lock->shared == NULL)) {
        return true;
    }
    la_registry_enter(self, &wakes);
    for (size_t i = 0; i < count && room; i++) {
        if (kept[i].hold != NULL && la_kept_is_held(kept[i])) {
            room = la_shared_begin(kept[i].hold, la_thread_owner(self), self);
        }
    }
    la_registry_leave(self, &wakes);
    return room;
}

void
la_registry_resume(const la_kept *kept, size_t count, const la_hold *all, la_thread *self)
{
    la_wakes wakes;

    la_registry_enter(self, &wakes);
    for (size_t i = 0; i < count; i++) {
        la_hold *hold = kept[i].hold;
        bool held = la_kept_is_held(kept[i]);
        if (hold == NULL) {
            continue;
        }
        if (held && all != NULL) {
            la_lock *lock = all->lock;
            la_wakes none = {0};
            la_lock_enter(lock, self);
            la_owner_remember(la_thread_owner(self), hold);
            la_holds_link_locked(lock, hold, la_thread_owner(self));
            la_lock_leave(lock, self, &none);
            continue;
        }
        if (held) {
            la_hold_end(hold);
        }
        la_shared_end(hold);
        la_hold_free(hold, self);
    }
    la_registry_leave(self, &wakes);
}

/* -- the end of a thread ------------------------------------------------------ */

static void
la_owner_end_locked(la_owner *owner, la_thread *self)
{
    la_hold *hold;

    la_owner_reap_slow(owner, self);
    /* Relaxed: its list is nobody else's now. */
    while ((hold = atomic_load_explicit(&owner->holds, memory_order_relaxed)) != NULL) {
        if (la_hold_is_kept(hold)) {
            la_hold_end(hold);
        }
        la_release(hold, self);
        la_hold_free(hold, self);
    }
}

/* Out of the list of owners that its thread has beside the current one. */
static void
la_owner_unbind_locked(la_owner *owner)
{
    la_thread *thread = atomic_load_explicit(&owner->thread, memory_order_relaxed);

    if (owner->beside) {
        if (owner->next != NULL) {
            owner->next->previous = owner->previous;
        }
        if (owner->previous != NULL) {
            owner->previous->next = owner->next;
        }
        else {
            atomic_store_explicit(&thread->others, owner->next, memory_order_relaxed);
        }
        owner->beside = false;
    }
    la_owner_bind(owner, NULL);
}

static void
la_thread_end_holds_locked(la_thread *self)
{
    la_owner *owner;

    la_owner_end_locked(la_thread_owner(self), self);
    while ((owner = atomic_load_explicit(&self->others, memory_order_relaxed)) != NULL) {
        la_owner_end_locked(owner, self);
        la_owner_unbind_locked(owner);
    }
}

void
la_thread_end_holds(la_thread *self)
{
    la_wakes wakes;

    la_await_end(self);
    la_registry_enter(self, &wakes);
    la_thread_end_holds_locked(self);
    la_registry_leave(self, &wakes);
}

static void
la_thread_end(la_thread *self)
{
    la_wakes wakes;

    la_await_end(self);
    la_registry_enter(self, &wakes);
    la_thread_end_holds_locked(self);
    la_owner *owner = la_thread_owner(self);
    if (owner != &self->own) {
        la_owner_bind(owner, NULL);
        atomic_store_explicit(&self->owner, &self->own, memory_order_relaxed);
    }
    la_owner_bind(&self->own, NULL);
    la_pool_give(self);
    la_registry_leave(self, &wakes);
    la_entries_end(self);
    la_gate_lock(LA_GATE_REGISTRY);
    la_thread_current = NULL;
    self->used = false;
    la_gate_unlock(LA_GATE_REGISTRY);
}

/* -- owners ------------------------------------------------------------------- */

la_owner *
la_owner_new(void)
{
    la_gate_lock(LA_GATE_REGISTRY);
    la_owner *owner = la_owners_unused;
    if (owner != NULL) {
        la_owners_unused = owner->next;
    }
    la_gate_unlock(LA_GATE_REGISTRY);
    return owner != NULL ? owner : calloc(1, sizeof(la_owner));
}

/* Into that list. */
static void
la_owner_put_beside_locked(la_owner *owner, la_thread *thread)
{
    owner->previous = NULL;
    owner->next = atomic_load_explicit(&thread->others, memory_order_relaxed);
    if (owner->next != NULL) {
        owner->next->previous = owner;
    }
    atomic_store_explicit(&thread->others, owner, memory_order_relaxed);
    owner->beside = true;
}

void
la_owner_free(la_owner *owner, la_thread *self)
{
    la_wakes wakes;

    la_registry_enter(self, &wakes);
    la_owner_unbind_locked(owner);
    la_owner_end_locked(owner, self);
    atomic_store_explicit(&owner->subject, 0, memory_order_relaxed);
    owner->next = la_owners_unused;
    la_owners_unused = owner;
    la_registry_leave(self, &wakes);
}

/* Does the calling thread wait for it, and handles a signal at this moment? */
static bool
la_thread_waits_as(const la_thread *self, const la_owner *owner)
{
    /* Relaxed: only this thread writes it. */
    const la_hold *waiter = atomic_load_explicit(&self->waiting, memory_order_relaxed);

    while (waiter != NULL && waiter->wanted_by != owner) {
        waiter = waiter->outer;
    }
    return waiter != NULL;
}

la_owner *
la_owner_exchange(la_thread *self, la_owner *owner)
{
    la_owner *before = la_thread_owner(self);

    owner = owner == NULL ? &self->own : owner;
    if (owner == before) {
        return before == &self->own ? NULL : before;
    }
    la_gate_lock(LA_GATE_REGISTRY);
    la_thread *thread = atomic_load_explicit(&owner->thread, memory_order_relaxed);
    if (thread != NULL
            && (la_thread_owner(thread) == owner || (thread != self && owner->stays))) {
        la_gate_unlock(LA_GATE_REGISTRY);
        return owner;           /* current elsewhere, or to go on there */
    }
    if (thread != NULL && thread != self && !la_shared_move(owner, self)) {
        la_gate_unlock(LA_GATE_REGISTRY);
        return owner;
    }
    la_owner_unbind_locked(owner);
    la_owner_reap_slow(before, self);
    before->stays = la_thread_waits_as(self, before) || before->operations != 0;
    if (la_owner_holds_any(before) || before->stays
            || atomic_load_explicit(&before->awaits, memory_order_relaxed) != 0) {
        la_owner_put_beside_locked(before, self);
    }
    else if (before != &self->own) {
        la_owner_bind(before, NULL);
    }
    la_owner_bind(owner, self);
    atomic_store_explicit(&self->owner, owner, memory_order_relaxed);
    la_gate_unlock(LA_GATE_REGISTRY);
    return before == &self->own ? NULL : before;
}

/* -- forks -------------------------------------------------------------------- */

void
la_registry_fork_prepare(void)
{
    la_gate_fork_prepare(LA_GATE_REGISTRY);
    la_pool_fork_prepare();
}

void
la_registry_fork_parent(void)
{
    la_pool_fork_parent();
    la_gate_fork_parent(LA_GATE_REGISTRY);
}

/* Relaxed: there is only one thread. */
void
la_registry_fork_child(void)
{
    la_pool_fork_child();
    la_gate_fork_child(LA_GATE_REGISTRY);
    for (la_thread *thread = la_thread_first(); thread != NULL; thread = thread->next) {
        if (thread == la_thread_current) {
            continue;
        }
        la_owner *owner = la_thread_owner(thread);
        la_owner_wait(owner, NULL);
        la_owner_bind(owner, NULL);
        for (owner = thread->others; owner != NULL; owner = owner->next) {
            owner->beside = false;
            la_owner_bind(owner, NULL);
        }
        atomic_store_explicit(&thread->others, NULL, memory_order_relaxed);
        la_owner_bind(&thread->own, NULL);
        atomic_store_explicit(&thread->owner, &thread->own, memory_order_relaxed);
        atomic_store_explicit(&thread->inside, NULL, memory_order_relaxed);
        atomic_store_explicit(&thread->waiting, NULL, memory_order_relaxed);
        la_parker_init(&thread->parker);
        thread->pool = NULL;
        thread->used = false;
    }
}
