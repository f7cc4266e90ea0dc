/*
 * The update of one element of a common dtype by a plain number.
 *
 * It is what ufunc.at computes, or it is left to NumPy: where the result leaves
 * the dtype, where a floating point flag may be set, or where the types of the
 * two make NumPy choose another loop.
 *
 * ufunc.at makes an array of the value first: a Python float counts as float64
 * there, an int as int64, and a narrower element is computed in these and cast.
 *
 * What is more than one instruction, such as a power, is computed by the ufunc's own
 * loop, for one element: no other formula gives each of its bits.
 */
#include "array/element.h"
#include "array/at_update.h"

#include <fenv.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include <numpy/ufuncobject.h>

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
la_compute(la_update_kind kind, double a, double b, double lowest, double highest,
              double *result)
{
    switch (kind) {
        case LA_UPDATE_ADD:
            *result = a + b;
            break;
        case LA_UPDATE_SUBTRACT:
            *result = a - b;
            break;
        case LA_UPDATE_MULTIPLY:
            *result = a * b;
            break;
        case LA_UPDATE_DIVIDE:
            if (b == 0) {
                return false;
            }
            *result = a / b;
            break;
        case LA_UPDATE_MIN:
        case LA_UPDATE_MAX:
            /* Which zero it is, and what becomes of NaN, NumPy says. */
            if (isnan(a) || isnan(b) || (a == b && signbit(a) != signbit(b))) {
                return false;
            }
            *result = (b < a) == (kind == LA_UPDATE_MIN) ? b : a;
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
    if (kind != LA_UPDATE_MULTIPLY && kind != LA_UPDATE_DIVIDE) {
        return *result == 0 || lowest == DBL_MIN;
    }
    return *result == 0 && (a == 0 || (b == 0 && kind == LA_UPDATE_MULTIPLY));
}

static npy_int64
la_integer_load(const char *address, npy_intp size, bool is_unsigned)
{
    /* Not by `?:`, whose type would be the unsigned one. */
    switch (is_unsigned ? -size : size) {
        case -1:
            return *(const npy_uint8 *)address;
        case -2:
            return *(const npy_uint16 *)address;
        case -4:
            return *(const npy_uint32 *)address;
        case 1:
            return *(const npy_int8 *)address;
        case 2:
            return *(const npy_int16 *)address;
        case 4:
            return *(const npy_int32 *)address;
        default:
            return *(const npy_int64 *)address;
    }
}

static void
la_integer_store(char *address, npy_intp size, npy_uint64 number)
{
    switch (size) {
        case 1:
            *(npy_uint8 *)address = (npy_uint8)number;
            break;
        case 2:
            *(npy_uint16 *)address = (npy_uint16)number;
            break;
        case 4:
            *(npy_uint32 *)address = (npy_uint32)number;
            break;
        default:
            *(npy_uint64 *)address = number;
    }
}

/* As NumPy has them: in int64, and then modulo a power of two. */
static bool
la_update_integer(la_update_kind kind, const PyArray_Descr *descr, char *address,
                  PyObject *value)
{
    npy_intp size = PyDataType_ELSIZE(descr);
    npy_int64 a = la_integer_load(address, size, PyTypeNum_ISUNSIGNED(descr->type_num)), b;
    npy_uint64 result;

    if (!la_number_as_integer(value, &b)) {
        return false;
    }
    switch (kind) {
        case LA_UPDATE_ADD:
            result = (npy_uint64)a + (npy_uint64)b;
            break;
        case LA_UPDATE_SUBTRACT:
            result = (npy_uint64)a - (npy_uint64)b;
            break;
        case LA_UPDATE_MULTIPLY:
            result = (npy_uint64)a * (npy_uint64)b;
            break;
        case LA_UPDATE_MIN:
            result = (npy_uint64)(a < b ? a : b);
            break;
        case LA_UPDATE_MAX:
            result = (npy_uint64)(a > b ? a : b);
            break;
        case LA_UPDATE_AND:
            result = (npy_uint64)a & (npy_uint64)b;
            break;
        case LA_UPDATE_OR:
            result = (npy_uint64)a | (npy_uint64)b;
            break;
        case LA_UPDATE_XOR:
            result = (npy_uint64)a ^ (npy_uint64)b;
            break;
        default:
            return false;
    }
    la_integer_store(address, size, result);
    return true;
}

/* uint64 and int64 are added as float64: done where that is exact. */
static bool
la_update_uint64(la_update_kind kind, char *address, PyObject *value)
{
    npy_uint64 a = *(npy_uint64 *)address;
    npy_int64 b;
    double result;

    if (kind == LA_UPDATE_DIVIDE || !la_number_as_integer(value, &b) || b < -LA_EXACT_INTEGERS
            || b > LA_EXACT_INTEGERS || a > (npy_uint64)LA_EXACT_INTEGERS
            || !la_compute(kind, (double)a, (double)b, DBL_MIN, DBL_MAX, &result)
            || !(result >= 0 && result < (double)LA_EXACT_INTEGERS)) {
        return false;
    }
    *(npy_uint64 *)address = (npy_uint64)result;
    return true;
}

static bool
la_update_bool(la_update_kind kind, char *address, PyObject *value)
{
    bool a = *(npy_bool *)address != 0, b;

    if (!la_number_as_bool(value, &b)) {
        return false;
    }
    switch (kind) {
        case LA_UPDATE_ADD:
        case LA_UPDATE_MAX:
        case LA_UPDATE_OR:
            *(npy_bool *)address = a || b;
            return true;
        case LA_UPDATE_MULTIPLY:
        case LA_UPDATE_MIN:
        case LA_UPDATE_AND:
            *(npy_bool *)address = a && b;
            return true;
        case LA_UPDATE_XOR:
            *(npy_bool *)address = a != b;
            return true;
        default:
            return false;
    }
}

/* Sums alone: how products are rounded differs between NumPy's loops. */
static bool
la_update_complex(la_update_kind kind, int type, char *address, PyObject *value)
{
    bool is_narrow = type == NPY_CFLOAT;
    double b[2], result[2];

    if ((kind != LA_UPDATE_ADD && kind != LA_UPDATE_SUBTRACT) || !la_number_as_complex(value, b)) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        double a = is_narrow ? ((float *)address)[i] : ((double *)address)[i];
        if (!la_compute(kind, a, b[i], is_narrow ? FLT_MIN : DBL_MIN,
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

/*
 * Of float16: in float64, and rounded once. A float32 would have it computed in that, and
 * rounded twice.
 */
static bool
la_update_half(la_update_kind kind, PyArray_Descr *descr, char *address, PyObject *value)
{
    const double lowest = 1.0 / (1 << 14), highest = 65504;     /* of the normal numbers */
    double b, result;
    bool done = false;

    if (!PyArray_ISNBO(descr->byteorder) || Py_TYPE(value) == &PyFloatArrType_Type
            || !la_number_as_double(value, &b)) {
        return false;
    }
    PyObject *scalar = PyArray_Scalar(address, descr, NULL);
    PyObject *a = scalar == NULL ? NULL : PyNumber_Float(scalar);
    if (a != NULL
            && la_compute(kind, PyFloat_AS_DOUBLE(a), b, lowest, highest, &result)) {
        PyObject *made = PyFloat_FromDouble(result);
        done = made != NULL && PyArray_Pack(descr, address, made) == 0;
        Py_XDECREF(made);
    }
    Py_XDECREF(a);
    Py_XDECREF(scalar);
    PyErr_Clear();      /* what there is to be raised, the general version raises */
    return done;
}

/* Far from where anything is to be reported. */
static inline bool
la_is_moderate(npy_longdouble number)
{
    return number == 0 || (fabsl(number) > 1e-100L && fabsl(number) < 1e100L);
}

static bool
la_update_long(la_update_kind kind, char *address, PyObject *value)
{
    npy_longdouble a;
    double b;

    memcpy(&a, address, sizeof(a));
    if (!la_number_as_double(value, &b) || !la_is_moderate(a) || !la_is_moderate(b)) {
        return false;
    }
    switch (kind) {
        case LA_UPDATE_ADD:
            a += b;
            break;
        case LA_UPDATE_SUBTRACT:
            a -= b;
            break;
        case LA_UPDATE_MULTIPLY:
            a *= b;
            break;
        default:
            return false;
    }
    memcpy(address, &a, sizeof(a));
    return true;
}

static bool
la_update_directly(la_update_kind kind, const PyArray_Descr *descr, char *address, PyObject *value)
{
    double b, result;

    switch (descr->type_num) {
        case NPY_DOUBLE:
            if (!la_number_as_double(value, &b)
                    || !la_compute(kind, *(double *)address, b, DBL_MIN, DBL_MAX, &result)) {
                return false;
            }
            *(double *)address = result;
            return true;
        case NPY_FLOAT:
            /* Rounded twice, it is the same as if computed in float32. */
            if (!la_number_as_double(value, &b)
                    || !la_compute(kind, *(float *)address, b, FLT_MIN, FLT_MAX, &result)) {
                return false;
            }
            *(float *)address = (float)result;
            return true;
        case NPY_HALF:
            return la_update_half(kind, (PyArray_Descr *)descr, address, value);
        case NPY_LONGDOUBLE:
            return la_update_long(kind, address, value);
        case NPY_CFLOAT:
        case NPY_CDOUBLE:
            return la_update_complex(kind, descr->type_num, address, value);
        case NPY_BOOL:
            return la_update_bool(kind, address, value);
        default:
            if (!PyTypeNum_ISINTEGER(descr->type_num)) {
                return false;
            }
            if (PyTypeNum_ISUNSIGNED(descr->type_num) && PyDataType_ELSIZE(descr) == 8) {
                return la_update_uint64(kind, address, value);
            }
            return la_update_integer(kind, descr, address, value);
    }
}

/* -- by the ufunc's own loop --------------------------------------------------------- */

/* Two operands, and room for the result, of one type. */
typedef struct {
    int type;
    union {
        double real[2];         /* the first of them; or both, of a complex number */
        float narrow[2];
        npy_int64 integer;
        npy_uint64 natural;
    } numbers[3];
} la_loop_numbers;

/* The element and the value, as ufunc.at would compute with them; false: not told here. */
static bool
la_loop_load(la_loop_numbers *loop, const PyArray_Descr *descr, const char *address,
             PyObject *value)
{
    int type = descr->type_num;
    npy_intp size = PyDataType_ELSIZE(descr);
    bool is_unsigned = PyTypeNum_ISUNSIGNED(type);

    switch (type) {
        case NPY_FLOAT:
            if (Py_TYPE(value) == &PyFloatArrType_Type) {
                loop->type = NPY_FLOAT;
                loop->numbers[0].narrow[0] = *(const float *)address;
                loop->numbers[1].narrow[0] = PyArrayScalar_VAL(value, Float);
                return true;
            }
            loop->type = NPY_DOUBLE;
            loop->numbers[0].real[0] = *(const float *)address;
            return la_number_as_double(value, &loop->numbers[1].real[0]);
        case NPY_DOUBLE:
            loop->type = NPY_DOUBLE;
            loop->numbers[0].real[0] = *(const double *)address;
            return la_number_as_double(value, &loop->numbers[1].real[0]);
        case NPY_CDOUBLE:
            loop->type = NPY_CDOUBLE;
            memcpy(loop->numbers[0].real, address, sizeof(loop->numbers[0].real));
            return la_number_as_complex(value, loop->numbers[1].real);
        default:
            if (!PyTypeNum_ISINTEGER(type)) {
                return false;
            }
            if (is_unsigned && size == 8) {
                if (Py_TYPE(value) != &PyULongLongArrType_Type
                        && (Py_TYPE(value) != &PyULongArrType_Type || NPY_SIZEOF_LONG != 8)) {
                    return false;
                }
                loop->type = NPY_UINT64;
                loop->numbers[0].natural = *(const npy_uint64 *)address;
                PyArray_ScalarAsCtype(value, &loop->numbers[1].natural);
                return true;
            }
            loop->type = NPY_INT64;
            loop->numbers[0].integer = la_integer_load(address, size, is_unsigned);
            return la_number_as_integer(value, &loop->numbers[1].integer);
    }
}

/* Which of its loops is for this type alone: its number, or -1. */
static int
la_loop_find(const PyUFuncObject *ufunc, int type)
{
    if (ufunc->nin != 2 || ufunc->nout != 1 || ufunc->core_enabled) {
        return -1;
    }
    for (int i = 0; i < ufunc->ntypes; i++) {
        const char *types = ufunc->types + 3 * i;
        if (types[0] == type && types[1] == type && types[2] == type) {
            return ufunc->functions[i] == NULL ? -1 : i;
        }
    }
    return -1;
}

/* Has something to be reported? NumPy computes it again, and does so. */
static bool
la_loop_failed(void)
{
    int raised = fetestexcept(FE_DIVBYZERO | FE_OVERFLOW | FE_UNDERFLOW | FE_INVALID);

    if (raised != 0) {
        feclearexcept(FE_ALL_EXCEPT);
    }
    if (PyErr_Occurred()) {     /* as of integers, for a negative power */
        PyErr_Clear();
        return true;
    }
    return raised != 0;
}

static bool
la_update_by_loop(PyObject *object, const PyArray_Descr *descr, char *address, PyObject *value)
{
    const PyUFuncObject *ufunc = (const PyUFuncObject *)object;
    la_loop_numbers loop = {.type = -1};
    npy_intp one = 1, steps[3];
    char *passed[3];

    if (!la_loop_load(&loop, descr, address, value)) {
        return false;
    }
    int i = la_loop_find(ufunc, loop.type);
    if (i < 0) {
        return false;
    }
    for (int k = 0; k < 3; k++) {
        passed[k] = (char *)&loop.numbers[k];
        steps[k] = (npy_intp)sizeof(loop.numbers[k]);
    }
    feclearexcept(FE_ALL_EXCEPT);
    ufunc->functions[i](passed, &one, steps, ufunc->data == NULL ? NULL : ufunc->data[i]);
    volatile float narrow = loop.numbers[2].narrow[0];
    if (descr->type_num == NPY_FLOAT && loop.type == NPY_DOUBLE) {
        narrow = (float)loop.numbers[2].real[0];    /* which may have something to report, too */
    }
    if (la_loop_failed()) {
        return false;
    }
    switch (descr->type_num) {
        case NPY_FLOAT:
            *(float *)address = narrow;
            break;
        case NPY_DOUBLE:
            *(double *)address = loop.numbers[2].real[0];
            break;
        case NPY_CDOUBLE:
            memcpy(address, loop.numbers[2].real, sizeof(loop.numbers[2].real));
            break;
        default:
            la_integer_store(address, PyDataType_ELSIZE(descr), loop.numbers[2].natural);
    }
    return true;
}

bool
la_update(la_update_kind kind, PyObject *ufunc, const PyArray_Descr *descr, char *address,
          PyObject *value)
{
    /* Of the kinds that are known there are several loops, which differ in what they report. */
    return kind == LA_UPDATE_OTHER ? la_update_by_loop(ufunc, descr, address, value)
           : la_update_directly(kind, descr, address, value);
}

/* A Python float is taken for one of the array's own precision; NaN equals NaN. */
bool
la_equals(const PyArray_Descr *descr, const char *address, PyObject *value, bool *equal)
{
    bool is_narrow = descr->type_num == NPY_FLOAT;
    npy_int64 integer;
    double a, b;

    if (descr->type_num == NPY_DOUBLE || is_narrow) {
        if (!la_number_as_double(value, &b)) {
            return false;
        }
        a = is_narrow ? *(const float *)address : *(const double *)address;
        if (is_narrow && Py_TYPE(value) != &PyFloatArrType_Type) {
            if (!PyFloat_CheckExact(value) || !(fabs(b) <= FLT_MAX)) {
                return false;
            }
            b = (float)b;
        }
        *equal = a == b || (isnan(a) && isnan(b));
        return true;
    }
    if (!PyTypeNum_ISINTEGER(descr->type_num) || !la_number_as_integer(value, &integer)
            || (PyTypeNum_ISUNSIGNED(descr->type_num) && PyDataType_ELSIZE(descr) == 8)) {
        return false;
    }
    *equal = la_integer_load(address, PyDataType_ELSIZE(descr),
                             PyTypeNum_ISUNSIGNED(descr->type_num)) == integer;
    return true;
}
