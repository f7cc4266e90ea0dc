/*
 * The list of all records of threads.
 */
#include "lock/thread.h"

#include <stdlib.h>

static _Atomic(la_thread *) la_threads;     /* only ever grows */

/*
 * Sequentially consistent, here and below, as the slots are (bias.c): a thread comes
 * into the list before it puts anything into a slot. So whoever has to see the slot
 * also sees the thread.
 */
la_thread *
la_thread_first(void)
{
    return atomic_load(&la_threads);
}

la_thread *
la_thread_new_locked(void)
{
    /* Records are never freed, so nobody asks for the beginning of the block. */
    char *block = calloc(1, sizeof(la_thread) + LA_CACHE_LINE);

    if (block == NULL) {
        return NULL;
    }
    la_thread *thread = (la_thread *)(block + LA_CACHE_LINE - (uintptr_t)block % LA_CACHE_LINE);
    la_parker_init(&thread->parker);
    atomic_init(&thread->owner, &thread->own);
    thread->next = la_thread_first();
    atomic_store(&la_threads, thread);
    return thread;
}
