/*
 * Indexing: elements under a lock of their bytes, views without a lock, and
 * copies under a lock of the whole.
 *
 * Every function here that is given an index it does not want says LA_GENERAL,
 * or returns false, with no error set and nothing held.
 */
#include "array/subscript.h"

#include <string.h>

#include "array/augmented.h"
#include "array/change.h"
#include "array/element.h"
#include "array/general.h"
#include "array/given.h"
#include "array/index.h"
#include "array/other_element.h"
#include "array/result.h"
#include "array/target.h"
#include "array/view.h"
#include "guard/statement.h"

/* -- elements ---------------------------------------------------------------------- */

/* The element; NULL without an error: the general path. */
static inline PyObject *
la_element_get(PyObject *array, const npy_intp *index, int count)
{
    la_hold *hold;
    bool error;

    char *address = la_element_lock(array, index, count, LA_READ, &hold, &error);
    if (address == NULL) {
        return NULL;
    }
    PyObject *result = PyArray_Scalar(address, (PyArray_Descr *)la_fields(array)->descr, array);
    la_element_unlock(hold);
    return result;
}

static inline int
la_element_set(PyObject *array, const npy_intp *index, int count, PyObject *value)
{
    la_hold *hold;
    bool error;

    char *address = la_element_lock(array, index, count, LA_WRITE, &hold, &error);
    if (address == NULL) {
        return error ? -1 : LA_GENERAL;
    }
    int result = PyArray_Pack((PyArray_Descr *)la_fields(array)->descr, address, value);
    la_element_unlock(hold);
    return result;
}

/* array[index] = a LockedArray, of one element: both are locked as one. */
static int
la_element_set_from(PyObject *array, const npy_intp *index, int count, PyObject *value)
{
    la_region_lock *lock = la_facade_lock(array);
    la_operation operation;
    int result = LA_GENERAL;

    PyArray_Descr *descr = (PyArray_Descr *)la_fields(array)->descr;
    if (lock == NULL || !la_has_plain_scalars(descr)) {
        return LA_GENERAL;
    }
    la_facade *facade = la_facade_of(array);
    la_buffer_object *buffer = (la_buffer_object *)facade->buffer;
    const char *address = la_element_address(array, index, count);
    if (address == NULL || la_is_frozen(buffer) || !facade->may_write) {
        return LA_GENERAL;
    }
    operation.count = 0;
    int value_at = la_operation_add(&operation, value, LA_READ);
    if (value_at < 0) {
        return LA_GENERAL;
    }
    int64_t offset = la_element_offset(address, buffer);
    la_operand *operand = la_operation_add_part(&operation, array, lock, LA_WRITE);
    la_region_set_extent(&operand->region, offset, PyDataType_ELSIZE(descr));
    la_region_settle(&operand->region, buffer);
    int locked = la_operation_lock(&operation);
    if (locked != 0) {
        return locked;
    }
    char *now = la_element_address(array, index, count);
    if (now != NULL && la_element_offset(now, buffer) == offset) {
        if (la_fields(value)->nd == 0 && la_fields(value)->descr == la_fields(array)->descr) {
            /* They may overlap. */
            memmove(now, la_fields(value)->data, (size_t)PyDataType_ELSIZE(descr));
            result = 0;
        }
        else {
            PyObject *raw = la_operand_raw(&operation, value_at, value);
            result = raw == NULL ? -1 : PyArray_Pack(descr, now, raw);
            Py_XDECREF(raw);
        }
    }
    la_operation_unlock(&operation);
    return result;
}

/* -- indices and masks: under a lock of the whole array -------------------------------- */

/* The copy; NULL without an error: the general path. */
static PyObject *
la_advanced_get(PyObject *array, PyObject *index)
{
    la_operation operation;
    PyObject *result = NULL;

    operation.count = 0;
    if (la_operation_add_any(&operation, array, LA_READ) < 0
            || la_operation_lock(&operation) != 0) {
        return NULL;
    }
    PyObject *raw = la_raw(array, LA_READ);
    if (raw != NULL) {
        result = la_unwrapped(PyArray_Type.tp_as_mapping->mp_subscript(raw, index), raw, array);
        Py_DECREF(raw);
    }
    la_operation_unlock(&operation);
    return result;
}

