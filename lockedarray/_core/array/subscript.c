/*
 * Indexing: elements under a lock of their bytes, views without a lock, and
 * assignment to basic indices under a lock of what they name.
 *
 * Every function here that is given an index it does not want says LA_GENERAL,
 * or returns false, with no error set and nothing held.
 */
#include "array/element.h"
#include "array/hot.h"

/* -- what an index is ------------------------------------------------------------- */

/* One part of an index with which NumPy makes a view. */
static bool
la_index_part_is_basic(PyObject *part)
{
    PyTypeObject *type = Py_TYPE(part);
    return type == &PySlice_Type || type == &PyLong_Type || part == Py_None
           || part == Py_Ellipsis
           || (PyArray_IsScalar(part, Integer)
               && !PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE));
}

static bool
la_index_part_is_integer(PyObject *part)
{
    return part != Py_None && part != Py_Ellipsis && Py_TYPE(part) != &PySlice_Type;
}

/*
 * An index with which NumPy makes a view of an array with so many axes. As many
 * integers, of any kind, make no view: they would read an element, without a lock.
 */
static bool
la_index_makes_view(PyObject *index, int axes)
{
    Py_ssize_t integers = 0;

    if (!PyTuple_CheckExact(index)) {
        return PyUnicode_CheckExact(index)
               || (la_index_part_is_basic(index)
                   && !(axes == 1 && la_index_part_is_integer(index)));
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(index); i++) {
        PyObject *part = PyTuple_GET_ITEM(index, i);
        if (!la_index_part_is_basic(part)) {
            return false;
        }
        integers += la_index_part_is_integer(part);
    }
    return integers != axes || PyTuple_GET_SIZE(index) > axes;
}

/* An array of indices or a mask, or a list of integers: making it one runs no foreign code. */
static bool
la_index_part_is_advanced(PyObject *part)
{
    if (Py_TYPE(part) == &PyArray_Type) {
        int type = la_fields(part)->descr->type_num;
        return type == NPY_BOOL || PyTypeNum_ISINTEGER(type);
    }
    if (!PyList_CheckExact(part)) {
        return false;
    }
#ifdef Py_GIL_DISABLED
    return false;       /* another thread may change it meanwhile */
#else
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(part); i++) {
        if (!PyLong_Check(PyList_GET_ITEM(part, i))) {
            return false;
        }
    }
    return true;
#endif
}

/* Indices, masks and lists, perhaps beside basic parts: NumPy makes a copy. */
bool
la_index_is_advanced(PyObject *index)
{
    bool found = false;

    if (!PyTuple_CheckExact(index)) {
        return la_index_part_is_advanced(index);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(index); i++) {
        PyObject *part = PyTuple_GET_ITEM(index, i);
        bool advanced = la_index_part_is_advanced(part);
        if (!advanced && !la_index_part_is_basic(part)) {
            return false;
        }
        found |= advanced;
    }
    return found;
}

bool
la_index_is_plain(PyObject *index)
{
    return PyUnicode_CheckExact(index) || la_index_is_advanced(index)
           || (PyTuple_CheckExact(index) ? la_index_makes_view(index, -1)
                                         : la_index_part_is_basic(index));
}

/* -- elements ---------------------------------------------------------------------- */

/* The element; NULL without an error: the general path. */
static inline PyObject *
la_element_get(PyObject *array, const npy_intp *index, int count)
{
    la_grip grip;
    bool error;

    char *address = la_element_lock(array, index, count, LA_READ, &grip, &error);
    if (address == NULL) {
        return NULL;
    }
    PyObject *result = PyArray_Scalar(address, (PyArray_Descr *)la_fields(array)->descr, array);
    la_grip_release(&grip);
    return result;
}

static inline int
la_element_set(PyObject *array, const npy_intp *index, int count, PyObject *value)
{
    la_grip grip;
    bool error;

    char *address = la_element_lock(array, index, count, LA_WRITE, &grip, &error);
    if (address == NULL) {
        return error ? -1 : LA_GENERAL;
    }
    la_grip_enter(&grip, (la_buffer_object *)la_facade_of(array)->buffer);
    int result = PyArray_Pack((PyArray_Descr *)la_fields(array)->descr, address, value);
    la_grip_leave(&grip);
    la_grip_release(&grip);
    return result;
}

