/*
 * GuardBase: guards of one array and of several, held without a word of Python.
 * Whatever is special about an array is for the general versions in Python.
 *
 * A guard keeps a hold for each lock, and a raw view for each array. It gives both
 * back when it is released, and when nobody refers to it any more, in whatever
 * thread. The end of the thread that acquired gives the holds back without touching
 * the guard, and makes the raw views read-only (by la_on_hold_end, which is in
 * array/raw.c: the hold knows its raw view). The guard finds that out by itself.
 *
 * The state says who may touch the other fields:
 *
 *   LA_GUARD_FREE       nobody, but by changing the state
 *   LA_GUARD_BUSY       the thread that acquires, or gives back
 *   LA_GUARD_GENERAL    the Python class above
 *   LA_GUARD_HELD       the thread that acquired, while its holds are held;
 *                       after them anybody may change the state to FREE
 */
#include "guard/guard.h"

#include <math.h>
#include <stddef.h>

#include "guard/changes.h"
#include "guard/guarded.h"
#include "guard/holds.h"
#include "guard/refusal.h"
#include "guard/task.h"

typedef enum {
    LA_GUARD_FREE,
    LA_GUARD_BUSY,
    LA_GUARD_GENERAL,
    LA_GUARD_HELD,
} la_guard_state;

typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    double timeout;             /* in seconds; negative: none */
    /*
     * Acquire where HELD or FREE is read, release where they are stored: who
     * sees one of them sees the fields that go with it.
     */
    _Atomic(uint64_t) word;     /* the state, and above it how often it has changed */
    _Atomic(la_owner *) owner;  /* who acquired; relaxed, since only compared */
    la_guarded guarded;         /* no arrays: the general version knows them */
    /* Of several: what acquire() was given, an array, a tuple of them, or None. */
    PyObject *given_write, *given_read;
    PyObject *when;             /* a predicate that is to be true, or NULL */
} la_guard;

static PyTypeObject *la_guard_type, *la_guard_class;

static struct {
    PyObject *general_acquire, *general_acquire_now, *general_release, *give_back;
    PyObject *holds, *raws;     /* what a general guard took, and yields */
} la_guard_names;

#define LA_GUARD_STATES 4

static inline int
la_guard_state_in(uint64_t word)
{
    return (int)(word % LA_GUARD_STATES);
}

static inline uint64_t
la_guard_next_word(uint64_t word, int state)
{
    return word - word % LA_GUARD_STATES + LA_GUARD_STATES + (unsigned)state;
}

/*
 * From what was seen to another state, if nobody has changed anything since: a guard
 * that is held again is not the one that was seen.
 */
static inline bool
la_guard_change(la_guard *self, uint64_t seen, int state)
{
#ifdef Py_GIL_DISABLED
    return atomic_compare_exchange_strong_explicit(
        &self->word, &seen, la_guard_next_word(seen, state),
        memory_order_acquire, memory_order_relaxed);
#else
    if (atomic_load_explicit(&self->word, memory_order_relaxed) != seen) {
        return false;
    }
    atomic_store_explicit(&self->word, la_guard_next_word(seen, state), memory_order_relaxed);
    return true;
#endif
}

/* By the only one who may, at this moment. */
static inline void
la_guard_set_state(la_guard *self, int state)
{
    uint64_t word = atomic_load_explicit(&self->word, memory_order_relaxed);
    atomic_store_explicit(&self->word, la_guard_next_word(word, state), memory_order_release);
}

/* One whose thread has ended is free. */
static inline uint64_t
la_guard_look(la_guard *self)
{
    uint64_t word = atomic_load_explicit(&self->word, memory_order_acquire);

    /* If somebody takes it meanwhile, what is_held says means nothing, and the word is another. */
    while (la_guard_state_in(word) == LA_GUARD_HELD && !la_guarded_is_held(&self->guarded)) {
        la_guard_change(self, word, LA_GUARD_FREE);
        word = atomic_load_explicit(&self->word, memory_order_acquire);
    }
    return word;
}

/* Has the calling thread the owner that acquired as its current one? */
static inline bool
la_guard_is_by_this_owner(la_guard *self)
{
    return la_thread_current != NULL
           && atomic_load_explicit(&self->owner, memory_order_relaxed)
              == la_thread_owner(la_thread_current);
}

