/*
 * x[i] += v as one step: what x[i] is in between, for plain elements and objects.
 *
 * The statement reads, operates and assigns. What it reads is an object that remembers the
 * array, the index and the value; its in-place operators let NumPy compute with the value
 * and keep the result, and what was done; the assignment compares, under the lock, what
 * is there now with what was read. If it is the same, the result is stored. If not, the
 * operation is done again with what is there, and that is stored.
 *
 * The object is on the stack of the statement's frame and nowhere else (guard/statement.c).
 * The array and the index are there, too, below it, for the assignment: it owns neither,
 * and only compares their addresses.
 */
#include "array/augmented.h"

#include <float.h>
#include <stddef.h>
#include <string.h>

#include "array/element.h"
#include "array/general.h"
#include "array/other_element.h"
#include "guard/observer.h"

/* Each operator, by ndarray's name of its slot and Python's of its function. */
#define LA_AUGMENTED_OPERATORS(OPERATOR) \
    OPERATOR(add, Add, "iadd") OPERATOR(subtract, Subtract, "isub") \
    OPERATOR(multiply, Multiply, "imul") OPERATOR(remainder, Remainder, "imod") \
    OPERATOR(lshift, Lshift, "ilshift") OPERATOR(rshift, Rshift, "irshift") \
    OPERATOR(and, And, "iand") OPERATOR(xor, Xor, "ixor") OPERATOR(or, Or, "ior") \
    OPERATOR(floor_divide, FloorDivide, "ifloordiv") \
    OPERATOR(true_divide, TrueDivide, "itruediv") \
    OPERATOR(matrix_multiply, MatrixMultiply, "imatmul")

typedef struct {
    PyObject *(*operate)(PyObject *value, PyObject *operand);
    const char *name;
    PyObject *function;         /* of the module operator */
} la_augmented_operator;

typedef struct {
    PyObject_HEAD
    PyObject *container, *index;    /* only to compare with */
    PyObject *value;            /* which was read */
    PyObject *kept;             /* a copy of the index of several elements, else NULL */
    PyObject *result;           /* NULL before the operation */
    PyObject *operand;
    const la_augmented_operator *operator_;
} la_augmented;

/* Objects to be used again. The GIL guards them; without one, allocation is the thread's. */
#ifndef Py_GIL_DISABLED
#define LA_MOST_SPARE 8
static la_augmented *la_spare[LA_MOST_SPARE];
static int la_spares;
#endif

PyObject *
la_augmented_new(PyObject *container, PyObject *index, PyObject *value)
{
    la_augmented *self;

#ifndef Py_GIL_DISABLED
    if (LA_LIKELY(la_spares > 0)) {
        self = la_spare[--la_spares];
        (void)PyObject_Init((PyObject *)self, &la_augmented_type);
    }
    else
#endif
    {
        self = PyObject_New(la_augmented, &la_augmented_type);
        if (self == NULL) {
            Py_DECREF(value);
            return NULL;
        }
    }
    self->container = container;
    self->index = index;
    self->value = value;
    self->kept = self->result = self->operand = NULL;
    return (PyObject *)self;
}

/* A copy of a part of an index, if it may change; NULL without an error: it is not told here. */
static PyObject *
la_part_kept(PyObject *part)
{
    if (Py_TYPE(part) == &PyArray_Type) {
        return PyArray_IS_C_CONTIGUOUS((PyArrayObject *)part)
               ? PyArray_NewCopy((PyArrayObject *)part, NPY_CORDER) : NULL;
    }
    if (PyList_CheckExact(part)) {
        return PyList_GetSlice(part, 0, PyList_GET_SIZE(part));
    }
    return Py_NewRef(part);
}

static PyObject *
la_index_kept(PyObject *index)
{
    if (!PyTuple_CheckExact(index)) {
        return la_part_kept(index);
    }
    PyObject *kept = PyTuple_New(PyTuple_GET_SIZE(index));
    for (Py_ssize_t i = 0; kept != NULL && i < PyTuple_GET_SIZE(index); i++) {
        PyObject *part = la_part_kept(PyTuple_GET_ITEM(index, i));
        if (part == NULL) {
            Py_CLEAR(kept);
        }
        else {
            PyTuple_SET_ITEM(kept, i, part);
        }
    }
    return kept;
}

