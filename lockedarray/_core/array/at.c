/*
 * x.at: the bases of At and AtIndex, and what they do with one element by
 * themselves, under the lock of its bytes. The rest is for the general versions.
 */
#include "array/at.h"

#include <stddef.h>
#include <string.h>

#include "array/change.h"
#include "array/element.h"
#include "array/general.h"
#include "array/index.h"
#include "array/ufunc.h"
#include "array/at_action.h"
#include "array/at_several.h"
#include "array/at_update.h"
#include "array/other_element.h"

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

/* -- objects to be used again -------------------------------------------------------- */

/*
 * x.at[i] makes two objects, which live for one line. The GIL guards those that are to be
 * used again; without one, allocation is the thread's.
 */
#define LA_MOST_SPARE 4
typedef struct {
    PyObject *objects[LA_MOST_SPARE];
    int count;
} la_spare_objects;
static la_spare_objects la_spare_at, la_spare_at_index;

/* With every field 0, or with no more than what the caller sets at once; the collector knows it. */
static inline PyObject *
la_spare_new(la_spare_objects *spare, PyTypeObject *type)
{
#ifndef Py_GIL_DISABLED
    if (LA_LIKELY(spare->count > 0)) {
        PyObject *object = PyObject_Init(spare->objects[--spare->count], type);
        PyObject_GC_Track(object);      /* its fields are NULL, as of a new one */
        return object;
    }
#endif
    (void)spare;
    return type->tp_alloc(type, 0);
}

/* The end of an object that the collector does not know any more, and whose fields are clear. */
static inline void
la_spare_end(la_spare_objects *spare, PyTypeObject *usual, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

#ifndef Py_GIL_DISABLED
    if (LA_LIKELY(type == usual && spare->count < LA_MOST_SPARE)) {
        spare->objects[spare->count++] = object;
        Py_DECREF(type);
        return;
    }
#endif
    (void)spare;
    (void)usual;
    type->tp_free(object);
    Py_DECREF(type);
}

/* -- one element ------------------------------------------------------------------ */

/*
 * Locks the element: its address, or NULL, with `error` set if there is one, for
 * the general version.
 */
static char *
la_at_lock(la_at_index *at, la_mode mode, la_hold **hold, bool *error)
{
    npy_intp index[LA_MOST_INDICES];

    *error = false;
    int count = la_index_integers(at->index, index);
    return count < 0 ? NULL : la_element_lock(at->array, index, count, mode, hold, error);
}

static inline bool
la_at_may_compute(const la_at_index *at)
{
    PyArrayObject_fields *fields = la_fields(at->array);
    return (fields->flags & NPY_ARRAY_ALIGNED) && PyArray_ISNBO(fields->descr->byteorder);
}

static inline PyObject *
la_at_scalar(const la_at_index *at, char *address)
{
    return PyArray_Scalar(address, (PyArray_Descr *)la_fields(at->array)->descr, at->array);
}

static inline int
la_at_pack(const la_at_index *at, char *address, PyObject *value)
{
    return PyArray_Pack((PyArray_Descr *)la_fields(at->array)->descr, address, value);
}

/* Copies a number of a size that the updates know, in the other byte order if `swaps`. */
static void
la_number_copy(char *to, const char *from, const PyArray_Descr *descr, bool swaps)
{
    npy_intp size = PyDataType_ELSIZE(descr);
    npy_intp part = PyTypeNum_ISCOMPLEX(descr->type_num) ? size / 2 : size;

    for (npy_intp i = 0; i < size; i++) {
        to[i] = from[swaps ? i - i % part + part - 1 - i % part : i];
    }
}

/* Of a number that is not aligned, or in the other byte order: by a copy. */
static LA_COLD bool
la_at_update_copy(la_update_kind kind, PyObject *ufunc, const PyArray_Descr *descr,
                  char *address, PyObject *value)
{
    union {
        npy_cdouble number;     /* the largest of which the bytes all mean something */
        char bytes[sizeof(npy_cdouble)];
    } copy;
    bool swaps = !PyArray_ISNBO(descr->byteorder);

    if (PyDataType_ELSIZE(descr) > (npy_intp)sizeof(copy) || descr->type_num == NPY_LONGDOUBLE
            || !(PyTypeNum_ISNUMBER(descr->type_num) || PyTypeNum_ISBOOL(descr->type_num))) {
        return false;
    }
    la_number_copy(copy.bytes, address, descr, swaps);
    if (!la_update(kind, ufunc, descr, copy.bytes, value)) {
        return false;
    }
    la_number_copy(address, copy.bytes, descr, swaps);
    return true;
}

