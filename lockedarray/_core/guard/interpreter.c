/*
 * Threads of the interpreter: waiting, signals, and the end of a thread state.
 */
#include "guard/interpreter.h"

#include "guard/following.h"

#include "guard/observer.h"

#ifdef _WIN32
#include <windows.h>
#define la_sleep_long() Sleep(1000000)
#else
#include <pthread.h>
#include <unistd.h>
#define la_sleep_long() sleep(1000)
#endif

typedef struct {
    PyThreadState *state;
    bool ends_interpreter;      /* this very thread does */
    int64_t since;              /* when it began to wait, if that is observed; else 0 */
} la_away;

static void
la_before_wait(void *context)
{
    la_away *away = context;

    /* No other thread gets to run Python then, and so to wait. */
    away->ends_interpreter = Py_IsFinalizing();
    if (away->since == 0 && la_is_observed()) {
        away->since = la_now();
    }
    away->state = PyEval_SaveThread();
}

/*
 * When the interpreter ends, a daemon thread that comes back ends there and
 * then (before Python 3.14), in the middle of its wait. So it stays away for good,
 * and holds nothing any more: what it was waiting for may have been granted to it by
 * now. (Not the thread that ends the interpreter, whose finalizers may wait as ever,
 * also for what this one had.)
 */
