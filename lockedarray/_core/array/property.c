/*
 * LockedProperty: a property of LockedArray that C does by itself where it can. It is
 * a property as any other, with the general version's functions; what C does not know,
 * and arrays of subclasses, go to these.
 */
#include "array/property.h"

#include <string.h>

#include "array/buffer.h"
#include "array/flags.h"
#include "array/flat.h"
#include "array/view.h"

/* NULL without an error: the general version. */
typedef PyObject *la_property_get(PyObject *array, const PyGetSetDef *plain);
/* 0, LA_GENERAL or -1. */
typedef int la_property_set(PyObject *array, PyObject *value);

/* Behind the fields of a property. */
typedef struct {
    la_property_get *get;
    la_property_set *set;
    const PyGetSetDef *plain;   /* ndarray's own, or NULL */
} la_property;

static PyTypeObject *la_property_type;
static Py_ssize_t la_property_offset;

static inline la_property *
la_property_of(PyObject *object)
{
    return (la_property *)((char *)object + la_property_offset);
}

/* -- what each does ----------------------------------------------------------------- */

/* What NumPy reads from the fields of the array, and not from its memory. */
static PyObject *
la_property_of_fields(PyObject *array, const PyGetSetDef *plain)
{
    return plain->get(array, plain->closure);
}

/* What NumPy's own getter makes of the array: a view on its Buffer. */
static PyObject *
la_property_view(PyObject *array, const PyGetSetDef *plain)
{
    PyObject *buffer = la_facade_of(array)->buffer;

    if (buffer == NULL) {
        return NULL;
    }
    PyObject *view = la_checked_view(array, plain->get(array, plain->closure));
    if (view != NULL && la_facade_of(view)->buffer != buffer) {
        Py_CLEAR(view);
    }
    return view;
}

static PyObject *
la_property_transposed(PyObject *array, const PyGetSetDef *plain)
{
    PyObject *view = la_view_transposed(array);

    return view != NULL || PyErr_Occurred() ? view : la_property_view(array, plain);
}

static PyObject *
la_property_turned(PyObject *array, const PyGetSetDef *plain)
{
    if (la_fields(array)->nd < 2) {
        return NULL;
    }
    return la_fields(array)->nd == 2 ? la_property_transposed(array, plain)
        : la_property_view(array, plain);
}

/* A dtype of NumPy's own whose elements are no Python objects, and of any length no text. */
static inline bool
la_is_of_numbers(PyObject *array)
{
    int type = la_fields(array)->descr->type_num;
    return PyTypeNum_ISNUMBER(type) || PyTypeNum_ISBOOL(type);
}

static PyObject *
la_property_real(PyObject *array, const PyGetSetDef *plain)
{
    if (!la_is_of_numbers(array)) {
        return NULL;
    }
    return PyTypeNum_ISCOMPLEX(la_fields(array)->descr->type_num)
           ? la_property_view(array, plain) : Py_NewRef(array);
}

static PyObject *
la_property_imag(PyObject *array, const PyGetSetDef *plain)
{
    const PyArrayObject_fields *fields = la_fields(array);

    if (!la_is_of_numbers(array)) {
        return NULL;
    }
    if (PyTypeNum_ISCOMPLEX(fields->descr->type_num)) {
        return la_property_view(array, plain);
    }
    /* As NumPy does it, but for the class. */
    Py_INCREF(fields->descr);
    PyObject *zeros = PyArray_Zeros(fields->nd, fields->dimensions, fields->descr,
                                    PyArray_ISFORTRAN((PyArrayObject *)array));
    if (zeros != NULL) {
        PyArray_CLEARFLAGS((PyArrayObject *)zeros, NPY_ARRAY_WRITEABLE);
    }
    return zeros;
}

static PyObject *
la_property_base(PyObject *array, const PyGetSetDef *Py_UNUSED(plain))
{
    PyObject *owner = la_facade_of(array)->owner;
    return Py_NewRef(owner == NULL ? Py_None : owner);
}

static PyObject *
la_property_flat(PyObject *array, const PyGetSetDef *Py_UNUSED(plain))
{
    return la_flat_make(array);
}

static PyObject *
la_property_flags(PyObject *array, const PyGetSetDef *Py_UNUSED(plain))
{
    return la_flags_make(array);
}

static const struct {
    const char *name;
    la_property_get *get;
    la_property_set *set;
} la_properties[] = {
    {"T", la_property_transposed, NULL},
    {"mT", la_property_turned, NULL},
    {"base", la_property_base, NULL},
    {"dtype", la_property_of_fields, NULL},
    {"flags", la_property_flags, NULL},
    {"flat", la_property_flat, la_flat_fill},
    {"imag", la_property_imag, NULL},
    {"real", la_property_real, NULL},
    {"shape", la_property_of_fields, NULL},
    {"strides", la_property_of_fields, NULL},
};