/* 0, LA_GENERAL or -1. After 0, `result` (if not NULL) is the new element. */
static int
la_at_update(la_at_index *at, la_update_kind kind, PyObject *ufunc, PyObject *value,
             PyObject **result)
{
    la_hold *hold;
    bool error;

    char *address = la_at_lock(at, LA_WRITE, &hold, &error);
    if (address == NULL) {
        return error ? -1 : LA_GENERAL;
    }
    PyArray_Descr *descr = (PyArray_Descr *)la_fields(at->array)->descr;
    bool done = LA_LIKELY(la_at_may_compute(at))
        ? la_update(kind, ufunc, descr, address, value)
        : la_at_update_copy(kind, ufunc, descr, address, value);
    if (done && result != NULL) {
        *result = la_at_scalar(at, address);
    }
    la_element_unlock(hold);
    return !done ? LA_GENERAL : result != NULL && *result == NULL ? -1 : 0;
}

/*
 * The methods. Each returns NULL without an error, and having changed nothing,
 * for the general version.
 */

/* An object, a text or a record; or several elements. */
static LA_COLD PyObject *
la_at_get_other(const la_at_index *at)
{
    npy_intp index[LA_MOST_INDICES];

    int count = la_index_integers(at->index, index);
    if (count >= 0 && count == la_fields(at->array)->nd) {
        return la_is_exact(at->array) ? la_other_element_get(at->array, index, count, NULL) : NULL;
    }
    return la_several_get(at->array, at->index);
}

static PyObject *
la_at_get(la_at_index *at, PyObject *const *Py_UNUSED(values))
{
    la_hold *hold;
    bool error;

    char *address = la_at_lock(at, LA_READ, &hold, &error);
    if (address == NULL) {
        return error ? NULL : la_at_get_other(at);
    }
    PyObject *result = la_at_scalar(at, address);
    la_element_unlock(hold);
    return result;
}

/* What is more than an element and a plain value: of objects, and of several elements. */
static PyObject *
la_at_do(la_at_index *at, la_at_action action, PyObject *const *values)
{
    PyObject *result = NULL;

    return la_at_act(at->array, at->index, action, values, &result) == 0 ? result : NULL;
}

static PyObject *
la_at_apply(la_at_index *at, PyObject *const *values)
{
    return la_at_do(at, LA_AT_APPLY, values);
}

static PyObject *
la_at_set(la_at_index *at, PyObject *const *values)
{
    PyObject *result = NULL;
    la_hold *hold;
    bool error;

    char *address = !la_is_element(values[0]) ? NULL : la_at_lock(at, LA_WRITE, &hold, &error);
    if (address == NULL) {
        return PyErr_Occurred() ? NULL : la_at_do(at, LA_AT_SET, values);
    }
    if (la_at_pack(at, address, values[0]) == 0) {
        result = la_at_scalar(at, address);
    }
    la_element_unlock(hold);
    return result;
}

static PyObject *
la_at_exchange(la_at_index *at, PyObject *const *values)
{
    la_hold *hold;
    bool error;

    char *address = !la_is_element(values[0]) ? NULL : la_at_lock(at, LA_WRITE, &hold, &error);
    if (address == NULL) {
        return PyErr_Occurred() ? NULL : la_at_do(at, LA_AT_EXCHANGE, values);
    }
    PyObject *old = la_at_scalar(at, address);
    if (old != NULL && la_at_pack(at, address, values[0]) < 0) {
        Py_CLEAR(old);
    }
    la_element_unlock(hold);
    return old;
}

/* values: the expected one, and the desired one. */
static PyObject *
la_at_compare_exchange(la_at_index *at, PyObject *const *values)
{
    PyObject *result = NULL;
    la_hold *hold;
    bool error, swaps;

    if (PyDataType_REFCHK(la_fields(at->array)->descr)) {
        return la_at_do(at, LA_AT_COMPARE_EXCHANGE, values);
    }
    char *address = !la_is_element(values[1]) || !la_at_may_compute(at)
        ? NULL : la_at_lock(at, LA_WRITE, &hold, &error);
    if (address == NULL) {
        return NULL;
    }
    if (la_equals((PyArray_Descr *)la_fields(at->array)->descr, address, values[0], &swaps)) {
        PyObject *old = la_at_scalar(at, address);
        result = old == NULL ? NULL : la_at_exchanged(swaps, old);
        Py_XDECREF(old);
        if (result != NULL && swaps && la_at_pack(at, address, values[1]) < 0) {
            Py_CLEAR(result);
        }
    }
    la_element_unlock(hold);
    return result;
}

