/*
 * Attaching views: what NumPy's C code makes of a facade becomes one itself.
 *
 * NumPy creates the array, sets its base to the facade that it is a view of,
 * and calls __array_finalize__. The common case is done here; an array of any
 * other origin is for the general version.
 *
 * No lock is held, so a resize may move the memory at any moment. The facade's
 * body changes with the world stopped (under the GIL, where there is one), and
 * nothing between reading the base and reading the Memory behind it lets that
 * happen. NumPy read the address earlier: if it does not lie in the memory
 * that the facade shows now, the view is for the general version. Then the
 * view is made known to its Buffer first and the Buffer's Memory looked at
 * again, while a resize sets the Memory first and collects the known arrays
 * then: so one of the two sees the other.
 */
#include "array/view.h"

#include "array/buffer.h"
#include "array/general.h"

/*
 * Makes a new facade, whose base is taken over, known to the Buffer of the one that it is a view
 * of. 0, or -1.
 */
static int
la_view_join(PyObject *view, PyObject *source, PyObject *base, bool may_write)
{
    la_facade *facade = la_facade_of(view), *shown = la_facade_of(source);
    la_buffer_object *buffer = (la_buffer_object *)shown->buffer;
    PyObject *memory = la_fields(base)->base;

    facade->buffer = Py_NewRef((PyObject *)buffer);
    facade->owner = Py_NewRef(shown->owner != NULL ? shown->owner : source);
    facade->may_write = may_write;
    la_fields(view)->base = Py_NewRef(base);
    la_buffer_know(buffer, view);
    if (atomic_load_explicit(&buffer->memory, memory_order_acquire) != memory) {
        PyObject *result = PyObject_CallMethodOneArg((PyObject *)buffer,
                                                     la_names.register_, view);
        Py_XDECREF(result);
        return result == NULL ? -1 : 0;
    }
    return 0;
}

/* Do elements at this address lie in the current memory, which is the one at their base? */
static bool
la_view_lies_in(const char *data, bool empty, la_buffer_object *buffer, PyObject *memory)
{
    /* Relaxed: compared, not followed; see the top of this file. */
    if (atomic_load_explicit(&buffer->memory, memory_order_relaxed) != memory) {
        return false;
    }
    uintptr_t offset = (uintptr_t)data
                       - atomic_load_explicit(&buffer->origin, memory_order_relaxed);
    uintptr_t extent = atomic_load_explicit(&buffer->extent, memory_order_relaxed);
    return offset < extent || (offset == extent && empty);
}

static bool
la_view_is_current(PyObject *array, la_buffer_object *buffer, PyObject *memory)
{
    return la_view_lies_in(la_fields(array)->data, PyArray_SIZE((PyArrayObject *)array) == 0,
                           buffer, memory);
}

/*
 * Attaches a view of the facade `source`: 0, LA_GENERAL where that is not
 * what `array` is, or -1.
 */
static int
la_attach_view(PyObject *array, PyObject *source)
{
    PyArrayObject_fields *fields = la_fields(array);
    la_facade *facade = la_facade_of(array);

    if (fields->base == NULL) {         /* it is filled yet, or root.c attaches it */
        return 0;
    }
    if (!la_is_facade(source) || fields->base != source || facade->buffer != NULL
            || (fields->flags & (NPY_ARRAY_OWNDATA | NPY_ARRAY_WRITEABLE))) {
        return LA_GENERAL;
    }
    la_facade *shown = la_facade_of(source);
    la_buffer_object *buffer = (la_buffer_object *)shown->buffer;
    PyObject *base = la_fields(source)->base;
    if (buffer == NULL || base == NULL || Py_TYPE(base) != &PyArray_Type
            || (la_fields(base)->flags & NPY_ARRAY_WRITEABLE)) {
        return LA_GENERAL;
    }
    PyObject *memory = la_fields(base)->base;
    if (memory == NULL || !la_view_is_current(array, buffer, memory)) {
        return LA_GENERAL;
    }
    int result = la_view_join(array, source, base, shown->may_write);
    Py_DECREF(source);                  /* what the base was until now */
    return result;
}

PyObject *
la_array_finalize(PyObject *array, PyObject *source)
{
    int result = la_attach_view(array, source);

    if (result < 0) {
        return NULL;
    }
    if (result == LA_GENERAL) {
        return PyObject_CallMethodOneArg(array, la_names.general_finalize, source);
    }
    Py_RETURN_NONE;
}

/*
 * A LockedArray that shows nothing yet, with room for so many axes: as PyArray_NewFromDescr makes
 * one, without the call of __array_finalize__. NumPy frees shape and strides, by PyDimMem_FREE.
 */