/* The words for somebody else who releases: another task of the thread, as a rule. */
static const char *
la_guard_whose(la_guard *self)
{
    la_owner *owner = atomic_load_explicit(&self->owner, memory_order_relaxed);
    bool is_task = owner != NULL && la_owner_subject(owner) != 0;

    return is_task ? "only the task that acquired a guard can release it"
                   : "only the thread that acquired a guard can release it";
}

/* Releases what the current owner of this thread holds by it, the state being BUSY. */
static void
la_guard_let_go(la_guard *self, la_thread *thread)
{
    PyObject *dropped = la_guarded_release(&self->guarded, thread);

    la_guard_set_state(self, LA_GUARD_FREE);
    Py_XDECREF(dropped);        /* may run Python, and so acquire this guard */
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
    PyObject *holds = la_guard_slot(self, la_guard_names.holds);
    PyObject *raws = la_guard_slot(self, la_guard_names.raws);
    if (raws != NULL && PyList_Check(raws)) {
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(raws); i++) {
            la_arrays.raw_end(PyTuple_GET_ITEM(PyList_GET_ITEM(raws, i), 1));
        }
    }
    if (holds != NULL) {
        la_holds_give_back(holds);
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
    PyObject *holds = la_guard_slot(self, la_guard_names.holds);
    int result = 0;

    if (holds != NULL) {        /* else it had not begun */
        PyObject *done = PyObject_CallMethodNoArgs((PyObject *)self, la_guard_names.give_back);
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
        PyErr_WriteUnraisable((PyObject *)self);
    }
    PyErr_Restore(type, value, traceback);
}

/* Acquires, the state being BUSY; without waiting if that is to be `now`. */
static PyObject *
la_guard_acquire_general(la_guard *self, bool now)
{
    la_thread *thread = la_thread_here();
    PyObject *yielded = NULL;

    if (PyObject_GC_IsFinalized((PyObject *)self)) {
        /* The interpreter finalizes an object once, and its end comes too late to run Python. */
        PyErr_SetString(PyExc_RuntimeError,
                        "this guard was garbage, and cannot be acquired again; make another one");
        la_guard_set_state(self, LA_GUARD_FREE);
        return NULL;
    }
    if (thread != NULL) {
        yielded = PyObject_CallMethodNoArgs(
            (PyObject *)self, now ? la_guard_names.general_acquire_now
                                  : la_guard_names.general_acquire);
    }

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
    atomic_store_explicit(&self->owner, la_thread_owner(thread), memory_order_relaxed);
    la_guard_set_state(self, LA_GUARD_GENERAL);
    return yielded;
}

static PyObject *
la_guard_release_general(la_guard *self)
{
    PyObject *result = PyObject_CallMethodNoArgs((PyObject *)self, la_guard_names.general_release);

    la_guard_clean_up(self);
    return result;
}

/* -- acquire and release by whoever calls ------------------------------------------ */

/* The raw view of the next array, or a tuple of as many as were given. */
static PyObject *
la_guard_yield_given(la_guard *self, PyObject *given, int *next)
{
    if (!PyTuple_Check(given)) {
        return Py_NewRef(self->guarded.arrays[(*next)++].raw);
    }
    PyObject *raws = PyTuple_New(PyTuple_GET_SIZE(given));
    for (Py_ssize_t i = 0; raws != NULL && i < PyTuple_GET_SIZE(given); i++) {
        PyTuple_SET_ITEM(raws, i, Py_NewRef(self->guarded.arrays[(*next)++].raw));
    }
    return raws;
}

static PyObject *
la_guard_yield_several(la_guard *self)
{
    int next = 0;

    if (self->given_read == Py_None) {
        return la_guard_yield_given(self, self->given_write, &next);
    }
    if (self->given_write == Py_None) {
        return la_guard_yield_given(self, self->given_read, &next);
    }
    PyObject *write = la_guard_yield_given(self, self->given_write, &next);
    PyObject *read = write == NULL ? NULL : la_guard_yield_given(self, self->given_read, &next);
    PyObject *both = read == NULL ? NULL : PyTuple_Pack(2, write, read);
    Py_XDECREF(write);
    Py_XDECREF(read);
    return both;
}

/* What the guard, which is taken, yields; NULL with an error. */
static inline PyObject *
la_guard_yield(la_guard *self)
{
    return LA_LIKELY(self->given_write == NULL) ? Py_NewRef(self->guarded.arrays[0].raw)
        : la_guard_yield_several(self);
}

