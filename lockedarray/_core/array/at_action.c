/*
 * What x.at does beside updates by a ufunc: set, exchange, apply; with one element, a
 * number, a text or an object, and with several.
 *
 * The function of apply, and the code of objects, may do anything: switch greenlets, run
 * an event loop, freeze the array, end the thread's interest in all this. So what is held
 * meanwhile is *kept* (lock/hold.h): the end of the thread gives it back, and so does
 * whoever the thread is by then. It is that of an operation, too, so nothing moves the
 * memory: a resize inside is refused.
 */
#include "array/at_action.h"

#include "array/change.h"
#include "array/element.h"
#include "array/general.h"
#include "array/given.h"
#include "array/index.h"
#include "array/other_element.h"
#include "array/run.h"
#include "array/subscript.h"
#include "array/target.h"
#include "guard/task.h"

/* -- what is held while anything may run ------------------------------------------------- */

/* To be called before: 0, or -1 with an error. It may run Python. */
static inline int
la_keeping_begin(void)
{
    return la_ending_watch() < 0 || la_task_follow() < 0 ? -1 : 0;
}

static inline la_kept
la_keep(la_hold *hold)
{
    hold->shown = NULL;
    return la_hold_keep(hold);
}

static void
la_keeping_end(la_kept kept)
{
    la_thread *thread = la_thread_self();

    if (thread == NULL) {
        return;
    }
    if (LA_LIKELY(la_kept_is_mine(kept, thread))) {
        la_hold_unkeep(kept.hold);
        la_release(kept.hold, thread);
        if (!LA_LIKELY(!la_is_observed())) {
            la_observe_given(kept.hold);
        }
        la_hold_free(kept.hold, thread);
        return;
    }
    (void)la_abandon(kept, thread);     /* an asyncio task's, or the thread's outside of it */
    if (la_is_observed()) {
        la_observe_given(kept.hold);
    }
}

/* May still be written what is held since before anything ran? Else -1, with NumPy's error. */
static int
la_check_writable(PyObject *array)
{
    if (LA_LIKELY(!la_is_frozen((la_buffer_object *)la_facade_of(array)->buffer))) {
        return 0;
    }
    PyErr_SetString(PyExc_ValueError, "assignment destination is read-only");
    return -1;
}

/* -- what the function of apply returns ------------------------------------------------- */

/* An array of what LockedArrays, or lists with these, are now: read under their locks. */
static LA_COLD PyObject *
la_applied_copy(PyObject *made)
{
    static PyObject *array;

    if (array == NULL) {
        PyObject *numpy = PyImport_ImportModule("numpy");
        array = numpy == NULL ? NULL : PyObject_GetAttrString(numpy, "array");
        Py_XDECREF(numpy);
        if (array == NULL) {
            return NULL;
        }
    }
    return PyObject_CallFunction(la_connected.run, "O(O){}", array, made);
}

/* NumPy would read a LockedArray that it is given as it reads any array. */
static inline PyObject *
la_applied(PyObject *function, PyObject *old)
{
    PyObject *made = PyObject_CallOneArg(function, old);

    if (made != NULL && (la_is_facade(made) || (la_is_list(made) && la_run_looks(made) != 0))) {
        Py_SETREF(made, la_applied_copy(made));
    }
    return made;
}

/* -- one element that is no object ------------------------------------------------------- */

static int
la_apply_to_element(PyObject *array, const npy_intp *index, int count, PyObject *function,
                    PyObject **result)
{
    PyArray_Descr *descr = (PyArray_Descr *)la_fields(array)->descr;
    la_hold *hold;
    bool error;

    if (la_keeping_begin() < 0) {
        return -1;
    }
    char *address = la_element_lock(array, index, count, LA_WRITE, &hold, &error);
    if (address == NULL) {
        return error ? -1 : LA_GENERAL;
    }
    la_kept kept = la_keep(hold);
    PyObject *old = PyArray_Scalar(address, descr, array);
    PyObject *made = old == NULL ? NULL : la_applied(function, old);
    Py_XDECREF(old);
    int done = made == NULL || la_check_writable(array) < 0 ? -1
        : PyArray_Pack(descr, address, made);
    Py_XDECREF(made);
    if (done == 0) {
        *result = PyArray_Scalar(address, descr, array);
        done = *result == NULL ? -1 : 0;
    }
    la_keeping_end(kept);
    return done;
}

