/*
 * The hot operations of the array type, and the way from each to its general
 * version in Python (methods named _general_... of the class above).
 */
#ifndef LOCKEDARRAY_CORE_HOT_H_
#define LOCKEDARRAY_CORE_HOT_H_

#include "binding.h"

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
    PyObject *out;
    PyObject *only_out;             /* the tuple of that name */
    PyObject *comparisons[6];       /* by Py_LT ... */
    PyObject *augment;
    PyObject *general_acquire;
    PyObject *general_release;
    PyObject *give_back;
    PyObject *holds;                /* what a general guard took, and yields */
    PyObject *raws;
    /* The ufuncs of x.at[i] += v and the others, by their slots. */
    PyObject *at_add, *at_subtract, *at_multiply, *at_true_divide, *at_floor_divide;
    PyObject *at_remainder, *at_power, *at_and, *at_or, *at_xor, *at_lshift, *at_rshift;
} la_names_type;
extern la_names_type la_names;

/* What connect() was given: Python functions and tables above the core. */
typedef struct {
    PyObject *wrapped;      /* (result, facade) -> result with its views locked */
    /* Functions, by how many arguments from the first on may be LockedArrays. */
    PyObject *readers;      /* which read these, and write nothing */
    PyObject *writers;      /* which write the first one of these */
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
PyObject *la_item(PyObject *array, Py_ssize_t i);
int la_assign_item(PyObject *array, Py_ssize_t i, PyObject *value);

/* numbers.c */
extern PyType_Slot la_number_slots[];
PyObject *la_compare(PyObject *array, PyObject *other, int how);

/* functions.c */
int la_array_ufunc_add(PyTypeObject *array_type);
PyObject *la_array_function(PyObject *array, PyObject *const *args, Py_ssize_t nargs);
PyObject *la_unwrapped(PyObject *result, PyObject *raw, PyObject *facade);

/* at.c */
PyObject *la_array_get_at(PyObject *array, void *closure);
int la_at_add(PyObject *module);

/* guard.c */
PyObject *la_guard_new(PyObject *facade, bool writes);
PyObject *la_buffer_guarded(PyObject *buffer, PyObject *unused);
void la_guard_fork_child(void);
int la_guard_add(PyObject *module);

/* method.c */
int la_method_add(PyObject *module);

/* above.c */
int la_above_add(PyObject *module);

/* None, a number, text, or a tuple of ints. */
bool la_is_parameter(PyObject *object);

#endif  /* LOCKEDARRAY_CORE_HOT_H_ */
