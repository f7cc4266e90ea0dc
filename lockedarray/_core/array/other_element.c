/*
 * Elements that are no plain scalars.
 *
 * An object is locked with all that the array shows, in the mode of the policy: code of one that is
 * replaced runs alone, and so under the lock. To store one runs no other code: it is
 * the very object, whatever it is. So does a text, whose arena all of the array shares.
 *
 * A record is a copy that refuses assignment (`_array/voids.py`), under a lock of its own bytes. Those
 * that hold objects are for the general version.
 */
#include "array/other_element.h"

#include <string.h>

#include "array/element.h"
#include "array/general.h"
#include "array/policy.h"
#include "guard/task.h"

/*
 * Is the shape, if one is given, still what it was? The element is locked: nothing changes any
 * more. Else, after a resize, the same indices may name another element of x.flat.
 */
static inline bool
la_has_shape(PyObject *array, const npy_intp *shape, int count)
{
    return shape == NULL
           || (la_fields(array)->nd == count
               && (count == 0      /* of no dimensions there is no address */
                   || memcmp(la_fields(array)->dimensions, shape,
                             (size_t)count * sizeof(*shape)) == 0));
}

/* -- objects and text: under a lock of all that the array shows ------------------------- */

/*
 * The address, under the lock; NULL, with `error` set if there is one, else for the general
 * path. `hold` as of la_element_lock.
 */
static char *
la_whole_lock(PyObject *array, const npy_intp *index, int count, la_mode mode, la_hold **hold,
              bool *error)
{
    la_region_lock *lock = la_facade_lock_of_any(array);
    la_region now;

    *hold = NULL;
    *error = false;
    if (lock == NULL) {
        return NULL;
    }
    la_buffer_object *buffer = (la_buffer_object *)la_facade_of(array)->buffer;
    bool exclusive = la_is_exclusive(buffer, (PyArray_Descr *)la_fields(array)->descr);
    char *address = la_element_address(array, index, count);
    if (address == NULL || (mode == LA_READ && !exclusive && la_is_frozen(buffer))) {
        return address;
    }
    /* Of an object, a reference is all that is taken; a text is read under the arena's own lock. */
    if (mode == LA_READ && la_fields(array)->descr->type_num == NPY_OBJECT
            && la_may_glance(lock, exclusive)) {
        return address;
    }
    la_thread *thread = la_thread_here();
    la_hold *taken = thread == NULL || la_task_follow() < 0 ? NULL
        : la_hold_make(thread, exclusive ? LA_WRITE : mode);
    if (taken == NULL) {
        *error = true;
        return NULL;
    }
    la_facade_region_locked(array, buffer, &taken->region);
    taken->in_operation = 1;
    taken->subject = buffer;
    if (la_hold_acquire(lock, taken, thread, LA_NEVER) < 0) {
        la_hold_free(taken, thread);
        *error = true;
        return NULL;
    }
    *hold = taken;
    la_facade_region_locked(array, buffer, &now);
    address = la_element_address(array, index, count);
    if (address != NULL && la_region_equal(&now, &taken->region)
            && !(mode == LA_WRITE && (la_is_frozen(buffer) || !la_facade_of(array)->may_write))) {
        return address;
    }
    la_element_unlock(taken);
    return NULL;
}

static PyObject *
la_object_get(PyObject *array, const npy_intp *index, int count, const npy_intp *shape)
{
    PyObject *object;
    la_hold *hold;
    bool error;

    char *address = la_whole_lock(array, index, count, LA_READ, &hold, &error);
    if (address == NULL) {
        return NULL;
    }
    if (!la_has_shape(array, shape, count)) {
        la_element_unlock(hold);
        return NULL;
    }
    object = Py_NewRef(la_object_at(address));
    la_element_unlock(hold);
    return object;
}

/* What was there is the caller's from now on. */
static inline PyObject *
la_object_exchange(char *address, PyObject *value)
{
    PyObject *old;

    memcpy(&old, address, sizeof(old));
    Py_INCREF(value);
    memcpy(address, &value, sizeof(value));
    return old;
}

/*
 * NumPy lets go of the old one first, while its place still points to it: there, an assignment by its
 * `__del__` lets go of it a second time. Here, the new one is there already.
 */
void
la_object_put(PyObject *array, char *address, PyObject *value)
{
    PyObject *now;

    Py_XDECREF(la_object_exchange(address, value));
    memcpy(&now, address, sizeof(now));
    if (LA_LIKELY(now == value) || la_is_frozen((la_buffer_object *)la_facade_of(array)->buffer)
            || !la_facade_of(array)->may_write) {
        return;
    }
    Py_XDECREF(la_object_exchange(address, value));
}

