/*
 * Maker: a function that makes a LockedArray, such as zeros(). Of plain arguments,
 * and without lock=, objects= or name=, it calls NumPy's function of that name with
 * just these, and makes a root over the result; all else is left to the general
 * version, a function in Python.
 */
#include "array/make.h"

#include <stddef.h>
#include <string.h>

#include "array/given.h"
#include "array/root.h"

#define LA_MAKER_DEPTH 8            /* of lists in lists */
#define LA_FEW_BYTES (1 << 16)      /* are copied faster than taken over as a view */

typedef enum {
    LA_MAKER_FILLS,         /* any arguments: NumPy's function takes no arrays of ours */
    LA_MAKER_COUNTS,        /* numbers, and what describes arrays */
    LA_MAKER_COPIES,        /* lists of numbers, plain arrays, LockedArrays */
    LA_MAKER_IS,            /* the same, but a LockedArray is returned as it is */
    LA_MAKER_IS_LIKE,       /* an array, whose shape and dtype are taken */
} la_maker_kind;

/* How many arguments by position, and which by name, the quick way takes. */
static const struct {
    const char *name;
    la_maker_kind kind;
    int most;
    const char *keywords;
} la_maker_table[] = {
    {"zeros", LA_MAKER_FILLS, 3, " shape dtype order "},
    {"ones", LA_MAKER_FILLS, 3, " shape dtype order "},
    {"empty", LA_MAKER_FILLS, 3, " shape dtype order "},
    {"full", LA_MAKER_COUNTS, 4, " shape fill_value dtype order "},
    {"arange", LA_MAKER_COUNTS, 4, " start stop step dtype "},
    {"linspace", LA_MAKER_COUNTS, 4, " start stop num endpoint dtype axis "},
    {"array", LA_MAKER_COPIES, 2, " dtype "},
    {"asarray", LA_MAKER_IS, 2, " dtype "},
    {"zeros_like", LA_MAKER_IS_LIKE, 1, " "},
    {"ones_like", LA_MAKER_IS_LIKE, 1, " "},
    {"empty_like", LA_MAKER_IS_LIKE, 1, " "},
    {"full_like", LA_MAKER_IS_LIKE, 2, " "},
};
#define LA_MAKERS (sizeof(la_maker_table) / sizeof(la_maker_table[0]))

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *plain;        /* NumPy's function */
    PyObject *general;
    PyObject *made;         /* (array) -> a LockedArray over it, where no root is made here */
    size_t which;           /* in the table */
} la_maker;

static PyTypeObject *la_maker_type;
static PyObject *la_copyto, *la_array_function_of_numpy, *la_only_casting, *la_unsafe, *la_one;
static PyObject *la_copy_name, *la_only_order, *la_keep_order;

/* -- arguments ---------------------------------------------------------------------- */

/* A number, a shape, or what describes a dtype. */
static bool
la_is_plain_argument(PyObject *object)
{
    return object == Py_None || PyUnicode_CheckExact(object) || PyType_Check(object)
           || PyArray_DescrCheck(object) || la_is_nested_numbers(object, 1);
}

static bool
la_maker_takes(const la_maker *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);

    if (nargs > la_maker_table[self->which].most || nargs + named == 0) {
        return false;
    }
    for (Py_ssize_t i = 0; i < named; i++) {
        char name[16];
        const char *text = PyUnicode_AsUTF8(PyTuple_GET_ITEM(kwnames, i));
        if (text == NULL) {
            PyErr_Clear();
            return false;
        }
        if (strlen(text) > sizeof(name) - 3) {
            return false;
        }
        snprintf(name, sizeof(name), " %s ", text);
        if (strstr(la_maker_table[self->which].keywords, name) == NULL) {
            return false;
        }
    }
    la_maker_kind kind = la_maker_table[self->which].kind;
    if (kind == LA_MAKER_FILLS) {
        return true;
    }
    /* Of the others but the last kinds, all arguments are plain; of those, all but the first. */
    for (Py_ssize_t i = kind == LA_MAKER_COUNTS ? 0 : 1; i < nargs + named; i++) {
        if (!la_is_plain_argument(args[i])) {
            return false;
        }
    }
    return kind == LA_MAKER_COUNTS || nargs >= 1;
}

/* -- making ------------------------------------------------------------------------- */

/* A LockedArray over an array that nobody else can reach; takes the reference, which may be
   NULL, with an error. `made` NULL: where none is made here it is NULL without an error. */
static PyObject *
la_make_over(PyObject *array, PyObject *made)
{
    PyObject *result = NULL;

    if (array != NULL && Py_TYPE(array) == &PyArray_Type && la_is_plain_array(array)
            && !PyArray_CHKFLAGS((PyArrayObject *)array, NPY_ARRAY_OWNDATA)
            && PyArray_NBYTES((PyArrayObject *)array) <= LA_FEW_BYTES) {
        Py_SETREF(array, PyArray_NewCopy((PyArrayObject *)array, NPY_KEEPORDER));
    }
    if (array == NULL) {
        return NULL;
    }
    if (la_root_is_fit(array)) {
        result = la_root_over(array);
    }
    else if (made != NULL) {
        result = PyObject_CallOneArg(made, array);
    }
    Py_DECREF(array);
    return result;
}

