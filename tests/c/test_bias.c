/*
 * The bias towards readers: when it comes and goes, that readers then write to nothing
 * that they share, and that nobody is missed when it ends.
 */
#include "actors.h"

#if !defined(_WIN32)
#include <sys/mman.h>
#endif

/* A thread that reads in a loop until it is told to stop, and compares two words. */
typedef struct {
    la_lock *lock;
    atomic_bool *stop;
    int turns;                  /* at most; 0: no end */
    int depth;                  /* reads inside each other */
    bool looks;                 /* at `twice` */
} reader;

#define DEPTH (LA_SLOTS + 3)

/* Written only under a write lock, to the same value; without atomics, on purpose. */
static struct {
    long one;
    char apart[2 * LA_CACHE_LINE];
    long other;
} twice;

/* Long enough for others to come in between, if nothing keeps them out. */
static void
linger(void)
{
    for (int i = 0; i < 100; i++) {
        LA_PAUSE();
    }
}

static void
check_twice(void)
{
    long one = twice.one;
    linger();
    CHECK(twice.other == one);
}

static void
reader_turn(const reader *self, la_thread *record)
{
    la_hold *holds[DEPTH];
    for (int i = 0; i < self->depth; i++) {
        holds[i] = hold_extent(LA_READ, 0, 8);
        CHECK(la_acquire(self->lock, holds[i], record, LA_NEVER, NULL, NULL) == LA_OK);
    }
    if (self->looks) {
        check_twice();
    }
    for (int i = self->depth - 1; i >= 0; i--) {
        la_release(holds[i], record);
        la_hold_free(holds[i], record);
    }
}

static void *
reader_run(void *argument)
{
    const reader *self = argument;
    la_thread *record = la_thread_self();
    for (int i = 0; (self->turns == 0 || i < self->turns) && !atomic_load(self->stop); i++) {
        reader_turn(self, record);
    }
    return NULL;
}

static void
write_twice(la_lock *lock)
{
    la_hold *hold = hold_extent(LA_WRITE, 0, 8);
    CHECK(acquire(lock, hold) == LA_OK);
    twice.one++;
    linger();
    twice.other++;
    release(hold);
    la_hold_free(hold, la_thread_self());
}

/* -- when it comes and goes ------------------------------------------------------ */

static void
check_readers_are_biased(int count)
{
    pthread_t threads[4];
    atomic_bool end = false;
    reader all = { .lock = &x, .stop = &end, .depth = 1 };
    for (int i = 0; i < count; i++) {
        threads[i] = thread_start(reader_run, &all);
    }
    while (!is_biased(&x)) {
        sched_yield();
    }
    atomic_store(&end, true);
    for (int i = 0; i < count; i++) {
        thread_join(threads[i]);
    }
}

static void
test_it_comes_when_two_threads_read(void)
{
    check_readers_are_biased(2);
}

static void
test_it_comes_when_four_threads_read(void)
{
    check_readers_are_biased(4);
}

static void
test_a_writer_ends_it(void)
{
    la_hold *write = case_hold(LA_WRITE, 0, 8), *read = case_hold(LA_READ, 0, 8);
    until_biased(&x);
    CHECK(try_acquire(&x, read));
    CHECK(count_slots(&x) == 1 && x.holds.first == NULL);
    release(read);
    CHECK(try_acquire(&x, write));
    CHECK(atomic_load(&x.state) == ((uintptr_t)write | LA_INLINE));
    release(write);
    CHECK(atomic_load(&x.state) == LA_FREE);
}

static void
test_it_does_not_come_while_writes_are_seen(void)
{
    la_hold *write = case_hold(LA_WRITE, 0, 8), *apart = case_hold(LA_READ, 8, 8);
    for (int i = 0; i < 5000; i++) {
        if (i % 10 == 0) {
            CHECK(try_acquire(&x, write));
        }
        CHECK(try_acquire(&x, apart));
        release(apart);
        if (i % 10 == 0) {
            release(write);
        }
        CHECK(!is_biased(&x));
    }
}

