/*
 * Number slots, in-place slots and comparisons: under the locks, ndarray's own
 * slot on raw views, which have no override protocol to go through.
 *
 * For operands of any other kind it is ndarray's own slot on the operands as
 * they are: that asks them what to do, and in the end __array_ufunc__. But other
 * subclasses of ndarray have their say only where a plain array stands on the
 * left, of which they are subclasses: so one does there.
 */
#include "array/numbers.h"

#include <stddef.h>
#include <string.h>

#include "array/general.h"
#include "array/given.h"
#include "array/operation.h"

/*
 * Is it neither a number nor an array, but what NumPy makes an array of without foreign code,
 * and so under the lock? It is, unlike a list, what it is.
 */
static inline bool
la_is_constant(PyObject *object)
{
    return object == Py_None || PyUnicode_CheckExact(object) || PyBytes_CheckExact(object);
}

/*
 * Adds an operand to the operation: false for one of another kind. `index` is
 * set to -1 for what is no LockedArray.
 */
static inline bool
la_number_add(la_operation *operation, PyObject *object, la_mode mode, int *index)
{
    *index = -1;
    if (la_is_exact(object)) {
        PyArrayObject_fields *fields = la_fields(object);
        /* Without axes the result may be anything that an element makes. */
        if (LA_LIKELY(!PyDataType_REFCHK(fields->descr))
                || (fields->nd > 0 && fields->descr->type_num != NPY_VOID)) {
            *index = la_operation_add_any(operation, object, mode);
        }
        return *index >= 0;
    }
    return la_is_number(object) || la_is_plain_array(object) || la_is_constant(object);
}

/* The two operands of a slot, locked. Raw views are new references. */
typedef struct {
    la_operation operation;
    PyObject *first;
    PyObject *second;
} la_pair;

static int la_pair_begin_listed(la_pair *pair, PyObject *first, PyObject *second, la_mode mode);

/* 0, LA_GENERAL or -1. */
static int
la_pair_begin(la_pair *pair, PyObject *first, PyObject *second, la_mode mode)
{
    int first_at, second_at;

    pair->operation.count = 0;
    if (!la_number_add(&pair->operation, first, mode, &first_at)
            || !la_number_add(&pair->operation, second, LA_READ, &second_at)) {
        return la_pair_begin_listed(pair, first, second, mode);
    }
    int result = la_operation_lock(&pair->operation);
    if (result != 0) {
        return result;
    }
    pair->first = la_operand_raw(&pair->operation, first_at, first);
    pair->second = pair->first == NULL ? NULL
        : la_operand_raw(&pair->operation, second_at, second);
    if (pair->second == NULL) {
        Py_XDECREF(pair->first);
        la_operation_unlock(&pair->operation);
        return -1;
    }
    return 0;
}

/* The same for a list or tuple beside a LockedArray: for the array that NumPy makes of it. */
static LA_COLD int
la_pair_begin_listed(la_pair *pair, PyObject *first, PyObject *second, la_mode mode)
{
    bool is_first = la_is_list(first);
    PyObject *list = is_first ? first : second, *other = is_first ? second : first;

    if (!la_is_list(list) || !la_is_exact(other) || la_facade_lock(other) == NULL) {
        return LA_GENERAL;
    }
    PyObject *made = la_given_array(list, NULL, LA_MOST_WITHIN);
    if (made == NULL) {
        return PyErr_Occurred() ? -1 : LA_GENERAL;
    }
    int result = la_pair_begin(pair, is_first ? made : first, is_first ? second : made, mode);
    Py_DECREF(made);            /* the pair has it */
    return result;
}

static void
la_pair_end(la_pair *pair)
{
    Py_DECREF(pair->first);
    Py_DECREF(pair->second);
    la_operation_unlock(&pair->operation);
}

/* The result of a slot, which is new memory, or the view it was to be put into. */
static PyObject *
la_pair_result(la_pair *pair, PyObject *facade, PyObject *result)
{
    if (result == pair->first && facade != NULL) {
        Py_DECREF(result);
        result = Py_NewRef(facade);
    }
    return result;
}

/* An operator: where its slot is among those of a type, and what its method is called. */
typedef struct {
    size_t offset;
    const char *name;
} la_operator;

static void *
la_operator_slot(const PyNumberMethods *methods, const la_operator *operator_)
{
    void *slot;

    memcpy(&slot, (const char *)methods + operator_->offset, sizeof(slot));
    return slot;
}

/* Is it a subclass of ndarray, and no LockedArray, that does the operator its own way? */
static bool
la_has_own_operator(PyObject *object, const la_operator *operator_)
{
    const PyNumberMethods *methods = Py_TYPE(object)->tp_as_number;

    return PyArray_Check(object) && !PyArray_CheckExact(object) && !la_is_facade(object)
           && la_operator_slot(methods, operator_)
              != la_operator_slot(PyArray_Type.tp_as_number, operator_);
}