static int
la_object_set(PyObject *array, const npy_intp *index, int count, PyObject *value)
{
    la_hold *hold;
    bool error;

    if (Py_TYPE(value) == la_connected.augmented) {
        return LA_GENERAL;      /* which is not stored, but its result */
    }
    char *address = la_whole_lock(array, index, count, LA_WRITE, &hold, &error);
    if (address == NULL) {
        return error ? -1 : LA_GENERAL;
    }
    la_object_put(array, address, value);
    la_element_unlock(hold);
    return 0;
}

int
la_object_replace(PyObject *array, const npy_intp *index, int count, PyObject *read,
                  PyObject *value)
{
    la_hold *hold;
    bool error;

    char *address = la_whole_lock(array, index, count, LA_WRITE, &hold, &error);
    if (address == NULL) {
        return error ? -1 : LA_GENERAL;
    }
    bool is_there = la_object_at(address) == read;
    if (is_there) {
        la_object_put(array, address, value);
    }
    la_element_unlock(hold);
    return is_there ? 0 : LA_GENERAL;
}

static PyObject *
la_text_get(PyObject *array, const npy_intp *index, int count, const npy_intp *shape)
{
    la_hold *hold;
    bool error;

    char *address = la_whole_lock(array, index, count, LA_READ, &hold, &error);
    if (address == NULL) {
        return NULL;
    }
    PyObject *result = !la_has_shape(array, shape, count) ? NULL
        : PyArray_Scalar(address, (PyArray_Descr *)la_fields(array)->descr, array);
    la_element_unlock(hold);
    return result;
}

static int
la_text_set(PyObject *array, const npy_intp *index, int count, PyObject *value)
{
    la_hold *hold;
    bool error;

    if (!PyUnicode_CheckExact(value)) {
        return LA_GENERAL;
    }
    char *address = la_whole_lock(array, index, count, LA_WRITE, &hold, &error);
    if (address == NULL) {
        return error ? -1 : LA_GENERAL;
    }
    int result = PyArray_Pack((PyArray_Descr *)la_fields(array)->descr, address, value);
    la_element_unlock(hold);
    return result;
}

/* -- records ------------------------------------------------------------------------------ */

/*
 * The dtypes of copies that were asked for last, by the array's: making one takes a microsecond.
 * Both are references.
 */
#define LA_COPIED_DTYPES 16
static struct {
    PyArray_Descr *descr;
    PyArray_Descr *copied;
} la_copied[LA_COPIED_DTYPES];

#ifdef Py_GIL_DISABLED
static PyMutex la_copied_mutex;
#define LA_COPIED_LOCK() PyMutex_Lock(&la_copied_mutex)
#define LA_COPIED_UNLOCK() PyMutex_Unlock(&la_copied_mutex)
#else
#define LA_COPIED_LOCK() ((void)0)
#define LA_COPIED_UNLOCK() ((void)0)
#endif

/* A new reference to the dtype of a copy of one record; NULL without an error: the general path. */
static PyArray_Descr *
la_copied_dtype(PyArray_Descr *descr)
{
    size_t at = ((uintptr_t)descr >> 5) % LA_COPIED_DTYPES;
    PyArray_Descr *copied = NULL;

    LA_COPIED_LOCK();
    if (LA_LIKELY(la_copied[at].descr == descr)
            /* The names of a dtype can be changed. */
            && LA_LIKELY(PyDataType_NAMES(la_copied[at].copied) == PyDataType_NAMES(descr)
                         && PyDataType_FIELDS(la_copied[at].copied) == PyDataType_FIELDS(descr))) {
        copied = (PyArray_Descr *)Py_NewRef((PyObject *)la_copied[at].copied);
    }
    LA_COPIED_UNLOCK();
    if (LA_LIKELY(copied != NULL)) {
        return copied;
    }
    PyObject *made = PyObject_CallOneArg(la_connected.copied_dtype, (PyObject *)descr);
    if (made == NULL || !PyArray_DescrCheck(made)
            || PyDataType_ELSIZE((PyArray_Descr *)made) != PyDataType_ELSIZE(descr)) {
        Py_XDECREF(made);
        return NULL;
    }
    LA_COPIED_LOCK();
    PyArray_Descr *others = la_copied[at].descr, *older = la_copied[at].copied;
    la_copied[at].descr = (PyArray_Descr *)Py_NewRef((PyObject *)descr);
    la_copied[at].copied = (PyArray_Descr *)Py_NewRef(made);
    LA_COPIED_UNLOCK();
    Py_XDECREF(others);
    Py_XDECREF(older);
    return (PyArray_Descr *)made;
}

/*
 * A scalar with bytes of its own, which are not set yet. They are another object's: a scalar that
 * owns them would let NumPy assign to a copy of it, and say nothing.
 */