/* -- what a basic index names -------------------------------------------------------- */

/* What ndarray would make a view of. The dtype is the array's, or its field's. */
typedef struct {
    char *data;
    PyArray_Descr *descr;       /* borrowed */
    int nd;
    npy_intp shape[NPY_MAXDIMS];
    npy_intp strides[NPY_MAXDIMS];
} la_target;

static void
la_target_add(la_target *target, npy_intp length, npy_intp stride)
{
    target->shape[target->nd] = length;
    target->strides[target->nd] = stride;
    target->nd++;
}

static bool
la_is_int_or_none(PyObject *object)
{
    return object == Py_None || PyLong_CheckExact(object);
}

static bool
la_target_add_slice(la_target *target, PyObject *object, npy_intp length, npy_intp stride)
{
    PySliceObject *slice = (PySliceObject *)object;
    Py_ssize_t start, stop, step;

    /* No foreign __index__, and so no Python code. */
    if (!la_is_int_or_none(slice->start) || !la_is_int_or_none(slice->stop)
            || !la_is_int_or_none(slice->step)) {
        return false;
    }
    if (PySlice_Unpack(object, &start, &stop, &step) < 0) {
        PyErr_Clear();
        return false;
    }
    npy_intp count = PySlice_AdjustIndices(length, &start, &stop, step);
    if (count > 0) {
        target->data += start * stride;
    }
    la_target_add(target, count, step * stride);
    return true;
}

/* x['field'] = ..., of a field that is no array itself. */
static bool
la_target_find_field(PyObject *array, PyObject *name, la_target *target)
{
    PyArrayObject_fields *fields = la_fields(array);

    if (!PyDataType_HASFIELDS(fields->descr)) {
        return false;
    }
    PyObject *field = PyDict_GetItemWithError(PyDataType_FIELDS(fields->descr), name);
    if (field == NULL) {
        PyErr_Clear();
        return false;
    }
    PyArray_Descr *descr = (PyArray_Descr *)PyTuple_GET_ITEM(field, 0);
    Py_ssize_t offset = PyLong_AsSsize_t(PyTuple_GET_ITEM(field, 1));
    if (PyDataType_HASSUBARRAY(descr) || PyDataType_REFCHK(descr)) {
        return false;
    }
    target->data = fields->data + offset;
    target->descr = descr;
    target->nd = 0;
    for (int k = 0; k < fields->nd; k++) {
        la_target_add(target, fields->dimensions[k], fields->strides[k]);
    }
    return true;
}

/* False for what is no such index, or one that NumPy refuses. */
static bool
la_target_find(PyObject *array, PyObject *index, la_target *target)
{
    PyArrayObject_fields *fields = la_fields(array);
    bool is_tuple = PyTuple_CheckExact(index);
    Py_ssize_t count = is_tuple ? PyTuple_GET_SIZE(index) : 1;
    int consumed = 0, ellipses = 0, axis = 0;

    if (PyUnicode_CheckExact(index)) {
        return la_target_find_field(array, index, target);
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *part = is_tuple ? PyTuple_GET_ITEM(index, i) : index;
        ellipses += part == Py_Ellipsis;
        consumed += part != Py_Ellipsis && part != Py_None;
    }
    if (ellipses > 1 || consumed > fields->nd
            || fields->nd + (int)(count - consumed) > NPY_MAXDIMS || count > NPY_MAXDIMS) {
        return false;
    }
    target->data = fields->data;
    target->descr = (PyArray_Descr *)fields->descr;
    target->nd = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *part = is_tuple ? PyTuple_GET_ITEM(index, i) : index;
        npy_intp at;
        if (part == Py_None) {
            la_target_add(target, 1, 0);
            continue;
        }
        if (part == Py_Ellipsis) {
            for (int skipped = fields->nd - consumed; skipped > 0; skipped--, axis++) {
                la_target_add(target, fields->dimensions[axis], fields->strides[axis]);
            }
            continue;
        }
        npy_intp length = fields->dimensions[axis], stride = fields->strides[axis];
        axis++;
        if (Py_TYPE(part) == &PySlice_Type) {
            if (!la_target_add_slice(target, part, length, stride)) {
                return false;
            }
            continue;
        }
        if (!la_index_integer(part, &at)) {
            return false;
        }
        at = at < 0 ? at + length : at;
        if ((npy_uintp)at >= (npy_uintp)length) {
            return false;
        }
        target->data += at * stride;
    }
    for (; axis < fields->nd; axis++) {
        la_target_add(target, fields->dimensions[axis], fields->strides[axis]);
    }
    return true;
}

