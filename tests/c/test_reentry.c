/*
 * Waits that a signal interrupts, and what their handlers do with locks, case by
 * case.
 */
#include "visits.h"

static void
test_an_interrupted_waiter_keeps_its_place(void)
{
    host b;
    actor c;
    host_start(&b);
    actor_start(&c);
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *bs = case_hold(LA_WRITE, 0, 8);
    la_hold *cs = case_hold(LA_READ, 0, 8);
    CHECK(acquire(&x, mine) == LA_OK);
    actor_wait(&b.actor, &x, bs);
    for (int i = 0; i < 3; i++) {       /* young at first, then old */
        host_visit(&b);
        sight there = look(&x, bs);
        CHECK(there.queued && there.away && !there.aside && !there.held);
        CHECK(la_lock_count_waiters(&x, la_thread_self()) == 1 + (i > 0));
        if (i == 0) {
            until_old();
            actor_wait(&c, &x, cs);
        }
        CHECK(x.waiters.first == bs);
        visit_end(&b.visit);
        until_old();
    }
    release(mine);
    CHECK(actor_done(&b.actor) == LA_OK);
    CHECK(actor_is_busy(&c));
    actor_release(&b.actor, bs);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, cs);
    actor_stop(&b.actor);
    actor_stop(&c);
}

/* Whatever its age: it could not look if it were only woken. */
static void
test_a_waiter_that_is_away_is_granted_the_lock(void)
{
    host b;
    host_start(&b);
    for (int old = 0; old < 2; old++) {
        la_hold *mine = case_hold(LA_WRITE, 0, 8), *bs = case_hold(LA_WRITE, 0, 8);
        CHECK(acquire(&x, mine) == LA_OK);
        actor_wait(&b.actor, &x, bs);
        host_visit(&b);
        if (old) {
            until_old();
        }
        release(mine);
        CHECK(look(&x, bs).held);
        CHECK(!try_acquire(&x, mine));
        CHECK(actor_is_busy(&b.actor));
        visit_end(&b.visit);
        CHECK(actor_done(&b.actor) == LA_OK);
        CHECK(look(&x, bs).held);
        actor_release(&b.actor, bs);
    }
    actor_stop(&b.actor);
}

static void
test_a_handler_that_raises_gives_the_grant_back(void)
{
    host b;
    actor c;
    host_start(&b);
    actor_start(&c);
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *bs = case_hold(LA_WRITE, 0, 8);
    la_hold *cs = case_hold(LA_WRITE, 0, 8);
    for (int granted = 0; granted < 2; granted++) {
        CHECK(acquire(&x, mine) == LA_OK);
        actor_wait(&b.actor, &x, bs);
        until_old();
        actor_wait(&c, &x, cs);
        host_visit(&b);
        b.visit.raises = true;
        if (granted) {
            release(mine);
            CHECK(look(&x, bs).held && actor_is_busy(&c));
        }
        visit_end(&b.visit);
        CHECK(actor_done(&b.actor) == LA_INTERRUPTED);
        CHECK(!look(&x, bs).held && !look(&x, bs).queued);
        if (!granted) {
            CHECK(actor_is_busy(&c));
            release(mine);
        }
        CHECK(actor_done(&c) == LA_OK);
        actor_release(&c, cs);
    }
    actor_stop(&b.actor);
    actor_stop(&c);
}

/* One that is behind it only, not behind the holder: it has to be told. */
static void
test_who_is_behind_a_waiter_that_raises_runs(void)
{
    host b;
    actor c;
    host_start(&b);
    actor_start(&c);
    la_hold *mine = case_hold(LA_READ, 0, 8), *bs = case_hold(LA_WRITE, 0, 8);
    la_hold *cs = case_hold(LA_READ, 0, 8);
    CHECK(acquire(&x, mine) == LA_OK);
    actor_wait(&b.actor, &x, bs);
    host_visit(&b);
    until_old();
    actor_wait(&c, &x, cs);
    b.visit.raises = true;
    visit_end(&b.visit);
    CHECK(actor_done(&b.actor) == LA_INTERRUPTED);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, cs);
    release(mine);
    actor_stop(&b.actor);
    actor_stop(&c);
}

/*
 * Waiters that left the queue for a signal and came back to it by age used to take
 * younger ones for older, or were not looked at: they slept in front of those,
 * and nobody woke them. All three leave, come back in another order, and run.
 */
