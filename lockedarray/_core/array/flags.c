/*
 * FlagsBase: the flags that an array had when it was asked for them. What these bits do
 * not tell, and what they are set to, is for the class above, and NumPy's own object.
 */
#include "array/flags.h"

#include "array/facade.h"
#include "array/general.h"

typedef struct {
    PyObject_HEAD
    PyObject *array;
    PyObject *plain;        /* NumPy's */
    int bits;
} la_flags;

static PyTypeObject *la_flags_type;
static PyObject *la_flags_getter;       /* ndarray's */

static PyObject *
la_flags_get_plain(PyObject *object, void *Py_UNUSED(closure))
{
    return Py_NewRef(((la_flags *)object)->plain);
}

static PyObject *
la_flags_get_array(PyObject *object, void *Py_UNUSED(closure))
{
    return Py_NewRef(((la_flags *)object)->array);
}

static PyObject *
la_flags_bit(PyObject *object, void *bit)
{
    return PyBool_FromLong((((la_flags *)object)->bits & (int)(uintptr_t)bit) != 0);
}

static PyObject *
la_flags_of(PyTypeObject *type, PyObject *array)
{
    la_flags *self = (la_flags *)type->tp_alloc(type, 0);

    if (self != NULL) {
        self->bits = la_fields(array)->flags;
        self->array = Py_NewRef(array);
        self->plain = Py_TYPE(la_flags_getter)->tp_descr_get(la_flags_getter, array,
                                                             (PyObject *)Py_TYPE(array));
        if (self->plain == NULL) {
            Py_CLEAR(self);
        }
    }
    return (PyObject *)self;
}

PyObject *
la_flags_make(PyObject *array)
{
    return la_flags_of(la_connected.flags, array);
}

static PyObject *
la_flags_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"array", NULL};
    PyObject *array;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!", names, la_array_type, &array)) {
        return NULL;
    }
    return la_flags_of(type, array);
}

static PyObject *
la_flags_subscript(PyObject *object, PyObject *key)
{
    Py_ssize_t length = PyUnicode_CheckExact(key) ? PyUnicode_GET_LENGTH(key) : 0;

    /* OWNDATA, or O, is not NumPy's. */
    if (length == 0 || PyUnicode_READ_CHAR(key, 0) == 'O') {
        return PyObject_CallMethodOneArg(object, la_names.general_getitem, key);
    }
    PyObject *plain = ((la_flags *)object)->plain;
    return Py_TYPE(plain)->tp_as_mapping->mp_subscript(plain, key);
}

static int
la_flags_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((la_flags *)object)->array);
    Py_VISIT(((la_flags *)object)->plain);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static void
la_flags_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    Py_CLEAR(((la_flags *)object)->array);
    Py_CLEAR(((la_flags *)object)->plain);
    type->tp_free(object);
    Py_DECREF(type);
}

#define LA_BIT(name, bit) {name, la_flags_bit, NULL, NULL, (void *)(uintptr_t)(bit)}
static PyGetSetDef la_flags_getset[] = {
    {"_array", la_flags_get_array, NULL, NULL, NULL},
    {"_flags", la_flags_get_plain, NULL, NULL, NULL},
    LA_BIT("aligned", NPY_ARRAY_ALIGNED),
    LA_BIT("c_contiguous", NPY_ARRAY_C_CONTIGUOUS),
    LA_BIT("contiguous", NPY_ARRAY_C_CONTIGUOUS),
    LA_BIT("f_contiguous", NPY_ARRAY_F_CONTIGUOUS),
    LA_BIT("fortran", NPY_ARRAY_F_CONTIGUOUS),
    LA_BIT("writeable", NPY_ARRAY_WRITEABLE),
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot la_flags_slots[] = {
    {Py_tp_new, la_flags_new},
    {Py_tp_dealloc, la_flags_dealloc},
    {Py_tp_traverse, la_flags_traverse},
    {Py_mp_subscript, la_flags_subscript},
    {Py_tp_getset, la_flags_getset},
    {0, NULL},
};

static PyType_Spec la_flags_spec = {
    .name = "lockedarray._core._native.FlagsBase",
    .basicsize = sizeof(la_flags),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = la_flags_slots,
};

int
la_flags_add(PyObject *module)
{
    la_flags_type = (PyTypeObject *)PyType_FromSpec(&la_flags_spec);
    la_flags_getter = PyDict_GetItemString(PyArray_Type.tp_dict, "flags");
    if (la_flags_type == NULL || la_flags_getter == NULL) {
        return -1;
    }
    return PyModule_AddType(module, la_flags_type);
}
