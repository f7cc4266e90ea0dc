/*
 * Place: one lock that a task waits for, and then has, without a thread that sleeps.
 */
#include "guard/place.h"

#include "guard/arrays.h"
#include "guard/refusal.h"
#include "guard/task.h"
#include "guard/telling.h"
#include "guard/wanted.h"
#include "lock/awaiting.h"

typedef enum {
    LA_PLACE_IDLE,
    LA_PLACE_QUEUED,
    LA_PLACE_HELD,
} la_place_state;

typedef struct {
    PyObject_HEAD
    la_region_lock *lock;       /* a reference, as the next one */
    PyObject *requests;         /* a tuple of (array, or the lock itself; write) */
    _Atomic(int) state;         /* la_place_state */
    la_hold *hold;              /* while queued */
    la_kept kept;               /* while held */
    la_told *told;              /* while queued, the lock's to tell */
    PyObject *owner;            /* a reference: the record lasts as long as the wait */
} la_place;

static PyTypeObject *la_place_type;

/* -- the place ---------------------------------------------------------------------- */

static PyObject *
la_place_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *lock, *requests;

    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "Place() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!O!", la_region_lock_type, &lock, &PyTuple_Type, &requests)) {
        return NULL;
    }
    if (((la_region_lock *)lock)->lock == NULL) {
        PyErr_SetString(PyExc_ValueError, "a RegionLock whose __init__ was not called");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(requests); i++) {
        PyObject *pair = PyTuple_GET_ITEM(requests, i);
        bool right = PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2
                     && PyBool_Check(PyTuple_GET_ITEM(pair, 1));
        PyObject *what = right ? PyTuple_GET_ITEM(pair, 0) : NULL;
        if (!right || !(what == lock || la_arrays.is_array(what))) {
            PyErr_SetString(PyExc_TypeError, "a request is (LockedArray or the lock, bool)");
            return NULL;
        }
    }
    if (PyTuple_GET_SIZE(requests) == 0) {
        PyErr_SetString(PyExc_ValueError, "a place of no requests");
        return NULL;
    }
    la_place *self = (la_place *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->lock = (la_region_lock *)Py_NewRef(lock);
        self->requests = Py_NewRef(requests);
    }
    return (PyObject *)self;
}

/* One hold for all requests, as their arrays are now; NULL with an error. */
static la_hold *
la_place_want(la_place *self, la_thread *thread)
{
    la_hold *first = NULL;

    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->requests); i++) {
        PyObject *pair = PyTuple_GET_ITEM(self->requests, i);
        PyObject *what = PyTuple_GET_ITEM(pair, 0);
        la_mode mode = PyTuple_GET_ITEM(pair, 1) == Py_True ? LA_WRITE : LA_READ;
        la_hold *hold = la_hold_make(thread, mode);
        if (hold == NULL) {
            if (first != NULL) {
                la_hold_free(first, thread);
            }
            return NULL;
        }
        hold->subject = hold->shown = NULL;
        if (what == (PyObject *)self->lock) {
            la_region_set_whole(&hold->region);
        }
        else {
            la_arrays.region_of(what, &hold->region);
            hold->mode = la_region_mode(&hold->region, mode);
        }
        /* A write stands for the others. */
        if (first != NULL && first->mode == LA_WRITE) {
            la_hold_chain(first, hold);
        }
        else if (first != NULL) {
            la_hold_chain(hold, first);
            first = hold;
        }
        else {
            first = hold;
        }
    }
    return first;
}

static void
la_place_drop_told(la_place *self)
{
    la_told_free(self->told);
    self->told = NULL;
}

static void
la_place_keep(la_place *self)
{
    self->kept = la_hold_keep(self->hold);
    self->hold = NULL;
    self->state = LA_PLACE_HELD;
}

