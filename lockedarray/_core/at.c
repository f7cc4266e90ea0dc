/*
 * x.at[i] += v: the bases of At and AtIndex, and the update of one element of
 * a common dtype by a plain number.
 *
 * The update is what ufunc.at computes, or it is left to the general path:
 * where the result leaves the dtype, where a floating point flag may be set,
 * or where the types of the two make NumPy choose another loop.
 */
#include "element.h"
#include "hot.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

typedef struct {
    PyObject_HEAD
    PyObject *array;
} la_at;

typedef struct {
    PyObject_HEAD
    PyObject *array;
    PyObject *index;
    char updated;       /* by an augmented assignment, whose end is to come */
} la_at_index;

static PyTypeObject *la_at_type, *la_at_index_type;

/* -- the update ---------------------------------------------------------------------- */

typedef enum {
    LA_AT_ADD,
    LA_AT_SUBTRACT,
    LA_AT_MULTIPLY,
    LA_AT_DIVIDE,
    LA_AT_OTHER,
} la_at_kind;

/* The number as a double; false where it is none, or would be rounded. */
static bool
la_number_as_double(PyObject *value, double *number)
{
    if (PyFloat_CheckExact(value) || Py_TYPE(value) == &PyDoubleArrType_Type) {
        *number = PyFloat_AS_DOUBLE(value);     /* float64 is a float */
        return true;
    }
    if (PyLong_CheckExact(value)) {
        int overflow;
        long long integer = PyLong_AsLongLongAndOverflow(value, &overflow);
        *number = (double)integer;
        return overflow == 0 && integer >= -(1LL << 53) && integer <= 1LL << 53;
    }
    return false;
}

static bool
la_number_as_integer(PyObject *value, long long *number)
{
    npy_intp integer;

    if (!la_index_integer(value, &integer)) {
        return false;
    }
    *number = integer;
    return true;
}

/* False where a floating point error may have to be reported. */
static bool
la_at_compute(la_at_kind kind, double a, double b, double *result)
{
    switch (kind) {
        case LA_AT_ADD:
            *result = a + b;
            return isfinite(*result);       /* a sum never underflows */
        case LA_AT_SUBTRACT:
            *result = a - b;
            return isfinite(*result);
        case LA_AT_MULTIPLY:
            *result = a * b;
            break;
        case LA_AT_DIVIDE:
            if (b == 0) {
                return false;
            }
            *result = a / b;
            break;
        default:
            return false;
    }
    return isfinite(*result)
           && (fabs(*result) >= DBL_MIN || a == 0 || (b == 0 && kind == LA_AT_MULTIPLY));
}

static bool
la_at_compute_integer(la_at_kind kind, long long a, long long b, long long lowest,
                      long long highest, long long *result)
{
    /* In 64 bits neither overflows: the operands are below 2**31, or checked. */
    switch (kind) {
        case LA_AT_ADD:
            if (b > 0 ? a > highest - b : a < lowest - b) {
                return false;
            }
            *result = a + b;
            return true;
        case LA_AT_SUBTRACT:
            if (b > 0 ? a < lowest + b : a > highest + b) {
                return false;
            }
            *result = a - b;
            return true;
        case LA_AT_MULTIPLY:
            if (a <= INT32_MIN || a > INT32_MAX || b <= INT32_MIN || b > INT32_MAX) {
                return false;
            }
            *result = a * b;
            return *result >= lowest && *result <= highest;
        default:
            return false;
    }
}

#define LA_AT_INTEGER(type, lowest, highest) \
    { \
        long long b, result; \
        if (!la_number_as_integer(value, &b) || b < (lowest) || b > (highest) \
                || !la_at_compute_integer(kind, *(type *)address, b, lowest, highest, \
                                          &result)) { \
            return false; \
        } \
        *(type *)address = (type)result; \
        return true; \
    }

