/*
 * GuardBase: read() and write() of one LockedArray, held without a word of
 * Python. Whatever is special about the array (operand.h says what is), and
 * every guard of several arrays, is for the general versions.
 *
 * The hold of a guard lies in memory of the thread that acquired it, in a list
 * of that thread's: a `la_held`. A guard that is collected in another thread
 * leaves it behind, and the owner gives it back when it next acquires, or ends.
 *
 * A resize and a freeze have to find the raw views of guards. They hold the
 * whole Buffer for writing, so all the guards they meet are of their own thread:
 * the one list serves for that, too.
 *
 * The mutex: a guard is collected in one thread, while the end of another thread
 * looks at it. It guards la_held.guard, and the guard behind it, against that; no
 * Python runs and no lock is taken while it is held. Operations of the owner
 * itself, made with a reference to the guard, need it not.
 */
#include <math.h>
#include <stddef.h>

#include "guard/guard.h"
#include "array/operand.h"

struct la_held {
    la_hold hold;
    la_held *next, *previous;   /* of the thread's; or of its pool, by next */
    la_buffer_object *buffer;   /* to be compared only */
    la_guard *guard;            /* under the mutex; NULL: it was collected */
    PyObject *lock;             /* a reference, if the guard was collected */
};

/*
 * What a thread holds, the newest first, and who gives it back when the thread
 * ends: it lives in the dict of the thread's state, and so ends with it.
 */
typedef struct {
    PyObject_HEAD
    la_held *first;
} la_ending;

/* Of the calling thread; NULL until it first acquires. Blocks for more to hold. */
static LA_THREAD_LOCAL la_ending *la_ending_here;
static LA_THREAD_LOCAL la_held *la_held_pool;

static la_mutex la_guard_mutex;
static PyTypeObject *la_ending_type;
PyTypeObject *la_guard_type;

void
la_guard_forget_whole(la_guard *part)
{
    la_mutex_lock(&la_guard_mutex);
    part->whole = NULL;
    la_mutex_unlock(&la_guard_mutex);
}

/* In a forked child: others may have had the mutex. */
void
la_guard_fork_child(void)
{
    la_mutex_init(&la_guard_mutex);
}

/* -- what a thread holds ------------------------------------------------------ */

static la_held *
la_held_new(void)
{
    la_held *held = la_held_pool;

    if (LA_LIKELY(held != NULL)) {
        la_held_pool = held->next;
        return held;
    }
    return PyMem_RawMalloc(sizeof(la_held));
}

static void
la_held_free(la_held *held)
{
    held->next = la_held_pool;
    la_held_pool = held;
}

static void
la_held_link(la_held *held, la_guard *guard, la_buffer_object *buffer)
{
    la_ending *ending = la_ending_here;

    held->guard = guard;
    held->buffer = buffer;
    held->lock = NULL;
    held->previous = NULL;
    held->next = ending->first;
    if (held->next != NULL) {
        held->next->previous = held;
    }
    ending->first = held;
}

static void
la_held_unlink(la_held *held, la_ending *ending)
{
    if (held->next != NULL) {
        held->next->previous = held->previous;
    }
    if (held->previous != NULL) {
        held->previous->next = held->next;
    }
    else {
        ending->first = held->next;
    }
}

/* The next one that a collected guard left to its thread, or NULL. */
static la_held *
la_held_left(void)
{
    la_held *held = la_ending_here->first;

    la_mutex_lock(&la_guard_mutex);
    while (held != NULL && held->guard != NULL) {
        held = held->next;
    }
    la_mutex_unlock(&la_guard_mutex);
    return held;
}

/* Gives back what collected guards left to their thread. */
static LA_COLD void
la_held_reap(la_thread *thread)
{
    la_held *held;

    while ((held = la_held_left()) != NULL) {
        PyObject *lock = held->lock;
        la_held_unlink(held, la_ending_here);
        la_release(&held->hold, thread);
        la_held_free(held);
        Py_DECREF(lock);        /* may run Python, and so change the list */
    }
}

