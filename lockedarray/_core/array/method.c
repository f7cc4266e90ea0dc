/*
 * LockedMethod: a method of ndarray as a method of LockedArray. With plain
 * arguments it locks the array and calls ndarray's own on a raw view, or on the
 * array itself for a view of it; with any others it is the general version, a
 * function in Python that does the same for all arguments. To those who look at
 * it it is that function.
 *
 * So are read() and write(), which make a guard (guard.c), and
 * the methods of AtIndex, which do by themselves what is of one element (at.c).
 */
#include "array/method.h"

#include <stddef.h>
#include <string.h>

#include "array/at.h"
#include "array/general.h"
#include "array/growth.h"
#include "array/operation.h"
#include "array/result.h"
#include "array/run.h"
#include "array/view.h"
#include "array/view_function.h"
#include "guard/guard.h"

/* self, and arguments by position and keyword together */
#define LA_MOST_PASSED 8

/* What a method does with the array. */
typedef enum {
    LA_METHOD_READS,
    LA_METHOD_READS_ONE_ARGUMENT,       /* reads, if it is given one; else it may return itself */
    LA_METHOD_READS_ALONE,              /* reads, if it is given no argument */
    LA_METHOD_RETURNS_ITSELF,           /* or reads, if there is something to do */
    LA_METHOD_WRITES,
    LA_METHOD_GROWS,                    /* adds or removes rows */
    LA_METHOD_VIEWS,                    /* makes a view */
    LA_METHOD_VIEWS_CONTIGUOUS,         /* of a contiguous array, else a copy */
    LA_METHOD_VIEWS_AS,                 /* with another dtype, or as a plain array */
    LA_METHOD_VIEWS_READ_ONLY,
    LA_METHOD_ALIASES,                  /* makes a plain one, if it is given no argument */
} la_method_mode;

static const char *const la_method_modes[] = {
    [LA_METHOD_READS] = "reads",
    [LA_METHOD_READS_ONE_ARGUMENT] = "reads one argument",
    [LA_METHOD_READS_ALONE] = "reads alone",
    [LA_METHOD_RETURNS_ITSELF] = "returns itself",
    [LA_METHOD_WRITES] = "writes",
    [LA_METHOD_GROWS] = "grows",
    [LA_METHOD_VIEWS] = "views",
    [LA_METHOD_VIEWS_CONTIGUOUS] = "views contiguous",
    [LA_METHOD_VIEWS_AS] = "views as",
    [LA_METHOD_VIEWS_READ_ONLY] = "views read-only",
    [LA_METHOD_ALIASES] = "aliases",
};

typedef PyObject *la_grow(PyObject *array, PyObject *const *args, Py_ssize_t nargs,
                          PyObject *kwnames);

static const struct {
    const char *name;
    la_grow *grow;
} la_growing[] = {
    {"LockedArray.append", la_append},
    {"LockedArray.popleft", la_popleft},
    {"LockedArray.resize", la_resize},
};

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *plain;        /* ndarray's method, or None */
    PyObject *general;
    la_method_mode mode;
    int out;                /* where out= is, behind the array itself; -1: nowhere */
    bool copies_read_only;  /* ndarray's copies arrays that it only reads, if those are read-only */
    bool copies_itself;     /* and the array itself, too */
    int of_at;              /* which method of AtIndex */
    la_grow *grow;          /* of one that grows: what does it */
    PyObject *(*alone)(PyObject *);     /* of one that makes views: what does it without arguments */
} la_method;

static PyTypeObject *la_method_type;

/* Is a record of it a tuple of numbers, texts and other such tuples? */
static bool
la_has_plain_fields(PyArray_Descr *descr)
{
    PyObject *name, *field;
    Py_ssize_t position = 0;
    bool plain = true;

    if (!PyDataType_HASFIELDS(descr)) {
        return false;
    }
    PyObject *fields = Py_NewRef(PyDataType_FIELDS(descr));    /* renaming them makes another */
    while (plain && PyDict_Next(fields, &position, &name, &field)) {
        PyArray_Descr *part = (PyArray_Descr *)PyTuple_GET_ITEM(field, 0);
        plain = part->type_num != NPY_VOID || la_has_plain_fields(part);
    }
    Py_DECREF(fields);
    return plain;
}

