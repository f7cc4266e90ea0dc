/*
 * Operation: the LockedArrays of one call, locked together.
 *
 *     la_operation operation = {0};
 *     add each LockedArray             or take the general path
 *     la_operation_lock
 *     call NumPy with the raw views
 *     la_operation_unlock
 *
 * An operand is taken only if nothing about it is special: it is on a Buffer,
 * no lock of somebody else is below that one's, its elements are not Python
 * objects (but for la_operation_add_any), and it may be written if it is to be. Everything
 * else takes the general path, which is written in Python above both cores and is never
 * wrong, only slower.
 *
 * Regions are computed before the lock is held, from what the facade shows
 * then. Only a resize changes that; it holds the whole Buffer for writing. So
 * once our hold is granted nothing changes any more, and one comparison tells
 * whether it changed in between.
 *
 * While an operation is locked no Python code runs but what the general path
 * would run under its lock, too: NumPy's own, code of elements, and handlers of warnings and
 * floating point errors. Such code may switch greenlets, which copies this
 * stack away: nobody looks at it but the operation itself, and its holds are
 * records elsewhere.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_OPERATION_H_
#define LOCKEDARRAY_CORE_ARRAY_OPERATION_H_

#include "array/raw.h"
#include "guard/wanted.h"

#define LA_MOST_OPERANDS 4

typedef struct {
    PyObject *facade;           /* the caller's reference */
    la_buffer_object *buffer;   /* the facade's reference */
    la_region_lock *lock;       /* the buffer's */
    la_mode mode;
    bool locks;                 /* not frozen; but what is exclusive is locked all the same */
    bool exclusive;             /* locked for writing, though it may be read only */
    bool is_part;               /* of what the facade shows; the caller checks it */
    la_region region;
} la_operand;

typedef struct {
    int count;
    la_operand operands[LA_MOST_OPERANDS];
    /* While it is locked. */
    la_thread *thread;
    int locks;
    la_wanted wanted[LA_MOST_OPERANDS];
} la_operation;

/* Adds an array, once; its index, or -1 for the general path. */
int la_operation_add(la_operation *operation, PyObject *facade, la_mode mode);
/* The same, of Python objects and of texts in an arena, too: in the mode that these ask for. */
int la_operation_add_any(la_operation *operation, PyObject *facade, la_mode mode);

/*
 * Adds a part of what an array shows, whose region is set already in the operand that
 * is returned. There is room for it.
 */
la_operand *la_operation_add_part(la_operation *operation, PyObject *facade,
                                  la_region_lock *lock, la_mode mode);

/* 0, LA_GENERAL or -1; after 0 everything is held. */
int la_operation_lock(la_operation *operation);

void la_operation_unlock(la_operation *operation);

/*
 * The operand in place of an argument: a raw view of a LockedArray, anything
 * else itself. A new reference. `index` is what la_operation_add returned, or
 * -1 for what is no LockedArray.
 */
static inline PyObject *
la_operand_raw(const la_operation *operation, int index, PyObject *object)
{
    if (index < 0) {
        return Py_NewRef(object);
    }
    return la_raw(object, operation->operands[index].mode);
}

#endif  /* LOCKEDARRAY_CORE_ARRAY_OPERATION_H_ */
