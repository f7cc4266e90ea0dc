/*
 * Forks. The child gets the locks as they were at one instant, in the middle
 * of whatever other threads were doing. So nothing that a gone thread may
 * have been changing is read, but the words that each thread keeps about
 * itself for this purpose:
 *
 *   thread.holds    at every instant contains each hold that the thread has,
 *                   and holds only memory that is valid: a hold is put in
 *                   before it is acquired, or while `inside` tells, and taken
 *                   out after it was released. Following next_held is safe at
 *                   every instant.
 *   thread.inside   is set before the thread touches the mutex of a lock, and
 *                   cleared after.
 *
 * The locks that these name are emptied, then the survivor's own holds are
 * listed again. All other locks are free, or held by the survivor alone.
 *
 * The mutexes of the graph and of the registry are held across the fork, so
 * nobody walks the graph and nobody is half registered.
 *
 * The memory of the holds of gone threads is still there when the child's
 * handler runs; later it may not be, so all of this happens at once.
 */
#include "lock/fork.h"

#include "lock/cycles.h"
#include "lock/monitor.h"

void
la_fork_prepare(void)
{
    la_graph_lock();
    la_thread_fork_prepare();
}

void
la_fork_parent(void)
{
    la_thread_fork_parent();
    la_graph_unlock();
}

/* Relaxed, everywhere below: there is only one thread. */

static void
la_lock_empty(la_lock *lock)
{
    la_lock_init(lock, lock->serial);
}

static la_hold *
la_thread_newest(la_thread *thread)
{
    return atomic_load_explicit(&thread->holds, memory_order_relaxed);
}

static void
la_locks_empty(la_thread *gone)
{
    la_lock *inside = atomic_load_explicit(&gone->inside, memory_order_relaxed);

    if (inside != NULL) {
        la_lock_empty(inside);
    }
    for (la_hold *hold = la_thread_newest(gone); hold != NULL;
            hold = hold->next_held) {
        la_lock_empty(hold->lock);
        /* Its Guard is nobody's: no later thread may take it for its own. */
        atomic_store_explicit(&hold->owner, NULL, memory_order_relaxed);
    }
}

static void
la_holds_list_again(la_thread *self)
{
    la_hold *hold;

    for (hold = la_thread_newest(self); hold != NULL; hold = hold->next_held) {
        la_lock_empty(hold->lock);
    }
    for (hold = la_thread_newest(self); hold != NULL; hold = hold->next_held) {
        la_holds_link_locked(hold->lock, hold, self);
        atomic_store_explicit(&hold->lock->state, LA_LISTED,
                              memory_order_relaxed);
    }
}

void
la_fork_child(void)
{
    la_thread *self = la_thread_current;

    la_parker_fork_child();
    la_graph_fork_child();
    for (la_thread *thread = la_thread_first(); thread != NULL;
            thread = thread->next) {
        if (thread != self && thread->used) {
            la_locks_empty(thread);
        }
    }
    if (self != NULL) {
        la_holds_list_again(self);
    }
    la_thread_fork_child();
}
