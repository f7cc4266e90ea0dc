/*
 * Whether what LockedArray(...) is given is a temporary that only its caller's
 * stack refers to. From Python 3.14 on the interpreter can tell, of the frame
 * that calls. Before, the reference count tells, if the instruction that the
 * caller executes is a call of the class: what it calls by which name is found
 * in Python (temporaries.py), once for each instruction, and remembered here.
 *
 * The class gets a vectorcall, which is what the interpreter's own bytecode
 * calls. A call with one argument that is plain is done at once. Of others it
 * remembers what it has found while the call lasts, and goes on as any call of
 * a class does. Subclasses do not inherit it.
 */
#include "array/temporary.h"

#include "array/make.h"
#include "lock/compiler.h"

typedef enum {
    LA_IS_NAMED,            /* by a variable, or who knows by what */
    LA_IS_TEMPORARY,
    LA_IS_UNKNOWN,          /* the general version can tell */
} la_reach;

/* Borrowed from the call that has it as its argument; NULL outside of one. */
static LA_THREAD_LOCAL PyObject *la_temporary;

/* (code, offset) -> what is called there: see temporaries.py. NULL: not to be asked. */
static PyObject *la_called_at;

#if PY_VERSION_HEX >= 0x030E0000

static la_reach
la_reach_of(PyObject *cls, PyObject *array)
{
    (void)cls;
    return PyUnstable_Object_IsUniqueReferencedTemporary(array) ? LA_IS_TEMPORARY : LA_IS_NAMED;
}

#elif defined(Py_GIL_DISABLED)

static la_reach
la_reach_of(PyObject *cls, PyObject *array)
{
    (void)cls;
    return Py_REFCNT(array) == 1 ? LA_IS_UNKNOWN : LA_IS_NAMED;
}

#else

#define LA_CALLS 64

/* Under the GIL: the calls that were looked at last, by code and offset. */
typedef struct {
    PyObject *code, *called;        /* references: a code at the same address is the same */
    int at;
} la_known_call;
static la_known_call la_known_calls[LA_CALLS];

/* A new reference, or NULL, with an error if that is Ctrl-C. */
static PyObject *
la_call_here(PyObject *code, int at)
{
    la_known_call *known = &la_known_calls[(((uintptr_t)code >> 5) + (size_t)at / 2) % LA_CALLS];

    if (known->code != code || known->at != at) {
        PyObject *called = PyObject_CallFunction(la_called_at, "Oi", code, at);
        if (called == NULL) {
            la_forget_error();
            return NULL;
        }
        PyObject *old[] = {known->code, known->called};
        *known = (la_known_call){Py_NewRef(code), Py_NewRef(called), at};
        Py_XDECREF(old[0]);     /* whose end may run anything, and make arrays, too */
        Py_XDECREF(old[1]);
        return called;
    }
    return Py_NewRef(known->called);
}

/* What a dotted name of a global variable means; borrowed, NULL without an error. */
static PyObject *
la_global_meant(PyObject *globals, PyObject *names)
{
    PyObject *value = PyDict_GetItem(globals, PyTuple_GET_ITEM(names, 0));

    for (Py_ssize_t i = 1; value != NULL && i < PyTuple_GET_SIZE(names); i++) {
        value = PyModule_Check(value)
            ? PyDict_GetItem(PyModule_GetDict(value), PyTuple_GET_ITEM(names, i)) : NULL;
    }
    return value;
}

static la_reach
la_reach_of(PyObject *cls, PyObject *array)
{
    if (Py_REFCNT(array) != 1) {
        return LA_IS_NAMED;
    }
    PyFrameObject *frame = la_called_at == NULL ? NULL : PyEval_GetFrame();
    if (frame == NULL) {
        return LA_IS_UNKNOWN;
    }
    la_reach reach = LA_IS_UNKNOWN;
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *called = la_call_here((PyObject *)code, PyFrame_GetLasti(frame));
    if (called == Py_None) {
        reach = LA_IS_NAMED;
    }
    /* (has keywords, is of a global variable, names) */
    else if (called != NULL && PyTuple_GET_ITEM(called, 0) == Py_False
             && PyTuple_GET_ITEM(called, 1) == Py_True) {
        PyObject *globals = PyFrame_GetGlobals(frame);
        reach = la_global_meant(globals, PyTuple_GET_ITEM(called, 2)) == cls
            ? LA_IS_TEMPORARY : LA_IS_NAMED;
        Py_DECREF(globals);
    }
    Py_XDECREF(called);
    Py_DECREF(code);
    return reach;
}

#endif

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
    la_reach reach = LA_IS_NAMED;

    if (nargs > 0 && Py_TYPE(args[0]) == &PyArray_Type) {
        reach = la_reach_of(cls, args[0]);
        if (la_fields(args[0])->weakreflist != NULL) {
            reach = LA_IS_NAMED;
        }
        if (reach == LA_IS_UNKNOWN && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (nargs == 1 && kwnames == NULL && reach != LA_IS_UNKNOWN) {
        PyObject *made = la_make_from(args[0], reach == LA_IS_TEMPORARY);
        if (made != NULL || PyErr_Occurred()) {
            return made;
        }
    }
    la_temporary = reach == LA_IS_TEMPORARY ? args[0] : NULL;
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

static PyObject *
la_connect_calls(PyObject *Py_UNUSED(module), PyObject *called_at)
{
    if (la_called_at == NULL) {
        la_called_at = Py_NewRef(called_at);
    }
    Py_RETURN_NONE;
}

static PyMethodDef la_temporary_functions[] = {
    {"is_temporary", la_is_temporary, METH_O,
     "Whether an array is the argument of a call of LockedArray, and else unreachable."},
    {"connect_calls", la_connect_calls, METH_O,
     "Tell the core how to find what is called at (code, offset)."},
    {NULL, NULL, 0, NULL},
};

int
la_temporary_add(PyObject *module)
{
    return PyModule_AddFunctions(module, la_temporary_functions);
}
