/*
 * Lockable: one reader's or writer's lock object over a whole RegionLock, with
 * the interface of threading.Lock; lockedarray._guards.lockables has the same in Python,
 * for a RegionLock with somebody else's lock below.
 *
 * Threads may share it. The first has the object's own claim, and others that
 * come meanwhile, to wait or to read beside it, have one each, in a list.
 *
 * All fields are looked at and changed under the object's critical section (the
 * GIL, where there is one), in which nothing waits. A claim whose hold was given
 * back otherwise is that of a thread that ended: nobody's.
 */
#include "guard/lockable.h"

#include <stddef.h>

#include "guard/named.h"
#include "guard/observer.h"
#include "guard/refusal.h"
#include "guard/task.h"

typedef struct la_claim la_claim;
struct la_claim {
    la_kept kept;                   /* of no hold: it is being taken or given back */
    la_claim *next;
};

typedef struct {
    PyObject_HEAD
    la_region_lock *lock;
    la_claim own;
    la_claim *others;
    la_mode mode;
    bool busy;                      /* its own claim is taken, or being taken or given back */
    PyObject *weakrefs;
} la_lockable;

static inline bool
la_claim_is_nobodys(const la_claim *claim)
{
    return claim->kept.hold != NULL && !la_kept_is_held(claim->kept);
}

static PyObject *
la_lockable_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *lock;
    int write;

    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "Lockable() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!p", la_region_lock_type, &lock, &write)) {
        return NULL;
    }
    if (((la_region_lock *)lock)->lock == NULL) {
        PyErr_SetString(PyExc_ValueError, "a RegionLock whose __init__ was not called");
        return NULL;
    }
    la_lockable *self = (la_lockable *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->mode = write ? LA_WRITE : LA_READ;
        self->lock = (la_region_lock *)Py_NewRef(lock);
    }
    return (PyObject *)self;
}

/* Takes a claim that `is` so out of the others, or NULL. */
static la_claim *
la_lockable_take_other(la_lockable *self, const la_thread *thread)
{
    for (la_claim **at = &self->others; *at != NULL; at = &(*at)->next) {
        la_claim *claim = *at;
        if (thread == NULL ? la_claim_is_nobodys(claim) : la_kept_is_mine(claim->kept, thread)) {
            *at = claim->next;
            return claim;
        }
    }
    return NULL;
}

/* Has this thread, as the owner that is current in it, a claim? */
static bool
la_lockable_is_mine(const la_lockable *self, const la_thread *thread)
{
    if (self->busy && la_kept_is_mine(self->own.kept, thread)) {
        return true;
    }
    for (const la_claim *claim = self->others; claim != NULL; claim = claim->next) {
        if (la_kept_is_mine(claim->kept, thread)) {
            return true;
        }
    }
    return false;
}

/*
 * LA_OK, LA_TIMEOUT with nothing raised, or another status with what it means raised.
 * `other` is the claim to be used where it is not the object's own.
 */
