/*
 * Lockable: one reader's or writer's lock object over a whole RegionLock, with
 * the interface of threading.Lock; lockedarray.lockables has the same in
 * Python, for a RegionLock with somebody else's lock below.
 *
 * Threads may share it. The first has the object's own claim, and others that
 * come meanwhile, to wait or to read beside it, have one each, in a list. A
 * claim is a block by itself: if the object is collected in a thread that does
 * not own the hold, it outlives the object.
 */
#include "binding.h"

typedef enum { LA_LET_GO, LA_TAKING, LA_TAKEN } la_lockable_state;

typedef struct la_claim la_claim;
struct la_claim {
    la_hold hold;
    _Atomic(la_thread *) thread;    /* who took it; relaxed: compared with the one that looks */
    la_claim *next;
};

typedef struct {
    PyObject_HEAD
    la_lock_object *lock;
    la_claim *own;                  /* its thread is set before LA_TAKEN */
    la_claim *others;               /* under the object's critical section; all of them held */
    la_mode mode;
    /*
     * Of its own claim. Acquire when it leaves LA_LET_GO, release when it goes
     * back there: the hold is used by one thread after the other. Release to
     * LA_TAKEN and acquire by who looks: the thread is seen.
     */
    _Atomic(int) state;
} la_lockable;

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

static inline la_thread *
la_claim_thread(la_claim *claim)
{
    return atomic_load_explicit(&claim->thread, memory_order_relaxed);
}

static inline bool
la_claim_is_of(la_claim *claim, la_thread *thread)
{
    return la_claim_thread(claim) == thread && la_hold_is_mine(&claim->hold, thread);
}

/* Frees a claim, released if it is this thread's; false where another thread still has it. */
static bool
la_claim_free(la_claim *claim)
{
    la_thread *thread = la_claim_thread(claim);
    bool held = thread != NULL && la_hold_is_mine(&claim->hold, thread);

    if (held && thread == la_thread_self()) {
        la_release(&claim->hold, thread);
        held = false;
    }
    else if (!held && thread != NULL && thread != la_thread_current) {
        la_thread_await_ends();
    }
    if (!held) {        /* else the end of the thread that has it releases it */
        PyMem_RawFree(claim);
    }
    return !held;
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

/* The claim of this thread among the others; taken out of the list if `take`. */
static la_claim *
la_lockable_find(la_lockable *self, la_thread *thread, bool take)
{
    la_claim *found = NULL;

    Py_BEGIN_CRITICAL_SECTION(self);
    for (la_claim **at = &self->others; *at != NULL; at = &(*at)->next) {
        if (la_claim_is_of(*at, thread)) {
            found = *at;
            if (take) {
                *at = found->next;
            }
            break;
        }
    }
    Py_END_CRITICAL_SECTION();
    return found;
}

/* Does this thread have the object's own claim? */
static inline bool
la_lockable_owns(la_lockable *self, la_thread *thread)
{
    return atomic_load_explicit(&self->state, memory_order_acquire) == LA_TAKEN
           && la_claim_is_of(self->own, thread);
}

static bool
la_lockable_is_taken(la_lockable *self)
{
    bool others;

    Py_BEGIN_CRITICAL_SECTION(self);
    others = self->others != NULL;
    Py_END_CRITICAL_SECTION();
    return others || atomic_load_explicit(&self->state, memory_order_acquire) == LA_TAKEN;
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
    if (status == LA_OK) {
        atomic_store_explicit(&claim->thread, thread, memory_order_relaxed);
    }
    else if (status == LA_DEADLOCK) {
        la_hold_raise(status, self->lock, &claim->hold, &deadlock);
    }
    return status;
}

/* As la_claim_take, while the object's own claim is in use. */
static LA_COLD la_status
la_lockable_take_shared(la_lockable *self, la_thread *thread, int64_t deadline)
{
    if (la_lockable_owns(self, thread) || la_lockable_find(self, thread, false) != NULL) {
        if (deadline != LA_NEVER) {
            return LA_TIMEOUT;      /* nobody else can let it go */
        }
        PyErr_SetString(PyExc_RuntimeError, "this thread holds this lock object already; "
                                            "make another one: it nests");
        return LA_INTERRUPTED;
    }
    la_claim *claim = la_claim_new(self->mode);
    if (claim == NULL) {
        return LA_INTERRUPTED;
    }
    la_status status = la_claim_take(claim, self, thread, deadline);
    if (status != LA_OK) {
        PyMem_RawFree(claim);
        return status;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    claim->next = self->others;
    self->others = claim;
    Py_END_CRITICAL_SECTION();
    return LA_OK;
}

/* As la_claim_take. */
static la_status
la_lockable_take(la_lockable *self, int64_t deadline)
{
    int expected = LA_LET_GO;
    la_thread *thread = la_thread_here();

    if (thread == NULL) {
        return LA_INTERRUPTED;
    }
    if (!atomic_compare_exchange_strong_explicit(&self->state, &expected, LA_TAKING,
                                                 memory_order_acquire,
                                                 memory_order_relaxed)) {
        return la_lockable_take_shared(self, thread, deadline);
    }
    la_status status = la_claim_take(self->own, self, thread, deadline);
    atomic_store_explicit(&self->state, status == LA_OK ? LA_TAKEN : LA_LET_GO,
                          memory_order_release);
    return status;
}

static int
la_lockable_deadline(PyObject *blocking, PyObject *timeout, int64_t *deadline)
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
    *deadline = !blocks ? LA_NOW : seconds < 0 ? LA_NEVER : la_deadline_after(seconds);
    return 0;
}

static PyObject *
la_lockable_acquire(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"blocking", "timeout", NULL};
    PyObject *blocking = NULL, *timeout = NULL;
    int64_t deadline;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:acquire", names, &blocking, &timeout)
            || la_lockable_deadline(blocking, timeout, &deadline) < 0) {
        return NULL;
    }
    la_status status = la_lockable_take((la_lockable *)object, deadline);
    if (status == LA_OK) {
        Py_RETURN_TRUE;
    }
    if (status == LA_TIMEOUT) {
        Py_RETURN_FALSE;
    }
    return NULL;
}

