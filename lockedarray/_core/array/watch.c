/*
 * Which locks are in use. No list of all locks is kept, which each new array would have
 * to enter: the threads know what they hold and wait for.
 */
#include "array/watch.h"

#include "array/step.h"
#include "guard/lock_object.h"
#include "lock/change.h"
#include "lock/registry.h"

typedef struct {
    PyObject **found;           /* new references, some more than once */
    size_t room, count;
} la_watch;

/* Whoever holds a lock, or waits for it or for a change, has a reference to its object. */
static void
la_watch_visit(la_lock *lock, void *context)
{
    la_watch *watch = context;

    if (watch->count < watch->room) {
        watch->found[watch->count] = Py_NewRef(la_region_lock_object(lock));
    }
    watch->count++;
}

/* In one step, since other threads add to what they hold, and take away. */
static void
la_watch_all(void *context)
{
    la_registry_visit_locks(la_watch_visit, context);
    la_changes_visit_locks(la_watch_visit, context);
}

static void
la_watch_forget(la_watch *watch)
{
    for (size_t i = 0; i < watch->room && i < watch->count; i++) {
        Py_DECREF(watch->found[i]);
    }
    PyMem_Free(watch->found);
}

static PyObject *
la_locks_in_use(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    la_watch watch = {NULL, 64, 0};

    for (;;) {
        watch.count = 0;
        watch.found = PyMem_Malloc(watch.room * sizeof(PyObject *));
        if (watch.found == NULL) {
            return PyErr_NoMemory();
        }
        la_step_do(la_watch_all, &watch);
        if (watch.count <= watch.room) {
            break;
        }
        size_t needed = 2 * watch.count;
        la_watch_forget(&watch);
        watch.room = needed;
    }
    PyObject *set = PySet_New(NULL);
    for (size_t i = 0; i < watch.count && set != NULL; i++) {
        if (PySet_Add(set, watch.found[i]) < 0) {
            Py_CLEAR(set);
        }
    }
    la_watch_forget(&watch);
    return set;
}

static PyMethodDef la_watch_functions[] = {
    {"locks_in_use", la_locks_in_use, METH_NOARGS,
     "The set of all RegionLocks that some thread holds, or waits for, or for a change of."},
    {NULL, NULL, 0, NULL},
};

int
la_watch_add(PyObject *module)
{
    return PyModule_AddFunctions(module, la_watch_functions);
}
