/*
 * RegionLocks between processes: attaching one to a control block, and what keeps this process in
 * step with what others do to the array.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_BETWEEN_H_
#define LOCKEDARRAY_CORE_GUARD_BETWEEN_H_

#include "guard/region_lock.h"

#include "lock/shared.h"

/*
 * Another process has changed the layout of the array whose lock this is; nothing of it is held
 * here. Has the floors above follow: 0, or -1 with an error. They may put it off: so ask
 * again.
 */
int la_between_follow(la_lock *lock);

/* Does the calling thread take locks in spite of what is half written? */
extern LA_THREAD_LOCAL bool la_between_recovers;

int la_between_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_BETWEEN_H_ */
