/*
 * ArrayBase: the C part of LockedArray.
 */
#include "array/array_type.h"

#include <stddef.h>

#include "array/at.h"
#include "array/copies.h"
#include "array/function.h"
#include "array/numbers.h"
#include "array/raw.h"
#include "array/subscript.h"
#include "array/ufunc.h"
#include "array/view.h"

static int
la_array_traverse(PyObject *object, visitproc visit, void *arg)
{
    la_facade *facade = la_facade_of(object);

    Py_VISIT(facade->buffer);
    Py_VISIT(facade->owner);
    Py_VISIT(facade->attributes);
    la_facade_rare *rare = la_facade_rare_of(facade);
    if (rare != NULL) {
        Py_VISIT(rare->earlier);
    }
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static int
la_array_clear(PyObject *object)
{
    /* Without its Buffer it would be an array without a lock: that stays. */
    Py_CLEAR(la_facade_of(object)->owner);
    Py_CLEAR(la_facade_of(object)->attributes);
    return 0;
}

static void
la_array_dealloc(PyObject *object)
{
    la_facade *facade = la_facade_of(object);
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    if (facade->buffer != NULL) {       /* `back` is the Buffer's: read in its critical section */
        la_buffer_forget((la_buffer_object *)facade->buffer, facade);
    }
    la_raws_drop(object);
    Py_CLEAR(facade->owner);
    Py_CLEAR(facade->attributes);
    la_facade_rare *rare = la_facade_rare_of(facade);
    PyObject *kept[] = {rare == NULL ? NULL : rare->earlier, facade->buffer};
    atomic_store_explicit(&facade->rare, NULL, memory_order_relaxed);
    facade->buffer = NULL;
    PyMem_RawFree(rare);
    PyArray_Type.tp_dealloc(object);        /* drops weak references and data */
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        Py_XDECREF(kept[i]);
    }
    Py_DECREF(type);
}

static PyObject **
la_facade_slot(PyObject *object, void *closure)
{
    return (PyObject **)((char *)la_facade_of(object) + (uintptr_t)closure);
}

static PyObject *
la_array_get(PyObject *object, void *closure)
{
    PyObject *value = *la_facade_slot(object, closure);
    return Py_NewRef(value == NULL ? Py_None : value);
}

static int
la_array_set(PyObject *object, PyObject *value, void *closure)
{
    PyObject **slot = la_facade_slot(object, closure);
    PyObject *old = *slot;

    *slot = value == NULL || value == Py_None ? NULL : Py_NewRef(value);
    Py_XDECREF(old);
    return 0;
}

static int
la_array_set_buffer(PyObject *object, PyObject *value, void *closure)
{
    if (value == NULL || !PyObject_TypeCheck(value, la_buffer_type)) {
        PyErr_SetString(PyExc_TypeError, "a LockedArray is on a Buffer");
        return -1;
    }
    /* Which knows it, and whose lock operations may hold. */
    if (la_facade_of(object)->buffer != NULL) {
        PyErr_SetString(PyExc_AttributeError, "a LockedArray keeps its Buffer");
        return -1;
    }
    return la_array_set(object, value, closure);
}

/* Only resizes ask, which have all of the array. */
static PyObject *
la_array_get_earlier(PyObject *object, void *Py_UNUSED(closure))
{
    la_facade_rare *rare = la_facade_rare_of(la_facade_of(object));
    return Py_NewRef(rare == NULL || rare->earlier == NULL ? Py_None : rare->earlier);
}

