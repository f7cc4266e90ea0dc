/*
 * Raw views, and where a facade keeps them.
 */
#include "array/raw.h"

#include "array/general.h"

/* -- of operations --------------------------------------------------------------- */

LA_COLD PyObject *
la_raw_make(PyObject *facade, la_mode mode)
{
    PyArrayObject_fields *shown = la_fields(facade);

    Py_INCREF(shown->descr);
    PyObject *raw = PyArray_NewFromDescr(
        &PyArray_Type, shown->descr, shown->nd, shown->dimensions, shown->strides,
        shown->data, shown->flags & ~NPY_ARRAY_WRITEABLE, NULL);
    if (raw == NULL) {
        return NULL;
    }
    /* Not by PyArray_SetBaseObject, which would look further down. */
    la_fields(raw)->base = Py_XNewRef(shown->base);
    if (mode == LA_WRITE) {
        la_fields(raw)->flags |= NPY_ARRAY_WRITEABLE;
    }
    return raw;
}

PyObject *
la_raw(PyObject *facade, la_mode mode)
{
    la_facade *fields = la_facade_of(facade);
    _Atomic(PyObject *) *slot = mode == LA_WRITE ? &fields->raw_write : &fields->raw_read;

    /* Acquire: pairs with the release below; the array is complete. */
    PyObject *known = atomic_load_explicit(slot, memory_order_acquire);
    if (LA_LIKELY(known != NULL)) {
        return Py_NewRef(known);    /* dropped only under a lock that excludes ours */
    }
    PyObject *raw = la_raw_make(facade, mode);
    if (raw == NULL) {
        return NULL;
    }
    Py_INCREF(raw);                 /* the slot's */
    if (!atomic_compare_exchange_strong_explicit(slot, &known, raw, memory_order_release,
                                                 memory_order_relaxed)) {
        Py_DECREF(raw);             /* another reader was faster */
    }
    return raw;
}

#ifdef Py_GIL_DISABLED
PyObject *
la_raw_unlocked(PyObject *facade)
{
    npy_intp dimensions[NPY_MAXDIMS], strides[NPY_MAXDIMS];
    PyArrayObject_fields *shown = la_fields(facade);

    /* All in one step: the world is not stopped, and the body changed, in between. */
    int nd = shown->nd, flags = shown->flags & ~NPY_ARRAY_WRITEABLE;
    char *data = shown->data;
    for (int i = 0; i < nd; i++) {
        dimensions[i] = shown->dimensions[i];
        strides[i] = shown->strides[i];
    }
    PyArray_Descr *descr = (PyArray_Descr *)Py_NewRef(shown->descr);
    PyObject *base = Py_XNewRef(shown->base);
    PyObject *raw = PyArray_NewFromDescr(&PyArray_Type, descr, nd, dimensions, strides, data, flags,
                                         NULL);
    if (raw == NULL) {
        Py_XDECREF(base);
        return NULL;
    }
    la_fields(raw)->base = base;
    return raw;
}
#else
PyObject *
la_raw_unlocked(PyObject *facade)
{
    return la_raw(facade, LA_READ);     /* under the GIL nobody drops it between two of its lines */
}
#endif

/* The usual slot is empty already, and an exchange is not cheap. */
static inline void
la_raw_drop(_Atomic(PyObject *) *slot)
{
    if (atomic_load_explicit(slot, memory_order_relaxed) != NULL) {
        /* Acquire: whoever frees an array has to see it complete. */
        Py_XDECREF(atomic_exchange_explicit(slot, NULL, memory_order_acquire));
    }
}

void
la_raws_drop(PyObject *facade)
{
    la_raw_drop(&la_facade_of(facade)->raw_read);
    la_raw_drop(&la_facade_of(facade)->raw_write);
    la_facade_rare *rare = la_facade_rare_of(la_facade_of(facade));
    for (int i = 0; rare != NULL && i < LA_SPARES; i++) {
        la_raw_drop(&rare->spares[i]);
    }
}

/* -- of guards ------------------------------------------------------------------- */

/*
 * A raw view that a guard gave out is used again, once nobody else refers to
 * it: its facade keeps the last two. Two, as `with x.write() as r` in a loop
 * has the last one still in `r` when it acquires again.
 */

/* The facade is locked: but readers may be here side by side, without a GIL. */
static inline PyObject *
la_spare_exchange(_Atomic(PyObject *) *slot, PyObject *object)
{
#ifdef Py_GIL_DISABLED
    /* Acquire and release: the array that is handed over is seen as it is. */
    return atomic_exchange_explicit(slot, object, memory_order_acq_rel);
#else
    PyObject *old = atomic_load_explicit(slot, memory_order_relaxed);
    atomic_store_explicit(slot, object, memory_order_relaxed);
    return old;
#endif
}

/* Has whoever had it left it as it was? Arrays can be given another shape, or state. */
static bool
la_spare_shows(PyObject *raw, const PyArrayObject_fields *shown)
{
    const PyArrayObject_fields *array = la_fields(raw);

    if (array->data != shown->data || array->nd != shown->nd || array->descr != shown->descr
            || array->base != shown->base || array->weakreflist != NULL
            || ((array->flags ^ shown->flags) & ~NPY_ARRAY_WRITEABLE) != 0) {
        return false;
    }
    for (int i = 0; i < array->nd; i++) {
        if (array->dimensions[i] != shown->dimensions[i]
                || array->strides[i] != shown->strides[i]) {
            return false;
        }
    }
    return true;
}

