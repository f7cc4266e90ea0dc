/*
 * Random holds from 8 threads, with a checker that sees any two conflicting
 * holds at once: each byte counts its readers and writers, and carries data
 * that is touched without atomics, so that ThreadSanitizer sees a lock that
 * excludes but does not order.
 *
 * Threads hold up to three things at a time, of any lock, in any order, and
 * wait without limit, with a limit or not at all. So cycles occur, and each
 * must be refused: a run that ends is a run without deadlock.
 *
 * In the last of these runs threads have several owners, are interrupted while they
 * wait and go on meanwhile, and abandon holds for each other.
 */
#include "check.h"

#define THREADS 8
#define LOCKS 3
#define ROWS 8
#define COLUMNS 8
#define NESTED 3
#define PARTS 2
#define OWNERS 3

typedef struct {
    la_lock lock;
    atomic_int readers[ROWS * COLUMNS];
    atomic_int writers[ROWS * COLUMNS];
    int data[ROWS * COLUMNS];
} buffer;

/* One region, in the two forms that are compared. */
typedef struct {
    la_hold *hold;
    int row, rows, row_step, column, columns, column_step;
} part;

typedef struct {
    buffer *buffer;
    int nparts;
    part parts[PARTS];
} operation;

static buffer buffers[LOCKS];
static atomic_int outcomes[4];
static atomic_int interrupts, abandons;

static void
part_choose(part *p, uint64_t *random, int writes_percent)
{
    la_mode mode = random_below(random, 100) < writes_percent ? LA_WRITE : LA_READ;
    p->row_step = 1 + random_below(random, 2);
    p->column_step = 1 + random_below(random, 2);
    p->row = random_below(random, ROWS);
    p->rows = 1 + random_below(random, (ROWS - 1 - p->row) / p->row_step + 1);
    p->column = random_below(random, COLUMNS);
    p->columns = 1 + random_below(random,
                                  (COLUMNS - 1 - p->column) / p->column_step + 1);
    p->hold = la_hold_new(la_thread_self(), mode);
    CHECK(p->hold != NULL);
    la_region_set_array(&p->hold->region, 2,
                        (intptr_t[]){p->rows, p->columns},
                        (intptr_t[]){p->row_step * COLUMNS, p->column_step}, 1,
                        p->row * COLUMNS + p->column);
}

/* Calls `act` for each byte of the part. */
static void
part_each(operation *op, part *p, void (*act)(buffer *, int, la_mode, part *))
{
    for (int i = 0; i < p->rows; i++) {
        for (int j = 0; j < p->columns; j++) {
            int at = (p->row + i * p->row_step) * COLUMNS
                     + p->column + j * p->column_step;
            act(op->buffer, at, p->hold->mode, p);
        }
    }
}

/* What an owner has on each byte, so that it does not accuse itself. */
typedef struct {
    int readers[LOCKS][ROWS * COLUMNS];
    int writers[LOCKS][ROWS * COLUMNS];
} possession;

static _Thread_local possession possessions[OWNERS];
static _Thread_local possession *own;

static void
byte_enter(buffer *b, int at, la_mode mode, part *p)
{
    long n = b - buffers;
    (void)p;
    if (mode == LA_WRITE) {
        own->writers[n][at]++;
        CHECK(atomic_fetch_add_explicit(&b->writers[at], 1, memory_order_relaxed)
              == own->writers[n][at] - 1);
        CHECK(atomic_load_explicit(&b->readers[at], memory_order_relaxed)
              == own->readers[n][at]);
        b->data[at]++;
    }
    else {
        own->readers[n][at]++;
        atomic_fetch_add_explicit(&b->readers[at], 1, memory_order_relaxed);
        CHECK(atomic_load_explicit(&b->writers[at], memory_order_relaxed)
              == own->writers[n][at]);
        CHECK(b->data[at] >= 0);
    }
}

static void
byte_leave(buffer *b, int at, la_mode mode, part *p)
{
    long n = b - buffers;
    (void)p;
    if (mode == LA_WRITE) {
        CHECK(b->data[at] >= 0);
        own->writers[n][at]--;
        atomic_fetch_sub_explicit(&b->writers[at], 1, memory_order_relaxed);
    }
    else {
        own->readers[n][at]--;
        atomic_fetch_sub_explicit(&b->readers[at], 1, memory_order_relaxed);
    }
}

