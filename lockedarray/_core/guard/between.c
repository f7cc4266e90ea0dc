/*
 * RegionLocks between processes, for lockedarray._shared.robust.
 */
#include "guard/between.h"

#include "guard/following.h"
#include "guard/region_lock.h"

#include "lock/burial.h"
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
la_between_make(int (*make)(void *memory, uint64_t serial, uint64_t generation), PyObject *args)
{
    size_t address;
    unsigned long long serial, generation;

    if (!PyArg_ParseTuple(args, "nKK", &address, &serial, &generation)) {
        return NULL;
    }
    errno = make((void *)address, serial, generation);
    if (errno != 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyObject *
la_between_init(PyObject *Py_UNUSED(module), PyObject *args)
{
    return la_between_make(la_control_init, args);
}

static PyObject *
la_between_renew(PyObject *Py_UNUSED(module), PyObject *args)
{
    return la_between_make(la_control_renew, args);
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
la_between_recovering(PyObject *Py_UNUSED(module), PyObject *whether)
{
    bool before = la_between_recovers;

    la_between_recovers = whether == Py_True;
    return PyBool_FromLong(before);
}

/* What is half written in the way of a hold: how many, in memory of its own; -1 with an error. */
static Py_ssize_t
la_between_find_poisons(la_lock *lock, const la_hold *wanted, la_thread *thread,
                        la_poison **poisons)
{
    size_t room = 0, count = la_shared_poisons(lock, wanted, thread, NULL, 0);

    *poisons = NULL;
    while (count > room) {
        PyMem_RawFree(*poisons);
        room = count;
        *poisons = PyMem_RawMalloc(room * sizeof(la_poison));
        if (*poisons == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        count = la_shared_poisons(lock, wanted, thread, *poisons, room);
    }
    return (Py_ssize_t)count;
}

static PyObject *
la_between_poisons(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *object;
    long long low = INT64_MIN, high = INT64_MAX;
    la_poison *poisons;
    la_hold wanted = {.mode = LA_WRITE};

    if (!PyArg_ParseTuple(args, "O|LL", &object, &low, &high)) {
        return NULL;
    }
    wanted.region.low = low;
    wanted.region.high = high;
    la_lock *lock = la_between_lock(object);
    la_thread *thread = lock == NULL ? NULL : la_thread_here();
    Py_ssize_t count = thread == NULL ? -1
        : la_between_find_poisons(lock, &wanted, thread, &poisons);
    if (count < 0) {
        return NULL;
    }
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
        const la_poison *poison = &poisons[i];
        PyObject *entry = Py_BuildValue(
            "(idLL(IK))", (int)poison->pid, (double)poison->died / 1e9, (long long)poison->low,
            (long long)poison->high, (unsigned int)poison->slot,
            (unsigned long long)poison->uses);
        if (entry == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, i, entry);
    }
    PyMem_RawFree(poisons);
    return list;
}

static PyObject *
la_between_heal(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *object;
    la_poison poison = {0};
    unsigned int slot;
    unsigned long long uses;

    if (!PyArg_ParseTuple(args, "O(IK)", &object, &slot, &uses)) {
        return NULL;
    }
    la_lock *lock = la_between_lock(object);
    la_thread *thread = lock == NULL ? NULL : la_thread_here();
    if (thread == NULL) {
        return NULL;
    }
    poison.slot = slot;
    poison.uses = uses;
    la_shared_heal(lock, &poison, thread);
    Py_RETURN_NONE;
}

static PyMethodDef la_between_methods[] = {
    {"control_size", la_between_size, METH_NOARGS, "How many bytes a control block takes."},
    {"control_init", la_between_init, METH_VARARGS,
     "Make one in zeroed memory: its address, the serial number of its lock, the generation."},
    {"control_renew", la_between_renew, METH_VARARGS,
     "Have one of an earlier run of the machine be as new, but for what was half written."},
    {"control_is_known", la_between_is_known, METH_O, "Whether one is of this version."},
    {"share", la_between_share, METH_VARARGS,
     "Have a new lock be between processes: lock, address, a weak reference to what follows, "
     "generation."},
    {"shared_close", la_between_close, METH_O,
     "Nobody holds it; whoever asks for it from now on is told that it is closed."},
    {"shared_publish", la_between_publish, METH_VARARGS,
     "Tell all processes of a generation, which this one has."},
    {"shared_recovering", la_between_recovering, METH_O,
     "Have this thread take locks in spite of what is half written; return what was before."},
    {"shared_poisons", la_between_poisons, METH_VARARGS,
     "What is half written of the bytes of a lock, of all or from one to another: (pid, seconds\n"
     "since the epoch when that was noticed, low, high, which it is) each."},
    {"shared_heal", la_between_heal, METH_VARARGS,
     "Of a lock, what is half written is whole again; the one that it is."},
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