static LA_COLD PyObject *
la_operate_plainly(PyObject *array, PyObject *other, const la_operator *operator_)
{
    PyObject *name = PyUnicode_InternFromString(operator_->name);
    PyObject *result = name == NULL ? NULL
        : PyObject_CallMethodObjArgs(array, la_names.general_operate, name, other, NULL);

    Py_XDECREF(name);
    return result;
}

static PyObject *
la_binary(PyObject *first, PyObject *second, binaryfunc slot, const la_operator *operator_)
{
    la_pair pair;

    int begun = la_pair_begin(&pair, first, second, LA_READ);
    if (begun < 0) {
        return NULL;
    }
    if (begun == LA_GENERAL) {
        if (la_is_facade(first) && la_has_own_operator(second, operator_)) {
            return la_operate_plainly(first, second, operator_);
        }
        return slot(first, second);
    }
    PyObject *result = slot(pair.first, pair.second);
    la_pair_end(&pair);
    return result;
}

static PyObject *
la_inplace(PyObject *array, PyObject *other, binaryfunc slot)
{
    la_pair pair;

    int begun = la_pair_begin(&pair, array, other, LA_WRITE);
    if (begun < 0) {
        return NULL;
    }
    if (begun == LA_GENERAL) {
        return slot(array, other);
    }
    PyObject *result = la_pair_result(&pair, array, slot(pair.first, pair.second));
    la_pair_end(&pair);
    return result;
}

static PyObject *
la_unary(PyObject *array, unaryfunc slot)
{
    la_operation operation;
    PyObject *result = NULL;
    int at;

    operation.count = 0;
    if (!la_is_exact(array) || !la_number_add(&operation, array, LA_READ, &at)) {
        return slot(array);
    }
    int locked = la_operation_lock(&operation);
    if (locked != 0) {
        return locked < 0 ? NULL : slot(array);
    }
    PyObject *raw = la_raw(array, LA_READ);
    if (raw != NULL) {
        result = slot(raw);
        Py_DECREF(raw);
    }
    la_operation_unlock(&operation);
    return result;
}

static PyObject *
la_nb_power(PyObject *first, PyObject *second, PyObject *modulo)
{
    static const la_operator power = {offsetof(PyNumberMethods, nb_power), "__pow__"};
    ternaryfunc slot = PyArray_Type.tp_as_number->nb_power;
    la_pair pair;
    int begun = modulo != Py_None ? LA_GENERAL
        : la_pair_begin(&pair, first, second, LA_READ);

    if (begun < 0) {
        return NULL;
    }
    if (begun == LA_GENERAL) {
        if (modulo == Py_None && la_is_facade(first) && la_has_own_operator(second, &power)) {
            return la_operate_plainly(first, second, &power);
        }
        return slot(first, second, modulo);
    }
    PyObject *result = slot(pair.first, pair.second, modulo);
    la_pair_end(&pair);
    return result;
}

static PyObject *
la_nb_inplace_power(PyObject *array, PyObject *other, PyObject *modulo)
{
    ternaryfunc slot = PyArray_Type.tp_as_number->nb_inplace_power;
    la_pair pair;
    int begun = modulo != Py_None ? LA_GENERAL
        : la_pair_begin(&pair, array, other, LA_WRITE);

    if (begun < 0) {
        return NULL;
    }
    if (begun == LA_GENERAL) {
        return slot(array, other, modulo);
    }
    PyObject *result = la_pair_result(&pair, array, slot(pair.first, pair.second, modulo));
    la_pair_end(&pair);
    return result;
}

/* Are both arrays of records, without objects, which NumPy compares field by field? */
static bool
la_are_records(PyObject *array, PyObject *other)
{
    return (la_is_exact(other) || la_is_plain_array(other))
           && la_fields(other)->descr->type_num == NPY_VOID
           && PyDataType_HASFIELDS(la_fields(array)->descr);
}

/* How: Py_LT ... The comparisons of structured arrays are no ufuncs. */
PyObject *
la_compare(PyObject *array, PyObject *other, int how)
{
    la_pair pair;
    int begun = la_fields(array)->descr->type_num == NPY_VOID && !la_are_records(array, other)
        ? LA_GENERAL
        : la_pair_begin(&pair, array, other, LA_READ);

    if (begun < 0) {
        return NULL;
    }
    if (begun == LA_GENERAL) {
        return PyObject_CallMethodObjArgs(array, la_names.general_compare,
                                          la_names.comparisons[how], other, NULL);
    }
    PyObject *result = PyArray_Type.tp_richcompare(pair.first, pair.second, how);
    la_pair_end(&pair);
    return result;
}

/* Each slot hands on ndarray's slot of its name. */
#define LA_NUMBER_SLOTS(UNARY, BINARY, INPLACE) \
    UNARY(negative) UNARY(positive) UNARY(absolute) UNARY(invert) \
    BINARY(add, "__add__") BINARY(subtract, "__sub__") BINARY(multiply, "__mul__") \
    BINARY(remainder, "__mod__") BINARY(divmod, "__divmod__") BINARY(lshift, "__lshift__") \
    BINARY(rshift, "__rshift__") BINARY(and, "__and__") BINARY(xor, "__xor__") \
    BINARY(or, "__or__") BINARY(floor_divide, "__floordiv__") \
    BINARY(true_divide, "__truediv__") BINARY(matrix_multiply, "__matmul__") \
    INPLACE(add) INPLACE(subtract) INPLACE(multiply) INPLACE(remainder) \
    INPLACE(lshift) INPLACE(rshift) INPLACE(and) INPLACE(xor) INPLACE(or) \
    INPLACE(floor_divide) INPLACE(true_divide) INPLACE(matrix_multiply)