/* After it was ended, not before some time. */
static void
test_it_pauses(void)
{
    la_hold *write = case_hold(LA_WRITE, 0, 8);
    until_biased(&x);
    CHECK(la_lock_rare_of(&x)->unbiased_until <= la_now());
    int64_t before = la_now();
    CHECK(try_acquire(&x, write));
    CHECK(la_lock_rare_of(&x)->unbiased_until > before);
    release(write);
    la_lock_rare_of(&x)->unbiased_until = before + 50 * LA_MILLISECOND;
    until_biased(&x);
    CHECK(la_now() >= before + 50 * LA_MILLISECOND);
}

static void
test_to_list_the_holds_ends_it_for_a_moment(void)
{
    la_hold *holds[2] = {case_hold(LA_READ, 0, 8), case_hold(LA_READ, 0, 8)};
    until_biased(&x);
    CHECK(try_acquire(&x, holds[0]) && try_acquire(&x, holds[1]));
    CHECK(la_lock_list(&x, la_thread_self(), NULL, 0) == 2);
    while (!is_biased(&x)) {
        CHECK(la_lock_list(&x, la_thread_self(), NULL, 0) == 2);
    }
    release(holds[0]);
    release(holds[1]);
    CHECK(is_biased(&x));
}

/* -- what is shared -------------------------------------------------------------- */

#if !defined(_WIN32)

/* With the page of the lock read-only, a store would end the program. */
static void
check_readers_store_nothing(int count)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    la_lock *lock = mmap(NULL, size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_t threads[4];
    atomic_bool end = false;
    reader all = { .lock = lock, .stop = &end, .turns = 100000 / count, .depth = 1 };
    reader deep = { .lock = lock, .stop = &end, .turns = 1000, .depth = LA_SLOTS };
    CHECK(lock != MAP_FAILED);
    la_lock_init(lock, 1);
    until_biased(lock);
    CHECK(mprotect(lock, size, PROT_READ) == 0);
    for (int i = 0; i < count; i++) {
        threads[i] = thread_start(reader_run, i == 0 ? &deep : &all);
    }
    for (int i = 0; i < count; i++) {
        thread_join(threads[i]);
    }
    CHECK(mprotect(lock, size, PROT_READ | PROT_WRITE) == 0);
    write_twice(lock);
    CHECK(atomic_load(&lock->state) == LA_FREE);
    la_lock_destroy(lock);
    CHECK(munmap(lock, size) == 0);
}

static void
test_readers_store_nothing_that_they_share(void)
{
    check_readers_store_nothing(2);
    check_readers_store_nothing(4);
}

#endif

static void
test_records_have_cache_lines_of_their_own(void)
{
    la_thread *self = la_thread_self();
    CHECK((uintptr_t)self % LA_CACHE_LINE == 0 && sizeof(*self) % LA_CACHE_LINE == 0);
    CHECK(offsetof(la_thread, slots) % LA_CACHE_LINE == 0);
    CHECK(sizeof(self->slots) <= LA_CACHE_LINE);
    CHECK(offsetof(la_thread, parker) - offsetof(la_thread, slots) >= LA_CACHE_LINE);
    CHECK(sizeof(la_hold) % LA_CACHE_LINE == 0);
    CHECK((uintptr_t)case_hold(LA_READ, 0, 8) % LA_CACHE_LINE == 0);
}

/* -- nobody is missed ------------------------------------------------------------ */

#define ACTORS 4

