/*
 * What the tests need of POSIX and MinGW does not have. Nothing interrupts a
 * sleep on Windows; the lock wakes every now and then to look for signals, and
 * finds the same as if one had come.
 */
#ifndef LOCKEDARRAY_TESTS_POSIX_H_
#define LOCKEDARRAY_TESTS_POSIX_H_

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(_WIN32)

#define SIGUSR1 0
#define SA_RESTART 0

struct sigaction {
    void (*sa_handler)(int);
    int sa_flags;
};

static inline int
sigaction(int signal, const struct sigaction *action, struct sigaction *old)
{
    (void)signal, (void)action, (void)old;
    return 0;
}

#define pthread_kill(thread, signal) ((void)(thread), (void)(signal))
#define alarm(seconds) ((void)(seconds))

#endif

#endif  /* LOCKEDARRAY_TESTS_POSIX_H_ */
