/*
 * Waits that a signal interrupts. The waiter is an actor whose check_interrupt is a
 * visit: it says that it is there, does something with locks, and stays until the
 * test lets it go.
 */
#ifndef LOCKEDARRAY_TESTS_VISITS_H_
#define LOCKEDARRAY_TESTS_VISITS_H_

#include "actors.h"

typedef struct visit visit;

struct visit {
    atomic_bool wanted;
    atomic_int at;                  /* 1: there; 2: may do its part; 3: has; 4: may go; 5: goes */
    void (*act)(visit *self);       /* between 2 and 3, or NULL */
    bool raises;
    la_lock *lock;                  /* what `act` uses */
    la_hold *hold;
    int64_t deadline;
    const la_wait_hooks *hooks;
    la_status status;
    la_deadlock deadlock;
};

/* check_interrupt: only the visit that is wanted takes place. */
static inline int
visit_pay(void *context)
{
    visit *self = context;
    if (!atomic_exchange(&self->wanted, false)) {
        return 0;
    }
    atomic_store(&self->at, 1);
    until_step(&self->at, 2);
    if (self->act != NULL) {
        self->act(self);
    }
    atomic_store(&self->at, 3);
    until_step(&self->at, 4);
    bool raises = self->raises;
    atomic_store(&self->at, 5);
    return raises;
}

/* Interrupts the thread until the visit is there. */
static inline void
visit_begin(visit *self, pthread_t thread)
{
    atomic_store(&self->at, 0);
    atomic_store(&self->wanted, true);
    while (atomic_load(&self->at) < 1) {
        pthread_kill(thread, SIGUSR1);
        usleep(50);
    }
}

/* Lets it do its part, if that was not done before; returns at once. */
static inline void
visit_act(visit *self)
{
    int there = 1;
    atomic_compare_exchange_strong(&self->at, &there, 2);
}

static inline void
visit_end(visit *self)
{
    visit_act(self);
    until_step(&self->at, 3);
    atomic_store(&self->at, 4);
    until_step(&self->at, 5);
}

/* An actor that can be visited while it waits. */
typedef struct {
    actor actor;
    visit visit;
    la_wait_hooks hooks;
} host;

static inline void
host_start(host *self)
{
    ignore_signals();
    memset(&self->visit, 0, sizeof(self->visit));
    self->visit.deadline = LA_NEVER;
    self->hooks = (la_wait_hooks){ .check_interrupt = visit_pay,
                                   .context = &self->visit };
    actor_start(&self->actor);
    self->actor.hooks = &self->hooks;
}

static inline void
host_visit(host *self)
{
    visit_begin(&self->visit, self->actor.thread);
}

/* What a hold of a lock is at this moment, seen under the lock's mutex. */
typedef struct {
    bool held, queued, away, aside;
} sight;

static inline sight
look(la_lock *lock, la_hold *hold)
{
    la_wakes wakes = {0};
    la_lock_enter(lock, la_thread_self());
    sight seen = {false, hold->queued, hold->away, hold->aside};
    for (la_hold *held = lock->holds.first; held != NULL; held = held->next) {
        seen.held |= held == hold;
    }
    la_lock_leave(lock, la_thread_self(), &wakes);
    return seen;
}

static inline void
until_held(la_lock *lock, la_hold *hold)
{
    while (!look(lock, hold).held) {
        sched_yield();
    }
}

/* In an actor's thread, what a visit does. */
static inline void
act_acquire(visit *self)
{
    self->status = la_acquire(self->lock, self->hold, la_thread_self(), self->deadline,
                              self->hooks, &self->deadlock);
}

static inline void
act_acquire_and_release(visit *self)
{
    act_acquire(self);
    if (self->status == LA_OK) {
        la_release(self->hold, la_thread_self());
    }
}

static inline void
act_release(visit *self)
{
    la_release(self->hold, la_thread_self());
}

#endif  /* LOCKEDARRAY_TESTS_VISITS_H_ */
