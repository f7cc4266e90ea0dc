/*
 * Changes of what a basic index names: assignments, and updates by a ufunc.
 */
#include "array/change.h"

#include "array/general.h"
#include "array/given.h"
#include "array/index.h"
#include "array/other_element.h"
#include "array/target.h"

int
la_raw_assign(PyObject *array, PyObject *index, const la_operation *operation, int value_at,
              PyObject *value)
{
    int result = -1;

    PyObject *raw = la_raw(array, LA_WRITE);
    if (raw == NULL) {
        return -1;
    }
    PyObject *raw_value = la_operand_raw(operation, value_at, value);
    if (raw_value != NULL) {
        result = PyArray_Type.tp_as_mapping->mp_ass_subscript(raw, index, raw_value);
        Py_DECREF(raw_value);
    }
    Py_DECREF(raw);
    return result;
}

#define LA_MOST_APART 8

bool
la_is_apart(PyObject *view)
{
    PyArrayObject_fields *fields = la_fields(view);
    npy_intp strides[LA_MOST_APART], lengths[LA_MOST_APART];
    npy_intp reach = (npy_intp)PyDataType_ELSIZE(fields->descr);
    int count = 0;

    if (fields->nd > LA_MOST_APART) {
        return false;
    }
    for (int k = 0; k < fields->nd; k++) {
        int at = count;
        if (fields->dimensions[k] <= 1) {
            continue;       /* whose stride may be any */
        }
        npy_intp stride = fields->strides[k] < 0 ? -fields->strides[k] : fields->strides[k];
        for (; at > 0 && strides[at - 1] > stride; at--) {
            strides[at] = strides[at - 1];
            lengths[at] = lengths[at - 1];
        }
        strides[at] = stride;
        lengths[at] = fields->dimensions[k];
        count++;
    }
    for (int k = 0; k < count; k++) {
        if (strides[k] < reach) {
            return false;
        }
        reach += (lengths[k] - 1) * strides[k];
    }
    return true;
}

/* An update of array[index] by a ufunc of two operands. */
typedef struct {
    PyObject *ufunc;
    PyObject **updated;         /* for a copy of the elements afterwards, or NULL */
    PyObject *within;           /* by ufunc.at, with this index of the view; or NULL */
} la_view_update_of;

/*
 * What ufunc.at does, which looks up the elements of a slice one by one: where
 * they are apart, one loop does the same. Its second operand is an array for it,
 * and the result is cast to the array's dtype, whatever that is.
 */
static int
la_raw_update(PyObject *array, PyObject *index, const la_operation *operation, int value_at,
              PyObject *value, const la_view_update_of *update)
{
    int result = -1;

    PyObject *raw = la_raw(array, LA_WRITE);
    PyObject *view = raw == NULL ? NULL : PyArray_Type.tp_as_mapping->mp_subscript(raw, index);
    PyObject *given = view == NULL ? NULL : la_operand_raw(operation, value_at, value);
    PyObject *number = given == NULL ? NULL : PyArray_FROM_O(given);
    if (number != NULL && (!PyArray_CheckExact(view) || !la_is_apart(view)
                           || (update->within != NULL && PyArray_SIZE((PyArrayObject *)view) != 1))) {
        result = LA_GENERAL;
    }
    else if (number != NULL) {
        PyObject *passed[] = {view, number, view, la_names.unsafe}, *done;
        if (update->within != NULL) {
            done = PyObject_CallMethodObjArgs(update->ufunc, la_names.at, view, update->within,
                                              given, NULL);
        }
        else if (update->ufunc == la_names.at_power) {   /* which may fail in the middle */
            done = PyObject_Vectorcall(update->ufunc, passed, 2, NULL);
            PyObject *computed = done == NULL ? NULL : PyArray_FROM_O(done);
            if (computed == NULL
                    || PyArray_CopyInto((PyArrayObject *)view, (PyArrayObject *)computed) < 0) {
                Py_CLEAR(done);
            }
            Py_XDECREF(computed);
        }
        else {
            done = PyObject_Vectorcall(update->ufunc, passed, 2, la_names.out_and_casting);
        }
        if (done != NULL && update->updated != NULL) {
            *update->updated = PyArray_NewCopy((PyArrayObject *)view, NPY_CORDER);
        }
        result = done == NULL || (update->updated != NULL && *update->updated == NULL) ? -1 : 0;
        Py_XDECREF(done);
    }
    Py_XDECREF(number);
    Py_XDECREF(given);
    Py_XDECREF(view);
    Py_XDECREF(raw);
    return result;
}