/* Sets what an index names, under a lock of the whole: 0, LA_GENERAL or -1. */
static int
la_whole_set(PyObject *array, PyObject *index, PyObject *value)
{
    la_operation operation;
    int value_at = -1;

    operation.count = 0;
    if (la_operation_add_any(&operation, array, LA_WRITE) < 0) {
        return LA_GENERAL;
    }
    if (la_is_facade(value)) {
        value_at = la_operation_add_any(&operation, value, LA_READ);
        if (value_at < 0) {
            return LA_GENERAL;
        }
    }
    int result = la_operation_lock(&operation);
    if (result != 0) {
        return result;
    }
    result = la_raw_assign(array, index, &operation, value_at, value);
    la_operation_unlock(&operation);
    return result;
}

static int
la_advanced_set(PyObject *array, PyObject *index, PyObject *value)
{
    if (PyDataType_REFCHK(la_fields(array)->descr)
            || (!la_is_facade(value) && !la_is_plain_array(value) && !la_is_number(value)
                && !(la_is_element(value) && la_has_plain_scalars(la_fields(array)->descr)))) {
        return LA_GENERAL;
    }
    return la_whole_set(array, index, value);
}

/* Is there an array of no axes in the index? It is an integer, and may name one element. */
static bool
la_index_has_integer_array(PyObject *index)
{
    bool is_tuple = PyTuple_CheckExact(index);
    Py_ssize_t count = is_tuple ? PyTuple_GET_SIZE(index) : 1;

    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *part = is_tuple ? PyTuple_GET_ITEM(index, i) : index;
        if (PyArray_CheckExact(part) && la_fields(part)->nd == 0) {
            return true;
        }
    }
    return false;
}

/* x[[1, 2]] = [3, 4]: the array that NumPy makes of it. */
static LA_COLD int
la_advanced_set_list(PyObject *array, PyObject *index, PyObject *list)
{
    la_facade *facade = la_facade_of(array);
    PyArray_Descr *descr = la_fields(array)->descr;

    if (la_facade_lock(array) == NULL || !la_has_plain_scalars(descr)
            || descr->type == NPY_CHARLTR || !facade->may_write
            || la_is_frozen((la_buffer_object *)facade->buffer)
            || la_index_has_integer_array(index)) {
        return LA_GENERAL;
    }
    PyObject *made = la_given_array(list, descr, LA_MOST_WITHIN);
    if (made == NULL) {
        return PyErr_Occurred() ? -1 : LA_GENERAL;
    }
    int result = la_advanced_set(array, index, made);
    Py_DECREF(made);
    return result;
}

/* -- several objects, or texts: under a lock of the whole array ------------------------- */

/* What objects are set to without foreign code, one value or the items of a tuple. */
static inline bool
la_is_plain_object(PyObject *value)
{
    return value == Py_None || la_is_number(value) || PyUnicode_CheckExact(value)
           || PyBytes_CheckExact(value);
}

/*
 * What is stored in place of a value: itself, or a tuple with the items of a list, which other
 * threads may change. NULL without an error: the general path.
 */
static PyObject *
la_objects_stored(PyObject *value)
{
    if (la_is_plain_object(value) || la_is_plain_array(value) || la_is_facade(value)
            || (Py_TYPE(value) == &PyArray_Type
                && la_fields(value)->descr->type_num == NPY_OBJECT)) {
        return Py_NewRef(value);
    }
    if (!PyTuple_CheckExact(value) && !PyList_CheckExact(value)) {
        return NULL;
    }
    PyObject *items = PyTuple_CheckExact(value) ? Py_NewRef(value) : PyList_AsTuple(value);
    for (Py_ssize_t i = 0; items != NULL && i < PyTuple_GET_SIZE(items); i++) {
        if (!la_is_plain_object(PyTuple_GET_ITEM(items, i))) {
            Py_CLEAR(items);
        }
    }
    return items;
}

/* Is it the view that this index makes? */
static bool
la_is_own_view(PyObject *array, PyObject *index, PyObject *value)
{
    la_target target;

    return la_is_facade(value) && la_facade_of(value)->buffer == la_facade_of(array)->buffer
           && (!la_target_find(array, index, &target) || la_target_is(&target, array, value));
}

