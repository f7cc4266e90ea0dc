/*
 * The statement x[i] op= v, as the interpreter's frame shows it.
 *
 * CPython compiles it to
 *
 *     x, i    COPY 2, COPY 2, BINARY_SUBSCR    v    BINARY_OP op=, SWAP 3, SWAP 2, STORE_SUBSCR
 *
 * (3.14: BINARY_OP [] in place of BINARY_SUBSCR), and nothing else to two COPY 2 before
 * a subscript. So the four uppermost entries of the frame's stack are x, i, x, i. They
 * are looked for, too: where C code stands between the statement and us (a defaultdict,
 * a weak proxy), the container on the stack is another one, and what is read goes to
 * that C code. Where both are seen, what is read goes onto the stack of the frame, and
 * from there to the operator and to the assignment of this statement, and nowhere else.
 *
 * x[a:b] op= v is, since 3.12, x, a, b, three COPY 3 and BINARY_SLICE, and SWAP 4, SWAP 3,
 * SWAP 2, STORE_SLICE at its end.
 *
 * This is the one place that knows the inside of frames. They are the thread's own, and
 * do not change meanwhile. Of an unknown version of Python no statement is recognised.
 */
#include "guard/statement.h"

#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030F0000 && !defined(Py_STACKREF_DEBUG) \
    && !defined(PYPY_VERSION) && !defined(GRAALVM_PYTHON)
#define LA_KNOWS_FRAMES
#endif

#ifdef LA_KNOWS_FRAMES

#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE
#endif
#undef _PyGC_FINALIZED      /* the one inside has the same name */
#include <opcode.h>
#if PY_VERSION_HEX >= 0x030E0000
#include <internal/pycore_interpframe.h>
#else
#include <internal/pycore_frame.h>
#endif
#if PY_VERSION_HEX < 0x030C0000
#include <internal/pycore_pystate.h>
#endif

#include <string.h>

#include "lock/compiler.h"

typedef struct _PyInterpreterFrame la_frame;

/* Code units behind a subscript, at the last of which 3.11 and 3.12 stand in a call from there. */
#if PY_VERSION_HEX < 0x030C0000
#define LA_CACHES 4
#elif PY_VERSION_HEX < 0x030D0000
#define LA_CACHES 1
#endif

/* What the interpreter itself runs in has no code of Python. */
static inline bool
la_frame_is_python(const la_frame *frame)
{
    return frame->owner <= FRAME_OWNED_BY_FRAME_OBJECT;
}

static inline const la_frame *
la_frame_current(void)
{
#if PY_VERSION_HEX < 0x030C0000
    return _PyThreadState_GET()->cframe->current_frame;
#elif PY_VERSION_HEX < 0x030D0000
    return _PyThreadState_UncheckedGet()->cframe->current_frame;
#else
    return PyThreadState_GetUnchecked()->current_frame;
#endif
}

static inline PyCodeObject *
la_frame_code(const la_frame *frame)
{
#if PY_VERSION_HEX < 0x030D0000
    return frame->f_code;
#else
    return _PyFrame_GetCode((la_frame *)frame);
#endif
}

/* The instruction that it executes; or, in 3.11 and 3.12, the last cache of one that calls. */
static inline const _Py_CODEUNIT *
la_frame_instruction(const la_frame *frame)
{
#if PY_VERSION_HEX < 0x030D0000
    return frame->prev_instr;
#else
    return frame->instr_ptr;
#endif
}

static inline const _Py_CODEUNIT *
la_frame_bytecode(const la_frame *frame)
{
#if PY_VERSION_HEX < 0x030E0000
    return _PyCode_CODE(la_frame_code(frame));
#else
    return _PyFrame_GetBytecode((la_frame *)frame);
#endif
}

/* An opcode and its argument are two bytes, in this order on all machines. */
static const unsigned char la_copies[4] = {COPY, 2, COPY, 2};
static const unsigned char la_swaps[4] = {SWAP, 3, SWAP, 2};
#define LA_MOST_BEFORE 6

#if PY_VERSION_HEX >= 0x030C0000
static const unsigned char la_copies_of_slice[6] = {COPY, 3, COPY, 3, COPY, 3};
#endif

#if PY_VERSION_HEX >= 0x030C0000
/* What stands in place of an instruction that is monitored or traced. */
static bool
la_may_be(const unsigned char *before, const unsigned char *expected, size_t size)
{
    for (size_t i = 0; i < size; i += 2) {
        if (before[i + 1] != expected[i + 1]
                || (before[i] != expected[i] && before[i] != INSTRUMENTED_LINE
                    && before[i] != INSTRUMENTED_INSTRUCTION)) {
            return false;
        }
    }
    return true;
}

