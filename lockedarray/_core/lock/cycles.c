/*
 * The wait-for graph: a breadth-first walk, without allocation, along links
 * in the owners' records. The argument that it refuses each wait that closes
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
 * The owner for which one waits who waits for this one: itself, if it waits;
 * the one that waits in the thread to which it is bound; or NULL.
 */
static la_owner *
la_graph_following(la_owner *owner)
{
    if (owner->waits != NULL) {
        return owner;
    }
    /*
     * Relaxed: of a thread that waits, both stay as they are, and its entry
     * into the graph, under the mutex that is held here, came after them.
     */
    la_thread *thread = atomic_load_explicit(&owner->thread, memory_order_relaxed);
    la_owner *current = thread == NULL ? NULL : la_thread_owner(thread);

    return current != NULL && current != owner && current->waits != NULL
           && current->waits->thread == thread ? current : NULL;
}

/*
 * Appends to the walk the owners that are in the way of one, wait themselves
 * and have not been met before. True when one of them is `origin`.
 */
static bool
la_graph_step(la_owner *owner, const la_owner *origin, la_owner **tail)
{
    const la_hold *waiter = owner->waits;
    la_lock *lock = waiter->lock;
    bool found = false;

    la_mutex_lock(&lock->mutex);
    /* Not queued any more: it was handed the lock, or gives up. While it is
       queued, all holds are in the list. */
    for (la_hold *hold = waiter->queued ? lock->holds : NULL;
            hold != NULL && !found; hold = hold->next) {
        /* Relaxed: linked, so the owner changes under the mutex only. */
        la_owner *blocker = atomic_load_explicit(&hold->owner,
                                                 memory_order_relaxed);
        if (blocker == owner || !la_holds_conflict(hold, waiter)) {
            continue;
        }
        la_owner *following = la_graph_following(blocker);
        found = following == origin;
        if (!found && following != NULL && following->visited != la_graph_walks) {
            following->visited = la_graph_walks;
            following->parent = owner;
            following->next_visit = NULL;
            (*tail)->next_visit = following;
            *tail = following;
        }
    }
    la_mutex_unlock(&lock->mutex);
    return found;
}

static uint64_t
la_owner_ident(const la_owner *owner)
{
    return atomic_load_explicit(&owner->ident, memory_order_relaxed);
}

static void
la_graph_describe(const la_owner *last, const la_owner *origin,
                  la_deadlock *deadlock)
{
    const la_lock *lock = origin->waits->lock;
    const la_owner *first = last;

    deadlock->last = la_owner_ident(last);
    deadlock->length = last == origin ? 1 : 2;
    deadlock->of_one_lock = last->waits->lock == lock;
    while (first != origin && first->parent != origin) {
        first = first->parent;
        deadlock->length++;
        deadlock->of_one_lock &= first->waits->lock == lock;
    }
    deadlock->blocker = la_owner_ident(first);
    deadlock->waits_for = first->waits->lock->serial;
}

bool
la_graph_add_locked(la_hold *waiter, la_deadlock *deadlock)
{
    la_owner *origin = waiter->wanted_by;
    la_owner *tail = origin;
    la_owner *owner = origin;
    bool found = false;

    la_graph_walks++;
    origin->waits = waiter;
    origin->visited = la_graph_walks;
    origin->parent = NULL;
    origin->next_visit = NULL;
    while (owner != NULL && !found) {
        found = la_graph_step(owner, origin, &tail);
        if (found && deadlock != NULL) {
            la_graph_describe(owner, origin, deadlock);
        }
        owner = owner->next_visit;
    }
    if (found) {
        origin->waits = NULL;
    }
    return found;
}

void
la_graph_remove(la_hold *waiter)
{
    la_graph_lock();
    waiter->wanted_by->waits = NULL;
    la_graph_unlock();
}