static la_status
operation_begin(operation *op, uint64_t *random, int writes_percent, la_thread *self,
                const la_wait_hooks *hooks)
{
    op->buffer = &buffers[random_below(random, LOCKS)];
    op->nparts = random_below(random, 4) == 0 ? PARTS : 1;
    for (int i = 0; i < op->nparts; i++) {
        part_choose(&op->parts[i], random, writes_percent);
        if (i > 0) {
            la_hold_chain(op->parts[0].hold, op->parts[i].hold);
        }
    }
    int how = random_below(random, 8);
    int64_t deadline = LA_NEVER;
    if (how == 0) {
        deadline = LA_NOW;
    }
    else if (how == 1) {
        deadline = la_now() + random_below(random, 2000) * (LA_MILLISECOND / 1000);
    }
    la_status status = la_acquire(&op->buffer->lock, op->parts[0].hold, self,
                                  deadline, hooks, NULL);
    atomic_fetch_add_explicit(&outcomes[status], 1, memory_order_relaxed);
    CHECK(status != LA_INTERRUPTED || hooks != NULL);
    CHECK(status != LA_TIMEOUT || deadline != LA_NEVER);
    for (int i = 0; status == LA_OK && i < op->nparts; i++) {
        part_each(op, &op->parts[i], byte_enter);
    }
    if (status != LA_OK) {
        la_hold_free(op->parts[0].hold, self);
    }
    return status;
}

static void
operation_end(operation *op, la_thread *self)
{
    for (int i = 0; i < op->nparts; i++) {
        part_each(op, &op->parts[i], byte_leave);
    }
    la_release(op->parts[0].hold, self);
    la_hold_free(op->parts[0].hold, self);
}

typedef struct {
    uint64_t random;
    int turns;
    int nested;
    int writes_percent;
    atomic_bool can_be_interrupted, done;
} plan;

static void *
run_plan(void *argument)
{
    plan *p = argument;
    la_thread *self = la_thread_self();
    operation operations[NESTED];

    own = possessions;
    for (int turn = 0; turn < p->turns; turn++) {
        int count = 0, wanted = 1 + random_below(&p->random, p->nested);
        while (count < wanted) {
            la_status status = operation_begin(&operations[count], &p->random,
                                               p->writes_percent, self, NULL);
            if (status != LA_OK) {
                CHECK(status != LA_DEADLOCK || count > 0);
                break;
            }
            count++;
        }
        if (random_below(&p->random, 16) == 0) {
            sched_yield();
        }
        while (count > 0) {
            operation_end(&operations[--count], self);
        }
        CHECK(!la_thread_holds_any(self));
    }
    return NULL;
}

/* -- with everything else that can happen to a hold ------------------------------- */

/* A hold that its owner hands to whoever abandons it. Its bytes are left before. */
typedef struct {
    atomic_int state;                   /* 0: empty; 1: full; 2: being filled or emptied */
    la_kept kept;
} slot;

static slot slots[THREADS];

/* Out of one's hands, when there is room for it. */
static bool
operation_hand_over(operation *op, uint64_t *random)
{
    slot *s = &slots[random_below(random, THREADS)];
    int empty = 0;
    if (!atomic_compare_exchange_strong(&s->state, &empty, 2)) {
        return false;
    }
    for (int i = 0; i < op->nparts; i++) {
        part_each(op, &op->parts[i], byte_leave);
    }
    s->kept = la_hold_keep(op->parts[0].hold);
    atomic_store(&s->state, 1);
    return true;
}

static void
slot_empty(slot *s, la_thread *self)
{
    int full = 1;
    if (atomic_compare_exchange_strong(&s->state, &full, 2)) {
        /* False when its owner has ended meanwhile. */
        int count = la_abandon(s->kept, self);
        CHECK(!la_kept_is_held(s->kept));
        atomic_store(&s->state, 0);
        atomic_fetch_add_explicit(&abandons, count, memory_order_relaxed);
    }
}

/* One owner's share of a thread, and what it is in the middle of. */
typedef struct {
    la_owner *owner;
    operation operations[NESTED + 4];   /* each handler may come on top */
    int count;
} share;

typedef struct {
    plan *plan;
    la_thread *self;
    share shares[OWNERS];
    int current;
    int depth;                          /* of handlers in handlers */
    la_wait_hooks hooks;
} player;

