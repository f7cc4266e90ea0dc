/*
 * What a fork does to the locks. Hand these to pthread_atfork, once:
 *
 *     pthread_atfork(la_fork_prepare, la_fork_parent, la_fork_child);
 *
 * In the child only the thread that forked is left. It keeps what its owners
 * hold; what other threads held or waited for is gone.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_FORK_H_
#define LOCKEDARRAY_CORE_LOCK_FORK_H_

void la_fork_prepare(void);
void la_fork_parent(void);
void la_fork_child(void);

#endif  /* LOCKEDARRAY_CORE_LOCK_FORK_H_ */
