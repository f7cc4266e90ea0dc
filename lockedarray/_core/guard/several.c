/*
 * Guards of several arrays: la.acquire().
 *
 * Such a guard has one of guard.c for each array, its parts, and takes them one by
 * one without waiting. Where one is not free at once, or special, it gives back what
 * it took, and the general version takes them all, in lock order, and waits.
 *
 * A part is the guard's alone. The end of a thread meets the parts one by one: the
 * first makes the whole free, whose parts are not all, for a moment; to acquire it
 * then is left to the general version, too.
 */
#include "guard/guard.h"
#include "array/operand.h"

static la_guard *
la_several_part(la_guard *self, Py_ssize_t i)
{
    return (la_guard *)PyTuple_GET_ITEM(self->parts, i);
}

int
la_several_take(la_guard *self)
{
    int result = 0;
    Py_ssize_t taken = 0;

    while (taken < PyTuple_GET_SIZE(self->parts)) {
        la_guard *part = la_several_part(self, taken);
        if (!la_guard_change(part, LA_GUARD_FREE, LA_GUARD_TAKING)) {
            result = LA_GENERAL;
            break;
        }
        result = la_guard_take(part, false);
        la_guard_set_state(part, result == 0 ? LA_GUARD_HELD : LA_GUARD_FREE);
        if (result != 0) {
            break;
        }
        taken++;
    }
    if (result != 0) {
        while (taken-- > 0) {
            la_guard_let_go(la_several_part(self, taken), la_thread_current);
        }
        return result;
    }
    atomic_store_explicit(&self->thread, la_thread_current, memory_order_relaxed);
    return 0;
}

/* The raw view of the next part, or a tuple of as many as were given. */
static PyObject *
la_several_raws(la_guard *self, PyObject *given, Py_ssize_t *next)
{
    if (!PyTuple_Check(given)) {
        return Py_NewRef(la_several_part(self, (*next)++)->raw);
    }
    PyObject *raws = PyTuple_New(PyTuple_GET_SIZE(given));
    for (Py_ssize_t i = 0; raws != NULL && i < PyTuple_GET_SIZE(given); i++) {
        PyTuple_SET_ITEM(raws, i, Py_NewRef(la_several_part(self, (*next)++)->raw));
    }
    return raws;
}

PyObject *
la_several_yield(la_guard *self)
{
    Py_ssize_t next = 0;

    if (self->given_read == Py_None) {
        return la_several_raws(self, self->given_write, &next);
    }
    if (self->given_write == Py_None) {
        return la_several_raws(self, self->given_read, &next);
    }
    PyObject *write = la_several_raws(self, self->given_write, &next);
    PyObject *read = write == NULL ? NULL : la_several_raws(self, self->given_read, &next);
    PyObject *both = read == NULL ? NULL : PyTuple_Pack(2, write, read);
    Py_XDECREF(write);
    Py_XDECREF(read);
    return both;
}

bool
la_several_is_mine(la_guard *self)
{
    la_guard *first = la_several_part(self, 0);

    return la_guard_is_by_this_thread(self) && la_guard_get_state(first) == LA_GUARD_HELD
           && la_guard_is_mine(first);
}

void
la_several_part_with(la_guard *self)
{
    for (Py_ssize_t i = PyTuple_GET_SIZE(self->parts) - 1; i >= 0; i--) {
        la_guard_part_with(la_several_part(self, i));
    }
}

void
la_several_forget(la_guard *self)
{
    for (Py_ssize_t i = PyTuple_GET_SIZE(self->parts) - 1; i >= 0; i--) {
        la_guard *part = la_several_part(self, i);
        if (Py_REFCNT(part) > 1) {
            la_guard_forget_whole(part);
        }
    }
}

/* How many arrays; -1 if the general version is to look at it. */
static Py_ssize_t
la_several_count(PyObject *given)
{
    if (given == Py_None) {
        return 0;
    }
    if (la_is_facade(given)) {
        return 1;
    }
    if (!PyTuple_CheckExact(given)) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(given); i++) {
        if (!la_is_facade(PyTuple_GET_ITEM(given, i))) {
            return -1;
        }
    }
    return PyTuple_GET_SIZE(given);
}

static int
la_several_fill(la_guard *self, PyObject *given, bool writes, Py_ssize_t *next)
{
    Py_ssize_t count = la_several_count(given);

    for (Py_ssize_t i = 0; i < count; i++) {
        la_guard *part = (la_guard *)la_guard_type->tp_alloc(la_guard_type, 0);
        if (part == NULL) {
            return -1;
        }
        part->facade = Py_NewRef(la_is_facade(given) ? given : PyTuple_GET_ITEM(given, i));
        part->writes = writes;
        part->whole = self;
        PyTuple_SET_ITEM(self->parts, (*next)++, (PyObject *)part);
    }
    return 0;
}

/* What acquire(write, read, timeout) returns; None if the general version is to look at it. */
static PyObject *
la_guard_of_several(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 3) {
        PyErr_SetString(PyExc_TypeError, "guard_of_several() takes write, read and timeout");
        return NULL;
    }
    double timeout = la_guard_timeout(args[2]);
    Py_ssize_t writers = la_several_count(args[0]), readers = la_several_count(args[1]);
    Py_ssize_t next = 0;
    if (timeout == -2 || writers < 0 || readers < 0 || writers + readers == 0) {
        Py_RETURN_NONE;
    }
    if (args[1] == Py_None && la_is_facade(args[0])) {
        return la_guard_new(args[0], true, timeout);
    }
    if (args[0] == Py_None && la_is_facade(args[1])) {
        return la_guard_new(args[1], false, timeout);
    }
    la_guard *self = (la_guard *)la_above.guard->tp_alloc(la_above.guard, 0);
    if (self == NULL) {
        return NULL;
    }
    self->timeout = timeout;
    self->given_write = Py_NewRef(args[0]);
    self->given_read = Py_NewRef(args[1]);
    PyObject *parts = PyTuple_New(writers + readers);
    self->parts = parts;
    if (parts == NULL || la_several_fill(self, args[0], true, &next) < 0
            || la_several_fill(self, args[1], false, &next) < 0) {
        Py_CLEAR(self->parts);      /* not all of it is there */
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyMethodDef la_several_functions[] = {
    {"guard_of_several", (PyCFunction)(void (*)(void))la_guard_of_several, METH_FASTCALL,
     "What acquire(write, read, timeout) returns, or None if the core does not know them all."},
    {NULL, NULL, 0, NULL},
};

int
la_several_add(PyObject *module)
{
    return PyModule_AddFunctions(module, la_several_functions);
}