static void
player_become(player *p, int next)
{
    (void)la_owner_exchange(p->self, p->shares[next].owner);
    p->current = next;
    own = &possessions[next];
}

static void
player_acquire(player *p, share *mine)
{
    operation op;       /* not in its place: handlers use the share meanwhile */
    if (operation_begin(&op, &p->plan->random, p->plan->writes_percent, p->self,
                        &p->hooks) == LA_OK) {
        mine->operations[mine->count++] = op;
    }
}

/* Gives back one, whichever. */
static void
player_release(player *p, share *mine)
{
    int i = random_below(&p->plan->random, mine->count);
    operation op = mine->operations[i];
    mine->operations[i] = mine->operations[--mine->count];
    if (random_below(&p->plan->random, 8) != 0
            || !operation_hand_over(&op, &p->plan->random)) {
        operation_end(&op, p->self);
    }
}

/*
 * check_interrupt: goes on as if nothing were, inside the wait it interrupts, maybe
 * as another owner. It may give back what the owner that waits held.
 */
static int
player_interrupt(void *context)
{
    player *p = context;
    uint64_t *random = &p->plan->random;
    int before = p->current;
    if (p->depth >= 2) {
        return 0;
    }
    p->depth++;
    atomic_fetch_add_explicit(&interrupts, 1, memory_order_relaxed);
    if (random_below(random, 3) == 0) {
        player_become(p, random_below(random, OWNERS));
    }
    for (int acts = random_below(random, 4); acts > 0; acts--) {
        share *mine = &p->shares[p->current];
        if (mine->count > 0 && random_below(random, 2)) {
            player_release(p, mine);
        }
        else if (mine->count < NESTED) {
            player_acquire(p, mine);
        }
    }
    player_become(p, before);
    p->depth--;
    return random_below(random, 8) == 0;
}

static void *
run_player(void *argument)
{
    plan *its = argument;
    uint64_t *random = &its->random;
    player p = { .plan = its, .self = la_thread_self() };
    p.hooks = (la_wait_hooks){ .check_interrupt = player_interrupt, .context = &p,
                               .spins = (int)random_below(random, 2) * 40 };
    memset(possessions, 0, sizeof(possessions));
    for (int i = 1; i < OWNERS; i++) {
        p.shares[i].owner = la_owner_new();
    }
    atomic_store(&its->can_be_interrupted, true);
    for (int turn = 0; turn < its->turns; turn++) {
        player_become(&p, random_below(random, 4) == 0 ? random_below(random, OWNERS)
                                                       : p.current);
        share *mine = &p.shares[p.current];
        if (mine->count >= NESTED || (mine->count > 0 && random_below(random, 2))) {
            player_release(&p, mine);
        }
        else {
            player_acquire(&p, mine);
        }
        slot_empty(&slots[random_below(random, THREADS)], p.self);
        if (random_below(random, 16) == 0) {
            sched_yield();
        }
    }
    for (int i = 0; i < OWNERS; i++) {
        player_become(&p, i);
        while (p.shares[i].count > 0) {
            operation_end(&p.shares[i].operations[--p.shares[i].count], p.self);
        }
    }
    player_become(&p, 0);
    for (int i = 1; i < OWNERS; i++) {
        la_owner_free(p.shares[i].owner, p.self);
    }
    atomic_store(&its->done, true);
    /* Some leave kept holds to the end of their threads. */
    for (int i = 0; i < THREADS; i++) {
        if (its->random % 2) {
            slot_empty(&slots[i], p.self);
        }
    }
    return NULL;
}

static bool
all_done(plan *plans)
{
    for (int i = 0; i < THREADS; i++) {
        if (!atomic_load(&plans[i].done)) {
            return false;
        }
    }
    return true;
}

static void
interrupt_until_done(pthread_t *threads, plan *plans, uint64_t *random)
{
    while (!all_done(plans)) {
        int i = random_below(random, THREADS);
        if (atomic_load(&plans[i].can_be_interrupted) && !atomic_load(&plans[i].done)) {
            pthread_kill(threads[i], SIGUSR1);
        }
        usleep(50);
    }
}

