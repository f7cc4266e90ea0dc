/*
 * Guarded: taking, giving back and leaving the locks and the raw views of a guard.
 */
#include "guard/guarded.h"

#include "guard/changes.h"
#include "guard/refusal.h"
#include "lock/change.h"

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
    self->locks = la_wanted_order(self->wanted, self->count);
    return 0;
}

/* Is what was locked what the arrays show, and may they be locked so? */
static bool
la_guarded_is_current(const la_guarded *self)
{
    for (int i = 0; i < self->count; i++) {
        const la_guarded_array *guarded = &self->arrays[i];
        if (!la_arrays.is_current(guarded->array, guarded->mode, guarded->hold)) {
            return false;
        }
    }
    return true;
}

static int64_t
la_guarded_deadline(double timeout)
{
    return timeout < 0 ? LA_NEVER : la_deadline_after(timeout);
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
        la_wanted_give_back(self->wanted, self->locks, thread); /* a resize or a freeze came in between */
    }
}

/* The same of one array, which is what most guards are of: 0, LA_GENERAL or -1. */
static LA_ALWAYS_INLINE int
la_guarded_lock_one(la_guarded_array *guarded, la_thread *thread, double timeout)
{
    for (;;) {
        la_hold *hold = guarded->hold = la_hold_make(thread, guarded->mode);
        if (hold == NULL) {
            return -1;
        }
        la_region_lock *lock = la_arrays.want(guarded->array, guarded->mode, hold);
        if (!LA_LIKELY(lock != NULL)) {
            la_hold_free(hold, thread);
            return LA_GENERAL;
        }
        if ((!LA_LIKELY(!la_is_observed()) || !LA_LIKELY(la_lock_claim(lock->lock, hold, thread)))
                && la_hold_acquire_slow(lock, hold, thread, la_guarded_deadline(timeout)) < 0) {
            la_hold_free(hold, thread);
            return -1;
        }
        if (LA_LIKELY(la_arrays.is_current(guarded->array, guarded->mode, hold))) {
            return 0;
        }
        la_give_back(hold, thread);     /* a resize or a freeze came in between */
        la_hold_free(hold, thread);
    }
}

/* What is locked is kept from now on. */
static inline void
la_guarded_keep(la_guarded *self, int i, la_hold *hold)
{
    self->kept[i] = la_hold_keep(hold);
    if (i == 0) {
        atomic_store_explicit(&self->seen_hold, hold, memory_order_relaxed);
        atomic_store_explicit(&self->seen_turn, self->kept[0].turn, memory_order_relaxed);
    }
}

static inline int
la_guarded_take_one(la_guarded *self, la_thread *thread, double timeout)
{
    la_guarded_array *guarded = self->arrays;

    Py_CLEAR(guarded->raw);
    int result = la_guarded_lock_one(guarded, thread, timeout);
    if (result != 0) {
        return result;
    }
    PyObject *raw = la_arrays.raw_take(guarded->array, guarded->mode);
    if (raw == NULL) {
        la_release(guarded->hold, thread);
        la_hold_free(guarded->hold, thread);
        return -1;
    }
    guarded->raw = guarded->hold->shown = raw;
    self->locks = 1;
    la_guarded_keep(self, 0, guarded->hold);
    return 0;
}

static int
la_guarded_take_several(la_guarded *self, la_thread *thread, double timeout)
{
    for (int i = 0; i < self->count; i++) {
        Py_CLEAR(self->arrays[i].raw);
    }
    int result = la_guarded_lock(self, thread, la_guarded_deadline(timeout));
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
        guarded->raw = guarded->hold->shown = raw;
    }
    for (int i = 0; i < self->locks; i++) {
        la_guarded_keep(self, i, self->wanted[i].hold);
    }
    return 0;
}

/*
 * Raw views that the end of a thread left, if any, are let go first: that may run
 * Python, and so resize.
 */
int
la_guarded_take(la_guarded *self, la_thread *thread, double timeout)
{
    if (la_ending_watch() < 0) {
        return -1;
    }
    return LA_LIKELY(self->count == 1) ? la_guarded_take_one(self, thread, timeout)
                                       : la_guarded_take_several(self, thread, timeout);
}

static inline void
la_guarded_release_hold(la_hold *hold, la_thread *thread)
{
    la_hold_unkeep(hold);
    la_release(hold, thread);
    if (!LA_LIKELY(!la_is_observed())) {
        la_observe_given(hold);
    }
    la_hold_free(hold, thread);
}

PyObject *
la_guarded_release(la_guarded *self, la_thread *thread)
{
    if (LA_LIKELY(self->count == 1)) {
        la_guarded_array *guarded = self->arrays;
        PyObject *raw = guarded->raw;

        guarded->raw = NULL;
        guarded->hold->shown = NULL;
        raw = la_arrays.raw_keep(guarded->array, raw);      /* locked still */
        la_guarded_release_hold(self->kept[0].hold, thread);
        return raw;
    }
    for (int i = 0; i < self->count; i++) {
        la_guarded_array *guarded = &self->arrays[i];
        guarded->hold->shown = NULL;
        /* What comes back, if anything, is let go later. */
        guarded->raw = la_arrays.raw_keep(guarded->array, guarded->raw);
    }
    for (int i = self->locks - 1; i >= 0; i--) {
        if (la_guarded_has(self, i)) {
            la_guarded_release_hold(self->kept[i].hold, thread);
        }
    }
    return NULL;
}

