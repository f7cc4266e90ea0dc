/*
 * copy.copy, copy.deepcopy and what pickle asks for: NumPy's copy under the read lock, and a new
 * root over it. What others gave an array, attributes or a name, is for the general versions.
 */
#include "array/copies.h"

#include "array/element.h"
#include "array/root.h"

static PyObject *la_rebuilt;        /* what unpickles; NULL: the general versions do all */
static PyObject *la_general_copy, *la_general_deepcopy;
static PyObject *la_general_reduce, *la_general_reduce_ex;

/* -- the elements, as they are at one moment -------------------------------------------- */

/* Of Python objects, which are copied without their code: but it is kept out meanwhile. */
static bool
la_copy_add_objects(la_operation *operation, PyObject *array)
{
    la_buffer_object *buffer = (la_buffer_object *)la_facade_of(array)->buffer;
    la_region_lock *lock = buffer == NULL ? NULL : (la_region_lock *)buffer->lock;

    if (lock == NULL || lock->below != NULL || la_is_frozen(buffer)
            || la_fields(array)->descr->type_num != NPY_OBJECT) {
        return false;
    }
    bool exclusive = PyUnicode_CompareWithASCIIString(buffer->objects, "shared") != 0;
    if (exclusive && !la_facade_of(array)->may_write) {
        return false;
    }
    la_operand *operand
        = la_operation_add_part(operation, array, lock, exclusive ? LA_WRITE : LA_READ);
    la_facade_region(array, buffer, &operand->region);
    return true;
}

/* Has a resize come in between? */
static bool
la_copy_is_current(const la_operation *operation, PyObject *array)
{
    la_region now;

    if (!operation->operands[0].is_part) {
        return true;            /* it was asked already */
    }
    la_facade_region(array, operation->operands[0].buffer, &now);
    return la_region_equal(&now, &operation->operands[0].region);
}

/* A plain array; NULL without an error: the general version. */
static PyObject *
la_copy_elements(PyObject *array, NPY_ORDER order)
{
    la_operation operation = {.count = 0};
    PyObject *copy = NULL;

    if (la_operation_add(&operation, array, LA_READ) < 0
            && !la_copy_add_objects(&operation, array)) {
        return NULL;
    }
    if (la_operation_lock(&operation) != 0) {
        return NULL;
    }
    if (la_copy_is_current(&operation, array)) {
        /* Of objects none is kept: it would keep what a resize removes. */
        PyObject *raw = operation.operands[0].is_part ? la_raw_make(array, LA_READ)
            : la_raw(array, LA_READ);
        copy = raw == NULL ? NULL : PyArray_NewCopy((PyArrayObject *)raw, order);
        Py_XDECREF(raw);
    }
    la_operation_unlock(&operation);
    return copy;
}

/* -- the methods ----------------------------------------------------------------------- */

/* Is there nothing that a copy has besides elements and the policy for objects? 1, 0 or -1. */
static int
la_copy_is_plain(PyObject *array)
{
    if (la_rebuilt == NULL || !la_is_exact(array) || la_facade_of(array)->buffer == NULL
            || PyDataType_ELSIZE(la_fields(array)->descr) == 0) {
        return 0;
    }
    la_buffer_object *buffer = (la_buffer_object *)la_facade_of(array)->buffer;
    if (buffer->objects == NULL || (buffer->name != NULL && buffer->name != Py_None)) {
        return 0;
    }
    PyObject *attributes = PyObject_GenericGetDict(array, NULL);
    if (attributes == NULL) {
        return -1;
    }
    int result = PyDict_GET_SIZE(attributes) == 0;
    Py_DECREF(attributes);
    return result;
}

/* NULL without an error: the general version. */
static PyObject *
la_copy(PyObject *array)
{
    PyObject *copy = la_copy_is_plain(array) == 1 ? la_copy_elements(array, NPY_KEEPORDER) : NULL;
    PyObject *root = NULL;

    if (copy != NULL && la_root_takes(copy)) {
        root = la_root_make(copy, Py_None,
                            ((la_buffer_object *)la_facade_of(array)->buffer)->objects, Py_None);
    }
    Py_XDECREF(copy);
    return root;
}

PyObject *
la_array_copy(PyObject *array, PyObject *Py_UNUSED(unused))
{
    PyObject *result = la_copy(array);

    return result != NULL || PyErr_Occurred() ? result
        : PyObject_CallMethodNoArgs(array, la_general_copy);
}

PyObject *
la_array_deepcopy(PyObject *array, PyObject *memo)
{
    PyObject *result = PyDataType_REFCHK(la_fields(array)->descr) ? NULL : la_copy(array);

    return result != NULL || PyErr_Occurred() ? result
        : PyObject_CallMethodOneArg(array, la_general_deepcopy, memo);
}

/*
 * What pickle keeps, in the order in which the elements lie: contiguous, or on one axis with a
 * step, where protocol 5 has a way of its own.
 */
static PyObject *
la_reduce(PyObject *array, npy_intp protocol)
{
    bool dense = (la_fields(array)->flags
                  & (NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_F_CONTIGUOUS)) != 0;

    if ((!dense && (la_fields(array)->nd != 1 || protocol >= 5)) || la_copy_is_plain(array) != 1) {
        return NULL;
    }
    PyObject *elements = la_copy_elements(array, dense ? NPY_KEEPORDER : NPY_CORDER);
    PyObject *attributes = elements == NULL ? NULL : PyDict_New();
    if (attributes == NULL) {
        Py_XDECREF(elements);
        return NULL;
    }
    return Py_BuildValue("O(ONON)", la_rebuilt, (PyObject *)Py_TYPE(array), elements,
                         ((la_buffer_object *)la_facade_of(array)->buffer)->objects, attributes);
}

PyObject *
la_array_reduce(PyObject *array, PyObject *Py_UNUSED(unused))
{
    PyObject *result = la_reduce(array, 2);

    return result != NULL || PyErr_Occurred() ? result
        : PyObject_CallMethodNoArgs(array, la_general_reduce);
}

PyObject *
la_array_reduce_ex(PyObject *array, PyObject *protocol)
{
    npy_intp number;
    PyObject *result = PyLong_CheckExact(protocol) && la_index_integer(protocol, &number)
        ? la_reduce(array, number) : NULL;

    return result != NULL || PyErr_Occurred() ? result
        : PyObject_CallMethodOneArg(array, la_general_reduce_ex, protocol);
}

/* -- the module ------------------------------------------------------------------------- */

static PyObject *
la_connect_copies(PyObject *Py_UNUSED(module), PyObject *rebuilt)
{
    if (la_rebuilt != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the core is connected already");
        return NULL;
    }
    la_rebuilt = Py_NewRef(rebuilt);
    Py_RETURN_NONE;
}

static PyMethodDef la_copies_functions[] = {
    {"connect_copies", la_connect_copies, METH_O,
     "Tell the core, once, of the function that makes an array of what is in a pickle, and so\n"
     "that it may make copies itself."},
    {NULL, NULL, 0, NULL},
};

int
la_copies_add(PyObject *module)
{
    la_general_copy = PyUnicode_InternFromString("_general_copy");
    la_general_deepcopy = PyUnicode_InternFromString("_general_deepcopy");
    la_general_reduce = PyUnicode_InternFromString("_general_reduce");
    la_general_reduce_ex = PyUnicode_InternFromString("_general_reduce_ex");
    if (la_general_copy == NULL || la_general_deepcopy == NULL || la_general_reduce == NULL
            || la_general_reduce_ex == NULL) {
        return -1;
    }
    return PyModule_AddFunctions(module, la_copies_functions);
}
