/*
 * What is above the core: the names of general versions, and what connect()
 * is told when the class LockedArray is made.
 *
 * All of it is set while the package is imported, before any LockedArray
 * exists, and never changes: so it is read without a lock.
 */
#include "array/hot.h"

la_names_type la_names;
la_above_type la_above;

static int
la_names_init(void)
{
    static const char *comparisons[6] = {
        [Py_LT] = "__lt__", [Py_LE] = "__le__", [Py_EQ] = "__eq__",
        [Py_NE] = "__ne__", [Py_GT] = "__gt__", [Py_GE] = "__ge__",
    };
    const struct {
        PyObject **slot;
        const char *name;
    } names[] = {
        {&la_names.general_finalize, "_general_finalize"},
        {&la_names.general_getitem, "_general_getitem"},
        {&la_names.general_setitem, "_general_setitem"},
        {&la_names.general_compare, "_general_compare"},
        {&la_names.general_array_ufunc, "_general_array_ufunc"},
        {&la_names.general_array_function, "_general_array_function"},
        {&la_names.register_, "register"},
        {&la_names.call, "__call__"},
        {&la_names.at, "at"},
        {&la_names.reduce, "reduce"},
        {&la_names.accumulate, "accumulate"},
        {&la_names.reduceat, "reduceat"},
        {&la_names.outer, "outer"},
        {&la_names.out, "out"},
        {&la_names.casting, "casting"},
        {&la_names.unsafe, "unsafe"},
        {&la_names.overwrite_input, "overwrite_input"},
        {&la_names.augment, "_augment"},
        {&la_names.general_acquire, "_general_acquire"},
        {&la_names.general_release, "_general_release"},
        {&la_names.give_back, "_give_back"},
        {&la_names.holds, "_holds"},
        {&la_names.raws, "_raws"},
    }, ufuncs[] = {
        {&la_names.at_add, "add"},
        {&la_names.at_subtract, "subtract"},
        {&la_names.at_multiply, "multiply"},
        {&la_names.at_true_divide, "divide"},
        {&la_names.at_floor_divide, "floor_divide"},
        {&la_names.at_remainder, "remainder"},
        {&la_names.at_power, "power"},
        {&la_names.at_and, "bitwise_and"},
        {&la_names.at_or, "bitwise_or"},
        {&la_names.at_xor, "bitwise_xor"},
        {&la_names.at_lshift, "left_shift"},
        {&la_names.at_rshift, "right_shift"},
        {&la_names.at_minimum, "minimum"},
        {&la_names.at_maximum, "maximum"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        *names[i].slot = PyUnicode_InternFromString(names[i].name);
        if (*names[i].slot == NULL) {
            return -1;
        }
    }
    la_names.only_out = PyTuple_Pack(1, la_names.out);
    la_names.out_and_casting = PyTuple_Pack(2, la_names.out, la_names.casting);
    if (la_names.only_out == NULL || la_names.out_and_casting == NULL) {
        return -1;
    }
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (numpy == NULL) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(ufuncs) / sizeof(ufuncs[0]); i++) {
        *ufuncs[i].slot = PyObject_GetAttrString(numpy, ufuncs[i].name);
        if (*ufuncs[i].slot == NULL) {
            Py_DECREF(numpy);
            return -1;
        }
    }
    Py_DECREF(numpy);
    for (int i = 0; i < 6; i++) {
        la_names.comparisons[i] = PyUnicode_InternFromString(comparisons[i]);
        if (la_names.comparisons[i] == NULL) {
            return -1;
        }
    }
    return 0;
}

/*
 * A class made in Python finds __getitem__ by name in these two slots, since
 * that may stand for another one, too. Here it does not.
 */
static void
la_set_sequence_slots(PyTypeObject *cls)
{
    if (cls->tp_as_mapping->mp_subscript == la_subscript) {
        cls->tp_as_sequence->sq_item = la_item;
    }
    if (cls->tp_as_mapping->mp_ass_subscript == la_assign_subscript) {
        cls->tp_as_sequence->sq_ass_item = la_assign_item;
    }
}

static PyObject *
la_connect(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"cls", "at", "at_index", "guard", "wrapped", "readers", "writers",
                            "joiners", "named_out", NULL};
    PyObject *cls, *at, *at_index, *guard, *wrapped, *readers, *writers, *joiners,
             *named_out;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!O!O!OO!O!O!O!", names, &PyType_Type, &cls,
                                     &PyType_Type, &at, &PyType_Type, &at_index,
                                     &PyType_Type, &guard, &wrapped, &PyDict_Type, &readers,
                                     &PyDict_Type, &writers, &PyDict_Type, &joiners, &PyTuple_Type, &named_out)) {
        return NULL;
    }
    if (PyTuple_GET_SIZE(named_out) == 0) {
        PyErr_SetString(PyExc_ValueError, "some ufunc is needed to know their type");
        return NULL;
    }
    if (la_class != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the core is connected already");
        return NULL;
    }
    la_above.wrapped = Py_NewRef(wrapped);
    la_above.readers = Py_NewRef(readers);
    la_above.writers = Py_NewRef(writers);
    la_above.joiners = Py_NewRef(joiners);
    la_above.named_out = Py_NewRef(named_out);
    la_above.ufunc = Py_TYPE(PyTuple_GET_ITEM(named_out, 0));
    la_above.at = (PyTypeObject *)Py_NewRef(at);
    la_above.at_index = (PyTypeObject *)Py_NewRef(at_index);
    la_above.guard = (PyTypeObject *)Py_NewRef(guard);
    la_class = (PyTypeObject *)Py_NewRef(cls);
    la_set_sequence_slots(la_class);
    la_temporary_connect(la_class);
    Py_RETURN_NONE;
}

static PyMethodDef la_above_functions[] = {
    {"connect", (PyCFunction)(void (*)(void))la_connect, METH_VARARGS | METH_KEYWORDS,
     "Tell the core, once, of the class above it and of the functions it may call itself."},
    {NULL, NULL, 0, NULL},
};

int
la_above_add(PyObject *module)
{
    if (la_names_init() < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, la_above_functions);
}
