/*
 * Which asyncio task runs in the calling thread, and whose owner is to be current then.
 *
 * Nothing is noted when a loop goes from one task to another: whoever keeps a hold, and whoever
 * finds a lock taken, looks. So does an operation that may call code, whose holds are this task's,
 * and one in a thread of which any owner has something. No other one does: what it has is given
 * back before another task runs.
 */
#include "guard/task.h"

#define LA_TASK_ENDED 1         /* the subject of an owner whose task has ended */

PyObject *la_task_modules;
_Atomic(Py_ssize_t) la_task_modules_seen;

static PyObject *la_task_owner_of;          /* the owner of a task, None of None; from above */
static PyObject *la_task_running_loop, *la_task_current;
static _Atomic(bool) la_task_is_known;      /* asyncio is imported, and these two are set */

/*
 * Before Python 3.12, whose function in C is fast by itself: asyncio's dict of the running task of each loop, and
 * under which name a thread's state has an object that stands for the running loop. For as long as
 * that is the same object the loop is, too.
 */
static PyObject *la_task_of_loop, *la_task_loop_name;
static LA_THREAD_LOCAL PyObject *la_task_loop_mark;     /* a reference, which keeps the loop */
static LA_THREAD_LOCAL PyObject *la_task_loop_here;     /* borrowed */
static void (*la_task_state_ends_next)(la_thread *thread);

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
#if PY_VERSION_HEX < 0x030C0000
    PyObject *tasks = la_task_find("asyncio.tasks", "_current_tasks");
    if (tasks != NULL && PyDict_CheckExact(tasks)) {
        la_task_of_loop = tasks;
    }
#endif
    la_task_running_loop = running_loop;
    la_task_current = current;
    atomic_store_explicit(&la_task_is_known, true, memory_order_release);
    atomic_store_explicit(&la_task_modules_seen, -1, memory_order_relaxed);
    return true;
}

/* The running loop, borrowed, None if there is none; NULL with an error. */
static PyObject *
la_task_loop(void)
{
    PyObject *state = PyThreadState_GetDict();
    PyObject *mark = state == NULL ? NULL
        : PyDict_GetItemWithError(state, la_task_loop_name);

    if (mark == NULL && PyErr_Occurred()) {
        return NULL;
    }
    if (!LA_LIKELY(mark != NULL && mark == la_task_loop_mark)) {
        PyObject *loop = PyObject_CallNoArgs(la_task_running_loop);
        if (loop == NULL) {
            return NULL;
        }
        Py_XSETREF(la_task_loop_mark, Py_XNewRef(mark));
        la_task_loop_here = loop;
        Py_DECREF(loop);        /* which the mark keeps, or that it runs */
    }
    return la_task_loop_here;
}

/* What is left of a loop that runs no more: else it, and its tasks, would not be garbage. */
static inline void
la_task_forget_loop(void)
{
    if (la_task_loop_mark != NULL) {
        la_task_loop_here = NULL;
        Py_CLEAR(la_task_loop_mark);
    }
}

static void
la_task_state_ends(la_thread *thread)
{
    la_task_forget_loop();
    la_task_state_ends_next(thread);
}

/* A new reference, None outside of tasks; NULL with an error. */
static PyObject *
la_task_here(void)
{
    if (la_task_of_loop != NULL) {
        if (PyDict_GET_SIZE(la_task_of_loop) == 0) {
            la_task_forget_loop();
            return Py_NewRef(Py_None);
        }
        PyObject *running = la_task_loop();
        if (running == NULL || running == Py_None) {
            return Py_XNewRef(running);
        }
#if PY_VERSION_HEX >= 0x030D0000
        PyObject *found = NULL;
        (void)PyDict_GetItemRef(la_task_of_loop, running, &found);
#else
        PyObject *found = Py_XNewRef(PyDict_GetItemWithError(la_task_of_loop, running));
#endif
        return found != NULL || PyErr_Occurred() ? found : Py_NewRef(Py_None);
    }
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
    /* No task runs in any thread, and the owner here is none's: so it is with asyncio imported only. */
    if (la_task_of_loop != NULL && PyDict_GET_SIZE(la_task_of_loop) == 0
            && la_thread_current != NULL
            && la_owner_subject(la_thread_owner(la_thread_current)) == 0) {
        return 0;
    }
    la_thread *thread = la_thread_here();

    /* Acquire: pairs with the release of who stored the two functions. */
    if (thread == NULL
            || (!atomic_load_explicit(&la_task_is_known, memory_order_acquire)
                && !la_task_look_for_asyncio())) {
        return thread == NULL ? -1 : 0;
    }
    PyObject *task = la_task_here();
    if (task == NULL) {
        return -1;
    }
    uint64_t subject = task == Py_None ? 0 : (uint64_t)(uintptr_t)task;
    int result = 0;
    if (!la_owner_object_is_here(thread, subject)) {
        PyObject *owner = PyObject_CallOneArg(la_task_owner_of, task);
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
    la_thread *thread = la_thread_here();

    if (thread == NULL || la_task_follow() < 0) {
        return NULL;
    }
    return PyBool_FromLong(la_owner_subject(la_thread_owner(thread)) > LA_TASK_ENDED);
}

static PyMethodDef la_task_functions[] = {
    {"connect_tasks", la_task_connect, METH_O,
     "Tell the core of the function that returns the owner of a task."},
    {"follow_task", la_task_follow_function, METH_NOARGS,
     "Have the owner of the task that runs in this thread, or the thread's own, current; return "
     "whether it is a task's."},
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
    la_task_loop_name = PyUnicode_InternFromString("__asyncio_running_event_loop__");
    if (la_task_loop_name == NULL) {
        return -1;
    }
    la_task_state_ends_next = la_state_ends;
    la_state_ends = la_task_state_ends;
    return PyModule_AddFunctions(module, la_task_functions);
}