/* A plain copy of a LockedArray, made under its lock; NULL without an error: the general way. */
static PyObject *
la_make_copy(PyObject *array)
{
    if (la_facade_of(array)->buffer == NULL || PyDataType_REFCHK(la_fields(array)->descr)) {
        return NULL;
    }
    PyObject *args[] = {array, la_keep_order};
    return PyObject_VectorcallMethod(la_copy_name, args, 1, la_only_order);
}

PyObject *
la_make_from(PyObject *given, bool temporary)
{
    if (la_copyto == NULL) {
        return NULL;            /* none is to be made here: the debug mode, for one */
    }
    if (temporary) {
        return la_root_is_fit(given) && PyArray_ISWRITEABLE((PyArrayObject *)given)
            ? la_root_over(given) : NULL;
    }
    PyObject *array = NULL;
    if (la_is_exact(given)) {
        array = la_make_copy(given);
    }
    else if (la_is_plain_array(given) || la_is_nested_numbers(given, LA_MAKER_DEPTH)) {
        array = PyObject_CallOneArg(la_array_function_of_numpy, given);
    }
    if (array != NULL && !la_root_is_fit(array)) {
        Py_CLEAR(array);
    }
    return la_make_over(array, NULL);
}

static PyObject *
la_maker_copies(la_maker *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *given = args[0];

    if (la_is_exact(given) && nargs == 1 && kwnames == NULL) {
        if (la_maker_table[self->which].kind == LA_MAKER_IS) {
            return la_facade_of(given)->buffer == NULL ? NULL : Py_NewRef(given);
        }
        return la_make_over(la_make_copy(given), self->made);
    }
    if (!la_is_plain_array(given) && !la_is_nested_numbers(given, LA_MAKER_DEPTH)) {
        return NULL;
    }
    return la_make_over(PyObject_Vectorcall(la_array_function_of_numpy, args, (size_t)nargs, kwnames),
                        self->made);
}

/* NumPy looks at the shape of such an array without a lock, too. */
static PyObject *
la_maker_is_like(la_maker *self, PyObject *const *args, Py_ssize_t nargs)
{
    const char *name = la_maker_table[self->which].name;
    PyObject *given = args[0], *value = NULL;

    if ((!la_is_exact(given) && Py_TYPE(given) != &PyArray_Type)
            || PyDataType_REFCHK(la_fields(given)->descr)
            || PyDataType_ELSIZE(la_fields(given)->descr) == 0
            || nargs != (strcmp(name, "full_like") == 0 ? 2 : 1)) {
        return NULL;
    }
    if (nargs == 2) {
        value = args[1];
        if (!la_is_number(value)) {
            return NULL;
        }
    }
    else if (strcmp(name, "ones_like") == 0) {
        value = la_one;
    }
    PyObject *array = PyArray_NewLikeArray((PyArrayObject *)given, NPY_KEEPORDER, NULL, 0);
    if (array != NULL && value != NULL) {
        PyObject *filled[] = {array, value, la_unsafe};
        PyObject *none = PyObject_Vectorcall(la_copyto, filled, 2, la_only_casting);
        if (none == NULL) {
            Py_CLEAR(array);
        }
        Py_XDECREF(none);
    }
    else if (array != NULL && strcmp(name, "zeros_like") == 0) {
        memset(PyArray_DATA((PyArrayObject *)array), 0,
               (size_t)PyArray_NBYTES((PyArrayObject *)array));
    }
    return la_make_over(array, self->made);
}

static PyObject *
la_maker_call(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    la_maker *self = (la_maker *)object;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    PyObject *result = NULL;

    if (la_copyto != NULL && la_maker_takes(self, args, nargs, kwnames)) {
        switch (la_maker_table[self->which].kind) {
        case LA_MAKER_FILLS:
        case LA_MAKER_COUNTS:
            result = la_make_over(PyObject_Vectorcall(self->plain, args, (size_t)nargs, kwnames),
                                  self->made);
            break;
        case LA_MAKER_COPIES:
        case LA_MAKER_IS:
            result = la_maker_copies(self, args, nargs, kwnames);
            break;
        case LA_MAKER_IS_LIKE:
            result = la_maker_is_like(self, args, nargs);
            break;
        }
        if (result == NULL && PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_TypeError)) {
                return NULL;
            }
            PyErr_Clear();      /* the general version has the words for wrong arguments */
        }
    }
    return result != NULL ? result : PyObject_Vectorcall(self->general, args, nargsf, kwnames);
}

/* -- the type ----------------------------------------------------------------------- */