static PyObject *
la_place_begin(PyObject *object, PyObject *call)
{
    la_place *self = (la_place *)object;
    la_thread *thread = la_thread_here();
    la_deadlock deadlock = {0};

    if (thread == NULL || la_ending_watch() < 0 || la_task_follow() < 0) {
        return NULL;
    }
    if (self->state != LA_PLACE_IDLE) {
        PyErr_SetString(PyExc_RuntimeError, "this place is taken already");
        return NULL;
    }
    la_told *told = la_told_new(call);
    la_hold *hold = told == NULL ? NULL : la_place_want(self, thread);
    if (hold == NULL) {
        la_told_free(told);
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    Py_XSETREF(self->owner, la_owner_object_here());
    self->told = told;
    self->hold = hold;
    la_await_status status = la_await(self->lock->lock, hold, thread, &told->notice, &deadlock);
    if (status == LA_AWAIT_QUEUED) {
        self->state = LA_PLACE_QUEUED;
        Py_RETURN_FALSE;
    }
    if (status == LA_AWAIT_DEADLOCK && hold->told) {    /* at the last moment, and given back */
        self->told = NULL;      /* who told it frees it */
    }
    else {
        la_place_drop_told(self);
    }
    if (status == LA_AWAIT_HELD) {
        la_place_keep(self);
        Py_RETURN_TRUE;
    }
    la_refusal_raise(LA_DEADLOCK, self->lock, hold, &deadlock);
    la_hold_free(hold, thread);
    self->hold = NULL;
    return NULL;
}

static PyObject *
la_place_accept(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_place *self = (la_place *)object;
    la_thread *thread = la_thread_here();

    if (thread == NULL || la_task_follow() < 0) {
        return NULL;
    }
    if (self->state != LA_PLACE_QUEUED) {
        return PyBool_FromLong(self->state == LA_PLACE_HELD);
    }
    la_await_status status = la_await_accept(self->hold, thread);
    if (status == LA_AWAIT_QUEUED) {
        Py_RETURN_FALSE;
    }
    if (self->hold->told) {
        self->told = NULL;      /* who told it frees it */
    }
    else {
        la_place_drop_told(self);
    }
    if (status == LA_AWAIT_HELD) {
        la_place_keep(self);
        Py_RETURN_TRUE;
    }
    la_hold_free(self->hold, thread);
    self->hold = NULL;
    self->state = LA_PLACE_IDLE;
    Py_RETURN_NONE;
}

/* Whatever it has, in whatever thread. */
static void
la_place_let_go(la_place *self)
{
    la_thread *thread = la_thread_self();
    /* Who tells a task of a closed loop leaves, and so may the task itself, at the same time. */
    int state = thread == NULL ? LA_PLACE_IDLE : atomic_exchange(&self->state, LA_PLACE_IDLE);

    if (state == LA_PLACE_IDLE) {
        return;
    }
    if (state == LA_PLACE_HELD) {
        (void)la_abandon_unwritten(self->kept, thread);
    }
    else {
        if (la_await_leave(self->hold, thread)) {
            self->told = NULL;
        }
        else {
            la_place_drop_told(self);
        }
        la_hold_free(self->hold, thread);
        self->hold = NULL;
    }
}

static PyObject *
la_place_leave(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_telling_begin();
    la_place_let_go((la_place *)object);
    la_telling_end();
    Py_RETURN_NONE;
}

static int
la_place_traverse(PyObject *object, visitproc visit, void *arg)
{
    la_place *self = (la_place *)object;

    Py_VISIT(self->requests);
    Py_VISIT((PyObject *)self->lock);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static void
la_place_dealloc(PyObject *object)
{
    la_place *self = (la_place *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    la_place_let_go(self);
    Py_XDECREF(self->owner);
    Py_XDECREF(self->requests);
    Py_XDECREF((PyObject *)self->lock);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef la_place_methods[] = {
    {"begin", la_place_begin, METH_O,
     "Take the lock, and return True; or wait for it, and have `call` called once it is had."},
    {"accept", la_place_accept, METH_NOARGS,
     "Whether the lock is had now; None: the wait was lost, and is to be begun again."},
    {"leave", la_place_leave, METH_NOARGS, "Wait no longer, or give back what is had."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot la_place_slots[] = {
    {Py_tp_new, la_place_new},
    {Py_tp_dealloc, la_place_dealloc},
    {Py_tp_traverse, la_place_traverse},
    {Py_tp_methods, la_place_methods},
    {0, NULL},
};

static PyType_Spec la_place_spec = {
    .name = "lockedarray._core._native.Place",
    .basicsize = sizeof(la_place),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = la_place_slots,
};

int
la_place_add(PyObject *module)
{
    la_place_type = (PyTypeObject *)PyType_FromSpec(&la_place_spec);
    return la_place_type == NULL ? -1 : PyModule_AddType(module, la_place_type);
}