static void
la_target_region(const la_target *target, const la_buffer_object *buffer, la_region *region)
{
    if (buffer->whole) {
        la_region_set_whole(region);
        return;
    }
    la_region_set_array(region, target->nd, target->shape, target->strides,
                        PyDataType_ELSIZE(target->descr),
                        (intptr_t)la_element_offset(target->data, buffer));
    if (la_region_is_empty(region)) {
        la_region_set_extent(region, la_element_offset(target->data, buffer), 1);
    }
}

/* Is `value` the view that the index names? Then x[index] += ... is at its end. */
static bool
la_target_is(const la_target *target, PyObject *array, PyObject *value)
{
    PyArrayObject_fields *fields = la_fields(value);

    if (la_facade_of(value)->buffer != la_facade_of(array)->buffer
            || fields->data != target->data || fields->nd != target->nd
            || (fields->descr != (void *)target->descr
                && !PyArray_EquivTypes((PyArray_Descr *)fields->descr, target->descr))) {
        return false;
    }
    for (int k = 0; k < target->nd; k++) {
        if (fields->dimensions[k] != target->shape[k]
                || fields->strides[k] != target->strides[k]) {
            return false;
        }
    }
    return true;
}

/* array[index] = value through their raw views, under the lock of the operation. */
static int
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

