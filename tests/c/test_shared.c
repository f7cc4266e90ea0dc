/*
 * The lock between processes: what holds among threads holds among processes, and what the death
 * of one leaves behind. Each case forks its processes; they meet by numbers in shared memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"
#include "lock/change.h"
#include "lock/entries.h"
#include "lock/fork.h"
#include "lock/gate.h"
#include "lock/poison.h"
#include "lock/seats.h"
#include "lock/shared.h"
#include "lock/suspend.h"

#define SECOND (1000 * LA_MILLISECOND)

#if defined(__SANITIZE_THREAD__)
/* It can see no more than 64 mutexes of a thread, where some here have an entry of each lock. */
const char *
__tsan_default_options(void)
{
    return "detect_deadlocks=0";
}
#endif

static la_lock s;

/* What the processes of a case have in common, beside the control block. */
typedef struct {
    atomic_int step;
    atomic_int numbers[8];
    atomic_long counters[8];
    long plain[8];              /* what the lock guards */
} common_block;

static common_block *common;
static void *control;

static void *
shared_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

static void
setup(void)
{
    control = shared_memory(la_control_size());
    common = shared_memory(sizeof(common_block));
    CHECK(la_control_init(control, 77, 0) == 0 && la_control_is_known(control));
    la_lock_init(&s, 1);
    CHECK(la_shared_attach(&s, control) != NULL);
}

/* Nobody holds it, or waits; nothing is half written. */
static void
check_free(void)
{
    la_thread *self = la_thread_self();
    la_hold *hold = hold_extent(LA_WRITE, 0, 1000000);
    CHECK(la_acquire(&s, hold, self, la_now() + 10 * SECOND, NULL, NULL) == LA_OK);
    CHECK(la_lock_list(&s, self, NULL, 0) == 1);
    la_release(hold, self);
    la_hold_free(hold, self);
    CHECK(la_shared_poisons(&s, NULL, self, NULL, 0) == 0);
    CHECK(atomic_load(&((la_control *)control)->state) == LA_CONTROL_FREE);
}

static void
teardown(void)
{
    check_free();
    la_shared_detach(&s, la_thread_self());
    la_lock_destroy(&s);
}

#define CASE(test) (setup(), RUN(test), teardown())

/* -- processes ------------------------------------------------------------------- */

static pid_t
process_start(void (*run)(void))
{
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(60);
        run();
        _exit(0);
    }
    return child;
}

