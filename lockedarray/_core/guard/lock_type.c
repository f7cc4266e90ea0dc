/*
 * RegionLock and Holds for Python: the C lock with the GIL let go while a
 * thread waits, and errors raised instead of returned.
 *
 * The holds of a Holds object live in a block of their own. If the object is
 * collected in a thread that does not own them, the block outlives it: the
 * owner's end releases the holds, and the memory is then not given back.
 */
#include "guard/binding.h"

#ifdef _WIN32
#include <windows.h>
#define la_sleep_long() Sleep(1000000)
#else
#include <pthread.h>
#include <unistd.h>
#define la_sleep_long() sleep(1000)
#endif

PyTypeObject *la_lock_type, *la_holds_type;

/* lockedarray._core.lock: words for errors, and locks below. */
static PyObject *la_helpers;

static PyObject *
la_helper(const char *name)
{
    if (la_helpers == NULL) {
        la_helpers = PyImport_ImportModule("lockedarray._core.lock");
        if (la_helpers == NULL) {
            return NULL;
        }
    }
    return PyObject_GetAttrString(la_helpers, name);
}

/* -- waiting ---------------------------------------------------------------- */

typedef struct {
    PyThreadState *state;
    bool ends_interpreter;      /* this very thread does */
} la_away;

static void
la_before_wait(void *context)
{
    la_away *away = context;

    /* No other thread gets to run Python then, and so to wait. */
    away->ends_interpreter = Py_IsFinalizing();
    away->state = PyEval_SaveThread();
}

/*
 * When the interpreter ends, a daemon thread that comes back ends there and
 * then (before Python 3.14). Its hold may have been granted by now and is on
 * its stack: so the thread does not end, but stays away for good. (Not the one
 * that ends the interpreter, whose finalizers may wait as ever.)
 */
static void
la_stay_away(void *Py_UNUSED(unused))
{
    for (;;) {
        la_sleep_long();
    }
}

static void
la_after_wait(void *context)
{
    la_away *away = context;

    if (Py_IsFinalizing() && !away->ends_interpreter) {
        la_stay_away(NULL);
    }
#ifdef _WIN32
    PyEval_RestoreThread(away->state);
#else
    pthread_cleanup_push(la_stay_away, NULL);       /* called where a thread ends */
    PyEval_RestoreThread(away->state);
    pthread_cleanup_pop(0);
#endif
}

/* Signals are for the main thread; the others need not wake up to look for them. */
static unsigned long la_main_thread;

static int
la_check_interrupt(void *Py_UNUSED(context))
{
    return PyErr_CheckSignals();
}

/* After a fork, the thread that is left is the main thread. */
void
la_main_thread_fork_child(void)
{
    la_main_thread = PyThread_get_thread_ident();
}

static int
la_main_thread_init(void)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *thread = threading == NULL ? NULL
        : PyObject_CallMethod(threading, "main_thread", NULL);
    PyObject *ident = thread == NULL ? NULL : PyObject_GetAttrString(thread, "ident");

    if (ident != NULL) {
        la_main_thread = PyLong_AsUnsignedLong(ident);
    }
    Py_XDECREF(ident);
    Py_XDECREF(thread);
    Py_XDECREF(threading);
    return PyErr_Occurred() ? -1 : 0;
}

/* What la_lock_visit shows, to be made into Python objects afterwards. */
#define LA_MOST_SHOWN 1024
typedef struct {
    int count;
    la_hold_info infos[LA_MOST_SHOWN];
} la_shown;

static void
la_show(const la_hold_info *info, void *context)
{
    la_shown *shown = context;
    if (shown->count < LA_MOST_SHOWN) {
        shown->infos[shown->count++] = *info;
    }
}

/* Makes an object of what is shown; NULL without an error leaves it out. */
typedef PyObject *(*la_shown_convert)(const la_hold_info *info, const void *context);

/* A list of what `convert` makes of each region held or waited for. */
static PyObject *
la_shown_list(la_lock *lock, la_shown_convert convert, const void *context)
{
    la_thread *self = la_thread_here();
    la_shown *shown = PyMem_RawMalloc(sizeof(la_shown));
    PyObject *list = PyList_New(0);

    if (self == NULL || shown == NULL || list == NULL || lock == NULL) {
        goto fail;
    }
    shown->count = 0;
    la_lock_visit(lock, self, la_show, shown);
    for (int i = 0; i < shown->count; i++) {
        PyObject *object = convert(&shown->infos[i], context);
        if (object == NULL ? PyErr_Occurred() != NULL : PyList_Append(list, object) < 0) {
            Py_XDECREF(object);
            goto fail;
        }
        Py_XDECREF(object);
    }
    PyMem_RawFree(shown);
    return list;

fail:
    PyMem_RawFree(shown);
    Py_XDECREF(list);
    if (!PyErr_Occurred()) {
        PyErr_NoMemory();
    }
    return NULL;
}