/* Updates the element, or leaves it as it is and returns false. */
static bool
la_at_apply(la_at_kind kind, int type, char *address, PyObject *value)
{
    double b, result;

    switch (type) {
        case NPY_INT8: LA_AT_INTEGER(npy_int8, INT8_MIN, INT8_MAX)
        case NPY_INT16: LA_AT_INTEGER(npy_int16, INT16_MIN, INT16_MAX)
        case NPY_INT32: LA_AT_INTEGER(npy_int32, INT32_MIN, INT32_MAX)
        case NPY_INT64: LA_AT_INTEGER(npy_int64, INT64_MIN, INT64_MAX)
        case NPY_DOUBLE:
            if (!la_number_as_double(value, &b)
                    || !la_at_compute(kind, *(double *)address, b, &result)) {
                return false;
            }
            *(double *)address = result;
            return true;
        default:
            return false;
    }
}

/* 0, LA_GENERAL or -1. */
static int
la_at_update(la_at_index *at, la_at_kind kind, PyObject *value)
{
    PyArrayObject_fields *fields = la_fields(at->array);
    npy_intp index[LA_MOST_INDICES];
    la_grip grip;
    bool error;

    int count = la_index_integers(at->index, index);
    if (kind == LA_AT_OTHER || count != fields->nd || !(fields->flags & NPY_ARRAY_ALIGNED)
            || !PyArray_ISNBO(fields->descr->byteorder)) {
        return LA_GENERAL;
    }
    char *address = la_element_lock(at->array, index, count, LA_WRITE, &grip, &error);
    if (address == NULL) {
        return error ? -1 : LA_GENERAL;
    }
    bool done = la_at_apply(kind, fields->descr->type_num, address, value);
    la_grip_release(&grip);
    return done ? 0 : LA_GENERAL;
}

static PyObject *
la_at_augment(PyObject *object, PyObject *value, la_at_kind kind, PyObject *ufunc)
{
    la_at_index *self = (la_at_index *)object;

    int result = la_at_update(self, kind, value);
    if (result < 0) {
        return NULL;
    }
    if (result == LA_GENERAL) {
        return PyObject_CallMethodObjArgs(object, la_names.augment, ufunc, value, NULL);
    }
    self->updated = 1;
    return Py_NewRef(object);
}

#define LA_AT_SLOTS(DEFINE) \
    DEFINE(add, ADD) DEFINE(subtract, SUBTRACT) DEFINE(multiply, MULTIPLY) \
    DEFINE(true_divide, DIVIDE) DEFINE(floor_divide, OTHER) DEFINE(remainder, OTHER) \
    DEFINE(and, OTHER) DEFINE(or, OTHER) DEFINE(xor, OTHER) \
    DEFINE(lshift, OTHER) DEFINE(rshift, OTHER)

#define LA_DEFINE_AT(name, kind) \
    static PyObject * \
    la_at_inplace_##name(PyObject *object, PyObject *value) \
    { \
        return la_at_augment(object, value, LA_AT_##kind, la_names.at_##name); \
    }
LA_AT_SLOTS(LA_DEFINE_AT)

static PyObject *
la_at_inplace_power(PyObject *object, PyObject *value, PyObject *Py_UNUSED(modulo))
{
    return la_at_augment(object, value, LA_AT_OTHER, la_names.at_power);
}

/* -- AtIndex -------------------------------------------------------------------------- */

static int
la_at_index_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"array", "index", NULL};
    la_at_index *self = (la_at_index *)object;
    PyObject *array, *index;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O", names, la_array_type, &array,
                                     &index)) {
        return -1;
    }
    Py_XSETREF(self->array, Py_NewRef(array));
    Py_XSETREF(self->index, Py_NewRef(index));
    return 0;
}

static int
la_at_index_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((la_at_index *)object)->array);
    Py_VISIT(((la_at_index *)object)->index);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static void
