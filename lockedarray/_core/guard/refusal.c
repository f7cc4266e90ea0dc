/*
 * The errors of locks. lockedarray._core.lock raises them, as it has the names of
 * threads; their words are in lockedarray._errors.
 */
#include "guard/refusal.h"

#include "guard/following.h"
#include "guard/named.h"

#include "lock/blockers.h"

static PyObject *la_words_module;

int
la_refusal_connect(void)
{
    la_words_module = PyImport_ImportModule("lockedarray._core.lock");
    return la_words_module == NULL ? -1 : 0;
}

static PyObject *
la_words(const char *name)
{
    if (la_words_module == NULL) {
        PyErr_SetString(PyExc_SystemError, "lockedarray: a lock before connect()");
        return NULL;
    }
    return la_get_named(la_words_module, name);
}

#define LA_FEW_THREADS 16

/* (ident, subject) of the owners of which a hold is in the way: a list, or NULL with an error. */
static PyObject *
la_blocking_owners(la_region_lock *lock, const la_hold *hold)
{
    la_thread *thread = la_thread_here();
    la_blocker few[LA_FEW_THREADS], *many = NULL, *found = few;
    size_t room = LA_FEW_THREADS, count = 0;

    if (thread == NULL) {
        return NULL;
    }
    while ((count = la_lock_blockers(lock->lock, hold, thread, found, room)) > room) {
        PyMem_RawFree(many);
        room = 2 * count;
        found = many = PyMem_RawMalloc(room * sizeof(la_blocker));
        if (many == NULL) {
            return PyErr_NoMemory();
        }
    }
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *owner = Py_BuildValue("(KK)", (unsigned long long)found[i].ident,
                                        (unsigned long long)found[i].subject);
        if (owner == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, owner);
    }
    PyMem_RawFree(many);
    return list;
}

#if LA_HAS_CONTROL

/* raise_poisoned() of a process whose half written bytes were in the way of a hold. */
static PyObject *
la_refuse_poisoned(la_region_lock *lock)
{
    const la_poison *poison = &la_between_poison;

    if (poison->pid == 0) {
        return PyErr_NoMemory();
    }
    PyObject *words = la_words("raise_poisoned");
    PyObject *result = words == NULL ? NULL
        : PyObject_CallFunction(words, "OidLL", lock, (int)poison->pid, (double)poison->died / 1e9,
                                (long long)poison->low, (long long)poison->high);
    Py_XDECREF(words);
    return result;
}

#else

static PyObject *
la_refuse_poisoned(la_region_lock *Py_UNUSED(lock))
{
    return NULL;
}

#endif

/*
 * Has an error set, whatever has become of the one that was raised: CPython 3.11 loses it where it
 * has no memory for the frame that a traceback keeps.
 */
static void
la_check_raised(const PyObject *result)
{
    if (PyErr_Occurred()) {
        return;
    }
    if (result == NULL) {
        PyErr_NoMemory();
    }
    else {
        PyErr_SetString(PyExc_SystemError, "lockedarray: what was to raise an error did not");
    }
}

void
la_refusal_raise(la_status status, la_region_lock *lock, const la_hold *hold,
                 const la_deadlock *deadlock)
{
    PyObject *words = NULL, *result = NULL;
    int write = 0;

    for (const la_hold *part = hold; part != NULL; part = part->also) {
        write |= part->mode == LA_WRITE;
    }
    if (status == LA_INTERRUPTED) {
        return;     /* the signal's handler has raised */
    }
    if (status == LA_TIMEOUT) {
        words = la_words("raise_timeout");
        if (words != NULL) {
            PyObject *holders = la_blocking_owners(lock, hold);
            result = holders == NULL ? NULL
                : PyObject_CallFunction(words, "OiO", lock, write, holders);
            Py_XDECREF(holders);
        }
    }
    else if (status == LA_POISONED) {
        result = la_refuse_poisoned(lock);
    }
    else if (status == LA_FULL) {
        words = la_words("raise_full");
        result = words == NULL ? NULL : PyObject_CallFunction(words, "O", lock);
    }
    else if (status == LA_CLOSED) {
        words = la_words("raise_closed");
        result = words == NULL ? NULL : PyObject_CallFunction(words, "O", lock);
    }
    else {
        words = la_words("raise_deadlock");
        if (words != NULL) {
            result = PyObject_CallFunction(
                words, "Oi(KK)(KK)Kii", lock, write,
                (unsigned long long)deadlock->blocker,
                (unsigned long long)deadlock->blocker_subject,
                (unsigned long long)deadlock->last,
                (unsigned long long)deadlock->last_subject,
                (unsigned long long)deadlock->waits_for, deadlock->length,
                deadlock->of_one_lock);
        }
    }
    la_check_raised(result);
    Py_XDECREF(words);
    Py_XDECREF(result);
}

static void
la_refusal_raise_by(const char *name, PyObject *arguments)
{
    PyObject *words = arguments == NULL ? NULL : la_words(name);
    PyObject *result = words == NULL ? NULL : PyObject_CallObject(words, arguments);

    la_check_raised(result);
    Py_XDECREF(words);
    Py_XDECREF(result);
    Py_XDECREF(arguments);
}

void
la_refusal_raise_not_true(PyObject *array, double timeout)
{
    la_refusal_raise_by("raise_not_true", Py_BuildValue("(Od)", array, timeout));
}

void
la_refusal_raise_beside(la_region_lock *lock)
{
    la_refusal_raise_by("raise_beside", Py_BuildValue("(O)", lock));
}
