/*
 * ArrayBase, the C part of LockedArray, and BufferBase, the C part of Buffer.
 */
#include <stddef.h>
#include "binding.h"

PyTypeObject *la_array_type, *la_buffer_type;
Py_ssize_t la_facade_offset;

/* -- regions ------------------------------------------------------------------ */

void
la_facade_region(PyObject *facade, const la_buffer_object *buffer,
                 la_region *region)
{
    PyArrayObject_fields *array = la_fields(facade);
    intptr_t offset = (intptr_t)(
        (uintptr_t)array->data
        - atomic_load_explicit(&buffer->origin, memory_order_relaxed));

    if (buffer->whole) {
        la_region_set_whole(region);
    }
    else if (array->flags & NPY_ARRAY_C_CONTIGUOUS) {
        intptr_t size = (intptr_t)PyDataType_ELSIZE(array->descr);
        for (int i = 0; i < array->nd; i++) {
            size *= array->dimensions[i];
        }
        la_region_set_extent(region, offset, size);
    }
    else {
        la_region_set_array(region, array->nd, (intptr_t *)array->dimensions,
                            (intptr_t *)array->strides,
                            (intptr_t)PyDataType_ELSIZE(array->descr), offset);
    }
}

static PyObject *
la_regions_conflict_method(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *arrays[2];
    la_region regions[2];

    if (!PyArg_ParseTuple(args, "O!O!", &PyArray_Type, &arrays[0], &PyArray_Type,
                          &arrays[1])) {
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        PyArrayObject_fields *array = la_fields(arrays[i]);
        la_region_set_array(&regions[i], array->nd, (intptr_t *)array->dimensions,
                            (intptr_t *)array->strides,
                            (intptr_t)PyDataType_ELSIZE(array->descr),
                            (intptr_t)array->data);
    }
    return PyBool_FromLong(la_regions_conflict(&regions[0], &regions[1]));
}

static PyMethodDef la_region_methods[] = {
    {"regions_conflict", la_regions_conflict_method, METH_VARARGS,
     "Whether two arrays may touch the same byte, as the lock sees it."},
    {NULL, NULL, 0, NULL},
};

/* -- BufferBase --------------------------------------------------------------- */

static int
la_buffer_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((la_buffer_object *)object)->lock);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static int
la_buffer_clear(PyObject *Py_UNUSED(object))
{
    return 0;       /* a lock refers to nothing that refers back */
}

static void
la_buffer_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    Py_CLEAR(((la_buffer_object *)object)->lock);
    Py_CLEAR(((la_buffer_object *)object)->references);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
la_buffer_get_lock(PyObject *object, void *Py_UNUSED(closure))
{
    PyObject *lock = ((la_buffer_object *)object)->lock;
    return Py_NewRef(lock == NULL ? Py_None : lock);
}

static int
la_buffer_set_lock(PyObject *object, PyObject *lock, void *Py_UNUSED(closure))
{
    la_buffer_object *self = (la_buffer_object *)object;

    if (lock == NULL || !PyObject_TypeCheck(lock, la_lock_type)
            || ((la_lock_object *)lock)->lock == NULL) {
        PyErr_SetString(PyExc_TypeError, "the lock of a Buffer is a RegionLock");
        return -1;
    }
    if (self->lock != NULL) {
        PyErr_SetString(PyExc_AttributeError, "a Buffer keeps its lock");
        return -1;
    }
    self->lock = Py_NewRef(lock);
    return 0;
}

static PyObject *
la_buffer_get_origin(PyObject *object, void *Py_UNUSED(closure))
{
    return PyLong_FromVoidPtr((void *)atomic_load_explicit(
        &((la_buffer_object *)object)->origin, memory_order_relaxed));
}

static int
la_buffer_set_origin(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "a Buffer has an origin");
        return -1;
    }
    void *origin = PyLong_AsVoidPtr(value);
    if (origin == NULL && PyErr_Occurred()) {
        return -1;
    }
    atomic_store_explicit(&((la_buffer_object *)object)->origin, (uintptr_t)origin,
                          memory_order_relaxed);
    return 0;
}

/* The live facades, from a list of weak references, which is made shorter. */
static PyObject *
la_buffer_sweep(la_buffer_object *self)
{
    PyObject *live = PyList_New(0);     /* first: it may collect garbage */
    Py_ssize_t count = PyList_GET_SIZE(self->references), kept = 0;

    for (Py_ssize_t i = 0; live != NULL && i < count; i++) {
        PyObject *reference = PyList_GET_ITEM(self->references, i), *facade;
        if (PyWeakref_GetRef(reference, &facade) <= 0) {
            continue;
        }
        int failed = PyList_Append(live, facade);
        Py_DECREF(facade);
        if (failed) {
            Py_CLEAR(live);
            return NULL;
        }
        /* The live ones move to the front; what was there moves back. */
        PyList_SET_ITEM(self->references, i, PyList_GET_ITEM(self->references, kept));
        PyList_SET_ITEM(self->references, kept, reference);
        kept++;
    }
    if (live != NULL && PyList_SetSlice(self->references, kept, count, NULL) < 0) {
        Py_CLEAR(live);
    }
    self->sweep_at = kept < 32 ? 64 : 2 * kept;
    return live;
}

