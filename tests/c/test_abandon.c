/*
 * Holds that are kept beyond a call, and left by whoever keeps them in another
 * thread than their owner's: case by case, and in races.
 */
#include "visits.h"

/* As the floor above does: what a hold shows ends with it; here that is counted. */
static void
count_end(la_hold *hold)
{
    for (; hold != NULL; hold = hold->also) {
        if (hold->shown != NULL) {
            ++*(int *)hold->shown;
            hold->shown = NULL;
        }
    }
}

static bool
abandon(la_kept kept)
{
    return la_abandon(kept, la_thread_self());
}

static void
call_abandon(la_thread *self, void *context)
{
    CHECK(la_abandon(*(la_kept *)context, self));
}

/* In an actor's thread: does it hold anything? It reaps, too. */
static void
call_holds_any(la_thread *self, void *context)
{
    *(bool *)context = la_thread_holds_any(self);
}

static bool
actor_holds_any(actor *self)
{
    bool any;
    actor_call(self, call_holds_any, &any);
    return any;
}

/* How many records are in the owner's list, which is at rest. */
static int
count_records(const la_owner *owner)
{
    int count = 0;
    for (const la_hold *hold = owner->holds; hold != NULL; hold = hold->older) {
        count++;
    }
    return count;
}

static la_kept
actor_keep(actor *self, la_lock *lock, la_hold *hold)
{
    actor_acquire(self, lock, hold);
    return la_hold_keep(hold);
}

static void
test_an_abandoned_hold_is_free_at_once(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *cs = case_hold(LA_WRITE, 0, 8);
    int taken = 0;
    for (int listed = 0; listed < 3; listed++) {
        /* Its record goes to b's pool. */
        la_hold *bs = hold_extent(LA_WRITE, 0, 8), *apart = case_hold(LA_READ, 8, 8);
        bs->shown = &taken;
        la_kept kept = actor_keep(&b, &x, bs);
        CHECK(la_kept_is_held(kept) && !la_kept_is_mine(kept, la_thread_self()));
        if (listed == 1) {
            CHECK(acquire(&x, apart) == LA_OK);
        }
        if (listed == 2) {
            actor_wait(&c, &x, cs);
        }
        CHECK(la_abandon(kept, la_thread_self()));
        CHECK(taken == listed + 1);
        CHECK(!la_kept_is_held(kept));
        CHECK(!abandon(kept));
        if (listed == 2) {
            CHECK(actor_done(&c) == LA_OK);
            actor_release(&c, cs);
        }
        CHECK(try_acquire(&x, mine));
        release(mine);
        if (listed == 1) {
            release(apart);
        }
        CHECK(!actor_holds_any(&b));
    }
    actor_stop(&b);
    actor_stop(&c);
}

static void
test_one_s_own_hold_is_abandoned_like_released(void)
{
    la_thread *self = la_thread_self();
    la_hold *hold = hold_extent(LA_WRITE, 0, 8);
    int taken = 0;
    hold->shown = &taken;
    CHECK(acquire(&x, hold) == LA_OK);
    la_kept kept = la_hold_keep(hold);
    CHECK(la_kept_is_mine(kept, self));
    CHECK(la_abandon(kept, self) && taken == 1);
    CHECK(!la_kept_is_held(kept) && !la_kept_is_mine(kept, self));
    CHECK(self->pool == hold && !la_thread_holds_any(self));
    CHECK(atomic_load(&x.state) == LA_FREE);
}

static void
test_an_old_memory_of_a_record_that_is_used_again_does_nothing(void)
{
    la_thread *self = la_thread_self();
    la_kept old[6];
    la_hold *hold = hold_extent(LA_WRITE, 0, 8);
    for (int i = 0; i < 6; i++) {
        CHECK(acquire(&x, hold) == LA_OK);
        old[i] = la_hold_keep(hold);
        for (int j = 0; j < i; j++) {
            CHECK(!la_kept_is_held(old[j]) && !la_kept_is_mine(old[j], self));
            CHECK(!abandon(old[j]));
        }
        CHECK(la_kept_is_held(old[i]) && is_mine(hold));
        if (i % 2) {
            la_hold_unkeep(hold);
            release(hold);
        }
        else {
            CHECK(abandon(old[i]));
            hold = hold_extent(LA_WRITE, 0, 8);
            CHECK(hold == old[i].hold);
        }
    }
    la_hold_free(hold, self);
    CHECK(!la_kept_is_held((la_kept){0}) && !abandon((la_kept){0}));
}