/* -- raw views ----------------------------------------------------------------- */

/*
 * A raw view that a guard gave out is used again, once nobody else refers to
 * it: its facade keeps the last two. Two, as `with x.write() as r` in a loop
 * has the last one still in `r` when it acquires again.
 */

/* The facade is locked: but readers may be here side by side, without a GIL. */
static inline PyObject *
la_former_exchange(_Atomic(PyObject *) *slot, PyObject *object)
{
#ifdef Py_GIL_DISABLED
    /* Acquire and release: the array that is handed over is seen as it is. */
    return atomic_exchange_explicit(slot, object, memory_order_acq_rel);
#else
    PyObject *old = atomic_load_explicit(slot, memory_order_relaxed);
    atomic_store_explicit(slot, object, memory_order_relaxed);
    return old;
#endif
}

/* Has whoever had it left it as it was? Arrays can be given another shape, or state. */
static bool
la_former_shows(PyObject *raw, const PyArrayObject_fields *shown)
{
    const PyArrayObject_fields *array = la_fields(raw);

    if (array->data != shown->data || array->nd != shown->nd || array->descr != shown->descr
            || array->base != shown->base || array->weakreflist != NULL
            || ((array->flags ^ shown->flags) & ~NPY_ARRAY_WRITEABLE) != 0) {
        return false;
    }
    for (int i = 0; i < array->nd; i++) {
        if (array->dimensions[i] != shown->dimensions[i]
                || array->strides[i] != shown->strides[i]) {
            return false;
        }
    }
    return true;
}

static void
la_raw_set_writeable(PyObject *raw, bool writeable)
{
    if (writeable) {
        la_fields(raw)->flags |= NPY_ARRAY_WRITEABLE;
    }
    else {
        la_fields(raw)->flags &= ~NPY_ARRAY_WRITEABLE;
    }
}

/* A new reference to a raw view for a guard: one that nobody else has. */
static PyObject *
la_guard_raw_new(PyObject *facade, bool writes)
{
    la_facade *fields = la_facade_of(facade);

    for (int i = LA_FORMER - 1; i >= 0; i--) {      /* the oldest first */
        /* Relaxed: a hint; the exchange hands it over. */
        if (atomic_load_explicit(&fields->former[i], memory_order_relaxed) == NULL) {
            continue;
        }
        PyObject *raw = la_former_exchange(&fields->former[i], NULL);
        if (raw == NULL) {
            continue;
        }
        if (la_is_unique(raw) && la_former_shows(raw, la_fields(facade))) {
            la_raw_set_writeable(raw, writes);
            return raw;
        }
        Py_XDECREF(la_former_exchange(&fields->former[i], raw));
    }
    return la_raw_make(facade, writes ? LA_WRITE : LA_READ);
}

/* Keeps a raw view for later; what is to be let go for it. Steals. */
static PyObject *
la_guard_raw_keep(PyObject *facade, PyObject *raw)
{
    la_facade *fields = la_facade_of(facade);

    for (int i = 0; i < LA_FORMER && raw != NULL; i++) {
        raw = la_former_exchange(&fields->former[i], raw);
    }
    return raw;
}

/* -- the end of a thread ------------------------------------------------------- */

/* Frees the guard, if there is one still. Returns a reference to the lock. */
static PyObject *
la_held_end_guard(la_held *held)
{
    PyObject *lock = held->lock;

    la_mutex_lock(&la_guard_mutex);
    la_guard *guard = held->guard;
    if (guard != NULL) {
        /* Its raw view stays with it, read-only, until it is used again. (It may have
           none where a fork struck another thread in the middle of a release.) */
        if (guard->raw != NULL) {
            la_raw_set_writeable(guard->raw, false);
        }
        lock = Py_NewRef(((la_buffer_object *)la_facade_of(guard->facade)->buffer)->lock);
        held->guard = NULL;
        guard->held = NULL;
        /* First the whole: once its last part is free, it may be gone. */
        if (guard->whole != NULL) {
            int parts = LA_GUARD_PARTS;
            atomic_compare_exchange_strong_explicit(&guard->whole->state, &parts,
                LA_GUARD_FREE, memory_order_release, memory_order_relaxed);
        }
        la_guard_set_state(guard, LA_GUARD_FREE);
    }
    la_mutex_unlock(&la_guard_mutex);
    return lock;
}

