/*
 * What the files that know Python share: NumPy's headers, the two C types and
 * the shims for Python versions. The lock itself (lock.h and below) knows
 * nothing of this.
 */
#ifndef LOCKEDARRAY_CORE_BINDING_H_
#define LOCKEDARRAY_CORE_BINDING_H_

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL lockedarray_array_api
#ifndef LA_IMPORTS_ARRAY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#include "lock/regionlock.h"

#if PY_VERSION_HEX < 0x030C0000
#define LA_T_OBJECT T_OBJECT
#define LA_T_BOOL T_BOOL
#define LA_T_PYSSIZET T_PYSSIZET
#define LA_READONLY READONLY
#else
#define LA_T_OBJECT _Py_T_OBJECT
#define LA_T_BOOL Py_T_BOOL
#define LA_T_PYSSIZET Py_T_PYSSIZET
#define LA_READONLY Py_READONLY
#endif

#if PY_VERSION_HEX < 0x030D0000
#define Py_BEGIN_CRITICAL_SECTION(object) { (void)(object);
#define Py_END_CRITICAL_SECTION() }
#define Py_IsFinalizing() _Py_IsFinalizing()
#endif

/* RegionLock: the C lock in a Python object. */
typedef struct {
    PyObject_HEAD
    la_lock *lock;          /* in a cache line of its own, inside `block` */
    void *block;
    PyObject *below;        /* somebody else's lock to be taken, too, or NULL */
} la_lock_object;

/* Is the caller's reference the only one? */
static inline bool
la_is_unique(PyObject *object)
{
#if PY_VERSION_HEX >= 0x030E0000
    return PyUnstable_Object_IsUniquelyReferenced(object);
#elif defined(Py_GIL_DISABLED)
    uint32_t local = _Py_atomic_load_uint32_relaxed(&object->ob_ref_local);
    /* Acquire: pairs with the last release of others, whose use of it is over. */
    Py_ssize_t shared = _Py_atomic_load_ssize_acquire(&object->ob_ref_shared);
    return local == 1 && shared == 0 && _Py_IsOwnedByCurrentThread(object);
#else
    return Py_REFCNT(object) == 1;
#endif
}

#define LA_FORMER 2

/* What a facade has behind the fields of ndarray. */
typedef struct la_facade la_facade;
struct la_facade {
    PyObject *buffer;       /* la_buffer_object; NULL while NumPy fills it */
    PyObject *memory;
    PyObject *owner;
    PyObject *past;
    /*
     * What operations work on: exact ndarrays over the same memory, made when
     * first needed and dropped when a resize changes the facade. The garbage
     * collector does not see them, so nobody gets at a writable array.
     */
    _Atomic(PyObject *) raw_read;
    _Atomic(PyObject *) raw_write;
    /* What its last guards gave out, the newest first; see guard.c. */
    _Atomic(PyObject *) former[LA_FORMER];
    /* Among those of its Buffer; `back` is what points here, NULL for no list. */
    la_facade *next;
    la_facade **back;
    char may_write;
};

/* What a Buffer has in C: all that an operation needs to know of it. */
typedef struct {
    PyObject_HEAD
    PyObject *lock;         /* la_lock_object, or NULL before __init__ */
    /*
     * Set under the write lock of everything, for good. Release, and acquire
     * by readers, which then take no lock: all that was written is seen.
     */
    _Atomic(char) frozen;
    char whole;             /* the lock is shared: regions would mix up */
    /*
     * The facades, from their attachment until the beginning of their end,
     * by la_facade.next. Under the critical section of the object (the GIL,
     * before 3.13).
     */
    la_facade *facades;
    /*
     * Where the current memory begins. Relaxed: it changes under the write
     * lock of everything, and who read it before that lock compares again.
     */
    _Atomic(uintptr_t) origin;
    _Atomic(uintptr_t) extent;          /* in bytes */
    _Atomic(PyObject *) memory;         /* the current Memory; a reference */
} la_buffer_object;