/* The ident of another thread whose hold is in the way of the one given. */
static PyObject *
la_blocker_ident(const la_hold_info *info, const void *context)
{
    bool blocks = false;

    for (const la_hold *part = context; part != NULL; part = part->also) {
        blocks |= (part->mode == LA_WRITE || info->mode == LA_WRITE)
            && la_regions_conflict(&part->region, &info->region);
    }
    if (!blocks || info->waits || info->thread == la_thread_current->ident) {
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(info->thread);
}

void
la_hold_raise(la_status status, la_lock_object *lock, const la_hold *hold,
              const la_deadlock *deadlock)
{
    PyObject *helper, *result = NULL;
    int write = 0;

    for (const la_hold *part = hold; part != NULL; part = part->also) {
        write |= part->mode == LA_WRITE;
    }
    if (status == LA_INTERRUPTED) {
        return;     /* the signal's handler has raised */
    }
    if (status == LA_TIMEOUT) {
        helper = la_helper("raise_timeout");
        if (helper != NULL) {
            PyObject *holders = la_shown_list(lock->lock, la_blocker_ident, hold);
            result = holders == NULL ? NULL
                : PyObject_CallFunction(helper, "OiO", lock, write, holders);
            Py_XDECREF(holders);
        }
    }
    else {
        helper = la_helper("raise_deadlock");
        if (helper != NULL) {
            result = PyObject_CallFunction(
                helper, "OiKKKii", lock, write,
                (unsigned long long)deadlock->blocker,
                (unsigned long long)deadlock->last,
                (unsigned long long)deadlock->waits_for, deadlock->length,
                deadlock->of_one_lock);
        }
    }
    Py_XDECREF(helper);
    Py_XDECREF(result);
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_SystemError, "lockedarray: no error for a lock");
    }
}

LA_COLD la_status
la_hold_wait(la_lock_object *lock, la_hold *hold, la_thread *self, int64_t deadline,
             la_deadlock *deadlock)
{
    la_away away = {NULL, false};
    bool is_main = PyThread_get_thread_ident() == la_main_thread;
    la_wait_hooks hooks = {la_before_wait, la_after_wait,
                           is_main ? la_check_interrupt : NULL, &away};

    return la_acquire_slow(lock->lock, hold, self, deadline, &hooks, deadlock);
}

LA_COLD int
la_hold_acquire_slow(la_lock_object *lock, la_hold *hold, la_thread *self,
                     int64_t deadline)
{
    la_deadlock deadlock = {0};

    la_status status = la_hold_wait(lock, hold, self, deadline, &deadlock);
    if (status == LA_OK) {
        return 0;
    }
    la_hold_raise(status, lock, hold, &deadlock);
    return -1;
}

#define LA_TURNS 4

/*
 * Who holds something overtakes those who wait for the next lock, or there would be
 * waits that the graph does not know; so threads that take the same locks again and
 * again would keep all others from the last one. Hence, a few times, a thread that holds
 * nothing waits for one of its locks in turn, holding no other, and then tries those.
 */
int
la_wanted_acquire(const la_wanted *wanted, int count, la_thread *thread, int64_t deadline)
{
    int turns = count > 1 && !la_thread_holds_any(thread) ? LA_TURNS : 0;
    int next = 0;

    for (int turn = 0; turn < turns; turn++) {
        int tried = 0;
        if (la_hold_acquire(wanted[next].lock, wanted[next].hold, thread, deadline) < 0) {
            return -1;
        }
        while (tried < count && (tried == next
                || la_try_in_turn(wanted[tried].lock->lock, wanted[tried].hold, thread))) {
            tried++;
        }
        if (LA_LIKELY(tried == count)) {
            return 0;
        }
        for (int i = tried - 1; i >= 0; i--) {
            if (i != next) {
                la_release(wanted[i].hold, thread);
            }
        }
        la_release(wanted[next].hold, thread);
        next = tried;
    }
    for (int i = 0; i < count; i++) {
        if (la_hold_acquire(wanted[i].lock, wanted[i].hold, thread, deadline) < 0) {
            while (i-- > 0) {
                la_release(wanted[i].hold, thread);
            }
            return -1;
        }
    }
    return 0;
}