static PyObject *
la_view_shell(int nd)
{
    npy_intp *shape = nd == 0 ? NULL : PyDimMem_NEW(2 * (size_t)nd);

    if (nd > 0 && shape == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *view = la_class->tp_alloc(la_class, 0);
    if (view == NULL) {
        PyDimMem_FREE(shape);
        return NULL;
    }
    la_fields(view)->nd = nd;
    la_fields(view)->dimensions = shape;
    la_fields(view)->strides = nd == 0 ? NULL : shape + nd;
    return view;
}

static void
la_view_fill(PyObject *view, PyArray_Descr *descr, int nd, const npy_intp *dimensions,
             const npy_intp *strides, char *data)
{
    PyArrayObject_fields *fields = la_fields(view);

    fields->descr = (PyArray_Descr *)Py_NewRef(descr);
    fields->data = data;
    for (int i = 0; i < nd; i++) {
        fields->dimensions[i] = dimensions[i];
        fields->strides[i] = strides[i];
    }
    PyArray_UpdateFlags((PyArrayObject *)view,
                        NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_F_CONTIGUOUS | NPY_ARRAY_ALIGNED);
}

PyObject *
la_root_behind(PyObject *raw)
{
    PyObject *root = la_fields(raw)->base;

    /* A view that the general version made has one array more in between. */
    while (root != NULL && PyArray_CheckExact(root) && la_fields(root)->base != NULL
           && PyArray_CheckExact(la_fields(root)->base)) {
        root = la_fields(root)->base;
    }
    return root == NULL || !PyArray_CheckExact(root) ? NULL : root;
}

PyObject *
la_view_of(PyObject *array, PyObject *raw, PyObject *source, bool may_write)
{
    PyArrayObject_fields *shown = la_fields(array);
    la_buffer_object *buffer = (la_buffer_object *)la_facade_of(source)->buffer;
    PyObject *base = la_root_behind(raw);

    if (buffer == NULL || base == NULL
            || (la_fields(base)->flags & NPY_ARRAY_WRITEABLE)
            || PyDataType_ELSIZE(shown->descr) == 0     /* NumPy would make it bigger */
            || la_fields(base)->base
               != atomic_load_explicit(&buffer->memory, memory_order_relaxed)) {
        return NULL;
    }
    PyObject *view = la_view_shell(shown->nd);
    if (view != NULL) {
        la_view_fill(view, shown->descr, shown->nd, shown->dimensions, shown->strides, shown->data);
        if (la_view_join(view, source, base, may_write) < 0) {
            Py_CLEAR(view);
        }
    }
    return view;
}

PyObject *
la_view_new(PyObject *source, PyArray_Descr *descr, int nd, const npy_intp *dimensions,
            const npy_intp *strides, char *data)
{
    la_facade *shown = la_facade_of(source);
    la_buffer_object *buffer = (la_buffer_object *)shown->buffer;
    PyObject *base = la_fields(source)->base;
    bool empty = false;

    if (buffer == NULL || base == NULL || Py_TYPE(base) != &PyArray_Type
            || (la_fields(base)->flags & NPY_ARRAY_WRITEABLE) || la_fields(base)->base == NULL
            || PyDataType_ELSIZE(descr) == 0) {
        return NULL;
    }
    for (int i = 0; i < nd; i++) {
        empty |= dimensions[i] == 0;
    }
    if (!la_view_lies_in(data, empty, buffer, la_fields(base)->base)) {
        return NULL;
    }
    Py_INCREF(base);                    /* to make the shell may collect garbage */
    Py_INCREF(descr);
    PyObject *view = la_view_shell(nd);
    if (view != NULL) {
        la_view_fill(view, descr, nd, dimensions, strides, data);
        if (la_view_join(view, source, base, shown->may_write) < 0) {
            Py_CLEAR(view);
        }
    }
    Py_DECREF(descr);
    Py_DECREF(base);
    return view;
}

PyObject *
la_view_transposed(PyObject *array)
{
    npy_intp dimensions[NPY_MAXDIMS], strides[NPY_MAXDIMS];
    PyArrayObject_fields *shown = la_fields(array);
    int nd = shown->nd;

    for (int i = 0; i < nd; i++) {
        dimensions[i] = shown->dimensions[nd - 1 - i];
        strides[i] = shown->strides[nd - 1 - i];
    }
    return la_view_new(array, shown->descr, nd, dimensions, strides, shown->data);
}

PyObject *
la_view_whole(PyObject *array)
{
    npy_intp dimensions[NPY_MAXDIMS], strides[NPY_MAXDIMS];
    PyArrayObject_fields *shown = la_fields(array);

    for (int i = 0; i < shown->nd; i++) {
        dimensions[i] = shown->dimensions[i];
        strides[i] = shown->strides[i];
    }
    return la_view_new(array, shown->descr, shown->nd, dimensions, strides, shown->data);
}

PyObject *
la_view_flat(PyObject *array)
{
    PyArrayObject_fields *shown = la_fields(array);

    if (!(shown->flags & NPY_ARRAY_C_CONTIGUOUS)) {
        return NULL;
    }
    npy_intp size = PyArray_SIZE((PyArrayObject *)array), stride = PyDataType_ELSIZE(shown->descr);
    return la_view_new(array, shown->descr, 1, &size, &stride, shown->data);
}

PyObject *
la_checked_view(PyObject *array, PyObject *view)
{
    if (view == NULL) {
        return NULL;
    }
    if (!la_is_facade(view) || la_fields(view)->base == NULL) {
        Py_DECREF(view);
        return NULL;
    }
    if (la_facade_of(view)->buffer == NULL) {   /* a subclass that forgot super() */
        PyObject *done = la_array_finalize(view, array);
        Py_XDECREF(done);
        if (done == NULL) {
            Py_CLEAR(view);
        }
    }
    return view;
}