/*
 * In a forked child, and when the interpreter ends, another thread does this for
 * one that is gone. What that one holds is given back by the fork, or by its own
 * end, which may go on at this moment: so the memory and the lock stay.
 */
static void
la_ending_dealloc(PyObject *object)
{
    la_ending *self = (la_ending *)object;
    PyTypeObject *type = Py_TYPE(object);
    bool is_own = self == la_ending_here;
    la_held *held;

    while ((held = self->first) != NULL) {
        PyObject *lock = la_held_end_guard(held);
        la_held_unlink(held, self);
        if (is_own) {
            if (la_thread_current != NULL && la_hold_is_mine(&held->hold, la_thread_current)) {
                la_release(&held->hold, la_thread_current);
            }
            PyMem_RawFree(held);
            Py_DECREF(lock);
        }
    }
    if (is_own) {
        la_ending_here = NULL;
        while ((held = la_held_pool) != NULL) {
            la_held_pool = held->next;
            PyMem_RawFree(held);
        }
    }
    type->tp_free(object);
    Py_DECREF(type);
}

static LA_COLD int
la_held_watch(void)
{
    PyObject *dict = PyThreadState_GetDict();      /* borrowed */
    if (dict == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a thread without a state");
        return -1;
    }
    la_ending *ending = (la_ending *)la_ending_type->tp_alloc(la_ending_type, 0);
    if (ending == NULL) {
        return -1;
    }
    int result = PyDict_SetItemString(dict, "lockedarray.guards", (PyObject *)ending);
    if (result == 0) {
        la_ending_here = ending;        /* the dict's */
    }
    Py_DECREF(ending);
    return result;
}

static PyType_Slot la_ending_slots[] = {
    {Py_tp_dealloc, la_ending_dealloc},
    {0, NULL},
};

static PyType_Spec la_ending_spec = {
    .name = "lockedarray._core._native.Ending",
    .basicsize = sizeof(la_ending),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = la_ending_slots,
};

/* -- acquire and release --------------------------------------------------------- */

/* Locks the facade, as it is now: 0, LA_GENERAL or -1. Not to wait: LA_GENERAL. */
static int
la_guard_lock(la_guard *self, la_hold *hold, la_thread *thread, bool waits)
{
    la_lock_object *lock = la_facade_lock(self->facade);

    if (lock == NULL) {
        return LA_GENERAL;
    }
    la_facade *facade = la_facade_of(self->facade);
    la_buffer_object *buffer = (la_buffer_object *)facade->buffer;
    int64_t deadline = self->timeout < 0 ? LA_NEVER : la_deadline_after(self->timeout);
    for (;;) {
        la_region now;
        if (la_is_frozen(buffer) || (self->writes && !facade->may_write)) {
            return LA_GENERAL;
        }
        la_facade_region(self->facade, buffer, &hold->region);
        la_hold_init(hold, self->writes ? LA_WRITE : LA_READ);
        if (!waits) {
            if (!la_try_in_turn(lock->lock, hold, thread)) {
                return LA_GENERAL;
            }
        }
        else if (la_hold_acquire(lock, hold, thread, deadline) < 0) {
            return -1;
        }
        la_facade_region(self->facade, buffer, &now);
        if (LA_LIKELY(la_region_equal(&now, &hold->region)
                      && !la_is_frozen(buffer) && (!self->writes || facade->may_write))) {
            return 0;
        }
        la_release(hold, thread);       /* a resize or a freeze came in between */
    }
}

