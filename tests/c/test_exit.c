/*
 * A process that ends in the middle of everything. Windows ends all threads but
 * one, wherever they are, and then tells that one that it ends.
 */
#include "check.h"

static la_lock lock;
static atomic_int at;

/* Ends with the process, inside the lock. */
static void *
stay_inside(void *argument)
{
    la_lock_enter(&lock, la_thread_self());
    atomic_store(&at, 1);
    until_step(&at, 2);         /* never */
    return argument;
}

/* The last test of this program, which then has to come to its end. */
static void
test_a_process_ends_beside_a_thread_that_is_inside_a_lock(void)
{
    la_hold *first = hold_extent(LA_READ, 0, 8), *second = hold_extent(LA_READ, 8, 8);
    la_thread *self = la_thread_self();
    la_lock_init(&lock, 1);
    CHECK(la_acquire(&lock, first, self, LA_NOW, NULL, NULL) == LA_OK);
    CHECK(la_acquire(&lock, second, self, LA_NOW, NULL, NULL) == LA_OK);
    (void)thread_start(stay_inside, NULL);
    until_step(&at, 1);
}

int
main(void)
{
    RUN(test_a_process_ends_beside_a_thread_that_is_inside_a_lock);
    return 0;
}
