/*
 * Guarded: taking, giving back and leaving the locks and the raw views of a guard.
 */
#include "guard/guarded.h"

/* -- which arrays --------------------------------------------------------------- */

int
la_guarded_init_several(la_guarded *self, size_t count)
{
    self->arrays = PyMem_Calloc(count, sizeof(la_guarded_array));
    self->wanted = PyMem_Calloc(count, sizeof(la_wanted));
    self->kept = PyMem_Calloc(count, sizeof(la_kept));
    if (self->arrays == NULL || self->wanted == NULL || self->kept == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

void
la_guarded_clear(la_guarded *self)
{
    for (int i = 0; i < self->count; i++) {
        Py_CLEAR(self->arrays[i].raw);
        Py_CLEAR(self->arrays[i].array);
    }
    self->count = 0;
    if (self->arrays != &self->one_array) {
        PyMem_Free(self->arrays);
        PyMem_Free(self->wanted);
        PyMem_Free(self->kept);
    }
}

int
la_guarded_traverse(const la_guarded *self, visitproc visit, void *arg)
{
    for (int i = 0; i < self->count; i++) {
        Py_VISIT(self->arrays[i].array);    /* whose attributes may refer to the guard */
    }
    return 0;
}

/* -- their locks ---------------------------------------------------------------- */

/* Holds for all arrays, as they are now: 0, LA_GENERAL or -1. */
static int
la_guarded_want(la_guarded *self, la_thread *thread)
{
    for (int i = 0; i < self->count; i++) {
        la_guarded_array *guarded = &self->arrays[i];
        la_hold *hold = guarded->hold = la_hold_make(thread, guarded->mode);
        la_region_lock *lock = hold == NULL ? NULL
            : la_arrays.want(guarded->array, guarded->mode, hold);

        if (!LA_LIKELY(lock != NULL)) {
            la_wanted_free(self->wanted, i, thread);
            if (hold == NULL) {
                return -1;
            }
            la_hold_free(hold, thread);
            return LA_GENERAL;
        }
        hold->shown = NULL;
        self->wanted[i] = (la_wanted){lock, hold};
    }
    self->locks = self->count == 1 ? 1 : la_wanted_order(self->wanted, self->count);
    return 0;
}

/* Is what was locked what the arrays show, and may they be locked so? */
static bool
la_guarded_is_current(const la_guarded *self)
{
    for (int i = 0; i < self->count; i++) {
        if (!la_arrays.is_current(self->arrays[i].array, self->arrays[i].hold)) {
            return false;
        }
    }
    return true;
}

/* Locks the arrays, as they are now: 0, LA_GENERAL or -1. */
static int
la_guarded_lock(la_guarded *self, la_thread *thread, int64_t deadline)
{
    for (;;) {
        int result = la_guarded_want(self, thread);
        if (result != 0) {
            return result;
        }
        if (la_wanted_acquire(self->wanted, self->locks, thread, deadline) < 0) {
            la_wanted_free(self->wanted, self->locks, thread);
            return -1;
        }
        if (LA_LIKELY(la_guarded_is_current(self))) {
            return 0;
        }
        la_wanted_release(self->wanted, self->locks, thread);   /* a resize or a freeze came in between */
    }
}

int
la_guarded_take(la_guarded *self, la_thread *thread, double timeout)
{
    if (la_ending_watch() < 0) {
        return -1;
    }
    /* Those that the end of a thread left, if any; this may run Python, and so resize. */
    for (int i = 0; i < self->count; i++) {
        Py_CLEAR(self->arrays[i].raw);
    }
    int result = la_guarded_lock(self, thread,
                                 timeout < 0 ? LA_NEVER : la_deadline_after(timeout));
    if (result != 0) {
        return result;
    }
    for (int i = 0; i < self->count; i++) {
        la_guarded_array *guarded = &self->arrays[i];
        PyObject *raw = la_arrays.raw_take(guarded->array, guarded->mode);
        if (raw == NULL) {
            la_wanted_release(self->wanted, self->locks, thread);
            return -1;
        }
        guarded->raw = raw;
        guarded->hold->shown = raw;
    }
    for (int i = 0; i < self->locks; i++) {
        self->kept[i] = la_hold_keep(self->wanted[i].hold);
    }
    atomic_store_explicit(&self->seen_hold, self->kept[0].hold, memory_order_relaxed);
    atomic_store_explicit(&self->seen_turn, self->kept[0].turn, memory_order_relaxed);
    return 0;
}

PyObject *
la_guarded_release(la_guarded *self, la_thread *thread)
{
    PyObject *dropped = NULL;

    for (int i = 0; i < self->count; i++) {
        la_guarded_array *guarded = &self->arrays[i];
        guarded->hold->shown = NULL;
        /* Locked still. What comes back, if anything, is let go later. */
        guarded->raw = la_arrays.raw_keep(guarded->array, guarded->raw);
    }
    if (self->count == 1) {
        dropped = self->arrays->raw;
        self->arrays->raw = NULL;
    }
    for (int i = self->locks - 1; i >= 0; i--) {
        la_hold_unkeep(self->kept[i].hold);
        la_release(self->kept[i].hold, thread);
        la_hold_free(self->kept[i].hold, thread);
    }
    return dropped;
}

LA_COLD void
la_guarded_abandon(la_guarded *self)
{
    la_thread *thread = la_thread_self();

    for (int i = self->locks - 1; i >= 0 && thread != NULL; i--) {
        (void)la_abandon(self->kept[i], thread);
    }
}

/* -- what a resize has to know ------------------------------------------------------ */

typedef struct {
    const void *buffer;
    PyObject **raws;            /* new references */
    Py_ssize_t count, room;
} la_guarded_census;

static void
la_guarded_census_take(la_hold *hold, void *context)
{
    la_guarded_census *census = context;

    if (hold->subject != census->buffer || hold->shown == NULL) {
        return;
    }
    if (census->count < census->room) {
        census->raws[census->count] = Py_NewRef((PyObject *)hold->shown);
    }
    census->count++;
}

PyObject *
la_guarded_raws(const void *buffer)
{
    la_guarded_census census = {.buffer = buffer};
    la_thread *thread = la_thread_here();

    if (thread == NULL) {
        return NULL;
    }
    for (;;) {
        census.count = 0;
        la_thread_visit_kept(thread, la_guarded_census_take, &census);
        if (census.count <= census.room) {
            break;
        }
        for (Py_ssize_t i = 0; i < census.room; i++) {
            Py_DECREF(census.raws[i]);
        }
        PyMem_Free(census.raws);
        census.room = 2 * census.count;
        census.raws = PyMem_Malloc((size_t)census.room * sizeof(PyObject *));
        if (census.raws == NULL) {
            return PyErr_NoMemory();
        }
    }
    PyObject *list = PyList_New(census.count);
    for (Py_ssize_t i = 0; i < census.count; i++) {
        if (list == NULL) {
            Py_DECREF(census.raws[i]);
        }
        else {
            PyList_SET_ITEM(list, i, census.raws[i]);
        }
    }
    PyMem_Free(census.raws);
    return list;
}