static int
la_lockable_let_go(la_lockable *self)
{
    la_thread *thread = la_thread_here();

    if (thread == NULL) {
        return -1;
    }
    if (LA_LIKELY(la_lockable_owns(self, thread))) {
        la_release(&self->own->hold, thread);
        atomic_store_explicit(&self->state, LA_LET_GO, memory_order_release);
        return 0;
    }
    la_claim *claim = la_lockable_find(self, thread, true);
    if (claim != NULL) {
        la_release(&claim->hold, thread);
        PyMem_RawFree(claim);
        return 0;
    }
    if (atomic_load_explicit(&self->state, memory_order_acquire) == LA_TAKEN
            && la_claim_thread(self->own) == thread) {  /* a thread that is gone had it */
        atomic_store_explicit(&self->state, LA_LET_GO, memory_order_release);
        return 0;
    }
    PyErr_SetString(PyExc_RuntimeError,
                    la_lockable_is_taken(self)
                        ? "a lock is released by the thread that acquired it"
                        : "release unlocked lock");
    return -1;
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
    if (la_lockable_take((la_lockable *)object, LA_NEVER) != LA_OK) {
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

static void
la_lockable_dealloc(PyObject *object)
{
    la_lockable *self = (la_lockable *)object;
    PyTypeObject *type = Py_TYPE(object);
    bool free = self->own == NULL || la_claim_free(self->own);

    while (self->others != NULL) {
        la_claim *claim = self->others;
        self->others = claim->next;
        free = la_claim_free(claim) && free;
    }
    if (free) {         /* else a thread that has a claim needs the lock */
        Py_XDECREF(self->lock);
    }
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