static void
test_waiters_that_come_back_in_another_order_all_run(void)
{
    enum { HOSTS = 3 };
    static const int orders[][HOSTS] = {{2, 1, 0}, {1, 2, 0}, {0, 2, 1}, {2, 0, 1}};
    host hosts[HOSTS];
    la_hold *holds[HOSTS], *mine = case_hold(LA_WRITE, 0, 24);
    for (int i = 0; i < HOSTS; i++) {
        host_start(&hosts[i]);
    }
    for (int turn = 0; turn < 8; turn++) {
        const int *order = orders[turn % 4];
        CHECK(acquire(&x, mine) == LA_OK);
        for (int i = 0; i < HOSTS; i++) {
            holds[i] = case_hold(i == 1 ? LA_READ : LA_WRITE, 4 * i, 8);
            actor_wait(&hosts[i].actor, &x, holds[i]);
        }
        for (int i = 0; i < HOSTS; i++) {
            host_visit(&hosts[i]);
        }
        if (turn >= 4) {
            until_old();
        }
        for (int i = 0; i < HOSTS; i++) {
            visit_end(&hosts[order[i]].visit);
            CHECK(x.waiters.first == holds[0] && la_hold_set_last(&x.waiters) == holds[2]);
        }
        until_old();
        release(mine);
        for (int i = 0; i < HOSTS; i++) {       /* oldest first */
            CHECK(actor_done(&hosts[i].actor) == LA_OK);
            for (int j = i + 1; j < HOSTS; j++) {
                CHECK(actor_is_busy(&hosts[j].actor));
            }
            actor_release(&hosts[i].actor, holds[i]);
        }
    }
    for (int i = 0; i < HOSTS; i++) {
        actor_stop(&hosts[i].actor);
    }
}

static void
test_a_handler_uses_other_locks_and_the_same_one(void)
{
    host b;
    actor c;
    host_start(&b);
    actor_start(&c);
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *bs = case_hold(LA_WRITE, 0, 8);
    la_hold *cs = case_hold(LA_WRITE, 0, 8);
    b.visit.hold = case_hold(LA_WRITE, 8, 8);
    b.visit.act = act_acquire_and_release;
    CHECK(acquire(&x, mine) == LA_OK);
    actor_wait(&b.actor, &x, bs);
    until_old();
    actor_wait(&c, &x, cs);
    for (int same = 0; same < 2; same++) {
        host_visit(&b);
        b.visit.lock = same ? &x : &y;
        b.visit.deadline = same ? LA_NOW : LA_NEVER;
        visit_end(&b.visit);
        CHECK(b.visit.status == LA_OK);
    }
    release(mine);
    CHECK(actor_done(&b.actor) == LA_OK);
    actor_release(&b.actor, bs);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, cs);
    actor_stop(&b.actor);
    actor_stop(&c);
}

/* Nobody queues behind a waiter of the same owner, however old. */
static void
test_a_handler_does_not_queue_behind_the_wait_it_interrupts(void)
{
    host b;
    actor c;
    host_start(&b);
    actor_start(&c);
    la_hold *mine = case_hold(LA_READ, 0, 8), *bs = case_hold(LA_WRITE, 0, 8);
    la_hold *my_second = case_hold(LA_READ, 0, 8);
    CHECK(acquire(&x, mine) == LA_OK);
    actor_wait(&b.actor, &x, bs);
    until_old();
    host_visit(&b);
    b.visit.act = act_acquire_and_release;
    b.visit.lock = &x;
    b.visit.hold = case_hold(LA_READ, 0, 8);
    b.visit.deadline = LA_NOW;
    visit_act(&b.visit);
    until_step(&b.visit.at, 3);
    CHECK(b.visit.status == LA_OK);
    actor_begin(&c, &x, my_second);             /* while others do */
    until_waiters(&x, 2);
    visit_end(&b.visit);
    release(mine);
    CHECK(actor_done(&b.actor) == LA_OK);
    actor_release(&b.actor, bs);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, my_second);
    actor_stop(&b.actor);
    actor_stop(&c);
}