int
la_guard_take(la_guard *self, bool waits)
{
    la_thread *thread = la_thread_here();

    if (thread == NULL || (la_ending_here == NULL && la_held_watch() < 0)) {
        return -1;
    }
    if (la_ending_here->first != NULL) {
        la_held_reap(thread);
    }
    la_held *held = la_held_new();
    if (held == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int result = la_guard_lock(self, &held->hold, thread, waits);
    if (result != 0) {
        la_held_free(held);
        return result;
    }
    PyObject *old = self->raw;      /* what a thread ended with is there still */
    self->raw = la_guard_raw_new(self->facade, self->writes);
    if (self->raw == NULL) {
        la_release(&held->hold, thread);
        la_held_free(held);
        Py_XDECREF(old);
        return -1;
    }
    self->held = held;
    atomic_store_explicit(&self->thread, thread, memory_order_relaxed);
    la_held_link(held, self, (la_buffer_object *)la_facade_of(self->facade)->buffer);
    Py_XDECREF(old);                /* may run Python, and so resize */
    return 0;
}

/* -- the general version ------------------------------------------------------- */

/* An attribute of a guard's own, which no Python runs to get; NULL if it is not set. */
static PyObject *
la_guard_slot(la_guard *self, PyObject *name)
{
    PyObject *value = PyObject_GetAttr((PyObject *)self, name);

    if (value == NULL) {
        PyErr_Clear();
    }
    return value;
}

/*
 * Sees to it that the calling thread holds nothing by the general version of
 * this guard, which then is free. Python can be struck anywhere by Ctrl-C, or
 * be too deep to call anything: what is left here is left to C.
 */
static void
la_guard_clean_up(la_guard *self)
{
    PyObject *type, *value, *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    PyObject *holds = la_guard_slot(self, la_names.holds);
    PyObject *raws = la_guard_slot(self, la_names.raws);
    if (raws != NULL && PyList_Check(raws)) {
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(raws); i++) {
            la_raw_set_writeable(PyTuple_GET_ITEM(PyList_GET_ITEM(raws, i), 1), false);
        }
    }
    if (holds != NULL) {
        la_holds_let_go(holds);
    }
    la_guard_set_state(self, LA_GUARD_FREE);
    Py_XDECREF(holds);
    Py_XDECREF(raws);
    PyErr_Restore(type, value, traceback);
}

/* Gives back what the general version took, as far as it came; 0, or -1 with an error. */
static int
la_guard_give_back(la_guard *self)
{
    PyObject *holds = la_guard_slot(self, la_names.holds);
    int result = 0;

    if (holds != NULL) {        /* else it had not begun */
        PyObject *done = PyObject_CallMethodNoArgs((PyObject *)self, la_names.give_back);
        result = done == NULL ? -1 : 0;
        Py_XDECREF(done);
        Py_DECREF(holds);
    }
    la_guard_clean_up(self);
    return result;
}

/* The same where nobody can be told of an error. */
static void
la_guard_end(la_guard *self)
{
    PyObject *type, *value, *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    if (la_guard_give_back(self) < 0) {
        if (PyErr_ExceptionMatches(PyExc_RuntimeError)) {
            PyErr_Clear();      /* another thread's: the locks are left to it */
        }
        else {
            PyErr_WriteUnraisable((PyObject *)self);
        }
    }
    PyErr_Restore(type, value, traceback);
}

/* Acquires, the state being TAKING. */
static PyObject *
la_guard_acquire_general(la_guard *self)
{
    la_thread *thread = la_thread_here();

    if (thread != NULL && la_ending_here != NULL && la_ending_here->first != NULL) {
        la_held_reap(thread);
    }
    PyObject *yielded = thread == NULL ? NULL
        : PyObject_CallMethodNoArgs((PyObject *)self, la_names.general_acquire);

    if (yielded == NULL) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        if (la_guard_give_back(self) == 0) {
            PyErr_Restore(type, value, traceback);
        }
        else {      /* a newer one, such as Ctrl-C */
            Py_XDECREF(type);
            Py_XDECREF(value);
            Py_XDECREF(traceback);
        }
        return NULL;
    }
    atomic_store_explicit(&self->thread, thread, memory_order_relaxed);
    la_guard_set_state(self, LA_GUARD_GENERAL);
    return yielded;
}