/*
 * A new reference to the value that a ufunc is given: an int as uint64 beside such elements. An
 * array of it would be one of int64, and NumPy would compute the two in float64.
 */
static PyObject *
la_at_operand(const la_at_index *at, PyObject *value)
{
    const PyArray_Descr *descr = (const PyArray_Descr *)la_fields(at->array)->descr;

    if (!PyLong_CheckExact(value) || !PyTypeNum_ISUNSIGNED(descr->type_num)
            || PyDataType_ELSIZE(descr) != 8) {
        return Py_NewRef(value);
    }
    npy_uint64 number = PyLong_AsUnsignedLongLong(value);
    if (number == (npy_uint64)-1 && PyErr_Occurred()) {
        PyErr_Clear();      /* it is negative, or too big */
        return Py_NewRef(value);
    }
    PyArray_Descr *natural = PyArray_DescrFromType(NPY_UINT64);
    PyObject *made = PyArray_Scalar(&number, natural, NULL);
    Py_DECREF(natural);
    return made;
}

/* One element by ufunc.at itself, which computes with any dtype of numbers. */
static LA_COLD int
la_at_update_by_ufunc(la_at_index *at, PyObject *ufunc, PyObject *value, PyObject **updated)
{
    npy_intp integers[LA_MOST_INDICES];
    int nd = la_fields(at->array)->nd;

    if (la_index_integers(at->index, integers) != nd || !la_is_number(value)) {
        return LA_GENERAL;
    }
    int result = la_element_update(at->array, integers, nd, ufunc, value, updated);
    if (result == 0 && updated != NULL) {
        PyArrayObject *one = (PyArrayObject *)*updated;
        *updated = PyArray_Scalar(PyArray_DATA(one), PyArray_DESCR(one), (PyObject *)one);
        Py_DECREF(one);
        result = *updated == NULL ? -1 : 0;
    }
    return result;
}

/* One object: what its ufunc's loop does with it and with a number, which is one as an object. */
static LA_COLD int
la_at_update_object(la_at_index *at, la_update_kind kind, PyObject *value, PyObject **updated)
{
    if (la_fields(at->array)->descr->type_num != NPY_OBJECT
            || !(PyLong_CheckExact(value) || PyFloat_CheckExact(value) || PyBool_Check(value))) {
        return LA_GENERAL;
    }
    static const la_at_action actions[] = {
        [LA_UPDATE_ADD] = LA_AT_ADD,
        [LA_UPDATE_SUBTRACT] = LA_AT_SUBTRACT,
        [LA_UPDATE_MULTIPLY] = LA_AT_MULTIPLY,
        [LA_UPDATE_DIVIDE] = LA_AT_DIVIDE,
    };
    return kind > LA_UPDATE_DIVIDE ? LA_GENERAL
        : la_at_act(at->array, at->index, actions[kind], &value, updated);
}

/* What the index names is updated: 0, LA_GENERAL or -1. `updated`: as of la_view_update. */
static int
la_at_update_any(la_at_index *at, la_update_kind kind, PyObject *ufunc, PyObject *value,
                 PyObject **updated)
{
    int result = la_at_update(at, kind, ufunc, value, updated);
    if (result != LA_GENERAL) {
        return result;
    }
    PyObject *operand = la_at_operand(at, value);
    if (operand == NULL) {
        return -1;
    }
    if (operand != value) {
        result = la_at_update(at, kind, ufunc, operand, updated);
    }
    if (result == LA_GENERAL) {
        result = la_view_update(at->array, at->index, ufunc, operand, updated);
    }
    if (result == LA_GENERAL) {
        result = la_at_update_by_ufunc(at, ufunc, operand, updated);
    }
    if (result == LA_GENERAL) {
        result = la_at_update_object(at, kind, value, updated);
    }
    if (result == LA_GENERAL) {
        result = la_mask_update(at->array, at->index, ufunc, operand, updated);
    }
    PyObject *taken = result != LA_GENERAL || PyDataType_REFCHK(la_fields(at->array)->descr)
        ? NULL : la_index_taken(at->index);
    if (taken != NULL) {
        bool general;
        PyObject *done = la_ufunc_at(ufunc, at->array, taken, operand, updated, &general);
        Py_DECREF(taken);
        Py_XDECREF(done);
        result = general ? LA_GENERAL : done == NULL ? -1 : 0;
    }
    else if (PyErr_Occurred()) {
        result = -1;
    }
    Py_DECREF(operand);
    return result;
}

/* The new element, or a copy of the new elements. */
static PyObject *
la_at_updated(la_at_index *at, la_update_kind kind, PyObject *ufunc, PyObject *value)
{
    PyObject *updated = NULL;

    return la_at_update_any(at, kind, ufunc, value, &updated) == 0 ? updated : NULL;
}

