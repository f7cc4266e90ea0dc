/*
 * Holds: what general versions in Python lock by. Several requests, for arrays or
 * whole locks, taken as one; and, for each lock, somebody else's below it.
 *
 * What an object has it keeps until it gives it back, its last reference goes, in
 * whatever thread, or the thread that took it ends.
 */
#include "guard/holds.h"

#include <stdlib.h>

#include "guard/arrays.h"
#include "guard/changes.h"
#include "guard/named.h"
#include "guard/refusal.h"
#include "guard/task.h"
#include "guard/wanted.h"

typedef struct {
    la_region_lock *lock;       /* a reference, as the next one */
    PyObject *array;            /* the region is its; NULL: all of the lock */
    la_mode mode;
    la_hold *hold;              /* while it is wanted or held */
} la_request;

/* A lock that is taken: by a hold of ours, and one of the lock below, if any. */
typedef struct {
    la_kept kept;               /* of no hold: not taken */
    bool below;
} la_taken;

typedef struct {
    PyObject_HEAD
    Py_ssize_t count;
    la_request *requests;       /* in lock order, so those of one lock stand together */
    la_wanted *wanted;          /* what they are together, in lock order */
    la_taken *taken;            /* by lock */
    int locks;                  /* how many of the last two are set */
    la_owner *owner;            /* who acquired, the last time */
    uint64_t ident;             /* in which thread */
    bool kept;                  /* by a guard or a lock object, and not by an operation */
} la_holds_object;

static PyTypeObject *la_holds_type;

const char la_holds_of_operation = 0;

static int
la_request_set(la_request *request, PyObject *what, PyObject *write)
{
    int writes = PyObject_IsTrue(write);

    if (writes < 0) {
        return -1;
    }
    if (PyObject_TypeCheck(what, la_region_lock_type) && ((la_region_lock *)what)->lock != NULL) {
        request->lock = (la_region_lock *)Py_NewRef(what);
    }
    else if (la_arrays.is_array(what)) {
        la_region_lock *lock = la_arrays.lock_of(what);
        if (lock == NULL) {
            return -1;
        }
        request->lock = (la_region_lock *)Py_NewRef((PyObject *)lock);
        request->array = Py_NewRef(what);
    }
    else {
        PyErr_Format(PyExc_TypeError, "no lock: %R", what);
        return -1;
    }
    request->mode = writes ? LA_WRITE : LA_READ;
    return 0;
}

static uint64_t
la_request_serial(const la_request *request)
{
    return request->lock->lock->serial;
}

static int
la_request_compare(const void *a, const void *b)
{
    uint64_t x = la_request_serial(a), y = la_request_serial(b);

    return (x > y) - (x < y);
}

/* The first request for this lock. */
static Py_ssize_t
la_holds_first_of(const la_holds_object *self, const la_region_lock *lock)
{
    Py_ssize_t low = 0, high = self->count;

    while (low < high) {
        Py_ssize_t middle = low + (high - low) / 2;
        if (la_request_serial(&self->requests[middle]) < lock->lock->serial) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low;
}

static PyObject *
la_holds_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *given;
    int kept = 0;

    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "Holds() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O|p", &given, &kept)) {
        return NULL;
    }
    PyObject *requests = PySequence_Fast(given, "Holds() takes a list of requests");
    if (requests == NULL) {
        return NULL;
    }
    la_holds_object *self = (la_holds_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        goto fail;
    }
    self->kept = kept != 0;
    Py_ssize_t count = PySequence_Fast_GET_SIZE(requests);
    self->requests = PyMem_RawCalloc((size_t)count + 1, sizeof(la_request));
    self->wanted = PyMem_RawCalloc((size_t)count + 1, sizeof(la_wanted));
    self->taken = PyMem_RawCalloc((size_t)count + 1, sizeof(la_taken));
    if (self->requests == NULL || self->wanted == NULL || self->taken == NULL) {
        PyErr_NoMemory();
        goto fail;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = PySequence_Fast_GET_ITEM(requests, i);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
            PyErr_SetString(PyExc_TypeError, "a request is (LockedArray or lock, write)");
            goto fail;
        }
        self->count = i + 1;    /* what is set so far is given back */
        if (la_request_set(&self->requests[i], PyTuple_GET_ITEM(pair, 0),
                           PyTuple_GET_ITEM(pair, 1)) < 0) {
            goto fail;
        }
    }
    qsort(self->requests, (size_t)count, sizeof(la_request), la_request_compare);
    la_thread *thread = la_thread_here();
    if (thread == NULL) {
        goto fail;
    }
    self->owner = la_thread_owner(thread);
    Py_DECREF(requests);
    return (PyObject *)self;