/* Does it make a view with axes? The one element of a view without is a list as such. */
static bool
la_index_makes_axes(PyObject *array, PyObject *index)
{
    la_target target;

    return la_index_makes_view(index, la_fields(array)->nd)
           && la_target_find(array, index, &target) && target.nd > 0;
}

/* An integer of any kind of NumPy's, an array without axes too: false with no error if it is none. */
static bool
la_index_any_integer(PyObject *part, npy_intp *value)
{
    bool is_scalar = PyArray_IsScalar(part, Integer)
                     && !PyType_HasFeature(Py_TYPE(part), Py_TPFLAGS_HEAPTYPE);

    if (la_index_integer(part, value)) {
        return true;
    }
    if (!is_scalar && !(Py_TYPE(part) == &PyArray_Type && la_fields(part)->nd == 0
                        && PyTypeNum_ISINTEGER(la_fields(part)->descr->type_num))) {
        return false;
    }
    *value = PyNumber_AsSsize_t(part, PyExc_IndexError);
    if (*value == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        return false;
    }
    return true;
}

/* Does it name one element? Then its integers, one for each axis, if they are known here, or `count` -1. */
static bool
la_index_picks_element(PyObject *index, int axes, npy_intp *integers, int *count)
{
    bool is_tuple = PyTuple_CheckExact(index), known = axes <= LA_MOST_INDICES;

    if ((is_tuple ? PyTuple_GET_SIZE(index) : 1) != axes) {
        return false;
    }
    for (Py_ssize_t i = 0; i < axes; i++) {
        PyObject *part = is_tuple ? PyTuple_GET_ITEM(index, i) : index;
        if (!PyLong_Check(part) && !PyArray_IsScalar(part, Integer)
                && !(PyArray_Check(part) && la_fields(part)->nd == 0)) {
            return false;
        }
        known = known && la_index_any_integer(part, &integers[i]);
    }
    *count = known ? axes : -1;
    return true;
}

/* The index is taken: 0, LA_GENERAL or -1. */
static int
la_objects_set_taken(PyObject *array, PyObject *index, PyObject *value)
{
    int type = la_fields(array)->descr->type_num;
    npy_intp integers[LA_MOST_INDICES];
    int count;

    if (la_is_own_view(array, index, value)) {
        return LA_GENERAL;
    }
    if (la_index_picks_element(index, la_fields(array)->nd, integers, &count)) {
        return count < 0 ? LA_GENERAL : la_other_element_set(array, integers, count, value);
    }
    /* To an index that names one element, as an array without axes does, that is the element. */
    if ((PyList_CheckExact(value) && !la_index_makes_axes(array, index))
            || (la_is_facade(value) && !la_index_makes_view(index, la_fields(array)->nd))) {
        return LA_GENERAL;
    }
    if (type == NPY_VSTRING) {
        return PyUnicode_CheckExact(value) || la_is_plain_array(value)
                       || (la_is_facade(value) && la_fields(value)->descr->type_num != NPY_OBJECT)
               ? la_whole_set(array, index, value) : LA_GENERAL;
    }
    PyObject *stored = la_objects_stored(value);
    if (stored == NULL) {
        return PyErr_Occurred() ? -1 : LA_GENERAL;
    }
    int result = la_whole_set(array, index, stored);
    Py_DECREF(stored);
    return result;
}

static int
la_objects_set(PyObject *array, PyObject *index, PyObject *value)
{
    int type = la_fields(array)->descr->type_num;

    if (type != NPY_OBJECT && type != NPY_VSTRING) {
        return LA_GENERAL;
    }
    PyObject *taken = la_index_taken_or_basic(index, -1);
    if (taken == NULL) {
        return PyErr_Occurred() ? -1 : LA_GENERAL;
    }
    int result = la_objects_set_taken(array, taken, value);
    Py_DECREF(taken);
    return result;
}

/* -- x[i] += v -------------------------------------------------------------------------- */

/*
 * Is the value for x[i] += v, and will the assignment come here, too? Not so where a subclass
 * does either in Python: it sees plain values. What is false here, and is a += all the same, is
 * told apart where it ends: la_assign_subscript gets no augmented value.
 */