/* Looks at the bytecode as it was compiled. */
static LA_COLD bool
la_follows_slow(const la_frame *frame, const _Py_CODEUNIT *instruction,
                const unsigned char *expected, size_t size)
{
    Py_ssize_t at = (instruction - la_frame_bytecode(frame)) * (Py_ssize_t)sizeof(_Py_CODEUNIT);
    bool follows = false;

    PyObject *bytes = PyCode_GetCode(la_frame_code(frame));
    if (bytes == NULL) {
        PyErr_Clear();
        return false;
    }
    if (at >= (Py_ssize_t)size && at < PyBytes_GET_SIZE(bytes)) {
        follows = memcmp(PyBytes_AS_STRING(bytes) + at - size, expected, size) == 0;
    }
    Py_DECREF(bytes);
    return follows;
}
#endif

/* Do the instructions before it have these bytes? */
static inline bool
la_follows(const la_frame *frame, const _Py_CODEUNIT *instruction,
           const unsigned char *expected, size_t size)
{
    unsigned char before[LA_MOST_BEFORE];

    memcpy(before, (const char *)instruction - size, size);
    if (memcmp(before, expected, size) == 0) {
        return true;
    }
#if PY_VERSION_HEX >= 0x030C0000
    return la_may_be(before, expected, size) && la_follows_slow(frame, instruction, expected, size);
#else
    (void)frame;
    return false;
#endif
}

static inline bool
la_follows_copies(const la_frame *frame, const _Py_CODEUNIT *instruction)
{
    return la_follows(frame, instruction, la_copies, sizeof(la_copies));
}

#if PY_VERSION_HEX >= 0x030E0000

/* Without the bits that say who counts the reference. */
static inline bool
la_stack_entry_is(_PyStackRef entry, PyObject *object)
{
    return (entry.bits & ~(uintptr_t)3) == (uintptr_t)object;
}

/* Are these the uppermost entries, twice where the frame's instruction still has its own? */
static bool
la_stack_has(const la_frame *frame, PyObject *container, PyObject *index, bool calls)
{
    const _PyStackRef *base = frame->localsplus + la_frame_code(frame)->co_nlocalsplus;
    const _PyStackRef *top = frame->stackpointer;

    if (top == NULL || top - base < 2 || !la_stack_entry_is(top[-2], container)
            || !la_stack_entry_is(top[-1], index)) {
        return false;
    }
    /* A call by the instruction has taken the other two with it. */
    return calls || (top - base >= 4 && la_stack_entry_is(top[-4], container)
                     && la_stack_entry_is(top[-3], index));
}

/* The same for container[start:stop]; the instruction has made the slice of its own two. */
static bool
la_stack_has_slice(const la_frame *frame, PyObject *container, const PySliceObject *slice)
{
    const _PyStackRef *base = frame->localsplus + la_frame_code(frame)->co_nlocalsplus;
    const _PyStackRef *top = frame->stackpointer;

    return top != NULL && top - base >= 4 && la_stack_entry_is(top[-1], container)
           && la_stack_entry_is(top[-2], slice->stop) && la_stack_entry_is(top[-3], slice->start)
           && la_stack_entry_is(top[-4], container);
}

#else

/* Is this an iterator of a loop, or what else has no elements and so is not indexed? */
static inline bool
la_is_not_indexed(PyObject *object)
{
    const PyMappingMethods *slots = Py_TYPE(object)->tp_as_mapping;
    return slots == NULL || slots->mp_subscript == NULL;
}

static bool
la_stack_has(const la_frame *frame, PyObject *container, PyObject *index, bool calls)
{
    const PyCodeObject *code = la_frame_code(frame);
    PyObject *const *base = frame->localsplus + code->co_nlocalsplus;
    PyObject *const *end = base + code->co_stacksize;

    if (calls && frame->stacktop >= 0) {    /* the instruction's own call, with its two entries */
        PyObject *const *top = frame->localsplus + frame->stacktop;
        return top - base >= 2 && top[-2] == container && top[-1] == index;
    }
    /*
     * Nobody knows here where the stack ends. But at its end are four entries like
     * this, and below there are none, but what a loop or a handler has left there (two
     * iterators in turns; an exception that was raised again), which nobody indexes: so
     * they are the first others. Above may be more, of the past.
     */
    for (PyObject *const *entry = base; end - entry >= 4; entry++) {
        if (entry[0] == entry[2] && entry[1] == entry[3] && entry[0] != NULL) {
            if (entry[0] == container && entry[1] == index) {
                return true;
            }
            if (entry[0] != entry[1] && !la_is_not_indexed(entry[0])) {
                return false;
            }
        }
    }
    return false;
}

