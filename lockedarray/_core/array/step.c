/*
 * In one step for all other threads. With a GIL, whatever does not let go of it is
 * one step. Without one, the world is stopped: inside the first callback of
 * PyUnstable_GC_VisitObjects no other thread runs.
 */
#include "array/step.h"

#include <stdatomic.h>

typedef struct {
    void (*act)(void *context);
    void *context;
    bool done;
} la_step;

#ifdef Py_GIL_DISABLED
/*
 * A fork while the world is stopped leaves a child that can never stop its own
 * (CPython 3.13). So a fork has this mutex; what runs in the forking thread
 * before it (others' handlers) does not wait for itself.
 */
static PyMutex la_stopping;
static _Atomic(unsigned long) la_forking;   /* relaxed: only asked for oneself */

static int
la_step_visit(PyObject *Py_UNUSED(object), void *argument)
{
    la_step *step = argument;
    if (!step->done) {
        step->done = true;
        step->act(step->context);
    }
    return 0;       /* visit no further object */
}
#endif

void
la_step_do(void (*act)(void *), void *context)
{
#ifdef Py_GIL_DISABLED
    la_step step = {act, context, false};
    bool forking = atomic_load_explicit(&la_forking, memory_order_relaxed)
                   == PyThread_get_thread_ident();
    if (!forking) {
        PyMutex_Lock(&la_stopping);
    }
    PyUnstable_GC_VisitObjects(la_step_visit, &step);
    if (!forking) {
        PyMutex_Unlock(&la_stopping);
    }
    if (!step.done) {       /* there is no object: then there is no thread */
        act(context);
    }
#else
    act(context);
#endif
}

static PyObject *
la_before_fork(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
#ifdef Py_GIL_DISABLED
    PyMutex_Lock(&la_stopping);
    atomic_store_explicit(&la_forking, PyThread_get_thread_ident(), memory_order_relaxed);
#endif
    Py_RETURN_NONE;
}

static PyObject *
la_after_fork(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
#ifdef Py_GIL_DISABLED
    atomic_store_explicit(&la_forking, 0, memory_order_relaxed);
    PyMutex_Unlock(&la_stopping);
#endif
    Py_RETURN_NONE;
}

/* In the child nobody waits for the mutex: who did is not there. */
static PyObject *
la_after_fork_in_child(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
#ifdef Py_GIL_DISABLED
    atomic_store_explicit(&la_forking, 0, memory_order_relaxed);
    la_stopping = (PyMutex){0};
#endif
    Py_RETURN_NONE;
}

static PyMethodDef la_step_functions[] = {
    {"before_fork", la_before_fork, METH_NOARGS, "Have no thread stop the world until after the fork."},
    {"after_fork", la_after_fork, METH_NOARGS, "The fork is over, in the parent."},
    {"after_fork_in_child", la_after_fork_in_child, METH_NOARGS, "The fork is over, in the child."},
    {NULL, NULL, 0, NULL},
};

int
la_step_add(PyObject *module)
{
    return PyModule_AddFunctions(module, la_step_functions);
}