static void
test_all_holds_in_slots_are_listed_and_a_writer_waits_for_them(void)
{
    actor actors[ACTORS], writer;
    la_hold *holds[ACTORS][3], *mine = case_hold(LA_READ, 0, 8);
    la_hold *write = case_hold(LA_WRITE, 0, 8);
    actor_start(&writer);
    until_biased(&x);
    for (int i = 0; i < ACTORS; i++) {
        actor_start(&actors[i]);
        for (int j = 0; j < 3; j++) {
            holds[i][j] = case_hold(LA_READ, 0, 8);
            actor_acquire(&actors[i], &x, holds[i][j]);
        }
    }
    CHECK(try_acquire(&x, mine));
    CHECK(is_biased(&x) && x.holds.first == NULL);
    actor_wait(&writer, &x, write);
    CHECK(la_lock_list(&x, la_thread_self(), NULL, 0) == 3 * ACTORS + 2);
    for (int i = 0; i < ACTORS; i++) {
        for (int j = 0; j < 3; j++) {
            CHECK(atomic_load(&holds[i][j]->slot) == NULL);
            CHECK(actor_is_busy(&writer));
            actor_release(&actors[i], holds[i][j]);
        }
        actor_stop(&actors[i]);
    }
    CHECK(actor_is_busy(&writer));
    release(mine);
    CHECK(actor_done(&writer) == LA_OK);
    actor_release(&writer, write);
    actor_stop(&writer);
}

static void
test_a_thread_reads_more_than_it_has_slots(void)
{
    la_hold *holds[DEPTH], *write = case_hold(LA_WRITE, 0, 8);
    uint64_t random = random_seed();
    for (int round = 0; round < 100; round++) {
        until_biased(&x);
        for (int i = 0; i < DEPTH; i++) {
            holds[i] = hold_extent(LA_READ, 0, 8);
            CHECK(try_acquire(&x, holds[i]));
        }
        CHECK(is_biased(&x) && count_slots(&x) == LA_SLOTS);
        if (round % 3 == 0) {
            CHECK(la_lock_list(&x, la_thread_self(), NULL, 0) == DEPTH);
            CHECK(count_slots(&x) == 0);
        }
        for (int i = 0; i < DEPTH; i++) {
            int j = random_below(&random, DEPTH - i) + i;
            la_hold *hold = holds[j];
            holds[j] = holds[i];
            release(hold);
            la_hold_free(hold, la_thread_self());
        }
        CHECK(count_slots(&x) == 0);
        CHECK(round % 3 == 0 || is_biased(&x));
        CHECK(try_acquire(&x, write));
        release(write);
    }
}

/* Slots are the thread's, whatever locks are in them. */
static void
test_reads_of_several_locks_share_the_slots(void)
{
    la_hold *xs = case_hold(LA_READ, 0, 8), *ys = case_hold(LA_READ, 0, 8);
    la_hold *write = case_hold(LA_WRITE, 0, 8);
    actor b;
    actor_start(&b);
    until_biased(&x);
    until_biased(&y);
    CHECK(try_acquire(&x, xs) && try_acquire(&y, ys));
    CHECK(count_slots(&x) == 1 && count_slots(&y) == 1);
    actor_wait(&b, &x, write);
    CHECK(count_slots(&x) == 0 && count_slots(&y) == 1 && is_biased(&y));
    release(xs);
    CHECK(actor_done(&b) == LA_OK);
    actor_release(&b, write);
    release(ys);
    actor_stop(&b);
}

static void
test_a_chain_of_reads_is_listed_and_one_with_a_write_ends_the_bias(void)
{
    la_hold *first = hold_extent(LA_READ, 0, 8), *mine = case_hold(LA_READ, 0, 8);
    until_biased(&x);
    la_hold_chain(first, hold_extent(LA_READ, 16, 8));
    CHECK(try_acquire(&x, first));
    CHECK(is_biased(&x) && count_slots(&x) == 0 && x.holds.first == first);
    CHECK(try_acquire(&x, mine));
    CHECK(count_slots(&x) == 1);
    release(first);
    CHECK(is_biased(&x) && x.holds.first == NULL);
    /* Wherever in the chain the write is. */
    la_hold_chain(first, hold_extent(LA_WRITE, 32, 8));
    CHECK(try_acquire(&x, first));
    CHECK(!is_biased(&x) && count_slots(&x) == 0);
    release(first);
    release(mine);
    la_hold_free(first, la_thread_self());
}

/*
 * One of two threads tries to read and one to write, at the same moment, of a lock that
 * is biased. Not both may get it, as would be if each did not see what the other has just
 * stored.
 */
