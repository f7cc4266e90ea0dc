/*
 * Waits that no thread sleeps in: an owner that is not current while it waits, as a task
 * of an event loop, is told when it has the lock.
 *
 *     status = la_await(lock, hold, self, notice, &deadlock)
 *     LA_AWAIT_HELD       as la_acquire
 *     LA_AWAIT_QUEUED     it has its place in the queue; notice->tell will be called once, unless
 *                         it leaves before. Then:  la_await_accept, or la_await_leave
 *     LA_AWAIT_DEADLOCK   nothing is held or queued
 *
 * Such a waiter is away for good (queue.h): it never looks, it is granted the lock. Its hold has
 * no thread. Its owner can go on in one thread alone, its home, though, which is not kept by the wait:
 *   - The others of that thread stand behind it, as they would behind that of another thread.
 *   - While the thread sleeps in a wait for another owner of it, the waiter is aside. So it is not
 *     granted what it could make no use of, and what others would then wait for; and
 *     nobody stands behind it.
 *   - Who waits for its owner waits by its wait, and by that of its thread, if that sleeps in one.
 *
 * Lock order: the graph's mutex, the one of these waits, then that of one lock.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_AWAITING_H_
#define LOCKEDARRAY_CORE_LOCK_AWAITING_H_

#include "lock/cycles.h"

typedef enum {
    LA_AWAIT_HELD,
    LA_AWAIT_QUEUED,
    LA_AWAIT_DEADLOCK,
    LA_AWAIT_LEFT,
} la_await_status;

/*
 * For the current owner of the calling thread. `notice` is the caller's until it is told, or
 * until the waiter has left without having been granted. It is told by whoever releases, in any
 * thread, with or without the interpreter and with mutexes held: it may do no more than pass it on.
 */
la_await_status la_await(la_lock *lock, la_hold *hold, la_thread *self, la_notice *notice,
                         la_deadlock *deadlock);

/*
 * In its home, with its owner current: LA_AWAIT_HELD if it has been granted; LA_AWAIT_QUEUED if not yet;
 * LA_AWAIT_LEFT if nothing is held, since its thread has ended meanwhile, or a fork lost it.
 */
la_await_status la_await_accept(la_hold *hold, la_thread *self);

/*
 * Leaves the queue, or gives back what was granted and not accepted; in any thread. Afterwards
 * the record is the caller's. True: the notice was told, or will be.
 */
bool la_await_leave(la_hold *hold, la_thread *self);

/* The thread begins, or ends, to sleep in a wait: its other owners cannot go on meanwhile. */
void la_await_aside_slow(la_thread *self, bool aside);

static inline void
la_await_aside(la_thread *self, bool aside)
{
    /* Relaxed: only this thread adds to them. */
    if (atomic_load_explicit(&self->awaiting, memory_order_relaxed) != NULL) {
        la_await_aside_slow(self, aside);
    }
}

/* The thread ends. No mutex is held. */
void la_await_end(la_thread *self);

void la_await_fork_prepare(void);
void la_await_fork_parent(void);
/* In the child: calls `empty` for the lock of each such wait, which is lost. */
void la_await_fork_child(void (*empty)(la_lock *lock));

#endif  /* LOCKEDARRAY_CORE_LOCK_AWAITING_H_ */