/*
 * While the predicate is asked, what is held is that of an operation: nobody grows or moves in it
 * what it is shown.
 */
static void
la_guard_begin_asking(la_guard *self)
{
    for (int i = 0; i < self->guarded.locks; i++) {
        la_hold *hold = self->guarded.kept[i].hold;
        hold->in_operation = 1;
        la_hold_owner(hold)->operations++;
    }
}

static void
la_guard_end_asking(la_guard *self)
{
    for (int i = 0; i < self->guarded.locks; i++) {
        la_hold *hold = self->guarded.kept[i].hold;
        if (la_guarded_has(&self->guarded, i)) {        /* it may have forked */
            hold->in_operation = 0;
            la_hold_owner(hold)->operations--;
        }
    }
}

/* Is it true of what the guard, which is taken, will yield, and may that be yielded? Else -1. */
static int
la_guard_asks(la_guard *self)
{
    la_guarded_show(&self->guarded);
    PyObject *yielded = la_guard_yield(self);
    la_guard_begin_asking(self);
    PyObject *answer = yielded == NULL ? NULL : PyObject_CallOneArg(self->when, yielded);
    int is_true = answer == NULL ? -1 : PyObject_IsTrue(answer);
    la_guard_end_asking(self);

    Py_XDECREF(answer);
    Py_XDECREF(yielded);
    return is_true >= 0 && la_task_follow() < 0 ? -1 : is_true;
}

static double
la_guard_left(int64_t deadline)
{
    int64_t now = deadline == LA_NEVER ? 0 : la_now();

    return deadline == LA_NEVER ? -1 : now >= deadline ? 0 : (double)(deadline - now) / 1e9;
}

/*
 * Takes the locks when the predicate is true under them: 0, LA_GENERAL or -1. While it is false
 * nothing is held, and what the guard wants is watched from before it was given back.
 */
static LA_COLD int
la_guard_take_when(la_guard *self, la_thread *thread, double timeout)
{
    int64_t deadline = timeout < 0 ? LA_NEVER : la_deadline_after(timeout);
    double left = timeout;
    int changed = 1;

    for (;;) {
        int result = la_task_follow() < 0 ? -1 : la_guarded_take(&self->guarded, thread, left);
        if (result != 0) {
            return result;
        }
        int is_true = la_guard_asks(self);
        if (is_true >= 0 && !la_guarded_has_all(&self->guarded)) {
            la_guarded_give_back(&self->guarded, thread);
            PyErr_SetString(PyExc_RuntimeError,
                            "the predicate has forked, and its locks are the parent's");
            return -1;
        }
        if (is_true > 0 && LA_LIKELY(la_guarded_lend_again(&self->guarded))) {
            return 0;
        }
        if (is_true != 0 || left == 0 || !changed) {
            la_guarded_give_back(&self->guarded, thread);
            if (is_true == 0) {
                la_refusal_raise_not_true(self->guarded.arrays[0].array, timeout);
            }
            /* Of what the predicate has frozen, or resized, the general version knows more. */
            return is_true > 0 ? LA_GENERAL : -1;
        }
        PyObject *change = la_guarded_watch(&self->guarded, thread);
        changed = change == NULL ? -1 : la_change_await(change, deadline);
        Py_XDECREF(change);
        if (changed < 0) {
            return -1;
        }
        left = la_guard_left(deadline);
    }
}

/* Takes the locks: 0, LA_GENERAL or -1. */
static inline int
la_guard_take(la_guard *self, la_thread *thread, double timeout, bool now)
{
    if (self->guarded.count == 0) {
        return LA_GENERAL;
    }
    if (LA_LIKELY(self->when == NULL)) {
        return la_guarded_take(&self->guarded, thread, timeout);
    }
    return now ? LA_GENERAL : la_guard_take_when(self, thread, timeout);
}