/* Can no two elements share a byte, as far as the strides tell? */
static bool
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
        npy_intp stride = fields->strides[k] < 0 ? -fields->strides[k] : fields->strides[k];
        int at = count;
        if (fields->dimensions[k] <= 1) {
            continue;
        }
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
    if (number != NULL && (!PyArray_CheckExact(view) || !la_is_apart(view))) {
        result = LA_GENERAL;
    }
    else if (number != NULL) {
        PyObject *passed[] = {view, number, view, la_names.unsafe};
        PyObject *done = PyObject_Vectorcall(update->ufunc, passed, 2, la_names.out_and_casting);
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
    la_lock_object *lock = la_facade_lock(array);
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
            return 0;
        }
        value_at = la_operation_add(&operation, value, LA_READ);
        if (value_at < 0) {
            return LA_GENERAL;
        }
    }
    else if (!la_is_plain_array(value)
             && (!la_is_element(value) || target.descr->type_num == NPY_VOID
                 || (update != NULL && !la_is_number(value)))) {
        return LA_GENERAL;
    }
    la_operand *operand = &operation.operands[operation.count++];
    la_hold_init(&operand->hold, LA_WRITE);
    la_target_region(&target, buffer, &operand->hold.region);
    operand->facade = array;
    operand->buffer = buffer;
    operand->lock = lock;
    operand->locks = operand->is_part = true;
    operand->held = false;
    result = la_operation_lock(&operation);
    if (result != 0) {
        return result;
    }
    result = LA_GENERAL;
    if (la_target_find(array, index, &target)) {
        la_target_region(&target, buffer, &now);
        if (la_region_equal(&now, &operand->hold.region)) {
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
    la_view_update_of update = {ufunc, updated};

    if (!la_index_makes_view(index, la_fields(array)->nd)) {
        return LA_GENERAL;
    }
    return la_view_change(array, index, value, &update);
}

/* -- indices and masks: under a lock of the whole array -------------------------------- */

/* The copy; NULL without an error: the general path. */
static PyObject *
la_advanced_get(PyObject *array, PyObject *index)
{
    la_operation operation = {.count = 0};
    PyObject *result = NULL;

    if (la_operation_add(&operation, array, LA_READ) < 0 || la_operation_lock(&operation) != 0) {
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

/* 0, LA_GENERAL or -1. */
static int
la_advanced_set(PyObject *array, PyObject *index, PyObject *value)
{
    la_operation operation = {.count = 0};
    int value_at = -1;

    if (la_operation_add(&operation, array, LA_WRITE) < 0) {
        return LA_GENERAL;
    }
    if (la_is_facade(value)) {
        value_at = la_operation_add(&operation, value, LA_READ);
        if (value_at < 0) {
            return LA_GENERAL;
        }
    }
    else if (!la_is_plain_array(value) && !la_is_number(value)) {
        return LA_GENERAL;
    }
    int result = la_operation_lock(&operation);
    if (result != 0) {
        return result;
    }
    result = la_raw_assign(array, index, &operation, value_at, value);
    la_operation_unlock(&operation);
    return result;
}

/* -- the slots ----------------------------------------------------------------------- */

PyObject *
la_checked_view(PyObject *array, PyObject *view)
{
    if (view == NULL) {
        return NULL;
    }
    if (!la_is_facade(view) || la_fields(view)->base == NULL) {
        Py_DECREF(view);
        return NULL;
    }
    if (la_facade_of(view)->buffer == NULL) {   /* a subclass that forgot super() */
        PyObject *done = la_array_finalize(view, array);
        Py_XDECREF(done);
        if (done == NULL) {
            Py_CLEAR(view);
        }
    }
    return view;
}

PyObject *
la_subscript(PyObject *array, PyObject *index)
{
    npy_intp integers[LA_MOST_INDICES];
    PyObject *result = NULL;

    int count = la_index_integers(index, integers);
    if (count >= 0 && count == la_fields(array)->nd) {
        result = la_element_get(array, integers, count);
    }
    else if (la_facade_of(array)->buffer != NULL
             && la_index_makes_view(index, la_fields(array)->nd)) {
        result = la_checked_view(
            array, PyArray_Type.tp_as_mapping->mp_subscript(array, index));
    }
    else if (la_index_is_advanced(index)) {
        result = la_advanced_get(array, index);
    }
    if (result != NULL || PyErr_Occurred()) {
        return result;
    }
    return PyObject_CallMethodOneArg(array, la_names.general_getitem, index);
}

/*
 * Raises what NumPy raises where the index is behind the end, which is how an
 * iteration learns of it; else for the general path.
 */
static LA_COLD void
la_item_check(PyObject *array, Py_ssize_t i)
{
    la_lock_object *lock = la_facade_lock(array);
    la_grip grip = {.locked = false};

    if (lock == NULL || i < la_fields(array)->dimensions[0]) {
        return;
    }
    la_buffer_object *buffer = (la_buffer_object *)la_facade_of(array)->buffer;
    if (!la_is_frozen(buffer)) {
        la_facade_region(array, buffer, &grip.hold.region);
        if (la_grip_take(&grip, lock, LA_READ) < 0) {
            return;
        }
    }
    /* A resize may have come in between; and if not, none does until the release. */
    npy_intp length = la_fields(array)->nd == 1 ? la_fields(array)->dimensions[0] : i + 1;
    la_grip_release(&grip);
    if (i >= length) {
        PyErr_Format(PyExc_IndexError, "index %zd is out of bounds for axis 0 with size %zd",
                     i, (Py_ssize_t)length);
    }
}

PyObject *
la_item(PyObject *array, Py_ssize_t i)
{
    PyObject *result = NULL;

    if (la_fields(array)->nd == 1 && i >= 0) {
        npy_intp index = i;
        result = la_element_get(array, &index, 1);
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
    if (count >= 0 && count == la_fields(array)->nd) {
        if (la_is_element(value)) {
            result = la_element_set(array, integers, count, value);
        }
    }
    else {
        result = la_view_change(array, index, value, NULL);
        if (result == LA_GENERAL && la_index_is_advanced(index)) {
            result = la_advanced_set(array, index, value);
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