static PyObject *
la_method_run(la_method *self, PyObject *const *args, size_t count, size_t nargs,
              PyObject *kwnames, bool *general)
{
    la_operation operation;
    PyObject *passed[LA_MOST_PASSED + 1];
    PyObject *result = NULL;

    operation.count = 0;
    *general = true;
    if (nargs == 0 || count > LA_MOST_PASSED || !la_is_exact(args[0])
            || (self->mode == LA_METHOD_READS_ONE_ARGUMENT && (nargs != 2 || count != 2))
            || (self->mode == LA_METHOD_READS_ALONE && count != 1) || self->copies_itself) {
        return NULL;
    }
    for (size_t i = 1; i < count; i++) {
        if (!la_is_parameter(args[i]) && !la_is_plain_array(args[i])) {
            return NULL;
        }
        passed[i + 1] = args[i];
    }
    int type = la_fields(args[0])->descr->type_num;
    operation.count = 0;
    /* Records that hold objects are for the general version. */
    if ((type == NPY_VOID && PyDataType_REFCHK(la_fields(args[0])->descr))
            || la_operation_add_any(&operation, args[0],
                                    self->mode == LA_METHOD_WRITES ? LA_WRITE : LA_READ) < 0) {
        return NULL;
    }
    int locked = la_operation_lock(&operation);
    *general = locked == LA_GENERAL;
    if (locked != 0) {
        return NULL;
    }
    PyObject *raw = la_raw(args[0], operation.operands[0].mode);
    if (raw != NULL) {
        passed[1] = raw;
        result = PyObject_Vectorcall(self->plain, passed + 1,
                                     nargs | PY_VECTORCALL_ARGUMENTS_OFFSET, kwnames);
        /* A list is tolist's; there are arrays in it, views, where records have subarrays. */
        if (result == NULL || !PyList_CheckExact(result)
                || (type == NPY_VOID && !la_has_plain_fields(la_fields(raw)->descr))) {
            result = la_unwrapped(result, raw, args[0]);
        }
        Py_DECREF(raw);
    }
    la_operation_unlock(&operation);
    return result;
}

/* An argument by keyword: borrowed, or NULL. */
static PyObject *
la_method_named(PyObject *const *args, size_t nargs, PyObject *kwnames, PyObject *name)
{
    for (Py_ssize_t i = 0; kwnames != NULL && i < PyTuple_GET_SIZE(kwnames); i++) {
        if (la_is_name(PyTuple_GET_ITEM(kwnames, i), name)) {
            return args[nargs + (size_t)i];
        }
    }
    return NULL;
}

/* With any arguments: lists, other LockedArrays, out=. */
static PyObject *
la_method_run_any(la_method *self, PyObject *const *args, size_t nargs, PyObject *kwnames,
                  bool *general)
{
    la_run_terms terms = {
        .function = self->plain, .lists = true, .copies_read_only = self->copies_read_only,
    };

    *general = true;
    if (nargs == 0 || !la_is_exact(args[0]) || self->mode == LA_METHOD_READS_ALONE) {
        return NULL;
    }
    if (self->mode == LA_METHOD_WRITES) {
        terms.written[terms.writes++] = args[0];
    }
    else {
        PyObject *out = la_method_named(args, nargs, kwnames, la_names.out);
        size_t position = (size_t)(self->out + 1);
        if ((out == NULL || out == Py_None) && self->out >= 0 && position < nargs) {
            out = args[position];
        }
        if (out != NULL && !la_run_add_written(&terms, out)) {
            return NULL;
        }
    }
    return la_run(&terms, args, (Py_ssize_t)nargs, kwnames, general);
}

/*
 * A method that returns the array itself where there is nothing to do, which is seen without
 * the lock, by asking an array without elements. NULL without an error: it is not so.
 */