static la_status
la_lockable_acquire_hold(la_lockable *self, la_thread *thread, la_claim *other,
                         int64_t deadline)
{
    la_deadlock deadlock = {0};
    la_status status = LA_OK;
    la_hold *hold = la_hold_make(thread, self->mode);

    if (hold == NULL) {
        status = LA_INTERRUPTED;
    }
    else {
        hold->subject = hold->shown = NULL;
        la_region_set_whole(&hold->region);
        if (!LA_LIKELY(la_lock_claim(self->lock->lock, hold, thread))) {
            status = la_hold_wait(self->lock->lock, hold, thread, deadline, &deadlock);
        }
    }
    if (status == LA_OK && la_is_observed() && la_observe_taken(self->lock->lock, hold) < 0) {
        la_give_back(hold, thread);
        status = LA_INTERRUPTED;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    if (status == LA_OK) {
        la_claim *claim = other == NULL ? &self->own : other;
        claim->kept = la_hold_keep(hold);
        if (other != NULL) {
            other->next = self->others;
            self->others = other;
        }
    }
    else if (other == NULL) {
        self->busy = false;
    }
    Py_END_CRITICAL_SECTION();
    if (status != LA_OK && status != LA_TIMEOUT) {
        la_refusal_raise(status, self->lock, hold, &deadlock);
    }
    if (status != LA_OK) {
        if (hold != NULL) {
            la_hold_free(hold, thread);
        }
        PyMem_RawFree(other);
    }
    return status;
}

/* As the one before. `limited`: by a timeout, which may be longer than any deadline. */
static la_status
la_lockable_take(la_lockable *self, int64_t deadline, bool limited)
{
    la_thread *thread = la_thread_here();
    la_claim *other = NULL, *ended = NULL;
    bool mine = false, is_own;

    if (thread == NULL || la_ending_watch() < 0 || la_task_follow() < 0) {
        return LA_INTERRUPTED;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    is_own = !self->busy && self->others == NULL;
    if (!LA_LIKELY(is_own)) {
        ended = la_lockable_take_other(self, NULL);
        mine = la_lockable_is_mine(self, thread);
        is_own = !mine && (!self->busy || la_claim_is_nobodys(&self->own));
    }
    if (is_own) {
        self->own.kept.hold = NULL;
        self->busy = true;
    }
    Py_END_CRITICAL_SECTION();
    PyMem_RawFree(ended);       /* one each time is enough */
    if (mine) {
        if (limited) {
            return LA_TIMEOUT;      /* nobody else can let it go */
        }
        PyErr_SetString(PyExc_RuntimeError, "this thread holds this lock object already; "
                                            "make another one, which it can hold, too");
        return LA_INTERRUPTED;
    }
    if (!is_own) {
        other = PyMem_RawCalloc(1, sizeof(la_claim));
        if (other == NULL) {
            PyErr_NoMemory();
            return LA_INTERRUPTED;
        }
    }
    return la_lockable_acquire_hold(self, thread, other, deadline);
}

int
la_lockable_deadline(PyObject *blocking, PyObject *timeout, int64_t *deadline, bool *limited)
{
    int blocks = blocking == NULL ? 1 : PyObject_IsTrue(blocking);
    double seconds = -1;

    if (blocks < 0) {
        return -1;
    }
    if (timeout != NULL) {
        seconds = PyUnicode_Check(timeout) ? -1 : PyFloat_AsDouble(timeout);
        bool is_other = seconds == -1 && PyErr_Occurred()
                        && !PyErr_ExceptionMatches(PyExc_TypeError);
        if (is_other) {         /* of its __float__, or Ctrl-C */
            return -1;
        }
        if (PyUnicode_Check(timeout) || (seconds == -1 && PyErr_Occurred())) {
            PyErr_Format(PyExc_TypeError,
                         "timeout must be a number of seconds or -1, not %R", timeout);
            return -1;
        }
    }
    if (!blocks && seconds != -1) {
        PyErr_SetString(PyExc_ValueError,
                        "can't specify a timeout for a non-blocking call");
        return -1;
    }
    if (seconds != -1 && !(seconds >= 0)) {
        PyErr_Format(PyExc_ValueError,
                     "timeout must not be negative (seconds), or -1, not %R", timeout);
        return -1;
    }
    if (seconds * 1e6 > (double)PY_TIMEOUT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "timeout value is too large");
        return -1;
    }
    *limited = !blocks || seconds >= 0;
    *deadline = !blocks ? LA_NOW : seconds < 0 ? LA_NEVER : la_deadline_after(seconds);
    return 0;
}

static PyObject *
la_lockable_acquire(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"blocking", "timeout", NULL};
    PyObject *blocking = NULL, *timeout = NULL;
    int64_t deadline;
    bool limited;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:acquire", names, &blocking, &timeout)
            || la_lockable_deadline(blocking, timeout, &deadline, &limited) < 0) {
        return NULL;
    }
    la_status status = la_lockable_take((la_lockable *)object, deadline, limited);
    if (status == LA_OK) {
        Py_RETURN_TRUE;
    }
    if (status == LA_TIMEOUT) {
        Py_RETURN_FALSE;
    }
    return NULL;
}

/* Gives back what anybody holds by it, in whatever thread. */
static void
la_lockable_abandon_all(la_lockable *self)
{
    la_thread *thread = la_thread_self();
    la_kept kept;
    la_claim *others;

    Py_BEGIN_CRITICAL_SECTION(self);
    kept = self->own.kept;
    self->own.kept.hold = NULL;
    others = self->others;
    self->others = NULL;
    Py_END_CRITICAL_SECTION();
    if (thread != NULL && kept.hold != NULL) {
        (void)la_abandon(kept, thread);
    }
    while (others != NULL) {
        la_claim *claim = others;
        others = claim->next;
        if (thread != NULL) {
            (void)la_abandon(claim->kept, thread);
        }
        PyMem_RawFree(claim);
    }
}

