/*
 * MemoryBase: what a Memory has in C: the bytes, or who owns them, and its Buffer.
 */
#ifndef LOCKEDARRAY_CORE_ARRAY_MEMORY_H_
#define LOCKEDARRAY_CORE_ARRAY_MEMORY_H_

#include "array/numpy.h"

typedef struct {
    PyObject_HEAD
    /* What keeps the bytes alive; where they are in `data`, NumPy's handler that frees them. */
    PyObject *keeper;
    /*
     * The Buffer whose memory it is, or was: a weak reference; or the Buffer itself, not
     * counted, for as long as this is its memory, until somebody asks. Not without a GIL,
     * where the last reference to a Buffer can go at any moment.
     */
    PyObject *buffer;
    /*
     * Bytes that an array of NumPy's owned, which are freed as it would have; NULL: an array
     * owns them again, as somebody has asked for the owner, or there were none. The last two go
     * with them.
     */
    void *data;
    size_t size;
    PyArray_Descr *descr;
    char aliased;           /* there may be aliases that do not keep this Memory alive */
    char borrows;           /* `buffer` is the Buffer itself */
} la_memory_object;

extern PyTypeObject *la_memory_type;

/* Can a Memory take over the bytes of an exact array that nobody else can reach? */
bool la_memory_takes(PyObject *array);

/*
 * Have a new Memory be that of a Buffer, and take over the bytes of an array or, where it
 * cannot, be kept by it. 0, or -1.
 */
int la_memory_begin(la_memory_object *self, PyObject *buffer, PyObject *array, bool takes);

/* It will not be the Buffer's any more, which lives: 0, or -1 with an error. */
int la_memory_leave(PyObject *memory);

/* Its Buffer is about to be gone. */
void la_memory_forget(PyObject *memory, PyObject *buffer);

int la_memory_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_ARRAY_MEMORY_H_ */
