/*
 * The observer: telling it.
 */
#include "guard/observer.h"

#include "guard/lock_object.h"

_Atomic(bool) la_observed;

/* Its methods, which stay: another thread may be about to call them. */
static PyObject *la_observer_taken, *la_observer_waited, *la_observer_given;

/* Is what is raised in it not worth a word? */
static bool
la_observer_failed(void)
{
    if (Py_IsFinalizing() || PyErr_ExceptionMatches(PyExc_MemoryError)
            || PyErr_ExceptionMatches(PyExc_RecursionError)) {
        PyErr_Clear();
        return true;
    }
    return false;
}

/*
 * What a signal handler raises inside the observer, or what another thread sends, is for
 * the code around it. There it strikes as if it had come a little later.
 */
static void
la_observer_put_off(void)
{
    PyObject *type, *value, *traceback;

    if (la_observer_failed()) {
        return;
    }
    PyErr_Fetch(&type, &value, &traceback);
    (void)PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), type);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
}

/* Takes over the arguments. */
static int
la_observer_call(PyObject *method, PyObject *arguments)
{
    PyObject *result = arguments == NULL ? NULL : PyObject_CallObject(method, arguments);

    Py_XDECREF(arguments);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* Takes over the arguments; an error that is set stays. */
static void
la_observer_tell(PyObject *method, PyObject *arguments)
{
    PyObject *type, *value, *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    if (la_observer_call(method, arguments) < 0) {
        la_observer_put_off();
    }
    PyErr_Restore(type, value, traceback);
}

LA_COLD int
la_observe_taken(const la_lock *lock, const la_hold *hold)
{
    /* What other holds have there may be left from earlier ones. */
    PyObject *buffer = hold->in_operation && hold->subject != NULL && hold->also == NULL
        ? (PyObject *)hold->subject : Py_None;

    int result = la_observer_call(la_observer_taken, Py_BuildValue(
        "(OOKOLL)", la_region_lock_object(lock), hold->mode == LA_WRITE ? Py_True : Py_False,
        (unsigned long long)(uintptr_t)hold, buffer,
        (long long)(buffer == Py_None ? 0 : hold->region.low),
        (long long)(buffer == Py_None ? 0 : hold->region.high)));
    return result == 0 || la_observer_failed() ? 0 : -1;
}

LA_COLD void
la_observe_waited(const la_lock *lock, const la_hold *hold, int64_t since)
{
    la_observer_tell(la_observer_waited, Py_BuildValue(
        "(OOL)", la_region_lock_object(lock), hold->mode == LA_WRITE ? Py_True : Py_False,
        (long long)(la_now() - since)));
}

LA_COLD void
la_observe_given(const la_hold *hold)
{
    la_observer_tell(la_observer_given,
                     Py_BuildValue("(K)", (unsigned long long)(uintptr_t)hold));
}

static PyObject *
la_observe(PyObject *Py_UNUSED(module), PyObject *observer)
{
    if (observer != Py_None && la_observer_given == NULL) {
        la_observer_taken = PyObject_GetAttrString(observer, "taken");
        la_observer_waited = la_observer_taken == NULL ? NULL
            : PyObject_GetAttrString(observer, "waited");
        PyObject *given = la_observer_waited == NULL ? NULL
            : PyObject_GetAttrString(observer, "given");
        if (given == NULL) {
            Py_CLEAR(la_observer_taken);
            Py_CLEAR(la_observer_waited);
            return NULL;
        }
        la_observer_given = given;
    }
    /* Release, and the GIL or the calls of the observed threads: they find the methods. */
    atomic_store_explicit(&la_observed, observer != Py_None, memory_order_release);
    Py_RETURN_NONE;
}

static PyMethodDef la_observer_functions[] = {
    {"observe", la_observe, METH_O,
     "Have the observer, always the same one, be told what happens to locks; None: nobody."},
    {NULL, NULL, 0, NULL},
};

int
la_observer_add(PyObject *module)
{
    return PyModule_AddFunctions(module, la_observer_functions);
}
