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

/*
 * ufunc.at makes an array of the value first: a Python float counts as float64
 * there, an int as int64, and a narrower element is computed in these and cast.
 */

typedef enum {
    LA_AT_ADD,
    LA_AT_SUBTRACT,
    LA_AT_MULTIPLY,
    LA_AT_DIVIDE,
    LA_AT_AND,
    LA_AT_OR,
    LA_AT_XOR,
    LA_AT_OTHER,
} la_at_kind;

/* Below this, a double is an integer without doubt. */
#define LA_EXACT_INTEGERS (1LL << 53)

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
        return overflow == 0 && integer >= -LA_EXACT_INTEGERS
               && integer <= LA_EXACT_INTEGERS;
    }
    if (Py_TYPE(value) == &PyFloatArrType_Type) {
        *number = PyArrayScalar_VAL(value, Float);
        return true;
    }
    return false;
}

/* The number as a complex of doubles; false as above. */
static bool
la_number_as_complex(PyObject *value, double number[2])
{
    PyTypeObject *type = Py_TYPE(value);

    if (type == &PyComplex_Type || type == &PyCDoubleArrType_Type) {
        Py_complex both = PyComplex_AsCComplex(value);  /* complex128 is a complex */
        number[0] = both.real;
        number[1] = both.imag;
        return true;
    }
    number[1] = 0;
    return la_number_as_double(value, &number[0]);
}

static bool
la_number_as_integer(PyObject *value, npy_int64 *number)
{
    npy_intp integer;

    if (!la_index_integer(value, &integer)) {
        return false;
    }
    *number = integer;
    return true;
}

static bool
la_number_as_bool(PyObject *value, bool *number)
{
    *number = value == Py_True;
    if (Py_TYPE(value) == &PyBoolArrType_Type) {
        *number = PyArrayScalar_VAL(value, Bool);
        return true;
    }
    return PyBool_Check(value);
}

/*
 * In float64, for a result that is a normal number of a type from `lowest` to
 * `highest`; false where a floating point error may have to be reported.
 */
static bool
la_at_compute(la_at_kind kind, double a, double b, double lowest, double highest,
              double *result)
{
    switch (kind) {
        case LA_AT_ADD:
            *result = a + b;
            break;
        case LA_AT_SUBTRACT:
            *result = a - b;
            break;
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
    if (!(fabs(*result) <= highest)) {      /* NaN, too */
        return false;
    }
    if (fabs(*result) >= lowest) {
        return true;
    }
    /* A sum of doubles never underflows, and is no less exact than its terms. */
    if (kind == LA_AT_ADD || kind == LA_AT_SUBTRACT) {
        return *result == 0 || lowest == DBL_MIN;
    }
    return *result == 0 && (a == 0 || (b == 0 && kind == LA_AT_MULTIPLY));
}

/*
 * Integers, as NumPy has them: modulo a power of two. Only the width of the
 * element matters, not its sign. False for what is not done here.
 */
static bool
la_at_compute_integer(la_at_kind kind, npy_uint64 a, npy_uint64 b, npy_uint64 *result)
{
    switch (kind) {
        case LA_AT_ADD:
            *result = a + b;
            return true;
        case LA_AT_SUBTRACT:
            *result = a - b;
            return true;
        case LA_AT_MULTIPLY:
            *result = a * b;
            return true;
        case LA_AT_AND:
            *result = a & b;
            return true;
        case LA_AT_OR:
            *result = a | b;
            return true;
        case LA_AT_XOR:
            *result = a ^ b;
            return true;
        default:
            return false;
    }
}

#define LA_AT_INTEGER(type) \
    { \
        npy_uint64 result; \
        if (!la_at_compute_integer(kind, *(type *)address, (npy_uint64)b, &result)) { \
            return false; \
        } \
        *(type *)address = (type)result; \
        return true; \
    }

static bool
la_at_apply_integer(la_at_kind kind, npy_intp size, char *address, PyObject *value)
{
    npy_int64 b;

    if (!la_number_as_integer(value, &b)) {
        return false;
    }
    switch (size) {
        case 1: LA_AT_INTEGER(npy_uint8)
        case 2: LA_AT_INTEGER(npy_uint16)
        case 4: LA_AT_INTEGER(npy_uint32)
        case 8: LA_AT_INTEGER(npy_uint64)
        default: return false;
    }
}

/* uint64 and int64 are added as float64: done where that is exact. */
static bool
la_at_apply_uint64(la_at_kind kind, char *address, PyObject *value)
{
    npy_uint64 a = *(npy_uint64 *)address;
    npy_int64 b;
    double result;

    if (kind == LA_AT_DIVIDE || !la_number_as_integer(value, &b) || b < -LA_EXACT_INTEGERS
            || b > LA_EXACT_INTEGERS || a > (npy_uint64)LA_EXACT_INTEGERS
            || !la_at_compute(kind, (double)a, (double)b, DBL_MIN, DBL_MAX, &result)
            || !(result >= 0 && result < (double)LA_EXACT_INTEGERS)) {
        return false;
    }
    *(npy_uint64 *)address = (npy_uint64)result;
    return true;
}

static bool
la_at_apply_bool(la_at_kind kind, char *address, PyObject *value)
{
    bool a = *(npy_bool *)address != 0, b;

    if (!la_number_as_bool(value, &b)) {
        return false;
    }
    switch (kind) {
        case LA_AT_ADD:
        case LA_AT_OR:
            *(npy_bool *)address = a || b;
            return true;
        case LA_AT_MULTIPLY:
        case LA_AT_AND:
            *(npy_bool *)address = a && b;
            return true;
        case LA_AT_XOR:
            *(npy_bool *)address = a != b;
            return true;
        default:
            return false;
    }
}

/* Sums alone: how products are rounded differs between NumPy's loops. */
static bool
la_at_apply_complex(la_at_kind kind, int type, char *address, PyObject *value)
{
    bool is_narrow = type == NPY_CFLOAT;
    double b[2], result[2];

    if ((kind != LA_AT_ADD && kind != LA_AT_SUBTRACT) || !la_number_as_complex(value, b)) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        double a = is_narrow ? ((float *)address)[i] : ((double *)address)[i];
        if (!la_at_compute(kind, a, b[i], is_narrow ? FLT_MIN : DBL_MIN,
                           is_narrow ? FLT_MAX : DBL_MAX, &result[i])) {
            return false;
        }
    }
    for (int i = 0; i < 2; i++) {
        if (is_narrow) {
            ((float *)address)[i] = (float)result[i];
        }
        else {
            ((double *)address)[i] = result[i];
        }
    }
    return true;
}