#define LA_DEFINE_UNARY(name) \
    static PyObject * \
    la_nb_##name(PyObject *array) \
    { \
        return la_unary(array, PyArray_Type.tp_as_number->nb_##name); \
    }
#define LA_DEFINE_BINARY(name, called) \
    static PyObject * \
    la_nb_##name(PyObject *first, PyObject *second) \
    { \
        static const la_operator operator_ = {offsetof(PyNumberMethods, nb_##name), called}; \
        return la_binary(first, second, PyArray_Type.tp_as_number->nb_##name, &operator_); \
    }
#define LA_DEFINE_INPLACE(name) \
    static PyObject * \
    la_nb_inplace_##name(PyObject *array, PyObject *other) \
    { \
        return la_inplace(array, other, PyArray_Type.tp_as_number->nb_inplace_##name); \
    }
LA_NUMBER_SLOTS(LA_DEFINE_UNARY, LA_DEFINE_BINARY, LA_DEFINE_INPLACE)

#define LA_ENTER(name) {Py_nb_##name, la_nb_##name},
#define LA_ENTER_BINARY(name, called) LA_ENTER(name)
#define LA_ENTER_INPLACE(name) {Py_nb_inplace_##name, la_nb_inplace_##name},
PyType_Slot la_number_slots[] = {
    LA_NUMBER_SLOTS(LA_ENTER, LA_ENTER_BINARY, LA_ENTER_INPLACE)
    LA_ENTER(power)
    LA_ENTER_INPLACE(power)
    {0, NULL},
};

/* -- conversions ------------------------------------------------------------------------ */

/*
 * A class made in Python finds __bool__ and the others by name in these slots. Of the
 * class itself, ndarray's own are called on a raw view; for what is special, and where
 * a subclass finds them, it is by name as before.
 */
static struct {
    inquiry nb_bool;
    unaryfunc nb_float, nb_int, nb_index;
    reprfunc tp_str;
} la_by_name;

/* Locks the array: a raw view, or NULL without an error for what is special. */
static PyObject *
la_convert_begin(la_operation *operation, PyObject *array)
{
    operation->count = 0;
    if (!la_is_exact(array) || la_operation_add(operation, array, LA_READ) < 0
            || la_operation_lock(operation) != 0) {
        return NULL;
    }
    PyObject *raw = la_raw(array, LA_READ);
    if (raw == NULL) {
        la_operation_unlock(operation);
    }
    return raw;
}

static void
la_convert_end(la_operation *operation, PyObject *raw)
{
    Py_DECREF(raw);
    la_operation_unlock(operation);
}

static int
la_nb_bool(PyObject *array)
{
    la_operation operation;
    PyObject *raw = la_convert_begin(&operation, array);

    if (raw == NULL) {
        return PyErr_Occurred() ? -1 : la_by_name.nb_bool(array);
    }
    int result = PyArray_Type.tp_as_number->nb_bool(raw);
    la_convert_end(&operation, raw);
    return result;
}

static PyObject *
la_convert(PyObject *array, unaryfunc plain, unaryfunc by_name)
{
    la_operation operation;
    PyObject *raw = la_convert_begin(&operation, array);

    if (raw == NULL) {
        return PyErr_Occurred() ? NULL : by_name(array);
    }
    PyObject *result = plain(raw);
    la_convert_end(&operation, raw);
    return result;
}

#define LA_DEFINE_CONVERSION(name) \
    static PyObject * \
    la_nb_##name(PyObject *array) \
    { \
        return la_convert(array, PyArray_Type.tp_as_number->nb_##name, la_by_name.nb_##name); \
    }
LA_DEFINE_CONVERSION(float)
LA_DEFINE_CONVERSION(int)
LA_DEFINE_CONVERSION(index)

/* Of one element; the text of several takes so long that the way there does not matter. */
static PyObject *
la_tp_str(PyObject *array)
{
    return la_fields(array)->nd != 0 ? la_by_name.tp_str(array)
        : la_convert(array, PyArray_Type.tp_str, la_by_name.tp_str);
}

void
la_set_number_slots(PyTypeObject *cls)
{
    PyNumberMethods *methods = cls->tp_as_number;

    la_by_name.nb_bool = methods->nb_bool;
    la_by_name.nb_float = methods->nb_float;
    la_by_name.nb_int = methods->nb_int;
    la_by_name.nb_index = methods->nb_index;
    la_by_name.tp_str = cls->tp_str;
    methods->nb_bool = la_nb_bool;
    methods->nb_float = la_nb_float;
    methods->nb_int = la_nb_int;
    methods->nb_index = la_nb_index;
    cls->tp_str = la_tp_str;
}