/* -- while a predicate is false -------------------------------------------------- */

void
la_guarded_show(const la_guarded *self)
{
    for (int i = 0; i < self->count; i++) {
        if (self->arrays[i].mode == LA_WRITE) {
            la_arrays.raw_end(self->arrays[i].raw);
        }
    }
}

bool
la_guarded_lend_again(const la_guarded *self)
{
    if (!la_guarded_is_current(self)) {
        return false;
    }
    for (int i = 0; i < self->count; i++) {
        if (self->arrays[i].mode == LA_WRITE) {
            la_arrays.raw_go_on(self->arrays[i].raw);
        }
    }
    return true;
}

void
la_guarded_give_back(la_guarded *self, la_thread *thread)
{
    for (int i = 0; i < self->count; i++) {
        la_guarded_array *guarded = &self->arrays[i];

        guarded->hold->shown = NULL;
        /* What comes back, if anything, is let go later. */
        guarded->raw = la_arrays.raw_keep(guarded->array, guarded->raw);
    }
    for (int i = self->locks - 1; i >= 0; i--) {
        la_hold *hold = self->kept[i].hold;
        if (!la_kept_is_mine(self->kept[i], thread)) {
            (void)la_abandon(self->kept[i], thread);
            continue;
        }
        la_hold_unkeep(hold);
        la_give_back(hold, thread);
        if (!LA_LIKELY(!la_is_observed())) {
            la_observe_given(hold);
        }
        la_hold_free(hold, thread);
    }
}

/* What is watched where nobody may hold anything beside it, who could not be waited for. */
static PyObject *
la_guarded_watched(const la_wanted *wanted, int count, la_thread *thread)
{
    for (int i = 0; i < count; i++) {
        if (la_lock_is_mine_beside(wanted[i].lock->lock, wanted[i].hold, thread)) {
            la_refusal_raise_beside(wanted[i].lock);
            return NULL;
        }
    }
    return la_change_new(wanted, count, NULL);
}

PyObject *
la_guarded_watch(la_guarded *self, la_thread *thread)
{
    la_wanted one = {0};
    PyObject *change = NULL;

    if (self->count != 1) {
        change = la_guarded_watched(self->wanted, self->locks, thread);
    }
    else if ((one.lock = la_arrays.lock_of(self->arrays->array)) != NULL) {
        one.hold = self->arrays->hold;
        change = la_guarded_watched(&one, 1, thread);
    }
    la_guarded_give_back(self, thread);
    return change;
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
    const void *buffer;         /* NULL: any, and each one before its raw view */
    PyObject **objects;         /* new references */
    Py_ssize_t count, room;
} la_guarded_census;

static void
la_guarded_census_add(la_guarded_census *census, PyObject *object)
{
    if (census->count < census->room) {
        census->objects[census->count] = Py_NewRef(object);
    }
    census->count++;
}

static void
la_guarded_census_take(la_hold *hold, void *context)
{
    la_guarded_census *census = context;

    if (!la_hold_is_kept(hold)) {
        return;
    }
    for (; hold != NULL; hold = hold->also) {
        if (hold->shown == NULL || (census->buffer != NULL && hold->subject != census->buffer)) {
            continue;
        }
        if (census->buffer == NULL) {
            la_guarded_census_add(census, (PyObject *)hold->subject);
        }
        la_guarded_census_add(census, hold->shown);
    }
}

/* A list, or NULL with an error. */
static PyObject *
la_guarded_census_of(const la_region_lock *lock, const void *buffer)
{
    la_guarded_census census = {.buffer = buffer};
    la_thread *thread = la_thread_here();

    if (thread == NULL) {
        return NULL;
    }
    for (;;) {
        census.count = 0;
        la_lock_visit_mine(lock->lock, thread, la_guarded_census_take, &census);
        if (census.count <= census.room) {
            break;
        }
        for (Py_ssize_t i = 0; i < census.room; i++) {
            Py_DECREF(census.objects[i]);
        }
        PyMem_Free(census.objects);
        census.room = 2 * census.count;
        census.objects = PyMem_Malloc((size_t)census.room * sizeof(PyObject *));
        if (census.objects == NULL) {
            return PyErr_NoMemory();
        }
    }
    PyObject *list = PyList_New(census.count);
    for (Py_ssize_t i = 0; i < census.count; i++) {
        if (list == NULL) {
            Py_DECREF(census.objects[i]);
        }
        else {
            PyList_SET_ITEM(list, i, census.objects[i]);
        }
    }
    PyMem_Free(census.objects);
    return list;
}

PyObject *
la_guarded_raws(const la_region_lock *lock, const void *buffer)
{
    return la_guarded_census_of(lock, buffer);
}

PyObject *
la_guarded_shown(const la_region_lock *lock)
{
    return la_guarded_census_of(lock, NULL);
}
