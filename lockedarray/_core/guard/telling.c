/*
 * Telling tasks: the stack of calls, and who makes them.
 */
#include "guard/telling.h"

static _Atomic(la_notice *) la_to_tell;
static _Atomic(la_thread *) la_teller;
static LA_THREAD_LOCAL int la_tells_itself;

static void
la_tell(la_notice *notice)
{
    notice->next = atomic_load_explicit(&la_to_tell, memory_order_relaxed);
    /* Release: pairs with the acquire of who takes the stack. Sequentially consistent, with
       the load below: either the teller's last look finds it, or it is woken. */
    while (!atomic_compare_exchange_weak(&la_to_tell, &notice->next, notice)) {
    }
    la_thread *teller = atomic_load(&la_teller);
    if (la_tells_itself == 0 && teller != NULL) {
        la_unpark(&teller->parker);
    }
}

/* Makes all calls that are to be made; none raises. */
static void
la_tell_all(void)
{
    la_notice *newest = atomic_exchange(&la_to_tell, NULL), *oldest = NULL;
    PyObject *type, *value, *traceback;

    if (newest == NULL) {
        return;
    }
    while (newest != NULL) {
        la_notice *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    PyErr_Fetch(&type, &value, &traceback);
    while (oldest != NULL) {
        la_told *told = (la_told *)oldest;
        oldest = oldest->next;
        PyObject *result = PyObject_CallNoArgs(told->call);
        if (result == NULL) {
            PyErr_WriteUnraisable(told->call);
        }
        Py_XDECREF(result);
        la_told_free(told);
    }
    PyErr_Restore(type, value, traceback);
}

void
la_telling_begin(void)
{
    la_tells_itself++;
}

void
la_telling_end(void)
{
    la_tells_itself--;
    la_tell_all();
}

/* telling(release): calls it, and tells those at once whose turn it is then. */
static PyObject *
la_telling_call(PyObject *Py_UNUSED(module), PyObject *release)
{
    la_telling_begin();
    PyObject *result = PyObject_CallNoArgs(release);
    la_telling_end();
    return result;
}

/* The teller's work: sleeps until there is something to tell, and tells it. */
static PyObject *
la_telling_next(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    la_thread *thread = la_thread_here();

    if (thread == NULL) {
        return NULL;
    }
    atomic_store(&la_teller, thread);
    while (atomic_load(&la_to_tell) == NULL) {
        la_sleep_detached(thread);
    }
    la_tell_all();
    Py_RETURN_NONE;
}

/* What was to be told is lost, as are the waits. */
void
la_telling_fork_child(void)
{
    atomic_store(&la_to_tell, NULL);
    atomic_store(&la_teller, NULL);
    la_tells_itself = 0;
}

/* -- what is told ------------------------------------------------------------------- */

la_told *
la_told_new(PyObject *call)
{
    la_told *told = PyMem_RawCalloc(1, sizeof(la_told));

    if (told == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    told->notice.tell = la_tell;
    told->call = Py_NewRef(call);
    return told;
}

void
la_told_free(la_told *told)
{
    if (told != NULL) {
        Py_DECREF(told->call);
        PyMem_RawFree(told);
    }
}

static PyMethodDef la_telling_functions[] = {
    {"telling", la_telling_call, METH_O,
     "Call a function that releases, and tell the tasks at once whose turn it is then."},
    {"tell_next", la_telling_next, METH_NOARGS,
     "Sleep until a task is to be told of its turn, and tell it."},
    {NULL, NULL, 0, NULL},
};

int
la_telling_add(PyObject *module)
{
    return PyModule_AddFunctions(module, la_telling_functions);
}