/* What is suspended, while its thread waits for a condition, has no owner. */
static inline bool
la_claim_is_held(const la_claim *claim)
{
    return la_kept_is_held(claim->kept) && la_hold_owner(claim->kept.hold) != NULL;
}

/* Does any thread hold the lock by this object? */
static bool
la_lockable_is_taken(la_lockable *self)
{
    bool taken;

    Py_BEGIN_CRITICAL_SECTION(self);
    taken = self->busy && la_claim_is_held(&self->own);
    for (la_claim *claim = self->others; claim != NULL; claim = claim->next) {
        taken |= la_claim_is_held(claim);
    }
    Py_END_CRITICAL_SECTION();
    return taken;
}

static int
la_lockable_let_go(la_lockable *self)
{
    la_thread *thread = la_thread_here();
    la_claim *other = NULL;
    la_hold *hold = NULL;

    if (thread == NULL || la_task_follow() < 0) {
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    if (self->busy && la_kept_is_mine(self->own.kept, thread)) {
        hold = self->own.kept.hold;
        self->own.kept.hold = NULL;     /* so that nobody takes it for one of a thread that ended */
    }
    else {
        other = la_lockable_take_other(self, thread);
        hold = other == NULL ? NULL : other->kept.hold;
    }
    Py_END_CRITICAL_SECTION();
    if (hold == NULL) {
        PyErr_SetString(PyExc_RuntimeError,
                        la_lockable_is_taken(self)
                            ? "only the thread that acquired a lock can release it"
                            : "release unlocked lock");
        return -1;
    }
    la_hold_unkeep(hold);
    la_release(hold, thread);
    if (la_is_observed()) {
        la_observe_given(hold);
    }
    la_hold_free(hold, thread);
    if (other != NULL) {
        PyMem_RawFree(other);
        return 0;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    self->busy = false;
    Py_END_CRITICAL_SECTION();
    return 0;
}

static PyObject *
la_lockable_release(PyObject *object, PyObject *Py_UNUSED(unused))
{
    if (la_lockable_let_go((la_lockable *)object) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
la_lockable_locked(PyObject *object, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(la_lockable_is_taken((la_lockable *)object));
}

/*
 * What threading.Condition asks: to let go of all that this thread has of the lock, by guards
 * and other lock objects, too.
 */
static bool
la_lockable_is_mine_now(la_lockable *self)
{
    la_thread *thread = la_thread_self();
    bool mine;

    if (la_task_follow() < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    mine = thread != NULL && la_lockable_is_mine(self, thread);
    Py_END_CRITICAL_SECTION();
    return mine;
}

static PyObject *
la_lockable_is_owned(PyObject *object, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(la_lockable_is_mine_now((la_lockable *)object));
}

static PyObject *
la_lockable_release_save(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_lockable *self = (la_lockable *)object;

    if (!la_lockable_is_mine_now(self)) {
        PyErr_SetString(PyExc_RuntimeError, "cannot release un-acquired lock");
        return NULL;
    }
    return la_call_named((PyObject *)self->lock, "_release_save", NULL);
}

static PyObject *
la_lockable_acquire_restore(PyObject *object, PyObject *saved)
{
    return la_call_named((PyObject *)((la_lockable *)object)->lock, "_acquire_restore", "(O)",
                         saved);
}

/* Nobody holds the lock by it any more. */
static PyObject *
la_lockable_at_fork_reinit(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_lockable *self = (la_lockable *)object;

    la_lockable_abandon_all(self);
    Py_BEGIN_CRITICAL_SECTION(self);
    self->busy = false;
    Py_END_CRITICAL_SECTION();
    Py_RETURN_NONE;
}

static PyObject *
la_lockable_repr(PyObject *object)
{
    la_lockable *self = (la_lockable *)object;

    return PyUnicode_FromFormat("<%s lockedarray.Lockable object (%s, lock %llu) at %p>",
                                la_lockable_is_taken(self) ? "locked" : "unlocked",
                                self->mode == LA_WRITE ? "write" : "read",
                                (unsigned long long)self->lock->lock->serial, object);
}

static PyObject *
la_lockable_enter(PyObject *object, PyObject *Py_UNUSED(unused))
{
    if (la_lockable_take((la_lockable *)object, LA_NEVER, false) != LA_OK) {
        return NULL;
    }
    Py_RETURN_FALSE;
}

/*
 * A generator that is closed, or collected, in another thread than the one that went
 * into the block leaves it there. Where several hold the lock by this object there is
 * no telling whose it was.
 */
static bool
la_lockable_leave(la_lockable *self)
{
    la_thread *thread = la_thread_self();
    la_claim *other = NULL;
    la_kept kept = {NULL, 0};
    int held = 0;
    bool mine;

    /* Whoever takes a claim out of the object gives its hold back, and nobody else does. */
    Py_BEGIN_CRITICAL_SECTION(self);
    mine = thread == NULL || la_lockable_is_mine(self, thread);
    held += self->busy && la_kept_is_held(self->own.kept);
    for (la_claim *claim = self->others; claim != NULL; claim = claim->next) {
        if (la_kept_is_held(claim->kept)) {
            other = claim;
            held++;
        }
    }
    if (!mine && held == 1 && other != NULL) {
        la_claim **at = &self->others;
        while (*at != other) {
            at = &(*at)->next;
        }
        *at = other->next;
        kept = other->kept;
    }
    else if (!mine && held == 1) {
        kept = self->own.kept;
        self->own.kept.hold = NULL;
    }
    Py_END_CRITICAL_SECTION();
    if (mine || held > 1) {
        return false;
    }
    (void)la_abandon(kept, thread);
    if (other != NULL) {
        PyMem_RawFree(other);
    }
    else if (held == 1) {
        Py_BEGIN_CRITICAL_SECTION(self);
        self->busy = false;
        Py_END_CRITICAL_SECTION();
    }
    return true;
}

static PyObject *
la_lockable_exit(PyObject *object, PyObject *const *exception, Py_ssize_t count)
{
    if (count > 0 && exception[0] != Py_None
            && PyErr_GivenExceptionMatches(exception[0], PyExc_GeneratorExit)
            && la_lockable_leave((la_lockable *)object)) {
        Py_RETURN_NONE;
    }
    return la_lockable_release(object, NULL);
}

static void
la_lockable_dealloc(PyObject *object)
{
    la_lockable *self = (la_lockable *)object;
    PyTypeObject *type = Py_TYPE(object);

    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    la_lockable_abandon_all(self);
    Py_XDECREF((PyObject *)self->lock);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef la_lockable_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))la_lockable_acquire,
     METH_VARARGS | METH_KEYWORDS,
     "acquire($self, /, blocking=True, timeout=-1)\n--\n\n"
     "Take the lock; False if it was not free within `timeout` seconds (-1: no limit)."},
    {"release", la_lockable_release, METH_NOARGS,
     "release($self, /)\n--\n\nGive the lock back."},
    {"_is_owned", la_lockable_is_owned, METH_NOARGS, "Whether this thread holds the lock by it."},
    {"_release_save", la_lockable_release_save, METH_NOARGS,
     "Let go of all that this thread has of the lock."},
    {"_acquire_restore", la_lockable_acquire_restore, METH_O, "Take it again."},
    {"_at_fork_reinit", la_lockable_at_fork_reinit, METH_NOARGS, "Have nobody hold it any more."},
    {"locked", la_lockable_locked, METH_NOARGS,
     "locked($self, /)\n--\n\n"
     "Return whether some thread holds the lock by this object."},
    {"__enter__", la_lockable_enter, METH_NOARGS, "Take the lock; returns False."},
    {"__exit__", (PyCFunction)(void (*)(void))la_lockable_exit, METH_FASTCALL,
     "Give the lock back."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef la_lockable_members[] = {
    {"__weaklistoffset__", LA_T_PYSSIZET, offsetof(la_lockable, weakrefs), LA_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot la_lockable_slots[] = {
    {Py_tp_repr, la_lockable_repr},
    {Py_tp_members, la_lockable_members},
    {Py_tp_new, la_lockable_new},
    {Py_tp_dealloc, la_lockable_dealloc},
    {Py_tp_methods, la_lockable_methods},
    {0, NULL},
};

static PyType_Spec la_lockable_spec = {
    .name = "lockedarray._core._native.Lockable",
    .basicsize = sizeof(la_lockable),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = la_lockable_slots,
};

int
la_lockable_add(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&la_lockable_spec);
    int failed = type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);

    Py_XDECREF(type);
    return failed;
}
