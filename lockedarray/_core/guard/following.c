/*
 * Calling what has this process follow.
 */
#include "guard/following.h"

LA_THREAD_LOCAL bool la_between_recovers;
LA_THREAD_LOCAL la_poison la_between_poison;

#if LA_HAS_CONTROL

#include <time.h>

void
la_between_set_follower(la_lock *lock, PyObject *reference)
{
    lock->shared->follower = Py_NewRef(reference);
}

PyObject *
la_between_follower(const la_lock *lock)
{
    return lock->shared == NULL ? NULL : (PyObject *)lock->shared->follower;
}

/* Another thread is about to. */
static void
la_between_pause(void)
{
    Py_BEGIN_ALLOW_THREADS
    struct timespec moment = {0, LA_MILLISECOND / 10};
    (void)nanosleep(&moment, NULL);
    Py_END_ALLOW_THREADS
}

int
la_between_follow(la_lock *lock)
{
    /* First: what has been published by now is there to be found. */
    uint64_t generation = la_shared_generation(lock);
    PyObject *follower = PyObject_CallNoArgs(la_between_follower(lock));
    int followed = follower == NULL ? -1 : 1;

    if (follower != NULL && follower != Py_None) {  /* else what has its lock outlives the array */
        PyObject *result = PyObject_CallNoArgs(follower);
        followed = result == NULL ? -1 : PyObject_IsTrue(result);
        Py_XDECREF(result);
    }
    Py_XDECREF(follower);
    if (followed > 0) {
        la_shared_follow(lock, generation);
    }
    if (followed == 0) {
        la_between_pause();
    }
    return followed < 0 ? -1 : 0;
}

bool
la_between_note_poison(const la_hold *hold, la_thread *thread)
{
    return la_shared_poison(hold, thread, &la_between_poison);
}

#else

PyObject *
la_between_follower(const la_lock *Py_UNUSED(lock))
{
    return NULL;
}

int
la_between_follow(la_lock *Py_UNUSED(lock))
{
    return 0;
}

bool
la_between_note_poison(const la_hold *Py_UNUSED(hold), la_thread *Py_UNUSED(thread))
{
    return true;
}

#endif
