/*
 * What an index is, as far as the types of its parts tell.
 */
#include "array/index.h"

/* One part of an index with which NumPy makes a view. */
static bool
la_index_part_is_basic(PyObject *part)
{
    PyTypeObject *type = Py_TYPE(part);
    return type == &PySlice_Type || type == &PyLong_Type || part == Py_None
           || part == Py_Ellipsis
           || (PyArray_IsScalar(part, Integer)
               && !PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE));
}

/* A list of names of fields, of which NumPy makes a view. */
static bool
la_index_is_names(PyObject *index)
{
#ifdef Py_GIL_DISABLED
    (void)index;
    return false;       /* another thread may change it meanwhile */
#else
    if (!PyList_CheckExact(index) || PyList_GET_SIZE(index) == 0) {
        return false;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(index); i++) {
        if (!PyUnicode_CheckExact(PyList_GET_ITEM(index, i))) {
            return false;
        }
    }
    return true;
#endif
}

static bool
la_index_part_is_integer(PyObject *part)
{
    return part != Py_None && part != Py_Ellipsis && Py_TYPE(part) != &PySlice_Type;
}

bool
la_index_makes_view(PyObject *index, int axes)
{
    Py_ssize_t integers = 0;

    if (!PyTuple_CheckExact(index)) {
        return PyUnicode_CheckExact(index) || la_index_is_names(index)
               || (la_index_part_is_basic(index)
                   && !(axes == 1 && la_index_part_is_integer(index)));
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(index); i++) {
        PyObject *part = PyTuple_GET_ITEM(index, i);
        if (!la_index_part_is_basic(part)) {
            return false;
        }
        integers += la_index_part_is_integer(part);
    }
    return integers != axes || PyTuple_GET_SIZE(index) > axes;
}

/*
 * An array of indices or a mask, or a list of integers, which is this thread's own: making it one runs
 * no foreign code.
 */
static bool
la_index_part_is_advanced(PyObject *part)
{
    if (Py_TYPE(part) == &PyArray_Type) {
        int type = la_fields(part)->descr->type_num;
        return type == NPY_BOOL || PyTypeNum_ISINTEGER(type);
    }
    if (!PyList_CheckExact(part)) {
        return false;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(part); i++) {
        if (!PyLong_Check(PyList_GET_ITEM(part, i))) {
            return false;
        }
    }
    return true;
}

static bool
la_index_is_advanced(PyObject *index)
{
    bool found = false;

    if (!PyTuple_CheckExact(index)) {
        return la_index_part_is_advanced(index);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(index); i++) {
        PyObject *part = PyTuple_GET_ITEM(index, i);
        bool advanced = la_index_part_is_advanced(part);
        if (!advanced && !la_index_part_is_basic(part)) {
            return false;
        }
        found |= advanced;
    }
    return found;
}

static bool
la_index_has_list(PyObject *tuple)
{
    bool found = false;

    for (Py_ssize_t i = 0; !found && i < PyTuple_GET_SIZE(tuple); i++) {
        found = PyList_CheckExact(PyTuple_GET_ITEM(tuple, i));
    }
    return found;
}

/* The index with copies of the lists in it: a new reference, or NULL. */
static PyObject *
la_index_copied(PyObject *index)
{
    if (PyList_CheckExact(index)) {
        return PyList_GetSlice(index, 0, PY_SSIZE_T_MAX);
    }
    if (!PyTuple_CheckExact(index) || !la_index_has_list(index)) {
        return Py_NewRef(index);
    }
    PyObject *copied = PyTuple_New(PyTuple_GET_SIZE(index));
    for (Py_ssize_t i = 0; copied != NULL && i < PyTuple_GET_SIZE(index); i++) {
        PyObject *part = PyTuple_GET_ITEM(index, i);
        part = PyList_CheckExact(part) ? PyList_GetSlice(part, 0, PY_SSIZE_T_MAX) : Py_NewRef(part);
        if (part == NULL) {
            Py_CLEAR(copied);
        }
        else {
            PyTuple_SET_ITEM(copied, i, part);
        }
    }
    return copied;
}

PyObject *
la_index_taken(PyObject *index)
{
    PyObject *taken = la_index_copied(index);

    if (taken != NULL && !la_index_is_advanced(taken)) {
        Py_CLEAR(taken);
    }
    return taken;
}

PyObject *
la_index_taken_or_basic(PyObject *index, int axes)
{
    PyObject *taken = la_index_copied(index);   /* first: names of fields are in a list, too */

    if (taken != NULL && !la_index_makes_view(taken, axes) && !la_index_is_advanced(taken)) {
        Py_CLEAR(taken);
    }
    return taken;
}

/* For tests, which compare it with the rule in Python, and with NumPy. */
static PyObject *
la_index_makes_view_function(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *index;
    int axes;

    if (!PyArg_ParseTuple(args, "Oi", &index, &axes)) {
        return NULL;
    }
    return PyBool_FromLong(la_index_makes_view(index, axes));
}

static PyMethodDef la_index_functions[] = {
    {"index_makes_view", la_index_makes_view_function, METH_VARARGS,
     "Whether the core makes a view for this index of an array with so many axes."},
    {NULL, NULL, 0, NULL},
};

int
la_index_add(PyObject *module)
{
    return PyModule_AddFunctions(module, la_index_functions);
}
