/*
 * The types of facades, once they are made.
 */
#include "array/facade.h"

PyTypeObject *la_array_type, *la_class;
Py_ssize_t la_facade_offset;
