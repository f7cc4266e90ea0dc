/*
 * Waiting for a change: who is told, by what, and how such a wait ends.
 */
#include "actors.h"
#include "lock/change.h"
#include "lock/fork.h"

#if !defined(_WIN32)
#include <sys/wait.h>
#endif

static actor writer;

static int
count_changes(la_lock *lock)
{
    la_wakes wakes = {0};
    la_thread *self = la_thread_self();
    la_lock_enter(lock, self);
    int count = (int)la_lock_rare_of(lock)->changes.count;
    la_lock_leave(lock, self, &wakes);
    return count;
}

/* Watches the bytes of a lock as somebody who has looked at them. */
static la_hold *
watch_extent(la_lock *lock, int64_t low, int64_t size, la_hold *others)
{
    la_thread *self = la_thread_self();
    la_hold *hold = hold_extent(LA_READ, low, size);
    CHECK(acquire(lock, hold) == LA_OK);
    la_hold *watch = la_change_watch(lock, hold, self, others, NULL, NULL, NULL);
    CHECK(watch != NULL);
    la_give_back(hold, self);
    la_hold_free(hold, self);
    return watch;
}

static la_status
wait_until(la_hold *watch, int64_t deadline, const la_wait_hooks *hooks)
{
    return la_change_wait(watch, la_thread_self(), deadline, hooks);
}

static void
end(la_hold *watch)
{
    la_change_end(watch, la_thread_self(), NULL);
}

/* The writer takes it and gives it back. */
static void
visit(la_lock *lock, la_mode mode, int64_t low, int64_t size)
{
    la_hold *hold = case_hold(mode, low, size);
    actor_acquire(&writer, lock, hold);
    actor_release(&writer, hold);
}

static void
test_a_write_that_overlaps_is_told_and_no_other(void)
{
    la_hold *watch = watch_extent(&x, 0, 8, NULL);
    visit(&x, LA_WRITE, 8, 8);
    visit(&x, LA_READ, 0, 8);
    visit(&y, LA_WRITE, 0, 8);
    CHECK(!la_change_is_seen(watch) && wait_until(watch, LA_NOW, NULL) == LA_TIMEOUT);
    visit(&x, LA_WRITE, 4, 8);
    CHECK(la_change_is_seen(watch) && wait_until(watch, LA_NOW, NULL) == LA_OK);
    end(watch);
}

static void
test_a_write_of_the_same_owner_is_told(void)
{
    la_hold *watch = watch_extent(&x, 0, 8, NULL), *hold = case_hold(LA_WRITE, 0, 8);
    CHECK(acquire(&x, hold) == LA_OK);
    CHECK(!la_change_is_seen(watch));
    release(hold);
    CHECK(la_change_is_seen(watch));
    end(watch);
}

static void
test_what_is_given_back_is_no_change(void)
{
    la_hold *watch = watch_extent(&x, 0, 8, NULL), *hold = case_hold(LA_WRITE, 0, 8);
    CHECK(acquire(&x, hold) == LA_OK);
    la_give_back(hold, la_thread_self());
    CHECK(!la_change_is_seen(watch));
    end(watch);
}

static void
test_what_is_abandoned_unwritten_is_no_change(void)
{
    la_hold *watch = watch_extent(&x, 0, 8, NULL), *hold = hold_extent(LA_WRITE, 0, 8);
    CHECK(acquire(&x, hold) == LA_OK);
    CHECK(la_abandon_unwritten(la_hold_keep(hold), la_thread_self()));
    hold = hold_extent(LA_WRITE, 0, 8);
    actor_acquire(&writer, &x, hold);
    CHECK(la_abandon_unwritten(la_hold_keep(hold), la_thread_self()));
    CHECK(!la_change_is_seen(watch));
    end(watch);
    visit(&y, LA_READ, 0, 8);           /* gives the record back */
}

static void
test_one_of_several_locks_is_enough(void)
{
    la_hold *watch = watch_extent(&y, 0, 8, watch_extent(&x, 0, 8, NULL));
    CHECK(!la_change_is_seen(watch));
    visit(&x, LA_WRITE, 0, 1);
    CHECK(la_change_is_seen(watch));
    end(watch);
}

static void
test_each_part_of_a_chain_is_watched(void)
{
    la_thread *self = la_thread_self();
    la_hold *hold = hold_extent(LA_READ, 0, 8);
    la_hold *part = hold_extent(LA_WRITE, 32, 8);
    part->lock = NULL;      /* only the first one has it */
    la_hold_chain(hold, part);
    CHECK(acquire(&x, hold) == LA_OK);
    la_hold *watch = la_change_watch(&x, hold, self, NULL, NULL, NULL, NULL);
    la_give_back(hold, self);
    la_hold_free(hold, self);
    visit(&x, LA_WRITE, 16, 8);
    CHECK(!la_change_is_seen(watch));
    visit(&x, LA_WRITE, 39, 8);
    CHECK(la_change_is_seen(watch));
    end(watch);
}