static PyVoidScalarObject *
la_record_new(PyArray_Descr *copied, PyObject *array)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)PyDataType_ELSIZE(copied));

    if (bytes == NULL) {
        return NULL;
    }
    char *data = PyBytes_AS_STRING(bytes);
    PyObject *made = PyArray_Scalar(data, copied, array);
    if (made == NULL || !PyArray_IsScalar(made, Void)
            || ((PyVoidScalarObject *)made)->obval != data) {
        Py_XDECREF(made);
        Py_DECREF(bytes);
        return NULL;
    }
    PyVoidScalarObject *record = (PyVoidScalarObject *)made;
    Py_XSETREF(record->base, bytes);
    record->flags = NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_F_CONTIGUOUS;
    if ((uintptr_t)data % (size_t)PyDataType_ALIGNMENT(copied) == 0) {
        record->flags |= NPY_ARRAY_ALIGNED;
    }
    /* It refers to bytes and a dtype, which the collector does not follow; in many it would look. */
    if (PyObject_IS_GC(made) && Py_TYPE(made)->tp_dictoffset == 0) {
        PyObject_GC_UnTrack(made);
    }
    return record;
}

static PyObject *
la_record_get(PyObject *array, const npy_intp *index, int count, const npy_intp *shape)
{
    PyArray_Descr *descr = (PyArray_Descr *)la_fields(array)->descr;
    la_hold *hold;
    bool error;

    if (PyDataType_REFCHK(descr) || PyDataType_ELSIZE(descr) <= 0
            || !PyDataType_HASFIELDS(descr)) {
        return NULL;
    }
    PyArray_Descr *copied = la_copied_dtype(descr);
    PyVoidScalarObject *record = copied == NULL ? NULL : la_record_new(copied, array);
    Py_XDECREF(copied);
    if (record == NULL) {
        return NULL;
    }
    const char *address = la_element_lock_of_any(array, index, count, LA_READ, &hold, &error);
    if (address == NULL) {
        Py_DECREF(record);
        return NULL;
    }
    bool is_same = la_has_shape(array, shape, count);
    if (is_same) {
        memcpy(record->obval, address, (size_t)PyDataType_ELSIZE(descr));
    }
    la_element_unlock(hold);
    if (!is_same) {
        Py_DECREF(record);
        return NULL;
    }
    return (PyObject *)record;
}

static bool
la_is_record_scalar(PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    bool known = type == &PyVoidArrType_Type;

    for (Py_ssize_t i = 0; !known && i < PyTuple_GET_SIZE(la_connected.records); i++) {
        known = (PyObject *)type == PyTuple_GET_ITEM(la_connected.records, i);
    }
    return known && !PyDataType_REFCHK(((PyVoidScalarObject *)value)->descr);
}

bool
la_is_record(PyObject *value)
{
    if (!PyTuple_CheckExact(value)) {
        return la_is_record_scalar(value);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value); i++) {
        PyObject *item = PyTuple_GET_ITEM(value, i);
        if (!la_is_number(item) && !PyUnicode_CheckExact(item) && !PyBytes_CheckExact(item)) {
            return false;
        }
    }
    return true;
}

static int
la_record_set(PyObject *array, const npy_intp *index, int count, PyObject *value)
{
    PyArray_Descr *descr = (PyArray_Descr *)la_fields(array)->descr;
    la_hold *hold;
    bool error;

    if (PyDataType_REFCHK(descr) || !PyDataType_HASFIELDS(descr) || PyDataType_ELSIZE(descr) <= 0
            || !la_is_record(value)) {
        return LA_GENERAL;
    }
    char *address = la_element_lock_of_any(array, index, count, LA_WRITE, &hold, &error);
    if (address == NULL) {
        return error ? -1 : LA_GENERAL;
    }
    int result = PyArray_Pack(descr, address, value);
    la_element_unlock(hold);
    return result;
}

/* -- any of them -------------------------------------------------------------------------- */

PyObject *
la_other_element_get(PyObject *array, const npy_intp *index, int count, const npy_intp *shape)
{
    switch (la_fields(array)->descr->type_num) {
        case NPY_OBJECT:
            return la_object_get(array, index, count, shape);
        case NPY_VSTRING:
            return la_text_get(array, index, count, shape);
        case NPY_VOID:
            return la_record_get(array, index, count, shape);
        default:
            return NULL;
    }
}

int
la_other_element_set(PyObject *array, const npy_intp *index, int count, PyObject *value)
{
    switch (la_fields(array)->descr->type_num) {
        case NPY_OBJECT:
            return la_object_set(array, index, count, value);
        case NPY_VSTRING:
            return la_text_set(array, index, count, value);
        case NPY_VOID:
            return la_record_set(array, index, count, value);
        default:
            return LA_GENERAL;
    }
}