static int
la_set_element(PyObject *array, const npy_intp *index, int count, PyObject *value)
{
    la_hold *hold;
    bool error;

    char *address = la_element_lock(array, index, count, LA_WRITE, &hold, &error);
    if (address == NULL) {
        return error ? -1 : LA_GENERAL;
    }
    int done = PyArray_Pack((PyArray_Descr *)la_fields(array)->descr, address, value);
    la_element_unlock(hold);
    return done;
}

/* -- one object -------------------------------------------------------------------------- */

/*
 * Locks all that the array shows, as the code of its objects may look at it: the hold, or NULL,
 * with an error, or without one for the general version.
 */
static la_hold *
la_objects_lock(PyObject *array)
{
    la_buffer_object *buffer = (la_buffer_object *)la_facade_of(array)->buffer;
    la_region_lock *lock = buffer == NULL ? NULL : (la_region_lock *)buffer->lock;
    la_thread *thread;
    la_region now;

    if (lock == NULL || lock->below != NULL || la_keeping_begin() < 0) {
        return NULL;
    }
    thread = la_thread_here();
    la_hold *hold = thread == NULL ? NULL : la_hold_make(thread, LA_WRITE);
    if (hold == NULL) {
        return NULL;
    }
    la_facade_region(array, buffer, &hold->region);
    hold->mode = la_region_mode(&hold->region, LA_WRITE);
    hold->in_operation = 1;
    hold->subject = buffer;
    if (la_hold_acquire(lock, hold, thread, LA_NEVER) < 0) {
        la_hold_free(hold, thread);
        return NULL;
    }
    la_facade_region(array, buffer, &now);
    if (!la_region_equal(&now, &hold->region) || la_is_frozen(buffer)
            || !la_facade_of(array)->may_write) {
        la_give_back(hold, thread);
        la_hold_free(hold, thread);
        return NULL;
    }
    return hold;
}

/* Is it the same object, or does it equal it? -1 with an error. */
static int
la_objects_equal(PyObject *old, PyObject *expected)
{
    return PyObject_RichCompareBool(old, expected, Py_EQ);
}

static PyObject *(*const la_arithmetic[])(PyObject *, PyObject *) = {   /* from LA_AT_ADD on */
    PyNumber_Add, PyNumber_Subtract, PyNumber_Multiply, PyNumber_TrueDivide,
};

/* Under the lock: 0 or -1. */
static int
la_object_act_locked(PyObject *array, char *address, la_at_action action,
                     PyObject *const *values, PyObject **result)
{
    PyObject *old = action == LA_AT_SET ? NULL : Py_NewRef(la_object_at(address)), *value = NULL;
    int swaps = 1;

    switch (action) {
        case LA_AT_APPLY:
            value = PyObject_CallOneArg(values[0], old);
            Py_CLEAR(old);      /* so that it ends where it is replaced, as by NumPy */
            break;
        case LA_AT_ADD:
        case LA_AT_SUBTRACT:
        case LA_AT_MULTIPLY:
        case LA_AT_DIVIDE:
            value = la_arithmetic[action - LA_AT_ADD](old, values[0]);
            Py_CLEAR(old);
            break;
        case LA_AT_COMPARE_EXCHANGE:
            swaps = la_objects_equal(old, values[0]);
            value = swaps < 0 ? NULL : Py_NewRef(values[1]);
            break;
        default:
            value = Py_NewRef(values[0]);
    }
    if (value == NULL || (swaps && la_check_writable(array) < 0)) {
        Py_XDECREF(value);
        Py_XDECREF(old);
        return -1;
    }
    if (swaps) {
        la_object_put(array, address, value);
    }
    Py_DECREF(value);
    if (result == NULL) {
        Py_XDECREF(old);
        return 0;
    }
    if (action == LA_AT_EXCHANGE) {
        *result = old;
        return 0;
    }
    if (action == LA_AT_COMPARE_EXCHANGE) {
        *result = la_at_exchanged(swaps, old);
        Py_DECREF(old);
        return *result == NULL ? -1 : 0;
    }
    *result = Py_NewRef(la_object_at(address));
    return 0;
}