/* One of many, in each place of its owner's list, which that one goes on to use. */
static void
test_any_of_an_owner_s_holds_can_be_abandoned(void)
{
    enum { HOLDS = 5 };
    actor b;
    actor_start(&b);
    la_lock *locks[] = {&x, &y, &z};
    la_thread *self = la_thread_self();
    uint64_t random = random_seed();
    for (int turn = 0; turn < 100; turn++) {
        la_kept kept[HOLDS];
        bool held[HOLDS];
        for (int i = 0; i < HOLDS; i++) {
            kept[i] = actor_keep(&b, locks[i % 3], hold_extent(LA_WRITE, 8 * i, 8));
            held[i] = true;
        }
        la_owner *owner = la_hold_owner(kept[0].hold);
        for (int left = HOLDS; left > 0;) {
            int i = random_below(&random, HOLDS);
            if (!held[i]) {
                continue;
            }
            if (random_below(&random, 2)) {
                CHECK(abandon(kept[i]));
            }
            else {
                actor_call(&b, call_abandon, &kept[i]);
            }
            held[i] = false;
            left--;
            for (int j = 0; j < HOLDS; j++) {
                CHECK(la_kept_is_held(kept[j]) == held[j]);
            }
            if (random_below(&random, 2)) {
                CHECK(actor_holds_any(&b) == (left > 0));
                CHECK(count_records(owner) == left);
            }
        }
        CHECK(!actor_holds_any(&b) && count_records(owner) == 0);
        for (int i = 0; i < 3; i++) {
            la_hold *mine = hold_extent(LA_WRITE, 0, 64);
            CHECK(try_acquire(locks[i], mine));
            release(mine);
            la_hold_free(mine, self);
        }
    }
    actor_stop(&b);
}

static void
test_chained_holds_are_abandoned_together(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_hold *cs = case_hold(LA_WRITE, 16, 8), *mine = case_hold(LA_WRITE, 0, 64);
    int taken = 0;
    for (int own = 0; own < 2; own++) {
        la_hold *first = hold_extent(LA_WRITE, 0, 8);
        first->shown = &taken;
        for (int i = 1; i < 4; i++) {
            la_hold *part = hold_extent(LA_WRITE, 8 * i, 8);
            part->shown = &taken;
            la_hold_chain(first, part);
        }
        la_kept kept;
        if (own) {
            CHECK(acquire(&x, first) == LA_OK);
            kept = la_hold_keep(first);
        }
        else {
            kept = actor_keep(&b, &x, first);
        }
        actor_wait(&c, &x, cs);
        CHECK(la_abandon(kept, la_thread_self()));
        CHECK(taken == 4 * (own + 1));
        CHECK(actor_done(&c) == LA_OK);
        actor_release(&c, cs);
        CHECK(try_acquire(&x, mine));
        release(mine);
        CHECK(!actor_holds_any(&b));
    }
    actor_stop(&b);
    actor_stop(&c);
}

/* The graph does not see it any more, nor does its owner count as one that holds. */
static void
test_who_was_robbed_of_its_holds_waits_as_one_that_holds_nothing(void)
{
    actor b, c;
    actor_start(&b);
    actor_start(&c);
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *bs = case_hold(LA_WRITE, 0, 8);
    la_hold *my_y = case_hold(LA_WRITE, 0, 8);
    la_kept kept = actor_keep(&b, &y, hold_extent(LA_WRITE, 0, 8));
    CHECK(acquire(&x, mine) == LA_OK);
    CHECK(abandon(kept));
    actor_wait(&b, &x, bs);
    CHECK(!bs->nested);
    CHECK(acquire(&y, my_y) == LA_OK);
    release(my_y);
    release(mine);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, bs);
    /* It may also be robbed while it waits. */
    kept = actor_keep(&b, &y, hold_extent(LA_WRITE, 0, 8));
    CHECK(acquire(&x, mine) == LA_OK);
    actor_wait(&b, &x, bs);
    CHECK(acquire(&y, my_y) == LA_DEADLOCK);
    CHECK(abandon(kept));
    CHECK(acquire(&y, my_y) == LA_OK);
    release(my_y);
    release(mine);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, bs);
    actor_stop(&b);
    actor_stop(&c);
}

