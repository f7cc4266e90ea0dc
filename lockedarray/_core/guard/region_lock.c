/*
 * RegionLock: the C lock in a Python object, and the list of its holds.
 */
#include "guard/region_lock.h"

#include "guard/following.h"

#include "lock/shared.h"

#include <stddef.h>

PyTypeObject *la_region_lock_type;

/* What is known of locks with a name, by their serial numbers, while they live: the lock in
   C tells no more of one than its number. */
static PyObject *la_lock_names;

static void
la_lock_forget_name(const la_region_lock *self)
{
    PyObject *type, *value, *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    PyObject *serial = PyLong_FromUnsignedLongLong(self->lock->serial);
    if (serial == NULL || PyDict_DelItem(la_lock_names, serial) < 0) {
        PyErr_Clear();      /* it is an entry too many, or was none */
    }
    Py_XDECREF(serial);
    PyErr_Restore(type, value, traceback);
}

/* Copies of all that is held or waited for: as many as `count` says; NULL with an error. */
static la_hold_info *
la_region_lock_infos(la_region_lock *self, size_t *count)
{
    la_thread *thread = la_thread_here();
    size_t room = 16;

    while (thread != NULL) {
        la_hold_info *infos = PyMem_RawMalloc(room * sizeof(la_hold_info));
        if (infos == NULL) {
            PyErr_NoMemory();
            break;
        }
        *count = la_lock_list(self->lock, thread, infos, room);
        if (*count <= room) {
            return infos;
        }
        room = 2 * *count;
        PyMem_RawFree(infos);
    }
    return NULL;
}

int
la_region_lock_make(la_region_lock *self)
{
    static _Atomic(uint64_t) serials;

    self->lock = &self->room;
    /* Relaxed: a number of its own is all that is asked for. */
    la_lock_init(self->lock, 1 + atomic_fetch_add_explicit(&serials, 1, memory_order_relaxed));
    return 0;
}

static int
la_region_lock_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"below", "between", NULL};
    la_region_lock *self = (la_region_lock *)object;
    PyObject *below = Py_None;
    int between = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Op", names, &below, &between)) {
        return -1;
    }
    if (self->lock != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a RegionLock is initialized once");
        return -1;
    }
    if (la_region_lock_make(self) < 0) {
        return -1;
    }
    self->lock->between = between;
    self->below = below == Py_None ? NULL : Py_NewRef(below);
    return 0;
}

static int
la_region_lock_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((la_region_lock *)object)->below);
    if (((la_region_lock *)object)->lock != NULL) {
        Py_VISIT(la_between_follower(((la_region_lock *)object)->lock));
    }
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static int
la_region_lock_clear(PyObject *object)
{
    Py_CLEAR(((la_region_lock *)object)->below);
    return 0;
}