/* Updates the element, or leaves it as it is and returns false. */
static bool
la_at_apply(la_at_kind kind, const PyArray_Descr *descr, char *address, PyObject *value)
{
    int type = descr->type_num;
    npy_intp size = PyDataType_ELSIZE(descr);
    double b, result;

    switch (type) {
        case NPY_DOUBLE:
            if (!la_number_as_double(value, &b)
                    || !la_at_compute(kind, *(double *)address, b, DBL_MIN, DBL_MAX, &result)) {
                return false;
            }
            *(double *)address = result;
            return true;
        case NPY_FLOAT:
            /* Rounded twice, it is the same as if computed in float32. */
            if (!la_number_as_double(value, &b)
                    || !la_at_compute(kind, *(float *)address, b, FLT_MIN, FLT_MAX, &result)) {
                return false;
            }
            *(float *)address = (float)result;
            return true;
        case NPY_CFLOAT:
        case NPY_CDOUBLE:
            return la_at_apply_complex(kind, type, address, value);
        case NPY_BOOL:
            return la_at_apply_bool(kind, address, value);
        default:
            if (PyTypeNum_ISUNSIGNED(type) && size == 8) {
                return la_at_apply_uint64(kind, address, value);
            }
            return PyTypeNum_ISINTEGER(type) && la_at_apply_integer(kind, size, address, value);
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
    bool done = la_at_apply(kind, (PyArray_Descr *)fields->descr, address, value);
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
    DEFINE(and, AND) DEFINE(or, OR) DEFINE(xor, XOR) \
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

/* In new, not in init: there is none without an array, and nobody exchanges it. */
static PyObject *
la_at_index_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"array", "index", NULL};
    PyObject *array, *index;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O", names, la_array_type, &array,
                                     &index)) {
        return NULL;
    }
    la_at_index *self = (la_at_index *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->array = Py_NewRef(array);
        self->index = Py_NewRef(index);
    }
    return (PyObject *)self;
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
    {Py_tp_new, la_at_index_new},
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

static PyObject *
la_at_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"array", NULL};
    PyObject *array;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!", names, la_array_type, &array)) {
        return NULL;
    }
    la_at *self = (la_at *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->array = Py_NewRef(array);
    }
    return (PyObject *)self;
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
    {Py_tp_new, la_at_new},
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
