/*
 * The pools of holds: one for each thread, and behind them one for all.
 *
 * Lock order: the mutex is a leaf.
 */
#include "lock/hold.h"

#include <stdlib.h>

#define LA_BLOCK 32             /* records that are allocated together */

static la_mutex la_pool_mutex;
static la_hold *la_pool;        /* under the mutex; by la_hold.pooled */

/* A record that some thread left, or NULL. */
static la_hold *
la_pool_take(void)
{
    la_mutex_lock(&la_pool_mutex);
    la_hold *hold = la_pool;
    if (hold != NULL) {
        la_pool = hold->pooled;
    }
    la_mutex_unlock(&la_pool_mutex);
    return hold;
}

LA_COLD la_hold *
la_hold_new_slow(la_thread *self)
{
    la_owner *owner = la_thread_owner(self);

    if (atomic_load_explicit(&owner->abandoned, memory_order_relaxed) != NULL) {
        la_owner_reap_slow(owner, self);
    }
    la_hold *hold = self->pool;
    if (hold != NULL) {
        self->pool = hold->pooled;
        return hold;
    }
    hold = la_pool_take();
    if (hold != NULL) {
        return hold;
    }
    /* Records are never freed, and so may lie in one block. */
    char *memory = calloc(1, LA_BLOCK * sizeof(la_hold) + LA_CACHE_LINE);
    if (memory == NULL) {
        return NULL;
    }
    la_hold *block = (la_hold *)(memory + LA_CACHE_LINE - (uintptr_t)memory % LA_CACHE_LINE);
    for (int i = LA_BLOCK - 1; i > 0; i--) {
        la_hold_free(&block[i], self);
    }
    return &block[0];
}

/* What others have given back is no more than a record in the owner's list. */
LA_COLD void
la_owner_reap_slow(la_owner *owner, la_thread *self)
{
    /* Acquire: pairs with the release of who abandoned. */
    la_hold *hold = atomic_exchange_explicit(&owner->abandoned, NULL, memory_order_acquire);

    while (hold != NULL) {
        la_hold *next = hold->next;
        la_owner_forget(owner, hold);
        la_hold_free(hold, self);
        hold = next;
    }
}

LA_COLD void
la_hold_free_chain_slow(la_hold *hold, la_thread *self)
{
    while (hold != NULL) {
        la_hold *also = hold->also;
        hold->also = NULL;
        la_hold_free(hold, self);
        hold = also;
    }
}

void
la_pool_give(la_thread *thread)
{
    la_hold *first = thread->pool, *last = first;

    if (first == NULL) {
        return;
    }
    while (last->pooled != NULL) {
        last = last->pooled;
    }
    thread->pool = NULL;
    la_mutex_lock(&la_pool_mutex);
    last->pooled = la_pool;
    la_pool = first;
    la_mutex_unlock(&la_pool_mutex);
}

void
la_pool_fork_prepare(void)
{
    la_mutex_lock(&la_pool_mutex);
}

void
la_pool_fork_parent(void)
{
    la_mutex_unlock(&la_pool_mutex);
}

/* What gone threads had in theirs is lost: they may have been changing it. */
void
la_pool_fork_child(void)
{
    la_mutex_init(&la_pool_mutex);
}