static LA_ALWAYS_INLINE PyObject *
la_guard_acquire_within(la_guard *self, double timeout, bool now)
{
    if (la_task_follow() < 0) {
        return NULL;
    }
    uint64_t word = la_guard_look(self);

    if (la_guard_state_in(word) != LA_GUARD_FREE
            || !la_guard_change(self, word, LA_GUARD_BUSY)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this guard is held already; make another one, such as x.write()");
        return NULL;
    }
    la_thread *thread = la_thread_here();
    int result = thread == NULL ? -1 : la_guard_take(self, thread, timeout, now);
    if (LA_LIKELY(result == 0)) {
        PyObject *yielded = la_guard_yield(self);
        if (LA_LIKELY(yielded != NULL)) {
            atomic_store_explicit(&self->owner, la_thread_owner(thread), memory_order_relaxed);
            la_guard_set_state(self, LA_GUARD_HELD);
            return yielded;
        }
        la_guard_let_go(self, thread);
        return NULL;
    }
    if (result == LA_GENERAL) {
        return la_guard_acquire_general(self, now);
    }
    la_guard_set_state(self, LA_GUARD_FREE);
    return NULL;
}

static PyObject *
la_guard_acquire(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_guard *self = (la_guard *)object;

    return la_guard_acquire_within(self, self->timeout, false);
}

static PyObject *
la_guard_acquire_now(PyObject *object, PyObject *Py_UNUSED(unused))
{
    return la_guard_acquire_within((la_guard *)object, 0, true);
}

static PyObject *
la_guard_release(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_guard *self = (la_guard *)object;
    /* Once for each task it runs Python, which can fail; that is no reason to keep a lock. */
    if (la_task_follow() < 0) {
        PyErr_WriteUnraisable(object);
    }
    uint64_t word = la_guard_look(self);
    int state = la_guard_state_in(word);

    if (LA_LIKELY(state >= LA_GUARD_GENERAL && la_guard_is_by_this_owner(self)
                  && (state == LA_GUARD_GENERAL || !la_guarded_is_suspended(&self->guarded))
                  && la_guard_change(self, word, LA_GUARD_BUSY))) {
        if (LA_LIKELY(state == LA_GUARD_HELD)) {
            la_guard_let_go(self, la_thread_current);
            Py_RETURN_NONE;
        }
        return la_guard_release_general(self);
    }
    PyErr_SetString(PyExc_RuntimeError,
        state >= LA_GUARD_GENERAL && la_guard_is_by_this_owner(self)
        ? "this guard's thread waits for a condition, and has let go of it meanwhile"
        : state >= LA_GUARD_GENERAL
        ? la_guard_whose(self)
        : "this guard is not held: it was released already, or never acquired");
    return NULL;
}

/* Whatever it holds, by whatever thread: it is at its end. */
static void
la_guard_finalize(PyObject *object)
{
    la_guard *self = (la_guard *)object;
    uint64_t word = la_guard_look(self);
    int state = la_guard_state_in(word);

    if (state < LA_GUARD_GENERAL || !la_guard_change(self, word, LA_GUARD_BUSY)) {
        return;         /* nobody's, or somebody else gives it back at this moment */
    }
    if (state == LA_GUARD_GENERAL) {
        la_guard_end(self);
    }
    else {
        la_guarded_abandon(&self->guarded);
        la_guard_set_state(self, LA_GUARD_FREE);
    }
}

/*
 * A generator that is closed, or collected, in another thread than the one that went
 * into the block leaves it there: nobody will come back to it. If that thread has ended, the
 * guard is free already, and its owner may be this thread's now.
 */
static PyObject *
la_guard_exit(PyObject *object, PyObject *const *exception, Py_ssize_t count)
{
    la_guard *self = (la_guard *)object;

    if (count > 0 && exception[0] != Py_None && la_task_follow() < 0) {
        PyErr_WriteUnraisable(object);
    }
    /* One whose thread has ended is nobody's; and its record may be this thread's by now. */
    if (count > 0 && exception[0] != Py_None
            && (!la_guard_is_by_this_owner(self)
                || la_guard_state_in(la_guard_look(self)) < LA_GUARD_GENERAL)
            && PyErr_GivenExceptionMatches(exception[0], PyExc_GeneratorExit)) {
        la_guard_finalize(object);
        Py_RETURN_NONE;
    }
    return la_guard_release(object, NULL);
}

/* -- the life of a guard ---------------------------------------------------------- */

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
    la_guard_finalize(object);
    la_guarded_clear(&self->guarded);
    Py_CLEAR(self->given_write);
    Py_CLEAR(self->given_read);
    Py_CLEAR(self->when);
    type->tp_free(object);
    Py_DECREF(type);
}

