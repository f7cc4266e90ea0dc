/*
 * BufferBase: the C part of Buffer, and the regions of its facades.
 */
#include "array/buffer.h"

#include <stddef.h>

#include "array/general.h"
#include "array/memory.h"
#include "array/step.h"
#include "guard/guarded.h"

PyTypeObject *la_buffer_type;

/* -- regions ------------------------------------------------------------------ */

void
la_facade_region(PyObject *facade, const la_buffer_object *buffer,
                 la_region *region)
{
    PyArrayObject_fields *array = la_fields(facade);
    intptr_t offset = (intptr_t)(
        (uintptr_t)array->data
        - atomic_load_explicit(&buffer->origin, memory_order_relaxed));

    if (array->flags & NPY_ARRAY_C_CONTIGUOUS) {
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
    /* An array that is no view may grow: who holds it has the byte at which it would begin. */
    if (la_region_is_empty(region) && la_facade_of(facade)->owner == NULL) {
        la_region_set_extent(region, offset, 1);
    }
    la_region_settle(region, buffer);
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
    la_buffer_object *self = (la_buffer_object *)object;

    Py_VISIT(self->lock);
    Py_VISIT(self->operating);
    /* Relaxed: nobody else uses an object that the collector looks at. */
    Py_VISIT(atomic_load_explicit(&self->memory, memory_order_relaxed));
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static int
la_buffer_clear(PyObject *Py_UNUSED(object))
{
    return 0;       /* a facade may still use it; see la_array_clear */
}

static void
la_buffer_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    la_buffer_object *self = (la_buffer_object *)object;
    Py_CLEAR(self->lock);
    Py_CLEAR(self->objects);
    Py_CLEAR(self->name);
    Py_CLEAR(self->owner);
    Py_CLEAR(self->operating);
    PyObject *memory = atomic_exchange_explicit(&self->memory, NULL, memory_order_acquire);
    la_memory_forget(memory, object);
    Py_XDECREF(memory);
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

    if (lock == NULL || !PyObject_TypeCheck(lock, la_region_lock_type)
            || ((la_region_lock *)lock)->lock == NULL) {
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

static _Atomic(uintptr_t) *
la_buffer_number(PyObject *object, void *closure)
{
    return (_Atomic(uintptr_t) *)((char *)object + (uintptr_t)closure);
}

static PyObject *
la_buffer_get_number(PyObject *object, void *closure)
{
    return PyLong_FromSize_t(atomic_load_explicit(la_buffer_number(object, closure),
                                                  memory_order_relaxed));
}

static int
la_buffer_set_number(PyObject *object, PyObject *value, void *closure)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "a Buffer has an origin and an extent");
        return -1;
    }
    size_t number = PyLong_AsSize_t(value);
    if (number == (size_t)-1 && PyErr_Occurred()) {
        return -1;
    }
    atomic_store_explicit(la_buffer_number(object, closure), number, memory_order_relaxed);
    return 0;
}

static PyObject *
la_buffer_get_memory(PyObject *object, void *Py_UNUSED(closure))
{
    la_buffer_object *self = (la_buffer_object *)object;
    PyObject *memory;

    Py_BEGIN_CRITICAL_SECTION(self);
    memory = Py_XNewRef(atomic_load_explicit(&self->memory, memory_order_relaxed));
    Py_END_CRITICAL_SECTION();
    if (memory == NULL) {
        PyErr_SetString(PyExc_AttributeError, "a Buffer without memory");
    }
    return memory;
}

