/*
 * Guards in C: what those of one array (guard.c) and those of several (several.c)
 * are to each other.
 *
 * A guard's state says who may touch its other fields:
 *
 *   LA_GUARD_FREE       nobody, but by changing the state
 *   LA_GUARD_TAKING     the thread that acquires
 *   LA_GUARD_GENERAL    the Python class above
 *   LA_GUARD_PARTS      of several arrays: the thread that acquired; its parts hold
 *   LA_GUARD_HELD       the thread that acquired; others under the mutex of guard.c
 */
#ifndef LOCKEDARRAY_CORE_GUARD_H_
#define LOCKEDARRAY_CORE_GUARD_H_

#include "array/hot.h"

typedef enum {
    LA_GUARD_FREE,
    LA_GUARD_TAKING,
    LA_GUARD_GENERAL,
    LA_GUARD_PARTS,
    LA_GUARD_HELD,
} la_guard_state;

typedef struct la_guard la_guard;
typedef struct la_held la_held;

struct la_guard {
    PyObject_HEAD
    PyObject *weakrefs;
    PyObject *facade;           /* of one array; else NULL */
    char writes;
    double timeout;             /* in seconds; negative: none */
    /*
     * Acquire where HELD or FREE is read, release where they are stored: who
     * sees one of them sees the fields that go with it.
     */
    _Atomic(int) state;
    _Atomic(la_thread *) thread;    /* who acquired; relaxed, since only compared */
    la_held *held;
    PyObject *raw;
    /* Of several arrays: what acquire() was given, and a guard for each of them. */
    PyObject *given_write, *given_read;     /* a facade, a tuple of them, or None */
    PyObject *parts;                        /* a tuple of guards; NULL: none of several */
    la_guard *whole;            /* of a part: whose it is; under the mutex */
};

extern PyTypeObject *la_guard_type;

static inline bool
la_guard_change(la_guard *self, int from, int to)
{
    return atomic_compare_exchange_strong_explicit(&self->state, &from, to,
                                                   memory_order_acquire,
                                                   memory_order_relaxed);
}

static inline void
la_guard_set_state(la_guard *self, int state)
{
    atomic_store_explicit(&self->state, state, memory_order_release);
}

static inline int
la_guard_get_state(la_guard *self)
{
    return atomic_load_explicit(&self->state, memory_order_acquire);
}

static inline bool
la_guard_is_by_this_thread(la_guard *self)
{
    return la_thread_current != NULL
           && atomic_load_explicit(&self->thread, memory_order_relaxed) == la_thread_current;
}

/* guard.c: guards of one array. */

/* Acquires, the state being TAKING: 0, LA_GENERAL or -1. Not to wait: LA_GENERAL. */
int la_guard_take(la_guard *self, bool waits);
/* Is what this guard, which is in the state HELD, holds the calling thread's? */
bool la_guard_is_mine(la_guard *self);
/* Releases what the calling thread holds by this guard. */
void la_guard_let_go(la_guard *self, la_thread *thread);
/* Releases it, or leaves that to the thread which holds it; nothing if nobody does. */
void la_guard_part_with(la_guard *self);

/* The whole goes; its part stays only where the garbage collector has shown it to somebody. */
void la_guard_forget_whole(la_guard *part);

/* several.c: guards of several. */

/* Acquires, the state being TAKING: 0, LA_GENERAL or -1. Never waits. */
int la_several_take(la_guard *self);
/* What the guard, which is taken, yields; NULL with an error. */
PyObject *la_several_yield(la_guard *self);
/* Is what this guard, which is in the state PARTS, holds the calling thread's? */
bool la_several_is_mine(la_guard *self);
/* Has each part let go of what it holds, or leave that to its thread. */
void la_several_part_with(la_guard *self);
/* Before the guard is gone. */
void la_several_forget(la_guard *self);

#endif  /* LOCKEDARRAY_CORE_GUARD_H_ */