static int
la_guard_traverse(PyObject *object, visitproc visit, void *arg)
{
    la_guard *self = (la_guard *)object;

    Py_VISIT(self->given_write);
    Py_VISIT(self->given_read);
    Py_VISIT(self->when);
    Py_VISIT(Py_TYPE(object));
    return la_guarded_traverse(&self->guarded, visit, arg);
}

static PyObject *
la_guard_get_held(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(la_guard_state_in(la_guard_look((la_guard *)object))
                           >= LA_GUARD_GENERAL);
}

static PyObject *
la_guard_with_terms(la_guard *self, PyObject *first, PyObject *second)
{
    PyObject *timeout = self->timeout < 0 ? Py_NewRef(Py_None)
                                          : PyFloat_FromDouble(self->timeout);
    PyObject *when = self->when == NULL ? Py_None : self->when;
    PyObject *all = timeout == NULL ? NULL : PyTuple_Pack(4, first, second, timeout, when);

    Py_XDECREF(timeout);
    return all;
}

/* (array, writes, timeout, when) of a guard of one array; None for any other. */
static PyObject *
la_guard_get_one(PyObject *object, void *Py_UNUSED(closure))
{
    la_guard *self = (la_guard *)object;

    la_guarded_array *first = self->guarded.arrays;

    if (self->guarded.count == 0 || self->given_write != NULL) {
        Py_RETURN_NONE;
    }
    return la_guard_with_terms(self, first->array,
                               first->mode == LA_WRITE ? Py_True : Py_False);
}

/* (write, read, timeout, when), as acquire() was given them; None for any other guard. */
static PyObject *
la_guard_get_several(PyObject *object, void *Py_UNUSED(closure))
{
    la_guard *self = (la_guard *)object;

    if (self->given_write == NULL) {
        Py_RETURN_NONE;
    }
    return la_guard_with_terms(self, self->given_write, self->given_read);
}

static PyObject *
la_guard_end_method(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_guard *self = (la_guard *)object;
    uint64_t word = la_guard_look(self);

    if (la_guard_state_in(word) == LA_GUARD_GENERAL
            && la_guard_change(self, word, LA_GUARD_BUSY)) {
        la_guard_end(self);
    }
    Py_RETURN_NONE;
}

static PyMethodDef la_guard_methods[] = {
    {"acquire", la_guard_acquire, METH_NOARGS,
     "acquire($self, /)\n--\n\n"
     "Take the locks, and return the raw views; a ``with`` block does so when it begins.\n\n"
     "Arrays of Python objects are held with the write lock for reading, too, unless they were\n"
     "made with ``objects='shared'``.\n\n"
     "Returns\n"
     "-------\n"
     "ndarray or tuple\n"
     "    The raw views, as `LockedArray.read`, `LockedArray.write` or `acquire` say.\n\n"
     "Raises\n"
     "------\n"
     "LockTimeout\n"
     "    The locks were not free, or ``when`` was not true, within the guard's timeout.\n"
     "DeadlockError\n"
     "    Threads would wait for each other in a circle, this one among them.\n"
     "ValueError\n"
     "    An array that is to be written is frozen, or is a view that NumPy made read-only.\n"
     "RuntimeError\n"
     "    The guard is held already, or another thread is acquiring it.\n\n"
     "Examples\n"
     "--------\n"
     ">>> import lockedarray as la\n"
     ">>> x = la.zeros(2)\n"
     ">>> guard = x.write(timeout=1)\n"
     ">>> raw = guard.acquire()\n"
     ">>> raw[0] = 1\n"
     ">>> guard.release()"},
    {"release", la_guard_release, METH_NOARGS,
     "release($self, /)\n--\n\n"
     "Give the locks back; a ``with`` block does so at its end.\n\n"
     "From now on the raw views are read-only.\n\n"
     "Raises\n"
     "------\n"
     "RuntimeError\n"
     "    The guard is not held, or another thread has acquired it."},
    {"_acquire_now", la_guard_acquire_now, METH_NOARGS,
     "As acquire, with a timeout of 0 whatever it has."},
    {"__enter__", la_guard_acquire, METH_NOARGS, "Acquire."},
    {"__exit__", (PyCFunction)(void (*)(void))la_guard_exit, METH_FASTCALL, "Release."},
    {"_end", la_guard_end_method, METH_NOARGS,
     "Release, if the general version holds, whose thread has ended."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "Guard[T] yields a T."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef la_guard_getset[] = {
    {"held", la_guard_get_held, NULL, "Whether the guard holds its locks now: a bool.", NULL},
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

/* -- making one ------------------------------------------------------------------ */

PyObject *
la_guard_new(PyObject *array, bool writes, double timeout, PyObject *when)
{
    la_guard *self = (la_guard *)la_guard_class->tp_alloc(la_guard_class, 0);

    if (self != NULL) {
        la_guarded_init_one(&self->guarded, array, writes ? LA_WRITE : LA_READ);
        self->timeout = timeout;
        self->when = Py_XNewRef(when);
    }
    return (PyObject *)self;
}

/* How many arrays; -1 if the general version is to look at it. */
static Py_ssize_t
la_guard_count_given(PyObject *given)
{
    if (given == Py_None) {
        return 0;
    }
    if (la_arrays.is_array(given)) {
        return 1;
    }
    if (!PyTuple_CheckExact(given)) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(given); i++) {
        if (!la_arrays.is_array(PyTuple_GET_ITEM(given, i))) {
            return -1;
        }
    }
    return PyTuple_GET_SIZE(given);
}

static void
la_guard_add_given(la_guard *self, PyObject *given, Py_ssize_t count, la_mode mode)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        la_guarded_add(&self->guarded,
                       PyTuple_Check(given) ? PyTuple_GET_ITEM(given, i) : given, mode);
    }
}

