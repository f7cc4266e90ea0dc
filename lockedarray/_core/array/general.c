/*
 * The names of general versions, and what connect() is told.
 */
#include "array/general.h"

la_names_type la_names;
la_connected_type la_connected;

int
la_general_add(PyObject *Py_UNUSED(module))
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
        {&la_names.general_augmented, "_general_augmented"},
        {&la_names.general_augmented_end, "_general_augmented_end"},
        {&la_names.general_compare, "_general_compare"},
        {&la_names.general_operate, "_general_operate"},
        {&la_names.general_array_ufunc, "_general_array_ufunc"},
        {&la_names.general_array_function, "_general_array_function"},
        {&la_names.general_copy, "_general_copy"},
        {&la_names.general_array, "_general_array"},
        {&la_names.flat, "flat"},
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
        {&la_names.settle, "settle"},
        {&la_names.forget_raw_view, "forget_raw_view"},
        {&la_names.elements, "elements"},
        {&la_names.copy, "copy"},
        {&la_names.module, "__module__"},
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
    la_connected.tolist = PyObject_GetAttrString((PyObject *)&PyArray_Type, "tolist");
    la_connected.item = PyObject_GetAttrString((PyObject *)&PyArray_Type, "item");
    la_connected.roles = PyDict_New();
    if (la_connected.tolist == NULL || la_connected.item == NULL || la_connected.roles == NULL) {
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
