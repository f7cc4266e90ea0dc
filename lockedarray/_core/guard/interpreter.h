/*
 * Threads of the interpreter: how a wait for a lock lets go of it, and that what a
 * thread holds ends with its thread state.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_INTERPRETER_H_
#define LOCKEDARRAY_CORE_GUARD_INTERPRETER_H_

#include "guard/python.h"

#include "lock/change.h"
#include "lock/registry.h"
#include "lock/suspend.h"

/* Raises MemoryError where the thread has no record yet and cannot have one. */
static inline la_thread *
la_thread_here(void)
{
    la_thread *self = la_thread_self();
    if (!LA_LIKELY(self != NULL)) {
        PyErr_NoMemory();
    }
    return self;
}

/* A new hold of the thread's; NULL with an error. */
static inline la_hold *
la_hold_make(la_thread *self, la_mode mode)
{
    la_hold *hold = la_hold_new(self, mode);
    if (!LA_LIKELY(hold != NULL)) {
        PyErr_NoMemory();
    }
    return hold;
}

/* Waits with the GIL or the thread state let go; raises only for LA_INTERRUPTED. */
la_status la_hold_wait(la_lock *lock, la_hold *hold, la_thread *self,
                       int64_t deadline, la_deadlock *deadlock);

/* Takes the hold if nothing is in its way: la_try_in_turn, where all processes are in step. */
bool la_hold_try(la_lock *lock, la_hold *hold, la_thread *self);

/* The same of a wait for a change. */
la_status la_hold_await_change(la_hold *watch, la_thread *self, int64_t deadline);

/* The same of holds that were suspended; no signal ends it. */
la_status la_hold_resume(la_suspension *suspension, la_thread *self, la_deadlock *deadlock);

/* Sleeps, with the GIL or the thread state let go, until the thread is woken, or for no reason. */
void la_sleep_detached(la_thread *self);

/* The deadline that is so many seconds from now; more than a century is for ever. */
static inline int64_t
la_deadline_after(double seconds)
{
    return !(seconds > 0) ? LA_NOW
        : seconds < 4e9 ? la_now() + (int64_t)(seconds * 1e9) : LA_NEVER;
}

/* Set where the end of the calling thread's state is watched. */
extern LA_THREAD_LOCAL PyObject *la_ending_here;

int la_ending_watch_slow(void);

/*
 * Sees to it that what the thread keeps holding is given back when its thread state
 * ends, before Thread.join() returns: 0, or -1 with an error. To be called before
 * something is kept.
 */
static inline int
la_ending_watch(void)
{
    return LA_LIKELY(la_ending_here != NULL) ? 0 : la_ending_watch_slow();
}

/* Called after that, in the thread whose state ends; NULL for nothing. */
extern void (*la_state_ends)(la_thread *thread);

void la_interpreter_fork_child(void);
int la_interpreter_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_INTERPRETER_H_ */