static void
process_join(pid_t child)
{
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
process_kill(pid_t child)
{
    int status = 0;
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
}

static la_status
acquire_until(la_hold *hold, int64_t deadline)
{
    return la_acquire(&s, hold, la_thread_self(), deadline, NULL, NULL);
}

static la_hold *
acquired(la_mode mode, int64_t low, int64_t size)
{
    la_hold *hold = hold_extent(mode, low, size);
    CHECK(acquire_until(hold, la_now() + 20 * SECOND) == LA_OK);
    return hold;
}

static void
give_back(la_hold *hold)
{
    la_release(hold, la_thread_self());
    la_hold_free(hold, la_thread_self());
}

/* What a try says. */
static la_status
tried(la_mode mode, int64_t low, int64_t size)
{
    la_hold *hold = hold_extent(mode, low, size);
    la_status status = acquire_until(hold, LA_NOW);
    if (status == LA_OK) {
        la_release(hold, la_thread_self());
    }
    la_hold_free(hold, la_thread_self());
    return status;
}

static void
step(int number)
{
    atomic_store(&common->step, number);
}

static void
until(int number)
{
    until_step(&common->step, number);
}

/* -- exclusion ------------------------------------------------------------------- */

static void
hold_a_write(void)
{
    la_hold *hold = acquired(LA_WRITE, 0, 8);
    step(1);
    until(2);
    give_back(hold);
    step(3);
    until(4);
}

static void
test_a_write_keeps_others_out_and_disjoint_ones_go_on(void)
{
    pid_t child = process_start(hold_a_write);
    until(1);
    CHECK(tried(LA_READ, 0, 8) == LA_TIMEOUT);
    CHECK(tried(LA_WRITE, 4, 8) == LA_TIMEOUT);
    CHECK(tried(LA_WRITE, 8, 8) == LA_OK);
    CHECK(tried(LA_READ, 8, 8) == LA_OK);
    step(2);
    until(3);
    CHECK(tried(LA_WRITE, 0, 8) == LA_OK);
    step(4);
    process_join(child);
}

static void
hold_a_read(void)
{
    la_hold *hold = acquired(LA_READ, 0, 8);
    step(1);
    until(2);
    give_back(hold);
}

static void
test_readers_run_beside_readers(void)
{
    pid_t child = process_start(hold_a_read);
    until(1);
    CHECK(tried(LA_READ, 0, 8) == LA_OK);
    CHECK(tried(LA_WRITE, 0, 8) == LA_TIMEOUT);
    step(2);
    process_join(child);
}

static void
wait_for_it(void)
{
    step(1);
    la_hold *hold = acquired(LA_WRITE, 0, 8);
    step(3);
    give_back(hold);
}

static void
test_who_waits_is_woken_by_another_process(void)
{
    la_hold *hold = acquired(LA_WRITE, 0, 8);
    pid_t child = process_start(wait_for_it);
    until_waiters(&s, 1);
    CHECK(atomic_load(&common->step) == 1);
    give_back(hold);
    until(3);
    process_join(child);
}

static void
add_many(void)
{
    for (int i = 0; i < 3000; i++) {
        la_hold *hold = acquired(LA_WRITE, 0, 8);
        common->plain[0]++;
        give_back(hold);
    }
}

static void *
add_many_in_a_thread(void *unused)
{
    (void)unused;
    add_many();
    return NULL;
}

static void
add_many_by_threads(void)
{
    pthread_t threads[2] = {thread_start(add_many_in_a_thread, NULL),
                            thread_start(add_many_in_a_thread, NULL)};
    thread_join(threads[0]);
    thread_join(threads[1]);
}

static void
test_no_update_is_lost(void)
{
    pid_t children[3];
    for (int i = 0; i < 3; i++) {
        children[i] = process_start(add_many_by_threads);
    }
    add_many_by_threads();
    for (int i = 0; i < 3; i++) {
        process_join(children[i]);
    }
    CHECK(common->plain[0] == 4 * 2 * 3000);
}

static void
add_by_chains(void)
{
    la_thread *self = la_thread_self();
    uint64_t random = (uint64_t)getpid();
    for (int i = 0; i < 1500; i++) {
        int a = random_below(&random, 4), b = random_below(&random, 4);
        la_hold *hold = hold_extent(LA_WRITE, 8 * a, 8);
        la_hold_chain(hold, hold_extent(LA_WRITE, 8 * b, 8));
        la_hold_chain(hold, hold_extent(LA_READ, 32 + 8 * random_below(&random, 4), 8));
        CHECK(acquire_until(hold, la_now() + 20 * SECOND) == LA_OK);
        common->plain[a]++;
        common->plain[b]++;
        la_release(hold, self);
        la_hold_free(hold, self);
    }
}

static void
test_chains_exclude_each_other_by_all_their_parts(void)
{
    pid_t children[2] = {process_start(add_by_chains), process_start(add_by_chains)};
    add_by_chains();
    process_join(children[0]);
    process_join(children[1]);
    long sum = 0;
    for (int i = 0; i < 4; i++) {
        sum += common->plain[i];
    }
    CHECK(sum == 3 * 2 * 1500);
}

/* -- tries ------------------------------------------------------------------------ */

static void
hold_in_a_try(void)
{
    la_hold *hold = hold_extent(LA_WRITE, 0, 8);
    atomic_store(&hold->trying, true);
    CHECK(acquire_until(hold, LA_NEVER) == LA_OK);
    step(1);
    until(2);
    atomic_store(&hold->trying, false);
    la_shared_mark_trying(hold);
    step(3);
    until(4);
    give_back(hold);
}

static void
note_that_it_waits(void *number)
{
    step(*(int *)number);
}

static void
test_a_try_outlasts_the_tries_of_other_processes(void)
{
    int two = 2, nine = 9;
    la_thread *self = la_thread_self();
    la_wait_hooks outlasting = {.before_wait = note_that_it_waits, .context = &two};
    la_wait_hooks waiting_still = {.before_wait = note_that_it_waits, .context = &nine};
    la_hold *hold = hold_extent(LA_WRITE, 0, 8);
    pid_t child = process_start(hold_in_a_try);
    until(1);
    (void)la_acquire(&s, hold, self, LA_NOW, &outlasting, NULL);
    CHECK(atomic_load(&common->step) >= 2);
    until(3);
    CHECK(la_acquire(&s, hold, self, LA_NOW, &waiting_still, NULL) == LA_TIMEOUT);
    CHECK(atomic_load(&common->step) == 3);
    la_hold_free(hold, self);
    step(4);
    process_join(child);
}

/* -- cycles ---------------------------------------------------------------------- */

static void
hold_one_and_want_the_other(void)
{
    la_hold *mine = acquired(LA_WRITE, 0, 8);
    step(1);
    until(2);
    la_hold *other = acquired(LA_WRITE, 8, 8);
    give_back(other);
    give_back(mine);
}

static void
test_a_cycle_of_two_processes_is_refused_at_once(void)
{
    la_thread *self = la_thread_self();
    la_hold *mine = acquired(LA_WRITE, 8, 8), *other = hold_extent(LA_WRITE, 0, 8);
    la_deadlock deadlock = {0};
    pid_t child = process_start(hold_one_and_want_the_other);
    until(1);
    step(2);
    until_waiters(&s, 1);
    CHECK(la_acquire(&s, other, self, LA_NEVER, NULL, &deadlock) == LA_DEADLOCK);
    CHECK(deadlock.length == 2 && deadlock.of_one_lock);
    la_hold_free(other, self);
    give_back(mine);
    process_join(child);
}

static void
upgrade(void)
{
    la_hold *read = acquired(LA_READ, 0, 8);
    step(1);
    until(2);
    la_hold *write = acquired(LA_WRITE, 0, 8);
    give_back(write);
    give_back(read);
}

static void
test_two_upgraders_are_a_cycle(void)
{
    la_thread *self = la_thread_self();
    la_hold *read = acquired(LA_READ, 0, 8), *write = hold_extent(LA_WRITE, 0, 8);
    pid_t child = process_start(upgrade);
    until(1);
    step(2);
    until_waiters(&s, 1);
    CHECK(la_acquire(&s, write, self, LA_NEVER, NULL, NULL) == LA_DEADLOCK);
    la_hold_free(write, self);
    give_back(read);
    process_join(child);
}

/* -- order ----------------------------------------------------------------------- */

static void
wait_to_write_all(void)
{
    la_hold *hold = acquired(LA_WRITE, 0, 64);
    step(3);
    give_back(hold);
}

static void
read_now_and_then(void)
{
    while (atomic_load(&common->step) < 3) {
        give_back(acquired(LA_READ, 0, 8));
    }
}

static void
test_a_writer_is_not_starved_by_readers_of_other_processes(void)
{
    pid_t readers[2] = {process_start(read_now_and_then), process_start(read_now_and_then)};
    pid_t writer = process_start(wait_to_write_all);
    process_join(writer);
    process_join(readers[0]);
    process_join(readers[1]);
}

/* Holds [0, 8) and wants [8, 16), for which the writer of all stands in front of it. */
static void
overtake(void)
{
    la_hold *mine = acquired(LA_READ, 0, 8);
    step(1);
    until(2);
    la_hold *other = acquired(LA_READ, 8, 8);
    give_back(other);
    give_back(mine);
}

static void
test_who_holds_overtakes_where_to_queue_would_be_a_deadlock(void)
{
    pid_t holder = process_start(overtake);
    until(1);
    pid_t writer = process_start(wait_to_write_all);
    until_waiters(&s, 1);
    int64_t old = la_now() + 3 * LA_MILLISECOND;
    while (la_now() < old) {
        sched_yield();
    }
    step(2);
    process_join(holder);
    process_join(writer);
}

/* -- changes --------------------------------------------------------------------- */

/* How many wait for it, or for a change. */
static int
waiting(void)
{
    la_hold_info infos[16];
    size_t count = la_lock_list(&s, la_thread_self(), infos, 16);
    int waits = 0;
    for (size_t i = 0; i < count && i < 16; i++) {
        waits += infos[i].waits;
    }
    return waits;
}

static void
change_it(void)
{
    while (waiting() == 0) {
        sched_yield();
    }
    give_back(acquired(LA_WRITE, 4, 8));
}

static void
test_a_change_by_another_process_wakes(void)
{
    la_thread *self = la_thread_self();
    pid_t child = process_start(change_it);
    la_hold *hold = acquired(LA_READ, 0, 8);
    la_hold *watch = la_change_watch(&s, hold, self, NULL, NULL, NULL, NULL);
    la_give_back(hold, self);
    la_hold_free(hold, self);
    CHECK(la_change_wait(watch, self, la_now() + 20 * SECOND, NULL) == LA_OK);
    la_change_end(watch, self, NULL);
    process_join(child);
}

/* -- death ----------------------------------------------------------------------- */

static void
hold_and_pause(la_mode mode)
{
    (void)acquired(mode, 0, 8);
    step(1);
    for (;;) {
        pause();
    }
}

static void
write_and_pause(void)
{
    hold_and_pause(LA_WRITE);
}

static void
read_and_pause(void)
{
    hold_and_pause(LA_READ);
}

/* For those who look for what went wrong. */
static void
table_show(void)
{
    la_control *table = control;
    printf("state %llu listing %llu monitor %x\n", (unsigned long long)table->state, (unsigned long long)table->listing, *(unsigned *)&table->monitor);
    for (uint32_t e = 0; e < LA_ENTRIES; e++) {
        la_control_entry *entry = &table->entries[e];
        if (!la_entry_is_used(table, e)) {
            continue;
        }
        printf("entry %u pid %d tid %d dead %d home %u alive %x wake %u exists %d\n", e, entry->pid, entry->tid, entry->dead,
               entry->home, *(unsigned *)&entry->alive, entry->wake, kill(entry->pid, 0));
        for (int i = 0; i < LA_ENTRY_SLOTS; i++) {
            if (entry->states[i]) {
                la_control_slot *slot = &entry->slots[i];
                printf("   slot %d state %u mode %u also %u flags %x ticket %llu heeds %llu [%lld,%lld)\n", i, entry->states[i], slot->mode, slot->also, slot->flags,
                    (unsigned long long)slot->ticket, (unsigned long long)slot->heeds, (long long)slot->region.low, (long long)slot->region.high);
            }
        }
    }
    fflush(stdout);
}

static void
heal(int64_t low, int64_t size)
{
    la_thread *self = la_thread_self();
    la_hold *hold = hold_extent(LA_WRITE, low, size);
    hold->recovers = true;
    la_status status = acquire_until(hold, la_now() + 20 * SECOND);
    if (status != LA_OK) {
        table_show();
        printf("(status %d) ", (int)status);
    }
    CHECK(status == LA_OK);
    common->plain[1] = common->plain[0];
    la_poison poisons[4];
    size_t count = la_shared_poisons(hold->lock, NULL, self, poisons, 4);
    CHECK(count <= 4);
    for (size_t i = 0; i < count && i < 4; i++) {
        if (low <= poisons[i].low && poisons[i].high <= low + size) {
            la_shared_heal(hold->lock, &poisons[i], self);
        }
    }
    hold->recovers = false;
    la_release(hold, self);
    la_hold_free(hold, self);
}

static void
test_a_reader_that_dies_is_dropped(void)
{
    pid_t child = process_start(read_and_pause);
    until(1);
    CHECK(tried(LA_WRITE, 0, 8) == LA_TIMEOUT);
    process_kill(child);
    CHECK(tried(LA_WRITE, 0, 8) == LA_OK);
}

static void
test_what_a_dead_writer_held_is_poisoned_until_it_is_healed(void)
{
    la_poison poison;
    pid_t child = process_start(write_and_pause);
    until(1);
    process_kill(child);
    CHECK(tried(LA_READ, 0, 8) == LA_POISONED);
    CHECK(tried(LA_WRITE, 7, 8) == LA_POISONED);
    CHECK(tried(LA_WRITE, 8, 8) == LA_OK);
    CHECK(la_shared_poisons(&s, NULL, la_thread_self(), &poison, 1) == 1);
    CHECK(poison.pid == child && poison.low == 0 && poison.high == 8);
    heal(0, 4);                 /* not all of it */
    CHECK(tried(LA_READ, 0, 8) == LA_POISONED);
    heal(0, 8);
    CHECK(tried(LA_WRITE, 0, 8) == LA_OK);
}

static void
write_parts_and_pause(void)
{
    la_hold *hold = hold_extent(LA_WRITE, 0, 8);
    la_hold_chain(hold, hold_extent(LA_READ, 16, 8));
    la_hold_chain(hold, hold_extent(LA_WRITE, 32, 8));
    CHECK(acquire_until(hold, LA_NEVER) == LA_OK);
    step(1);
    for (;;) {
        pause();
    }
}

static void
test_of_a_chain_each_part_that_was_written_is_poison_of_its_own(void)
{
    pid_t child = process_start(write_parts_and_pause);
    until(1);
    process_kill(child);
    CHECK(tried(LA_READ, 0, 8) == LA_POISONED);
    CHECK(tried(LA_WRITE, 16, 8) == LA_OK);
    CHECK(tried(LA_READ, 32, 8) == LA_POISONED);
    CHECK(la_shared_poisons(&s, NULL, la_thread_self(), NULL, 0) == 2);
    heal(0, 8);
    CHECK(tried(LA_WRITE, 0, 8) == LA_OK);
    CHECK(tried(LA_READ, 32, 8) == LA_POISONED);
    heal(32, 8);
    CHECK(tried(LA_WRITE, 0, 64) == LA_OK);
}

static void
wait_and_be_poisoned(void)
{
    la_hold *hold = hold_extent(LA_WRITE, 0, 8);
    CHECK(acquire_until(hold, LA_NEVER) == LA_POISONED);
    int64_t died = atomic_load(&common->counters[0]);
    atomic_store(&common->counters[1], la_now() - died);
}

static void
test_who_waits_for_one_that_dies_is_told_soon(void)
{
    pid_t writer = process_start(write_and_pause);
    until(1);
    pid_t waiters[2] = {process_start(wait_and_be_poisoned), process_start(wait_and_be_poisoned)};
    until_waiters(&s, 2);
    int64_t asleep = la_now() + 5 * LA_MILLISECOND;
    while (la_now() < asleep) {
        sched_yield();
    }
    atomic_store(&common->counters[0], la_now());
    process_kill(writer);
    process_join(waiters[0]);
    process_join(waiters[1]);
    printf("(%ld us) ", atomic_load(&common->counters[1]) / 1000);
    heal(0, 8);
}

static void
wait_and_die(void)
{
    (void)acquired(LA_WRITE, 0, 8);
    step(9);
}

static void
test_a_waiter_that_dies_harms_nobody(void)
{
    la_hold *hold = acquired(LA_WRITE, 0, 8);
    pid_t first = process_start(wait_and_die);
    until_waiters(&s, 1);
    pid_t second = process_start(wait_for_it);
    until_waiters(&s, 2);
    process_kill(first);
    give_back(hold);
    process_join(second);
    CHECK(atomic_load(&common->step) == 3);
}

static void
write_and_stop(void)
{
    la_hold *hold = acquired(LA_WRITE, 0, 8);
    step(1);
    raise(SIGSTOP);
    give_back(hold);
}

static void
test_who_is_stopped_is_not_dead(void)
{
    int status;
    pid_t child = process_start(write_and_stop);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    CHECK(tried(LA_WRITE, 0, 8) == LA_TIMEOUT);
    kill(child, SIGCONT);
    process_join(child);
}

static la_hold *inherited;

static void
check_a_child_holds_nothing(void)
{
    CHECK(!la_thread_holds_any(la_thread_self()));
    give_back(inherited);       /* which does nothing */
    CHECK(tried(LA_READ, 0, 8) == LA_TIMEOUT);
    step(1);
    until(2);
    CHECK(tried(LA_WRITE, 0, 8) == LA_OK);
}

static void
test_a_child_has_not_what_its_parent_holds(void)
{
    inherited = acquired(LA_WRITE, 0, 8);
    pid_t child = process_start(check_a_child_holds_nothing);
    until(1);
    give_back(inherited);
    step(2);
    process_join(child);
}

/* -- owners that move ------------------------------------------------------------- */

static la_owner *moving;
static la_hold *moved;
static atomic_int moves;

/* Takes it as an owner of its own, which another thread goes on as, and ends. */
static void *
take_and_end(void *unused)
{
    la_thread *self = la_thread_self();
    (void)unused;
    (void)la_owner_exchange(self, moving);
    moved = hold_extent(LA_WRITE, 0, 8);
    la_hold_chain(moved, hold_extent(LA_READ, 16, 8));
    CHECK(acquire_until(moved, la_now() + 20 * SECOND) == LA_OK);
    (void)la_owner_exchange(self, NULL);
    atomic_store(&moves, 1);
    until_step(&moves, 2);
    return NULL;
}

static void *
go_on_and_give_back(void *unused)
{
    la_thread *self = la_thread_self();
    (void)unused;
    until_step(&moves, 1);
    CHECK(la_owner_exchange(self, moving) == NULL);
    atomic_store(&moves, 2);
    until_step(&moves, 3);
    step(1);
    until(2);
    give_back(moved);
    (void)la_owner_exchange(self, NULL);
    step(3);
    until(4);
    return NULL;
}

static void
move_and_give_back(void)
{
    moving = la_owner_new();
    pthread_t first = thread_start(take_and_end, NULL);
    pthread_t second = thread_start(go_on_and_give_back, NULL);
    thread_join(first);
    atomic_store(&moves, 3);
    thread_join(second);
}

static void
test_what_an_owner_holds_moves_to_another_thread_with_it(void)
{
    pid_t child = process_start(move_and_give_back);
    until(1);
    CHECK(tried(LA_READ, 0, 8) == LA_TIMEOUT);
    CHECK(tried(LA_WRITE, 16, 8) == LA_TIMEOUT);
    CHECK(tried(LA_READ, 16, 8) == LA_OK);
    step(2);
    until(3);
    CHECK(tried(LA_WRITE, 0, 24) == LA_OK);
    step(4);
    process_join(child);
}

static void
test_a_death_after_the_move_leaves_poison(void)
{
    pid_t child = process_start(move_and_give_back);
    until(1);
    process_kill(child);
    CHECK(tried(LA_READ, 0, 8) == LA_POISONED);
    CHECK(tried(LA_WRITE, 16, 8) == LA_OK);
    heal(0, 8);
}

static la_hold *watches[2];

static void
be_told(la_hold *watch)
{
    (void)watch;
}

/* One for a task, and one that it would sleep for. */
static void *
watch_and_end(void *unused)
{
    la_thread *self = la_thread_self();
    la_hold *hold = acquired(LA_READ, 0, 8);
    (void)unused;
    watches[0] = la_change_watch(&s, hold, self, NULL, be_told, NULL, NULL);
    watches[1] = la_change_watch(&s, hold, self, NULL, NULL, NULL, NULL);
    give_back(hold);
    return NULL;
}

static void
watch_beyond_the_thread(void)
{
    thread_join(thread_start(watch_and_end, NULL));
    give_back(acquired(LA_WRITE, 0, 8));        /* has an entry, and so perhaps that one */
    la_change_end(watches[0], la_thread_self(), NULL);
    la_change_end(watches[1], la_thread_self(), NULL);
    check_free();
}

static void
test_a_watch_may_last_longer_than_its_thread(void)
{
    process_join(process_start(watch_beyond_the_thread));
}

/* -- a full table ------------------------------------------------------------------ */

/* Each hold has a slot. */
static void
hold_all_there_is_room_for(void)
{
    la_hold *first = acquired(LA_WRITE, 0, 8), *hold;
    la_status status = LA_OK;
    for (int64_t at = 100000; status == LA_OK; at += 8) {
        hold = hold_extent(LA_READ, at, 8);
        status = acquire_until(hold, LA_NOW);
    }
    CHECK(status == LA_FULL);
    step(2);
    until(5);
    give_back(first);
    for (;;) {
        pause();
    }
}

static la_status
acquire_all(la_lock *lock, la_hold *all, la_thread *thread, la_deadlock *deadlock)
{
    return la_acquire(lock, all, thread, LA_NEVER, NULL, deadlock);
}

/* Fills the rest of an entry, but for one slot. */
static void
acquire_rest(la_hold *holds[6])
{
    for (int i = 0; i < 6; i++) {
        holds[i] = acquired(LA_READ, 64 + 8 * i, 8);
    }
}

static void
give_back_rest(la_hold *holds[6])
{
    for (int i = 0; i < 6; i++) {
        give_back(holds[i]);
    }
}

static void
test_resuming_in_a_full_table_says_so(void)
{
    la_thread *self = la_thread_self();
    la_hold *rest[6], *more = acquired(LA_READ, 32, 8);
    la_kept kept = la_hold_keep(acquired(LA_WRITE, 8, 8)), room[1];
    la_suspension suspension = {.lock = &s, .kept = room};
    acquire_rest(rest);
    CHECK(la_suspend(&suspension, self) && la_kept_is_held(kept));
    pid_t child = process_start(hold_all_there_is_room_for);
    until(2);
    CHECK(la_resume(&suspension, self, acquire_all, NULL) == LA_FULL);
    CHECK(!la_kept_is_held(kept));
    process_kill(child);
    heal(0, 8);
    give_back(more);
    give_back_rest(rest);
}

static void
test_a_watch_in_a_full_table_says_so(void)
{
    la_hold *rest[6], *one = acquired(LA_READ, 32, 8), *two = acquired(LA_READ, 40, 8);
    bool full = false;
    acquire_rest(rest);
    pid_t child = process_start(hold_all_there_is_room_for);
    until(2);
    CHECK(la_change_watch(&s, one, la_thread_self(), NULL, NULL, NULL, &full) == NULL && full);
    process_kill(child);
    heal(0, 8);
    give_back(one);
    give_back(two);
    give_back_rest(rest);
}

/* -- forks amid waits -------------------------------------------------------------- */

static pid_t forked;
static la_owner *forks_as;

/* check_interrupt: forks, once, as another owner than it waits as. */
static int
fork_inside(void *unused)
{
    (void)unused;
    if (forked == 0 && atomic_load(&common->step) >= 3) {
        (void)la_owner_exchange(la_thread_self(), NULL);
        forked = fork();
        CHECK(forked >= 0);
        (void)la_owner_exchange(la_thread_self(), forks_as);
        if (forked == 0) {
            forked = -1;
            alarm(60);
        }
        else {
            step(4);
        }
    }
    return 0;
}

static const la_wait_hooks forking = {.check_interrupt = fork_inside};

/* From now on SIGUSR1 does no more than that. (The system goes on with this kind of sleep where a
   handler has SA_RESTART; Python's have not.) */
static void
have_signals_cut_sleeps(void)
{
    struct sigaction action = {.sa_handler = ignore_signal};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
}

static void
wait_and_fork(void)
{
    la_thread *self = la_thread_self();
    la_hold *hold = hold_extent(LA_WRITE, 0, 8);
    int status = 0;
    have_signals_cut_sleeps();
    CHECK(tried(LA_READ, 0, 8) == LA_OK);       /* and so has an entry */
    step(1);
    until(2);
    la_status result = la_acquire(&s, hold, self, LA_NEVER, &forking, NULL);
    if (forked == -1) {
        CHECK(result == LA_FULL);
        la_hold_free(hold, self);
        return;
    }
    CHECK(result == LA_OK);
    give_back(hold);
    CHECK(waitpid(forked, &status, 0) == forked && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
signal_until(pid_t child, int number)
{
    while (atomic_load(&common->step) < number) {
        CHECK(kill(child, SIGUSR1) == 0);
        sched_yield();
    }
}

static void
test_a_wait_that_a_full_table_ends_in_a_child_goes_on_in_its_parent(void)
{
    pid_t waiter = process_start(wait_and_fork);
    until(1);
    pid_t filler = process_start(hold_all_there_is_room_for);
    until(2);
    until_waiters(&s, 1);
    step(3);
    signal_until(waiter, 4);
    step(5);
    process_join(waiter);
    process_kill(filler);
}

#define SUBJECT 5

/* Which subject the slot of this process's waiter names. */
static uint64_t
waiting_subject(void)
{
    la_control *table = s.shared->control;
    for (uint32_t number = 0; number < LA_ENTRIES * LA_ENTRY_SLOTS; number++) {
        if (table->entries[number / LA_ENTRY_SLOTS].pid == getpid()
                && atomic_load(la_control_state_at(table, number)) == LA_SLOT_WAITING) {
            return la_control_slot_at(table, number)->subject;
        }
    }
    return 0;
}

static int
fork_and_look(void *context)
{
    bool had = forked != 0;
    int result = fork_inside(context);
    if (!had && forked == -1) {
        CHECK(waiting_subject() == SUBJECT);
    }
    return result;
}

static const la_wait_hooks looking = {.check_interrupt = fork_and_look};

static void
wait_as_an_owner_and_look(void)
{
    la_thread *self = la_thread_self();
    la_hold *hold = hold_extent(LA_WRITE, 0, 8);
    int status = 0;
    have_signals_cut_sleeps();
    forks_as = la_owner_new();
    atomic_store(&forks_as->subject, SUBJECT);
    (void)la_owner_exchange(self, forks_as);
    CHECK(la_acquire(&s, hold, self, LA_NEVER, &looking, NULL) == LA_OK);
    give_back(hold);
    if (forked != -1) {
        CHECK(waitpid(forked, &status, 0) == forked && WIFEXITED(status)
              && WEXITSTATUS(status) == 0);
    }
}

static void
test_a_wait_goes_on_in_a_child_as_the_owner_that_waits(void)
{
    la_hold *hold = acquired(LA_WRITE, 0, 8);
    pid_t child = process_start(wait_as_an_owner_and_look);
    until_waiters(&s, 1);
    step(3);
    signal_until(child, 4);
    until_waiters(&s, 2);
    give_back(hold);
    process_join(child);
}

static la_hold *watched;

static void
await_what_is_watched(void)
{
    la_thread *self = la_thread_self();
    CHECK(la_change_wait(watched, self, la_now() + 20 * SECOND, NULL) == LA_OK);
    la_change_end(watched, self, NULL);
}

/* Two watches, of two parts each. */
static void
change_it_once_two_watch(void)
{
    while (waiting() < 4) {
        sched_yield();
    }
    give_back(acquired(LA_WRITE, 4, 8));
}

static void
test_a_child_watches_for_changes_by_itself(void)
{
    la_thread *self = la_thread_self();
    pid_t writer = process_start(change_it_once_two_watch);
    la_hold *hold = hold_extent(LA_READ, 0, 8);
    la_hold_chain(hold, hold_extent(LA_READ, 32, 8));
    CHECK(acquire_until(hold, LA_NEVER) == LA_OK);
    watched = la_change_watch(&s, hold, self, NULL, NULL, NULL, NULL);
    la_give_back(hold, self);
    la_hold_free(hold, self);
    pid_t child = process_start(await_what_is_watched);
    await_what_is_watched();
    process_join(child);
    process_join(writer);
}

/* -- forks beside one that is stopped ---------------------------------------------- */

static void
stop_in_the_monitor(void)
{
    la_thread *self = la_thread_self();
    la_wakes wakes = {0};
    la_lock_enter(&s, self);
    raise(SIGSTOP);
    la_lock_leave(&s, self, &wakes);
}

static atomic_int stage;

static void *
use_it_and_end(void *unused)
{
    (void)unused;
    give_back(acquired(LA_READ, 0, 8));
    atomic_store(&stage, 1);
    until_step(&stage, 2);
    return NULL;
}

static void *
enter_with_a_gate(void *gate)
{
    la_thread *self = la_thread_self();
    la_wakes wakes = {0};
    la_gate_lock(*(la_gate *)gate);
    atomic_store(&stage, 3);
    la_lock_enter(&s, self);
    la_lock_leave(&s, self, &wakes);
    la_gate_unlock(*(la_gate *)gate);
    return NULL;
}

static void
end_at_once(void)
{
}

static void
fork_beside_one_that_is_stopped(void)
{
    la_gate gates[] = {LA_GATE_GRAPH, LA_GATE_REGISTRY};
    int status;
    pthread_t threads[3] = {thread_start(use_it_and_end, NULL)};
    until_step(&stage, 1);
    pid_t stopped = process_start(stop_in_the_monitor);
    CHECK(waitpid(stopped, &status, WUNTRACED) == stopped && WIFSTOPPED(status));
    atomic_store(&stage, 2);
    while (atomic_load(&s.shared->leaving) == 0) {
        sched_yield();
    }
    process_join(process_start(end_at_once));
    for (int i = 0; i < 2; i++) {
        threads[1 + i] = thread_start(enter_with_a_gate, &gates[i]);
        until_step(&stage, 3);
        atomic_store(&stage, 2);
        process_join(process_start(end_at_once));
    }
    CHECK(kill(stopped, SIGCONT) == 0);
    process_join(stopped);
    for (int i = 0; i < 3; i++) {
        thread_join(threads[i]);
    }
}

static void
test_forks_go_on_beside_one_that_is_stopped_in_the_monitor(void)
{
    process_join(process_start(fork_beside_one_that_is_stopped));
}

/* -- attaching, closing, detaching ------------------------------------------------- */

static la_lock again;

static void
test_who_asks_for_a_closed_lock_is_told_so(void)
{
    la_thread *self = la_thread_self();
    la_hold *hold = hold_extent(LA_WRITE, 0, 8);
    la_lock_init(&again, 2);
    CHECK(la_shared_attach(&again, control) != NULL);
    CHECK(la_acquire(&again, hold, self, LA_NEVER, NULL, NULL) == LA_OK);
    CHECK(tried(LA_READ, 0, 8) == LA_TIMEOUT);
    la_release(hold, self);
    la_shared_close(&again, self);
    CHECK(la_acquire(&again, hold, self, LA_NEVER, NULL, NULL) == LA_CLOSED);
    CHECK(!la_try_in_turn(&again, hold, self));
    CHECK(la_shared_is_behind(&again));         /* so that who waited for it asks */
    CHECK(tried(LA_WRITE, 0, 8) == LA_OK);
    la_hold_free(hold, self);
    la_shared_detach(&again, self);
    la_lock_destroy(&again);
}

#define ROUNDS (LA_ENTRIES + 50)

static atomic_int asked, answered;

static void
use_again(void)
{
    la_thread *self = la_thread_self();
    la_hold *hold = hold_extent(LA_WRITE, 0, 8);
    CHECK(la_acquire(&again, hold, self, LA_NEVER, NULL, NULL) == LA_OK);
    la_release(hold, self);
    la_hold_free(hold, self);
}

static void *
use_in_each_round(void *unused)
{
    (void)unused;
    for (int round = 1; round <= ROUNDS; round++) {
        until_step(&asked, round);
        use_again();
        atomic_store(&answered, round);
    }
    return NULL;
}

static int
count_used(void)
{
    int used = 0;
    for (uint32_t number = 0; number < LA_ENTRIES; number++) {
        used += la_entry_is_used(control, number);
    }
    return used;
}

static int
count_mappings(void)
{
    int lines = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    for (int c = getc(maps); c != EOF; c = getc(maps)) {
        lines += c == '\n';
    }
    fclose(maps);
    return lines;
}

/* Some use it here, too, and close it before. */
static void
attach_again_and_again(void)
{
    pthread_t thread = thread_start(use_in_each_round, NULL);
    int mappings = 0;
    for (int round = 1; round <= ROUNDS; round++) {
        la_lock_init(&again, 2);
        CHECK(la_shared_attach(&again, control) != NULL);
        atomic_store(&asked, round);
        until_step(&answered, round);
        if (round % 3 == 0) {
            use_again();
        }
        if (round % 2 == 0) {
            la_shared_close(&again, la_thread_self());
        }
        la_shared_detach(&again, la_thread_self());
        la_lock_destroy(&again);
        CHECK(count_used() <= 2);
        mappings = round == 10 ? count_mappings() : mappings;
    }
    CHECK(count_mappings() <= mappings + 10);
    thread_join(thread);
    CHECK(count_used() == 0);
}

static void
test_attaching_again_and_again_leaves_nothing(void)
{
    process_join(process_start(attach_again_and_again));
}

/* One of each of many tables, until there are no more. */
static void
use_many_tables(void)
{
    la_thread *self = la_thread_self();
    la_lock *locks = calloc(LA_ROBUST_LIMIT, sizeof(la_lock));
    uint32_t count = 0;
    la_status status = LA_OK;
    CHECK(locks != NULL);
    while (status == LA_OK) {
        void *memory = shared_memory(la_control_size());
        la_hold *hold = hold_extent(LA_WRITE, 0, 8);
        CHECK(count < LA_ROBUST_LIMIT && la_control_init(memory, 100 + count, 0) == 0);
        la_lock_init(&locks[count], 1);
        CHECK(la_shared_attach(&locks[count], memory) != NULL);
        munmap(memory, la_control_size());
        status = la_acquire(&locks[count], hold, self, LA_NEVER, NULL, NULL);
        if (status == LA_OK) {
            la_release(hold, self);
        }
        la_hold_free(hold, self);
        count++;
    }
    CHECK(status == LA_FULL && count == LA_MOST_ENTRIES + 1);
    while (count-- > 0) {
        la_shared_detach(&locks[count], self);
        la_lock_destroy(&locks[count]);
    }
    free(locks);
    give_back(acquired(LA_WRITE, 0, 8));        /* there is room again */
}

static void
test_a_thread_has_no_more_entries_than_the_system_sees_to(void)
{
    process_join(process_start(use_many_tables));
}

/* -- death at each step ------------------------------------------------------------ */

#ifdef LA_DEBUG

/* Each writes its own number and a copy, so that what is half written can be told. */
static void
act(void)
{
    la_thread *self = la_thread_self();
    for (int i = 0; i < 2; i++) {
        la_hold *hold = hold_extent(LA_WRITE, 0, 8);
        la_hold_chain(hold, hold_extent(LA_READ, 16, 8));
        if (acquire_until(hold, la_now() + 20 * SECOND) == LA_OK) {
            common->plain[0]++;
            common->plain[1]++;
            la_release(hold, self);
        }
        la_hold_free(hold, self);
        la_hold *read = hold_extent(LA_READ, 0, 16);
        if (acquire_until(read, la_now() + 20 * SECOND) == LA_OK) {
            la_hold *inside = hold_extent(LA_READ, 8, 8);
            if (acquire_until(inside, la_now() + 20 * SECOND) == LA_OK) {
                la_release(inside, self);
            }
            la_hold_free(inside, self);
            la_release(read, self);
        }
        la_hold_free(read, self);
    }
}

static void
act_and_be_killed(void)
{
    la_control_last_step = (uint64_t)atomic_load(&common->numbers[0]);
    atomic_store(&la_control_steps, 0);
    act();
    atomic_store(&common->numbers[1], 1);       /* it had fewer steps than that */
}

/* What a survivor finds: all is free, or told to be half written. */
static void
survive(void)
{
    la_status status = tried(LA_WRITE, 0, 64);
    int64_t end = la_now() + 20 * SECOND;
    while (status == LA_TIMEOUT && la_now() < end) {
        sched_yield();
        status = tried(LA_WRITE, 0, 64);
    }
    if (status != LA_OK && status != LA_POISONED) {
        table_show();
        printf("(status %d) ", (int)status);
        fflush(stdout);
    }
    CHECK(status == LA_OK || status == LA_POISONED);
    CHECK(status == LA_POISONED || common->plain[0] == common->plain[1]);
    if (status == LA_POISONED) {
        heal(0, 1000000);
    }
    CHECK(tried(LA_WRITE, 0, 64) == LA_OK);
    check_free();
}

static void
survive_and_be_killed(void)
{
    la_control_last_step = (uint64_t)atomic_load(&common->numbers[2]);
    atomic_store(&la_control_steps, 0);
    survive();
    atomic_store(&common->numbers[3], 1);
}

static void
end_of(pid_t child)
{
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0)
          || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
}

static void
test_whoever_is_killed_at_whichever_step_leaves_it_usable(void)
{
    int steps = 0;
    for (int n = 1; atomic_load(&common->numbers[1]) == 0; n++, steps++) {
        atomic_store(&common->numbers[0], n);
        pid_t other = process_start(act);
        pid_t child = process_start(act_and_be_killed);
        act();
        end_of(child);
        process_join(other);
        survive();
    }
    printf("(%d steps) ", steps);
    CHECK(steps > 20);
}

static void
test_who_repairs_may_be_killed_at_whichever_step(void)
{
    int steps = 0;
    for (int n = 1; atomic_load(&common->numbers[3]) == 0; n++, steps++) {
        step(0);
        pid_t child = process_start(write_and_pause);
        until(1);
        process_kill(child);
        common->plain[0]++;
        atomic_store(&common->numbers[2], n);
        end_of(process_start(survive_and_be_killed));
        survive();
    }
    printf("(%d steps) ", steps);
    CHECK(steps > 20);
}

#endif

/* -- death at any moment ----------------------------------------------------------- */

static void
act_at_random(void)
{
    la_thread *self = la_thread_self();
    uint64_t random = (uint64_t)getpid() * 7919;
    for (;;) {
        la_hold *hold = hold_extent(random_below(&random, 3) ? LA_READ : LA_WRITE,
                                    8 * random_below(&random, 6), 8);
        if (random_below(&random, 4) == 0) {
            la_hold_chain(hold, hold_extent(LA_WRITE, 8 * random_below(&random, 6), 8));
        }
        if (acquire_until(hold, la_now() + random_below(&random, 300) * 10000) == LA_OK) {
            la_hold *inside = hold_extent(LA_WRITE, 8 * random_below(&random, 6), 8);
            if (acquire_until(inside, la_now() + random_below(&random, 300) * 10000) == LA_OK) {
                la_release(inside, self);
            }
            la_hold_free(inside, self);
            la_release(hold, self);
        }
        la_hold_free(hold, self);
    }
}

static void
test_thousands_of_deaths_at_random_leave_it_usable(void)
{
    uint64_t random = random_seed();
    int deaths = 200 * stress_scale();
    pid_t children[3];
    for (int i = 0; i < 3; i++) {
        children[i] = process_start(act_at_random);
    }
    for (int i = 0; i < deaths; i++) {
        struct timespec moment = {0, random_below(&random, 2000) * 1000};
        nanosleep(&moment, NULL);
        int victim = random_below(&random, 3);
        process_kill(children[victim]);
        heal(0, 1000000);
        children[victim] = process_start(act_at_random);
    }
    for (int i = 0; i < 3; i++) {
        process_kill(children[i]);
    }
    heal(0, 1000000);
}

int
main(void)
{
    CHECK(pthread_atfork(la_fork_prepare, la_fork_parent, la_fork_child) == 0);
    CASE(test_a_write_keeps_others_out_and_disjoint_ones_go_on);
    CASE(test_readers_run_beside_readers);
    CASE(test_who_waits_is_woken_by_another_process);
    CASE(test_no_update_is_lost);
    CASE(test_chains_exclude_each_other_by_all_their_parts);
    CASE(test_a_try_outlasts_the_tries_of_other_processes);
    CASE(test_a_cycle_of_two_processes_is_refused_at_once);
    CASE(test_two_upgraders_are_a_cycle);
    CASE(test_a_writer_is_not_starved_by_readers_of_other_processes);
    CASE(test_who_holds_overtakes_where_to_queue_would_be_a_deadlock);
    CASE(test_a_change_by_another_process_wakes);
    CASE(test_a_reader_that_dies_is_dropped);
    CASE(test_what_a_dead_writer_held_is_poisoned_until_it_is_healed);
    CASE(test_of_a_chain_each_part_that_was_written_is_poison_of_its_own);
    CASE(test_who_waits_for_one_that_dies_is_told_soon);
    CASE(test_a_waiter_that_dies_harms_nobody);
    CASE(test_who_is_stopped_is_not_dead);
    CASE(test_a_child_has_not_what_its_parent_holds);
    CASE(test_what_an_owner_holds_moves_to_another_thread_with_it);
    CASE(test_a_death_after_the_move_leaves_poison);
    CASE(test_a_watch_may_last_longer_than_its_thread);
    CASE(test_resuming_in_a_full_table_says_so);
    CASE(test_a_watch_in_a_full_table_says_so);
    CASE(test_a_wait_that_a_full_table_ends_in_a_child_goes_on_in_its_parent);
    CASE(test_a_wait_goes_on_in_a_child_as_the_owner_that_waits);
    CASE(test_a_child_watches_for_changes_by_itself);
    CASE(test_forks_go_on_beside_one_that_is_stopped_in_the_monitor);
    CASE(test_who_asks_for_a_closed_lock_is_told_so);
    CASE(test_attaching_again_and_again_leaves_nothing);
    CASE(test_a_thread_has_no_more_entries_than_the_system_sees_to);
#ifdef LA_DEBUG
    CASE(test_whoever_is_killed_at_whichever_step_leaves_it_usable);
    CASE(test_who_repairs_may_be_killed_at_whichever_step);
#endif
    CASE(test_thousands_of_deaths_at_random_leave_it_usable);
    return 0;
}