static int
la_object_act(PyObject *array, const npy_intp *index, int count, la_at_action action,
              PyObject *const *values, PyObject **result)
{
    la_hold *hold = la_objects_lock(array);

    if (hold == NULL) {
        return PyErr_Occurred() ? -1 : LA_GENERAL;
    }
    la_kept kept = la_keep(hold);
    char *address = la_element_address(array, index, count);
    int done = address == NULL ? LA_GENERAL
        : la_object_act_locked(array, address, action, values, result);
    la_keeping_end(kept);
    return done;
}

/* -- several elements -------------------------------------------------------------------- */

/* `raw` is the raw view of the array, or of a part of it: 0, LA_GENERAL or -1. */
static int
la_several_act_locked(PyObject *array, PyObject *raw, PyObject *index, la_at_action action,
                      PyObject *value, PyObject **result)
{
    PyObject *old = NULL, *made = NULL;
    int done = -1;

    if (action != LA_AT_SET) {
        old = la_raw_elements(raw, index);
        if (old == NULL || !PyArray_CheckExact(old)) {
            Py_XDECREF(old);
            return PyErr_Occurred() ? -1 : LA_GENERAL;
        }
    }
    made = action == LA_AT_APPLY ? la_applied(value, old) : Py_NewRef(value);
    if (made != NULL && la_check_writable(array) == 0) {
        done = PyArray_Type.tp_as_mapping->mp_ass_subscript(raw, index, made);
    }
    Py_XDECREF(made);
    if (done == 0 && action == LA_AT_EXCHANGE) {
        *result = old;
        return 0;
    }
    Py_XDECREF(old);
    if (done == 0 && result != NULL) {
        *result = la_raw_elements(raw, index);
        done = *result != NULL ? 0 : -1;
    }
    return done;
}

/* Adds what the index names, which is taken: 0 or LA_GENERAL. `target` is used where that is a view. */
static int
la_several_add(la_operation *operation, PyObject *array, PyObject *index, la_target *target,
               bool *is_view)
{
    la_region_lock *lock = la_facade_lock(array);

    *is_view = la_index_makes_view(index, la_fields(array)->nd);
    if (lock == NULL) {
        return LA_GENERAL;
    }
    la_buffer_object *buffer = (la_buffer_object *)la_facade_of(array)->buffer;
    if (!*is_view) {
        return la_operation_add(operation, array, LA_WRITE) < 0 ? LA_GENERAL : 0;
    }
    if (la_is_frozen(buffer) || !la_facade_of(array)->may_write
            || !la_target_find(array, index, target)) {
        return LA_GENERAL;
    }
    la_operand *operand = la_operation_add_part(operation, array, lock, LA_WRITE);
    la_target_region(target, buffer, &operand->region);
    return 0;
}

/* Does the index still name what was locked? */
static bool
la_several_are_current(const la_operand *operand, PyObject *array, PyObject *index,
                       la_target *target)
{
    la_region now;

    if (!la_target_find(array, index, target)) {
        return false;
    }
    la_target_region(target, operand->buffer, &now);
    return la_region_equal(&now, &operand->region);
}