static void
until_overtaken(la_hold *older, la_hold *waiter)
{
    la_thread *self = la_thread_self();
    la_wakes wakes = {0};

    for (bool overtaken = false; !overtaken; sched_yield()) {
        la_lock_enter(waiter->lock, self);
        overtaken = waiter->heeds <= older->ticket;
        la_lock_leave(waiter->lock, self, &wakes);
    }
}

/*
 * The walk has seen that w waits for a, which waits for b at y; there it is stopped. What a has
 * is abandoned, so w is granted the lock, and b, behind which it was, waits for w: no cycle, though
 * each of its edges is hard. In the first walk or in the second.
 */
static void
test_who_is_granted_the_lock_while_a_cycle_is_looked_for_is_in_none(void)
{
    for (int walk = 1; walk <= 2; walk++) {
        host w;
        actor a, b, c;
        host_start(&w);
        actor_start(&a);
        actor_start(&b);
        actor_start(&c);
        la_hold *ws = case_hold(LA_WRITE, 0, 16), *w_on_z = case_hold(LA_WRITE, 0, 8);
        la_hold *bs = case_hold(LA_WRITE, 8, 16), *b_on_y = case_hold(LA_WRITE, 0, 8);
        la_hold *a_on_y = case_hold(LA_WRITE, 0, 8), *cs = case_hold(LA_WRITE, 16, 8);
        la_kept kept = actor_keep(&a, &x, hold_extent(LA_WRITE, 0, 8));
        actor_acquire(&b, &y, b_on_y);
        actor_acquire(&c, &x, cs);
        actor_acquire(&w.actor, &z, w_on_z);
        actor_wait(&w.actor, &x, ws);
        host_visit(&w);
        until_old();
        actor_wait(&a, &y, a_on_y);
        actor_wait(&b, &x, bs);
        until_overtaken(ws, bs);    /* b waits for c only */

        la_mutex_lock(&y.mutex);
        visit_end(&w.visit);
        until_stopped(&y);
        if (walk == 2) {
            la_mutex_lock(&x.mutex);
            la_mutex_unlock(&y.mutex);
            until_stopped(&x);
            la_mutex_lock(&y.mutex);
            la_mutex_unlock(&x.mutex);
            until_stopped(&y);
        }
        CHECK(abandon(kept));
        CHECK(look(&x, ws).held && look(&x, bs).queued);
        la_mutex_unlock(&y.mutex);
        CHECK(actor_done(&w.actor) == LA_OK);

        actor_release(&w.actor, ws);
        actor_release(&w.actor, w_on_z);
        actor_release(&c, cs);
        CHECK(actor_done(&b) == LA_OK);
        actor_release(&b, bs);
        actor_release(&b, b_on_y);
        CHECK(actor_done(&a) == LA_OK);
        actor_release(&a, a_on_y);
        actor_stop(&w.actor);
        actor_stop(&a);
        actor_stop(&b);
        actor_stop(&c);
    }
}

/* An owner that is not current cannot see to its own; the exchange back does. */
static void
test_holds_of_an_owner_that_is_not_current_are_abandoned(void)
{
    la_thread *self = la_thread_self();
    la_owner *owner = la_owner_new();
    la_hold *mine = case_hold(LA_WRITE, 0, 8);
    actor b;
    actor_start(&b);
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        (void)la_owner_exchange(self, owner);
        la_hold *its = hold_extent(LA_WRITE, 0, 8), *other = hold_extent(LA_WRITE, 8, 8);
        CHECK(acquire(&x, its) == LA_OK && acquire(&x, other) == LA_OK);
        la_kept kept = la_hold_keep(its), other_kept = la_hold_keep(other);
        (void)la_owner_exchange(self, NULL);
        CHECK(!la_kept_is_mine(kept, self));
        if (elsewhere) {
            actor_call(&b, call_abandon, &kept);
        }
        else {
            CHECK(abandon(kept));
        }
        CHECK(!la_kept_is_held(kept) && la_kept_is_held(other_kept));
        CHECK(acquire(&x, mine) == LA_OK);
        release(mine);
        CHECK(la_thread_holds_any(self));
        (void)la_owner_exchange(self, owner);
        CHECK(la_thread_holds_any(self));
        CHECK(abandon(other_kept));
        CHECK(!la_thread_holds_any(self));
        (void)la_owner_exchange(self, NULL);
    }
    la_owner_free(owner, self);
    actor_stop(&b);
}

