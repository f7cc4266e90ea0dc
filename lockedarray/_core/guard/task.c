/*
 * Which asyncio task runs in the calling thread, and whose owner is to be current then.
 *
 * Nothing is noted when a loop goes from one task to another: whoever keeps a hold, and whoever
 * finds a lock taken, looks. An operation on a free lock does not: whoever it is taken for, it is
 * given back before another task runs.
 */
#include "guard/task.h"

PyObject *la_task_modules;
_Atomic(Py_ssize_t) la_task_modules_seen;

static PyObject *la_task_owner_of;          /* the owner of a task; from above */
static PyObject *la_task_running_loop, *la_task_current;
static _Atomic(bool) la_task_is_known;      /* asyncio is imported, and these two are set */

/* An attribute of a module that is imported already; NULL without an error else. */
static PyObject *
la_task_find(const char *module_name, const char *name)
{
    PyObject *module = PyDict_GetItemString(la_task_modules, module_name);      /* borrowed */
    PyObject *found = module == NULL ? NULL : PyObject_GetAttrString(module, name);

    PyErr_Clear();
    return found;
}

/* Looks for asyncio, which may be half imported. */
static bool
la_task_look_for_asyncio(void)
{
    Py_ssize_t size = PyDict_GET_SIZE(la_task_modules);
    PyObject *running_loop = la_task_find("asyncio.events", "_get_running_loop");
    PyObject *current = running_loop == NULL ? NULL
        : la_task_find("asyncio.tasks", "current_task");

    if (current == NULL || la_task_owner_of == NULL) {
        Py_XDECREF(running_loop);
        Py_XDECREF(current);
        atomic_store_explicit(&la_task_modules_seen, size, memory_order_relaxed);
        return false;
    }
    /* Whoever was faster has stored the same; what one of the two stored is kept for ever. */
    la_task_running_loop = running_loop;
    la_task_current = current;
    atomic_store_explicit(&la_task_is_known, true, memory_order_release);
    atomic_store_explicit(&la_task_modules_seen, -1, memory_order_relaxed);
    return true;
}

/* A new reference, None outside of tasks; NULL with an error. */
static PyObject *
la_task_here(void)
{
    PyObject *loop = PyObject_CallNoArgs(la_task_running_loop);
    PyObject *task = loop == NULL || loop == Py_None ? loop
        : PyObject_CallOneArg(la_task_current, loop);

    if (task != loop) {
        Py_DECREF(loop);
    }
    return task;
}

LA_COLD int
la_task_follow_slow(void)
{
    la_thread *thread = la_thread_here();

    /* Acquire: pairs with the release of who stored the two functions. */
    if (thread == NULL
            || (!atomic_load_explicit(&la_task_is_known, memory_order_acquire)
                && !la_task_look_for_asyncio())) {
        return thread == NULL ? -1 : 0;
    }
    if (la_thread_owner(thread)->operations != 0) {
        return 0;       /* of code inside an operation, which is the same task's */
    }
    PyObject *task = la_task_here();
    if (task == NULL) {
        return -1;
    }
    uint64_t subject = task == Py_None ? 0 : (uint64_t)(uintptr_t)task;
    int result = 0;
    if (!la_owner_object_is_here(thread, subject)) {
        PyObject *owner = subject == 0 ? Py_NewRef(Py_None)
            : PyObject_CallOneArg(la_task_owner_of, task);
        result = owner == NULL ? -1 : la_owner_object_make_current(owner);
        Py_XDECREF(owner);
    }
    Py_DECREF(task);
    return result;
}

static PyObject *
la_task_connect(PyObject *Py_UNUSED(module), PyObject *owner_of)
{
    la_task_owner_of = Py_NewRef(owner_of);
    Py_RETURN_NONE;
}

static PyObject *
la_task_follow_function(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    if (la_task_follow() < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef la_task_functions[] = {
    {"connect_tasks", la_task_connect, METH_O,
     "Tell the core of the function that returns the owner of a task."},
    {"follow_task", la_task_follow_function, METH_NOARGS,
     "Have the owner of the task that runs in this thread, or the thread's own, current."},
    {NULL, NULL, 0, NULL},
};

int
la_task_add(PyObject *module)
{
    la_task_modules = PyImport_GetModuleDict();
    if (la_task_modules == NULL) {
        return -1;
    }
    Py_INCREF(la_task_modules);
    return PyModule_AddFunctions(module, la_task_functions);
}
