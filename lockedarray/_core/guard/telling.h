/*
 * Telling tasks, which do not sleep while they wait, by a call of Python.
 *
 * Whoever releases a lock tells the task whose turn it is, or that waits for a change. It cannot
 * make that call where it is, perhaps without the interpreter and with mutexes held. So it puts
 * the call on a stack, newest first, and wakes the *teller*, a thread that makes these calls and
 * sleeps else. A thread that is about to make them by itself does not wake it.
 */
#ifndef LOCKEDARRAY_CORE_GUARD_TELLING_H_
#define LOCKEDARRAY_CORE_GUARD_TELLING_H_

#include "guard/interpreter.h"

typedef struct {
    la_notice notice;           /* first */
    PyObject *call;             /* a reference */
} la_told;

/* What is told once by notice.tell, and then freed; NULL with an error. */
la_told *la_told_new(PyObject *call);

/* One that was not told. May be NULL. */
void la_told_free(la_told *told);

/* What the calling thread has to tell between these two it tells itself at the second; none raises. */
void la_telling_begin(void);
void la_telling_end(void);

void la_telling_fork_child(void);
int la_telling_add(PyObject *module);

#endif  /* LOCKEDARRAY_CORE_GUARD_TELLING_H_ */
