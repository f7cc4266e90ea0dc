/*
 * Views: what NumPy's C code makes of a facade becomes one itself.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_VIEW_H_
#define LOCKEDARRAY_CORE_ARRAY_VIEW_H_

#include "array/numpy.h"

/* __array_finalize__ */
PyObject *la_array_finalize(PyObject *array, PyObject *source);

/* The read-only array over the Memory that a raw view shows; borrowed. NULL: it shows another. */
PyObject *la_root_behind(PyObject *raw);

/*
 * A facade that shows what `array` shows, a plain array over the memory that `raw`, a raw view of
 * `source`, shows. NULL without an error: that memory is not the current one any more.
 */
PyObject *la_view_of(PyObject *array, PyObject *raw, PyObject *source, bool may_write);

/*
 * A view of a LockedArray, not of a subclass, that shows elements at `data` in its memory, as
 * NumPy's own code would make it. What is given was read from its body in one step. NULL without
 * an error: that is not all of the current memory any more, or another way is to be gone.
 */
PyObject *la_view_new(PyObject *source, PyArray_Descr *descr, int nd, const npy_intp *dimensions,
                      const npy_intp *strides, char *data);

/* x.T, x.view() and x.ravel() of a LockedArray, not of a subclass; NULL without an error as above. */
PyObject *la_view_transposed(PyObject *array);
PyObject *la_view_whole(PyObject *array);
PyObject *la_view_flat(PyObject *array);

/*
 * What ndarray's own code made of the facade itself, without a lock: a view.
 * Anything else would have been read without one; it is thrown away then, and
 * NULL without an error means the general path. Steals `view`.
 */
PyObject *la_checked_view(PyObject *array, PyObject *view);

#endif  /* LOCKEDARRAY_CORE_ARRAY_VIEW_H_ */
