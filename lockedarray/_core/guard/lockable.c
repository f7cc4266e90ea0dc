/*
 * Lockable: one reader's or writer's lock object over a whole RegionLock, with
 * the interface of threading.Lock; lockedarray.lockables has the same in
 * Python, for a RegionLock with somebody else's lock below.
 *
 * Threads may share it. The first has the object's own claim, and others that
 * come meanwhile, to wait or to read beside it, have one each, in a list. A
 * claim is a block by itself: if the object is collected in a thread that does
 * not have the claim, it outlives the object, and is freed some time after that
 * thread has given it back or ended.
 *
 * All fields are looked at and changed under the object's critical section (the
 * GIL, where there is one), in which nothing waits. A claim whose thread is set
 * and whose hold has no owner is that of a thread that ended: nobody's.
 */
#include "array/hot.h"

typedef struct la_claim la_claim;
struct la_claim {
    la_hold hold;
    la_thread *thread;              /* who took it; NULL: nobody, or it is being taken or given back */
    la_claim *next;
    PyObject *lock;                 /* a reference, of one that is left behind */
};

typedef struct {
    PyObject_HEAD
    la_lock_object *lock;
    la_claim *own;
    la_claim *others;
    la_mode mode;
    bool busy;                      /* its own claim is taken, or being taken or given back */
} la_lockable;

/* Claims that outlived their object: changed under the mutex; relaxed, to see that there are none. */
static la_mutex la_claims_mutex;
static _Atomic(la_claim *) la_claims_left;

void
la_lockable_fork_child(void)
{
    la_mutex_init(&la_claims_mutex);
}

