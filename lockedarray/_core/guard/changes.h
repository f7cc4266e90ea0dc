/*
 * Change: what a thread, or a task, waits for a change by.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_CHANGES_H_
#define LOCKEDARRAY_CORE_GUARD_CHANGES_H_

#include "guard/wanted.h"

/*
 * A Change of what is locked by these, which the calling thread holds; NULL with an error.
 * It keeps the locks, and watches until its end. `call`, if not NULL, is called once there is a
 * change, in any thread (telling.h); else the calling thread is to wait.
 */
PyObject *la_change_new(const la_wanted *wanted, int count, PyObject *call);

/* Waits for it: 1, 0 if there was none in time, or -1 with an error. */
int la_change_await(PyObject *change, int64_t deadline);

int la_changes_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_CHANGES_H_ */