la_at_index_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    Py_CLEAR(((la_at_index *)object)->array);
    Py_CLEAR(((la_at_index *)object)->index);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMemberDef la_at_index_members[] = {
    {"_array", LA_T_OBJECT, offsetof(la_at_index, array), LA_READONLY, NULL},
    {"_index", LA_T_OBJECT, offsetof(la_at_index, index), LA_READONLY, NULL},
    {"_updated", LA_T_BOOL, offsetof(la_at_index, updated), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

#define LA_ENTER_AT(name, kind) {Py_nb_inplace_##name, la_at_inplace_##name},
static PyType_Slot la_at_index_slots[] = {
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, la_at_index_init},
    {Py_tp_dealloc, la_at_index_dealloc},
    {Py_tp_traverse, la_at_index_traverse},
    {Py_tp_members, la_at_index_members},
    LA_AT_SLOTS(LA_ENTER_AT)
    {Py_nb_inplace_power, la_at_inplace_power},
    {0, NULL},
};

static PyType_Spec la_at_index_spec = {
    .name = "lockedarray._core._native.AtIndexBase",
    .basicsize = sizeof(la_at_index),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = la_at_index_slots,
};

/* -- At ------------------------------------------------------------------------------- */

/* x.at */
PyObject *
la_array_get_at(PyObject *array, void *Py_UNUSED(closure))
{
    la_at *at = (la_at *)la_above.at->tp_alloc(la_above.at, 0);

    if (at != NULL) {
        at->array = Py_NewRef(array);
    }
    return (PyObject *)at;
}

static int
la_at_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"array", NULL};
    PyObject *array;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!", names, la_array_type, &array)) {
        return -1;
    }
    Py_XSETREF(((la_at *)object)->array, Py_NewRef(array));
    return 0;
}

static int
la_at_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((la_at *)object)->array);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static void
la_at_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    Py_CLEAR(((la_at *)object)->array);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
la_at_subscript(PyObject *object, PyObject *index)
{
    PyTypeObject *type = la_above.at_index;
    la_at_index *at = (la_at_index *)type->tp_alloc(type, 0);

    if (at != NULL) {
        at->array = Py_NewRef(((la_at *)object)->array);
        at->index = Py_NewRef(index);
    }
    return (PyObject *)at;
}

static int
la_at_assign_subscript(PyObject *object, PyObject *index, PyObject *value)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "the elements of x.at are not deleted");
        return -1;
    }
    if (PyObject_TypeCheck(value, la_at_index_type)) {
        la_at_index *at = (la_at_index *)value;
        if (at->updated && at->array == ((la_at *)object)->array) {
            at->updated = 0;        /* the end of x.at[i] += v: the work is done */
            return 0;
        }
    }
    PyObject *done = PyObject_CallMethodObjArgs(object, la_names.general_setitem, index,
                                                value, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static PyMemberDef la_at_members[] = {
    {"_array", LA_T_OBJECT, offsetof(la_at, array), LA_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot la_at_slots[] = {
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, la_at_init},
    {Py_tp_dealloc, la_at_dealloc},
    {Py_tp_traverse, la_at_traverse},
    {Py_tp_members, la_at_members},
    {Py_mp_subscript, la_at_subscript},
    {Py_mp_ass_subscript, la_at_assign_subscript},
    {0, NULL},
};

static PyType_Spec la_at_spec = {
    .name = "lockedarray._core._native.AtBase",
    .basicsize = sizeof(la_at),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = la_at_slots,
};

int
la_at_add(PyObject *module)
{
    la_at_type = (PyTypeObject *)PyType_FromSpec(&la_at_spec);
    la_at_index_type = (PyTypeObject *)PyType_FromSpec(&la_at_index_spec);
    if (la_at_type == NULL || la_at_index_type == NULL) {
        return -1;
    }
    if (PyModule_AddType(module, la_at_type) < 0) {
        return -1;
    }
    return PyModule_AddType(module, la_at_index_type);
}