static PyObject *
la_maker_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"plain", "general", "made", NULL};
    PyObject *plain, *general, *made;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO", names, &plain, &general, &made)) {
        return NULL;
    }
    PyObject *name = PyObject_GetAttrString(general, "__name__");
    const char *text = name == NULL ? NULL : PyUnicode_AsUTF8(name);
    size_t which = 0;
    while (text != NULL && which < LA_MAKERS && strcmp(la_maker_table[which].name, text) != 0) {
        which++;
    }
    la_maker *self = NULL;
    if (text != NULL && which == LA_MAKERS) {
        PyErr_Format(PyExc_ValueError, "the core does not make arrays as %s does", text);
    }
    else if (text != NULL) {
        self = (la_maker *)type->tp_alloc(type, 0);
    }
    Py_XDECREF(name);
    if (self != NULL) {
        self->call = la_maker_call;
        self->plain = Py_NewRef(plain);
        self->general = Py_NewRef(general);
        self->made = Py_NewRef(made);
        self->which = which;
    }
    return (PyObject *)self;
}

static int
la_maker_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((la_maker *)object)->plain);
    Py_VISIT(((la_maker *)object)->general);
    Py_VISIT(((la_maker *)object)->made);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static void
la_maker_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    Py_CLEAR(((la_maker *)object)->plain);
    Py_CLEAR(((la_maker *)object)->general);
    Py_CLEAR(((la_maker *)object)->made);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
la_maker_bind(PyObject *object, PyObject *instance, PyObject *Py_UNUSED(type))
{
    if (instance == NULL || instance == Py_None) {
        return Py_NewRef(object);
    }
    return PyMethod_New(object, instance);
}

static PyObject *
la_maker_getattr(PyObject *object, PyObject *name)
{
    PyObject *value = PyObject_GenericGetAttr(object, name);

    if (value == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        value = PyObject_GetAttr(((la_maker *)object)->general, name);
    }
    return value;
}

/* What it has is the function's. */
static int
la_maker_setattr(PyObject *object, PyObject *name, PyObject *value)
{
    return PyObject_SetAttr(((la_maker *)object)->general, name, value);
}

static PyObject *
la_maker_of_general(PyObject *object, void *name)
{
    return PyObject_GetAttrString(((la_maker *)object)->general, name);
}

static PyObject *
la_maker_repr(PyObject *object)
{
    return PyObject_Repr(((la_maker *)object)->general);
}

/* Pickled by name, as functions are. */
static PyObject *
la_maker_reduce(PyObject *object, PyObject *Py_UNUSED(unused))
{
    return la_maker_of_general(object, "__qualname__");
}

static PyMethodDef la_maker_methods[] = {
    {"__reduce__", la_maker_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef la_maker_getset[] = {
    {"__doc__", la_maker_of_general, NULL, NULL, "__doc__"},
    {"__module__", la_maker_of_general, NULL, NULL, "__module__"},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef la_maker_members[] = {
    {"__vectorcalloffset__", LA_T_PYSSIZET, offsetof(la_maker, call), LA_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot la_maker_slots[] = {
    {Py_tp_new, la_maker_new},
    {Py_tp_dealloc, la_maker_dealloc},
    {Py_tp_traverse, la_maker_traverse},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, la_maker_bind},
    {Py_tp_getattro, la_maker_getattr},
    {Py_tp_setattro, la_maker_setattr},
    {Py_tp_repr, la_maker_repr},
    {Py_tp_methods, la_maker_methods},
    {Py_tp_getset, la_maker_getset},
    {Py_tp_members, la_maker_members},
    {0, NULL},
};

static PyType_Spec la_maker_spec = {
    .name = "lockedarray._core._native.Maker",
    .basicsize = sizeof(la_maker),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = la_maker_slots,
};

/* From now on arrays are made here. */
static PyObject *
la_connect_makers(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *array, *copyto;

    if (!PyArg_ParseTuple(args, "OO", &array, &copyto)) {
        return NULL;
    }
    if (la_copyto == NULL) {
        la_array_function_of_numpy = Py_NewRef(array);
        la_copyto = Py_NewRef(copyto);
    }
    Py_RETURN_NONE;
}

static PyMethodDef la_make_functions[] = {
    {"connect_makers", la_connect_makers, METH_VARARGS,
     "Have arrays made by the core, with NumPy's functions array() and copyto()."},
    {NULL, NULL, 0, NULL},
};

int
la_make_add(PyObject *module)
{
    la_maker_type = (PyTypeObject *)PyType_FromSpec(&la_maker_spec);
    la_copy_name = PyUnicode_InternFromString("copy");
    la_keep_order = PyUnicode_InternFromString("K");
    la_unsafe = PyUnicode_InternFromString("unsafe");
    la_only_order = Py_BuildValue("(s)", "order");
    la_only_casting = Py_BuildValue("(s)", "casting");
    la_one = PyLong_FromLong(1);
    if (la_maker_type == NULL || la_copy_name == NULL || la_keep_order == NULL
            || la_unsafe == NULL || la_only_order == NULL || la_only_casting == NULL
            || la_one == NULL || PyModule_AddFunctions(module, la_make_functions) < 0) {
        return -1;
    }
    return PyModule_AddType(module, la_maker_type);
}
