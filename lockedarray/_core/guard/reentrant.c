/*
 * ReentrantLock: a RegionLock that is itself a lock object, with the interface of
 * threading.RLock: the write lock of all of it. And what threading.Condition asks of such a
 * one: to let go of all that the calling thread has of it, and to take that again.
 *
 * While it is acquired nobody else holds anything of the lock. So one claim, of whoever
 * acquired it, is enough. It is looked at and changed under the object's critical section
 * (the GIL, where there is one), in which nothing waits.
 *
 * What does without C, for a lock with somebody else's below, is in Python
 * (lockedarray._guards.region_lock).
 */
#include "guard/reentrant.h"

#include "guard/guarded.h"
#include "guard/holds.h"
#include "guard/lockable.h"
#include "guard/named.h"
#include "guard/observer.h"
#include "guard/refusal.h"
#include "guard/task.h"

typedef struct {
    la_region_lock base;
    la_kept kept;               /* what acquire() took */
    Py_ssize_t count;           /* how often, while that is held */
} la_reentrant;

/* A suspension (lock/suspend.h) in a Python object. */
typedef struct {
    PyObject_HEAD
    la_reentrant *lock;         /* a reference */
    la_suspension suspension;
    la_kept kept;               /* what acquire() took is among it, if it is held */
    Py_ssize_t count;
} la_suspension_object;

static PyTypeObject *la_reentrant_type, *la_suspension_type;

/* -- acquire and release ----------------------------------------------------------- */

static inline la_lock *
la_reentrant_lock(const la_reentrant *self)
{
    return self->base.lock;
}

/* Has it somebody else's lock below? Then the general versions do it. */
static inline bool
la_reentrant_is_general(PyObject *object)
{
    return ((la_region_lock *)object)->below != NULL;
}

/* The current thread, as one that may keep holds, for whoever runs in it; NULL with an error. */
static la_thread *
la_reentrant_begin(la_reentrant *self)
{
    if (la_reentrant_lock(self) == NULL) {
        PyErr_SetString(PyExc_ValueError, "a RegionLock whose __init__ was not called");
        return NULL;
    }
    la_thread *thread = la_thread_here();
    return thread == NULL || la_ending_watch() < 0 || la_task_follow() < 0 ? NULL : thread;
}

/* LA_OK, LA_TIMEOUT with nothing raised, or another status with what it means raised. */
static la_status
la_reentrant_take(la_reentrant *self, int64_t deadline)
{
    la_thread *thread = la_reentrant_begin(self);
    la_deadlock deadlock = {0};
    la_status status = LA_OK;
    bool mine;

    if (thread == NULL) {
        return LA_INTERRUPTED;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    mine = la_kept_is_mine(self->kept, thread);
    if (mine) {
        self->count++;
    }
    Py_END_CRITICAL_SECTION();
    if (mine) {
        return LA_OK;
    }
    la_hold *hold = la_hold_make(thread, LA_WRITE);
    if (hold == NULL) {
        return LA_INTERRUPTED;
    }
    hold->subject = hold->shown = NULL;
    la_region_set_whole(&hold->region);
    if (!LA_LIKELY(la_lock_claim(la_reentrant_lock(self), hold, thread))) {
        status = la_hold_wait(la_reentrant_lock(self), hold, thread, deadline, &deadlock);
    }
    if (status == LA_OK && la_is_observed()
            && la_observe_taken(la_reentrant_lock(self), hold) < 0) {
        la_give_back(hold, thread);
        status = LA_INTERRUPTED;
    }
    if (LA_LIKELY(status == LA_OK)) {
        Py_BEGIN_CRITICAL_SECTION(self);
        self->kept = la_hold_keep(hold);
        self->count = 1;
        Py_END_CRITICAL_SECTION();
        return LA_OK;
    }
    if (status != LA_TIMEOUT) {
        la_refusal_raise(status, &self->base, hold, &deadlock);
    }
    la_hold_free(hold, thread);
    return status;
}

static PyObject *
la_reentrant_acquire(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"blocking", "timeout", NULL};
    PyObject *blocking = NULL, *timeout = NULL;
    int64_t deadline;
    bool limited;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:acquire", names, &blocking, &timeout)) {
        return NULL;
    }
    if (la_reentrant_is_general(object)) {
        PyObject *none = PyLong_FromLong(-1);
        PyObject *result = none == NULL ? NULL
            : la_call_named(object, "_general_acquire", "(OO)",
                            blocking == NULL ? Py_True : blocking,
                            timeout == NULL ? none : timeout);
        Py_XDECREF(none);
        return result;
    }
    if (la_lockable_deadline(blocking, timeout, &deadline, &limited) < 0) {
        return NULL;
    }
    la_status status = la_reentrant_take((la_reentrant *)object, deadline);
    return status == LA_OK ? Py_NewRef(Py_True)
        : status == LA_TIMEOUT ? Py_NewRef(Py_False) : NULL;
}

