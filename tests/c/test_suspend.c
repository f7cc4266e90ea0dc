/*
 * Suspended holds: what an owner has of a lock is free for others, and is taken again in
 * one step.
 */
#include "actors.h"
#include "lock/suspend.h"

static actor other;
static la_kept room[8];

static la_suspension
suspend(la_lock *lock)
{
    la_suspension suspension = {.lock = lock, .kept = room};
    size_t others, count = la_lock_count_mine(lock, la_thread_self(), &others);
    CHECK(count <= 8 && others == 0);
    CHECK(la_suspend(&suspension, la_thread_self()) && suspension.count == count);
    return suspension;
}

static la_status
acquire_all(la_lock *lock, la_hold *all, la_thread *thread, la_deadlock *deadlock)
{
    return la_acquire(lock, all, thread, LA_NEVER, NULL, deadlock);
}

static la_status
resume(la_suspension *suspension)
{
    la_deadlock deadlock;
    return la_resume(suspension, la_thread_self(), acquire_all, &deadlock);
}

static la_kept
keep(la_lock *lock, la_mode mode, int64_t low, int64_t size)
{
    la_hold *hold = hold_extent(mode, low, size);
    CHECK(acquire(lock, hold) == LA_OK);
    return la_hold_keep(hold);
}

static void
give(la_kept kept)
{
    CHECK(la_kept_is_mine(kept, la_thread_self()));
    la_hold_unkeep(kept.hold);
    release(kept.hold);
    la_hold_free(kept.hold, la_thread_self());
}

static void
test_what_is_suspended_is_free_for_others_and_held_again(void)
{
    la_kept first = keep(&x, LA_WRITE, 0, 8), second = keep(&x, LA_READ, 4, 8);
    la_kept elsewhere = keep(&y, LA_WRITE, 0, 8);
    la_suspension suspension = suspend(&x);
    la_hold *hold = case_hold(LA_WRITE, 0, 100);

    CHECK(la_kept_is_held(first) && !la_kept_is_mine(first, la_thread_self()));
    CHECK(la_kept_is_mine(elsewhere, la_thread_self()));
    actor_acquire(&other, &x, hold);
    actor_release(&other, hold);
    CHECK(resume(&suspension) == LA_OK);
    hold = case_hold(LA_WRITE, 0, 100);
    CHECK(la_kept_is_mine(first, la_thread_self()) && la_kept_is_mine(second, la_thread_self()));
    actor_wait(&other, &x, hold);
    give(elsewhere);
    give(first);
    give(second);
    CHECK(actor_done(&other) == LA_OK);
    actor_release(&other, hold);
}

static void
test_resuming_waits_for_all(void)
{
    la_kept first = keep(&x, LA_READ, 0, 8), second = keep(&x, LA_WRITE, 16, 8);
    la_suspension suspension = suspend(&x);
    la_hold *hold = case_hold(LA_READ, 16, 8);

    actor_acquire(&other, &x, hold);
    other.hold = hold;
    actor_send(&other, RELEASE);
    CHECK(resume(&suspension) == LA_OK);
    (void)actor_done(&other);
    give(second);
    give(first);
}

static void
abandon(la_thread *self, void *kept)
{
    CHECK(la_abandon(*(la_kept *)kept, self));
}

static void
test_what_is_abandoned_meanwhile_is_not_taken_again(void)
{
    la_kept first = keep(&x, LA_WRITE, 0, 8), second = keep(&x, LA_WRITE, 8, 8);
    la_suspension suspension = suspend(&x);

    actor_call(&other, abandon, &first);
    CHECK(!la_kept_is_held(first));
    CHECK(resume(&suspension) == LA_OK);
    give(second);
}

static void
test_a_suspension_can_be_dropped(void)
{
    la_kept kept = keep(&x, LA_WRITE, 0, 8);
    la_suspension suspension = suspend(&x);

    la_suspension_drop(&suspension, la_thread_self());
    CHECK(!la_kept_is_held(kept));
}

/* It would wait for the other one, which waits for this one's hold of y. */
static void
test_resuming_refuses_a_cycle(void)
{
    la_kept kept = keep(&x, LA_WRITE, 0, 8), elsewhere = keep(&y, LA_WRITE, 0, 8);
    la_suspension suspension = suspend(&x);
    la_hold *first = case_hold(LA_WRITE, 0, 8), *second = case_hold(LA_WRITE, 0, 8);

    actor_acquire(&other, &x, first);
    actor_wait(&other, &y, second);
    CHECK(resume(&suspension) == LA_DEADLOCK);
    CHECK(!la_kept_is_held(kept));
    give(elsewhere);
    CHECK(actor_done(&other) == LA_OK);
    actor_release(&other, second);
    actor_release(&other, first);
}

static void
test_holds_of_operations_are_counted_apart(void)
{
    la_hold *hold = case_hold(LA_WRITE, 0, 8);
    size_t others;

    CHECK(acquire(&x, hold) == LA_OK);
    CHECK(la_lock_count_mine(&x, la_thread_self(), &others) == 0 && others == 1);
    CHECK(la_lock_count_mine(&y, la_thread_self(), &others) == 0 && others == 0);
    release(hold);
}

int
main(void)
{
    actor_start(&other);
    CASE(test_what_is_suspended_is_free_for_others_and_held_again);
    CASE(test_resuming_waits_for_all);
    CASE(test_what_is_abandoned_meanwhile_is_not_taken_again);
    CASE(test_a_suspension_can_be_dropped);
    CASE(test_resuming_refuses_a_cycle);
    CASE(test_holds_of_operations_are_counted_apart);
    actor_stop(&other);
    return 0;
}