static inline bool
la_augments(PyObject *array, PyObject *index)
{
    const PyMappingMethods *slots;

    if (LA_LIKELY(!la_statement_augments(array, index))) {
        return false;
    }
    slots = Py_TYPE(array)->tp_as_mapping;
    return slots->mp_subscript == la_subscript && slots->mp_ass_subscript == la_assign_subscript;
}

/*
 * Is this the end of x[2:5] += v, where what was read is a view? It has its elements already,
 * also if the index names others by now, after a resize.
 */
static LA_COLD bool
la_is_own(PyObject *array, PyObject *view)
{
    const la_facade *facade = la_facade_of(array);

    la_facade_of(view)->augmented = 0;
    return facade->buffer == la_facade_of(view)->buffer && facade->buffer != NULL
           && !la_is_frozen((la_buffer_object *)facade->buffer) && facade->may_write
           && la_statement_ends();
}

/* The view; NULL without an error: the general path. */
static inline PyObject *
la_subscript_view(PyObject *array, PyObject *index)
{
    la_target target;

    if (LA_LIKELY(la_is_exact(array)) && la_target_find(array, index, &target)) {
        PyObject *view = la_view_new(array, target.descr, target.nd, target.shape, target.strides,
                                     target.data);
        if (LA_LIKELY(view != NULL) || PyErr_Occurred()) {
            return view;
        }
    }
    return la_checked_view(array, PyArray_Type.tp_as_mapping->mp_subscript(array, index));
}

/* An element that is no plain scalar; NULL without an error: the general path. */
static PyObject *
la_subscript_other(PyObject *array, PyObject *index, const npy_intp *integers, int count)
{
    PyArray_Descr *descr = (PyArray_Descr *)la_fields(array)->descr;
    bool augments;

    if (la_has_plain_scalars(descr)
            || ((augments = la_augments(array, index)) && descr->type_num != NPY_OBJECT)) {
        return NULL;
    }
    PyObject *result = la_other_element_get(array, integers, count, NULL);
    return result == NULL || !augments ? result : la_augmented_new(array, index, result);
}

/* -- the slots ----------------------------------------------------------------------- */

PyObject *
la_subscript(PyObject *array, PyObject *index)
{
    npy_intp integers[LA_MOST_INDICES];
    PyObject *result = NULL;

    int count = la_index_integers(index, integers);
    /* Who asks for an element locks it, and looks again then. */
    if (count != la_fields(array)->nd && la_facade_settle(array) < 0) {
        return NULL;
    }
    if (count >= 0 && count == la_fields(array)->nd) {
        result = la_element_get(array, integers, count);
        if (LA_LIKELY(result != NULL)) {
            return LA_LIKELY(!la_augments(array, index)) ? result
                : la_augmented_new(array, index, result);
        }
        if (!PyErr_Occurred()) {
            result = la_subscript_other(array, index, integers, count);
        }
    }
    else if (la_facade_of(array)->buffer != NULL
             && la_index_makes_view(index, la_fields(array)->nd)) {
        result = la_subscript_view(array, index);
        if (result != NULL && la_augments(array, index)) {
            la_facade_of(result)->augmented = 1;
        }
    }
    else if (!(PyDataType_REFCHK(la_fields(array)->descr) && la_augments(array, index))) {
        PyObject *taken = la_index_taken(index);
        if (taken != NULL) {
            result = la_advanced_get(array, taken);
            if (result != NULL && la_augments(array, index)) {
                result = la_augmented_of_several(array, index, taken, result);
            }
            Py_DECREF(taken);
        }
    }
    if (result != NULL || PyErr_Occurred()) {
        return result;
    }
    PyObject *name = la_augments(array, index) ? la_names.general_augmented
        : la_names.general_getitem;
    return PyObject_CallMethodOneArg(array, name, index);
}

/*
 * Raises what NumPy raises where the index is behind the end, which is how an
 * iteration learns of it; else for the general path.
 */
static LA_COLD void
la_item_check(PyObject *array, Py_ssize_t i)
{
    la_region_lock *lock = la_facade_lock_of_any(array);
    la_operation operation;

    operation.count = 0;
    if (lock == NULL || i < la_fields(array)->dimensions[0]) {
        return;
    }
    /* A resize may come in between; then it is as much behind the end, or for the general path. */
    if (la_operation_add_any(&operation, array, LA_READ) < 0
            || la_operation_lock(&operation) != 0) {
        return;
    }
    npy_intp length = la_fields(array)->nd == 1 ? la_fields(array)->dimensions[0] : i + 1;
    la_operation_unlock(&operation);
    if (i >= length) {
        PyErr_Format(PyExc_IndexError, "index %zd is out of bounds for axis 0 with size %zd",
                     i, (Py_ssize_t)length);
    }
}