#define LA_DEFINE_AT_METHOD(name, kind, ufunc) \
    static PyObject * \
    la_at_##name(la_at_index *at, PyObject *const *values) \
    { \
        return la_at_updated(at, LA_UPDATE_##kind, la_names.at_##ufunc, values[0]); \
    }
LA_DEFINE_AT_METHOD(add, ADD, add)
LA_DEFINE_AT_METHOD(subtract, SUBTRACT, subtract)
LA_DEFINE_AT_METHOD(multiply, MULTIPLY, multiply)
LA_DEFINE_AT_METHOD(divide, DIVIDE, true_divide)
LA_DEFINE_AT_METHOD(power, OTHER, power)
LA_DEFINE_AT_METHOD(min, MIN, minimum)
LA_DEFINE_AT_METHOD(max, MAX, maximum)

static const struct {
    const char *name;
    Py_ssize_t nvalues;
    PyObject *(*call)(la_at_index *at, PyObject *const *values);
} la_at_methods[] = {
    {"AtIndex.get", 0, la_at_get},
    {"AtIndex.set", 1, la_at_set},
    {"AtIndex.exchange", 1, la_at_exchange},
    {"AtIndex.compare_exchange", 2, la_at_compare_exchange},
    {"AtIndex.add", 1, la_at_add},
    {"AtIndex.subtract", 1, la_at_subtract},
    {"AtIndex.multiply", 1, la_at_multiply},
    {"AtIndex.divide", 1, la_at_divide},
    {"AtIndex.power", 1, la_at_power},
    {"AtIndex.apply", 1, la_at_apply},
    {"AtIndex.min", 1, la_at_min},
    {"AtIndex.max", 1, la_at_max},
};

int
la_at_method_find(const char *name)
{
    for (size_t i = 0; i < sizeof(la_at_methods) / sizeof(la_at_methods[0]); i++) {
        if (strcmp(la_at_methods[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

PyObject *
la_at_method_call(int method, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 1 + la_at_methods[method].nvalues
            || !PyObject_TypeCheck(args[0], la_at_index_type)
            || ((la_at_index *)args[0])->array == NULL) {
        return NULL;
    }
    return la_at_methods[method].call((la_at_index *)args[0], args + 1);
}

/* -- augmented assignments ----------------------------------------------------------- */

static PyObject *
la_at_augment(PyObject *object, PyObject *value, la_update_kind kind, PyObject *ufunc)
{
    la_at_index *self = (la_at_index *)object;

    int result = la_at_update_any(self, kind, ufunc, value, NULL);
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
        return la_at_augment(object, value, LA_UPDATE_##kind, la_names.at_##name); \
    }
LA_AT_SLOTS(LA_DEFINE_AT)

static PyObject *
la_at_inplace_power(PyObject *object, PyObject *value, PyObject *Py_UNUSED(modulo))
{
    return la_at_augment(object, value, LA_UPDATE_OTHER, la_names.at_power);
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
    PyObject_GC_UnTrack(object);
    Py_CLEAR(((la_at_index *)object)->array);
    Py_CLEAR(((la_at_index *)object)->index);
    la_spare_end(&la_spare_at_index, la_connected.at_index, object);
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
    la_at *at = (la_at *)la_spare_new(&la_spare_at, la_connected.at);

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
    PyObject_GC_UnTrack(object);
    Py_CLEAR(((la_at *)object)->array);
    la_spare_end(&la_spare_at, la_connected.at, object);
}

static PyObject *
la_at_subscript(PyObject *object, PyObject *index)
{
    la_at_index *at = (la_at_index *)la_spare_new(&la_spare_at_index, la_connected.at_index);

    if (at != NULL) {
        at->array = Py_NewRef(((la_at *)object)->array);
        at->index = Py_NewRef(index);
        at->updated = 0;
    }
    return (PyObject *)at;
}

static int
la_at_assign_subscript(PyObject *object, PyObject *index, PyObject *value)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "del x.at[i]: the elements of an array are not deleted");
        return -1;
    }
    if (PyObject_TypeCheck(value, la_at_index_type)) {
        la_at_index *at = (la_at_index *)value;
        if (at->updated && at->array == ((la_at *)object)->array) {
            at->updated = 0;        /* the end of x.at[i] += v: the work is done */
            return 0;
        }
    }
    else {
        int result = la_at_assign(((la_at *)object)->array, index, value);
        if (result != LA_GENERAL) {
            return result;
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
la_at_types_add(PyObject *module)
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