PyObject *
la_augmented_of_several(PyObject *array, PyObject *index, PyObject *taken, PyObject *value)
{
    PyObject *kept = la_is_plain_array(value) ? la_index_kept(taken) : NULL;

    if (kept == NULL) {
        Py_DECREF(value);
        return NULL;
    }
    PyObject *self = la_augmented_new(array, index, value);
    if (self == NULL) {
        Py_DECREF(kept);
        return NULL;
    }
    ((la_augmented *)self)->kept = kept;
    return self;
}

static void
la_augmented_dealloc(PyObject *object)
{
    la_augmented *self = (la_augmented *)object;

    Py_CLEAR(self->value);
    Py_CLEAR(self->kept);
    Py_CLEAR(self->result);
    Py_CLEAR(self->operand);
#ifndef Py_GIL_DISABLED
    if (la_spares < LA_MOST_SPARE) {
        la_spare[la_spares++] = self;
        return;
    }
#endif
    PyObject_Free(self);
}

/* -- the operation ------------------------------------------------------------------- */

static inline PyObject *
la_augmented_operate(PyObject *object, PyObject *operand, const la_augmented_operator *operator_)
{
    la_augmented *self = (la_augmented *)object;

    PyObject *result;

    if (LA_LIKELY(self->kept == NULL)) {
        result = operator_->operate(self->value, operand);
    }
    else {      /* the array is changed in place */
        PyObject *copy = PyArray_NewCopy((PyArrayObject *)self->value, NPY_KEEPORDER);
        result = copy == NULL ? NULL : operator_->operate(copy, operand);
        Py_XDECREF(copy);
    }
    if (result == NULL) {
        return NULL;
    }
    Py_XSETREF(self->result, result);
    Py_XSETREF(self->operand, Py_NewRef(operand));
    self->operator_ = operator_;
    return Py_NewRef(object);
}

