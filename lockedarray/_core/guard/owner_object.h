/*
 * Owners for Python: what may hold locks beside the thread itself.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_OWNER_OBJECT_H_
#define LOCKEDARRAY_CORE_GUARD_OWNER_OBJECT_H_

#include "guard/interpreter.h"

/*
 * Is the current owner of the calling thread, which has this record, that of the task with
 * this subject, or that of no task if it is 0? Also one that somebody has made current by hand.
 */
bool la_owner_object_is_here(const la_thread *thread, uint64_t subject);

/* The current owner of the calling thread, if somebody made it current: a reference, or NULL. */
PyObject *la_owner_object_here(void);

/* exchange_owner(owner), and lets go of the one before: 0, or -1 with an error. */
int la_owner_object_make_current(PyObject *owner);

int la_owner_object_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_OWNER_OBJECT_H_ */