/* Once nobody watches, a lock is taken and given back in one step again. */
static void
test_a_lock_that_nobody_watches_pays_nothing(void)
{
    la_hold *hold = case_hold(LA_WRITE, 0, 8);
    la_hold *watch = watch_extent(&x, 0, 8, NULL);
    CHECK(atomic_load(&x.state) == LA_LISTED);
    end(watch);
    CHECK(atomic_load(&x.state) == LA_FREE);
    CHECK(acquire(&x, hold) == LA_OK);
    CHECK(atomic_load(&x.state) == ((uintptr_t)hold | LA_INLINE));
    release(hold);
}

static void
test_the_bias_of_a_lock_ends_for_a_watch(void)
{
    until_biased(&x);
    la_hold *watch = watch_extent(&x, 0, 8, NULL);
    CHECK(!is_biased(&x));
    visit(&x, LA_WRITE, 0, 8);
    CHECK(la_change_is_seen(watch));
    end(watch);
}

/* -- sleeping ---------------------------------------------------------------------- */

static void
test_a_sleeper_is_woken(void)
{
    for (int i = 0; i < 200; i++) {
        la_hold *hold = hold_extent(LA_WRITE, 0, 8);
        la_hold *watch = watch_extent(&x, 0, 8, NULL);
        actor_begin(&writer, &x, hold);
        CHECK(actor_done(&writer) == LA_OK);
        writer.hold = hold;
        actor_send(&writer, RELEASE);
        CHECK(wait_until(watch, LA_NEVER, NULL) == LA_OK);
        end(watch);
        (void)actor_done(&writer);
        la_hold_free(hold, la_thread_self());
    }
}

static void
test_a_deadline_ends_the_wait(void)
{
    la_hold *watch = watch_extent(&x, 0, 8, NULL);
    CHECK(wait_until(watch, la_now() + LA_MILLISECOND, NULL) == LA_TIMEOUT);
    CHECK(wait_until(watch, la_now() - LA_MILLISECOND, NULL) == LA_TIMEOUT);
    end(watch);
}

static pthread_t sleeper;
static atomic_bool has_looked;

static int
look(void *context)
{
    atomic_store(&has_looked, true);
    return *(int *)context;
}

/* Signals the sleeper until it has looked. */
static void
call_sleeper(la_thread *self, void *context)
{
    (void)self, (void)context;
    while (!atomic_load(&has_looked)) {
        pthread_kill(sleeper, SIGUSR1);
        sched_yield();
    }
}

static void
test_a_signal_can_end_the_wait(void)
{
    int raises = 1;
    la_wait_hooks hooks = {.check_interrupt = look, .context = &raises};
    la_hold *watch = watch_extent(&x, 0, 8, NULL);
    sleeper = pthread_self();
    atomic_store(&has_looked, false);
    writer.call = call_sleeper;
    actor_send(&writer, CALL);
    CHECK(wait_until(watch, LA_NEVER, &hooks) == LA_INTERRUPTED);
    (void)actor_done(&writer);
    end(watch);
}

/* -- notify ------------------------------------------------------------------------- */

static atomic_int notified;

/* No mutex is held: it may use the lock, too. */
static void
note(la_hold *watch)
{
    CHECK(watch->subject == &notified && count_changes(&x) == 1);
    atomic_fetch_add(&notified, 1);
}

static la_hold *
watch_notified(void)
{
    la_thread *self = la_thread_self();
    la_hold *hold = case_hold(LA_READ, 0, 8);
    atomic_store(&notified, 0);
    CHECK(acquire(&x, hold) == LA_OK);
    la_hold *watch = la_change_watch(&x, hold, self, NULL, note, &notified, NULL);
    la_give_back(hold, self);
    return watch;
}

static void
test_notify_is_called_once(void)
{
    la_hold *watch = watch_notified();
    visit(&x, LA_WRITE, 0, 8);
    visit(&x, LA_WRITE, 0, 8);
    CHECK(atomic_load(&notified) == 1 && la_change_is_seen(watch));
    end(watch);
    visit(&x, LA_WRITE, 0, 8);
    CHECK(atomic_load(&notified) == 1);
}

static void
test_notify_finds_no_mutex_held_when_a_hold_is_abandoned(void)
{
    la_hold *watch = watch_notified(), *hold = hold_extent(LA_WRITE, 0, 8);
    actor_acquire(&writer, &x, hold);
    CHECK(la_abandon(la_hold_keep(hold), la_thread_self()));
    CHECK(atomic_load(&notified) == 1);
    end(watch);
    visit(&y, LA_READ, 0, 8);           /* gives the record back */
}

static void *
hold_and_end(void *hold)
{
    CHECK(acquire(&x, hold) == LA_OK);
    return NULL;
}

static void
test_the_end_of_a_thread_that_wrote_is_told(void)
{
    la_hold *watch = watch_notified(), *hold = hold_extent(LA_WRITE, 0, 8);
    thread_join(thread_start(hold_and_end, hold));
    CHECK(atomic_load(&notified) == 1);
    end(watch);
}

/* -- owners, forks ------------------------------------------------------------------ */