static PyObject *
la_method_itself(la_method *self, PyObject *const *args, size_t count, size_t nargs,
                 PyObject *kwnames)
{
    PyObject *passed[LA_MOST_PASSED + 1];
    npy_intp none = 0;

    if (nargs == 0 || count > LA_MOST_PASSED || !la_is_exact(args[0])
            || la_facade_of(args[0])->buffer == NULL) {
        return NULL;
    }
    PyArray_Descr *descr = la_fields(args[0])->descr;
    if (PyDataType_REFCHK(descr) || PyTypeNum_ISCOMPLEX(descr->type_num)) {
        return NULL;        /* it is copied; or casting it warns, even of no elements */
    }
    if (self->mode == LA_METHOD_READS_ONE_ARGUMENT) {
        /* astype(dtype, copy=False), or with the dtype by name */
        if (la_method_named(args, nargs, kwnames, la_names.copy) != Py_False
                || nargs > 2 || count != 3) {
            return NULL;
        }
    }
    else if (self->out >= 0) {      /* conj() */
        if (count != 1 || !PyTypeNum_ISNUMBER(descr->type_num)) {
            return NULL;
        }
        return Py_NewRef(args[0]);
    }
    for (size_t i = 1; i < count; i++) {
        if (!la_is_parameter(args[i])) {
            return NULL;
        }
        passed[i + 1] = args[i];
    }
    if (self->mode == LA_METHOD_READS_ONE_ARGUMENT && nargs == 1
            && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "dtype") != 0
            && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 1), "dtype") != 0) {
        return NULL;
    }
    Py_INCREF(descr);
    PyObject *empty = PyArray_NewFromDescr(&PyArray_Type, descr, 1, &none, NULL, NULL, 0, NULL);
    if (empty == NULL) {
        return NULL;
    }
    passed[1] = empty;
    PyObject *result = PyObject_Vectorcall(self->plain, passed + 1,
                                           nargs | PY_VECTORCALL_ARGUMENTS_OFFSET, kwnames);
    bool is_itself = result == empty;
    Py_XDECREF(result);
    Py_DECREF(empty);
    return is_itself ? Py_NewRef(args[0]) : NULL;
}

static PyObject *
la_method_call(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    la_method *self = (la_method *)object;
    size_t nargs = (size_t)PyVectorcall_NARGS(nargsf);
    size_t count = nargs + (kwnames == NULL ? 0 : (size_t)PyTuple_GET_SIZE(kwnames));
    bool general;

    if (nargs != 0 && la_is_exact(args[0]) && la_facade_settle(args[0]) < 0) {
        return NULL;        /* some look at the shape before they have the lock */
    }
    if (self->mode == LA_METHOD_RETURNS_ITSELF
            || (self->mode == LA_METHOD_READS_ONE_ARGUMENT && kwnames != NULL)) {
        PyObject *itself = la_method_itself(self, args, count, nargs, kwnames);
        if (itself != NULL || PyErr_Occurred()) {
            return itself;
        }
    }
    PyObject *result = la_method_run(self, args, count, nargs, kwnames, &general);
    if (general && !PyErr_Occurred()) {
        result = la_method_run_any(self, args, nargs, kwnames, &general);
    }
    if (!general || PyErr_Occurred()) {
        return result;
    }
    return PyObject_Vectorcall(self->general, args, nargsf, kwnames);
}

/* A read-only plain array over the same memory, as NumPy's C code makes one of any. */
static PyObject *
la_method_call_alias(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (PyVectorcall_NARGS(nargsf) == 1 && kwnames == NULL && la_is_exact(args[0])) {
        if (la_facade_settle(args[0]) < 0) {
            return NULL;
        }
        return PyArray_View((PyArrayObject *)args[0], NULL, &PyArray_Type);
    }
    return PyObject_Vectorcall(((la_method *)object)->general, args, nargsf, kwnames);
}

