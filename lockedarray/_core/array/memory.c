/*
 * MemoryBase: the C part of Memory.
 */
#include "array/memory.h"

#include <stddef.h>

#include "guard/python.h"
#if PY_VERSION_HEX < 0x030D0000
#include <tracemalloc.h>
#endif

#define LA_HANDLER_NAME "mem_handler"       /* of NumPy's capsules (NEP 49) */
#define LA_TRACE_DOMAIN 389047              /* np.lib.tracemalloc_domain */

PyTypeObject *la_memory_type;

/* -- bytes -------------------------------------------------------------------------- */

bool
la_memory_takes(PyObject *array)
{
    PyArrayObject_fields *fields = la_fields(array);

    return fields->base == NULL && fields->weakreflist == NULL && fields->_buffer_info == NULL
           && fields->mem_handler != NULL && (fields->flags & NPY_ARRAY_OWNDATA)
           && !PyDataType_REFCHK(fields->descr) && PyArray_NBYTES((PyArrayObject *)array) > 0
           && PyCapsule_IsValid(fields->mem_handler, LA_HANDLER_NAME);
}

static void
la_memory_take(la_memory_object *self, PyObject *array)
{
    PyArrayObject_fields *fields = la_fields(array);

    self->data = fields->data;
    self->size = (size_t)PyArray_NBYTES((PyArrayObject *)array);
    self->descr = (PyArray_Descr *)Py_NewRef(fields->descr);
    self->keeper = fields->mem_handler;
    fields->mem_handler = NULL;
    fields->flags &= ~(NPY_ARRAY_OWNDATA | NPY_ARRAY_WRITEABLE);
}

/* As an array does at its end. */
static void
la_memory_free(la_memory_object *self)
{
    if (self->data != NULL) {
        PyDataMem_Handler *handler = PyCapsule_GetPointer(self->keeper, LA_HANDLER_NAME);
        PyTraceMalloc_Untrack(LA_TRACE_DOMAIN, (uintptr_t)self->data);
        handler->allocator.free(handler->allocator.ctx, self->data, self->size);
        self->data = NULL;
    }
    Py_CLEAR(self->keeper);
    Py_CLEAR(self->descr);
}

static PyObject *
la_memory_get_owner(PyObject *object, void *Py_UNUSED(closure))
{
    la_memory_object *self = (la_memory_object *)object;
    PyObject *owner, *made;

    Py_BEGIN_CRITICAL_SECTION(self);
    owner = self->data != NULL ? NULL : Py_XNewRef(self->keeper);
    Py_END_CRITICAL_SECTION();
    if (owner != NULL) {
        return owner;
    }
    if (self->descr == NULL) {
        PyErr_SetString(PyExc_AttributeError, "a Memory without an owner");
        return NULL;
    }
    npy_intp length = (npy_intp)(self->size / (size_t)PyDataType_ELSIZE(self->descr));
    Py_INCREF(self->descr);
    made = PyArray_NewFromDescr(&PyArray_Type, self->descr, 1, &length, NULL, self->data,
                                NPY_ARRAY_CARRAY, NULL);
    if (made == NULL) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    if (self->data != NULL) {           /* else another thread was faster */
        la_fields(made)->flags |= NPY_ARRAY_OWNDATA;
        la_fields(made)->mem_handler = self->keeper;
        self->keeper = Py_NewRef(made);
        self->data = NULL;
    }
    owner = Py_NewRef(self->keeper);
    Py_END_CRITICAL_SECTION();
    Py_DECREF(made);
    return owner;
}

/* By __init__ alone: nobody else knows it yet. */
static int
la_memory_set_owner(PyObject *object, PyObject *owner, void *Py_UNUSED(closure))
{
    la_memory_object *self = (la_memory_object *)object;

    if (owner == NULL || self->keeper != NULL) {
        PyErr_SetString(PyExc_AttributeError, "a Memory keeps its owner");
        return -1;
    }
    self->keeper = Py_NewRef(owner);
    return 0;
}

/* -- its Buffer --------------------------------------------------------------------- */