static int
la_buffer_set_memory(PyObject *object, PyObject *memory, void *Py_UNUSED(closure))
{
    la_buffer_object *self = (la_buffer_object *)object;
    PyObject *old;

    if (memory == NULL) {
        PyErr_SetString(PyExc_AttributeError, "a Buffer has memory");
        return -1;
    }
    /* Relaxed: only who moves the Buffer, under its lock, sets it. */
    if (la_memory_leave(atomic_load_explicit(&self->memory, memory_order_relaxed)) < 0) {
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    /* Release: pairs with the second look of la_attach_view. */
    old = atomic_exchange_explicit(&self->memory, Py_NewRef(memory), memory_order_acq_rel);
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(old);
    return 0;
}

static PyObject *
la_buffer_get_frozen(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(atomic_load_explicit(&((la_buffer_object *)object)->frozen,
                                                memory_order_acquire));
}

static int
la_buffer_set_frozen(PyObject *object, PyObject *value, void *Py_UNUSED(closure))
{
    int frozen = value == NULL ? 0 : PyObject_IsTrue(value);
    if (frozen < 0) {
        return -1;
    }
    atomic_store_explicit(&((la_buffer_object *)object)->frozen, (char)frozen,
                          memory_order_release);
    return 0;
}

LA_COLD int
la_buffer_settle(la_buffer_object *self)
{
    const la_watched *watched =
        (const la_watched *)atomic_load_explicit(&self->watched, memory_order_acquire);

    if (watched == NULL) {
        return 0;
    }
    const _Atomic(uint64_t) *word = (const _Atomic(uint64_t) *)(uintptr_t)watched->word;
    /* Acquire: what describes the layout was written before its number. */
    if (LA_LIKELY(atomic_load_explicit(word, memory_order_acquire)
                  == atomic_load_explicit(&watched->shown, memory_order_relaxed))) {
        return 0;
    }
    PyObject *result = PyObject_CallMethodNoArgs((PyObject *)self, la_names.settle);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

void
la_buffer_know(la_buffer_object *self, PyObject *array)
{
    la_facade *facade = la_facade_of(array);

    Py_BEGIN_CRITICAL_SECTION(self);
    if (facade->back == NULL) {
        facade->next = self->facades;
        facade->back = &self->facades;
        if (facade->next != NULL) {
            facade->next->back = &facade->next;
        }
        self->facades = facade;
    }
    Py_END_CRITICAL_SECTION();
}

void
la_buffer_forget(la_buffer_object *self, la_facade *facade)
{
    (void)self;         /* used only where there is no GIL */
    Py_BEGIN_CRITICAL_SECTION(self);
    if (facade->back != NULL) {
        *facade->back = facade->next;
        if (facade->next != NULL) {
            facade->next->back = facade->back;
        }
        facade->back = NULL;
    }
    Py_END_CRITICAL_SECTION();
}

/*
 * A copy of the list, made in one step: no thread is then in the middle of
 * giving up a reference. A facade without any is ending and left out; one that
 * has some can be given another.
 */
typedef struct {
    la_buffer_object *buffer;
    Py_ssize_t count, room;
    PyObject **live;
} la_known;

static void
la_known_copy(void *context)
{
    la_known *known = context;

    known->count = 0;
    for (la_facade *facade = known->buffer->facades; facade != NULL; facade = facade->next) {
        known->count += Py_REFCNT(la_facade_object(facade)) > 0;
    }
    if (known->count > known->room) {
        return;
    }
    PyObject **end = known->live;
    for (la_facade *facade = known->buffer->facades; facade != NULL; facade = facade->next) {
        PyObject *object = la_facade_object(facade);
        if (Py_REFCNT(object) > 0) {
            *end++ = Py_NewRef(object);
        }
    }
}

static PyObject *
la_buffer_know_method(PyObject *self, PyObject *array)
{
    if (!la_is_facade(array) || la_facade_of(array)->buffer != self) {
        PyErr_SetString(PyExc_TypeError, "a Buffer knows the LockedArrays on it");
        return NULL;
    }
    la_buffer_know((la_buffer_object *)self, array);
    Py_RETURN_NONE;
}

static PyObject *
la_buffer_known(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_known known = {.buffer = (la_buffer_object *)object};

    la_step_do(la_known_copy, &known);
    while (known.count > known.room) {
        PyMem_RawFree(known.live);
        known.room = 2 * known.count;
        known.live = PyMem_RawMalloc((size_t)known.room * sizeof(PyObject *));
        if (known.live == NULL) {
            return PyErr_NoMemory();
        }
        la_step_do(la_known_copy, &known);
    }
    PyObject *list = PyList_New(known.count);
    for (Py_ssize_t i = 0; i < known.count; i++) {
        if (list == NULL) {
            Py_DECREF(known.live[i]);
        }
        else {
            PyList_SET_ITEM(list, i, known.live[i]);
        }
    }
    PyMem_RawFree(known.live);
    return list;
}

static PyObject *
la_buffer_guarded(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_buffer_object *self = (la_buffer_object *)object;

    if (self->lock == NULL) {
        return PyList_New(0);
    }
    return la_guarded_raws((la_region_lock *)self->lock, object);
}

/* Is one of the holds of an operation of this Buffer's? */
typedef struct {
    const void *buffer;
    bool found;
} la_operating;

static void
la_operating_look(la_hold *hold, void *context)
{
    la_operating *operating = context;

    for (hold = hold->in_operation ? hold : NULL; hold != NULL; hold = hold->also) {
        operating->found |= hold->subject == operating->buffer;
    }
}

static PyObject *
la_buffer_in_operation(PyObject *object, PyObject *Py_UNUSED(unused))
{
    la_buffer_object *self = (la_buffer_object *)object;
    la_thread *thread = la_thread_self();
    la_operating operating = {object, false};

    if (thread != NULL && self->lock != NULL && la_thread_owner(thread)->operations != 0) {
        la_lock_visit_mine(((la_region_lock *)self->lock)->lock, thread, la_operating_look,
                           &operating);
    }
    return PyBool_FromLong(operating.found);
}

static PyMethodDef la_buffer_methods[] = {
    {"know", la_buffer_know_method, METH_O, "Have an array among the known ones while it lives."},
    {"known", la_buffer_known, METH_NOARGS, "The live LockedArrays on this Buffer."},
    {"guarded", la_buffer_guarded, METH_NOARGS,
     "The raw views of guards of this core by which the calling thread holds this Buffer, all\n"
     "of whose lock it has to write."},
    {"in_operation", la_buffer_in_operation, METH_NOARGS,
     "Whether the calling thread, which has all of the lock to write, is inside an operation\n"
     "that this core does by itself."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef la_buffer_getset[] = {
    {"lock", la_buffer_get_lock, la_buffer_set_lock, "The lock of all operations.", NULL},
    {"origin", la_buffer_get_number, la_buffer_set_number,
     "Address at which the current memory begins.",
     (void *)offsetof(la_buffer_object, origin)},
    {"extent", la_buffer_get_number, la_buffer_set_number,
     "Bytes of the current memory.", (void *)offsetof(la_buffer_object, extent)},
    {"memory", la_buffer_get_memory, la_buffer_set_memory, "The current memory.", NULL},
    {"watched", la_buffer_get_number, la_buffer_set_number,
     "Address of two words: where other processes have the number of the layout, and the number\n"
     "of the one that is shown here, while settle() is to be called where they differ; or 0.",
     (void *)offsetof(la_buffer_object, watched)},
    {"frozen", la_buffer_get_frozen, la_buffer_set_frozen,
     "Whether nothing may be written any more.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef la_buffer_members[] = {
    {"whole", LA_T_BOOL, offsetof(la_buffer_object, whole), 0,
     "Whether each hold is of the whole memory, as its lock is shared."},
    {"growing", LA_T_BOOL, offsetof(la_buffer_object, growing), 0,
     "Whether a general version is about to move the memory, or to change its rows."},
    {"foreign", LA_T_BOOL, offsetof(la_buffer_object, foreign), 0,
     "Whether the memory is the caller's, and never moves."},
    {"objects", LA_T_OBJECT, offsetof(la_buffer_object, objects), 0,
     "The policy for arrays of Python objects."},
    {"name", LA_T_OBJECT, offsetof(la_buffer_object, name), 0, "The name of the array, or None."},
    {"_owner", LA_T_OBJECT, offsetof(la_buffer_object, owner), 0,
     "A weak reference to the array that owns the Buffer, or None where that is to be found."},
    {"operating", LA_T_OBJECT_EX, offsetof(la_buffer_object, operating), 0,
     "The raw views of operations of general versions, weakly, by id."},
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

int
la_buffer_add(PyObject *module)
{
    la_buffer_type = (PyTypeObject *)PyType_FromSpec(&la_buffer_spec);
    if (la_buffer_type == NULL || PyModule_AddFunctions(module, la_region_methods) < 0) {
        return -1;
    }
    return PyModule_AddType(module, la_buffer_type);
}
