/*
 * Lockable: one reader's or writer's lock object over a whole RegionLock, with
 * the interface of threading.Lock; lockedarray.lockables has the same in
 * Python, for a RegionLock with somebody else's lock below.
 *
 * The hold lives in a block of its own. If the object is collected in a thread
 * that does not own the hold, the block outlives it.
 */
#include "binding.h"

typedef enum { LA_LET_GO, LA_TAKING, LA_TAKEN } la_lockable_state;

typedef struct {
    PyObject_HEAD
    la_lock_object *lock;
    la_hold *hold;
    la_thread *thread;              /* who took it; set before LA_TAKEN */
    /*
     * Acquire when it leaves LA_LET_GO, release when it goes back there: the
     * hold is used by one thread after the other. Release to LA_TAKEN and
     * acquire by who looks: `thread` is seen.
     */
    _Atomic(int) state;
} la_lockable;

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
    self->hold = PyMem_RawCalloc(1, sizeof(la_hold));
    if (self->hold == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    la_hold_init(self->hold, write ? LA_WRITE : LA_READ);
    la_region_set_whole(&self->hold->region);
    self->lock = (la_lock_object *)Py_NewRef(lock);
    return (PyObject *)self;
}

/* LA_OK, LA_TIMEOUT with nothing raised, or another status with what it means raised. */
static la_status
la_lockable_take(la_lockable *self, int64_t deadline)
{
    la_deadlock deadlock = {0};
    int expected = LA_LET_GO;
    la_thread *thread = la_thread_here();

    if (thread == NULL) {
        return LA_INTERRUPTED;
    }
    if (!atomic_compare_exchange_strong_explicit(&self->state, &expected, LA_TAKING,
                                                 memory_order_acquire,
                                                 memory_order_relaxed)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this lock object is held already; make another one: it nests");
        return LA_INTERRUPTED;
    }
    la_status status = LA_OK;
    if (!LA_LIKELY(la_lock_claim(self->lock->lock, self->hold, thread))) {
        status = la_hold_wait(self->lock, self->hold, thread, deadline, &deadlock);
    }
    if (status == LA_OK) {
        self->thread = thread;
    }
    atomic_store_explicit(&self->state, status == LA_OK ? LA_TAKEN : LA_LET_GO,
                          memory_order_release);
    if (status == LA_DEADLOCK) {
        la_hold_raise(status, self->lock, self->hold, &deadlock);
    }
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
    if (atomic_load_explicit(&self->state, memory_order_acquire) != LA_TAKEN) {
        PyErr_SetString(PyExc_RuntimeError, "release unlocked lock");
        return -1;
    }
    if (self->thread != thread) {
        PyErr_SetString(PyExc_RuntimeError,
                        "a lock is released by the thread that acquired it");
        return -1;
    }
    if (la_hold_is_mine(self->hold, thread)) {      /* else the thread that had it is gone */
        la_release(self->hold, thread);
    }
    atomic_store_explicit(&self->state, LA_LET_GO, memory_order_release);
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
    la_lockable *self = (la_lockable *)object;
    return PyBool_FromLong(atomic_load_explicit(&self->state, memory_order_acquire)
                           == LA_TAKEN);
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
    bool held = self->hold != NULL && self->thread != NULL
                && la_hold_is_mine(self->hold, self->thread);

    if (held && self->thread == la_thread_self()) {
        la_release(self->hold, self->thread);
        held = false;
    }
    else if (!held && self->thread != NULL && self->thread != la_thread_current) {
        la_thread_await_ends();
    }
    if (!held) {        /* else the end of the thread that has it releases it */
        PyMem_RawFree(self->hold);
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