static struct {
    _Alignas(LA_CACHE_LINE) atomic_int round;   /* of the writer: begins */
    _Alignas(LA_CACHE_LINE) atomic_int tried;   /* by the reader, in this round */
    _Alignas(LA_CACHE_LINE) atomic_int over;    /* of the writer: ends */
    atomic_bool has_read;
} meeting;

static void
until_round(atomic_int *at, int round)
{
    for (int i = 0; atomic_load(at) < round; i++) {
        if (i % 1000 == 999) {
            sched_yield();          /* it may be for lack of a processor */
        }
    }
}

static void *
meet(void *argument)
{
    int rounds = *(int *)argument;
    la_hold *hold = hold_extent(LA_READ, 0, 8);
    for (int i = 1; i <= rounds; i++) {
        until_round(&meeting.round, i);
        bool got = try_acquire(&x, hold);
        atomic_store(&meeting.has_read, got);
        atomic_store(&meeting.tried, i);
        until_round(&meeting.over, i);
        if (got) {
            release(hold);
        }
        atomic_store(&meeting.tried, -i);
    }
    return NULL;
}

static void
test_not_both_a_reader_and_a_writer_get_it_at_once(void)
{
    la_hold *write = case_hold(LA_WRITE, 0, 8);
    int rounds = 10000 * stress_scale(), reads = 0, writes = 0;
    int usual = 100;            /* how late: so that each of them is first as often */
    uint64_t random = random_seed();
    pthread_t thread = thread_start(meet, &rounds);
    for (int i = 1; i <= rounds; i++) {
        int late = random_below(&random, usual);
        /* As if it had become so. Nobody holds it, or looks. */
        CHECK(x.holds.first == NULL);
        atomic_store(&x.state, LA_BIASED);
        atomic_store(&meeting.round, i);
        for (volatile int j = 0; j < late; j++) {
        }
        bool got = try_acquire(&x, write);
        until_round(&meeting.tried, i);
        CHECK(!got || !atomic_load(&meeting.has_read));
        reads += atomic_load(&meeting.has_read);
        writes += got;
        usual += got ? usual < 100000 : -(usual > 1);
        if (got) {
            release(write);
        }
        atomic_store(&meeting.over, i);
        while (atomic_load(&meeting.tried) != -i) {
            sched_yield();
        }
    }
    thread_join(thread);
    printf("(%d reads, %d writes) ", reads, writes);
}

/* Two words that are always equal, and a writer each time there is a bias. */
static void
test_a_writer_and_readers_at_the_moment_when_it_ends(void)
{
    pthread_t threads[3];
    atomic_bool end = false;
    reader flat = { .lock = &x, .stop = &end, .depth = 1, .looks = true };
    reader deep = { .lock = &x, .stop = &end, .depth = DEPTH, .looks = true };
    int biased = 0, rounds = 300 * stress_scale();
    int64_t last = la_now() + 20 * SECOND;
    for (int i = 0; i < 3; i++) {
        threads[i] = thread_start(reader_run, i == 2 ? &deep : &flat);
    }
    for (int i = 0; i < rounds && la_now() < last; i++) {
        while (!is_biased(&x) && la_now() < last) {
            sched_yield();
        }
        biased += is_biased(&x);
        write_twice(&x);
    }
    atomic_store(&end, true);
    for (int i = 0; i < 3; i++) {
        thread_join(threads[i]);
    }
    printf("(%d of a bias) ", biased);
    CHECK(biased > 0);
}

/* A reader's first read is also its thread's registration, and its last the end of it. */
static void
test_threads_come_and_go_while_it_ends(void)
{
    atomic_bool end = false;
    reader once = { .lock = &x, .stop = &end, .turns = 20, .depth = 2, .looks = true };
    for (int i = 0; i < 300 * stress_scale(); i++) {
        pthread_t threads[3];
        until_biased(&x);
        for (int j = 0; j < 3; j++) {
            threads[j] = thread_start(reader_run, &once);
        }
        write_twice(&x);
        write_twice(&x);
        for (int j = 0; j < 3; j++) {
            thread_join(threads[j]);
        }
    }
}