/* What the method makes of the array itself, if that is a view of it. */
static PyObject *
la_method_call_view(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    la_method *self = (la_method *)object;
    size_t nargs = (size_t)PyVectorcall_NARGS(nargsf);
    bool general = nargs == 0 || kwnames != NULL || !la_is_exact(args[0])
                   || la_facade_of(args[0])->buffer == NULL, copies = false;

    if (!general && la_facade_settle(args[0]) < 0) {
        return NULL;
    }
    if (!general && nargs == 1 && self->alone != NULL) {
        PyObject *view = self->alone(args[0]);
        if (view != NULL || PyErr_Occurred()) {
            return view;
        }
    }
    for (size_t i = 1; i < nargs; i++) {
        general |= !la_is_parameter(args[i]);
        copies |= PyUnicode_CheckExact(args[i]);    /* in another order */
    }
    if (!general && self->mode == LA_METHOD_VIEWS_CONTIGUOUS
            && (copies || !(la_fields(args[0])->flags & NPY_ARRAY_C_CONTIGUOUS))) {
        PyObject *result = la_view_method(self->plain, LA_VIEWER_CONTIGUOUS, args, nargs, &general);
        if (!general || PyErr_Occurred()) {
            return result;
        }
    }
    if (!general) {
        PyObject *view = la_checked_view(
            args[0], PyObject_Vectorcall(self->plain, args, nargsf, NULL));
        if (view == NULL && PyErr_Occurred()) {
            return NULL;
        }
        if (view != NULL && la_facade_of(view)->buffer == la_facade_of(args[0])->buffer) {
            if (self->mode == LA_METHOD_VIEWS_READ_ONLY) {
                la_facade_of(view)->may_write = 0;
            }
            return view;
        }
        Py_XDECREF(view);       /* a copy, made without the lock */
    }
    return PyObject_Vectorcall(self->general, args, nargsf, kwnames);
}

/* A dtype, or its name or type; varied text has its texts in the dtype itself, which is not changed. */
static bool
la_method_is_dtype(PyObject *array, PyObject *object)
{
    return PyArray_TYPE((PyArrayObject *)array) != NPY_VSTRING
           && (PyUnicode_CheckExact(object)
               || PyArray_DescrCheck(object)
               || (Py_TYPE(object) == &PyType_Type && la_is_parameter(object)
                   && !PyType_IsSubtype((PyTypeObject *)object, &PyArray_Type)));
}

/* x.view(): of a plain view, which NumPy gives another dtype without asking the class. */
static PyObject *
la_method_call_view_as(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    la_method *self = (la_method *)object;
    size_t nargs = (size_t)PyVectorcall_NARGS(nargsf);
    size_t count = nargs + (kwnames == NULL ? 0 : (size_t)PyTuple_GET_SIZE(kwnames));
    PyObject *view = NULL;

    if (nargs == 0 || count > 2 || !la_is_exact(args[0]) || la_facade_of(args[0])->buffer == NULL
            || (kwnames != NULL && PyUnicode_CompareWithASCIIString(
                    PyTuple_GET_ITEM(kwnames, 0), "dtype") != 0)) {
        return PyObject_Vectorcall(self->general, args, nargsf, kwnames);
    }
    if (la_facade_settle(args[0]) < 0) {
        return NULL;
    }
    if (count == 1) {
        view = la_view_whole(args[0]);
        if (view != NULL || PyErr_Occurred()) {
            return view;
        }
        view = la_checked_view(args[0], PyObject_Vectorcall(self->plain, args, nargsf, NULL));
    }
    else if (args[1] == (PyObject *)&PyArray_Type && kwnames == NULL) {
        return PyObject_Vectorcall(self->plain, args, nargsf, NULL);
    }
    else if (la_method_is_dtype(args[0], args[1])) {
        PyObject *raw = la_raw_unlocked(args[0]);
        PyObject *passed[] = {raw, args[1]};
        PyObject *viewed = raw == NULL ? NULL : PyObject_Vectorcall(self->plain, passed, 2, NULL);
        if (viewed != NULL) {
            view = PyArray_CheckExact(viewed)
                ? la_view_of(viewed, raw, args[0], la_facade_of(args[0])->may_write != 0) : NULL;
            Py_DECREF(viewed);
        }
        Py_XDECREF(raw);
    }
    if (view == NULL && !PyErr_Occurred()) {
        return PyObject_Vectorcall(self->general, args, nargsf, kwnames);
    }
    return view;
}

/* Which of timeout= and when= it is: 0 or 1; 2 for any other. */
static int
la_method_guard_term(PyObject *name)
{
    return PyUnicode_CompareWithASCIIString(name, "when") == 0 ? 1
        : PyUnicode_CompareWithASCIIString(name, "timeout") == 0 ? 0 : 2;
}

