/*
 * The hot operations of the array type, and the way from each to its general
 * version in Python (methods named _general_... of the class above).
 */
#ifndef LOCKEDARRAY_CORE_HOT_H_
#define LOCKEDARRAY_CORE_HOT_H_

#include "guard/binding.h"

/* Names, interned when the module starts. */
typedef struct {
    PyObject *general_finalize;
    PyObject *general_getitem;
    PyObject *general_setitem;
    PyObject *general_compare;
    PyObject *general_array_ufunc;
    PyObject *general_array_function;
    PyObject *register_;
    PyObject *call;
    PyObject *at, *reduce, *accumulate, *reduceat, *outer;
    PyObject *out;
    PyObject *overwrite_input;
    PyObject *casting, *unsafe;
    PyObject *only_out, *out_and_casting;   /* the tuples of these names */
    PyObject *comparisons[6];       /* by Py_LT ... */
    PyObject *augment;
    PyObject *general_acquire;
    PyObject *general_release;
    PyObject *give_back;
    PyObject *holds;                /* what a general guard took, and yields */
    PyObject *raws;
    /* No names, but the ufuncs of x.at[i] += v and the others, by their slots. */
    PyObject *at_add, *at_subtract, *at_multiply, *at_true_divide, *at_floor_divide;
    PyObject *at_remainder, *at_power, *at_and, *at_or, *at_xor, *at_lshift, *at_rshift;
    PyObject *at_minimum, *at_maximum;
} la_names_type;
extern la_names_type la_names;

/* What connect() was given: Python functions and tables above the core. */
typedef struct {
    PyObject *wrapped;      /* (result, facade) -> result with its views locked */
    /* Functions, by how many arguments from the first on may be LockedArrays. */
    PyObject *readers;      /* which read these, and write nothing */
    PyObject *writers;      /* which write the first one of these */
    PyObject *joiners;      /* which read a list of these, the first argument */
    PyTypeObject *at;       /* At and AtIndex */
    PyTypeObject *at_index;
    PyTypeObject *guard;
    PyTypeObject *ufunc;    /* of the next ones */
    PyObject *named_out;    /* a tuple: ufuncs that want out= by name */
} la_above_type;
extern la_above_type la_above;

/* attach.c */
int la_attach_view(PyObject *array, PyObject *source);
PyObject *la_array_finalize(PyObject *array, PyObject *source);

/* subscript.c */
PyObject *la_subscript(PyObject *array, PyObject *index);
int la_assign_subscript(PyObject *array, PyObject *index, PyObject *value);
bool la_index_is_plain(PyObject *index);        /* its use runs no foreign code */
bool la_index_is_advanced(PyObject *index);     /* nor does this one's, which makes a copy */
PyObject *la_item(PyObject *array, Py_ssize_t i);
/*
 * array[index] = ufunc(array[index], value), with an index that makes a view and
 * the casts of ufunc.at: 0, LA_GENERAL or -1. `updated`: for a copy of the new
 * elements, or NULL.
 */
int la_view_update(PyObject *array, PyObject *index, PyObject *ufunc, PyObject *value,
                   PyObject **updated);
int la_assign_item(PyObject *array, Py_ssize_t i, PyObject *value);

/*
 * What ndarray's own code made of the facade itself, without a lock: a view.
 * Anything else would have been read without one; it is thrown away then, and
 * NULL without an error means the general path. Steals `view`.
 */
PyObject *la_checked_view(PyObject *array, PyObject *view);

/* numbers.c */
extern PyType_Slot la_number_slots[];
PyObject *la_compare(PyObject *array, PyObject *other, int how);

/* functions.c */
int la_array_ufunc_add(PyTypeObject *array_type);
PyObject *la_array_function(PyObject *array, PyObject *const *args, Py_ssize_t nargs,
                            PyObject *kwnames);
PyObject *la_unwrapped(PyObject *result, PyObject *raw, PyObject *facade);
PyObject *la_ufunc_at(PyObject *ufunc, PyObject *facade, PyObject *index, PyObject *value,
                      bool *general);

/* at.c */
PyObject *la_array_get_at(PyObject *array, void *closure);
int la_at_types_add(PyObject *module);
/* The number of AtIndex's method of this qualified name, or -1. */
int la_at_method_find(const char *name);
/* NULL without an error: for the general version. args[0] is the AtIndex. */
PyObject *la_at_method_call(int method, PyObject *const *args, Py_ssize_t nargs);

/* guard.c */
/* A guard of one array, with a timeout in seconds, or a negative one; NULL with an error. */
PyObject *la_guard_new(PyObject *facade, bool writes, double timeout);
/* The timeout of a guard in seconds, -1 for none; -2: the general version is to look at it. */
double la_guard_timeout(PyObject *given);
PyObject *la_buffer_guarded(PyObject *buffer, PyObject *unused);
void la_guard_fork_child(void);
void la_lockable_fork_child(void);      /* lockable.c */
int la_guard_add(PyObject *module);
int la_several_add(PyObject *module);   /* several.c */

/* method.c */
int la_method_add(PyObject *module);

/* above.c */
int la_above_add(PyObject *module);

/* temporary.c */
void la_temporary_connect(PyTypeObject *cls);
int la_temporary_add(PyObject *module);

/* None, a number, text, a tuple of ints, or a dtype: its use runs no foreign code. */
bool la_is_parameter(PyObject *object);

#endif  /* LOCKEDARRAY_CORE_HOT_H_ */