static void
count_parts(la_hold *hold, void *count)
{
    for (; hold != NULL; hold = hold->also) {
        ++*(int *)count;
    }
}

static int
parts_of_mine(la_lock *lock)
{
    int count = 0;

    la_lock_visit_mine(lock, la_thread_self(), count_parts, &count);
    return count;
}

static void
test_own_holds_of_one_lock_are_visited(void)
{
    la_thread *self = la_thread_self();
    la_owner *owner = la_owner_new();
    la_hold *elsewhere = case_hold(LA_WRITE, 64, 8), *last = case_hold(LA_READ, 24, 8);
    la_hold *first = hold_extent(LA_WRITE, 0, 8), *second = hold_extent(LA_WRITE, 8, 8);

    la_hold_chain(first, hold_extent(LA_WRITE, 16, 8));
    CHECK(parts_of_mine(&x) == 0);
    CHECK(acquire(&x, first) == LA_OK && acquire(&y, elsewhere) == LA_OK);
    CHECK(parts_of_mine(&x) == 2);
    la_kept kept = la_hold_keep(first);
    (void)la_owner_exchange(self, owner);
    CHECK(parts_of_mine(&x) == 0);
    CHECK(acquire(&x, second) == LA_OK);
    CHECK(parts_of_mine(&x) == 1);
    release(second);
    (void)la_owner_exchange(self, NULL);
    CHECK(acquire(&x, last) == LA_OK);
    CHECK(parts_of_mine(&x) == 3);
    CHECK(abandon(kept));
    CHECK(parts_of_mine(&x) == 1);
    release(last);
    release(elsewhere);
    la_hold_free(second, self);
    la_owner_free(owner, self);
}

/* -- races ---------------------------------------------------------------------- */

#define RACERS 3

static la_kept race_kept[RACERS];
static atomic_int race_ended, race_step;

static void
count_ended(la_hold *hold)
{
    (void)hold;
    atomic_fetch_add(&race_ended, 1);
}

static void *
keep_and_end(void *argument)
{
    la_thread *self = la_thread_self();
    (void)argument;
    for (int i = 0; i < RACERS; i++) {
        la_hold *hold = hold_extent(LA_WRITE, 8 * i, 8);
        if (i == 1) {
            la_hold_chain(hold, hold_extent(LA_WRITE, 64, 8));
        }
        CHECK(la_acquire(&x, hold, self, LA_NEVER, NULL, NULL) == LA_OK);
        race_kept[i] = la_hold_keep(hold);
    }
    atomic_store(&race_step, 1);
    until_step(&race_step, 2);
    return NULL;
}

/* Each hold is given back once: by its keeper, or by the end of its thread. */
static void
test_a_keeper_s_end_races_with_the_end_of_the_thread(void)
{
    uint64_t random = random_seed();
    int kept_first = 0, thread_first = 0;
    la_hold *mine = case_hold(LA_WRITE, 0, 128);
    la_on_hold_end = count_ended;
    for (int turn = 0; turn < 500 * stress_scale(); turn++) {
        int abandoned = 0;
        atomic_store(&race_ended, 0);
        atomic_store(&race_step, 0);
        pthread_t thread = thread_start(keep_and_end, NULL);
        until_step(&race_step, 1);
        atomic_store(&race_step, 2);
        for (int spin = random_below(&random, 4000); spin > 0; spin--) {
            LA_PAUSE();
        }
        for (int i = 0; i < RACERS; i++) {
            abandoned += abandon(race_kept[i]);
            CHECK(!la_kept_is_held(race_kept[i]));
        }
        /* la_abandon tells the same floor: once for each, whoever it was. */
        thread_join(thread);
        CHECK(atomic_load(&race_ended) == RACERS);
        kept_first += abandoned;
        thread_first += RACERS - abandoned;
        CHECK(try_acquire(&x, mine));
        release(mine);
    }
    la_on_hold_end = NULL;
    printf("(%d by keepers, %d by threads) ", kept_first, thread_first);
}