/* The handler waits; meanwhile the outer wait is passed over, and loses no place. */
static void
test_an_outer_wait_is_aside_while_its_handler_waits(void)
{
    host b;
    actor c, d;
    host_start(&b);
    actor_start(&c);
    actor_start(&d);
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *my_y = case_hold(LA_WRITE, 0, 8);
    la_hold *bs = case_hold(LA_WRITE, 0, 8), *cs = case_hold(LA_WRITE, 0, 8);
    la_hold *ds = case_hold(LA_WRITE, 0, 8);
    for (int ends_before = 0; ends_before < 2; ends_before++) {
        CHECK(acquire(&x, mine) == LA_OK);
        CHECK(acquire(&y, my_y) == LA_OK);
        actor_wait(&b.actor, &x, bs);
        until_old();
        actor_wait(&c, &x, cs);
        host_visit(&b);
        b.visit.act = act_acquire_and_release;
        b.visit.lock = &y;
        b.visit.hold = case_hold(LA_WRITE, 0, 8);
        visit_act(&b.visit);
        until_waiters(&y, 1);
        CHECK(look(&x, bs).queued && look(&x, bs).aside && x.waiters.first == bs);
        release(mine);                  /* nothing is in the way of b, but it waits */
        CHECK(actor_done(&c) == LA_OK);
        CHECK(look(&x, bs).queued && look(&x, cs).held);
        actor_wait(&d, &x, ds);
        if (ends_before) {
            actor_release(&c, cs);
            CHECK(actor_done(&d) == LA_OK);
            actor_release(&d, ds);
            CHECK(look(&x, bs).queued && !look(&x, bs).held);
        }
        release(my_y);                  /* the handler goes on */
        visit_end(&b.visit);
        CHECK(b.visit.status == LA_OK);
        if (!ends_before) {
            until_old();
            actor_release(&c, cs);      /* b is older than d */
        }
        CHECK(actor_done(&b.actor) == LA_OK);
        if (!ends_before) {
            CHECK(actor_is_busy(&d));
        }
        actor_release(&b.actor, bs);
        if (!ends_before) {
            CHECK(actor_done(&d) == LA_OK);
            actor_release(&d, ds);
        }
    }
    actor_stop(&b.actor);
    actor_stop(&c);
    actor_stop(&d);
}

/* As soon as the inner wait ends, not only when the handler does. */
static void
test_an_outer_wait_that_stepped_back_in_is_granted(void)
{
    host b;
    host_start(&b);
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *my_y = case_hold(LA_WRITE, 0, 8);
    la_hold *bs = case_hold(LA_WRITE, 0, 8);
    for (int how = 0; how < 2; how++) {
        CHECK(acquire(&x, mine) == LA_OK);
        CHECK(acquire(&y, my_y) == LA_OK);
        actor_wait(&b.actor, &x, bs);
        host_visit(&b);
        b.visit.act = act_acquire_and_release;
        b.visit.lock = &y;
        b.visit.hold = case_hold(LA_WRITE, 0, 8);
        b.visit.deadline = how == 0 ? LA_NEVER : la_now() + 5 * LA_MILLISECOND;
        visit_act(&b.visit);
        if (how == 0) {
            until_waiters(&y, 1);
            release(mine);
            CHECK(!look(&x, bs).held);
            release(my_y);
            until_held(&x, bs);
        }
        else {                          /* the inner one gives up */
            until_step(&b.visit.at, 3);
            CHECK(b.visit.status == LA_TIMEOUT);
            CHECK(look(&x, bs).queued && !look(&x, bs).aside);
            release(mine);
            CHECK(look(&x, bs).held);
            release(my_y);
        }
        visit_end(&b.visit);
        CHECK(actor_done(&b.actor) == LA_OK);
        actor_release(&b.actor, bs);
    }
    actor_stop(&b.actor);
}

/* Granted while its handler runs, and held by the time the handler waits. */
static void
test_a_handler_waits_after_the_outer_wait_was_granted(void)
{
    host b;
    actor c;
    host_start(&b);
    actor_start(&c);
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *my_y = case_hold(LA_WRITE, 0, 8);
    la_hold *bs = case_hold(LA_WRITE, 0, 8), *my_x = case_hold(LA_READ, 0, 8);
    la_deadlock deadlock = {0};
    for (int raises = 0; raises < 2; raises++) {
        CHECK(acquire(&x, mine) == LA_OK);
        CHECK(acquire(&y, my_y) == LA_OK);
        actor_wait(&b.actor, &x, bs);
        host_visit(&b);
        b.visit.act = act_acquire_and_release;
        b.visit.lock = &y;
        b.visit.hold = case_hold(LA_WRITE, 0, 8);
        b.visit.raises = raises;
        release(mine);
        CHECK(look(&x, bs).held);
        visit_act(&b.visit);
        until_waiters(&y, 1);
        /* It holds x while it waits for y, which this thread holds. */
        CHECK(la_acquire(&x, my_x, la_thread_self(), LA_NEVER, NULL, &deadlock)
              == LA_DEADLOCK);
        CHECK(deadlock.length == 2 && deadlock.blocker == b.actor.ident);
        release(my_y);
        visit_end(&b.visit);
        CHECK(b.visit.status == LA_OK);
        CHECK(actor_done(&b.actor) == (raises ? LA_INTERRUPTED : LA_OK));
        CHECK(look(&x, bs).held == !raises);
        if (!raises) {
            actor_release(&b.actor, bs);
        }
    }
    actor_stop(&b.actor);
    actor_stop(&c);
}

