/*
 * Python.h, and what differs between versions of Python behind one set of names.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_PYTHON_H_
#define LOCKEDARRAY_CORE_GUARD_PYTHON_H_

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <structmember.h>

#if PY_VERSION_HEX < 0x030C0000
#define LA_T_OBJECT T_OBJECT
#define LA_T_OBJECT_EX T_OBJECT_EX
#define LA_T_BOOL T_BOOL
#define LA_T_PYSSIZET T_PYSSIZET
#define LA_READONLY READONLY
#else
#define LA_T_OBJECT _Py_T_OBJECT
#define LA_T_OBJECT_EX Py_T_OBJECT_EX
#define LA_T_BOOL Py_T_BOOL
#define LA_T_PYSSIZET Py_T_PYSSIZET
#define LA_READONLY Py_READONLY
#endif

#if PY_VERSION_HEX < 0x030D0000
#define Py_BEGIN_CRITICAL_SECTION(object) { (void)(object);
#define Py_END_CRITICAL_SECTION() }
#define Py_IsFinalizing() _Py_IsFinalizing()
#endif

/* Leaves an error to the general version, which raises it anew; but Ctrl-C and such come only once. */
static inline void
la_forget_error(void)
{
    if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_Exception)) {
        PyErr_Clear();
    }
}

/* Is the caller's reference the only one? */
static inline bool
la_is_unique(PyObject *object)
{
#if PY_VERSION_HEX >= 0x030E0000
    return PyUnstable_Object_IsUniquelyReferenced(object);
#elif defined(Py_GIL_DISABLED)
    uint32_t local = _Py_atomic_load_uint32_relaxed(&object->ob_ref_local);
    /* Acquire: pairs with the last release of others, whose use of it is over. */
    Py_ssize_t shared = _Py_atomic_load_ssize_acquire(&object->ob_ref_shared);
    return local == 1 && shared == 0 && _Py_IsOwnedByCurrentThread(object);
#else
    return Py_REFCNT(object) == 1;
#endif
}

#endif  /* LOCKEDARRAY_CORE_GUARD_PYTHON_H_ */
