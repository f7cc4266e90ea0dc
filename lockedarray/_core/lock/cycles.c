/*
 * The wait-for graph: a breadth-first walk, without allocation, along links
 * in the threads' records. The argument that it refuses each wait that closes
 * a cycle, and no other, is in docs/design/region-lock.md.
 */
#include "lock/cycles.h"

static la_mutex la_graph_mutex;
static uint64_t la_graph_walks;     /* numbers the walks, under the mutex */

void
la_graph_lock(void)
{
    la_mutex_lock(&la_graph_mutex);
}

void
la_graph_unlock(void)
{
    la_mutex_unlock(&la_graph_mutex);
}

void
la_graph_fork_child(void)
{
    la_mutex_init(&la_graph_mutex);
}

/*
 * Appends to the walk the threads that are in `thread`'s way, wait themselves
 * and have not been met before. True when one of them is `origin`.
 */
static bool
la_graph_step(la_thread *thread, const la_thread *origin, la_thread **tail)
{
    const la_waiter *waiter = thread->waits;
    la_lock *lock = waiter->lock;
    bool found = false;

    la_mutex_lock(&lock->mutex);
    /* Not queued any more: it was handed the lock, or gives up. While it is
       queued, all holds are in the list. */
    for (la_hold *hold = waiter->queued ? lock->holds : NULL;
            hold != NULL && !found; hold = hold->next) {
        /* Relaxed: linked, so the owner changes under the mutex only. */
        la_thread *owner = atomic_load_explicit(&hold->owner,
                                                memory_order_relaxed);
        if (owner == thread || (owner->visited == la_graph_walks
                                && owner != origin)
                || !la_holds_conflict(hold, waiter->hold)) {
            continue;
        }
        found = owner == origin;
        if (!found && owner->waits != NULL) {
            owner->visited = la_graph_walks;
            owner->parent = thread;
            owner->next_visit = NULL;
            (*tail)->next_visit = owner;
            *tail = owner;
        }
    }
    la_mutex_unlock(&lock->mutex);
    return found;
}

static void
la_graph_describe(const la_thread *last, const la_thread *origin,
                  la_deadlock *deadlock)
{
    const la_lock *lock = origin->waits->lock;
    const la_thread *first = last;

    deadlock->last = last->ident;
    deadlock->length = 2;
    deadlock->of_one_lock = last->waits->lock == lock;
    while (first->parent != origin) {
        first = first->parent;
        deadlock->length++;
        deadlock->of_one_lock &= first->waits->lock == lock;
    }
    deadlock->blocker = first->ident;
    deadlock->waits_for = first->waits->lock->serial;
}

bool
la_graph_add_locked(la_waiter *waiter, la_deadlock *deadlock)
{
    la_thread *origin = waiter->thread;
    la_thread *tail = origin;
    la_thread *thread = origin;
    bool found = false;

    la_graph_walks++;
    origin->waits = waiter;
    origin->visited = la_graph_walks;
    origin->parent = NULL;
    origin->next_visit = NULL;
    while (thread != NULL && !found) {
        found = la_graph_step(thread, origin, &tail);
        if (found && deadlock != NULL) {
            la_graph_describe(thread, origin, deadlock);
        }
        thread = thread->next_visit;
    }
    if (found) {
        origin->waits = NULL;
    }
    return found;
}

void
la_graph_remove(la_thread *self)
{
    la_graph_lock();
    self->waits = NULL;
    la_graph_unlock();
}
