/*
 * The registry of threads, and what happens when a thread ends.
 *
 * Lock order: the registry's mutex is a leaf.
 */
#include "lock/thread.h"

#include <stdlib.h>

#include "lock/regionlock.h"

LA_THREAD_LOCAL la_thread *la_thread_current = NULL;

static la_mutex la_registry_mutex;
static la_thread *la_registry;          /* every record; only ever grows */

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

/* A record that nobody uses, or a new one. */
static la_thread *
la_registry_take_locked(void)
{
    la_thread *thread = la_registry;

    while (thread != NULL && thread->used) {
        thread = thread->next;
    }
    if (thread == NULL) {
        thread = calloc(1, sizeof(*thread));
        if (thread != NULL) {
            atomic_init(&thread->holds, NULL);
            atomic_init(&thread->inside, NULL);
            la_parker_init(&thread->parker);
            thread->next = la_registry;
            la_registry = thread;
        }
    }
    return thread;
}

LA_COLD la_thread *
la_thread_begin_slow(void)
{
    la_mutex_lock(&la_registry_mutex);
    la_thread *self = la_registry_take_locked();
    if (self != NULL && la_thread_watch_locked(self)) {
        self->used = true;
        la_thread_current = self;
    }
    else {
        self = NULL;
    }
    la_mutex_unlock(&la_registry_mutex);
    return self;
}

static void
la_thread_end(la_thread *self)
{
    la_hold *hold;

    /* Under the mutex: see la_thread_await_ends. */
    la_mutex_lock(&la_registry_mutex);
    /* Relaxed: this is still the thread itself. */
    while ((hold = atomic_load_explicit(&self->holds, memory_order_relaxed))
           != NULL) {
        la_release(hold, self);
    }
    la_thread_current = NULL;
    self->used = false;
    la_mutex_unlock(&la_registry_mutex);
}

void
la_thread_await_ends(void)
{
    la_mutex_lock(&la_registry_mutex);
    la_mutex_unlock(&la_registry_mutex);
}

la_thread *
la_thread_first(void)
{
    return la_registry;
}

void
la_thread_fork_prepare(void)
{
    la_mutex_lock(&la_registry_mutex);
}

void
la_thread_fork_parent(void)
{
    la_mutex_unlock(&la_registry_mutex);
}

void
la_thread_fork_child(void)
{
    la_mutex_init(&la_registry_mutex);
    for (la_thread *thread = la_registry; thread != NULL; thread = thread->next) {
        if (thread != la_thread_current) {
            /* Relaxed: there is only one thread. */
            atomic_store_explicit(&thread->holds, NULL, memory_order_relaxed);
            atomic_store_explicit(&thread->inside, NULL, memory_order_relaxed);
            la_parker_init(&thread->parker);
            thread->waits = NULL;
            thread->used = false;
        }
    }
}