/* What an owner at full speed hands to those that abandon. */
#define SLOTS 4
static atomic_int slot_states[SLOTS];   /* 0: empty, 1: full, 2: being emptied */
static la_kept slots[SLOTS];
static atomic_bool slots_stop;
static atomic_int slots_abandoned;

static void *
abandon_what_is_handed_over(void *argument)
{
    la_thread *self = la_thread_self();
    uint64_t random = (uint64_t)(uintptr_t)argument;
    int count = 0;
    while (!atomic_load(&slots_stop)) {
        int i = random_below(&random, SLOTS);
        int full = 1;
        if (atomic_compare_exchange_strong(&slot_states[i], &full, 2)) {
            CHECK(la_abandon(slots[i], self));
            atomic_store(&slot_states[i], 0);
            count++;
        }
        else {
            sched_yield();
        }
    }
    atomic_fetch_add(&slots_abandoned, count);
    return NULL;
}

/*
 * An owner that acquires and releases all the time, in any order, while two others
 * take holds out of the middle of its list.
 */
static void
test_holds_are_abandoned_while_their_owner_goes_on(void)
{
    enum { NESTED = 4 };
    pthread_t threads[2];
    la_thread *self = la_thread_self();
    la_lock *locks[] = {&x, &y, &z};
    uint64_t random = random_seed();
    int handed = 0;
    atomic_store(&slots_stop, false);
    atomic_store(&slots_abandoned, 0);
    for (int i = 0; i < 2; i++) {
        threads[i] = thread_start(abandon_what_is_handed_over, (void *)(uintptr_t)(i + 1));
    }
    for (int turn = 0; turn < 8000 * stress_scale(); turn++) {
        la_hold *own[NESTED];
        for (int i = 0; i < NESTED; i++) {
            int slot = random_below(&random, SLOTS);
            own[i] = hold_extent(LA_WRITE, 8 * i, 8);
            CHECK(try_acquire(locks[random_below(&random, 3)], own[i]));
            if (atomic_load(&slot_states[slot]) == 0) {
                /* Of the slots' own part of each lock, so nobody is in its way. */
                la_hold *hold = hold_extent(LA_READ, 64, 8);
                if (random_below(&random, 4) == 0) {
                    la_hold_chain(hold, hold_extent(LA_READ, 72, 8));
                }
                CHECK(try_acquire(locks[random_below(&random, 3)], hold));
                slots[slot] = la_hold_keep(hold);
                atomic_store(&slot_states[slot], 1);
                handed++;
            }
        }
        for (int left = NESTED; left > 0;) {
            int i = random_below(&random, NESTED);
            if (own[i] != NULL) {
                release(own[i]);
                la_hold_free(own[i], self);
                own[i] = NULL;
                left--;
            }
        }
        if (random_below(&random, 8) == 0) {
            sched_yield();
        }
    }
    for (int i = 0; i < SLOTS; i++) {
        while (atomic_load(&slot_states[i]) != 0) {
            sched_yield();
        }
    }
    atomic_store(&slots_stop, true);
    for (int i = 0; i < 2; i++) {
        thread_join(threads[i]);
    }
    CHECK(atomic_load(&slots_abandoned) == handed);
    CHECK(!la_thread_holds_any(self) && count_records(&self->own) == 0);
    printf("(%d abandoned) ", handed);
}

int
main(void)
{
    la_on_hold_end = count_end;
    CASE(test_an_abandoned_hold_is_free_at_once);
    CASE(test_one_s_own_hold_is_abandoned_like_released);
    CASE(test_an_old_memory_of_a_record_that_is_used_again_does_nothing);
    CASE(test_any_of_an_owner_s_holds_can_be_abandoned);
    CASE(test_chained_holds_are_abandoned_together);
    CASE(test_who_was_robbed_of_its_holds_waits_as_one_that_holds_nothing);
    CASE(test_who_is_granted_the_lock_while_a_cycle_is_looked_for_is_in_none);
    CASE(test_holds_of_an_owner_that_is_not_current_are_abandoned);
    CASE(test_own_holds_of_one_lock_are_visited);
    CASE(test_a_keeper_s_end_races_with_the_end_of_the_thread);
    CASE(test_holds_are_abandoned_while_their_owner_goes_on);
    return 0;
}
