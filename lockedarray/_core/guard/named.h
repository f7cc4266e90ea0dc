/*
 * Attributes and methods of Python objects, by names in C that are interned. CPython's cache of
 * types keeps each string that it was asked for, and one that is made anew for each call is another
 * one each time: it would fill that cache, and drive out what others have in there.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_NAMED_H_
#define LOCKEDARRAY_CORE_GUARD_NAMED_H_

#include <stdarg.h>

#include "guard/python.h"

/* As PyObject_GetAttrString. */
static inline PyObject *
la_get_named(PyObject *object, const char *name)
{
    PyObject *interned = PyUnicode_InternFromString(name);
    PyObject *found = interned == NULL ? NULL : PyObject_GetAttr(object, interned);

    Py_XDECREF(interned);
    return found;
}

/* As PyObject_CallMethod; the format is NULL, or of a tuple. */
static inline PyObject *
la_call_named(PyObject *object, const char *name, const char *format, ...)
{
    PyObject *method = la_get_named(object, name), *args = NULL, *result = NULL;
    va_list values;

    if (method != NULL && format != NULL) {
        va_start(values, format);
        args = Py_VaBuildValue(format, values);
        va_end(values);
    }
    if (method != NULL && (format == NULL || args != NULL)) {
        result = PyObject_CallObject(method, args);
    }
    Py_XDECREF(method);
    Py_XDECREF(args);
    return result;
}

#endif
