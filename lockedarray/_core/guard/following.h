/*
 * Keeping this process in step with what others do to an array whose lock is between processes.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_FOLLOWING_H_
#define LOCKEDARRAY_CORE_GUARD_FOLLOWING_H_

#include "guard/python.h"

#include "lock/poison.h"
#include "lock/shared.h"

/* Does the calling thread take locks in spite of what is half written? */
extern LA_THREAD_LOCAL bool la_between_recovers;

/*
 * What to call has this process follow: with a weak reference to it, called here with no arguments,
 * which gives it, or None. It comes and goes with the lock; a reference of the lock's.
 */
void la_between_set_follower(la_lock *lock, PyObject *reference);
PyObject *la_between_follower(const la_lock *lock);

/*
 * Another process has changed the layout of the array whose lock this is; nothing of it is held
 * here. Has the floors above follow: 0, or -1 with an error. They may put it off: so ask
 * again.
 */
int la_between_follow(la_lock *lock);

/* What the last hold of this thread was refused for: it may be whole again before that is told. */
extern LA_THREAD_LOCAL la_poison la_between_poison;

/*
 * A hold was refused for what is half written: notes what that is. False if nothing is, since
 * somebody has made it whole: the hold is to be tried again.
 */
bool la_between_note_poison(const la_hold *hold, la_thread *thread);

#endif  /* LOCKEDARRAY_CORE_GUARD_FOLLOWING_H_ */