int
la_buffer_know(la_buffer_object *self, PyObject *facade)
{
    PyObject *reference = PyWeakref_NewRef(facade, NULL), *live = NULL;
    int result = -1;

    if (reference == NULL) {
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    if (self->references == NULL) {
        self->references = PyList_New(0);
        self->sweep_at = 64;
    }
    if (self->references != NULL) {
        result = PyList_Append(self->references, reference);
        if (result == 0 && PyList_GET_SIZE(self->references) >= self->sweep_at) {
            live = la_buffer_sweep(self);
            result = live == NULL ? -1 : 0;
        }
    }
    Py_END_CRITICAL_SECTION();
    Py_DECREF(reference);
    Py_XDECREF(live);
    return result;
}

static PyObject *
la_buffer_know_method(PyObject *self, PyObject *facade)
{
    if (la_buffer_know((la_buffer_object *)self, facade) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
la_buffer_known(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_buffer_object *self = (la_buffer_object *)object;
    PyObject *live;

    Py_BEGIN_CRITICAL_SECTION(self);
    live = self->references == NULL ? PyList_New(0) : la_buffer_sweep(self);
    Py_END_CRITICAL_SECTION();
    return live;
}

static PyMethodDef la_buffer_methods[] = {
    {"know", la_buffer_know_method, METH_O, "Have an array among the known ones while it lives."},
    {"known", la_buffer_known, METH_NOARGS, "The live LockedArrays on this Buffer."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef la_buffer_getset[] = {
    {"lock", la_buffer_get_lock, la_buffer_set_lock, "The lock of all operations.", NULL},
    {"origin", la_buffer_get_origin, la_buffer_set_origin,
     "Address at which the current memory begins.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef la_buffer_members[] = {
    {"frozen", LA_T_BOOL, offsetof(la_buffer_object, frozen), 0,
     "Whether nothing may be written any more."},
    {"whole", LA_T_BOOL, offsetof(la_buffer_object, whole), 0,
     "Whether each hold is of the whole memory, as its lock is shared."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot la_buffer_slots[] = {
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, la_buffer_dealloc},
    {Py_tp_traverse, la_buffer_traverse},
    {Py_tp_clear, la_buffer_clear},
    {Py_tp_getset, la_buffer_getset},
    {Py_tp_methods, la_buffer_methods},
    {Py_tp_members, la_buffer_members},
    {0, NULL},
};

static PyType_Spec la_buffer_spec = {
    .name = "lockedarray._core._native.BufferBase",
    .basicsize = sizeof(la_buffer_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = la_buffer_slots,
};

/* -- ArrayBase ---------------------------------------------------------------- */

static int
la_array_traverse(PyObject *object, visitproc visit, void *arg)
{
    la_facade *facade = la_facade_of(object);

    Py_VISIT(facade->buffer);
    Py_VISIT(facade->memory);
    Py_VISIT(facade->owner);
    Py_VISIT(facade->past);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static int
la_array_clear(PyObject *object)
{
    /* Without its Buffer it would be an array without a lock: that stays. */
    Py_CLEAR(la_facade_of(object)->owner);
    return 0;
}

static void
la_array_dealloc(PyObject *object)
{
    la_facade *facade = la_facade_of(object);
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    Py_CLEAR(facade->owner);
    PyObject *kept[] = {facade->past, facade->memory, facade->buffer};
    facade->past = facade->memory = facade->buffer = NULL;
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
    return la_array_set(object, value, closure);
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

#define LA_SLOT(name) ((void *)offsetof(la_facade, name))
static PyGetSetDef la_array_getset[] = {
    {"_buffer", la_array_get, la_array_set_buffer, NULL, LA_SLOT(buffer)},
    {"_memory", la_array_get, la_array_set, NULL, LA_SLOT(memory)},
    {"_owner", la_array_get, la_array_set, NULL, LA_SLOT(owner)},
    {"_past", la_array_get, la_array_set, NULL, LA_SLOT(past)},
    {"_may_write", la_array_get_may_write, la_array_set_may_write, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot la_array_slots[] = {
    {Py_tp_dealloc, la_array_dealloc},
    {Py_tp_traverse, la_array_traverse},
    {Py_tp_clear, la_array_clear},
    {Py_tp_getset, la_array_getset},
    {Py_tp_free, PyObject_GC_Del},
    {0, NULL},
};

static PyType_Spec la_array_spec = {
    .name = "lockedarray._core._native.ArrayBase",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = la_array_slots,
};

int
la_array_type_add(PyObject *module)
{
    la_facade_offset = PyArray_Type.tp_basicsize;
    la_array_spec.basicsize = (int)(la_facade_offset + (Py_ssize_t)sizeof(la_facade));
    la_buffer_type = (PyTypeObject *)PyType_FromSpec(&la_buffer_spec);
    la_array_type = (PyTypeObject *)PyType_FromSpecWithBases(
        &la_array_spec, (PyObject *)&PyArray_Type);
    if (la_buffer_type == NULL || la_array_type == NULL) {
        return -1;
    }
    if (PyModule_AddFunctions(module, la_region_methods) < 0
            || PyModule_AddType(module, la_buffer_type) < 0) {
        return -1;
    }
    return PyModule_AddType(module, la_array_type);
}
