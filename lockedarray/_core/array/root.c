/*
 * New roots: a LockedArray over memory that nobody else can reach, with its
 * Buffer, Memory and lock, made in one go.
 *
 * None of their __init__ runs. What Buffer and Memory have in Python and need
 * only now and then, to resize for instance, they make themselves when it is
 * asked for (buffer.py, memory.py).
 */
#include "array/root.h"

#include "array/memory.h"

static PyTypeObject *la_buffer_class, *la_memory_class, *la_lock_class;
static PyObject *la_exclusive;

/* A new reference to the lock that is given, or to a new one. */
static PyObject *
la_root_lock(PyObject *given)
{
    if (given != Py_None) {
        if (!PyObject_TypeCheck(given, la_region_lock_type)
                || ((la_region_lock *)given)->lock == NULL) {
            PyErr_SetString(PyExc_TypeError, "the lock of a Buffer is a RegionLock");
            return NULL;
        }
        return Py_NewRef(given);
    }
    PyObject *lock = la_lock_class->tp_alloc(la_lock_class, 0);
    if (lock != NULL && la_region_lock_make((la_region_lock *)lock) < 0) {
        Py_CLEAR(lock);
    }
    return lock;
}

static PyObject *
la_root_memory(PyObject *array, PyObject *buffer, bool takes)
{
    PyObject *memory = la_memory_class->tp_alloc(la_memory_class, 0);

    if (memory != NULL
            && la_memory_begin((la_memory_object *)memory, buffer, array, takes) < 0) {
        Py_CLEAR(memory);
    }
    return memory;
}

static la_buffer_object *
la_root_buffer(PyObject *array, bool takes, PyObject *lock, PyObject *objects, PyObject *name)
{
    la_buffer_object *buffer
        = (la_buffer_object *)la_buffer_class->tp_alloc(la_buffer_class, 0);

    if (buffer == NULL) {
        return NULL;
    }
    buffer->lock = la_root_lock(lock);
    buffer->whole = lock != Py_None;
    buffer->objects = Py_NewRef(objects);
    buffer->name = name == Py_None ? NULL : Py_NewRef(name);
    /* Relaxed, all: nobody else knows it yet. */
    atomic_store_explicit(&buffer->origin, (uintptr_t)la_fields(array)->data,
                          memory_order_relaxed);
    atomic_store_explicit(&buffer->extent,
                          (uintptr_t)PyArray_NBYTES((PyArrayObject *)array),
                          memory_order_relaxed);
    PyObject *memory = buffer->lock == NULL ? NULL
        : la_root_memory(array, (PyObject *)buffer, takes);
    if (memory == NULL) {
        Py_DECREF(buffer);
        return NULL;
    }
    atomic_store_explicit(&buffer->memory, memory, memory_order_relaxed);
    return buffer;
}

/* A read-only array of a type over what another one shows, without a base yet. */
static PyObject *
la_root_view(PyTypeObject *type, PyObject *array)
{
    PyArrayObject_fields *shown = la_fields(array);

    Py_INCREF(shown->descr);
    return PyArray_NewFromDescr(type, shown->descr, shown->nd, shown->dimensions,
                                shown->strides, shown->data,
                                shown->flags & ~(NPY_ARRAY_WRITEABLE | NPY_ARRAY_OWNDATA), NULL);
}

bool
la_root_takes(PyObject *array)
{
    return la_buffer_class != NULL && PyArray_CheckExact(array)
           && PyArray_CHKFLAGS((PyArrayObject *)array, NPY_ARRAY_OWNDATA)
           && PyArray_ITEMSIZE((PyArrayObject *)array) > 0     /* NumPy would make it bigger */
           && (la_fields(array)->flags
               & (NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_F_CONTIGUOUS)) != 0;
}

PyObject *
la_root_make(PyObject *array, PyObject *lock, PyObject *objects, PyObject *name)
{
    bool takes = la_memory_takes(array);
    char may_write = PyArray_ISWRITEABLE((PyArrayObject *)array) != 0;
    la_buffer_object *buffer = la_root_buffer(array, takes, lock, objects, name);
    if (buffer == NULL) {
        return NULL;
    }
    PyObject *memory = atomic_load_explicit(&buffer->memory, memory_order_relaxed);
    /* An array whose bytes were taken over shows them read-only: it is the base itself. */
    PyObject *base = takes ? Py_NewRef(array) : la_root_view(&PyArray_Type, array);
    PyObject *root = NULL;
    if (base != NULL) {
        la_fields(base)->base = Py_NewRef(memory);
        root = la_root_view(la_class, array);
    }
    if (root != NULL) {
        la_facade *facade = la_facade_of(root);
        la_fields(root)->base = base;
        facade->buffer = (PyObject *)buffer;
        facade->may_write = may_write;
        la_buffer_know(buffer, root);
        return root;
    }
    Py_XDECREF(base);
    Py_DECREF(buffer);
    return NULL;
}

bool
la_root_is_fit(PyObject *array)
{
    return la_is_plain_array(array) && la_root_takes(array);
}

PyObject *
la_root_over(PyObject *array)
{
    return la_root_make(array, Py_None, la_exclusive, Py_None);
}

static PyObject *
la_new_root(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 5) {
        PyErr_SetString(PyExc_TypeError, "new_root() takes 5 arguments");
        return NULL;
    }
    PyObject *array = args[1];
    if (args[0] != (PyObject *)la_class || !la_root_is_fit(array)) {
        Py_RETURN_NONE;
    }
    return la_root_make(array, args[2], args[3], args[4]);
}

static PyObject *
la_connect_roots(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyTypeObject *buffer, *memory, *lock;

    if (!PyArg_ParseTuple(args, "O!O!O!", &PyType_Type, &buffer, &PyType_Type, &memory,
                          &PyType_Type, &lock)) {
        return NULL;
    }
    if (!PyType_IsSubtype(buffer, la_buffer_type) || !PyType_IsSubtype(memory, la_memory_type)
            || !PyType_IsSubtype(lock, la_region_lock_type)) {
        PyErr_SetString(PyExc_TypeError, "expected the classes Buffer, Memory and RegionLock");
        return NULL;
    }
    if (la_buffer_class != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the core is connected already");
        return NULL;
    }
    la_memory_class = (PyTypeObject *)Py_NewRef(memory);
    la_lock_class = (PyTypeObject *)Py_NewRef(lock);
    la_buffer_class = (PyTypeObject *)Py_NewRef(buffer);
    Py_RETURN_NONE;
}

static PyMethodDef la_root_functions[] = {
    {"new_root", (PyCFunction)(void (*)(void))la_new_root, METH_FASTCALL,
     "A LockedArray over an array that nobody else can reach, with (class, array, lock or None,\n"
     "objects, name or None); or None, to have it made."},
    {"connect_roots", la_connect_roots, METH_VARARGS,
     "Tell the core, once, of the classes Buffer, Memory and RegionLock."},
    {NULL, NULL, 0, NULL},
};

int
la_root_add(PyObject *module)
{
    la_exclusive = PyUnicode_InternFromString("exclusive");
    if (la_exclusive == NULL) {
        return -1;
    }
    return PyModule_AddFunctions(module, la_root_functions);
}
