/*
 * Actors: other threads that each do what they are told, one command at a time,
 * so that a case reads from top to bottom. With them the locks x, y and z, which
 * each case finds free and leaves free.
 */
#ifndef LOCKEDARRAY_TESTS_ACTORS_H_
#define LOCKEDARRAY_TESTS_ACTORS_H_

#include "check.h"

#define SECOND (1000 * LA_MILLISECOND)

typedef struct actor actor;

/* A thread that acquires, releases, and does other things by command. */
struct actor {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    enum { IDLE, ACQUIRE, RELEASE, CALL, STOP } command;
    la_lock *lock;
    la_hold *hold;
    int64_t deadline;
    const la_wait_hooks *hooks;
    void (*call)(la_thread *self, void *context);
    void *context;
    la_status status;
    la_deadlock deadlock;
    atomic_ullong ident;
};

static inline void
actor_obey(actor *self, int command, la_thread *record)
{
    if (command == ACQUIRE) {
        self->status = la_acquire(self->lock, self->hold, record, self->deadline,
                                  self->hooks, &self->deadlock);
    }
    else if (command == RELEASE) {
        la_release(self->hold, record);
    }
    else {
        self->call(record, self->context);
    }
}

static inline void *
actor_run(void *argument)
{
    actor *self = argument;
    la_thread *record = la_thread_self();
    atomic_store(&self->ident, record->ident);
    pthread_mutex_lock(&self->mutex);
    while (self->command != STOP) {
        if (self->command == IDLE) {
            pthread_cond_wait(&self->changed, &self->mutex);
            continue;
        }
        int command = self->command;
        pthread_mutex_unlock(&self->mutex);
        actor_obey(self, command, record);
        pthread_mutex_lock(&self->mutex);
        self->command = IDLE;
        pthread_cond_broadcast(&self->changed);
    }
    pthread_mutex_unlock(&self->mutex);
    return NULL;
}

static inline void
actor_start(actor *self)
{
    memset(self, 0, sizeof(*self));
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->thread = thread_start(actor_run, self);
}

static inline void
actor_send(actor *self, int command)
{
    pthread_mutex_lock(&self->mutex);
    self->command = command;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mutex);
}

/* Waits until the actor has done what it was told. */
static inline la_status
actor_done(actor *self)
{
    pthread_mutex_lock(&self->mutex);
    while (self->command != IDLE) {
        pthread_cond_wait(&self->changed, &self->mutex);
    }
    pthread_mutex_unlock(&self->mutex);
    return self->status;
}

static inline bool
actor_is_busy(actor *self)
{
    pthread_mutex_lock(&self->mutex);
    bool busy = self->command != IDLE;
    pthread_mutex_unlock(&self->mutex);
    return busy;
}

/* Tells the actor to acquire; returns at once. */
static inline void
actor_begin(actor *self, la_lock *lock, la_hold *hold)
{
    self->lock = lock;
    self->hold = hold;
    self->deadline = LA_NEVER;
    actor_send(self, ACQUIRE);
}

static inline void
actor_acquire(actor *self, la_lock *lock, la_hold *hold)
{
    actor_begin(self, lock, hold);
    CHECK(actor_done(self) == LA_OK);
}

/* Tells the actor to acquire, and returns once it waits. */
static inline void
actor_wait(actor *self, la_lock *lock, la_hold *hold)
{
    int before = la_lock_count_waiters(lock, la_thread_self());
    actor_begin(self, lock, hold);
    until_waiters(lock, before + 1);
    CHECK(actor_is_busy(self));
}

static inline void
actor_release(actor *self, la_hold *hold)
{
    self->hold = hold;
    actor_send(self, RELEASE);
    (void)actor_done(self);
}

/* Has the actor's thread call this, and waits until it has returned. */
static inline void
actor_call(actor *self, void (*call)(la_thread *self, void *context), void *context)
{
    self->call = call;
    self->context = context;
    actor_send(self, CALL);
    (void)actor_done(self);
}