fail:
    Py_DECREF(requests);
    Py_XDECREF(self);
    return NULL;
}

/* The region of a request, as its array is now, and the mode in which that is held. */
static void
la_request_set_region(la_request *request)
{
    if (request->array == NULL) {
        la_region_set_whole(&request->hold->region);
    }
    else {
        la_arrays.region_of(request->array, &request->hold->region);
    }
    request->hold->mode = la_region_mode(&request->hold->region, request->mode);
}

/* Is what was locked still what the array shows? Only a resize changes it. */
static bool
la_request_is_current(const la_request *request)
{
    la_region now;

    if (request->array == NULL) {
        return true;
    }
    la_arrays.region_of(request->array, &now);
    return la_region_equal(&now, &request->hold->region);
}

/* Holds for all requests, put together by lock: 0, or -1 with an error. */
static int
la_holds_want(la_holds_object *self, la_thread *thread)
{
    int count = 0;

    for (; count < self->count; count++) {
        la_request *request = &self->requests[count];
        request->hold = la_hold_make(thread, request->mode);
        if (request->hold == NULL) {
            la_wanted_free(self->wanted, count, thread);
            return -1;
        }
        request->hold->subject = self->kept ? NULL : &la_holds_of_operation;
        request->hold->shown = NULL;
        la_request_set_region(request);
        self->wanted[count] = (la_wanted){request->lock, request->hold};
    }
    self->locks = la_wanted_order(self->wanted, count);
    return 0;
}

static bool
la_wanted_writes(const la_wanted *wanted)
{
    bool writes = false;
    for (const la_hold *part = wanted->hold; part != NULL; part = part->also) {
        writes |= part->mode == LA_WRITE;
    }
    return writes;
}

/* -- the lock below -------------------------------------------------------------- */

/* Calls a method of the lock below for this lock; a new reference or NULL. */
static PyObject *
la_holds_call_below(la_holds_object *self, int i, const char *method)
{
    la_wanted *wanted = &self->wanted[i];

    return la_call_named(wanted->lock->below, method, "(KOK)",
                         (unsigned long long)(uintptr_t)wanted,
                         la_wanted_writes(wanted) ? Py_True : Py_False,
                         (unsigned long long)self->ident);
}

/*
 * Tells the lock below that the request is over: it wants that done, whatever strikes.
 * So an exception out of it, Ctrl-C or its owner's, comes out in the end (Ctrl-C before
 * another one); but first it is told again, which does nothing where it was done.
 */
static void
la_holds_tell_below(la_holds_object *self, int i, const char *method)
{
    PyObject *type, *value, *traceback, *new_type, *new_value, *new_traceback;

    if (self->wanted[i].lock->below == NULL) {  /* garbage, of which the collector cleared the lock first */
        return;
    }
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *result = la_holds_call_below(self, i, method);
    if (result == NULL) {
        PyErr_Fetch(&new_type, &new_value, &new_traceback);
        result = la_holds_call_below(self, i, method);
        if (result == NULL) {
            PyErr_Clear();
        }
        if (type == NULL || !PyErr_GivenExceptionMatches(new_type, PyExc_Exception)) {
            Py_XDECREF(type);
            Py_XDECREF(value);
            Py_XDECREF(traceback);
            PyErr_Restore(new_type, new_value, new_traceback);
            Py_XDECREF(result);
            return;
        }
        Py_XDECREF(new_type);
        Py_XDECREF(new_value);
        Py_XDECREF(new_traceback);
    }
    Py_XDECREF(result);
    PyErr_Restore(type, value, traceback);
}

/* Takes somebody else's lock below ours, if it is free: 1, 0 if it is not, or -1. */
static int
la_holds_take_below(la_holds_object *self, int i)
{
    PyObject *result = la_holds_call_below(self, i, "take");
    if (result == NULL) {
        return -1;
    }
    int taken = PyObject_IsTrue(result);
    Py_DECREF(result);
    self->taken[i].below = taken > 0;
    return taken;
}

