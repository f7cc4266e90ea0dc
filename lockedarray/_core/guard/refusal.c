/*
 * The errors of locks. lockedarray._core.lock raises them, as it has the names of
 * threads; their words are in lockedarray._errors.
 */
#include "guard/refusal.h"

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
    return PyObject_GetAttrString(la_words_module, name);
}

/* The ident of another owner's thread, whose hold is in the way of the one given. */
static PyObject *
la_blocker_ident(const la_hold_info *info, const void *context)
{
    bool blocks = false;

    for (const la_hold *part = context; part != NULL; part = part->also) {
        blocks |= (part->mode == LA_WRITE || info->mode == LA_WRITE)
            && la_regions_conflict(&part->region, &info->region);
    }
    if (!blocks || info->waits || info->owner == la_thread_owner(la_thread_current)) {
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(info->thread);
}

void
la_refusal_raise(la_status status, la_region_lock *lock, const la_hold *hold,
                 const la_deadlock *deadlock)
{
    PyObject *words, *result = NULL;
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
            PyObject *holders = la_region_lock_list(lock, la_blocker_ident, hold);
            result = holders == NULL ? NULL
                : PyObject_CallFunction(words, "OiO", lock, write, holders);
            Py_XDECREF(holders);
        }
    }
    else {
        words = la_words("raise_deadlock");
        if (words != NULL) {
            result = PyObject_CallFunction(
                words, "OiKKKii", lock, write,
                (unsigned long long)deadlock->blocker,
                (unsigned long long)deadlock->last,
                (unsigned long long)deadlock->waits_for, deadlock->length,
                deadlock->of_one_lock);
        }
    }
    Py_XDECREF(words);
    Py_XDECREF(result);
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_SystemError, "lockedarray: no error for a lock");
    }
}