PyObject *
la_raw_take(PyObject *facade, la_mode mode)
{
    la_facade_rare *rare = la_facade_rare_of(la_facade_of(facade));

    for (int i = LA_SPARES - 1; rare != NULL && i >= 0; i--) {      /* the oldest first */
        /* Relaxed: a hint; the exchange hands it over. */
        if (atomic_load_explicit(&rare->spares[i], memory_order_relaxed) == NULL) {
            continue;
        }
        PyObject *raw = la_spare_exchange(&rare->spares[i], NULL);
        if (raw == NULL) {
            continue;
        }
        if (la_is_unique(raw) && la_spare_shows(raw, la_fields(facade))) {
            if (mode == LA_WRITE) {
                la_fields(raw)->flags |= NPY_ARRAY_WRITEABLE;
            }
            return raw;
        }
        Py_XDECREF(la_spare_exchange(&rare->spares[i], raw));
    }
    return la_raw_make(facade, mode);
}

void
la_raw_end(PyObject *raw)
{
    la_fields(raw)->flags &= ~NPY_ARRAY_WRITEABLE;
}

void
la_raw_go_on(PyObject *raw)
{
    la_fields(raw)->flags |= NPY_ARRAY_WRITEABLE;
}

/* Tells a Buffer of a raw view that a guard has given back, and that somebody has still. */
static LA_COLD void
la_raw_tell(PyObject *facade, PyObject *raw)
{
    PyObject *type, *value, *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    PyObject *told = PyObject_CallMethodOneArg(la_facade_of(facade)->buffer,
                                               la_names.forget_raw_view, raw);
    if (told == NULL) {
        PyErr_Clear();          /* out of memory: it is in the way of a close() */
    }
    Py_XDECREF(told);
    PyErr_Restore(type, value, traceback);
}

/* Only what others may close needs to know. */
static inline bool
la_raw_is_to_be_told(PyObject *facade, PyObject *raw)
{
    const la_buffer_object *buffer = (const la_buffer_object *)la_facade_of(facade)->buffer;

    return atomic_load_explicit(&buffer->watched, memory_order_relaxed) != 0 && !la_is_unique(raw);
}

PyObject *
la_raw_keep(PyObject *facade, PyObject *raw)
{
    la_raw_end(raw);
    if (la_fields(raw)->weakreflist != NULL) {
        if (la_raw_is_to_be_told(facade, raw)) {
            la_raw_tell(facade, raw);
        }
        return raw;             /* somebody would see it used again */
    }
    la_facade_rare *rare = la_facade_rare_of(la_facade_of(facade));
    if (!LA_LIKELY(rare != NULL)) {
        rare = la_facade_make_rare(la_facade_of(facade));
    }
    for (int i = 0; rare != NULL && i < LA_SPARES && raw != NULL; i++) {
        raw = la_spare_exchange(&rare->spares[i], raw);
    }
    if (raw != NULL && la_raw_is_to_be_told(facade, raw)) {
        la_raw_tell(facade, raw);
    }
    return raw;
}

static PyObject *
la_raw_given_back(PyObject *Py_UNUSED(module), PyObject *facade)
{
    PyObject *list = PyList_New(0);
    la_facade_rare *rare = la_is_facade(facade) ? la_facade_rare_of(la_facade_of(facade)) : NULL;

    for (int i = 0; list != NULL && rare != NULL && i < LA_SPARES; i++) {
        PyObject *raw = la_spare_exchange(&rare->spares[i], NULL);
        if (raw != NULL && PyList_Append(list, raw) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(raw);
    }
    return list;
}

static PyMethodDef la_raw_functions[] = {
    {"given_back", la_raw_given_back, METH_O,
     "The raw views that guards of an array have given back, and that are kept to be used again;\n"
     "no more from now on. Of others that somebody has, Buffer.forget_raw_view is told."},
    {NULL, NULL, 0, NULL},
};

int
la_raw_add(PyObject *module)
{
    return PyModule_AddFunctions(module, la_raw_functions);
}

static void
la_raw_hold_ends(la_hold *hold)
{
    for (; hold != NULL; hold = hold->also) {
        if (hold->shown != NULL) {
            la_raw_end(hold->shown);
            hold->shown = NULL;
        }
    }
}

void
la_raw_connect(void)
{
    la_on_hold_end = la_raw_hold_ends;
}

PyObject *
la_raw_elements(PyObject *raw, PyObject *index)
{
    PyObject *found = PyArray_Type.tp_as_mapping->mp_subscript(raw, index);

    /* What is new is a copy already. */
    if (found == NULL || !PyArray_CheckExact(found)
            || (PyArray_BASE((PyArrayObject *)found) == NULL
                && PyArray_IS_C_CONTIGUOUS((PyArrayObject *)found))) {
        return found;
    }
    PyObject *copy = PyArray_NewCopy((PyArrayObject *)found, NPY_CORDER);
    Py_DECREF(found);
    return copy;
}
