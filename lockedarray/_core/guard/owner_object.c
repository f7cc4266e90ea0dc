/*
 * Owners for Python. An object lives at least as long as it is the current owner of
 * some thread; when it is gone, what it held is given back.
 */
#include "guard/owner_object.h"

typedef struct {
    PyObject_HEAD
    la_owner *owner;
} la_owner_object;

static PyTypeObject *la_owner_type;

/* The current owner of the thread, if it is none that the thread began with: a reference. */
static LA_THREAD_LOCAL PyObject *la_owner_here;

static PyObject *
la_owner_object_new(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    la_owner_object *self = (la_owner_object *)la_owner_type->tp_alloc(la_owner_type, 0);

    if (self != NULL) {
        self->owner = la_owner_new();
        if (self->owner == NULL) {
            Py_DECREF(self);
            return PyErr_NoMemory();
        }
    }
    return (PyObject *)self;
}

static void
la_owner_object_dealloc(PyObject *object)
{
    la_owner_object *self = (la_owner_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    la_thread *thread = la_thread_self();

    if (self->owner != NULL && thread != NULL) {
        la_owner_free(self->owner, thread);
    }
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
la_owner_object_exchange(PyObject *Py_UNUSED(module), PyObject *given)
{
    la_thread *thread = la_thread_here();
    PyObject *before = la_owner_here;

    if (thread == NULL || la_ending_watch() < 0) {
        return NULL;
    }
    if (given != Py_None && Py_TYPE(given) != la_owner_type) {
        PyErr_Format(PyExc_TypeError, "expected an owner or None, not %s",
                     Py_TYPE(given)->tp_name);
        return NULL;
    }
    if (given != Py_None && given != before) {
        la_owner *owner = ((la_owner_object *)given)->owner;
        if (la_owner_exchange(thread, owner) == owner) {
            PyErr_SetString(PyExc_RuntimeError, "another thread has this owner");
            return NULL;
        }
    }
    else if (given == Py_None) {
        la_owner_exchange(thread, NULL);
    }
    la_owner_here = given == Py_None ? NULL : Py_NewRef(given);
    return before == NULL ? Py_NewRef(Py_None) : before;
}

bool
la_owner_object_is_here(const la_thread *thread, uint64_t subject)
{
    uint64_t here = la_owner_subject(la_thread_owner(thread));

    return here == subject || (here == 0 && la_owner_here != NULL);
}

PyObject *
la_owner_object_here(void)
{
    return Py_XNewRef(la_owner_here);
}

int
la_owner_object_make_current(PyObject *owner)
{
    PyObject *before = la_owner_object_exchange(NULL, owner);

    Py_XDECREF(before);
    return before == NULL ? -1 : 0;
}

static PyObject *
la_owner_object_get_task(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(la_owner_subject(((la_owner_object *)object)->owner));
}

static int
la_owner_object_set_task(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    unsigned long long task = value == NULL ? 0 : PyLong_AsUnsignedLongLong(value);

    if (PyErr_Occurred()) {
        return -1;
    }
    atomic_store_explicit(&((la_owner_object *)object)->owner->subject, task,
                          memory_order_relaxed);
    return 0;
}

static PyGetSetDef la_owner_getset[] = {
    {"task", la_owner_object_get_task, la_owner_object_set_task,
     "The id of the task whose owner it is; 1 once that has ended; or 0.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* The thread's next state, if any, begins with the owner that the thread began with. */
static void
la_owner_object_leave(la_thread *thread)
{
    la_owner_exchange(thread, NULL);
    Py_CLEAR(la_owner_here);
}

static PyMethodDef la_owner_functions[] = {
    {"new_owner", la_owner_object_new, METH_NOARGS,
     "A new owner, which holds nothing."},
    {"exchange_owner", la_owner_object_exchange, METH_O,
     "Make an owner the current one of the calling thread, None the one that the thread "
     "began with; return the one before."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot la_owner_slots[] = {
    {Py_tp_dealloc, la_owner_object_dealloc},
    {Py_tp_getset, la_owner_getset},
    {0, NULL},
};

static PyType_Spec la_owner_spec = {
    .name = "lockedarray._core._native.Owner",
    .basicsize = sizeof(la_owner_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = la_owner_slots,
};

int
la_owner_object_add(PyObject *module)
{
    la_state_ends = la_owner_object_leave;
    la_owner_type = (PyTypeObject *)PyType_FromSpec(&la_owner_spec);
    return la_owner_type == NULL ? -1 : PyModule_AddFunctions(module, la_owner_functions);
}