/* Lets others' code get on with the lock below, for a moment; no longer than until the deadline. */
static int
la_holds_pause_below(la_holds_object *self, int i, int64_t deadline)
{
    double left = deadline == LA_NEVER ? 1.0
        : deadline == LA_NOW ? 0.0 : (double)(deadline - la_now()) / 1e9;

    if (!(left > 0)) {
        la_refusal_raise(LA_TIMEOUT, self->wanted[i].lock, self->wanted[i].hold, NULL);
        return -1;
    }
    PyObject *result = la_call_named(self->wanted[i].lock->below, "pause", "(d)", left);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* -- acquire and release --------------------------------------------------------- */

/* Are the requests for this lock, or for any if it is NULL, as their arrays are? */
static bool
la_holds_are_current(la_holds_object *self, la_region_lock *lock)
{
    for (Py_ssize_t i = lock == NULL ? 0 : la_holds_first_of(self, lock); i < self->count; i++) {
        if (lock != NULL && self->requests[i].lock != lock) {
            break;
        }
        if (!la_request_is_current(&self->requests[i])) {
            return false;
        }
    }
    return true;
}

/* Takes one lock, and the one below: 0, or -1 with an error. */
static int
la_holds_acquire_one(la_holds_object *self, int i, la_thread *thread, int64_t deadline)
{
    la_wanted *wanted = &self->wanted[i];
    int taken;
    int64_t since = 0;      /* when it first found the lock below taken */

    for (;;) {
        for (Py_ssize_t k = la_holds_first_of(self, wanted->lock);
                k < self->count && self->requests[k].lock == wanted->lock; k++) {
            la_request_set_region(&self->requests[k]);
        }
        if (la_hold_acquire(wanted->lock, wanted->hold, thread, deadline) < 0) {
            taken = -1;
            break;
        }
        if (la_holds_are_current(self, wanted->lock)) {
            taken = wanted->lock->below == NULL ? 1 : la_holds_take_below(self, i);
            if (taken > 0) {
                if (since != 0) {
                    la_observe_waited(wanted->lock->lock, wanted->hold, since);
                }
                return 0;
            }
        }
        else {
            taken = 1;      /* try again at once */
        }
        /* Nobody waits for others' code with our lock in hand: that code may ask for it. */
        la_give_back(wanted->hold, thread);
        if (taken == 0 && since == 0 && la_is_observed()) {
            since = la_now();
        }
        if (taken < 0 || (taken == 0 && la_holds_pause_below(self, i, deadline) < 0)) {
            taken = -1;
            break;
        }
    }
    if (wanted->lock->below != NULL) {
        la_holds_tell_below(self, i, "give_up");
    }
    return taken;
}

/* Takes all requests, of locks that have none below: 0, or -1 with an error. */
static int
la_holds_acquire_own(la_holds_object *self, la_thread *thread, int64_t deadline)
{
    for (;;) {
        if (la_wanted_acquire(self->wanted, self->locks, thread, deadline) < 0) {
            return -1;
        }
        if (la_holds_are_current(self, NULL)) {
            return 0;
        }
        for (int i = self->locks - 1; i >= 0; i--) {    /* a resize came in between */
            la_give_back(self->wanted[i].hold, thread);
        }
        for (Py_ssize_t k = 0; k < self->count; k++) {
            la_request_set_region(&self->requests[k]);
        }
    }
}

/* Gives the first locks back, and what is below them; others' code may set an error. */
static void
la_holds_undo(la_holds_object *self, int count, la_thread *thread)
{
    while (count-- > 0) {
        if (self->taken[count].below) {
            self->taken[count].below = false;
            la_holds_tell_below(self, count, "give_back");
        }
        la_give_back(self->wanted[count].hold, thread);
    }
}

/* The same, where others' locks are below some; they are taken in order. */
static int
la_holds_acquire_with_below(la_holds_object *self, la_thread *thread, int64_t deadline)
{
    for (;;) {
        la_wanted_mark(self->wanted, self->locks, deadline == LA_NOW);
        for (int i = 0; i < self->locks; i++) {
            if (la_holds_acquire_one(self, i, thread, deadline) < 0) {
                la_holds_undo(self, i, thread);
                la_wanted_mark(self->wanted, self->locks, false);
                return -1;
            }
        }
        la_wanted_mark(self->wanted, self->locks, false);
        if (la_holds_are_current(self, NULL)) {
            return 0;
        }
        /* Others' code, or a signal handler, has resized what was locked before. */
        la_holds_undo(self, self->locks, thread);
        if (PyErr_Occurred()) {
            return -1;
        }
    }
}

/* Is anything held? Not if the thread that held it ended, or is not in this process. */
static bool
la_holds_any(la_holds_object *self)
{
    for (int i = 0; i < self->locks; i++) {
        if (la_kept_is_held(self->taken[i].kept)) {
            return true;
        }
    }
    return false;
}

/*
 * Gives back what is held, the last taken first, by whatever thread calls; others'
 * code may set an error.
 */
static void
la_holds_release_all(la_holds_object *self, bool is_change)
{
    la_thread *thread = la_thread_self();

    for (int i = self->locks - 1; i >= 0 && thread != NULL; i--) {
        la_taken taken = self->taken[i];
        self->taken[i] = (la_taken){{NULL, 0}, false};
        if (!la_kept_is_held(taken.kept)) {
            continue;   /* the thread that took it ended */
        }
        if (taken.below) {
            la_holds_tell_below(self, i, "give_back");
        }
        if (!is_change && la_kept_is_mine(taken.kept, thread)) {
            la_hold_unkeep(taken.kept.hold);
            la_give_back(taken.kept.hold, thread);
            if (la_is_observed()) {
                la_observe_given(taken.kept.hold);
            }
            la_hold_free(taken.kept.hold, thread);
            continue;
        }
        (void)la_abandon(taken.kept, thread);
        if (la_is_observed()) {
            la_observe_given(taken.kept.hold);
        }
    }
}

/* Where nobody can be told of an error; none is set. */
static void
la_holds_release_quietly(la_holds_object *self)
{
    la_holds_release_all(self, true);
    if (PyErr_Occurred()) {
        PyErr_WriteUnraisable((PyObject *)la_holds_type);
    }
}

void
la_holds_give_back(PyObject *object)
{
    if (PyObject_TypeCheck(object, la_holds_type)) {
        la_holds_release_quietly((la_holds_object *)object);
    }
}

static int
la_deadline_of(PyObject *timeout, int64_t *deadline)
{
    *deadline = LA_NEVER;
    if (timeout == NULL || timeout == Py_None) {
        return 0;
    }
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    *deadline = la_deadline_after(seconds);
    return 0;
}

static PyObject *
la_holds_acquire(PyObject *object, PyObject *const *args, Py_ssize_t nargs)
{
    la_holds_object *self = (la_holds_object *)object;
    la_thread *thread = la_thread_here();
    int64_t deadline;
    bool below = false;

    if (nargs > 1) {
        PyErr_SetString(PyExc_TypeError, "acquire() takes a timeout");
        return NULL;
    }
    /* Code that runs under these holds may keep others, as whoever runs here. */
    if (thread == NULL || la_ending_watch() < 0 || la_task_follow() < 0
            || la_deadline_of(nargs == 1 ? args[0] : NULL, &deadline) < 0) {
        return NULL;
    }
    if (la_holds_any(self)) {
        PyErr_SetString(PyExc_RuntimeError, "these holds are held already");
        return NULL;
    }
    self->owner = la_thread_owner(thread);
    self->ident = thread->ident;
    if (la_holds_want(self, thread) < 0) {
        return NULL;
    }
    for (int i = 0; i < self->locks; i++) {
        below = below || self->wanted[i].lock->below != NULL;
        self->taken[i] = (la_taken){{NULL, 0}, false};
    }
    if ((below ? la_holds_acquire_with_below(self, thread, deadline)
               : la_holds_acquire_own(self, thread, deadline)) < 0) {
        la_wanted_free(self->wanted, self->locks, thread);
        self->locks = 0;
        return NULL;
    }
    for (int i = 0; i < self->locks; i++) {
        self->taken[i].kept = la_hold_keep(self->wanted[i].hold);
    }
    Py_RETURN_NONE;
}

static PyObject *
la_holds_let_go(PyObject *object, bool is_change)
{
    la_holds_release_all((la_holds_object *)object, is_change);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
la_holds_release(PyObject *object, PyObject *Py_UNUSED(unused))
{
    return la_holds_let_go(object, true);
}

/* Nothing was written by them. */
static PyObject *
la_holds_give_back_method(PyObject *object, PyObject *Py_UNUSED(unused))
{
    return la_holds_let_go(object, false);
}

/* Are they held, by the current owner of this thread? Else an error. */
static bool
la_holds_check_mine(la_holds_object *self, const la_thread *thread)
{
    bool mine = thread != NULL && self->owner == la_thread_owner(thread);

    for (int i = 0; mine && i < self->locks; i++) {
        mine = la_kept_is_mine(self->taken[i].kept, thread);
    }
    if (!mine && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_RuntimeError, "this thread does not hold these holds");
    }
    return mine;
}

static PyObject *
la_holds_watch(PyObject *object, PyObject *const *args, Py_ssize_t nargs)
{
    la_holds_object *self = (la_holds_object *)object;

    return la_holds_check_mine(self, la_thread_here())
        ? la_change_new(self->wanted, self->locks, nargs == 0 ? NULL : args[0]) : NULL;
}

/* The first lock of which this thread, as its current owner, holds something else; or None. */
static PyObject *
la_holds_beside(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_holds_object *self = (la_holds_object *)object;
    la_thread *thread = la_thread_here();

    if (!la_holds_check_mine(self, thread)) {
        return NULL;
    }
    for (int i = 0; i < self->locks; i++) {
        la_wanted *wanted = &self->wanted[i];
        if (la_lock_is_mine_beside(wanted->lock->lock, wanted->hold, thread)) {
            return Py_NewRef((PyObject *)wanted->lock);
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
la_holds_mine(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_thread *thread = la_thread_self();

    if (la_task_follow() < 0) {
        return NULL;
    }
    return PyBool_FromLong(thread != NULL
                           && ((la_holds_object *)object)->owner == la_thread_owner(thread));
}

static PyObject *
la_holds_current(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_holds_object *self = (la_holds_object *)object;

    return PyBool_FromLong(!la_holds_any(self) || la_holds_are_current(self, NULL));
}

static PyObject *
la_holds_held(PyObject *object, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(la_holds_any((la_holds_object *)object));
}

static PyObject *
la_holds_lost(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_holds_object *self = (la_holds_object *)object;
    bool lost = false;

    for (int i = 0; i < self->locks; i++) {
        la_kept kept = self->taken[i].kept;
        lost = lost || (kept.hold != NULL && !la_kept_is_held(kept));
    }
    return PyBool_FromLong(lost);
}

/* An array may refer to the guard that holds it. */
static int
la_holds_traverse(PyObject *object, visitproc visit, void *arg)
{
    la_holds_object *self = (la_holds_object *)object;

    for (Py_ssize_t i = 0; i < self->count; i++) {
        Py_VISIT(self->requests[i].array);
        Py_VISIT((PyObject *)self->requests[i].lock);
    }
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static void
la_holds_dealloc(PyObject *object)
{
    la_holds_object *self = (la_holds_object *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    if (la_holds_any(self)) {
        PyObject *error, *value, *traceback;
        PyErr_Fetch(&error, &value, &traceback);
        la_holds_release_quietly(self);
        PyErr_Restore(error, value, traceback);
    }
    for (Py_ssize_t i = 0; i < self->count; i++) {
        Py_XDECREF(self->requests[i].array);
        Py_XDECREF((PyObject *)self->requests[i].lock);
    }
    PyMem_RawFree(self->requests);
    PyMem_RawFree(self->wanted);
    PyMem_RawFree(self->taken);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef la_holds_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))la_holds_acquire, METH_FASTCALL,
     "Take every lock, within a timeout (seconds, None: for ever), or raise and hold none."},
    {"release", la_holds_release, METH_NOARGS,
     "Give back what is held, in whatever thread."},
    {"give_back", la_holds_give_back_method, METH_NOARGS,
     "Release what nothing was written by: nobody who waits for a change is told."},
    {"watch", (PyCFunction)(void (*)(void))la_holds_watch, METH_FASTCALL,
     "Return a Change, by which to wait until others have written what is held now; a function "
     "that is given is called then, in any thread."},
    {"beside", la_holds_beside, METH_NOARGS,
     "Return a lock of these of which this thread holds something else, too, or None."},
    {"are_current", la_holds_current, METH_NOARGS,
     "Whether what is held is what the arrays show now."},
    {"held_by_this_thread", la_holds_mine, METH_NOARGS,
     "Whether the current owner of the calling thread is the one that took the holds."},
    {"held", la_holds_held, METH_NOARGS, "Whether they are held: its thread has not ended."},
    {"lost", la_holds_lost, METH_NOARGS,
     "Whether some that were taken are held no more: a fork has left them to the parent."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot la_holds_slots[] = {
    {Py_tp_new, la_holds_new},
    {Py_tp_dealloc, la_holds_dealloc},
    {Py_tp_traverse, la_holds_traverse},
    {Py_tp_methods, la_holds_methods},
    {0, NULL},
};

static PyType_Spec la_holds_spec = {
    .name = "lockedarray._core._native.Holds",
    .basicsize = sizeof(la_holds_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = la_holds_slots,
};

int
la_holds_add(PyObject *module)
{
    la_holds_type = (PyTypeObject *)PyType_FromSpec(&la_holds_spec);
    return la_holds_type == NULL ? -1 : PyModule_AddType(module, la_holds_type);
}