#if PY_VERSION_HEX >= 0x030C0000
/* The same for container[start:stop]: there are six, of which the last are in the slice now. */
static bool
la_stack_has_slice(const la_frame *frame, PyObject *container, const PySliceObject *slice)
{
    const PyCodeObject *code = la_frame_code(frame);
    PyObject *const *base = frame->localsplus + code->co_nlocalsplus;
    PyObject *const *end = base + code->co_stacksize;

    for (PyObject *const *entry = base; end - entry >= 6; entry++) {
        if (entry[0] == entry[3] && entry[1] == entry[4] && entry[2] == entry[5]
                && entry[0] != NULL) {
            if (entry[0] == container) {
                return entry[1] == slice->start && entry[2] == slice->stop;
            }
            if (!la_is_not_indexed(entry[0])) {
                return false;
            }
        }
    }
    return false;
}
#endif

#endif

static inline bool
la_slice_augments(const la_frame *frame, const _Py_CODEUNIT *instruction, PyObject *container,
                  PyObject *index)
{
#if PY_VERSION_HEX >= 0x030C0000
    return Py_TYPE(index) == &PySlice_Type
           && la_follows(frame, instruction, la_copies_of_slice, sizeof(la_copies_of_slice))
           && la_stack_has_slice(frame, container, (const PySliceObject *)index);
#else
    (void)frame, (void)instruction, (void)container, (void)index;
    return false;
#endif
}

bool
la_statement_augments(PyObject *container, PyObject *index)
{
    const la_frame *frame = la_frame_current();

    if (frame == NULL || !la_frame_is_python(frame)) {
        return false;
    }
    const _Py_CODEUNIT *instruction = la_frame_instruction(frame);
    return la_follows_copies(frame, instruction)
           ? la_stack_has(frame, container, index, false)
           : la_slice_augments(frame, instruction, container, index);
}

bool
la_statement_ends(void)
{
    const la_frame *frame = la_frame_current();

    return frame != NULL && la_frame_is_python(frame)
           && la_follows(frame, la_frame_instruction(frame), la_swaps, sizeof(la_swaps));
}

/* The same, asked by a method in Python that the statement calls for the value. */
static bool
la_caller_augments(PyObject *container, PyObject *index)
{
    const la_frame *frame = la_frame_current();

    do {
        frame = frame == NULL ? NULL : frame->previous;
    } while (frame != NULL && !la_frame_is_python(frame));
    if (frame == NULL) {
        return false;
    }
    const _Py_CODEUNIT *instruction = la_frame_instruction(frame);
#ifdef LA_CACHES
    if (instruction - la_frame_bytecode(frame) >= LA_CACHES + 2
            && la_follows_copies(frame, instruction - LA_CACHES)
            && la_stack_has(frame, container, index, true)) {
        return true;
    }
#endif
    if (instruction - la_frame_bytecode(frame) < 2) {
        return false;
    }
    return (la_follows_copies(frame, instruction) && la_stack_has(frame, container, index, true))
           || la_slice_augments(frame, instruction, container, index);
}

#else

bool
la_statement_augments(PyObject *Py_UNUSED(container), PyObject *Py_UNUSED(index))
{
    return false;
}

bool
la_statement_ends(void)
{
    return false;
}

static bool
la_caller_augments(PyObject *Py_UNUSED(container), PyObject *Py_UNUSED(index))
{
    return false;
}

#endif

static PyObject *
la_augments(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_SetString(PyExc_TypeError, "augments() takes the container and the index");
        return NULL;
    }
    return PyBool_FromLong(la_caller_augments(args[0], args[1]));
}

static PyMethodDef la_statement_functions[] = {
    {"augments", (PyCFunction)(void (*)(void))la_augments, METH_FASTCALL,
     "Whether the calling method was called by container[index] op= v, for the value."},
    {NULL, NULL, 0, NULL},
};

int
la_statement_add(PyObject *module)
{
    return PyModule_AddFunctions(module, la_statement_functions);
}