static void
la_stay_away(void *Py_UNUSED(unused))
{
    la_thread_end_holds(la_thread_current);
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

void
la_sleep_detached(la_thread *self)
{
    la_away away = {NULL, false};

    la_before_wait(&away);
    (void)la_park(&self->parker, LA_NEVER);
    la_after_wait(&away);
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
la_interpreter_fork_child(void)
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

/* To be tried again; LA_INTERRUPTED, with an error set; or LA_TIMEOUT if it is behind still. */
static la_status
la_hold_follow(la_lock *lock, int64_t deadline, const la_wait_hooks *hooks)
{
    if (la_between_follow(lock) < 0
            || (hooks->check_interrupt != NULL && hooks->check_interrupt(hooks->context) != 0)) {
        return LA_INTERRUPTED;
    }
    return la_shared_is_behind(lock) && deadline != LA_NEVER && la_now() >= deadline
        ? LA_TIMEOUT : LA_OK;
}

/* Of a lock between processes: takes it where this process has followed what others did. */
static la_status
la_hold_wait_shared(la_lock *lock, la_hold *hold, la_thread *self, int64_t deadline,
                    const la_wait_hooks *hooks, la_deadlock *deadlock)
{
    la_status status;

    for (;;) {
        hold->recovers = la_between_recovers;
        status = la_acquire_slow(lock, hold, self, deadline, hooks, deadlock);
        if (status == LA_POISONED && !la_between_note_poison(hold, self)) {
            continue;
        }
        if (status != LA_OK || !la_shared_is_behind(lock)) {
            return status;
        }
        la_give_back(hold, self);
        status = la_hold_follow(lock, deadline, hooks);
        if (status != LA_OK) {
            return status;
        }
    }
}

/* With the GIL, whoever is in the way may be waiting for just that. */
#ifdef Py_GIL_DISABLED
#define LA_HOLD_SPINS 40        /* as PyMutex has it */
#else
#define LA_HOLD_SPINS 0
#endif

LA_COLD la_status
la_hold_wait(la_lock *lock, la_hold *hold, la_thread *self, int64_t deadline,
             la_deadlock *deadlock)
{
    la_away away = {NULL, false, 0};
    bool is_main = PyThread_get_thread_ident() == la_main_thread;
    la_wait_hooks hooks = {la_before_wait, la_after_wait,
                           is_main ? la_check_interrupt : NULL, &away,
                           LA_HOLD_SPINS};

    la_status status = LA_LIKELY(lock->shared == NULL)
        ? la_acquire_slow(lock, hold, self, deadline, &hooks, deadlock)
        : la_hold_wait_shared(lock, hold, self, deadline, &hooks, deadlock);
    if (away.since != 0) {
        la_observe_waited(lock, hold, away.since);
    }
    return status;
}

bool
la_hold_try(la_lock *lock, la_hold *hold, la_thread *self)
{
    if (!la_try_in_turn(lock, hold, self)) {
        return false;
    }
    if (!LA_LIKELY(lock->shared == NULL) && la_shared_is_behind(lock)) {
        la_give_back(hold, self);       /* who waits for it in turn sees to it */
        return false;
    }
    return true;
}

la_status
la_hold_await_change(la_hold *watch, la_thread *self, int64_t deadline)
{
    la_away away = {NULL, false};
    bool is_main = PyThread_get_thread_ident() == la_main_thread;
    la_wait_hooks hooks = {la_before_wait, la_after_wait,
                           is_main ? la_check_interrupt : NULL, &away};

    return la_change_wait(watch, self, deadline, &hooks);
}

/* Signals are seen to later: this is not to be interrupted. */
static la_status
la_hold_wait_calmly(la_lock *lock, la_hold *hold, la_thread *self, la_deadlock *deadlock)
{
    la_away away = {NULL, false, 0};
    la_wait_hooks hooks = {la_before_wait, la_after_wait, NULL, &away};

    return LA_LIKELY(lock->shared == NULL)
        ? la_acquire(lock, hold, self, LA_NEVER, &hooks, deadlock)
        : la_hold_wait_shared(lock, hold, self, LA_NEVER, &hooks, deadlock);
}

la_status
la_hold_resume(la_suspension *suspension, la_thread *self, la_deadlock *deadlock)
{
    return la_resume(suspension, self, la_hold_wait_calmly, deadlock);
}

/* -- the end of a thread state ------------------------------------------------- */

/*
 * Lives in the dict of a thread's state, and so ends with it: that is before
 * Thread.join() returns, and before the system tells that the thread has ended.
 */
typedef struct {
    PyObject_HEAD
    la_thread *thread;
    uint64_t state;             /* its id */
} la_ending;

LA_THREAD_LOCAL PyObject *la_ending_here;

/* The id of the thread state that ended here last. */
static LA_THREAD_LOCAL uint64_t la_ended_here;

void (*la_state_ends)(la_thread *thread);

static PyTypeObject *la_ending_type;

/*
 * In a forked child, and when the interpreter ends, another thread does this for
 * one that is gone. What that one holds is given back by the fork, or by its own
 * end, which may go on at this moment.
 */
static void
la_ending_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    if (object == la_ending_here) {
        la_ending *self = (la_ending *)object;
        la_ending_here = NULL;
        la_ended_here = self->state;
        la_thread_end_holds(self->thread);
        if (la_state_ends != NULL) {
            la_state_ends(self->thread);
        }
    }
    type->tp_free(object);
    Py_DECREF(type);
}

LA_COLD int
la_ending_watch_slow(void)
{
    la_thread *thread = la_thread_here();
    uint64_t state = PyThreadState_GetID(PyThreadState_Get());

    if (thread != NULL && state == la_ended_here) {
        /* Its dict was cleared, and nobody would clear another one. What a finalizer keeps
           now is given back with the thread, or with its next state. */
        return 0;
    }
    PyObject *dict = thread == NULL ? NULL : PyThreadState_GetDict();       /* borrowed */
    if (dict == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_RuntimeError, "a thread without a state");
        }
        return -1;
    }
    la_ending *ending = (la_ending *)la_ending_type->tp_alloc(la_ending_type, 0);
    if (ending == NULL) {
        return -1;
    }
    ending->thread = thread;
    ending->state = state;
    int result = PyDict_SetItemString(dict, "lockedarray.ending", (PyObject *)ending);
    if (result == 0) {
        la_ending_here = (PyObject *)ending;    /* the dict's */
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

int
la_interpreter_add(PyObject *Py_UNUSED(module))
{
    la_ending_type = (PyTypeObject *)PyType_FromSpec(&la_ending_spec);
    return la_ending_type == NULL ? -1 : la_main_thread_init();
}