/* x[index] = value, with an index that makes a view; or an update of it, if one is given. */
static int
la_view_change(PyObject *array, PyObject *index, PyObject *value,
               const la_view_update_of *update)
{
    la_region_lock *lock = la_facade_lock(array);
    la_target target;
    la_operation operation;
    la_region now;
    int result, value_at = -1;

    if (lock == NULL || !la_target_find(array, index, &target)) {
        return LA_GENERAL;
    }
    la_facade *facade = la_facade_of(array);
    la_buffer_object *buffer = (la_buffer_object *)facade->buffer;
    if (la_is_frozen(buffer) || !facade->may_write) {
        return LA_GENERAL;
    }
    operation.count = 0;
    if (la_is_facade(value)) {
        if (update == NULL && la_target_is(&target, array, value)) {
            return 0;       /* the end of x[2:5] += v: the elements are there already */
        }
        value_at = la_operation_add(&operation, value, LA_READ);
        if (value_at < 0) {
            return LA_GENERAL;
        }
    }
    else if (!la_is_plain_array(value)
             && (target.descr->type_num == NPY_VOID
                 ? update != NULL || !PyDataType_HASFIELDS(target.descr) || !la_is_record(value)
                 : !la_is_element(value) || (update != NULL && !la_is_number(value)))) {
        return LA_GENERAL;
    }
    la_operand *operand = la_operation_add_part(&operation, array, lock, LA_WRITE);
    la_target_region(&target, buffer, &operand->region);
    result = la_operation_lock(&operation);
    if (result != 0) {
        return result;
    }
    result = LA_GENERAL;
    if (la_target_find(array, index, &target)) {
        la_target_region(&target, buffer, &now);
        if (la_region_equal(&now, &operand->region)) {
            result = update == NULL
                ? la_raw_assign(array, index, &operation, value_at, value)
                : la_raw_update(array, index, &operation, value_at, value, update);
        }
    }
    la_operation_unlock(&operation);
    return result;
}

int
la_view_update(PyObject *array, PyObject *index, PyObject *ufunc, PyObject *value,
               PyObject **updated)
{
    la_view_update_of update = {ufunc, updated, NULL};

    if (!la_index_makes_view(index, la_fields(array)->nd)) {
        return LA_GENERAL;
    }
    return la_view_change(array, index, value, &update);
}

/*
 * The index of a view of one element, of one axis where the array has one: ufunc.at has other
 * loops for that.
 */
static PyObject *
la_element_index(const npy_intp *integers, int count)
{
    if (count == 1) {
        npy_intp i = integers[0];
        PyObject *start = PyLong_FromSsize_t(i);
        PyObject *stop = start == NULL ? NULL
            : i == -1 ? Py_NewRef(Py_None) : PyLong_FromSsize_t(i + 1);
        PyObject *slice = stop == NULL ? NULL : PySlice_New(start, stop, NULL);
        Py_XDECREF(start);
        Py_XDECREF(stop);
        return slice;
    }
    PyObject *index = PyTuple_New(count + 1);
    for (int k = 0; index != NULL && k < count; k++) {
        PyObject *integer = PyLong_FromSsize_t(integers[k]);
        if (integer == NULL) {
            Py_CLEAR(index);
            break;
        }
        PyTuple_SET_ITEM(index, k, integer);
    }
    if (index != NULL) {
        PyTuple_SET_ITEM(index, count, Py_NewRef(Py_Ellipsis));
    }
    return index;
}

int
la_element_update(PyObject *array, const npy_intp *integers, int count, PyObject *ufunc,
                  PyObject *value, PyObject **updated)
{
    PyObject *index = la_element_index(integers, count);
    PyObject *within = count == 1 ? PyLong_FromLong(0) : PyTuple_New(0);
    la_view_update_of update = {ufunc, updated, within};

    int result = index == NULL || within == NULL ? -1
        : la_view_change(array, index, value, &update);
    Py_XDECREF(index);
    Py_XDECREF(within);
    return result;
}

/* x[2:5] = [1, 2, 3]: the array that NumPy makes of it. */
static LA_COLD int
la_view_assign_list(PyObject *array, PyObject *index, PyObject *list)
{
    la_target target;

    if (la_facade_lock(array) == NULL || !la_target_find(array, index, &target)) {
        return LA_GENERAL;
    }
    if (target.descr->type_num == NPY_VOID && la_is_record(list)) {
        return la_view_change(array, index, list, NULL);    /* each element becomes that */
    }
    if (!la_has_plain_scalars(target.descr) || target.descr->type == NPY_CHARLTR) {
        return LA_GENERAL;
    }
    la_facade *facade = la_facade_of(array);
    if (la_is_frozen((la_buffer_object *)facade->buffer) || !facade->may_write) {
        return LA_GENERAL;
    }
    /* Of more axes NumPy refuses a list, and not an array. */
    PyObject *made = la_given_array(list, target.descr, target.nd);
    if (made == NULL) {
        return PyErr_Occurred() ? -1 : LA_GENERAL;
    }
    int result = la_view_change(array, index, made, NULL);
    Py_DECREF(made);
    return result;
}

int
la_view_assign(PyObject *array, PyObject *index, PyObject *value)
{
    return la_is_list(value) ? la_view_assign_list(array, index, value)
        : la_view_change(array, index, value, NULL);
}
