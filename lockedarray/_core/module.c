/*
 * The module lockedarray._core._native: the C lock and array type for Python.
 */
#define LA_IMPORTS_ARRAY
#include "array/array_type.h"
#include "array/at.h"
#include "array/augmented.h"
#include "array/body.h"
#include "array/buffer.h"
#include "array/connect.h"
#include "array/copies.h"
#include "array/flags.h"
#include "array/flat.h"
#include "array/general.h"
#include "array/index.h"
#include "array/make.h"
#include "array/memory.h"
#include "array/method.h"
#include "array/property.h"
#include "array/raw.h"
#include "array/root.h"
#include "array/run.h"
#include "array/step.h"
#include "array/temporary.h"
#include "array/watch.h"
#include "guard/between.h"
#include "guard/changes.h"
#include "guard/guard.h"
#include "guard/holds.h"
#include "guard/lockable.h"
#include "guard/observer.h"
#include "guard/owner_object.h"
#include "guard/place.h"
#include "guard/telling.h"
#include "guard/reentrant.h"
#include "guard/statement.h"
#include "guard/task.h"
#include "lock/fork.h"

#ifndef _WIN32
#include <pthread.h>
#endif

#ifndef _WIN32
static void
la_after_fork_in_child(void)
{
    la_fork_child();
    la_interpreter_fork_child();
    la_telling_fork_child();
}
#endif

/* How the core was built, for reports of faults. */
static const char la_build[] =
#if defined(__clang__)
    "clang " __clang_version__
#elif defined(__GNUC__)
    "gcc " __VERSION__
#elif defined(_MSC_VER)
    "Visual Studio"
#else
    "another compiler"
#endif
#ifdef LA_DEBUG
    ", with checks of its invariants"
#endif
#ifdef __SANITIZE_ADDRESS__
    ", AddressSanitizer"
#endif
#ifdef __SANITIZE_THREAD__
    ", ThreadSanitizer"
#endif
    ;

static int
la_module_exec(PyObject *module)
{
    static bool loaded = false;

    /* The types are one for the process: a second set would not know the first. */
    if (loaded) {
        PyErr_SetString(PyExc_ImportError,
                        "lockedarray's native core is loaded once per process: not again, "
                        "and not in a subinterpreter");
        return -1;
    }
    if (PyArray_ImportNumPyAPI() < 0) {
        return -1;
    }
    loaded = true;
    /* The floors from below, as each needs the types of those before it. */
    int (*const adders[])(PyObject *) = {
        la_interpreter_add, la_statement_add, la_region_lock_add, la_between_add, la_lockable_add,
        la_reentrant_add, la_changes_add, la_holds_add, la_guard_add,
        la_owner_object_add, la_task_add, la_telling_add, la_place_add, la_general_add, la_step_add, la_buffer_add, la_memory_add, la_augmented_add,
        la_array_type_add,
        la_flat_add, la_flags_add, la_property_add, la_run_add,
        la_body_add, la_raw_add, la_index_add, la_at_types_add, la_method_add, la_temporary_add, la_connect_add,
        la_root_add, la_copies_add, la_make_add, la_watch_add, la_observer_add,
    };
    for (size_t i = 0; i < sizeof(adders) / sizeof(adders[0]); i++) {
        if (adders[i](module) < 0) {
            return -1;
        }
    }
    if (PyModule_AddStringConstant(module, "build", la_build) < 0) {
        return -1;
    }
#ifndef _WIN32
    if (pthread_atfork(la_fork_prepare, la_fork_parent, la_after_fork_in_child)) {
        PyErr_NoMemory();
        return -1;
    }
#endif
    return 0;
}

static PyModuleDef_Slot la_module_slots[] = {
    {Py_mod_exec, la_module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef la_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_native",
    .m_doc = "The native core: RegionLock, Holds, and the array type.",
    .m_size = 0,
    .m_slots = la_module_slots,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&la_module);
}