static inline void
actor_stop(actor *self)
{
    actor_send(self, STOP);
    thread_join(self->thread);
    pthread_mutex_destroy(&self->mutex);
    pthread_cond_destroy(&self->changed);
}

/* -- what a thread of the test itself does ------------------------------------- */

static inline la_status
acquire(la_lock *lock, la_hold *hold)
{
    return la_acquire(lock, hold, la_thread_self(), LA_NEVER, NULL, NULL);
}

static inline bool
try_acquire(la_lock *lock, la_hold *hold)
{
    return la_try_acquire(lock, hold, la_thread_self());
}

static inline void
release(la_hold *hold)
{
    la_release(hold, la_thread_self());
}

static inline bool
is_mine(la_hold *hold)
{
    return la_hold_is_of(hold, la_thread_owner(la_thread_self()));
}

/* Lets a waiter grow old enough to be handed the lock. */
static inline void
until_old(void)
{
    int64_t end = la_now() + LA_HAND_OFF_NS + LA_MILLISECOND;
    while (la_now() < end) {
        sched_yield();
    }
}

/* Until somebody sleeps for the lock's mutex, which is held here. */
static inline void
until_stopped(la_lock *lock)
{
    while ((atomic_load(&lock->mutex.word) & LA_SLEEPERS) == 0) {
        sched_yield();
    }
}

/* -- cases ---------------------------------------------------------------------- */

static la_lock x, y, z;

/* The records that teardown frees. */
static la_hold *case_holds[2048];
static int case_holds_count;

/* A hold that is there until the case ends. */
static inline la_hold *
case_hold(la_mode mode, int64_t low, int64_t size)
{
    la_hold *hold = hold_extent(mode, low, size);
    CHECK(case_holds_count < (int)(sizeof(case_holds) / sizeof(case_holds[0])));
    case_holds[case_holds_count++] = hold;
    return hold;
}

static inline void
check_free(la_lock *lock)
{
    CHECK(is_unheld(lock));
    CHECK(lock->holds.first == NULL && lock->waiters.first == NULL);
    CHECK(atomic_load(&lock->mutex.word) == 0);
    la_lock_destroy(lock);
}

static inline void
setup(void)
{
    la_lock_init(&x, 1);
    la_lock_init(&y, 2);
    la_lock_init(&z, 3);
    case_holds_count = 0;
}

static inline void
teardown(void)
{
    la_thread *self = la_thread_self();
    check_free(&x);
    check_free(&y);
    check_free(&z);
    CHECK(!la_thread_holds_any(self));
    CHECK(atomic_load(&self->waiting) == NULL && self->others == NULL);
    for (int i = 0; i < case_holds_count; i++) {
        CHECK(!la_hold_is_kept(case_holds[i]));
        CHECK(la_hold_owner(case_holds[i]) == NULL && !case_holds[i]->queued);
        la_hold_free(case_holds[i], self);
    }
}

/* -- bias ------------------------------------------------------------------------ */

static inline bool
is_biased(la_lock *lock)
{
    return atomic_load(&lock->state) == LA_BIASED;
}

/* How many of the holds in slots of the calling thread are of this lock. */
static inline int
count_slots(la_lock *lock)
{
    la_thread *self = la_thread_self();
    int count = 0;
    for (int i = 0; i < LA_SLOTS; i++) {
        count += atomic_load(&self->slots[i]) == lock;
    }
    return count;
}

/* Reads beside a read until the lock is biased. Nobody else uses it. */
static inline void
until_biased(la_lock *lock)
{
    la_thread *self = la_thread_self();
    la_hold *outer = hold_extent(LA_READ, 0, 8), *inner = hold_extent(LA_READ, 0, 8);
    CHECK(try_acquire(lock, outer));
    while (!is_biased(lock)) {
        CHECK(try_acquire(lock, inner));
        release(inner);
    }
    release(outer);
    la_hold_free(inner, self);
    la_hold_free(outer, self);
    CHECK(is_biased(lock));
}

#define CASE(test) (setup(), RUN(test), teardown())

#endif  /* LOCKEDARRAY_TESTS_ACTORS_H_ */