int
la_memory_begin(la_memory_object *self, PyObject *buffer, PyObject *array, bool takes)
{
#ifdef Py_GIL_DISABLED
    self->buffer = PyWeakref_NewRef(buffer, NULL);
    if (self->buffer == NULL) {
        return -1;
    }
#else
    self->buffer = buffer;
    self->borrows = 1;
#endif
    if (takes) {
        la_memory_take(self, array);
    }
    else {
        self->keeper = Py_NewRef(array);
    }
    return 0;
}

int
la_memory_leave(PyObject *memory)
{
    if (memory == NULL || !PyObject_TypeCheck(memory, la_memory_type)
            || !((la_memory_object *)memory)->borrows) {
        return 0;
    }
    la_memory_object *self = (la_memory_object *)memory;
    PyObject *reference = PyWeakref_NewRef(self->buffer, NULL);
    if (reference == NULL) {
        return -1;
    }
    if (!self->borrows) {               /* a collection ran, and in it somebody who asked */
        Py_DECREF(reference);
        return 0;
    }
    self->buffer = reference;
    self->borrows = 0;
    return 0;
}

void
la_memory_forget(PyObject *memory, PyObject *buffer)
{
    if (memory != NULL && PyObject_TypeCheck(memory, la_memory_type)) {
        la_memory_object *self = (la_memory_object *)memory;
        if (self->borrows && self->buffer == buffer) {
            self->buffer = NULL;
            self->borrows = 0;
        }
    }
}

static PyObject *
la_memory_get_buffer(PyObject *object, void *Py_UNUSED(closure))
{
    la_memory_object *self = (la_memory_object *)object;
    PyObject *found;

    /* One that is ending has no references any more, and must get no weak ones. */
    if (self->borrows && Py_REFCNT(self->buffer) == 0) {
        Py_RETURN_NONE;
    }
    if (la_memory_leave(object) < 0) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    found = Py_NewRef(self->buffer == NULL ? Py_None : self->buffer);
    Py_END_CRITICAL_SECTION();
    return found;
}

static int
la_memory_set_buffer(PyObject *object, PyObject *buffer, void *Py_UNUSED(closure))
{
    la_memory_object *self = (la_memory_object *)object;
    PyObject *old;

    if (buffer == NULL || (buffer != Py_None && !PyWeakref_CheckRef(buffer))) {
        PyErr_SetString(PyExc_TypeError, "a Memory has a weak reference to its Buffer");
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    old = self->borrows ? NULL : self->buffer;
    self->borrows = 0;
    self->buffer = buffer == Py_None ? NULL : Py_NewRef(buffer);
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(old);
    return 0;
}

/* -- the type ----------------------------------------------------------------------- */

static int
la_memory_traverse(PyObject *object, visitproc visit, void *arg)
{
    la_memory_object *self = (la_memory_object *)object;

    Py_VISIT(self->keeper);
    if (!self->borrows) {
        Py_VISIT(self->buffer);
    }
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static int
la_memory_clear(PyObject *Py_UNUSED(object))
{
    return 0;       /* arrays may still show it */
}

static void
la_memory_dealloc(PyObject *object)
{
    la_memory_object *self = (la_memory_object *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    if (!self->borrows) {
        Py_CLEAR(self->buffer);
    }
    la_memory_free(self);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyGetSetDef la_memory_getset[] = {
    {"owner", la_memory_get_owner, la_memory_set_owner, "What keeps the bytes alive.", NULL},
    {"buffer", la_memory_get_buffer, la_memory_set_buffer,
     "A weak reference to the Buffer whose memory it is, or was; or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef la_memory_members[] = {
    {"aliased", LA_T_BOOL, offsetof(la_memory_object, aliased), 0,
     "Whether there may be aliases that do not keep this Memory alive."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot la_memory_slots[] = {
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, la_memory_dealloc},
    {Py_tp_traverse, la_memory_traverse},
    {Py_tp_clear, la_memory_clear},
    {Py_tp_getset, la_memory_getset},
    {Py_tp_members, la_memory_members},
    {0, NULL},
};

static PyType_Spec la_memory_spec = {
    .name = "lockedarray._core._native.MemoryBase",
    .basicsize = sizeof(la_memory_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = la_memory_slots,
};

int
la_memory_add(PyObject *module)
{
    la_memory_type = (PyTypeObject *)PyType_FromSpec(&la_memory_spec);
    return la_memory_type == NULL ? -1 : PyModule_AddType(module, la_memory_type);
}
