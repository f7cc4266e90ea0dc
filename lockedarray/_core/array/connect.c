/*
 * connect(): what is above the core introduces itself, once.
 */
#include "array/connect.h"

#include "array/general.h"
#include "array/numbers.h"
#include "array/policy.h"
#include "array/raw.h"
#include "array/subscript.h"
#include "array/temporary.h"
#include "guard/guard.h"
#include "guard/refusal.h"

/* What guards ask of arrays. */

static la_region_lock *
la_arrays_lock(PyObject *array)
{
    la_buffer_object *buffer = (la_buffer_object *)la_facade_of(array)->buffer;

    if (buffer == NULL || buffer->lock == NULL) {
        PyErr_Format(PyExc_TypeError, "no lock: %R", array);
        return NULL;
    }
    return (la_region_lock *)buffer->lock;
}

static void
la_arrays_region(PyObject *array, la_region *region)
{
    la_facade_region(array, (la_buffer_object *)la_facade_of(array)->buffer, region);
}

static la_region_lock *
la_arrays_want(PyObject *array, la_mode mode, la_hold *hold)
{
    la_region_lock *lock = la_facade_lock(array);
    la_facade *facade = la_facade_of(array);
    la_buffer_object *buffer = (la_buffer_object *)facade->buffer;

    if (lock == NULL || la_is_frozen(buffer) || (mode == LA_WRITE && !facade->may_write)) {
        return NULL;
    }
    la_facade_region(array, buffer, &hold->region);
    hold->mode = la_region_mode(&hold->region, mode);
    hold->subject = buffer;
    return lock;
}

static bool
la_arrays_is_current(PyObject *array, la_mode mode, const la_hold *hold)
{
    la_facade *facade = la_facade_of(array);
    la_buffer_object *buffer = (la_buffer_object *)facade->buffer;
    la_region now;

    la_facade_region(array, buffer, &now);
    return la_region_equal(&now, &hold->region) && !la_is_frozen(buffer)
           && (mode == LA_READ || facade->may_write);
}

static void
la_arrays_connect(void)
{
    la_arrays = (la_arrays_type){
        .is_array = la_is_facade,
        .lock_of = la_arrays_lock,
        .region_of = la_arrays_region,
        .want = la_arrays_want,
        .is_current = la_arrays_is_current,
        .raw_take = la_raw_take,
        .raw_end = la_raw_end,
        .raw_go_on = la_raw_go_on,
        .raw_keep = la_raw_keep,
    };
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
    static char *names[] = {"cls", "at", "at_index", "at_exchanged", "flat", "flags", "guard", "wrapped",
                            "wrapped_of_several", "role", "asks_for_array", "readers", "writers",
                            "joiners", "viewers", "stand_in", "named_out", "copied_dtype",
                            "augmented", "records", "stores", "arenas_deadlock", NULL};
    PyObject *cls, *at, *at_index, *at_exchanged, *flat, *flags, *guard, *wrapped,
             *wrapped_of_several, *role, *asks_for_array, *readers, *writers, *joiners, *viewers,
             *stand_in, *named_out, *copied_dtype, *augmented, *records,
             *stores;
    int arenas_deadlock;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!O!O!O!O!O!OOOOO!O!O!O!O!O!OO!O!O!p", names, &PyType_Type, &cls,
                                     &PyType_Type, &at, &PyType_Type, &at_index,
                                     &PyType_Type, &at_exchanged,
                                     &PyType_Type, &flat, &PyType_Type, &flags,
                                     &PyType_Type, &guard, &wrapped, &wrapped_of_several, &role,
                                     &asks_for_array,
                                     &PyDict_Type, &readers,
                                     &PyDict_Type, &writers, &PyDict_Type, &joiners,
                                     &PyDict_Type, &viewers, &PyType_Type, &stand_in,
                                     &PyTuple_Type, &named_out,
                                     &copied_dtype, &PyType_Type, &augmented,
                                     &PyTuple_Type, &records, &PyFrozenSet_Type, &stores,
                                     &arenas_deadlock)) {
        return NULL;
    }
    if (PyTuple_GET_SIZE(named_out) == 0) {
        PyErr_SetString(PyExc_ValueError, "some ufunc is needed to know their type");
        return NULL;
    }
    if (!PyType_IsSubtype((PyTypeObject *)at_exchanged, &PyTuple_Type)) {
        PyErr_SetString(PyExc_TypeError, "what compare_exchange returns is a tuple");
        return NULL;
    }
    if (la_class != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the core is connected already");
        return NULL;
    }
    if (la_refusal_connect() < 0) {
        return NULL;
    }
    la_connected.wrapped = Py_NewRef(wrapped);
    la_connected.wrapped_of_several = Py_NewRef(wrapped_of_several);
    la_connected.role = Py_NewRef(role);
    la_connected.copied_dtype = Py_NewRef(copied_dtype);
    la_connected.augmented = (PyTypeObject *)Py_NewRef(augmented);
    la_connected.stores = Py_NewRef(stores);
    la_connected.records = Py_NewRef(records);
    la_arenas_deadlock = arenas_deadlock != 0;
    la_connected.asks_for_array = Py_NewRef(asks_for_array);
    la_connected.readers = Py_NewRef(readers);
    la_connected.writers = Py_NewRef(writers);
    la_connected.joiners = Py_NewRef(joiners);
    la_connected.viewers = Py_NewRef(viewers);
    la_connected.stand_in = (PyTypeObject *)Py_NewRef(stand_in);
    la_connected.named_out = Py_NewRef(named_out);
    la_connected.ufunc = Py_TYPE(PyTuple_GET_ITEM(named_out, 0));
    la_connected.at = (PyTypeObject *)Py_NewRef(at);
    la_connected.at_index = (PyTypeObject *)Py_NewRef(at_index);
    la_connected.at_exchanged = (PyTypeObject *)Py_NewRef(at_exchanged);
    la_connected.flat = (PyTypeObject *)Py_NewRef(flat);
    la_connected.flags = (PyTypeObject *)Py_NewRef(flags);
    la_guard_connect((PyTypeObject *)guard);
    la_class = (PyTypeObject *)Py_NewRef(cls);
    la_set_sequence_slots(la_class);
    la_set_number_slots(la_class);
    la_temporary_connect(la_class);
    Py_RETURN_NONE;
}

static PyMethodDef la_connect_functions[] = {
    {"connect", (PyCFunction)(void (*)(void))la_connect, METH_VARARGS | METH_KEYWORDS,
     "Tell the core, once, of the class above it and of the functions it may call itself."},
    {NULL, NULL, 0, NULL},
};

int
la_connect_add(PyObject *module)
{
    la_raw_connect();
    la_arrays_connect();
    return PyModule_AddFunctions(module, la_connect_functions);
}