static int
la_array_set_earlier(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    la_facade_rare *rare = la_facade_make_rare(la_facade_of(object));

    if (rare == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    PyObject *old = rare->earlier;
    rare->earlier = value == NULL || value == Py_None ? NULL : Py_NewRef(value);
    Py_XDECREF(old);
    return 0;
}

static PyObject *
la_array_get_may_write(PyObject *object, void *Py_UNUSED(closure))
{
    la_facade *facade = la_facade_of(object);
    return PyBool_FromLong(facade->may_write || facade->buffer == NULL);
}

static int
la_array_set_may_write(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    int may = value == NULL ? 0 : PyObject_IsTrue(value);
    if (may < 0) {
        return -1;
    }
    la_facade_of(object)->may_write = (char)may;
    return 0;
}

static PyObject *
la_array_get_augmented(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(la_facade_of(object)->augmented);
}

static int
la_array_set_augmented(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    int is = value == NULL ? 0 : PyObject_IsTrue(value);
    if (is < 0) {
        return -1;
    }
    la_facade_of(object)->augmented = (char)is;
    return 0;
}

/* What is asked without the lock, of an array that processes share, too. */
static Py_ssize_t
la_array_length(PyObject *object)
{
    if (la_facade_settle(object) < 0) {
        return -1;
    }
    return LA_LIKELY(la_fields(object)->nd > 0) ? la_fields(object)->dimensions[0]
        : PyArray_Type.tp_as_sequence->sq_length(object);
}

static PyObject *
la_array_get_ndim(PyObject *object, void *Py_UNUSED(closure))
{
    return la_facade_settle(object) < 0 ? NULL : PyLong_FromLong(la_fields(object)->nd);
}

static PyObject *
la_array_get_size(PyObject *object, void *Py_UNUSED(closure))
{
    return la_facade_settle(object) < 0 ? NULL
        : PyLong_FromSsize_t(PyArray_SIZE((PyArrayObject *)object));
}

static PyObject *
la_array_get_nbytes(PyObject *object, void *Py_UNUSED(closure))
{
    return la_facade_settle(object) < 0 ? NULL
        : PyLong_FromSsize_t(PyArray_SIZE((PyArrayObject *)object)
                             * PyDataType_ELSIZE(la_fields(object)->descr));
}

#define LA_SLOT(name) ((void *)offsetof(la_facade, name))
static PyGetSetDef la_array_getset[] = {
    {"_buffer", la_array_get, la_array_set_buffer, NULL, LA_SLOT(buffer)},
    {"_owner", la_array_get, la_array_set, NULL, LA_SLOT(owner)},
    {"_earlier", la_array_get_earlier, la_array_set_earlier, NULL, NULL},
    {"_may_write", la_array_get_may_write, la_array_set_may_write, NULL, NULL},
    {"_augmented", la_array_get_augmented, la_array_set_augmented, NULL, NULL},
    {"ndim", la_array_get_ndim, NULL, "Number of axes.", NULL},
    {"size", la_array_get_size, NULL, "Number of elements.", NULL},
    {"nbytes", la_array_get_nbytes, NULL, "Bytes of the elements.", NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {"at", la_array_get_at, NULL,
     "Changes elements in one step, as ``x.at[i].add(1)`` does; see `AtIndex`.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef la_array_methods[] = {
    {"__array_finalize__", la_array_finalize, METH_O,
     "__array_finalize__($self, obj, /)\n--\n\n"
     "Attach what NumPy made to the Buffer of the array that it was made from."},
    {"__array_function__", (PyCFunction)(void (*)(void))la_array_function,
     METH_FASTCALL | METH_KEYWORDS,
     "__array_function__($self, /, func, types, args, kwargs)\n--\n\n"
     "NumPy's functions, locked."},
    {"__copy__", la_array_copy, METH_NOARGS,
     "__copy__($self, /)\n--\n\n"
     "Return a copy with a lock of its own, for `copy.copy`."},
    {"__deepcopy__", la_array_deepcopy, METH_O,
     "__deepcopy__($self, memo, /)\n--\n\n"
     "Return a copy with a lock of its own, for `copy.deepcopy`."},
    {"__reduce__", la_array_reduce, METH_NOARGS, "For pickling."},
    {"__reduce_ex__", la_array_reduce_ex, METH_O, "For pickling."},
    {NULL, NULL, 0, NULL},
};

/* Smaller than what the interpreter adds to a class that is made in Python. */
static PyMemberDef la_array_members[] = {
    {"__dictoffset__", LA_T_PYSSIZET, 0, LA_READONLY, NULL},    /* the offset is set below */
    {NULL, 0, 0, 0, NULL},
};

/* Followed by the number slots. */
static const PyType_Slot la_array_slots[] = {
    {Py_tp_dealloc, la_array_dealloc},
    {Py_tp_traverse, la_array_traverse},
    {Py_tp_clear, la_array_clear},
    {Py_tp_getset, la_array_getset},
    {Py_tp_methods, la_array_methods},
    {Py_tp_members, la_array_members},
    {Py_tp_free, PyObject_GC_Del},
    {Py_tp_richcompare, la_compare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_mp_subscript, la_subscript},
    {Py_mp_ass_subscript, la_assign_subscript},
    {Py_mp_length, la_array_length},
    {Py_sq_length, la_array_length},
    {Py_sq_item, la_item},
    {Py_sq_ass_item, la_assign_item},
};
#define LA_ARRAY_SLOTS (sizeof(la_array_slots) / sizeof(la_array_slots[0]))

static PyType_Spec la_array_spec = {
    .name = "lockedarray._core._native.ArrayBase",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
};

int
la_array_type_add(PyObject *module)
{
    PyType_Slot slots[64];
    size_t count = 0;

    for (size_t i = 0; i < LA_ARRAY_SLOTS; i++) {
        slots[count++] = la_array_slots[i];
    }
    for (PyType_Slot *slot = la_number_slots; slot->slot != 0; slot++) {
        slots[count++] = *slot;
    }
    slots[count] = (PyType_Slot){0, NULL};
    la_array_spec.slots = slots;
    la_facade_offset = PyArray_Type.tp_basicsize;
    la_array_members[0].offset = la_facade_offset + (Py_ssize_t)offsetof(la_facade, attributes);
    la_array_spec.basicsize = (int)(la_facade_offset + (Py_ssize_t)sizeof(la_facade));
    la_array_type = (PyTypeObject *)PyType_FromSpecWithBases(
        &la_array_spec, (PyObject *)&PyArray_Type);
    if (la_array_type == NULL || la_array_ufunc_add(la_array_type) < 0) {
        return -1;
    }
    return PyModule_AddType(module, la_array_type);
}