static PyObject *
la_guard_release_general(la_guard *self)
{
    PyObject *result = PyObject_CallMethodNoArgs((PyObject *)self, la_names.general_release);

    la_guard_clean_up(self);
    return result;
}

/* -- acquire and release by whoever calls ------------------------------------------ */

static PyObject *
la_guard_acquire(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_guard *self = (la_guard *)object;

    if (!la_guard_change(self, LA_GUARD_FREE, LA_GUARD_TAKING)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this guard is held already; make another one: x.write() nests");
        return NULL;
    }
    int result = self->facade != NULL ? la_guard_take(self, true)
        : self->parts != NULL ? la_several_take(self) : LA_GENERAL;
    if (LA_LIKELY(result == 0 && self->facade != NULL)) {
        PyObject *raw = Py_NewRef(self->raw);
        la_guard_set_state(self, LA_GUARD_HELD);
        return raw;
    }
    if (result == 0) {
        PyObject *yielded = la_several_yield(self);
        if (yielded != NULL) {
            la_guard_set_state(self, LA_GUARD_PARTS);
            return yielded;
        }
        la_several_part_with(self);
        result = -1;
    }
    if (result == LA_GENERAL) {
        return la_guard_acquire_general(self);
    }
    la_guard_set_state(self, LA_GUARD_FREE);
    return NULL;
}

void
la_guard_let_go(la_guard *self, la_thread *thread)
{
    la_held *held = self->held;
    PyObject *raw = self->raw;

    la_raw_set_writeable(raw, false);
    self->held = NULL;
    self->raw = NULL;
    la_held_unlink(held, la_ending_here);
    if (la_fields(raw)->weakreflist == NULL) {      /* else it is not used again */
        raw = la_guard_raw_keep(self->facade, raw);     /* locked still */
    }
    la_release(&held->hold, thread);
    la_held_free(held);
    la_guard_set_state(self, LA_GUARD_FREE);
    Py_XDECREF(raw);
}

/*
 * A record of a thread that is gone may serve the calling one (and after a fork
 * its list is gone with it): then the hold has no owner.
 */
bool
la_guard_is_mine(la_guard *self)
{
    return la_guard_is_by_this_thread(self)
           && la_hold_is_mine(&self->held->hold, la_thread_current);
}

static PyObject *
la_guard_release(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_guard *self = (la_guard *)object;
    int state = la_guard_get_state(self);

    if (LA_LIKELY(state == LA_GUARD_HELD && la_guard_is_mine(self))) {
        la_guard_let_go(self, la_thread_current);
        Py_RETURN_NONE;
    }
    if (state == LA_GUARD_PARTS && la_several_is_mine(self)) {
        la_several_part_with(self);
        la_guard_set_state(self, LA_GUARD_FREE);
        Py_RETURN_NONE;
    }
    if (state == LA_GUARD_GENERAL && la_guard_is_by_this_thread(self)) {
        return la_guard_release_general(self);
    }
    PyErr_SetString(PyExc_RuntimeError, state >= LA_GUARD_GENERAL
        ? "a guard is released by the thread that acquired it"
        : "this guard is not held: it was released already, or never acquired");
    return NULL;
}

static PyObject *
la_guard_exit(PyObject *object, PyObject *const *Py_UNUSED(exception),
              Py_ssize_t Py_UNUSED(count))
{
    return la_guard_release(object, NULL);
}

/* -- the life of a guard ---------------------------------------------------------- */

/* Another thread holds by a guard that is at its end: it is left to that one. */
static LA_COLD void
la_guard_leave_behind(la_guard *self)
{
    la_mutex_lock(&la_guard_mutex);
    /* Acquire: pairs with the end of the thread, which may have been faster. */
    if (la_guard_get_state(self) == LA_GUARD_HELD) {
        la_raw_set_writeable(self->raw, false);
        self->held->lock = Py_NewRef(
            ((la_buffer_object *)la_facade_of(self->facade)->buffer)->lock);
        self->held->guard = NULL;
        self->held = NULL;
        la_guard_set_state(self, LA_GUARD_FREE);
    }
    la_mutex_unlock(&la_guard_mutex);
}