/* -- RegionLock --------------------------------------------------------------- */

static int
la_lock_object_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"serial", "below", NULL};
    la_lock_object *self = (la_lock_object *)object;
    unsigned long long serial;
    PyObject *below = Py_None;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "K|O", names, &serial, &below)) {
        return -1;
    }
    if (self->lock != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a RegionLock is initialized once");
        return -1;
    }
    /* Neighbours in its cache line would slow down every hold. */
    self->block = PyMem_RawMalloc(sizeof(la_lock) + LA_CACHE_LINE);
    if (self->block == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    uintptr_t start = ((uintptr_t)self->block + LA_CACHE_LINE - 1)
                      / LA_CACHE_LINE * LA_CACHE_LINE;
    self->lock = (la_lock *)start;
    la_lock_init(self->lock, serial);
    self->below = below == Py_None ? NULL : Py_NewRef(below);
    return 0;
}

static int
la_lock_object_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((la_lock_object *)object)->below);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static int
la_lock_object_clear(PyObject *object)
{
    Py_CLEAR(((la_lock_object *)object)->below);
    return 0;
}

static void
la_lock_object_dealloc(PyObject *object)
{
    la_lock_object *self = (la_lock_object *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    Py_CLEAR(self->below);
    if (self->lock != NULL) {
        /* Holds and Buffers keep the lock alive: nobody holds it. */
        la_lock_destroy(self->lock);
    }
    PyMem_RawFree(self->block);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
la_lock_object_serial(PyObject *object, void *Py_UNUSED(closure))
{
    la_lock *lock = ((la_lock_object *)object)->lock;
    return PyLong_FromUnsignedLongLong(lock == NULL ? 0 : lock->serial);
}

static PyObject *
la_lock_object_below(PyObject *object, void *Py_UNUSED(closure))
{
    PyObject *below = ((la_lock_object *)object)->below;
    return Py_NewRef(below == NULL ? Py_None : below);
}

static PyObject *
la_offset_or_none(int64_t offset)
{
    if (offset == INT64_MIN || offset == INT64_MAX) {
        Py_RETURN_NONE;
    }
    return PyLong_FromLongLong(offset);
}

static PyObject *
la_entry(const la_hold_info *info, const void *Py_UNUSED(context))
{
    return Py_BuildValue("(KsNNN)", (unsigned long long)info->thread,
                         info->mode == LA_WRITE ? "write" : "read",
                         PyBool_FromLong(info->waits), la_offset_or_none(info->region.low),
                         la_offset_or_none(info->region.high));
}

static PyObject *
la_lock_object_entries(PyObject *object, PyObject *Py_UNUSED(unused))
{
    return la_shown_list(((la_lock_object *)object)->lock, la_entry, NULL);
}

static PyGetSetDef la_lock_object_getset[] = {
    {"serial", la_lock_object_serial, NULL, "Place in the order of all locks.", NULL},
    {"below", la_lock_object_below, NULL, "Somebody else's lock that is taken, too.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef la_lock_object_methods[] = {
    {"entries", la_lock_object_entries, METH_NOARGS,
     "Who holds or waits: (thread ident, mode, waits, low, high) each."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot la_lock_object_slots[] = {
    {Py_tp_init, la_lock_object_init},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, la_lock_object_dealloc},
    {Py_tp_traverse, la_lock_object_traverse},
    {Py_tp_clear, la_lock_object_clear},
    {Py_tp_getset, la_lock_object_getset},
    {Py_tp_methods, la_lock_object_methods},
    {0, NULL},
};

static PyType_Spec la_lock_object_spec = {
    .name = "lockedarray._core._native.RegionLock",
    .basicsize = sizeof(la_lock_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = la_lock_object_slots,
};

/* -- Holds -------------------------------------------------------------------- */

typedef struct {
    la_hold hold;
    la_lock_object *lock;
    PyObject *facade;       /* the region is its; NULL: the whole Buffer */
    Py_ssize_t parts;       /* of the first request for a lock: how many */
    bool held;              /* of the first request for a lock */
    bool below;             /* ... the lock below is taken, too */
} la_request;

typedef struct {
    PyObject_HEAD
    Py_ssize_t count;
    la_request *requests;   /* in lock order; those for one lock side by side */
    la_wanted *wanted;      /* the same, by lock */
    int locks;              /* how many */
    la_thread *thread;      /* who acquired */
} la_holds_object;

static int
la_request_set(la_request *request, PyObject *what, PyObject *write)
{
    int writes = PyObject_IsTrue(write);

    if (writes < 0) {
        return -1;
    }
    if (PyObject_TypeCheck(what, la_lock_type) && ((la_lock_object *)what)->lock != NULL) {
        request->lock = (la_lock_object *)Py_NewRef(what);
    }
    else if (la_is_facade(what) && la_facade_of(what)->buffer != NULL) {
        la_buffer_object *buffer = (la_buffer_object *)la_facade_of(what)->buffer;
        if (buffer->lock == NULL) {
            PyErr_SetString(PyExc_RuntimeError, "a Buffer without a lock");
            return -1;
        }
        request->lock = (la_lock_object *)Py_NewRef(buffer->lock);
        request->facade = Py_NewRef(what);
    }
    else {
        PyErr_Format(PyExc_TypeError, "no lock: %R", what);
        return -1;
    }
    la_hold_init(&request->hold, writes ? LA_WRITE : LA_READ);
    return 0;
}

static int
la_request_compare(const void *a, const void *b)
{
    uint64_t x = ((const la_request *)a)->lock->lock->serial;
    uint64_t y = ((const la_request *)b)->lock->lock->serial;
    bool a_writes = ((const la_request *)a)->hold.mode == LA_WRITE;
    bool b_writes = ((const la_request *)b)->hold.mode == LA_WRITE;
    /* Writes first: the first stands for what the thread waits for. */
    return x != y ? (x > y) - (x < y) : (int)b_writes - (int)a_writes;
}

/* Sorts the requests by lock, and chains those for one lock. */
static void
la_holds_order(la_holds_object *self)
{
    if (self->count > 1) {
        qsort(self->requests, (size_t)self->count, sizeof(la_request),
              la_request_compare);
    }
    for (Py_ssize_t i = 0; i < self->count;) {
        la_request *first = &self->requests[i];
        first->parts = 1;
        for (i++; i < self->count && self->requests[i].lock == first->lock; i++) {
            la_hold_chain(&first->hold, &self->requests[i].hold);
            first->parts++;
        }
        self->wanted[self->locks++] = (la_wanted){first->lock, &first->hold};
    }
}

static PyObject *
la_holds_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *given;

    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "Holds() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O", &given)) {
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
    Py_ssize_t count = PySequence_Fast_GET_SIZE(requests);
    self->requests = PyMem_RawCalloc((size_t)count + 1, sizeof(la_request));
    self->wanted = PyMem_RawCalloc((size_t)count + 1, sizeof(la_wanted));
    if (self->requests == NULL || self->wanted == NULL) {
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
    la_holds_order(self);
    self->thread = la_thread_here();
    if (self->thread == NULL) {
        goto fail;
    }
    Py_DECREF(requests);
    return (PyObject *)self;

fail:
    Py_DECREF(requests);
    Py_XDECREF(self);
    return NULL;
}

/* The regions of all requests for one lock, as the facades are now. */
static void
la_request_set_regions(la_request *first)
{
    for (la_request *request = first; request < first + first->parts; request++) {
        PyObject *facade = request->facade;
        if (facade == NULL) {
            la_region_set_whole(&request->hold.region);
        }
        else {
            la_facade_region(facade, (la_buffer_object *)la_facade_of(facade)->buffer,
                             &request->hold.region);
        }
    }
}

/* Is what was locked still what the facades show? Only a resize changes it. */
static bool
la_request_is_current(const la_request *first)
{
    for (const la_request *request = first; request < first + first->parts; request++) {
        la_region now;
        if (request->facade == NULL) {
            continue;
        }
        la_facade_region(request->facade,
                         (la_buffer_object *)la_facade_of(request->facade)->buffer, &now);
        if (!la_region_equal(&now, &request->hold.region)) {
            return false;
        }
    }
    return true;
}

static bool
la_request_writes(const la_request *first)
{
    bool writes = false;
    for (const la_request *request = first; request < first + first->parts; request++) {
        writes |= request->hold.mode == LA_WRITE;
    }
    return writes;
}

/* Calls a method of the lock below for this request; a new reference or NULL. */
static PyObject *
la_request_call_below(la_request *first, const char *method)
{
    return PyObject_CallMethod(first->lock->below, method, "KO",
                               (unsigned long long)(uintptr_t)first,
                               la_request_writes(first) ? Py_True : Py_False);
}

/*
 * Tells the lock below that the request is over: it wants that done, whatever strikes.
 * So an exception out of it, Ctrl-C or its owner's, comes out in the end (Ctrl-C before
 * another one); but first it is told again, which does nothing where it was done.
 */
static void
la_request_tell_below(la_request *first, const char *method)
{
    PyObject *type, *value, *traceback, *new_type, *new_value, *new_traceback;

    if (first->lock->below == NULL) {       /* garbage, of which the collector cleared the lock first */
        return;
    }
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *result = la_request_call_below(first, method);
    if (result == NULL) {
        PyErr_Fetch(&new_type, &new_value, &new_traceback);
        result = la_request_call_below(first, method);
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
la_request_take_below(la_request *first)
{
    PyObject *result = la_request_call_below(first, "take");
    if (result == NULL) {
        return -1;
    }
    int taken = PyObject_IsTrue(result);
    Py_DECREF(result);
    first->below = taken > 0;
    return taken;
}

/* Lets others' code get on with the lock below, for a moment; no longer than until the deadline. */
static int
la_request_pause_below(la_request *first, int64_t deadline)
{
    double left = deadline == LA_NEVER ? 1.0
        : deadline == LA_NOW ? 0.0 : (double)(deadline - la_now()) / 1e9;

    if (!(left > 0)) {
        la_hold_raise(LA_TIMEOUT, first->lock, &first->hold, NULL);
        return -1;
    }
    PyObject *result = PyObject_CallMethod(first->lock->below, "pause", "d", left);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static int
la_request_acquire(la_request *first, la_thread *thread, int64_t deadline)
{
    int taken;

    for (;;) {
        la_request_set_regions(first);
        if (la_hold_acquire(first->lock, &first->hold, thread, deadline) < 0) {
            taken = -1;
            break;
        }
        if (la_request_is_current(first)) {
            taken = first->lock->below == NULL ? 1 : la_request_take_below(first);
            if (taken > 0) {
                first->held = true;
                return 0;
            }
        }
        else {
            taken = 1;      /* try again at once */
        }
        /* Nobody waits for others' code with our lock in hand: that code may ask for it. */
        la_release(&first->hold, thread);
        if (taken < 0 || (taken == 0 && la_request_pause_below(first, deadline) < 0)) {
            taken = -1;
            break;
        }
    }
    if (first->lock->below != NULL) {
        la_request_tell_below(first, "give_up");
    }
    return taken;
}

/* Is anything held? Not if the thread that held it ended, or is not in this process. */
static bool
la_holds_any(la_holds_object *self)
{
    for (Py_ssize_t i = 0; i < self->count; i++) {
        la_request *request = &self->requests[i];
        if (request->held && la_hold_is_mine(&request->hold, self->thread)) {
            return true;
        }
    }
    return false;
}

/* Releases what is held, the last taken first; others' code may set an error. */
static void
la_holds_release_all(la_holds_object *self)
{
    la_thread *thread = self->thread;

    for (Py_ssize_t i = self->count - 1; i >= 0; i--) {
        la_request *request = &self->requests[i];
        if (!request->held) {
            continue;
        }
        bool below = request->below;
        request->held = request->below = false;
        if (!la_hold_is_mine(&request->hold, thread)) {
            continue;   /* the thread that took it ended, and its record may serve another */
        }
        if (below) {
            la_request_tell_below(request, "give_back");
        }
        la_release(&request->hold, thread);
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

/* Takes all requests, of locks that have none below: 0, or -1 and nothing is held. */
static int
la_holds_acquire_own(la_holds_object *self, int64_t deadline)
{
    bool current;

    do {
        current = true;
        for (Py_ssize_t i = 0; i < self->count; i += self->requests[i].parts) {
            la_request_set_regions(&self->requests[i]);
        }
        if (la_wanted_acquire(self->wanted, self->locks, self->thread, deadline) < 0) {
            return -1;
        }
        for (Py_ssize_t i = 0; i < self->count; i += self->requests[i].parts) {
            self->requests[i].held = true;
            current = current && la_request_is_current(&self->requests[i]);
        }
        if (!current) {         /* a resize came in between */
            la_holds_release_all(self);
        }
    } while (!current);
    return 0;
}

/* The same, where others' locks are below some; they are taken in order. */
static int
la_holds_acquire_with_below(la_holds_object *self, int64_t deadline)
{
    for (Py_ssize_t i = 0; i < self->count; i += self->requests[i].parts) {
        if (la_request_acquire(&self->requests[i], self->thread, deadline) < 0) {
            la_holds_release_all(self);
            return -1;
        }
    }
    return 0;
}

static PyObject *
la_holds_acquire(PyObject *object, PyObject *const *args, Py_ssize_t nargs)
{
    la_holds_object *self = (la_holds_object *)object;
    int64_t deadline;

    if (nargs > 1) {
        PyErr_SetString(PyExc_TypeError, "acquire() takes a timeout");
        return NULL;
    }
    if (la_deadline_of(nargs == 1 ? args[0] : NULL, &deadline) < 0) {
        return NULL;
    }
    self->thread = la_thread_here();
    if (self->thread == NULL) {
        return NULL;
    }
    bool below = false;
    for (Py_ssize_t i = 0; i < self->count; i++) {
        below = below || self->requests[i].lock->below != NULL;
        if (self->requests[i].held) {
            PyErr_SetString(PyExc_RuntimeError, "these holds are held already");
            return NULL;
        }
    }
    if ((below ? la_holds_acquire_with_below(self, deadline)
               : la_holds_acquire_own(self, deadline)) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
la_holds_release(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_holds_object *self = (la_holds_object *)object;
    la_thread *thread = la_thread_here();

    if (thread == NULL) {
        return NULL;
    }
    if (thread != self->thread && la_holds_any(self)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "a lock is released by the thread that acquired it");
        return NULL;
    }
    la_holds_release_all(self);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Where nobody can be told of an error; none is set. */
static void
la_holds_release_quietly(la_holds_object *self)
{
    la_holds_release_all(self);
    if (PyErr_Occurred()) {
        PyErr_WriteUnraisable((PyObject *)la_holds_type);
    }
}

void
la_holds_let_go(PyObject *object)
{
    if (PyObject_TypeCheck(object, la_holds_type)
            && ((la_holds_object *)object)->thread == la_thread_self()) {
        la_holds_release_quietly((la_holds_object *)object);
    }
}

static PyObject *
la_holds_mine(PyObject *object, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(((la_holds_object *)object)->thread == la_thread_self());
}

static PyObject *
la_holds_held(PyObject *object, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(la_holds_any((la_holds_object *)object));
}

/* An array may refer to the guard that holds it. */
static int
la_holds_traverse(PyObject *object, visitproc visit, void *arg)
{
    la_holds_object *self = (la_holds_object *)object;

    for (Py_ssize_t i = 0; i < self->count; i++) {
        Py_VISIT(self->requests[i].facade);
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
    if (self->thread != NULL && self->thread == la_thread_self() && la_holds_any(self)) {
        PyObject *error, *value, *traceback;
        PyErr_Fetch(&error, &value, &traceback);
        la_holds_release_quietly(self);
        PyErr_Restore(error, value, traceback);
    }
    if (!la_holds_any(self)) {
        if (self->thread != NULL && self->thread != la_thread_current) {
            la_thread_await_ends();
        }
        for (Py_ssize_t i = 0; i < self->count; i++) {
            Py_XDECREF(self->requests[i].facade);
            Py_XDECREF(self->requests[i].lock);
        }
        PyMem_RawFree(self->requests);
    }
    PyMem_RawFree(self->wanted);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef la_holds_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))la_holds_acquire, METH_FASTCALL,
     "Take every lock, within a timeout (seconds, None: for ever), or raise and hold none."},
    {"release", la_holds_release, METH_NOARGS, "Release what is held."},
    {"held_by_this_thread", la_holds_mine, METH_NOARGS,
     "Whether the calling thread is the one that took the holds."},
    {"held", la_holds_held, METH_NOARGS, "Whether a thread has the holds, and has not ended."},
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
la_lock_type_add(PyObject *module)
{
    la_lock_type = (PyTypeObject *)PyType_FromSpec(&la_lock_object_spec);
    la_holds_type = (PyTypeObject *)PyType_FromSpec(&la_holds_spec);
    if (la_lock_type == NULL || la_holds_type == NULL) {
        return -1;
    }
    if (la_main_thread_init() < 0 || PyModule_AddType(module, la_lock_type) < 0) {
        return -1;
    }
    return PyModule_AddType(module, la_holds_type);
}