static int
la_several_act(PyObject *array, PyObject *index, la_at_action action, PyObject *value,
               PyObject **result)
{
    la_operation operation = {.count = 0};
    la_target target;
    bool is_view;

    if ((action != LA_AT_APPLY && !la_is_number(value) && !la_is_plain_array(value))
            || PyTypeNum_ISFLEXIBLE(la_fields(array)->descr->type_num)
            || la_several_add(&operation, array, index, &target, &is_view) != 0) {
        return LA_GENERAL;
    }
    int done = la_keeping_begin() < 0 ? -1 : la_operation_lock(&operation);
    if (done != 0) {
        return done;
    }
    la_kept kept = la_keep(operation.wanted[0].hold);
    PyObject *raw = NULL, *whole = NULL, *named = index;
    done = LA_GENERAL;
    if (!is_view || la_several_are_current(&operation.operands[0], array, index, &target)) {
        whole = la_raw(array, LA_WRITE);
        raw = whole == NULL || !is_view ? Py_XNewRef(whole)
            : PyArray_Type.tp_as_mapping->mp_subscript(whole, index);
        named = is_view ? Py_Ellipsis : index;
        done = raw == NULL ? -1 : !PyArray_CheckExact(raw) ? LA_GENERAL
            : la_several_act_locked(array, raw, named, action, value, result);
    }
    Py_XDECREF(raw);
    Py_XDECREF(whole);
    la_keeping_end(kept);
    return done;
}

/* -- all of them ------------------------------------------------------------------------- */

PyObject *
la_at_exchanged(bool swaps, PyObject *old)
{
    PyTypeObject *type = la_connected.at_exchanged;
    PyObject *made = type->tp_alloc(type, 2);   /* as tuple's own __new__ would */

    if (made != NULL) {
#if PY_VERSION_HEX >= 0x030E0000
        ((PyTupleObject *)made)->ob_hash = -1;      /* not known yet */
#endif
        PyTuple_SET_ITEM(made, 0, Py_NewRef(swaps ? Py_True : Py_False));
        PyTuple_SET_ITEM(made, 1, Py_NewRef(old));
    }
    return made;
}

int
la_at_act(PyObject *array, PyObject *index, la_at_action action, PyObject *const *values,
          PyObject **result)
{
    npy_intp integers[LA_MOST_INDICES];
    PyArrayObject_fields *fields = la_fields(array);

    if (!la_is_exact(array)
            || (action == LA_AT_APPLY
                && (!PyCallable_Check(values[0]) || PyArray_Check(values[0])))) {
        return LA_GENERAL;
    }
    int count = la_index_integers(index, integers);
    bool is_element = count >= 0 && count == fields->nd;
    if (fields->descr->type_num == NPY_OBJECT) {
        return is_element && (fields->flags & NPY_ARRAY_ALIGNED)
               ? la_object_act(array, integers, count, action, values, result) : LA_GENERAL;
    }
    if (action >= LA_AT_COMPARE_EXCHANGE) {
        return LA_GENERAL;
    }
    if (!is_element) {
        PyObject *taken = la_index_taken_or_basic(index, fields->nd);
        if (taken == NULL) {
            return PyErr_Occurred() ? -1 : LA_GENERAL;
        }
        int done = la_several_act(array, taken, action, values[0], result);
        Py_DECREF(taken);
        return done;
    }
    return action == LA_AT_APPLY
           ? la_apply_to_element(array, integers, count, values[0], result) : LA_GENERAL;
}

/* Is array[index] = value, by itself, all that there is to do? */
static bool
la_is_assigned_alike(PyObject *value)
{
    return la_is_list(value) || la_is_number(value) || PyUnicode_CheckExact(value)
           || PyBytes_CheckExact(value) || la_is_record(value);
}

int
la_at_assign(PyObject *array, PyObject *index, PyObject *value)
{
    npy_intp integers[LA_MOST_INDICES];

    if (!la_is_exact(array)) {
        return LA_GENERAL;
    }
    int count = la_index_integers(index, integers);
    int result = LA_GENERAL;
    if (count < 0 || count != la_fields(array)->nd || la_facade_lock(array) == NULL) {
        result = la_at_act(array, index, LA_AT_SET, &value, NULL);
    }
    else if (la_is_element(value)) {
        result = la_set_element(array, integers, count, value);
    }
    if (result == LA_GENERAL && la_is_assigned_alike(value)) {
        result = la_assign_subscript(array, index, value);
    }
    return result;
}