static la_claim *
la_claim_new(la_mode mode)
{
    la_claim *claim = PyMem_RawCalloc(1, sizeof(la_claim));

    if (claim == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    la_hold_init(&claim->hold, mode);
    la_region_set_whole(&claim->hold.region);
    return claim;
}

static inline bool
la_claim_is_of(la_claim *claim, la_thread *thread)
{
    return claim->thread == thread && la_hold_is_mine(&claim->hold, thread);
}

static inline bool
la_claim_is_nobodys(la_claim *claim)
{
    return claim->thread != NULL && la_hold_is_mine(&claim->hold, NULL);
}

/* Takes those that are nobody's out of a list, and puts them at the head of another. */
static void
la_claims_move_ended(la_claim **list, la_claim **ended)
{
    while (*list != NULL) {
        la_claim *claim = *list;
        if (la_claim_is_nobodys(claim)) {
            *list = claim->next;
            claim->next = *ended;
            *ended = claim;
        }
        else {
            list = &claim->next;
        }
    }
}

static void
la_claims_free(la_claim *list)
{
    if (list != NULL) {
        la_thread_await_ends();     /* one may not have done with them yet */
    }
    while (list != NULL) {
        la_claim *claim = list;
        PyObject *lock = claim->lock;
        list = claim->next;
        PyMem_RawFree(claim);
        Py_XDECREF(lock);
    }
}

/* Frees what objects that are gone left to threads that have ended since. */
static void
la_claims_reap(void)
{
    la_claim *ended = NULL;

    if (LA_LIKELY(atomic_load_explicit(&la_claims_left, memory_order_relaxed) == NULL)) {
        return;
    }
    la_mutex_lock(&la_claims_mutex);
    la_claim *left = atomic_load_explicit(&la_claims_left, memory_order_relaxed);
    la_claims_move_ended(&left, &ended);
    atomic_store_explicit(&la_claims_left, left, memory_order_relaxed);
    la_mutex_unlock(&la_claims_mutex);
    la_claims_free(ended);
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
    if (!PyArg_ParseTuple(args, "O!p", la_lock_type, &lock, &write)) {
        return NULL;
    }
    if (((la_lock_object *)lock)->lock == NULL) {
        PyErr_SetString(PyExc_ValueError, "a RegionLock whose __init__ was not called");
        return NULL;
    }
    la_claims_reap();
    la_lockable *self = (la_lockable *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->mode = write ? LA_WRITE : LA_READ;
    self->own = la_claim_new(self->mode);
    if (self->own == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    self->lock = (la_lock_object *)Py_NewRef(lock);
    return (PyObject *)self;
}

/* The claim of this thread, or NULL; of the others taken out of the list if `take`. */
static la_claim *
la_lockable_find(la_lockable *self, la_thread *thread, bool take)
{
    if (self->busy && la_claim_is_of(self->own, thread)) {
        return self->own;
    }
    for (la_claim **at = &self->others; *at != NULL; at = &(*at)->next) {
        la_claim *claim = *at;
        if (la_claim_is_of(claim, thread)) {
            if (take) {
                *at = claim->next;
            }
            return claim;
        }
    }
    return NULL;
}

/* LA_OK, LA_TIMEOUT with nothing raised, or another status with what it means raised. */
static la_status
la_claim_take(la_claim *claim, la_lockable *self, la_thread *thread, int64_t deadline)
{
    la_deadlock deadlock = {0};
    la_status status = LA_OK;

    if (!LA_LIKELY(la_lock_claim(self->lock->lock, &claim->hold, thread))) {
        status = la_hold_wait(self->lock, &claim->hold, thread, deadline, &deadlock);
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    if (status == LA_OK) {
        claim->thread = thread;
        if (claim != self->own) {
            claim->next = self->others;
            self->others = claim;
        }
    }
    else if (claim == self->own) {
        self->busy = false;
    }
    Py_END_CRITICAL_SECTION();
    if (status == LA_DEADLOCK) {
        la_hold_raise(status, self->lock, &claim->hold, &deadlock);
    }
    if (status != LA_OK && claim != self->own) {
        PyMem_RawFree(claim);
    }
    return status;
}

/* As la_claim_take. `limited`: by a timeout, which may be longer than any deadline. */
static la_status
la_lockable_take(la_lockable *self, int64_t deadline, bool limited)
{
    la_thread *thread = la_thread_here();
    la_claim *claim = NULL, *ended = NULL;
    bool mine, taken_over = false;

    if (thread == NULL) {
        return LA_INTERRUPTED;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    if (self->others != NULL) {
        la_claims_move_ended(&self->others, &ended);
    }
    mine = la_lockable_find(self, thread, false) != NULL;
    if (!mine && (!self->busy || la_claim_is_nobodys(self->own))) {
        taken_over = self->busy;
        claim = self->own;
        claim->thread = NULL;
        self->busy = true;
    }
    Py_END_CRITICAL_SECTION();
    la_claims_free(ended);
    if (taken_over) {
        la_thread_await_ends();
    }
    if (mine) {
        if (limited) {
            return LA_TIMEOUT;      /* nobody else can let it go */
        }
        PyErr_SetString(PyExc_RuntimeError, "this thread holds this lock object already; "
                                            "make another one: it nests");
        return LA_INTERRUPTED;
    }
    if (claim == NULL) {
        claim = la_claim_new(self->mode);
        if (claim == NULL) {
            return LA_INTERRUPTED;
        }
    }
    return la_claim_take(claim, self, thread, deadline);
}

static int
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

/* Does any thread hold the lock by this object? */
static bool
la_lockable_is_taken(la_lockable *self)
{
    bool taken;

    Py_BEGIN_CRITICAL_SECTION(self);
    taken = self->busy && self->own->thread != NULL && !la_claim_is_nobodys(self->own);
    for (la_claim *claim = self->others; claim != NULL; claim = claim->next) {
        taken |= !la_claim_is_nobodys(claim);
    }
    Py_END_CRITICAL_SECTION();
    return taken;
}

static int
la_lockable_let_go(la_lockable *self)
{
    la_thread *thread = la_thread_here();
    la_claim *claim;

    if (thread == NULL) {
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    claim = la_lockable_find(self, thread, true);
    if (claim != NULL) {
        claim->thread = NULL;       /* so that nobody takes it for one of a thread that ended */
    }
    Py_END_CRITICAL_SECTION();
    if (claim == NULL) {
        PyErr_SetString(PyExc_RuntimeError,
                        la_lockable_is_taken(self)
                            ? "a lock is released by the thread that acquired it"
                            : "release unlocked lock");
        return -1;
    }
    la_release(&claim->hold, thread);
    if (claim != self->own) {
        PyMem_RawFree(claim);
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

static PyObject *
la_lockable_enter(PyObject *object, PyObject *Py_UNUSED(unused))
{
    if (la_lockable_take((la_lockable *)object, LA_NEVER, false) != LA_OK) {
        return NULL;
    }
    Py_RETURN_FALSE;
}

static PyObject *
la_lockable_exit(PyObject *object, PyObject *const *Py_UNUSED(args),
                 Py_ssize_t Py_UNUSED(nargs))
{
    return la_lockable_release(object, NULL);
}

/* Releases a claim if it is this thread's; one of another thread is left to that. */
static void
la_claim_end(la_claim *claim, la_lock_object *lock)
{
    la_thread *thread = la_thread_current;

    if (thread != NULL && la_claim_is_of(claim, thread)) {
        la_release(&claim->hold, thread);
        claim->thread = NULL;
    }
    if (claim->thread == NULL) {
        PyMem_RawFree(claim);
        return;
    }
    if (la_claim_is_nobodys(claim)) {
        claim->next = NULL;
        la_claims_free(claim);
        return;
    }
    claim->lock = Py_NewRef((PyObject *)lock);
    la_mutex_lock(&la_claims_mutex);
    claim->next = atomic_load_explicit(&la_claims_left, memory_order_relaxed);
    atomic_store_explicit(&la_claims_left, claim, memory_order_relaxed);
    la_mutex_unlock(&la_claims_mutex);
}

static void
la_lockable_dealloc(PyObject *object)
{
    la_lockable *self = (la_lockable *)object;
    PyTypeObject *type = Py_TYPE(object);

    if (self->own != NULL) {
        la_claim_end(self->own, self->lock);
    }
    while (self->others != NULL) {
        la_claim *claim = self->others;
        self->others = claim->next;
        la_claim_end(claim, self->lock);
    }
    Py_XDECREF(self->lock);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef la_lockable_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))la_lockable_acquire,
     METH_VARARGS | METH_KEYWORDS,
     "Take the lock; False if it was not free in time (seconds, -1: no limit)."},
    {"release", la_lockable_release, METH_NOARGS, "Give the lock back."},
    {"locked", la_lockable_locked, METH_NOARGS, "Whether this lock object holds the lock."},
    {"__enter__", la_lockable_enter, METH_NOARGS, "Take the lock; returns False."},
    {"__exit__", (PyCFunction)(void (*)(void))la_lockable_exit, METH_FASTCALL,
     "Give the lock back."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot la_lockable_slots[] = {
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
