/*
 * Several elements of x.at. They are copied, or taken, changed and put back, in one operation.
 */
#include "array/at_several.h"

#include "array/change.h"
#include "array/general.h"
#include "array/index.h"
#include "array/operation.h"
#include "array/policy.h"
#include "array/target.h"

/* -- get ----------------------------------------------------------------------------- */

/* Can no part of the index be an integer that names one element, an object, as it is? */
static bool
la_index_names_several(PyObject *array, PyObject *index)
{
    return la_index_makes_view(index, la_fields(array)->nd) || PyList_CheckExact(index)
           || (Py_TYPE(index) == &PyArray_Type && la_fields(index)->nd > 0);
}

/*
 * Adds what the index names, as it is read: 0 or LA_GENERAL. It is a part of the array, whose
 * target is found, where a view is made of it and its elements are all in the array.
 */
static int
la_several_add_read(la_operation *operation, PyObject *array, PyObject *index, bool objects,
                    la_target *target)
{
    if (objects || !la_index_makes_view(index, la_fields(array)->nd)) {
        return la_operation_add_any(operation, array, LA_READ) < 0 ? LA_GENERAL : 0;
    }
    la_region_lock *lock = la_facade_lock(array);
    if (lock == NULL || !la_target_find(array, index, target)) {
        return LA_GENERAL;
    }
    la_operand *operand = la_operation_add_part(operation, array, lock, LA_READ);
    la_target_region(target, operand->buffer, &operand->region);
    operand->locks = !la_is_frozen(operand->buffer);
    return 0;
}

/* Does the index still name what was locked? */
static bool
la_several_is_locked(const la_operand *operand, PyObject *index, la_target *target)
{
    la_region now;

    if (!operand->is_part || !operand->locks) {
        return true;
    }
    if (!la_target_find(operand->facade, index, target)) {
        return false;
    }
    la_target_region(target, operand->buffer, &now);
    return la_region_equal(&now, &operand->region);
}

/* Under the lock. An index without axes names one element. */
static PyObject *
la_several_copy(PyObject *array, PyObject *index, bool objects)
{
    PyObject *raw = la_raw(array, LA_READ);
    PyObject *copy = raw == NULL ? NULL : la_raw_elements(raw, index);

    Py_XDECREF(raw);
    if (copy != NULL && !PyArray_CheckExact(copy) && (objects || PyArray_IsScalar(copy, Void))) {
        Py_CLEAR(copy);
    }
    return copy;
}

PyObject *
la_several_get(PyObject *array, PyObject *index)
{
    la_operation operation = {.count = 0};
    la_target target;
    PyObject *copy = NULL;

    if (!la_is_exact(array)) {
        return NULL;
    }
    bool objects = PyDataType_REFCHK(la_fields(array)->descr);
    PyObject *taken = la_index_taken_or_basic(index, la_fields(array)->nd);
    if (taken == NULL) {
        return NULL;
    }
    if ((!objects || la_index_names_several(array, taken))
            && la_several_add_read(&operation, array, taken, objects, &target) == 0
            && la_operation_lock(&operation) == 0) {
        if (la_several_is_locked(&operation.operands[0], taken, &target)) {
            copy = la_several_copy(array, taken, objects);
        }
        la_operation_unlock(&operation);
    }
    Py_DECREF(taken);
    return copy;
}

/* -- updates by a mask --------------------------------------------------------------- */

/* A mask of all axes: it selects no element twice. */
static bool
la_is_mask_of(PyObject *array, PyObject *mask)
{
    const PyArrayObject_fields *fields = la_fields(array), *shown = la_fields(mask);

    if (Py_TYPE(mask) != &PyArray_Type || shown->descr->type_num != NPY_BOOL
            || shown->nd != fields->nd || shown->nd == 0) {
        return false;
    }
    for (int k = 0; k < shown->nd; k++) {
        if (shown->dimensions[k] != fields->dimensions[k]) {
            return false;
        }
    }
    return true;
}

static int
la_mask_update_locked(PyObject *array, PyObject *mask, PyObject *ufunc, PyObject *value,
                      PyObject **updated)
{
    PyMappingMethods *mapping = PyArray_Type.tp_as_mapping;
    PyObject *raw = la_raw(array, LA_WRITE), *own = NULL, *some = NULL, *done = NULL;
    int result = -1;

    if (raw == NULL || !la_is_mask_of(array, mask) || !la_is_apart(raw)) {
        Py_XDECREF(raw);
        return raw == NULL ? -1 : LA_GENERAL;
    }
    /* Others may change it between the look at the elements and the assignment. */
    own = PyArray_NewCopy((PyArrayObject *)mask, NPY_ANYORDER);
    some = own == NULL ? NULL : mapping->mp_subscript(raw, own);
    PyObject *number = some == NULL ? NULL : PyArray_FROM_O(value);
    if (number != NULL) {
        PyObject *passed[] = {some, number, some, la_names.unsafe};
        done = PyObject_Vectorcall(ufunc, passed, 2, la_names.out_and_casting);
    }
    if (done != NULL && mapping->mp_ass_subscript(raw, own, some) == 0) {
        result = 0;
        if (updated != NULL) {
            *updated = Py_NewRef(some);
        }
    }
    Py_XDECREF(done);
    Py_XDECREF(number);
    Py_XDECREF(some);
    Py_XDECREF(own);
    Py_DECREF(raw);
    return result;
}

int
la_mask_update(PyObject *array, PyObject *mask, PyObject *ufunc, PyObject *value,
               PyObject **updated)
{
    la_operation operation = {.count = 0};
    int value_at = -1;

    if (!la_is_exact(array) || !la_is_mask_of(array, mask)
            || !(PyTypeNum_ISNUMBER(la_fields(array)->descr->type_num)
                 || PyTypeNum_ISBOOL(la_fields(array)->descr->type_num)
                 || PyTypeNum_ISDATETIME(la_fields(array)->descr->type_num))
            || la_operation_add(&operation, array, LA_WRITE) < 0) {
        return LA_GENERAL;
    }
    if (la_is_exact(value)) {
        value_at = la_operation_add(&operation, value, LA_READ);
        if (value_at < 0) {
            return LA_GENERAL;
        }
    }
    else if (!la_is_number(value) && !la_is_plain_array(value)) {
        return LA_GENERAL;
    }
    int result = la_operation_lock(&operation);
    if (result != 0) {
        return result;
    }
    PyObject *given = la_operand_raw(&operation, value_at, value);
    result = given == NULL ? -1 : la_mask_update_locked(array, mask, ufunc, given, updated);
    Py_XDECREF(given);
    la_operation_unlock(&operation);
    return result;
}