/* -- the type ----------------------------------------------------------------------- */

static PyObject *
la_property_descr_get(PyObject *object, PyObject *array, PyObject *type)
{
    const la_property *self = la_property_of(object);

    if (array == NULL || array == Py_None) {
        return Py_NewRef(object);
    }
    if (LA_LIKELY(self->get != NULL && la_is_exact(array))) {
        if (la_facade_settle(array) < 0) {
            return NULL;
        }
        PyObject *result = self->get(array, self->plain);
        if (LA_LIKELY(result != NULL) || PyErr_Occurred()) {
            return result;
        }
    }
    return PyProperty_Type.tp_descr_get(object, array, type);
}

static int
la_property_descr_set(PyObject *object, PyObject *array, PyObject *value)
{
    const la_property *self = la_property_of(object);

    if (self->set != NULL && value != NULL && la_is_exact(array)) {
        int result = self->set(array, value);
        if (result != LA_GENERAL) {
            return result;
        }
    }
    return PyProperty_Type.tp_descr_set(object, array, value);
}

/* The text is that of the general version's getter. */
static PyObject *
la_property_get_doc(PyObject *object, void *Py_UNUSED(closure))
{
    PyObject *getter = PyObject_GetAttrString(object, "fget");
    PyObject *doc = getter == NULL ? NULL : PyObject_GetAttrString(getter, "__doc__");

    Py_XDECREF(getter);
    return doc;
}

/* Where its class is a subclass, a property sets this when it is made. */
static int
la_property_set_doc(PyObject *Py_UNUSED(object), PyObject *Py_UNUSED(value),
                    void *Py_UNUSED(closure))
{
    return 0;
}

static PyGetSetDef la_property_getset[] = {
    {"__doc__", la_property_get_doc, la_property_set_doc, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot la_locked_property_slots[] = {
    {Py_tp_descr_get, la_property_descr_get},
    {Py_tp_descr_set, la_property_descr_set},
    {Py_tp_getset, la_property_getset},
    {0, NULL},
};

static PyType_Spec la_property_spec = {
    .name = "lockedarray._core._native.LockedProperty",
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = la_locked_property_slots,
};

/* Has `object` do what C does for the attribute of this name. */
static int
la_property_choose(PyObject *object, const char *name)
{
    la_property *self = la_property_of(object);

    for (size_t i = 0; i < sizeof(la_properties) / sizeof(la_properties[0]); i++) {
        if (strcmp(la_properties[i].name, name) != 0) {
            continue;
        }
        PyObject *plain = PyDict_GetItemString(PyArray_Type.tp_dict, name);
        if (plain != NULL && Py_TYPE(plain) == &PyGetSetDescr_Type) {
            self->plain = ((PyGetSetDescrObject *)plain)->d_getset;
            self->get = la_properties[i].get;
            self->set = la_properties[i].set;
        }
        return 0;
    }
    PyErr_Format(PyExc_ValueError, "no attribute that the core does by itself: %s", name);
    return -1;
}

static PyObject *
la_locked_property(PyObject *Py_UNUSED(module), PyObject *args)
{
    static const char *const parts[3] = {"fget", "fset", "fdel"};
    PyObject *general, *values[3] = {NULL, NULL, NULL}, *made = NULL;
    const char *name;

    if (!PyArg_ParseTuple(args, "sO!", &name, &PyProperty_Type, &general)) {
        return NULL;
    }
    for (int i = 0; i < 3; i++) {
        values[i] = PyObject_GetAttrString(general, parts[i]);
        if (values[i] == NULL) {
            goto end;
        }
    }
    made = PyObject_CallFunctionObjArgs((PyObject *)la_property_type, values[0], values[1],
                                        values[2], NULL);
    if (made != NULL && la_property_choose(made, name) < 0) {
        Py_CLEAR(made);
    }
end:
    for (int i = 0; i < 3; i++) {
        Py_XDECREF(values[i]);
    }
    return made;
}

static PyMethodDef la_property_functions[] = {
    {"locked_property", la_locked_property, METH_VARARGS,
     "Return the property of this name for LockedArray, which C does by itself where it can."},
    {NULL, NULL, 0, NULL},
};

int
la_property_add(PyObject *module)
{
    la_property_offset = PyProperty_Type.tp_basicsize;
    la_property_spec.basicsize = (int)(la_property_offset + (Py_ssize_t)sizeof(la_property));
    la_property_type = (PyTypeObject *)PyType_FromSpecWithBases(&la_property_spec,
                                                                (PyObject *)&PyProperty_Type);
    if (la_property_type == NULL) {
        return -1;
    }
    return PyModule_AddFunctions(module, la_property_functions);
}