/* The inner wait is for the same lock, and runs behind the same holder. */
static void
test_a_handler_waits_for_the_same_lock(void)
{
    host b;
    actor c;
    host_start(&b);
    actor_start(&c);
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *bs = case_hold(LA_WRITE, 0, 8);
    la_hold *cs = case_hold(LA_WRITE, 0, 8);
    for (int old = 0; old < 2; old++) {
        CHECK(acquire(&x, mine) == LA_OK);
        actor_wait(&b.actor, &x, bs);
        host_visit(&b);
        b.visit.act = act_acquire;              /* and keeps it */
        b.visit.lock = &x;
        b.visit.hold = case_hold(LA_READ, 0, 8);
        visit_act(&b.visit);
        until_waiters(&x, 2);
        if (old) {
            until_old();
        }
        actor_wait(&c, &x, cs);
        release(mine);
        visit_end(&b.visit);
        CHECK(b.visit.status == LA_OK);
        /* Holds of one owner do not conflict, so the outer one has it, too. */
        CHECK(actor_done(&b.actor) == LA_OK);
        CHECK(actor_is_busy(&c));
        actor_release(&b.actor, bs);
        actor_release(&b.actor, b.visit.hold);
        CHECK(actor_done(&c) == LA_OK);
        actor_release(&c, cs);
    }
    actor_stop(&b.actor);
    actor_stop(&c);
}

/*
 * Three deep: the innermost wait ends, the one around it does not. The outermost
 * one stays aside until that has ended, too: it must get nothing while its owner
 * sleeps in the one between.
 */
static void
test_of_three_waits_the_outermost_stays_aside_until_the_second_ends(void)
{
    host b;
    visit second = {0};
    la_wait_hooks hooks = { .check_interrupt = visit_pay, .context = &second };
    host_start(&b);
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *my_y = case_hold(LA_WRITE, 0, 8);
    la_hold *my_z = case_hold(LA_WRITE, 0, 8), *bs = case_hold(LA_WRITE, 0, 8);
    CHECK(acquire(&x, mine) == LA_OK);
    CHECK(acquire(&y, my_y) == LA_OK);
    CHECK(acquire(&z, my_z) == LA_OK);
    actor_wait(&b.actor, &x, bs);
    host_visit(&b);
    b.visit.act = act_acquire_and_release;
    b.visit.lock = &y;
    b.visit.hold = case_hold(LA_WRITE, 0, 8);
    b.visit.hooks = &hooks;
    visit_act(&b.visit);
    until_waiters(&y, 1);
    visit_begin(&second, b.actor.thread);
    second.act = act_acquire_and_release;
    second.lock = &z;
    second.hold = case_hold(LA_WRITE, 0, 8);
    second.deadline = LA_NEVER;
    visit_act(&second);
    until_waiters(&z, 1);
    CHECK(look(&x, bs).aside && look(&y, b.visit.hold).aside);
    release(my_z);
    until_step(&second.at, 3);
    CHECK(second.status == LA_OK);
    CHECK(look(&x, bs).aside);
    CHECK(look(&y, b.visit.hold).away && !look(&y, b.visit.hold).aside);
    visit_end(&second);                 /* back to the wait for y */
    release(mine);
    CHECK(look(&x, bs).queued && !look(&x, bs).held);
    release(my_y);
    until_step(&b.visit.at, 3);
    CHECK(look(&x, bs).held);
    visit_end(&b.visit);
    CHECK(actor_done(&b.actor) == LA_OK);
    actor_release(&b.actor, bs);
    actor_stop(&b.actor);
}

static void
test_a_deadline_that_passes_while_the_waiter_is_away(void)
{
    host b;
    host_start(&b);
    la_hold *mine = case_hold(LA_WRITE, 0, 8), *bs = case_hold(LA_WRITE, 0, 8);
    for (int free = 0; free < 2; free++) {
        CHECK(acquire(&x, mine) == LA_OK);
        b.actor.lock = &x;
        b.actor.hold = bs;
        b.actor.deadline = la_now() + 300 * LA_MILLISECOND;
        actor_send(&b.actor, ACQUIRE);
        until_waiters(&x, 1);
        host_visit(&b);
        while (la_now() < b.actor.deadline) {
            usleep(1000);
        }
        if (free) {
            release(mine);
        }
        visit_end(&b.visit);
        CHECK(actor_done(&b.actor) == (free ? LA_OK : LA_TIMEOUT));
        CHECK(look(&x, bs).held == free && !look(&x, bs).queued);
        if (free) {
            actor_release(&b.actor, bs);
        }
        else {
            release(mine);
        }
    }
    actor_stop(&b.actor);
}