static PyObject *
la_reentrant_enter(PyObject *object, PyObject *Py_UNUSED(unused))
{
    if (la_reentrant_is_general(object)) {
        return la_call_named(object, "_general_acquire", "(Oi)", Py_True, -1);
    }
    return la_reentrant_take((la_reentrant *)object, LA_NEVER) == LA_OK ? Py_NewRef(Py_True)
                                                                        : NULL;
}

static PyObject *
la_reentrant_release(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_reentrant *self = (la_reentrant *)object;
    la_thread *thread = la_thread_here();
    la_hold *hold = NULL;
    bool mine, held;

    if (la_reentrant_is_general(object)) {
        return la_call_named(object, "_general_release", NULL);
    }
    if (thread == NULL) {
        return NULL;
    }
    if (la_task_follow() < 0) {     /* no reason to keep a lock */
        PyErr_WriteUnraisable(object);
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    mine = la_kept_is_mine(self->kept, thread);
    held = la_kept_is_held(self->kept);
    if (mine && --self->count == 0) {
        hold = self->kept.hold;
        self->kept.hold = NULL;
    }
    Py_END_CRITICAL_SECTION();
    if (hold != NULL) {
        la_hold_unkeep(hold);
        la_release(hold, thread);
        if (la_is_observed()) {
            la_observe_given(hold);
        }
        la_hold_free(hold, thread);
    }
    if (!mine) {
        PyErr_SetString(PyExc_RuntimeError, held
            ? "only the thread that acquired a lock can release it"
            : "cannot release un-acquired lock");
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Whoever acquired it is given back what it has, in whatever thread. */
static void
la_reentrant_abandon(la_reentrant *self)
{
    la_thread *thread = la_thread_self();
    la_kept kept;

    Py_BEGIN_CRITICAL_SECTION(self);
    kept = self->kept;
    self->kept.hold = NULL;
    Py_END_CRITICAL_SECTION();
    if (thread != NULL && kept.hold != NULL) {
        (void)la_abandon(kept, thread);
    }
}

/* A generator that is closed, or collected, in another thread leaves it there. */
static PyObject *
la_reentrant_exit(PyObject *object, PyObject *const *exception, Py_ssize_t count)
{
    la_reentrant *self = (la_reentrant *)object;
    la_thread *thread = la_thread_self();
    bool mine;

    if (la_reentrant_is_general(object)) {
        return la_call_named(object, "_general_exit", "(O)", count > 0 ? exception[0] : Py_None);
    }
    if (count > 0 && exception[0] != Py_None && thread != NULL
            && PyErr_GivenExceptionMatches(exception[0], PyExc_GeneratorExit)) {
        if (la_task_follow() < 0) {
            PyErr_WriteUnraisable(object);
        }
        Py_BEGIN_CRITICAL_SECTION(self);
        mine = la_kept_is_mine(self->kept, thread);
        Py_END_CRITICAL_SECTION();
        if (!mine) {
            la_reentrant_abandon(self);
            Py_RETURN_NONE;
        }
    }
    return la_reentrant_release(object, NULL);
}

static PyObject *
la_reentrant_locked(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_reentrant *self = (la_reentrant *)object;
    bool locked;

    if (la_reentrant_is_general(object)) {
        return la_call_named(object, "_general_locked", NULL);
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    /* What is suspended has no owner. */
    locked = la_kept_is_held(self->kept) && la_hold_owner(self->kept.hold) != NULL;
    Py_END_CRITICAL_SECTION();
    return PyBool_FromLong(locked);
}

static PyObject *
la_reentrant_recursion_count(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_reentrant *self = (la_reentrant *)object;
    la_thread *thread = la_thread_here();
    Py_ssize_t count;

    if (la_reentrant_is_general(object)) {
        return la_call_named(object, "_general_recursion_count", NULL);
    }
    if (thread == NULL || la_task_follow() < 0) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    count = la_kept_is_mine(self->kept, thread) ? self->count : 0;
    Py_END_CRITICAL_SECTION();
    return PyLong_FromSsize_t(count);
}

static PyObject *
la_reentrant_at_fork_reinit(PyObject *object, PyObject *Py_UNUSED(unused))
{
    if (la_reentrant_is_general(object)) {
        return la_call_named(object, "_general_abandon", NULL);
    }
    la_reentrant_abandon((la_reentrant *)object);
    Py_RETURN_NONE;
}

static void
la_reentrant_dealloc(PyObject *object)
{
    la_reentrant_abandon((la_reentrant *)object);
    la_region_lock_type->tp_dealloc(object);
}

/* -- what a condition variable asks --------------------------------------------------- */

/* Has this thread, as its current owner, anything of the lock? */
static PyObject *
la_reentrant_is_owned(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_reentrant *self = (la_reentrant *)object;
    la_thread *thread = la_reentrant_begin(self);
    size_t others;

    return thread == NULL ? NULL
        : PyBool_FromLong(la_lock_count_mine(la_reentrant_lock(self), thread, &others) + others
                          > 0);
}

static PyObject *
la_reentrant_shown(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_reentrant *self = (la_reentrant *)object;

    return la_reentrant_begin(self) == NULL ? NULL : la_guarded_shown(&self->base);
}

/* Is this thread in an operation that has something of the lock, and runs Python? */
static bool
la_reentrant_in_operation(const la_reentrant *self, const la_thread *thread)
{
    /* Relaxed: its own. */
    const la_hold *hold = atomic_load_explicit(&la_thread_owner(thread)->holds,
                                               memory_order_relaxed);

    while (hold != NULL && (hold->lock != la_reentrant_lock(self)
                            || (hold->subject != &la_holds_of_operation
                                && !hold->in_operation))) {
        hold = hold->older;
    }
    return hold != NULL;
}

static PyObject *
la_reentrant_suspend(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_reentrant *self = (la_reentrant *)object;
    la_thread *thread = la_reentrant_begin(self);
    size_t others, count;

    if (thread == NULL) {
        return NULL;
    }
    la_suspension_object *made
        = (la_suspension_object *)la_suspension_type->tp_alloc(la_suspension_type, 0);
    if (made == NULL) {
        return NULL;
    }
    made->lock = (la_reentrant *)Py_NewRef(object);
    made->suspension.lock = la_reentrant_lock(self);
    /* No Python runs from here on. */
    count = la_lock_count_mine(la_reentrant_lock(self), thread, &others);
    made->suspension.kept = PyMem_RawCalloc(count + 1, sizeof(la_kept));
    /* First: once it is given back, others have claims here. */
    Py_BEGIN_CRITICAL_SECTION(self);
    if (la_kept_is_mine(self->kept, thread)) {
        made->kept = self->kept;
        made->count = self->count;
        self->kept.hold = NULL;
    }
    Py_END_CRITICAL_SECTION();
    if (others != 0 || la_reentrant_in_operation(self, thread)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "cannot wait inside an operation on the array, in a callback or in "
                        "element code: the operation keeps its lock until it ends");
    }
    else if (made->suspension.kept == NULL || !la_suspend(&made->suspension, thread)) {
        PyErr_NoMemory();
    }
    if (PyErr_Occurred()) {
        if (made->kept.hold != NULL) {
            Py_BEGIN_CRITICAL_SECTION(self);
            self->kept = made->kept;
            Py_END_CRITICAL_SECTION();
        }
        Py_DECREF(made);
        return NULL;
    }
    return (PyObject *)made;
}

static PyObject *
la_reentrant_resume(PyObject *object, PyObject *given)
{
    la_reentrant *self = (la_reentrant *)object;
    la_suspension_object *state = (la_suspension_object *)given;
    la_thread *thread = la_reentrant_begin(self);
    la_deadlock deadlock = {0};

    if (thread == NULL) {
        return NULL;
    }
    if (!Py_IS_TYPE(given, la_suspension_type) || state->lock != self) {
        PyErr_SetString(PyExc_TypeError, "not what this lock has suspended");
        return NULL;
    }
    la_status status = la_hold_resume(&state->suspension, thread, &deadlock);
    if (status != LA_OK) {
        la_hold *hold = la_hold_make(thread, LA_WRITE);     /* for the words alone */
        if (hold != NULL) {
            la_refusal_raise(status, &self->base, hold, &deadlock);
            la_hold_free(hold, thread);
        }
        return NULL;
    }
    if (la_kept_is_mine(state->kept, thread)) {
        Py_BEGIN_CRITICAL_SECTION(self);
        self->kept = state->kept;
        self->count = state->count;
        Py_END_CRITICAL_SECTION();
    }
    Py_RETURN_NONE;
}

static void
la_suspension_dealloc(PyObject *object)
{
    la_suspension_object *self = (la_suspension_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    la_thread *thread = la_thread_self();

    if (thread != NULL) {
        la_suspension_drop(&self->suspension, thread);
    }
    PyMem_RawFree(self->suspension.kept);
    Py_XDECREF((PyObject *)self->lock);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef la_reentrant_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))la_reentrant_acquire,
     METH_VARARGS | METH_KEYWORDS,
     "acquire($self, /, blocking=True, timeout=-1)\n--\n\n"
     "Take all of the lock for writing; a thread may do so several times.\n\n"
     "Parameters\n"
     "----------\n"
     "blocking : bool\n"
     "    Whether to wait for the lock.\n"
     "timeout : float\n"
     "    Seconds to wait; -1 (default) waits for ever.\n\n"
     "Returns\n"
     "-------\n"
     "bool\n"
     "    Whether the lock was taken; False if it was not free in time.\n\n"
     "Raises\n"
     "------\n"
     "DeadlockError\n"
     "    Threads would wait for each other in a circle, this one among them.\n\n"
     "Examples\n"
     "--------\n"
     ">>> import lockedarray as la\n"
     ">>> lock = la.RegionLock()\n"
     ">>> lock.acquire(timeout=1)\n"
     "True\n"
     ">>> lock.release()"},
    {"release", la_reentrant_release, METH_NOARGS,
     "release($self, /)\n--\n\n"
     "Give the lock back; as often as `acquire` has taken it.\n\n"
     "Raises\n"
     "------\n"
     "RuntimeError\n"
     "    This thread has not acquired it."},
    {"__enter__", la_reentrant_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))la_reentrant_exit, METH_FASTCALL, NULL},
    {"locked", la_reentrant_locked, METH_NOARGS,
     "locked($self, /)\n--\n\n"
     "Return whether a thread has acquired the lock; `holds` tells of guards, too.\n\n"
     "Returns\n"
     "-------\n"
     "bool"},
    {"_is_owned", la_reentrant_is_owned, METH_NOARGS, NULL},
    {"_recursion_count", la_reentrant_recursion_count, METH_NOARGS, NULL},
    {"_at_fork_reinit", la_reentrant_at_fork_reinit, METH_NOARGS, NULL},
    {"_shown", la_reentrant_shown, METH_NOARGS,
     "(Buffer, raw view) of what guards of this core show of it to this thread."},
    {"_suspend", la_reentrant_suspend, METH_NOARGS,
     "Give back all that this thread keeps of the lock, for a while."},
    {"_resume", la_reentrant_resume, METH_O, "Take it again."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot la_reentrant_slots[] = {
    {Py_tp_dealloc, la_reentrant_dealloc},
    {Py_tp_methods, la_reentrant_methods},
    {0, NULL},
};

static PyType_Spec la_reentrant_spec = {
    .name = "lockedarray._core._native.ReentrantLock",
    .basicsize = sizeof(la_reentrant),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,       /* the rest is its base's */
    .slots = la_reentrant_slots,
};

static PyType_Slot la_suspension_slots[] = {
    {Py_tp_dealloc, la_suspension_dealloc},
    {0, NULL},
};

static PyType_Spec la_suspension_spec = {
    .name = "lockedarray._core._native.Suspension",
    .basicsize = sizeof(la_suspension_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = la_suspension_slots,
};

int
la_reentrant_add(PyObject *module)
{
    la_reentrant_type = (PyTypeObject *)PyType_FromSpecWithBases(
        &la_reentrant_spec, (PyObject *)la_region_lock_type);
    la_suspension_type = (PyTypeObject *)PyType_FromSpec(&la_suspension_spec);
    if (la_reentrant_type == NULL || la_suspension_type == NULL) {
        return -1;
    }
    return PyModule_AddType(module, la_reentrant_type);
}
