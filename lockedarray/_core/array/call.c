/*
 * Calls: their arguments, and NumPy's function on raw views.
 */
#include "array/call.h"

#include "array/general.h"
#include "array/result.h"

bool
la_call_add(la_call *call, PyObject *object, la_mode mode)
{
    int operand = -1;

    if (call->count == LA_MOST_ARGUMENTS) {
        return false;
    }
    if (la_is_exact(object)) {
        operand = la_operation_add(&call->operation, object, mode);
        if (operand < 0) {
            return false;
        }
    }
    else if (!la_is_number(object) && !la_is_plain_array(object)) {
        return false;
    }
    call->operands[call->count] = operand;
    call->given[call->count++] = object;
    return true;
}

void
la_call_end(la_call *call)
{
    for (int i = 0; i < call->count; i++) {
        Py_CLEAR(call->raws[i]);
    }
    la_operation_unlock(&call->operation);
}

int
la_call_begin(la_call *call)
{
    if (call->operation.count == 0) {
        return LA_GENERAL;
    }
    int result = la_operation_lock(&call->operation);
    if (result != 0) {
        return result;
    }
    for (int i = 0; i < call->count; i++) {
        call->raws[i] = la_operand_raw(&call->operation, call->operands[i], call->given[i]);
        if (call->raws[i] == NULL) {
            call->count = i;
            la_call_end(call);
            return -1;
        }
    }
    return 0;
}

bool
la_call_add_argument(la_call *call, PyObject *object, la_mode mode)
{
    if (la_call_add(call, object, mode)) {
        return true;
    }
    if (call->count == LA_MOST_ARGUMENTS || !la_is_parameter(object)) {
        return false;
    }
    call->operands[call->count] = -1;
    call->given[call->count++] = object;
    return true;
}

/*
 * Adds keyword arguments: out is written, others are read, and none says what
 * else is written. A ufunc's method is given out in a tuple: of one array, here.
 */
static bool
la_call_add_keywords(la_call *call, PyObject *kwargs, bool of_ufunc)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;

    while (PyDict_Next(kwargs, &position, &name, &value)) {
        if (!PyUnicode_CheckExact(name) || la_is_name(name, la_names.overwrite_input)) {
            return false;
        }
        bool is_out = la_is_name(name, la_names.out);
        if (is_out && of_ufunc) {
            if (!PyTuple_CheckExact(value) || PyTuple_GET_SIZE(value) != 1) {
                return false;
            }
            value = PyTuple_GET_ITEM(value, 0);
        }
        if (!la_call_add_argument(call, value, is_out ? LA_WRITE : LA_READ)) {
            return false;
        }
    }
    return true;
}

PyObject *
la_call_add_named(la_call *call, PyObject *kwargs, bool of_ufunc)
{
    PyObject *names = la_call_add_keywords(call, kwargs, of_ufunc) ? PyDict_Keys(kwargs) : NULL;
    PyObject *kwnames = names == NULL ? NULL : PyList_AsTuple(names);

    Py_XDECREF(names);
    return kwnames;
}

PyObject *
la_call_do(la_call *call, PyObject *function, Py_ssize_t joined, PyObject *kwnames)
{
    PyObject **passed = call->raws;
    Py_ssize_t count = call->count, names = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    PyObject *rest[LA_MOST_ARGUMENTS + 1], *list = NULL;

    if (joined >= 0) {
        list = PyList_New(joined);
        if (list == NULL) {
            return NULL;
        }
        for (Py_ssize_t i = 0; i < joined; i++) {
            PyList_SET_ITEM(list, i, Py_NewRef(call->raws[i]));
        }
        rest[0] = list;
        for (Py_ssize_t i = joined; i < count; i++) {
            rest[i - joined + 1] = call->raws[i];
        }
        passed = rest;
        count += 1 - joined;
    }
    PyObject *result = PyObject_Vectorcall(function, passed, (size_t)(count - names), kwnames);
    Py_XDECREF(list);
    /* What comes back may be one of them, or a view of any. */
    for (int i = 0; i < call->count; i++) {
        if (call->operands[i] >= 0 && result == call->raws[i]) {
            Py_DECREF(result);
            return Py_NewRef(call->given[i]);
        }
    }
    for (int i = 0; i < call->count && !(result != NULL && la_is_facade(result)); i++) {
        if (call->operands[i] >= 0) {
            result = la_unwrapped(result, call->raws[i], call->given[i]);
        }
    }
    return result;
}