/* x.read() and x.write() */
static PyObject *
la_method_call_guard(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    la_method *self = (la_method *)object;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    PyObject *terms[3] = {NULL, NULL, NULL};    /* the timeout, when, and anything else */
    bool once = true;

    if (nargs >= 1 && nargs <= 3 && la_is_facade(args[0])) {
        for (Py_ssize_t i = 1; i < nargs; i++) {
            terms[i - 1] = args[i];
        }
        for (Py_ssize_t i = 0; i < named; i++) {
            PyObject **term = &terms[la_method_guard_term(PyTuple_GET_ITEM(kwnames, i))];
            once = once && *term == NULL;
            *term = args[nargs + i];
        }
        PyObject *when = terms[1] == Py_None ? NULL : terms[1];
        double timeout = terms[0] == NULL ? -1 : la_guard_timeout(terms[0]);
        if (timeout != -2 && once && terms[2] == NULL && (when == NULL || la_guard_knows(when))) {
            return la_guard_new(args[0], self->mode == LA_METHOD_WRITES, timeout, when);
        }
    }
    return PyObject_Vectorcall(self->general, args, nargsf, kwnames);
}

static PyObject *
la_method_call_at(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    la_method *self = (la_method *)object;

    if (kwnames == NULL) {
        PyObject *result = la_at_method_call(self->of_at, args, PyVectorcall_NARGS(nargsf));
        if (result != NULL || PyErr_Occurred()) {
            return result;
        }
    }
    return PyObject_Vectorcall(self->general, args, nargsf, kwnames);
}

static PyObject *
la_method_call_grow(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    la_method *self = (la_method *)object;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);

    if (nargs >= 1 && la_is_exact(args[0])) {
        PyObject *result = self->grow(args[0], args + 1, nargs - 1, kwnames);
        if (result != NULL || PyErr_Occurred()) {
            return result;
        }
    }
    return PyObject_Vectorcall(self->general, args, nargsf, kwnames);
}

/* What does the method of this name that grows; NULL: none. */
static la_grow *
la_grow_find(const char *name)
{
    for (size_t i = 0; i < sizeof(la_growing) / sizeof(la_growing[0]); i++) {
        if (strcmp(la_growing[i].name, name) == 0) {
            return la_growing[i].grow;
        }
    }
    return NULL;
}

/* What is called for a method without one of ndarray's: by its name. */
static int
la_method_choose(la_method *self)
{
    PyObject *name = PyObject_GetAttrString(self->general, "__qualname__");
    const char *text = name == NULL ? NULL : PyUnicode_AsUTF8(name);
    int result = text == NULL ? -1 : 0;

    if (result == 0) {
        self->of_at = la_at_method_find(text);
        if (self->of_at >= 0) {
            self->call = la_method_call_at;
        }
        else if (self->mode == LA_METHOD_GROWS && (self->grow = la_grow_find(text)) != NULL) {
            self->call = la_method_call_grow;
        }
        else if (strcmp(text, "LockedArray.read") == 0
                 || strcmp(text, "LockedArray.write") == 0) {
            self->call = la_method_call_guard;
        }
        else {
            PyErr_Format(PyExc_ValueError, "%s is no method that the core does by itself", text);
            result = -1;
        }
    }
    Py_XDECREF(name);
    return result;
}

/* Is it a view that is made here, if there are no arguments? */
static void
la_method_see_views(la_method *self)
{
    if (Py_TYPE(self->plain) == &PyMethodDescr_Type) {
        const char *name = ((PyMethodDescrObject *)self->plain)->d_method->ml_name;
        self->alone = strcmp(name, "ravel") == 0 ? la_view_flat
            : strcmp(name, "transpose") == 0 ? la_view_transposed : NULL;
    }
}

/* Does NumPy's C code copy what it only reads, unless that may be written? */
static void
la_method_see_copies(la_method *self)
{
    static const char *const names[] = {"repeat", "choose", "take", "put"};

    if (Py_TYPE(self->plain) != &PyMethodDescr_Type) {
        return;
    }
    const char *name = ((PyMethodDescrObject *)self->plain)->d_method->ml_name;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            self->copies_read_only = true;
            self->copies_itself = i < 2;
        }
    }
}

