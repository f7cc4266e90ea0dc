/*
 * Change: a watch of one or several locks in a Python object.
 */
#include "guard/changes.h"

#include <stddef.h>

#include "guard/owner_object.h"
#include "guard/refusal.h"
#include "guard/telling.h"

typedef struct {
    PyObject_HEAD
    la_hold *watch;             /* of all locks */
    PyObject *locks;            /* a tuple: they outlive their watches */
    la_told *call;              /* to be told; NULL: a thread waits */
    _Atomic(bool) told;         /* ... by whoever set this, and then it is theirs */
    PyObject *owner;            /* a reference, if it is a task's: its record lasts as long */
    bool polls;                 /* there is a lock below one of them, whose users do not tell */
} la_change_object;

static PyTypeObject *la_change_type;

/* Of several locks there may be changes at the same time. No mutex is held but a monitor. */
static void
la_change_tell(la_hold *watch)
{
    la_change_object *self = (la_change_object *)watch->subject;

    if (!atomic_exchange(&self->told, true)) {
        self->call->notice.tell(&self->call->notice);
    }
}

static void
la_change_refuse(la_region_lock *lock, const la_hold *hold, bool full)
{
    if (full) {
        la_refusal_raise(LA_FULL, lock, hold, NULL);
    }
    else {
        PyErr_NoMemory();
    }
}

PyObject *
la_change_new(const la_wanted *wanted, int count, PyObject *call)
{
    la_thread *thread = la_thread_here();
    la_change_object *self = thread == NULL ? NULL
        : (la_change_object *)la_change_type->tp_alloc(la_change_type, 0);

    if (self == NULL) {
        return NULL;
    }
    if (call != NULL && (self->call = la_told_new(call)) == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    self->owner = la_owner_object_here();
    self->locks = PyTuple_New(count);
    for (int i = 0; self->locks != NULL && i < count; i++) {
        la_region_lock *lock = wanted[i].lock;
        PyTuple_SET_ITEM(self->locks, i, Py_NewRef((PyObject *)lock));
        /* A task is told by who changes it, in this process. */
        self->polls = self->polls || lock->below != NULL
                      || (call != NULL && lock->lock->shared != NULL);
        bool full = false;
        la_hold *watch = la_change_watch(lock->lock, wanted[i].hold, thread, self->watch,
                                         call == NULL ? NULL : la_change_tell, self, &full);
        if (watch == NULL) {
            la_change_refuse(lock, wanted[i].hold, full);
            Py_DECREF(self);
            return NULL;
        }
        self->watch = watch;
    }
    if (self->locks == NULL) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

/* Watches no longer. */
static void
la_change_let_go(la_change_object *self)
{
    la_thread *thread = la_thread_self();
    la_hold *watch = self->watch;

    self->watch = NULL;
    if (watch != NULL && thread != NULL) {
        la_change_end(watch, thread, NULL);
    }
    if (!atomic_exchange(&self->told, true)) {
        la_told_free(self->call);
    }
}

static PyObject *
la_change_object_end(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_change_let_go((la_change_object *)object);
    Py_RETURN_NONE;
}

static void
la_change_dealloc(PyObject *object)
{
    la_change_object *self = (la_change_object *)object;
    PyTypeObject *type = Py_TYPE(object);

    la_change_let_go(self);
    Py_XDECREF(self->owner);
    Py_XDECREF(self->locks);
    type->tp_free(object);
    Py_DECREF(type);
}

int
la_change_await(PyObject *change, int64_t deadline)
{
    la_change_object *self = (la_change_object *)change;
    la_thread *thread = la_thread_here();

    if (thread == NULL) {
        return -1;
    }
    if (self->watch == NULL || self->call != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "no thread waits for this change");
        return -1;
    }
    la_status status = la_hold_await_change(self->watch, thread, deadline);
    return status == LA_INTERRUPTED ? -1 : status == LA_OK;
}

static PyObject *
la_change_object_wait(PyObject *object, PyObject *timeout)
{
    int64_t deadline = LA_NEVER;

    if (timeout != Py_None) {
        double seconds = PyFloat_AsDouble(timeout);
        if (seconds == -1.0 && PyErr_Occurred()) {
            return NULL;
        }
        deadline = la_deadline_after(seconds);
    }
    int changed = la_change_await(object, deadline);
    return changed < 0 ? NULL : PyBool_FromLong(changed);
}

static PyMethodDef la_change_methods[] = {
    {"wait", la_change_object_wait, METH_O,
     "Wait for a change; False if there was none in time (seconds, None: no limit)."},
    {"end", la_change_object_end, METH_NOARGS,
     "Watch no longer, in whatever thread."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef la_change_members[] = {
    {"polls", LA_T_BOOL, offsetof(la_change_object, polls), LA_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot la_change_slots[] = {
    {Py_tp_dealloc, la_change_dealloc},
    {Py_tp_methods, la_change_methods},
    {Py_tp_members, la_change_members},
    {0, NULL},
};

static PyType_Spec la_change_spec = {
    .name = "lockedarray._core._native.Change",
    .basicsize = sizeof(la_change_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = la_change_slots,
};

int
la_changes_add(PyObject *module)
{
    la_change_type = (PyTypeObject *)PyType_FromSpec(&la_change_spec);
    return la_change_type == NULL ? -1 : PyModule_AddType(module, la_change_type);
}
