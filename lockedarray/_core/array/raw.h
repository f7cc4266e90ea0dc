/*
 * Raw views: exact ndarrays over what a facade shows, writable or not.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_RAW_H_
#define LOCKEDARRAY_CORE_ARRAY_RAW_H_

#include "array/buffer.h"

/*
 * A new reference to a raw view of the facade for one operation. The caller has
 * the facade locked, or the Buffer is frozen.
 */
PyObject *la_raw(PyObject *facade, la_mode mode);

/*
 * A new reference to a read-only raw view for who holds no lock: it shows what the facade
 * showed at one moment, and keeps that memory.
 */
PyObject *la_raw_unlocked(PyObject *facade);

/* A new raw view, which is the caller's alone. */
PyObject *la_raw_make(PyObject *facade, la_mode mode);

/* The same for a guard: a spare one, if there is any. */
PyObject *la_raw_take(PyObject *facade, la_mode mode);

/*
 * Back from a guard that is about to be released, and read-only from now on. Returns
 * what is to be let go for it. Steals.
 */
PyObject *la_raw_keep(PyObject *facade, PyObject *raw);
/* Nothing is written by it any more. */
void la_raw_end(PyObject *raw);
void la_raw_go_on(PyObject *raw);

/* A new reference to a copy of raw[index], in C order, or to the scalar that it is. */
PyObject *la_raw_elements(PyObject *raw, PyObject *index);

/* Forget the raw views of a facade, which shows something else now. */
void la_raws_drop(PyObject *facade);

int la_raw_add(PyObject *module);

/* Has holds end the raw views that they showed. */
void la_raw_connect(void);

#endif  /* LOCKEDARRAY_CORE_ARRAY_RAW_H_ */
