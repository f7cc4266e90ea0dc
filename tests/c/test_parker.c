/*
 * Sleeping and waking: the mutex and the token.
 */
#include "check.h"

#define THREADS 6

static la_mutex mutex;
static long counter;

typedef struct {
    int turns;
    int work;
} burden;

static void *
run_mutex(void *argument)
{
    const burden *b = argument;
    for (int i = 0; i < b->turns; i++) {
        la_mutex_lock(&mutex);
        int64_t end = la_now() + b->work;
        counter++;
        while (b->work > 0 && la_now() < end) {
        }
        la_mutex_unlock(&mutex);
    }
    return NULL;
}

static void
run_mutex_threads(int turns, int work)
{
    pthread_t threads[THREADS];
    burden b = { .turns = turns * stress_scale(), .work = work };
    la_mutex_init(&mutex);
    counter = 0;
    for (int i = 0; i < THREADS; i++) {
        threads[i] = thread_start(run_mutex, &b);
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
    }
    CHECK(counter == (long)THREADS * b.turns);
    /* Nobody is counted who is not there any more. */
    CHECK(atomic_load(&mutex.word) == 0);
}

static void
test_the_mutex_excludes(void)
{
    run_mutex_threads(50000, 0);
}

/* Held for so long that threads go to sleep, and starve. */
static void
test_the_mutex_comes_to_rest_after_threads_have_starved(void)
{
    run_mutex_threads(400, 50000);
}

static void
test_a_token_that_comes_early_is_kept(void)
{
    la_parker parker;
    la_parker_init(&parker);
    la_unpark(&parker);
    la_unpark(&parker);
    CHECK(la_park(&parker, LA_NEVER) == LA_WOKEN);
    CHECK(la_park(&parker, la_now() + LA_MILLISECOND) == LA_LATE);
}

static void
test_a_deadline_ends_a_sleep_not_before_its_time(void)
{
    la_parker parker;
    la_parker_init(&parker);
    for (int i = 0; i < 20; i++) {
        int64_t deadline = la_now() + i * LA_MILLISECOND / 4;
        la_wake_reason reason = LA_WOKEN;
        while (reason != LA_LATE) {
            reason = la_park(&parker, deadline);
        }
        CHECK(la_now() >= deadline);
    }
}

typedef struct {
    la_parker parker;
    atomic_int balls;   /* that were thrown to it */
} player;

static player ping, pong;

static void
player_init(player *p)
{
    la_parker_init(&p->parker);
    atomic_init(&p->balls, 0);
}

static void
throw_to(player *p)
{
    atomic_fetch_add(&p->balls, 1);
    la_unpark(&p->parker);
}

/* Whatever the reason is: the token may have come with another one. */
static void
await_ball(player *p, int number)
{
    while (atomic_load(&p->balls) < number) {
        (void)la_park(&p->parker, LA_NEVER);
    }
}

static void *
run_pong(void *argument)
{
    for (int i = 1; i <= *(int *)argument; i++) {
        await_ball(&ping, i);
        throw_to(&pong);
    }
    return NULL;
}

/* A debug build does not wake by itself: there, a token that is lost is a hang. */
static void
test_no_token_is_lost(void)
{
    int turns = 20000 * stress_scale();
    player_init(&ping);
    player_init(&pong);
    pthread_t thread = thread_start(run_pong, &turns);
    for (int i = 1; i <= turns; i++) {
        throw_to(&ping);
        await_ball(&pong, i);
    }
    thread_join(thread);
}

int
main(void)
{
    RUN(test_the_mutex_excludes);
    RUN(test_the_mutex_comes_to_rest_after_threads_have_starved);
    RUN(test_a_token_that_comes_early_is_kept);
    RUN(test_a_deadline_ends_a_sleep_not_before_its_time);
    RUN(test_no_token_is_lost);
    return 0;
}