void
la_guard_part_with(la_guard *self)
{
    if (la_guard_get_state(self) != LA_GUARD_HELD) {
        return;
    }
    if (la_guard_is_mine(self)) {
        la_guard_let_go(self, la_thread_current);
    }
    else {
        la_guard_leave_behind(self);
    }
}

static void
la_guard_finalize(PyObject *object)
{
    la_guard *self = (la_guard *)object;

    if (la_guard_get_state(self) == LA_GUARD_GENERAL) {
        la_guard_end(self);
    }
    else if (self->parts == NULL) {
        la_guard_part_with(self);
    }
    /* Whatever the state is: the end of its thread may be half-way through the parts. */
    if (self->parts != NULL) {
        la_several_part_with(self);
        la_guard_set_state(self, LA_GUARD_FREE);
    }
}

static void
la_guard_dealloc(PyObject *object)
{
    la_guard *self = (la_guard *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    /* One that a finalizer of others brought back, and that was acquired again. */
    if (la_guard_get_state(self) >= LA_GUARD_PARTS) {
        la_guard_finalize(object);
    }
    if (self->parts != NULL) {
        la_several_forget(self);
        Py_CLEAR(self->parts);
    }
    Py_CLEAR(self->given_write);
    Py_CLEAR(self->given_read);
    Py_CLEAR(self->raw);
    Py_CLEAR(self->facade);
    type->tp_free(object);
    Py_DECREF(type);
}

static int
la_guard_traverse(PyObject *object, visitproc visit, void *arg)
{
    la_guard *self = (la_guard *)object;

    Py_VISIT(self->facade);     /* whose attributes may refer to it */
    Py_VISIT(self->parts);
    Py_VISIT(self->given_write);
    Py_VISIT(self->given_read);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static PyObject *
la_guard_get_held(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(la_guard_get_state((la_guard *)object) >= LA_GUARD_GENERAL);
}

static PyObject *
la_guard_with_timeout(la_guard *self, PyObject *first, PyObject *second)
{
    PyObject *timeout = self->timeout < 0 ? Py_NewRef(Py_None)
                                          : PyFloat_FromDouble(self->timeout);
    PyObject *all = timeout == NULL ? NULL : PyTuple_Pack(3, first, second, timeout);

    Py_XDECREF(timeout);
    return all;
}

/* (array, writes, timeout) of a guard of one array; None for any other. */
static PyObject *
la_guard_get_one(PyObject *object, void *Py_UNUSED(closure))
{
    la_guard *self = (la_guard *)object;

    if (self->facade == NULL) {
        Py_RETURN_NONE;
    }
    return la_guard_with_timeout(self, self->facade, self->writes ? Py_True : Py_False);
}

/* (write, read, timeout), as acquire() was given them; None for any other guard. */
static PyObject *
la_guard_get_several(PyObject *object, void *Py_UNUSED(closure))
{
    la_guard *self = (la_guard *)object;

    if (self->parts == NULL) {
        Py_RETURN_NONE;
    }
    return la_guard_with_timeout(self, self->given_write, self->given_read);
}

static PyObject *
la_guard_end_method(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_guard *self = (la_guard *)object;

    if (la_guard_get_state(self) == LA_GUARD_GENERAL) {
        la_guard_end(self);
    }
    Py_RETURN_NONE;
}

static PyMethodDef la_guard_methods[] = {
    {"acquire", la_guard_acquire, METH_NOARGS,
     "acquire($self, /)\n--\n\n"
     "Take the locks and return the raw views.\n\n"
     "Writers get the write lock and writable plain ndarrays, readers the read lock and\n"
     "read-only ones; of arrays with an object dtype readers, too, hold the write lock, if\n"
     "``objects='exclusive'``.\n\n"
     "Raises\n"
     "------\n"
     "LockTimeout\n"
     "    The guard's timeout (seconds) is over.\n"
     "DeadlockError\n"
     "    To wait would close a cycle of threads that wait for each other.\n"
     "ValueError\n"
     "    An array to be written is frozen, or a view that NumPy made read-only.\n"
     "RuntimeError\n"
     "    This guard is held already, or another thread is acquiring it."},
    {"release", la_guard_release, METH_NOARGS,
     "release($self, /)\n--\n\n"
     "Give the locks back; from now on the raw views are read-only.\n\n"
     "Raises\n"
     "------\n"
     "RuntimeError\n"
     "    The guard is not held, or was acquired by another thread."},
    {"__enter__", la_guard_acquire, METH_NOARGS, "Acquire."},
    {"__exit__", (PyCFunction)(void (*)(void))la_guard_exit, METH_FASTCALL, "Release."},
    {"_end", la_guard_end_method, METH_NOARGS,
     "Release, if the general version holds, whose thread has ended."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "Guard[T] yields a T."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef la_guard_getset[] = {
    {"held", la_guard_get_held, NULL, "Whether the guard holds its locks.", NULL},
    {"_one", la_guard_get_one, NULL, NULL, NULL},
    {"_several", la_guard_get_several, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef la_guard_members[] = {
    {"__weaklistoffset__", LA_T_PYSSIZET, offsetof(la_guard, weakrefs), LA_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot la_guard_slots[] = {
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, la_guard_dealloc},
    {Py_tp_finalize, la_guard_finalize},
    {Py_tp_traverse, la_guard_traverse},
    {Py_tp_methods, la_guard_methods},
    {Py_tp_getset, la_guard_getset},
    {Py_tp_members, la_guard_members},
    {0, NULL},
};

static PyType_Spec la_guard_spec = {
    .name = "lockedarray._core._native.GuardBase",
    .basicsize = sizeof(la_guard),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = la_guard_slots,
};

double
la_guard_timeout(PyObject *given)
{
    double seconds = -2;

    if (given == Py_None) {
        return -1;
    }
    if (PyFloat_CheckExact(given)) {
        seconds = PyFloat_AS_DOUBLE(given);
    }
    else if (PyLong_CheckExact(given)) {
        seconds = PyLong_AsDouble(given);
        if (seconds == -1 && PyErr_Occurred()) {
            PyErr_Clear();
        }
    }
    return isfinite(seconds) && seconds >= 0 ? seconds : -2;
}

PyObject *
la_guard_new(PyObject *facade, bool writes, double timeout)
{
    la_guard *self = (la_guard *)la_above.guard->tp_alloc(la_above.guard, 0);

    if (self != NULL) {
        self->facade = Py_NewRef(facade);
        self->writes = writes;
        self->timeout = timeout;
    }
    return (PyObject *)self;
}

/* -- what a resize has to know ------------------------------------------------------ */

PyObject *
la_buffer_guarded(PyObject *buffer, PyObject *Py_UNUSED(unused))
{
    /* To make a list may collect garbage, and so take and release guards; to append may not. */
    PyObject *list = PyList_New(0);
    la_held *held = la_ending_here == NULL ? NULL : la_ending_here->first;

    for (; list != NULL && held != NULL; held = held->next) {
        PyObject *raw = NULL;
        if (held->buffer != (la_buffer_object *)buffer) {
            continue;
        }
        la_mutex_lock(&la_guard_mutex);
        if (held->guard != NULL) {
            raw = Py_NewRef(held->guard->raw);
        }
        la_mutex_unlock(&la_guard_mutex);
        if (raw != NULL && PyList_Append(list, raw) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(raw);
    }
    return list;
}

int
la_guard_add(PyObject *module)
{
    la_guard_type = (PyTypeObject *)PyType_FromSpec(&la_guard_spec);
    la_ending_type = (PyTypeObject *)PyType_FromSpec(&la_ending_spec);
    if (la_guard_type == NULL || la_ending_type == NULL) {
        return -1;
    }
    return PyModule_AddType(module, la_guard_type);
}
