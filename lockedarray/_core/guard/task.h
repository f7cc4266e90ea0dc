/*
 * Asyncio tasks as owners: what is acquired while a task runs in the calling thread is
 * the task's, and not the thread's.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_TASK_H_
#define LOCKEDARRAY_CORE_GUARD_TASK_H_

#include "guard/owner_object.h"

/* sys.modules, and its length when asyncio was last looked for in it; -1: it is there. */
extern PyObject *la_task_modules;
extern _Atomic(Py_ssize_t) la_task_modules_seen;

int la_task_follow_slow(void);

/*
 * Has the calling thread the owner of the task that runs in it as its current one, or its own
 * outside of tasks: 0, or -1 with an error. It may run Python, once for each task. Without asyncio
 * it is a look at how many modules there are.
 */
static inline int
la_task_follow(void)
{
    if (LA_LIKELY(PyDict_GET_SIZE(la_task_modules)
                  == atomic_load_explicit(&la_task_modules_seen, memory_order_relaxed))) {
        return 0;
    }
    return la_task_follow_slow();
}

int la_task_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_TASK_H_ */