static void
test_other_holds_of_the_owner_are_found(void)
{
    la_thread *self = la_thread_self();
    la_hold *first = case_hold(LA_READ, 0, 8), *second = case_hold(LA_READ, 8, 8);
    CHECK(acquire(&x, first) == LA_OK);
    CHECK(!la_lock_is_mine_beside(&x, first, self) && la_lock_is_mine_beside(&x, NULL, self));
    CHECK(!la_lock_is_mine_beside(&y, NULL, self));
    CHECK(acquire(&x, second) == LA_OK);
    CHECK(la_lock_is_mine_beside(&x, first, self));
    release(second);
    release(first);
}

#if !defined(_WIN32)

static la_hold *others_watch;

static void
watch_beside(la_thread *self, void *context)
{
    (void)self, (void)context;
    others_watch = watch_extent(&x, 0, 8, watch_extent(&y, 0, 8, NULL));
}

static void
end_beside(la_thread *self, void *context)
{
    (void)context;
    la_change_end(others_watch, self, NULL);
}

/* In the child nobody waits but the thread that forked, in a signal handler perhaps. */
static void
test_a_fork_leaves_the_watches_of_its_own_thread(void)
{
    la_hold *hold = case_hold(LA_WRITE, 0, 8), *watch = watch_extent(&x, 0, 8, NULL);
    actor_call(&writer, watch_beside, NULL);
    CHECK(count_changes(&x) == 2 && count_changes(&y) == 1);
    la_fork_prepare();
    pid_t child = fork();
    if (child == 0) {
        la_fork_child();
        CHECK(count_changes(&x) == 1 && count_changes(&y) == 0);
        CHECK(atomic_load(&y.state) == LA_FREE);
        CHECK(acquire(&x, hold) == LA_OK);
        release(hold);
        CHECK(la_change_is_seen(watch));
        end(watch);
        CHECK(atomic_load(&x.state) == LA_FREE);
        _exit(0);
    }
    la_fork_parent();
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(!la_change_is_seen(watch));
    actor_call(&writer, end_beside, NULL);
    end(watch);
}

#endif

/* -- many --------------------------------------------------------------------------- */

static void
test_of_many_watches_those_that_overlap_are_told(void)
{
    static la_hold *watches[300];
    for (int i = 0; i < 300; i++) {
        watches[i] = watch_extent(&x, 8 * i, 8, NULL);
    }
    visit(&x, LA_WRITE, 8 * 70, 16);
    for (int i = 0; i < 300; i++) {
        CHECK(la_change_is_seen(watches[i]) == (i == 70 || i == 71));
        end(watches[i]);
    }
}

#define ROUNDS 2000
static int64_t value;       /* under x, by its first bytes */

/* Adds one whenever it finds the parity that is its own: the other one then waits. */
static void *
play(void *parity)
{
    la_thread *self = la_thread_self();
    la_hold *hold = hold_extent(LA_WRITE, 0, 8);
    for (int i = 0; i < ROUNDS; ) {
        CHECK(acquire(&x, hold) == LA_OK);
        if (value % 2 == *(int *)parity) {
            value++;
            i++;
            release(hold);
            continue;
        }
        la_hold *watch = la_change_watch(&x, hold, self, NULL, NULL, NULL, NULL);
        la_give_back(hold, self);
        CHECK(wait_until(watch, LA_NEVER, NULL) == LA_OK);
        end(watch);
    }
    la_hold_free(hold, self);
    return NULL;
}

static void
test_two_threads_take_turns(void)
{
    int even = 0, odd = 1;
    value = 0;
    pthread_t other = thread_start(play, &odd);
    play(&even);
    thread_join(other);
    CHECK(value == 2 * ROUNDS);
}

int
main(void)
{
    ignore_signals();
    actor_start(&writer);
    CASE(test_a_write_that_overlaps_is_told_and_no_other);
    CASE(test_a_write_of_the_same_owner_is_told);
    CASE(test_what_is_given_back_is_no_change);
    CASE(test_what_is_abandoned_unwritten_is_no_change);
    CASE(test_one_of_several_locks_is_enough);
    CASE(test_each_part_of_a_chain_is_watched);
    CASE(test_a_lock_that_nobody_watches_pays_nothing);
    CASE(test_the_bias_of_a_lock_ends_for_a_watch);
    CASE(test_a_sleeper_is_woken);
    CASE(test_a_deadline_ends_the_wait);
    CASE(test_a_signal_can_end_the_wait);
    CASE(test_notify_is_called_once);
    CASE(test_notify_finds_no_mutex_held_when_a_hold_is_abandoned);
    CASE(test_the_end_of_a_thread_that_wrote_is_told);
    CASE(test_other_holds_of_the_owner_are_found);
#if !defined(_WIN32)
    CASE(test_a_fork_leaves_the_watches_of_its_own_thread);
#endif
    CASE(test_of_many_watches_those_that_overlap_are_told);
    CASE(test_two_threads_take_turns);
    actor_stop(&writer);
    return 0;
}
