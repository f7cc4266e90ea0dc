/*
 * Whether what LockedArray(...) is given is a temporary that only its caller's
 * stack refers to. From Python 3.14 on the interpreter can tell, of the frame
 * that calls; before, no C is needed (temporaries.py).
 *
 * The class gets a vectorcall, which is what the interpreter's own bytecode
 * calls. It looks, remembers what it has found while the call lasts, and goes
 * on as any call of a class does. Subclasses do not inherit it.
 */
#include "array/temporary.h"

#include "lock/compiler.h"

#if PY_VERSION_HEX >= 0x030E0000

/* Borrowed from the call that has it as its argument; NULL outside of one. */
static LA_THREAD_LOCAL PyObject *la_temporary;

static PyObject *
la_class_call(PyObject *cls, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t count = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    PyObject *result = NULL, *named = NULL;
    PyObject *given = PyTuple_New(nargs);

    if (given == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        PyTuple_SET_ITEM(given, i, Py_NewRef(args[i]));
    }
    if (count > 0) {
        named = PyDict_New();
        if (named == NULL) {
            goto end;
        }
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (PyDict_SetItem(named, PyTuple_GET_ITEM(kwnames, i), args[nargs + i]) < 0) {
            goto end;
        }
    }
    result = PyType_Type.tp_call(cls, given, named);
end:
    Py_DECREF(given);
    Py_XDECREF(named);
    return result;
}

static PyObject *
la_class_vectorcall(PyObject *cls, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    PyObject *outer = la_temporary;

    la_temporary = nargs > 0 && Py_TYPE(args[0]) == &PyArray_Type
                   && PyUnstable_Object_IsUniqueReferencedTemporary(args[0]) ? args[0] : NULL;
    PyObject *result = la_class_call(cls, args, nargs, kwnames);
    la_temporary = outer;
    return result;
}

void
la_temporary_connect(PyTypeObject *cls)
{
    cls->tp_vectorcall = la_class_vectorcall;
}

static PyObject *
la_is_temporary(PyObject *Py_UNUSED(module), PyObject *object)
{
    return PyBool_FromLong(object == la_temporary);
}

#else

void
la_temporary_connect(PyTypeObject *Py_UNUSED(cls))
{
}

static PyObject *
la_is_temporary(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(object))
{
    Py_RETURN_FALSE;
}

#endif

static PyMethodDef la_temporary_functions[] = {
    {"is_temporary", la_is_temporary, METH_O,
     "Whether an array is the argument of a call of LockedArray, and else unreachable."},
    {NULL, NULL, 0, NULL},
};

int
la_temporary_add(PyObject *module)
{
    return PyModule_AddFunctions(module, la_temporary_functions);
}