/* A handler that took a lock and kept it made the wait one of a cycle. */
static void
test_the_graph_is_asked_when_a_waiter_comes_back(void)
{
    host b;
    actor c;
    host_start(&b);
    actor_start(&c);
    la_hold *cs = case_hold(LA_WRITE, 0, 8), *bs = case_hold(LA_WRITE, 0, 8);
    la_hold *cs_y = case_hold(LA_WRITE, 0, 8);
    actor_acquire(&c, &x, cs);
    actor_wait(&b.actor, &x, bs);
    host_visit(&b);
    b.visit.act = act_acquire;
    b.visit.lock = &y;
    b.visit.hold = case_hold(LA_WRITE, 0, 8);
    visit_act(&b.visit);
    until_step(&b.visit.at, 3);
    CHECK(b.visit.status == LA_OK);
    actor_wait(&c, &y, cs_y);           /* no cycle yet: b does not wait at this moment */
    visit_end(&b.visit);
    CHECK(actor_done(&b.actor) == LA_DEADLOCK);
    CHECK(b.actor.deadlock.length == 2 && b.actor.deadlock.blocker == c.ident);
    CHECK(!look(&x, bs).queued && !look(&x, bs).held);
    actor_release(&b.actor, b.visit.hold);
    CHECK(actor_done(&c) == LA_OK);
    actor_release(&c, cs_y);
    actor_release(&c, cs);
    actor_stop(&b.actor);
    actor_stop(&c);
}

/* And one that gave all back has left it: others may wait for what it held. */
static void
test_a_handler_that_gives_all_back_takes_the_wait_out_of_the_graph(void)
{
    host b;
    actor c;
    host_start(&b);
    actor_start(&c);
    la_hold *cs = case_hold(LA_WRITE, 0, 8), *bs = case_hold(LA_WRITE, 0, 8);
    la_hold *bs_y = case_hold(LA_WRITE, 0, 8), *cs_y = case_hold(LA_WRITE, 0, 8);
    actor_acquire(&b.actor, &y, bs_y);
    actor_acquire(&c, &x, cs);
    actor_wait(&b.actor, &x, bs);
    CHECK(bs->nested);
    actor_begin(&c, &y, cs_y);
    CHECK(actor_done(&c) == LA_DEADLOCK);
    host_visit(&b);
    b.visit.act = act_release;
    b.visit.hold = bs_y;
    visit_end(&b.visit);
    while (look(&x, bs).away) {
        sched_yield();
    }
    CHECK(!bs->nested);
    actor_acquire(&c, &y, cs_y);
    actor_release(&c, cs_y);
    actor_release(&c, cs);
    CHECK(actor_done(&b.actor) == LA_OK);
    actor_release(&b.actor, bs);
    actor_stop(&b.actor);
    actor_stop(&c);
}

int
main(void)
{
    CASE(test_an_interrupted_waiter_keeps_its_place);
    CASE(test_a_waiter_that_is_away_is_granted_the_lock);
    CASE(test_a_handler_that_raises_gives_the_grant_back);
    CASE(test_who_is_behind_a_waiter_that_raises_runs);
    CASE(test_waiters_that_come_back_in_another_order_all_run);
    CASE(test_a_handler_uses_other_locks_and_the_same_one);
    CASE(test_a_handler_does_not_queue_behind_the_wait_it_interrupts);
    CASE(test_an_outer_wait_is_aside_while_its_handler_waits);
    CASE(test_an_outer_wait_that_stepped_back_in_is_granted);
    CASE(test_a_handler_waits_after_the_outer_wait_was_granted);
    CASE(test_a_handler_waits_for_the_same_lock);
    CASE(test_of_three_waits_the_outermost_stays_aside_until_the_second_ends);
    CASE(test_a_deadline_that_passes_while_the_waiter_is_away);
    CASE(test_the_graph_is_asked_when_a_waiter_comes_back);
    CASE(test_a_handler_that_gives_all_back_takes_the_wait_out_of_the_graph);
    return 0;
}