/* -- others give it back --------------------------------------------------------- */

static void
call_become(la_thread *self, void *owner)
{
    (void)la_owner_exchange(self, owner);
}

static void
call_check_slots(la_thread *self, void *context)
{
    (void)self;
    CHECK(count_slots(&x) == *(int *)context);
}

static void
actor_check_slots(actor *self, int count)
{
    actor_call(self, call_check_slots, &count);
}

/* Its owner goes to another thread, which gives the hold back, listed or not. */
static void
test_an_owner_moves_with_a_hold_in_a_slot(void)
{
    la_thread *self = la_thread_self();
    la_owner *owner = la_owner_new();
    la_hold *its = case_hold(LA_READ, 0, 8), *bs = case_hold(LA_READ, 0, 8);
    la_hold *write = case_hold(LA_WRITE, 0, 8);
    actor b;
    actor_start(&b);
    for (int listed = 0; listed < 2; listed++) {
        until_biased(&x);
        actor_call(&b, call_become, owner);
        actor_acquire(&b, &x, its);
        actor_call(&b, call_become, NULL);
        actor_acquire(&b, &x, bs);
        actor_check_slots(&b, 2);
        (void)la_owner_exchange(self, owner);
        CHECK(is_mine(its));
        if (listed) {
            CHECK(la_lock_list(&x, self, NULL, 0) == 2);
            actor_check_slots(&b, 0);
        }
        release(its);
        CHECK(listed || is_biased(&x));
        CHECK(atomic_load(&its->slot) == NULL);
        actor_check_slots(&b, listed ? 0 : 1);
        CHECK(!try_acquire(&x, write));
        (void)la_owner_exchange(self, NULL);
        actor_release(&b, bs);
        CHECK(try_acquire(&x, write));
        release(write);
    }
    la_owner_free(owner, self);
    actor_stop(&b);
}

/* The first thread ends meanwhile, and a third one has its record. */
static void
test_a_thread_s_record_is_used_again_with_a_hold_in_its_slot(void)
{
    la_thread *self = la_thread_self();
    la_owner *owner = la_owner_new();
    la_hold *its = case_hold(LA_READ, 0, 8), *write = case_hold(LA_WRITE, 0, 8);
    actor b, c;
    actor_start(&b);
    until_biased(&x);
    actor_call(&b, call_become, owner);
    actor_acquire(&b, &x, its);
    actor_call(&b, call_become, NULL);
    (void)la_owner_exchange(self, owner);
    actor_stop(&b);
    actor_start(&c);
    actor_check_slots(&c, 1);
    actor_acquire(&c, &x, write = hold_extent(LA_READ, 0, 8));
    actor_check_slots(&c, 2);
    actor_release(&c, write);
    release(its);
    CHECK(is_biased(&x));
    actor_check_slots(&c, 0);
    la_hold_free(write, self);
    (void)la_owner_exchange(self, NULL);
    la_owner_free(owner, self);
    actor_stop(&c);
}

static void
test_a_hold_in_a_slot_is_abandoned(void)
{
    la_thread *self = la_thread_self();
    la_hold *write = case_hold(LA_WRITE, 0, 8);
    actor b;
    actor_start(&b);
    for (int by_itself = 0; by_itself < 2; by_itself++) {
        la_hold *bs = hold_extent(LA_READ, 0, 8);
        until_biased(&x);
        actor_acquire(&b, &x, bs);
        la_kept kept = la_hold_keep(bs);
        actor_check_slots(&b, 1);
        if (by_itself) {
            la_owner *owner = la_owner_new();
            (void)la_owner_exchange(self, owner);
            (void)la_owner_exchange(self, NULL);
            la_owner_free(owner, self);
        }
        CHECK(la_abandon(kept, self));
        CHECK(is_biased(&x));           /* it stays */
        actor_check_slots(&b, 0);
        CHECK(try_acquire(&x, write));
        release(write);
    }
    actor_stop(&b);
}