/* The mode of this name, or -1 with an error. */
static int
la_method_mode_find(const char *name)
{
    for (size_t i = 0; i < sizeof(la_method_modes) / sizeof(la_method_modes[0]); i++) {
        if (strcmp(la_method_modes[i], name) == 0) {
            return (int)i;
        }
    }
    PyErr_Format(PyExc_ValueError, "no method does this with an array: %s", name);
    return -1;
}

static PyObject *
la_method_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"plain", "general", "mode", "out", NULL};
    PyObject *plain, *general;
    const char *given;
    int out = -1;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOs|i", names, &plain, &general, &given,
                                     &out)) {
        return NULL;
    }
    int mode = la_method_mode_find(given);
    la_method *self = mode < 0 ? NULL : (la_method *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->call = mode == LA_METHOD_ALIASES ? la_method_call_alias
            : mode == LA_METHOD_VIEWS_AS ? la_method_call_view_as
            : mode >= LA_METHOD_VIEWS ? la_method_call_view : la_method_call;
        self->plain = Py_NewRef(plain);
        self->general = Py_NewRef(general);
        self->mode = (la_method_mode)mode;
        self->out = out;
        la_method_see_copies(self);
        la_method_see_views(self);
        if (plain == Py_None && la_method_choose(self) < 0) {
            Py_CLEAR(self);
        }
    }
    return (PyObject *)self;
}

static int
la_method_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((la_method *)object)->plain);
    Py_VISIT(((la_method *)object)->general);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static int
la_method_clear(PyObject *object)
{
    Py_CLEAR(((la_method *)object)->plain);
    Py_CLEAR(((la_method *)object)->general);
    return 0;
}

static void
la_method_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    la_method_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
la_method_bind(PyObject *object, PyObject *array, PyObject *Py_UNUSED(type))
{
    if (array == NULL || array == Py_None) {
        return Py_NewRef(object);
    }
    return PyMethod_New(object, array);
}

static PyObject *
la_method_getattr(PyObject *object, PyObject *name)
{
    PyObject *value = PyObject_GenericGetAttr(object, name);

    if (value == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        value = PyObject_GetAttr(((la_method *)object)->general, name);
    }
    return value;
}

/* What every type has an attribute of its own for. */
static PyObject *
la_method_of_general(PyObject *object, void *name)
{
    return PyObject_GetAttrString(((la_method *)object)->general, name);
}

static PyObject *
la_method_repr(PyObject *object)
{
    return PyObject_Repr(((la_method *)object)->general);
}

/* Pickled by name, as functions are. */
static PyObject *
la_method_reduce(PyObject *object, PyObject *Py_UNUSED(unused))
{
    return la_method_of_general(object, "__qualname__");
}

static PyMethodDef la_method_methods[] = {
    {"__reduce__", la_method_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef la_method_getset[] = {
    {"__doc__", la_method_of_general, NULL, NULL, "__doc__"},
    {"__module__", la_method_of_general, NULL, NULL, "__module__"},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef la_method_members[] = {
    {"__vectorcalloffset__", LA_T_PYSSIZET, offsetof(la_method, call), LA_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot la_method_slots[] = {
    {Py_tp_new, la_method_new},
    {Py_tp_dealloc, la_method_dealloc},
    {Py_tp_traverse, la_method_traverse},
    {Py_tp_clear, la_method_clear},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, la_method_bind},
    {Py_tp_getattro, la_method_getattr},
    {Py_tp_repr, la_method_repr},
    {Py_tp_methods, la_method_methods},
    {Py_tp_getset, la_method_getset},
    {Py_tp_members, la_method_members},
    {0, NULL},
};

static PyType_Spec la_method_spec = {
    .name = "lockedarray._core._native.LockedMethod",
    .basicsize = sizeof(la_method),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_METHOD_DESCRIPTOR
             | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = la_method_slots,
};

int
la_method_add(PyObject *module)
{
    la_method_type = (PyTypeObject *)PyType_FromSpec(&la_method_spec);
    if (la_method_type == NULL) {
        return -1;
    }
    return PyModule_AddType(module, la_method_type);
}