static void
run_threads(void *(*run)(void *), int turns, int nested, int writes_percent)
{
    pthread_t threads[THREADS];
    plan plans[THREADS];
    uint64_t random = random_seed();

    memset(buffers, 0, sizeof(buffers));
    memset(outcomes, 0, sizeof(outcomes));
    memset(slots, 0, sizeof(slots));
    ignore_signals();
    for (int i = 0; i < LOCKS; i++) {
        la_lock_init(&buffers[i].lock, (uint64_t)i + 1);
    }
    for (int i = 0; i < THREADS; i++) {
        plans[i] = (plan){ .random = random_next(&random), .nested = nested,
                           .turns = turns * stress_scale(),
                           .writes_percent = writes_percent };
        threads[i] = thread_start(run, &plans[i]);
    }
    if (run == run_player) {
        interrupt_until_done(threads, plans, &random);
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
    }
    for (int i = 0; i < LOCKS; i++) {
        CHECK(is_unheld(&buffers[i].lock));
        CHECK(buffers[i].lock.waiters.first == NULL);
        CHECK(atomic_load(&buffers[i].lock.mutex.word) == 0);
        la_lock_destroy(&buffers[i].lock);
    }
    printf("(%d held, %d timed out, %d refused) ", outcomes[LA_OK],
           outcomes[LA_TIMEOUT], outcomes[LA_DEADLOCK]);
}

static void
test_no_two_conflicting_holds_at_once(void)
{
    run_threads(run_plan, 4000, 1, 30);
}

static void
test_no_two_conflicting_holds_at_once_with_many_writers(void)
{
    run_threads(run_plan, 4000, 1, 90);
}

/* The bias comes and goes. */
static void
test_no_two_conflicting_holds_at_once_with_few_writers(void)
{
    run_threads(run_plan, 20000, 1, 1);
}

static void
test_no_deadlock_when_threads_hold_several_with_few_writers(void)
{
    run_threads(run_plan, 10000, NESTED, 1);
}

static void
test_no_deadlock_when_threads_hold_several(void)
{
    run_threads(run_plan, 3000, NESTED, 40);
}

static void
test_no_two_conflicting_holds_at_once_whatever_happens_to_them(void)
{
    run_threads(run_player, 10000, NESTED, 40);
    CHECK(abandons > 0);        /* interrupts: where no signal cuts a sleep, none */
    printf("(%d interrupted, %d handlers, %d abandoned) ", outcomes[LA_INTERRUPTED],
           interrupts, abandons);
}

/* Alone on a lock most of the time: the inline form and back. */
static la_lock pair_lock;
static int pair_data;

static void *
run_pair(void *argument)
{
    la_thread *self = la_thread_self();
    int turns = *(int *)argument;
    for (int i = 0; i < turns; i++) {
        la_hold *outer = hold_extent(LA_WRITE, 0, 8);
        la_hold *inner = hold_extent(LA_READ, 0, 8);
        CHECK(la_acquire(&pair_lock, outer, self, LA_NEVER, NULL, NULL) == LA_OK);
        pair_data++;
        if (i % 3 == 0) {
            CHECK(la_try_acquire(&pair_lock, inner, self));
            pair_data++;
            la_release(inner, self);
        }
        pair_data++;
        la_release(outer, self);
        la_hold_free(inner, self);
        la_hold_free(outer, self);
    }
    return NULL;
}

static void
test_the_inline_hold_and_the_list_change_places(void)
{
    pthread_t threads[3];
    int turns = 30000 * stress_scale();
    pair_data = 0;
    la_lock_init(&pair_lock, 1);
    for (int i = 0; i < 3; i++) {
        threads[i] = thread_start(run_pair, &turns);
    }
    for (int i = 0; i < 3; i++) {
        thread_join(threads[i]);
    }
    CHECK(pair_data == 3 * (2 * turns + (turns + 2) / 3));
    CHECK(atomic_load(&pair_lock.state) == LA_FREE);
    CHECK(atomic_load(&pair_lock.mutex.word) == 0);
}

int
main(void)
{
    RUN(test_no_two_conflicting_holds_at_once);
    RUN(test_no_two_conflicting_holds_at_once_with_many_writers);
    RUN(test_no_two_conflicting_holds_at_once_with_few_writers);
    RUN(test_no_deadlock_when_threads_hold_several_with_few_writers);
    RUN(test_no_deadlock_when_threads_hold_several);
    RUN(test_no_two_conflicting_holds_at_once_whatever_happens_to_them);
    RUN(test_the_inline_hold_and_the_list_change_places);
    return 0;
}