bool
la_guard_knows(PyObject *when)
{
    return when == Py_None || PyCallable_Check(when);
}

/* What acquire(write, read, timeout, when) returns; None if the general version is to look at it. */
static PyObject *
la_guard_of_several(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 4) {
        PyErr_SetString(PyExc_TypeError, "guard_of_several() takes write, read, timeout and when");
        return NULL;
    }
    PyObject *when = args[3] == Py_None ? NULL : args[3];
    double timeout = la_guard_timeout(args[2]);
    Py_ssize_t writers = la_guard_count_given(args[0]), readers = la_guard_count_given(args[1]);
    if (timeout == -2 || !la_guard_knows(args[3]) || writers < 0 || readers < 0 || writers + readers == 0
            || writers + readers > INT_MAX) {
        Py_RETURN_NONE;
    }
    if (args[1] == Py_None && la_arrays.is_array(args[0])) {
        return la_guard_new(args[0], true, timeout, when);
    }
    if (args[0] == Py_None && la_arrays.is_array(args[1])) {
        return la_guard_new(args[1], false, timeout, when);
    }
    la_guard *self = (la_guard *)la_guard_class->tp_alloc(la_guard_class, 0);
    if (self == NULL) {
        return NULL;
    }
    self->timeout = timeout;
    self->when = Py_XNewRef(when);
    self->given_write = Py_NewRef(args[0]);
    self->given_read = Py_NewRef(args[1]);
    if (la_guarded_init_several(&self->guarded, (size_t)(writers + readers)) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    la_guard_add_given(self, args[0], writers, LA_WRITE);
    la_guard_add_given(self, args[1], readers, LA_READ);
    return (PyObject *)self;
}

static PyMethodDef la_guard_functions[] = {
    {"guard_of_several", (PyCFunction)(void (*)(void))la_guard_of_several, METH_FASTCALL,
     "What acquire(write, read, timeout, when) returns, or None if the core does not know them all."},
    {NULL, NULL, 0, NULL},
};

static int
la_guard_names_init(void)
{
    la_guard_names.general_acquire = PyUnicode_InternFromString("_general_acquire");
    la_guard_names.general_acquire_now = PyUnicode_InternFromString("_general_acquire_now");
    la_guard_names.general_release = PyUnicode_InternFromString("_general_release");
    la_guard_names.give_back = PyUnicode_InternFromString("_give_back");
    la_guard_names.holds = PyUnicode_InternFromString("_holds");
    la_guard_names.raws = PyUnicode_InternFromString("_raws");
    return PyErr_Occurred() ? -1 : 0;
}

void
la_guard_connect(PyTypeObject *cls)
{
    la_guard_class = (PyTypeObject *)Py_NewRef((PyObject *)cls);
}

int
la_guard_add(PyObject *module)
{
    la_guard_type = (PyTypeObject *)PyType_FromSpec(&la_guard_spec);
    if (la_guard_type == NULL || la_guard_names_init() < 0
            || PyModule_AddFunctions(module, la_guard_functions) < 0) {
        return -1;
    }
    return PyModule_AddType(module, la_guard_type);
}
