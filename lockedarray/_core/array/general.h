/*
 * General versions: the way from what C does by itself to the methods in Python
 * (named _general_... of the class above) that do all the rest, and what connect()
 * is told when the class LockedArray is made.
 *
 * All of it is set while the package is imported, before any LockedArray exists,
 * and never changes: so it is read without a lock.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_GENERAL_H_
#define LOCKEDARRAY_CORE_ARRAY_GENERAL_H_

#include "array/facade.h"

/* Names, interned when the module starts. */
typedef struct {
    PyObject *general_finalize;
    PyObject *general_getitem;
    PyObject *general_setitem;
    PyObject *general_augmented;        /* the value of x[i] in x[i] += v */
    PyObject *general_augmented_end;    /* and the assignment */
    PyObject *general_compare;
    PyObject *general_operate;
    PyObject *general_array_ufunc;
    PyObject *general_array_function;
    PyObject *general_copy, *general_array;     /* of x.flat */
    PyObject *flat;
    PyObject *register_;
    PyObject *call;
    PyObject *at, *reduce, *accumulate, *reduceat, *outer;
    PyObject *out;
    PyObject *overwrite_input;
    PyObject *elements, *copy, *module;
    PyObject *casting, *unsafe;
    PyObject *only_out, *out_and_casting;   /* the tuples of these names */
    PyObject *comparisons[6];       /* by Py_LT ... */
    PyObject *augment, *settle, *forget_raw_view;
    /* No names, but the ufuncs of x.at[i] += v and the others, by their slots. */
    PyObject *at_add, *at_subtract, *at_multiply, *at_true_divide, *at_floor_divide;
    PyObject *at_remainder, *at_power, *at_and, *at_or, *at_xor, *at_lshift, *at_rshift;
    PyObject *at_minimum, *at_maximum;
} la_names_type;
extern la_names_type la_names;

/* What connect() was given: Python functions and tables above the core. */
typedef struct {
    PyObject *wrapped;      /* (a list of the result, facade, raw) -> result, its views locked */
    PyObject *wrapped_of_several;   /* (box, facades, raws, read_only, given) -> the same of several */
    PyObject *run;          /* the general version of run() */
    PyObject *role;         /* (function) -> what it writes: see function_roles; or None */
    PyObject *copied_dtype; /* (dtype of an array) -> that of copies of its records, or None */
    PyObject *stores;       /* a set: functions that store what they are given, in lists, too */
    PyObject *records;      /* a tuple: types of records, besides numpy.void */
    PyObject *asks_for_array;   /* (frame) -> does it call a ufunc with out=...? */
    /* Functions, by how many arguments from the first on may be LockedArrays. */
    PyObject *readers;      /* which read these, and write nothing */
    PyObject *writers;      /* which write the first one of these */
    PyObject *joiners;      /* which read a list of these, the first argument */
    PyTypeObject *flat;     /* FlatIterator */
    PyTypeObject *flags;
    /* Functions that wait for no lock: how to call each without NumPy's dispatch, and its LA_VIEWER_... */
    PyObject *viewers;
    PyTypeObject *stand_in;     /* what NumPy puts between an array with other strides and its base */
    PyTypeObject *augmented;    /* what x[i] is in x[i] += v, in general versions */
    PyTypeObject *at;       /* At and AtIndex */
    PyTypeObject *at_index;
    PyTypeObject *at_exchanged;     /* a named tuple of two: what compare_exchange returns */
    PyTypeObject *ufunc;    /* of the next ones */
    PyObject *named_out;    /* a tuple: ufuncs that want out= by name */
    PyObject *roles;        /* a dict of what role() has told */
    PyObject *tolist, *item;        /* ndarray's */
} la_connected_type;
extern la_connected_type la_connected;

/* Is it this text? Both are interned as a rule. */
static inline bool
la_is_name(PyObject *object, PyObject *name)
{
    return object == name
           || (PyUnicode_CheckExact(object) && PyUnicode_Compare(object, name) == 0);
}

int la_general_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_GENERAL_H_ */
