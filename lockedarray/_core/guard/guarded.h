/*
 * Guarded: the arrays of a guard, locked together for as long as it is held.
 *
 * There is a hold for each lock, which is kept, and a raw view for each array,
 * which its hold knows. The end of the thread that took the holds gives them back, and
 * makes the raw views read-only, without a change here. So who wants to know whether
 * they are held asks the holds.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_GUARDED_H_
#define LOCKEDARRAY_CORE_GUARD_GUARDED_H_

#include "guard/arrays.h"
#include "guard/wanted.h"

typedef struct {
    PyObject *array;            /* a reference */
    PyObject *raw;              /* what was given out, or was; a reference, or NULL */
    la_hold *hold;              /* while it is acquired and held */
    la_mode mode;
} la_guarded_array;

typedef struct {
    int count;                  /* how many arrays; 0: none that are known in C */
    int locks;                  /* how many of `wanted` and `kept` are set, while they are held */
    la_guarded_array *arrays;
    la_kept *kept;              /* as many as arrays, and so is the next one */
    la_wanted *wanted;          /* of several arrays */
    /* The first of them, for whoever looks while another one may take: relaxed. */
    _Atomic(la_hold *) seen_hold;
    _Atomic(uint64_t) seen_turn;
    /* What these point to, where there is one array. */
    la_guarded_array one_array;
    la_kept one_kept;
} la_guarded;

/* Room for so many, to be added: 0, or -1 with an error. */
int la_guarded_init_several(la_guarded *self, size_t count);

static inline void
la_guarded_add(la_guarded *self, PyObject *array, la_mode mode)
{
    la_guarded_array *added = &self->arrays[self->count++];

    added->array = Py_NewRef(array);
    added->mode = mode;
}

static inline void
la_guarded_init_one(la_guarded *self, PyObject *array, la_mode mode)
{
    self->arrays = &self->one_array;
    self->kept = &self->one_kept;
    la_guarded_add(self, array, mode);
}

/* Nothing is held. */
static inline void
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

int la_guarded_traverse(const la_guarded *self, visitproc visit, void *arg);

/*
 * Takes all locks, within a timeout (seconds; negative: none), and a raw view of each
 * array: 0, LA_GENERAL or -1.
 */
int la_guarded_take(la_guarded *self, la_thread *thread, double timeout);

/*
 * Is held what was taken? While another thread takes, the answer means nothing; but the
 * question may be asked.
 */
static inline bool
la_guarded_is_held(const la_guarded *self)
{
    return la_kept_is_held((la_kept){
        atomic_load_explicit(&self->seen_hold, memory_order_relaxed),
        atomic_load_explicit(&self->seen_turn, memory_order_relaxed)});
}

/*
 * A fork leaves what is between processes to the parent. So the child may have only some of the
 * locks still that were taken; the first of them, if any.
 */
static inline bool
la_guarded_has(const la_guarded *self, int i)
{
    return la_kept_is_held(self->kept[i]);
}

static inline bool
la_guarded_has_all(const la_guarded *self)
{
    for (int i = 0; i < self->locks; i++) {
        if (!la_guarded_has(self, i)) {
            return false;
        }
    }
    return true;
}

/* Of one that is held, by the current owner of this thread: is it given back for a while? */
static inline bool
la_guarded_is_suspended(const la_guarded *self)
{
    for (int i = 1; i < self->locks; i++) {
        if (la_hold_owner(self->kept[i].hold) == NULL && la_guarded_has(self, i)) {
            return true;
        }
    }
    return la_hold_owner(self->kept[0].hold) == NULL;
}

/*
 * Gives back what the current owner of this thread holds. Returns what is to be let
 * go once nobody is kept from taking it again: a reference, or NULL.
 */
PyObject *la_guarded_release(la_guarded *self, la_thread *thread);

/*
 * The raw views of what is to be written, while a predicate looks at them: read-only. And
 * writable again, if everything is still as it was taken, and may be written; else false.
 */
void la_guarded_show(const la_guarded *self);
bool la_guarded_lend_again(const la_guarded *self);

/* Gives back what nothing was written by, whoever is the current owner by now. */
void la_guarded_give_back(la_guarded *self, la_thread *thread);

/*
 * Gives it back, too, but watches it first: a Change, by which the caller waits until others
 * have written it. NULL with an error, and it is given back all the same.
 */
PyObject *la_guarded_watch(la_guarded *self, la_thread *thread);

/* Gives back what anybody holds, in whatever thread. */
void la_guarded_abandon(la_guarded *self);

/*
 * The raw views by which the calling thread keeps arrays on a Buffer, all of whose lock
 * it has to write: a list, or NULL with an error.
 */
PyObject *la_guarded_raws(const la_region_lock *lock, const void *buffer);

/*
 * All that the calling thread keeps of a lock: a list, in which each Buffer is followed by
 * a raw view of it, or NULL with an error.
 */
PyObject *la_guarded_shown(const la_region_lock *lock);

#endif  /* LOCKEDARRAY_CORE_GUARD_GUARDED_H_ */
