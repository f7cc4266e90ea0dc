/*
 * RegionLocks between processes, for lockedarray._shared.robust.
 */
#include "guard/between.h"

#include "guard/following.h"
#include "guard/region_lock.h"

#include "lock/poison.h"

#if LA_HAS_CONTROL

#include <errno.h>

/* The lock of a RegionLock that is between processes; NULL with an error. */
static la_lock *
la_between_lock(PyObject *object)
{
    if (!PyObject_TypeCheck(object, la_region_lock_type)
            || ((la_region_lock *)object)->lock == NULL
            || ((la_region_lock *)object)->lock->shared == NULL) {
        PyErr_SetString(PyExc_ValueError, "not a lock between processes");
        return NULL;
    }
    return ((la_region_lock *)object)->lock;
}

static PyObject *
la_between_size(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return PyLong_FromSize_t(la_control_size());
}

static PyObject *
la_between_init(PyObject *Py_UNUSED(module), PyObject *args)
{
    size_t address;
    unsigned long long serial, generation;

    if (!PyArg_ParseTuple(args, "nKK", &address, &serial, &generation)) {
        return NULL;
    }
    errno = la_control_init((void *)address, serial, generation);
    if (errno != 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyObject *
la_between_is_known(PyObject *Py_UNUSED(module), PyObject *address)
{
    size_t memory = PyLong_AsSize_t(address);

    if (memory == (size_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyBool_FromLong(la_control_is_known((void *)memory));
}

static PyObject *
la_between_share(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *object, *follower;
    size_t address;
    unsigned long long generation;

    if (!PyArg_ParseTuple(args, "O!nOK", la_region_lock_type, &object, &address, &follower,
                          &generation)) {
        return NULL;
    }
    la_lock *lock = ((la_region_lock *)object)->lock;
    if (lock == NULL || lock->shared != NULL) {
        PyErr_SetString(PyExc_ValueError, "a new RegionLock is to be shared");
        return NULL;
    }
    if (la_shared_attach(lock, (void *)address) == NULL) {
        return PyErr_NoMemory();
    }
    la_between_set_follower(lock, follower);
    la_shared_follow(lock, generation);
    Py_RETURN_NONE;
}

static PyObject *
la_between_close(PyObject *Py_UNUSED(module), PyObject *object)
{
    la_lock *lock = la_between_lock(object);
    la_thread *thread = lock == NULL ? NULL : la_thread_here();

    if (thread == NULL) {
        return NULL;
    }
    la_shared_close(lock, thread);
    Py_RETURN_NONE;
}

static PyObject *
la_between_publish(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *object;
    unsigned long long generation;

    if (!PyArg_ParseTuple(args, "OK", &object, &generation)) {
        return NULL;
    }
    la_lock *lock = la_between_lock(object);
    if (lock == NULL) {
        return NULL;
    }
    la_shared_publish(lock, generation);
    Py_RETURN_NONE;
}

static PyObject *
la_between_followed(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *object;
    unsigned long long generation;

    if (!PyArg_ParseTuple(args, "OK", &object, &generation)) {
        return NULL;
    }
    la_lock *lock = la_between_lock(object);
    if (lock == NULL) {
        return NULL;
    }
    la_shared_follow(lock, generation);
    Py_RETURN_NONE;
}

static PyObject *
la_between_recovering(PyObject *Py_UNUSED(module), PyObject *whether)
{
    bool before = la_between_recovers;

    la_between_recovers = whether == Py_True;
    return PyBool_FromLong(before);
}

/* The newest hold of the calling thread's by which it has all to write in spite of poison. */
static la_hold *
la_between_recovering_hold(const la_lock *lock, la_thread *self)
{
    la_hold *hold = atomic_load_explicit(&la_thread_owner(self)->holds, memory_order_relaxed);

    while (hold != NULL && !(hold->lock == lock && hold->recovers && hold->mode == LA_WRITE)) {
        hold = hold->older;
    }
    return hold;
}

static PyObject *
la_between_heal(PyObject *Py_UNUSED(module), PyObject *object)
{
    la_lock *lock = la_between_lock(object);
    la_thread *thread = lock == NULL ? NULL : la_thread_here();

    if (thread == NULL) {
        return NULL;
    }
    la_hold *hold = la_between_recovering_hold(lock, thread);
    if (hold != NULL) {
        la_shared_heal(hold, thread);
    }
    return PyBool_FromLong(hold != NULL);
}

static PyObject *
la_between_poisons(PyObject *Py_UNUSED(module), PyObject *object)
{
    la_poison poisons[LA_ENTRY_SLOTS];
    la_lock *lock = la_between_lock(object);
    la_thread *thread = lock == NULL ? NULL : la_thread_here();
    PyObject *list = thread == NULL ? NULL : PyList_New(0);

    if (list == NULL) {
        return NULL;
    }
    size_t count = la_shared_poisons(lock, NULL, thread, poisons, LA_ENTRY_SLOTS);
    for (size_t i = 0; i < count && i < LA_ENTRY_SLOTS; i++) {
        PyObject *entry = Py_BuildValue("(iLLL)", (int)poisons[i].pid, (long long)poisons[i].died,
                                        (long long)poisons[i].low, (long long)poisons[i].high);
        if (entry == NULL || PyList_Append(list, entry) < 0) {
            Py_XDECREF(entry);
            Py_DECREF(list);
            return NULL;
        }
        Py_DECREF(entry);
    }
    return list;
}

static PyMethodDef la_between_methods[] = {
    {"control_size", la_between_size, METH_NOARGS, "How many bytes a control block takes."},
    {"control_init", la_between_init, METH_VARARGS,
     "Make one in zeroed memory: its address, the serial number of its lock, the generation."},
    {"control_is_known", la_between_is_known, METH_O, "Whether one is of this version."},
    {"share", la_between_share, METH_VARARGS,
     "Have a new lock be between processes: lock, address, a weak reference to what follows, "
     "generation."},
    {"shared_close", la_between_close, METH_O,
     "Nobody holds it; whoever asks for it from now on is told that it is closed."},
    {"shared_publish", la_between_publish, METH_VARARGS,
     "Tell all processes of a generation, which this one has."},
    {"shared_followed", la_between_followed, METH_VARARGS, "This process has a generation."},
    {"shared_recovering", la_between_recovering, METH_O,
     "Have this thread take locks in spite of what is half written; return what was before."},
    {"shared_heal", la_between_heal, METH_O,
     "What this thread holds in spite of that is whole; False if it holds nothing so."},
    {"shared_poisons", la_between_poisons, METH_O,
     "What is half written: (pid, seconds since the epoch, low, high) each."},
    {NULL, NULL, 0, NULL},
};

int
la_between_add(PyObject *module)
{
    return PyModule_AddFunctions(module, la_between_methods);
}

#else

int
la_between_add(PyObject *Py_UNUSED(module))
{
    return 0;
}

#endif
