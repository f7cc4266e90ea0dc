/*
 * What a basic index names: its address, shape and strides.
 */
#include "array/target.h"

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
    else {
        step = 1;       /* as NumPy does it */
    }
    /* Of one element the step may be any, and NumPy's stride is what is left of it. */
    la_target_add(target, count, (npy_intp)((npy_uintp)step * (npy_uintp)stride));
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

bool
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

void
la_target_region(const la_target *target, const la_buffer_object *buffer, la_region *region)
{
    la_region_set_array(region, target->nd, target->shape, target->strides,
                        PyDataType_ELSIZE(target->descr),
                        (intptr_t)la_element_offset(target->data, buffer));
    la_region_settle(region, buffer);
}

bool
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