extern PyTypeObject *la_lock_type;
extern PyTypeObject *la_buffer_type;
extern PyTypeObject *la_array_type;
extern PyTypeObject *la_holds_type;
extern PyTypeObject *la_class;      /* LockedArray, set once by connect() */
extern Py_ssize_t la_facade_offset;

static inline la_facade *
la_facade_of(PyObject *array)
{
    return (la_facade *)((char *)array + la_facade_offset);
}

static inline PyObject *
la_facade_object(la_facade *facade)
{
    return (PyObject *)((char *)facade - la_facade_offset);
}

static inline PyArrayObject_fields *
la_fields(PyObject *array)
{
    return (PyArrayObject_fields *)array;
}

static inline bool
la_is_facade(PyObject *object)
{
    return Py_TYPE(object) == la_class || PyObject_TypeCheck(object, la_array_type);
}

static inline bool
la_region_equal(const la_region *a, const la_region *b)
{
    if (a->low != b->low || a->high != b->high || a->ncombs != b->ncombs) {
        return false;
    }
    for (int32_t i = 0; i < a->ncombs; i++) {
        const la_comb *x = &a->combs[i], *y = &b->combs[i];
        if (x->period != y->period || x->window != y->window || x->low != y->low
                || x->length != y->length) {
            return false;
        }
    }
    return true;
}

/*
 * The region of what a facade shows, in bytes from the start of its memory.
 * Never empty: whoever works on an empty array keeps its shape from changing,
 * and so holds the byte at which it would begin.
 */
void la_facade_region(PyObject *facade, const la_buffer_object *buffer,
                      la_region *region);

/* Have an array among those of its Buffer, while it lives. */
void la_buffer_know(la_buffer_object *buffer, PyObject *facade);

/* Do something in one step for all other threads: act must not use Python. */
void la_step_do(void (*act)(void *), void *context);

/* Waits with the GIL or the thread state let go; raises only for LA_INTERRUPTED. */
la_status la_hold_wait(la_lock_object *lock, la_hold *hold, la_thread *self,
                       int64_t deadline, la_deadlock *deadlock);

/* Raises what a status other than LA_OK means; the lock was not taken. */
void la_hold_raise(la_status status, la_lock_object *lock, const la_hold *hold,
                   const la_deadlock *deadlock);

int la_hold_acquire_slow(la_lock_object *lock, la_hold *hold, la_thread *self,
                         int64_t deadline);

/* la_acquire, with the GIL or the thread state let go while it waits. */
static inline int
la_hold_acquire(la_lock_object *lock, la_hold *hold, la_thread *self,
                int64_t deadline)
{
    if (LA_LIKELY(la_lock_claim(lock->lock, hold, self))) {
        return 0;
    }
    return la_hold_acquire_slow(lock, hold, self, deadline);
}

/* A hold to be taken, with all that is chained to it, and of which lock. */
typedef struct {
    la_lock_object *lock;
    la_hold *hold;
} la_wanted;

/* Takes the holds of several locks, given in lock order: 0, or -1 and none is held. */
int la_wanted_acquire(const la_wanted *wanted, int count, la_thread *thread, int64_t deadline);

/* The deadline that is so many seconds from now; more than a century is for ever. */
static inline int64_t
la_deadline_after(double seconds)
{
    return !(seconds > 0) ? LA_NOW
        : seconds < 4e9 ? la_now() + (int64_t)(seconds * 1e9) : LA_NEVER;
}

/* Raises MemoryError where the thread has no record yet and cannot have one. */
static inline la_thread *
la_thread_here(void)
{
    la_thread *self = la_thread_self();
    if (!LA_LIKELY(self != NULL)) {
        PyErr_NoMemory();
    }
    return self;
}

/* Forget the raw views of a facade, which shows something else now. */
void la_raws_drop(PyObject *facade);

/* lock_type.c */
void la_holds_let_go(PyObject *holds);      /* what the calling thread holds by them */
void la_main_thread_fork_child(void);
int la_lock_type_add(PyObject *module);
int la_lockable_add(PyObject *module);     /* lockable.c */
int la_array_type_add(PyObject *module);
int la_acts_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_BINDING_H_ */