static void
la_region_lock_dealloc(PyObject *object)
{
    la_region_lock *self = (la_region_lock *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    Py_CLEAR(self->below);
    if (self->lock != NULL && self->known_as != NULL) {
        la_lock_forget_name(self);
    }
    Py_CLEAR(self->known_as);
    if (self->lock != NULL) {
        /* Holds and Buffers keep the lock alive: nobody holds it. */
#if LA_HAS_CONTROL
        PyObject *follower = la_between_follower(self->lock);
        la_shared_detach(self->lock, la_thread_current);
        Py_XDECREF(follower);
#endif
        la_lock_destroy(self->lock);
    }
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
la_region_lock_serial(PyObject *object, void *Py_UNUSED(closure))
{
    la_lock *lock = ((la_region_lock *)object)->lock;
    return PyLong_FromUnsignedLongLong(lock == NULL ? 0 : lock->serial);
}

static int
la_region_lock_set_serial(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    la_lock *lock = ((la_region_lock *)object)->lock;
    unsigned long long serial = value == NULL ? 0 : PyLong_AsUnsignedLongLong(value);

    if (value == NULL || lock == NULL) {
        PyErr_SetString(PyExc_AttributeError, "serial");
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    lock->serial = serial;
    return 0;
}

static PyObject *
la_region_lock_below(PyObject *object, void *Py_UNUSED(closure))
{
    PyObject *below = ((la_region_lock *)object)->below;
    return Py_NewRef(below == NULL ? Py_None : below);
}

static PyObject *
la_region_lock_is_shared(PyObject *object, void *Py_UNUSED(closure))
{
    la_lock *lock = ((la_region_lock *)object)->lock;
    return PyBool_FromLong(lock != NULL && lock->shared != NULL);
}

static PyObject *
la_offset_or_none(int64_t offset)
{
    if (offset == INT64_MIN || offset >= LA_REGION_NOWHERE) {
        Py_RETURN_NONE;
    }
    return PyLong_FromLongLong(offset);
}

/* How long, in seconds. */
static PyObject *
la_waited_or_none(const la_hold_info *info)
{
    if (!info->waits) {
        Py_RETURN_NONE;
    }
    return PyFloat_FromDouble((double)(la_now() - info->since) / 1e9);
}

static PyObject *
la_entry(const la_hold_info *info)
{
    bool nowhere = la_region_is_nowhere(&info->region);

    return Py_BuildValue("(KKsNNNN)", (unsigned long long)info->thread,
                         (unsigned long long)info->subject,
                         info->for_change ? "change" : info->mode == LA_WRITE ? "write" : "read",
                         PyBool_FromLong(info->waits),
                         la_offset_or_none(nowhere ? 0 : info->region.low),
                         la_offset_or_none(nowhere ? 0 : info->region.high),
                         la_waited_or_none(info));
}

static PyObject *
la_region_lock_entries(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_region_lock *self = (la_region_lock *)object;
    size_t count = 0;
    la_hold_info *infos = self->lock == NULL ? NULL : la_region_lock_infos(self, &count);
    PyObject *list = infos == NULL && PyErr_Occurred() ? NULL : PyList_New((Py_ssize_t)count);

    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *entry = la_entry(&infos[i]);
        if (entry == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, entry);
    }
    PyMem_RawFree(infos);
    return list;
}

static PyGetSetDef la_region_lock_getset[] = {
    {"serial", la_region_lock_serial, la_region_lock_set_serial,
     "Place in the order of all locks; another one before its first use, and before its name.", NULL},
    {"_is_shared", la_region_lock_is_shared, NULL, "Whether it is one between processes.", NULL},
    {"below", la_region_lock_below, NULL, "Somebody else's lock that is taken, too.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef la_region_lock_methods[] = {
    {"entries", la_region_lock_entries, METH_NOARGS,
     "Who holds or waits: (thread ident, mode, waits, low, high, waited) each."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef la_region_lock_members[] = {
    {"_known_as", LA_T_OBJECT, offsetof(la_region_lock, known_as), 0,
     "What messages need, which is in `lock_names`, too; or None."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot la_region_lock_slots[] = {
    {Py_tp_init, la_region_lock_init},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, la_region_lock_dealloc},
    {Py_tp_traverse, la_region_lock_traverse},
    {Py_tp_clear, la_region_lock_clear},
    {Py_tp_getset, la_region_lock_getset},
    {Py_tp_methods, la_region_lock_methods},
    {Py_tp_members, la_region_lock_members},
    {0, NULL},
};

static PyType_Spec la_region_lock_spec = {
    .name = "lockedarray._core._native.RegionLock",
    .basicsize = sizeof(la_region_lock),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = la_region_lock_slots,
};

int
la_region_lock_add(PyObject *module)
{
    la_region_lock_type = (PyTypeObject *)PyType_FromSpec(&la_region_lock_spec);
    la_lock_names = PyDict_New();
    if (la_region_lock_type == NULL || la_lock_names == NULL
            || PyModule_AddObjectRef(module, "lock_names", la_lock_names) < 0) {
        return -1;
    }
    return PyModule_AddType(module, la_region_lock_type);
}