static void
test_a_thread_ends_with_holds_in_slots(void)
{
    la_hold *write = case_hold(LA_WRITE, 0, 8);
    for (int listed = 0; listed < 2; listed++) {
        actor b;
        actor_start(&b);
        until_biased(&x);
        for (int i = 0; i < DEPTH; i++) {
            actor_acquire(&b, &x, hold_extent(LA_READ, 0, 8));
        }
        CHECK(is_biased(&x) && !try_acquire(&x, write));
        if (!listed) {
            until_biased(&x);
        }
        actor_stop(&b);
        CHECK(try_acquire(&x, write));
        release(write);
    }
}

/*
 * One thread takes reads for an owner that another one then has, and reads for itself
 * meanwhile, with its first slots; a third one writes. The hold that the second thread
 * gives back is in a slot of the first, or listed, or just being listed while that slot
 * gets another hold.
 */
static la_owner *_Atomic handed;
static la_hold *handed_hold;
static atomic_bool handing_stop;

static void *
hand_over(void *argument)
{
    la_thread *self = la_thread_self();
    reader own = { .lock = &x, .depth = 1, .looks = true };
    la_owner *owner = argument;
    while (!atomic_load(&handing_stop)) {
        (void)la_owner_exchange(self, owner);
        handed_hold = hold_extent(LA_READ, 0, 8);
        CHECK(la_acquire(&x, handed_hold, self, LA_NEVER, NULL, NULL) == LA_OK);
        (void)la_owner_exchange(self, NULL);
        atomic_store(&handed, owner);
        while (atomic_load(&handed) != NULL) {
            reader_turn(&own, self);
        }
    }
    atomic_store(&handed, (la_owner *)&handed);
    return NULL;
}

static void *
take_over(void *argument)
{
    la_thread *self = la_thread_self();
    (void)argument;
    for (;;) {
        la_owner *owner;
        while ((owner = atomic_load(&handed)) == NULL) {
            sched_yield();
        }
        if (owner == (la_owner *)&handed) {
            return NULL;
        }
        (void)la_owner_exchange(self, owner);
        check_twice();
        la_release(handed_hold, self);
        la_hold_free(handed_hold, self);
        (void)la_owner_exchange(self, NULL);
        atomic_store(&handed, NULL);
    }
}

static void
test_owners_move_while_it_ends(void)
{
    la_owner *owner = la_owner_new();
    int rounds = 600 * stress_scale();
    int64_t last = la_now() + 20 * SECOND;
    atomic_store(&handing_stop, false);
    atomic_store(&handed, NULL);
    pthread_t first = thread_start(hand_over, owner);
    pthread_t second = thread_start(take_over, NULL);
    int biased = 0;
    for (int i = 0; i < rounds && la_now() < last; i++) {
        for (int wait = 0; wait < 100 && !is_biased(&x); wait++) {
            sched_yield();
        }
        biased += is_biased(&x);
        write_twice(&x);
    }
    atomic_store(&handing_stop, true);
    thread_join(first);
    thread_join(second);
    la_owner_free(owner, la_thread_self());
    printf("(%d of a bias) ", biased);
}

/*
 * What la_lock_claim_slot is sequentially consistent for. In each round one thread claims a slot, and
 * then looks whether the bias has ended; at that moment the other one ends it, and then looks at the
 * slot. What is stored waits for the cache line, which the other one has, and what is loaded does not:
 * so without a fence both may see what was before, and a writer runs beside that reader.
 */
static struct {
    la_slot *_Atomic slot;          /* the reader's first one */
    _Atomic(int) begun, looked, done;       /* which round; begun: 0 in between, -1 at the end */
    bool has;
} claiming;