PyObject *
la_item(PyObject *array, Py_ssize_t i)
{
    PyObject *result = NULL;

    if (la_fields(array)->nd != 1 && la_facade_settle(array) < 0) {
        return NULL;
    }
    if (la_fields(array)->nd == 1 && i >= 0) {
        npy_intp index = i;
        result = la_element_get(array, &index, 1);
        if (result == NULL && !PyErr_Occurred()
                && !la_has_plain_scalars((PyArray_Descr *)la_fields(array)->descr)) {
            result = la_other_element_get(array, &index, 1, NULL);
        }
        if (result == NULL && !PyErr_Occurred()) {
            la_item_check(array, i);
        }
    }
    else if (la_fields(array)->nd != 1 && la_facade_of(array)->buffer != NULL) {
        result = la_checked_view(array, PyArray_Type.tp_as_sequence->sq_item(array, i));
    }
    if (result != NULL || PyErr_Occurred()) {
        return result;
    }
    /* Where NumPy would undo what PySequence_GetItem did, so do we. */
    if (i < 0 && la_fields(array)->nd > 0) {
        i -= la_fields(array)->dimensions[0];
    }
    PyObject *index = PyLong_FromSsize_t(i);
    if (index != NULL) {
        result = PyObject_CallMethodOneArg(array, la_names.general_getitem, index);
        Py_DECREF(index);
    }
    return result;
}

int
la_assign_subscript(PyObject *array, PyObject *index, PyObject *value)
{
    npy_intp integers[LA_MOST_INDICES];
    int result = LA_GENERAL;

    if (value == NULL) {        /* refused by NumPy, which looks at no data */
        return PyArray_Type.tp_as_mapping->mp_ass_subscript(array, index, NULL);
    }
    int count = la_index_integers(index, integers);
    if (count != la_fields(array)->nd && la_facade_settle(array) < 0) {
        return -1;
    }
    if (la_is_augmented(value)) {
        return la_augmented_store(array, index, array, integers, count, value);
    }
    if (count >= 0 && count == la_fields(array)->nd) {
        if (!la_has_plain_scalars((PyArray_Descr *)la_fields(array)->descr)) {
            result = la_other_element_set(array, integers, count, value);
        }
        else if (LA_LIKELY(la_is_element(value))) {
            result = la_element_set(array, integers, count, value);
        }
        else if (la_is_facade(value)) {
            result = la_element_set_from(array, integers, count, value);
        }
    }
    else {
        if (la_is_facade(value) && la_facade_of(value)->augmented && la_is_own(array, value)) {
            return 0;
        }
        if (PyDataType_REFCHK(la_fields(array)->descr)) {
            result = la_objects_set(array, index, value);
        }
        else {
            result = la_view_assign(array, index, value);
            PyObject *taken = result == LA_GENERAL ? la_index_taken(index) : NULL;
            if (taken != NULL) {
                result = la_is_list(value) ? la_advanced_set_list(array, taken, value)
                    : la_advanced_set(array, taken, value);
                Py_DECREF(taken);
            }
            else if (result == LA_GENERAL && PyErr_Occurred()) {
                return -1;
            }
        }
    }
    if (result != LA_GENERAL) {
        return result;
    }
    PyObject *done = PyObject_CallMethodObjArgs(array, la_names.general_setitem, index,
                                                value, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

int
la_assign_item(PyObject *array, Py_ssize_t i, PyObject *value)
{
    if (la_facade_settle(array) < 0) {
        return -1;
    }
    if (i < 0 && la_fields(array)->nd > 0) {    /* as in la_item */
        i -= la_fields(array)->dimensions[0];
    }
    PyObject *index = PyLong_FromSsize_t(i);
    if (index == NULL) {
        return -1;
    }
    int result = la_assign_subscript(array, index, value);
    Py_DECREF(index);
    return result;
}