#define LA_DEFINE_AUGMENTED(name, function, called) \
    static la_augmented_operator la_augmented_by_##name = \
        {PyNumber_InPlace##function, called, NULL}; \
    static PyObject * \
    la_augmented_inplace_##name(PyObject *object, PyObject *operand) \
    { \
        return la_augmented_operate(object, operand, &la_augmented_by_##name); \
    }
LA_AUGMENTED_OPERATORS(LA_DEFINE_AUGMENTED)

static PyObject *
la_power_in_place(PyObject *value, PyObject *operand)
{
    return PyNumber_InPlacePower(value, operand, Py_None);
}

static la_augmented_operator la_augmented_by_power = {la_power_in_place, "ipow", NULL};

static PyObject *
la_augmented_inplace_power(PyObject *object, PyObject *operand, PyObject *Py_UNUSED(modulo))
{
    return la_augmented_operate(object, operand, &la_augmented_by_power);
}

/* -- the assignment ------------------------------------------------------------------ */

/* Where a scalar of NumPy's has its value, in native byte order; NULL for the general path. */
static inline const char *
la_scalar_bytes(const PyArray_Descr *descr, PyObject *scalar)
{
    switch (descr->type_num) {
#define LA_SCALAR(TYPE, name) \
        case NPY_##TYPE: return (const char *)scalar + offsetof(Py##name##ScalarObject, obval);
        LA_SCALAR(BOOL, Bool)
        LA_SCALAR(BYTE, Byte) LA_SCALAR(UBYTE, UByte)
        LA_SCALAR(SHORT, Short) LA_SCALAR(USHORT, UShort)
        LA_SCALAR(INT, Int) LA_SCALAR(UINT, UInt)
        LA_SCALAR(LONG, Long) LA_SCALAR(ULONG, ULong)
        LA_SCALAR(LONGLONG, LongLong) LA_SCALAR(ULONGLONG, ULongLong)
        LA_SCALAR(HALF, Half) LA_SCALAR(FLOAT, Float) LA_SCALAR(DOUBLE, Double)
        LA_SCALAR(LONGDOUBLE, LongDouble)
        LA_SCALAR(CFLOAT, CFloat) LA_SCALAR(CDOUBLE, CDouble) LA_SCALAR(CLONGDOUBLE, CLongDouble)
        LA_SCALAR(DATETIME, Datetime) LA_SCALAR(TIMEDELTA, Timedelta)
#undef LA_SCALAR
        default:
            return NULL;
    }
}

/* Of so many bytes as elements have, of which most have eight. */
static inline bool
la_same_bytes(const char *first, const char *second, npy_intp size)
{
    return size == 8 ? memcmp(first, second, 8) == 0
                     : memcmp(first, second, (size_t)size) == 0;
}

/* Has a long double bytes that mean nothing? */
static inline bool
la_is_padded(const PyArray_Descr *descr)
{
    return descr->type_num == NPY_LONGDOUBLE || descr->type_num == NPY_CLONGDOUBLE;
}

/* Of long doubles, by what of them means something: 10 bytes of the extended format of x87. */
static bool
la_same_padded(const char *first, const char *second, npy_intp size)
{
    size_t number = sizeof(npy_longdouble), meant = LDBL_MANT_DIG == 64 ? 10 : number;

    for (npy_intp i = 0; i < size; i += (npy_intp)number) {
        if (memcmp(first + i, second + i, meant) != 0) {
            return false;
        }
    }
    return true;
}

/* Is the element at this address, of a dtype of another form, what was read? -1 with an error. */
static LA_COLD int
la_is_scalar_at(PyObject *array, const char *address, const char *read)
{
    PyArray_Descr *descr = (PyArray_Descr *)la_fields(array)->descr;
    PyObject *now = PyArray_Scalar((void *)address, descr, array);

    if (now == NULL) {
        return -1;
    }
    const char *bytes = la_scalar_bytes(descr, now);
    npy_intp size = PyDataType_ELSIZE(descr);
    int same = la_is_padded(descr) ? la_same_padded(bytes, read, size)
        : la_same_bytes(bytes, read, size);
    Py_DECREF(now);
    return same;
}

/* Where the result has the bytes of the element that it becomes; NULL: NumPy casts it. */
static inline const char *
la_result_bytes(const la_augmented *self, const PyArray_Descr *descr)
{
    /* Of times the units may differ. */
    return Py_TYPE(self->result) == Py_TYPE(self->value) && PyArray_ISNBO(descr->byteorder)
                   && !PyTypeNum_ISDATETIME(descr->type_num)
           ? la_scalar_bytes(descr, self->result) : NULL;
}

/*
 * Stores what the operation makes of the element that is there now, which is another one
 * than was read.
 */
static LA_COLD int
la_augmented_again(la_augmented *self, PyObject *array, char *address)
{
    PyArray_Descr *descr = (PyArray_Descr *)la_fields(array)->descr;
    int result = -1;

    PyObject *value = PyArray_Scalar(address, descr, array);
    if (value == NULL) {
        return -1;
    }
    PyObject *computed = self->operator_->operate(value, self->operand);
    if (computed != NULL) {
        result = PyArray_Pack(descr, address, computed);
        Py_DECREF(computed);
    }
    Py_DECREF(value);
    return result;
}

/* For who observes how locks are taken: this one is, for the end of a recognised statement. */
static _Thread_local bool la_storing;

static PyObject *
la_stores_augmented(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(la_storing);
}

static PyMethodDef la_augmented_functions[] = {
    {"stores_augmented", la_stores_augmented, METH_NOARGS,
     "Whether the lock that an observer is told of is taken for the end of a recognised\n"
     "x[i] += v, which this core does by itself."},
    {NULL, NULL, 0, NULL},
};

/* 0, LA_GENERAL or -1. */
static inline int
la_augmented_store_element(la_augmented *self, PyObject *array, const npy_intp *integers,
                           int count)
{
    PyArray_Descr *descr = (PyArray_Descr *)la_fields(array)->descr;
    la_hold *hold;
    bool error;

    const char *read = la_scalar_bytes(descr, self->value);
    if (read == NULL) {
        return LA_GENERAL;
    }
    const char *computed = la_result_bytes(self, descr);
    if (computed == NULL && !la_is_element(self->result)) {
        return LA_GENERAL;
    }
    bool observed = la_is_observed();
    if (observed) {
        la_storing = true;
    }
    char *address = la_element_lock(array, integers, count, LA_WRITE, &hold, &error);
    if (observed) {
        la_storing = false;
    }
    if (address == NULL) {
        return error ? -1 : LA_GENERAL;
    }
    int result = LA_GENERAL;
    npy_intp size = PyDataType_ELSIZE(descr);
    int same = LA_LIKELY(PyArray_ISNBO(descr->byteorder) && !la_is_padded(descr))
        ? la_same_bytes(address, read, size) : la_is_scalar_at(array, address, read);
    if (same < 0) {
        result = -1;
    }
    else if (LA_LIKELY(same)) {
        result = 0;
        if (LA_LIKELY(computed != NULL && size == 8)) {
            memcpy(address, computed, 8);
        }
        else if (computed != NULL) {
            memcpy(address, computed, (size_t)size);
        }
        else {
            result = PyArray_Pack(descr, address, self->result);
        }
    }
    else if (la_is_number(self->operand) && descr->type_num != NPY_BOOL) {
        result = la_augmented_again(self, array, address);
    }
    la_element_unlock(hold);
    return result;
}

/* Of an object: 0, LA_GENERAL or -1. */
static LA_COLD int
la_augmented_store_object(la_augmented *self, PyObject *array, const npy_intp *integers, int count)
{
    la_storing = la_is_observed();
    int result = la_object_replace(array, integers, count, self->value, self->result);
    la_storing = false;
    return result;
}

/* Is a part of the index still what was kept? */
static bool
la_part_is(PyObject *part, PyObject *kept)
{
    if (Py_TYPE(part) == &PyArray_Type) {
        PyArrayObject *now = (PyArrayObject *)part, *then = (PyArrayObject *)kept;
        return PyArray_SAMESHAPE(now, then) && PyArray_IS_C_CONTIGUOUS(now)
               && memcmp(PyArray_DATA(now), PyArray_DATA(then), (size_t)PyArray_NBYTES(then)) == 0;
    }
    if (!PyList_CheckExact(part)) {
        return true;
    }
    Py_ssize_t count = PyList_GET_SIZE(kept);
    if (PyList_GET_SIZE(part) != count) {
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (PyList_GET_ITEM(part, i) != PyList_GET_ITEM(kept, i)) {
            return false;
        }
    }
    return true;
}

/* Is it still the index that was kept? */
static bool
la_index_is(PyObject *index, PyObject *kept)
{
    if (!PyTuple_CheckExact(index)) {
        return la_part_is(index, kept);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(index); i++) {
        if (!la_part_is(PyTuple_GET_ITEM(index, i), PyTuple_GET_ITEM(kept, i))) {
            return false;
        }
    }
    return true;
}

/* Are these the same elements? False also where that is not seen at once. */
static bool
la_same_elements(PyObject *first, PyObject *second)
{
    PyArrayObject *now = (PyArrayObject *)first, *then = (PyArrayObject *)second;

    return PyArray_SAMESHAPE(now, then)
           && PyArray_CompareLists(PyArray_STRIDES(now), PyArray_STRIDES(then), PyArray_NDIM(now))
           && PyArray_ISONESEGMENT(now)
           && memcmp(PyArray_DATA(now), PyArray_DATA(then), (size_t)PyArray_NBYTES(now)) == 0;
}

/* Under the lock of the array, of which `raw` is the raw view: 0, LA_GENERAL or -1. */
static int
la_augmented_store_raw(la_augmented *self, PyObject *raw, PyObject *index)
{
    const PyMappingMethods *slots = PyArray_Type.tp_as_mapping;
    int result = LA_GENERAL;

    PyObject *now = slots->mp_subscript(raw, index);
    if (now == NULL) {
        return -1;
    }
    if (!PyArray_CheckExact(now)
            /* Some of their bytes mean nothing. */
            || PyArray_TYPE((PyArrayObject *)now) == NPY_LONGDOUBLE
            || PyArray_TYPE((PyArrayObject *)now) == NPY_CLONGDOUBLE) {
        result = LA_GENERAL;
    }
    else if (la_same_elements(now, self->value)) {
        result = slots->mp_ass_subscript(raw, index, self->result);
    }
    else if (la_is_number(self->operand) || la_is_plain_array(self->operand)) {
        PyObject *computed = self->operator_->operate(now, self->operand);
        result = computed == NULL ? -1 : slots->mp_ass_subscript(raw, index, computed);
        Py_XDECREF(computed);
    }
    Py_DECREF(now);
    return result;
}

/* 0, LA_GENERAL or -1. */
static int
la_augmented_store_several(la_augmented *self, PyObject *array, PyObject *index)
{
    la_operation operation = {.count = 0};

    if (!(la_is_plain_array(self->result) || la_is_number(self->result))
            || la_operation_add(&operation, array, LA_WRITE) < 0) {
        return LA_GENERAL;
    }
    bool observed = la_is_observed();
    if (observed) {
        la_storing = true;
    }
    int result = la_operation_lock(&operation);
    if (observed) {
        la_storing = false;
    }
    if (result != 0) {
        return result;
    }
    PyObject *raw = la_raw(array, LA_WRITE);
    result = raw == NULL ? -1 : la_augmented_store_raw(self, raw, index);
    Py_XDECREF(raw);
    la_operation_unlock(&operation);
    return result;
}

int
la_augmented_store(PyObject *container, PyObject *index, PyObject *array,
                   const npy_intp *integers, int count, PyObject *augmented)
{
    la_augmented *self = (la_augmented *)augmented;

    if (self->result == NULL || self->container != container || self->index != index
            || (self->kept != NULL && !la_index_is(index, self->kept))) {
        /* Not the end of the statement, or not of what was read: it is the value, and no more. */
        PyObject *value = self->result == NULL ? self->value : self->result;
        return PyObject_SetItem(container, index, value);
    }
    int result = LA_GENERAL;
    if (self->kept != NULL) {
        result = la_augmented_store_several(self, array, index);
    }
    else if (count >= 0 && count == la_fields(array)->nd
             /* x.flat[i] = array has rules of its own. */
             && (container == array || !PyArray_Check(self->result))) {
        result = la_fields(array)->descr->type_num == NPY_OBJECT
            ? la_augmented_store_object(self, array, integers, count)
            : la_augmented_store_element(self, array, integers, count);
    }
    if (result != LA_GENERAL) {
        return result;
    }
    PyObject *done = PyObject_CallMethodObjArgs(container, la_names.general_augmented_end, index,
                                                self->value, self->result,
                                                self->operator_->function, self->operand, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* -- the type ------------------------------------------------------------------------- */

#define LA_AUGMENTED_SLOT(name, function, called) .nb_inplace_##name = la_augmented_inplace_##name,
static PyNumberMethods la_augmented_numbers = {
    LA_AUGMENTED_OPERATORS(LA_AUGMENTED_SLOT)
    .nb_inplace_power = la_augmented_inplace_power,
};

PyTypeObject la_augmented_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "lockedarray._core._native.Augmented",
    .tp_basicsize = sizeof(la_augmented),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = la_augmented_dealloc,
    .tp_as_number = &la_augmented_numbers,
};

int
la_augmented_add(PyObject *native)
{
#define LA_AUGMENTED_ENTRY(name, function, called) &la_augmented_by_##name,
    la_augmented_operator *const operators[] = {
        LA_AUGMENTED_OPERATORS(LA_AUGMENTED_ENTRY)
        &la_augmented_by_power,
    };
    int result = -1;

    if (PyType_Ready(&la_augmented_type) < 0
            || PyModule_AddFunctions(native, la_augmented_functions) < 0) {
        return -1;
    }
    PyObject *module = PyImport_ImportModule("operator");
    if (module == NULL) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        operators[i]->function = PyObject_GetAttrString(module, operators[i]->name);
        if (operators[i]->function == NULL) {
            goto end;
        }
    }
    result = 0;
end:
    Py_DECREF(module);
    return result;
}