static void *
claim_in_rounds(void *argument)
{
    la_thread *self = la_thread_self();
    la_hold *hold = hold_extent(LA_READ, 0, 8);
    (void)argument;
    atomic_store(&claiming.slot, &self->slots[0]);
    for (;;) {
        int round, turns = 0;
        while ((round = atomic_load(&claiming.begun)) == atomic_load(&claiming.done)) {
            if (++turns % 1000 == 0) {
                sched_yield();
            }
        }
        if (round < 0) {
            break;
        }
        while (!is_biased(&x) && atomic_load(&claiming.looked) != round) {
        }
        claiming.has = la_lock_claim_slot(&x, hold, self);
        while (atomic_load(&claiming.looked) != round) {
            LA_PAUSE();
        }
        if (claiming.has) {
            CHECK(la_lock_unclaim(hold, self));
        }
        atomic_store(&claiming.done, round);
    }
    la_hold_free(hold, self);
    return NULL;
}

static void
test_who_claims_a_slot_sees_that_the_bias_ends_or_is_seen(void)
{
    int64_t first = la_now(), last = first + 4 * SECOND * stress_scale();
    uint64_t seed = random_seed();
    int round = 0, had = 0, seen = 0;
    atomic_store(&x.state, LA_LISTED);
    pthread_t thread = thread_start(claim_in_rounds, NULL);
    la_slot *slot;
    while ((slot = atomic_load(&claiming.slot)) == NULL) {
        sched_yield();
    }
    /* Beside others on few cores it takes longer until the two meet. */
    while (la_now() < last && (had < 500 || seen < 500 || la_now() < first + SECOND / 2)) {
        uintptr_t state = LA_BIASED;
        atomic_store(&claiming.begun, ++round);
        for (int i = 0; i < 100; i++) {         /* until it looks */
            LA_PAUSE();
        }
        CHECK(atomic_load(slot) == NULL);       /* which brings the line here */
        atomic_store(&x.state, LA_BIASED);
        for (int i = random_below(&seed, 1500); i > 0; i--) {
            atomic_signal_fence(memory_order_seq_cst);
        }
        /* As la_lock_list_all_locked does, and then la_bias_revoke_locked. */
        CHECK(atomic_compare_exchange_strong(&x.state, &state, LA_LISTED));
        bool sees = atomic_load(slot) == &x;
        atomic_store(&claiming.looked, round);
        for (int turns = 1; atomic_load(&claiming.done) != round; turns++) {
            if (turns % 1000 == 0) {
                sched_yield();
            }
        }
        CHECK(!claiming.has || sees);
        had += claiming.has;
        seen += sees;
    }
    atomic_store(&claiming.begun, -1);
    thread_join(thread);
    atomic_store(&x.state, LA_FREE);
    printf("(%d rounds, %d had it, %d seen) ", round, had, seen);
}

int
main(void)
{
    CASE(test_it_comes_when_two_threads_read);
    CASE(test_it_comes_when_four_threads_read);
    CASE(test_a_writer_ends_it);
    CASE(test_it_does_not_come_while_writes_are_seen);
    CASE(test_it_pauses);
    CASE(test_to_list_the_holds_ends_it_for_a_moment);
#if !defined(_WIN32)
    CASE(test_readers_store_nothing_that_they_share);
#endif
    CASE(test_records_have_cache_lines_of_their_own);
    CASE(test_all_holds_in_slots_are_listed_and_a_writer_waits_for_them);
    CASE(test_a_thread_reads_more_than_it_has_slots);
    CASE(test_reads_of_several_locks_share_the_slots);
    CASE(test_a_chain_of_reads_is_listed_and_one_with_a_write_ends_the_bias);
    CASE(test_not_both_a_reader_and_a_writer_get_it_at_once);
    CASE(test_a_writer_and_readers_at_the_moment_when_it_ends);
    CASE(test_who_claims_a_slot_sees_that_the_bias_ends_or_is_seen);
    CASE(test_threads_come_and_go_while_it_ends);
    CASE(test_an_owner_moves_with_a_hold_in_a_slot);
    CASE(test_a_thread_s_record_is_used_again_with_a_hold_in_its_slot);
    CASE(test_a_hold_in_a_slot_is_abandoned);
    CASE(test_a_thread_ends_with_holds_in_slots);
    CASE(test_owners_move_while_it_ends);
    return 0;
}
