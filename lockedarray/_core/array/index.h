/*
 * What an index is: whether it makes a view, or a copy, and runs foreign code.
 * lockedarray._array.indexing has the rule in Python; a test holds the two together.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_INDEX_H_
#define LOCKEDARRAY_CORE_ARRAY_INDEX_H_

#include "array/numpy.h"

/*
 * An index with which NumPy makes a view of an array with so many axes. As many
 * integers, of any kind, make no view: they would read an element, without a lock.
 */
bool la_index_makes_view(PyObject *index, int axes);

/*
 * Indices, masks and lists, perhaps beside basic parts, of which NumPy makes a copy without foreign
 * code: the index as it is at one moment, with copies of lists, which another thread may change while
 * this one waits for a lock. A new reference; NULL without an error if it is none.
 */
PyObject *la_index_taken(PyObject *index);

/* The same, and what makes a view of an array with so many axes; of -1, integers for all, too. */
PyObject *la_index_taken_or_basic(PyObject *index, int axes);

int la_index_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_INDEX_H_ */
