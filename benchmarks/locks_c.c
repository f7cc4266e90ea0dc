/*
 * The RegionLock in C beside the locks of POSIX.
 *
 *   1. Hold and release with nobody else there, the record of the hold taken from
 *      its pool and put back. All contenders in one run, in turn, many short
 *      rounds; the best and the median round are printed, and the ratio to the
 *      pthread_rwlock pair of the same mode.
 *   2. Throughput of 1 to 16 threads that read in a loop, with no writes and with one
 *      in 100, in 10 and in 2, for ours and for pthread_rwlock.
 *   3. What it costs a writer to end the bias towards readers, with the records of
 *      2, 16 and 64 threads to look at.
 *   4. The longest wait of a writer among 8 readers that read in a loop, and
 *      of a reader among 8 writers, for ours and for pthread_rwlock.
 *   5. The longest waits of readers and of writers in crowds of both, up to 64
 *      threads; for ours also where each reader is inside a hold of a lock of its
 *      own. A writer that is kept out waits until the end of its part.
 *
 * Build: cc -O2 -std=gnu11 -pthread -Ilockedarray/_core \
 *            benchmarks/locks_c.c lockedarray/_core/lock/[a-z]*.c -o locks_c
 * Run:   ./locks_c [seconds of each line of 4 and 5, default 2]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lock/registry.h"

#define ROUNDS 201
#define PAIRS 20000
#define CROWD 8

static _Alignas(LA_CACHE_LINE) la_lock region_lock;
static _Alignas(LA_CACHE_LINE) pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static _Alignas(LA_CACHE_LINE) pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* A little work under the lock, so that the loop is not optimised away. */
static volatile int shared;

static inline la_hold *
hold_new(la_mode mode, la_thread *self)
{
    la_hold *hold = la_hold_new(self, mode);
    if (hold == NULL) {
        abort();
    }
    return hold;
}

static inline void
hold_acquire(la_hold *hold, la_thread *self)
{
    if (la_acquire(&region_lock, hold, self, LA_NEVER, NULL, NULL) != LA_OK) {
        abort();
    }
}

static inline void
hold_release(la_hold *hold, la_thread *self)
{
    la_release(hold, self);
    la_hold_free(hold, self);
}

static inline void
hold_and_release(la_mode mode, int64_t low, int64_t size)
{
    la_thread *self = la_thread_self();
    la_hold *hold = hold_new(mode, self);
    la_region_set_extent(&hold->region, low, size);
    hold_acquire(hold, self);
    shared++;
    hold_release(hold, self);
}

static void
region_read(void)
{
    for (int i = 0; i < PAIRS; i++) {
        hold_and_release(LA_READ, 8 * (i & 1023), 8);
    }
}

static void
region_write(void)
{
    for (int i = 0; i < PAIRS; i++) {
        hold_and_release(LA_WRITE, 8 * (i & 1023), 8);
    }
}

/* With the region of a strided 2-d view, which has combs to compute. */
static void
region_write_column(void)
{
    la_thread *self = la_thread_self();
    intptr_t shape[] = {1000, 1}, strides[] = {80, 8};
    for (int i = 0; i < PAIRS; i++) {
        la_hold *hold = hold_new(LA_WRITE, self);
        la_region_set_array(&hold->region, 2, shape, strides, 8, 8 * (i & 7));
        hold_acquire(hold, self);
        shared++;
        hold_release(hold, self);
    }
}

/* While the same thread holds another region of the lock: the list form. */
static void
region_write_nested(void)
{
    la_thread *self = la_thread_self();
    la_hold *outer = hold_new(LA_WRITE, self);
    la_region_set_whole(&outer->region);
    hold_acquire(outer, self);
    region_write();
    hold_release(outer, self);
}

static void
rwlock_read(void)
{
    for (int i = 0; i < PAIRS; i++) {
        pthread_rwlock_rdlock(&rwlock);
        shared++;
        pthread_rwlock_unlock(&rwlock);
    }
}

static void
rwlock_write(void)
{
    for (int i = 0; i < PAIRS; i++) {
        pthread_rwlock_wrlock(&rwlock);
        shared++;
        pthread_rwlock_unlock(&rwlock);
    }
}

static void
mutex_pair(void)
{
    for (int i = 0; i < PAIRS; i++) {
        pthread_mutex_lock(&mutex);
        shared++;
        pthread_mutex_unlock(&mutex);
    }
}

typedef struct {
    const char *name;
    void (*run)(void);
    int beside;             /* index of what it is compared with */
    double rounds[ROUNDS];
} contender;

static contender contenders[] = {
    {"pthread_rwlock read", rwlock_read, 0, {0}},
    {"pthread_rwlock write", rwlock_write, 1, {0}},
    {"pthread_mutex", mutex_pair, 1, {0}},
    {"RegionLock read", region_read, 0, {0}},
    {"RegionLock write", region_write, 1, {0}},
    {"RegionLock write, column", region_write_column, 1, {0}},
    {"RegionLock write, nested", region_write_nested, 1, {0}},
};
#define CONTENDERS ((int)(sizeof(contenders) / sizeof(contenders[0])))

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void
measure_pairs(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CONTENDERS; i++) {
            int64_t start = la_now();
            contenders[i].run();
            contenders[i].rounds[round] = (double)(la_now() - start) / PAIRS;
        }
    }
    printf("%-26s %8s %8s   %s\n", "hold and release, ns", "best", "median",
           "median / pthread_rwlock's");
    for (int i = 0; i < CONTENDERS; i++) {
        qsort(contenders[i].rounds, ROUNDS, sizeof(double), by_value);
    }
    for (int i = 0; i < CONTENDERS; i++) {
        double beside = contenders[contenders[i].beside].rounds[ROUNDS / 2];
        printf("%-26s %8.1f %8.1f   %.2f\n", contenders[i].name,
               contenders[i].rounds[0], contenders[i].rounds[ROUNDS / 2],
               contenders[i].rounds[ROUNDS / 2] / beside);
    }
}

/* Part 2: threads that read, and write now and then. */
#define READERS 16
#define READERS_SECONDS 0.2

typedef struct {
    _Alignas(LA_CACHE_LINE) bool ours;
    int writes_in;          /* one turn of so many writes; 0: none */
    int64_t turns;
} reader;

static _Alignas(LA_CACHE_LINE) atomic_bool readers_stop;
static _Alignas(LA_CACHE_LINE) volatile int looked_at;

/* Who reads must not store: that would be a line that they share. */
static void
reader_looks(bool writes)
{
    if (writes) {
        looked_at++;
    }
    else {
        (void)looked_at;
    }
}

static void
reader_turn(const reader *self, la_thread *record, bool writes)
{
    if (self->ours) {
        la_hold *hold = hold_new(writes ? LA_WRITE : LA_READ, record);
        la_region_set_extent(&hold->region, 0, 8);
        hold_acquire(hold, record);
        reader_looks(writes);
        hold_release(hold, record);
        return;
    }
    if (writes) {
        pthread_rwlock_wrlock(&rwlock);
    }
    else {
        pthread_rwlock_rdlock(&rwlock);
    }
    reader_looks(writes);
    pthread_rwlock_unlock(&rwlock);
}

static void *
reader_run(void *argument)
{
    reader *self = argument;
    la_thread *record = la_thread_self();
    int64_t turns = 0;

    while (!atomic_load_explicit(&readers_stop, memory_order_relaxed)) {
        turns++;
        reader_turn(self, record, self->writes_in != 0 && turns % self->writes_in == 0);
    }
    self->turns = turns;
    return NULL;
}

/* Million turns a second, of all together. */
static double
readers_together(bool ours, int count, int writes_in)
{
    pthread_t threads[READERS];
    static reader readers[READERS];
    int64_t turns = 0, start = la_now();

    atomic_store(&readers_stop, false);
    for (int i = 0; i < count; i++) {
        readers[i] = (reader){ .ours = ours, .writes_in = writes_in };
        pthread_create(&threads[i], NULL, reader_run, &readers[i]);
    }
    usleep((useconds_t)(READERS_SECONDS * 1e6));
    atomic_store(&readers_stop, true);
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        turns += readers[i].turns;
    }
    return (double)turns * 1e3 / (double)(la_now() - start);
}

static void
measure_readers(void)
{
    static const int writes_in[] = {0, 100, 10, 2};

    printf("%-38s", "million pairs a second, of threads:");
    for (int count = 1; count <= READERS; count *= 2) {
        printf(" %7d", count);
    }
    printf("\n");
    for (int i = 0; i < 4; i++) {
        for (int ours = 1; ours >= 0; ours--) {
            char name[40];
            snprintf(name, sizeof(name), writes_in[i] == 0 ? "%s, reads" : "%s, one write in %d",
                     ours ? "RegionLock" : "pthread_rwlock", writes_in[i]);
            printf("%-38s", name);
            for (int count = 1; count <= READERS; count *= 2) {
                printf(" %7.2f", readers_together(ours, count, writes_in[i]));
                fflush(stdout);
            }
            printf("\n");
        }
    }
}

/*
 * Part 3: threads that each read once, all together, and then sleep; and a writer that
 * ends the bias meanwhile, and so finds their slots in the caches of other cores.
 */
#define SLEEPERS 64
#define ENDS 200

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int round, done;
    bool stop;
} sleepers = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, false };

static void *
sleeper_run(void *argument)
{
    int round = 0;

    (void)argument;
    pthread_mutex_lock(&sleepers.mutex);
    while (!sleepers.stop) {
        if (sleepers.round == round) {
            pthread_cond_wait(&sleepers.changed, &sleepers.mutex);
            continue;
        }
        round = sleepers.round;
        hold_and_release(LA_READ, 0, 8);
        sleepers.done++;
        pthread_cond_broadcast(&sleepers.changed);
    }
    pthread_mutex_unlock(&sleepers.mutex);
    return NULL;
}

static void
sleepers_read(int count)
{
    pthread_mutex_lock(&sleepers.mutex);
    sleepers.round++;
    sleepers.done = 0;
    pthread_cond_broadcast(&sleepers.changed);
    while (sleepers.done != count) {
        pthread_cond_wait(&sleepers.changed, &sleepers.mutex);
    }
    pthread_mutex_unlock(&sleepers.mutex);
}

/* Reads beside a read are what makes a lock biased. */
static void
make_biased(la_thread *self)
{
    la_hold *outer = hold_new(LA_READ, self);

    la_region_set_extent(&outer->region, 0, 8);
    hold_acquire(outer, self);
    while (atomic_load(&region_lock.state) != LA_BIASED) {
        hold_and_release(LA_READ, 0, 8);
    }
    hold_release(outer, self);
}

static void
measure_ends(void)
{
    pthread_t threads[SLEEPERS];
    la_thread *self = la_thread_self();
    double times[ENDS];
    int count = 0;

    printf("%-26s %8s %8s\n", "to end the bias, ns", "best", "median");
    for (int wanted = 2; wanted <= SLEEPERS; wanted *= wanted == 2 ? 8 : 4) {
        for (; count < wanted - 1; count++) {
            pthread_create(&threads[count], NULL, sleeper_run, NULL);
        }
        for (int i = 0; i < ENDS; i++) {
            make_biased(self);
            sleepers_read(count);
            int64_t start = la_now();
            la_hold *hold = hold_new(LA_WRITE, self);
            la_region_set_extent(&hold->region, 0, 8);
            hold_acquire(hold, self);
            times[i] = (double)(la_now() - start);
            hold_release(hold, self);
        }
        qsort(times, ENDS, sizeof(double), by_value);
        printf("  of %2d threads             %8.0f %8.0f\n", wanted, times[0], times[ENDS / 2]);
    }
    pthread_mutex_lock(&sleepers.mutex);
    sleepers.stop = true;
    pthread_cond_broadcast(&sleepers.changed);
    pthread_mutex_unlock(&sleepers.mutex);
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* Part 4: a crowd in one mode, and one thread in the other. */
static atomic_bool crowd_stop;

static void
work(void)
{
    for (int i = 0; i < 200; i++) {
        shared = i;
    }
}

typedef struct {
    bool ours;
    la_mode mode;
    int64_t longest;
    int64_t turns;
} member;

static void
member_turn(const member *m, int64_t *waited)
{
    int64_t start = la_now();
    if (m->ours) {
        la_thread *self = la_thread_self();
        la_hold *hold = hold_new(m->mode, self);
        la_region_set_whole(&hold->region);
        hold_acquire(hold, self);
        *waited = la_now() - start;
        work();
        hold_release(hold, self);
        return;
    }
    if (m->mode == LA_READ) {
        pthread_rwlock_rdlock(&rwlock);
    }
    else {
        pthread_rwlock_wrlock(&rwlock);
    }
    *waited = la_now() - start;
    work();
    pthread_rwlock_unlock(&rwlock);
}

static void *
member_run(void *argument)
{
    member *m = argument;
    while (!atomic_load_explicit(&crowd_stop, memory_order_relaxed)) {
        int64_t waited;
        member_turn(m, &waited);
        m->longest = waited > m->longest ? waited : m->longest;
        m->turns++;
    }
    return NULL;
}

static void
measure_longest_wait(bool ours, la_mode crowd_mode, double seconds)
{
    pthread_t threads[CROWD + 1];
    member members[CROWD + 1];
    int64_t turns = 0, longest = 0;

    atomic_store(&crowd_stop, false);
    for (int i = 0; i <= CROWD; i++) {
        bool alone = i == CROWD;
        members[i] = (member){ .ours = ours,
                               .mode = alone ? (crowd_mode == LA_READ ? LA_WRITE
                                                                      : LA_READ)
                                             : crowd_mode };
        pthread_create(&threads[i], NULL, member_run, &members[i]);
    }
    usleep((useconds_t)(seconds * 1e6));
    atomic_store(&crowd_stop, true);
    for (int i = 0; i <= CROWD; i++) {
        pthread_join(threads[i], NULL);
        if (i < CROWD) {
            turns += members[i].turns;
            longest = members[i].longest > longest ? members[i].longest : longest;
        }
    }
    printf("%-15s a %s among %d %s: longest wait %8.3f ms (%lld turns); "
           "the others' longest %8.3f ms (%lld turns)\n",
           ours ? "RegionLock:" : "pthread_rwlock:",
           crowd_mode == LA_READ ? "writer" : "reader", CROWD,
           crowd_mode == LA_READ ? "readers" : "writers",
           (double)members[CROWD].longest / 1e6, (long long)members[CROWD].turns,
           (double)longest / 1e6, (long long)turns);
    fflush(stdout);
}

/* Part 3: crowds of both modes. */
#define LARGEST_CROWD 64

static void *
member_run_nested(void *argument)
{
    la_thread *self = la_thread_self();
    la_lock own;
    la_lock_init(&own, 0);
    la_hold *outer = hold_new(LA_READ, self);
    la_region_set_whole(&outer->region);
    if (la_acquire(&own, outer, self, LA_NEVER, NULL, NULL) != LA_OK) {
        abort();
    }
    member_run(argument);
    hold_release(outer, self);
    la_lock_destroy(&own);
    return NULL;
}

static void
print_longest_of(const char *mode, const member *members, int count)
{
    int64_t longest = 0, turns = 0;

    for (int i = 0; i < count; i++) {
        longest = members[i].longest > longest ? members[i].longest : longest;
        turns += members[i].turns;
    }
    printf(" a %s %9.3f ms (%lld turns)", mode, (double)longest / 1e6, (long long)turns);
}

static void
measure_mixed_crowd(bool ours, bool nested, int readers, int writers, double seconds)
{
    pthread_t threads[LARGEST_CROWD];
    member members[LARGEST_CROWD];

    atomic_store(&crowd_stop, false);
    for (int i = 0; i < readers + writers; i++) {
        bool reads = i < readers;
        members[i] = (member){ .ours = ours, .mode = reads ? LA_READ : LA_WRITE };
        pthread_create(&threads[i], NULL, reads && nested ? member_run_nested : member_run,
                       &members[i]);
    }
    usleep((useconds_t)(seconds * 1e6));
    atomic_store(&crowd_stop, true);
    for (int i = 0; i < readers + writers; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("%-15s %2d %s and %2d writer%s: longest wait of",
           ours ? "RegionLock:" : "pthread_rwlock:", readers,
           nested ? "nested readers" : "readers", writers, writers > 1 ? "s" : "");
    print_longest_of("reader", members, readers);
    printf(", of");
    print_longest_of("writer", members + readers, writers);
    printf("\n");
    fflush(stdout);
}

static void
measure_mixed_crowds(double seconds)
{
    for (int ours = 1; ours >= 0; ours--) {
        measure_mixed_crowd(ours, false, CROWD, CROWD, seconds);
        measure_mixed_crowd(ours, false, LARGEST_CROWD / 2, LARGEST_CROWD / 2, seconds);
    }
    measure_mixed_crowd(true, true, CROWD / 2, 1, seconds);
    measure_mixed_crowd(true, true, CROWD, CROWD, seconds);
    measure_mixed_crowd(true, true, LARGEST_CROWD / 2, LARGEST_CROWD / 2, seconds);
}

int
main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 2;

    la_lock_init(&region_lock, 1);
    /* glibc takes a shortcut while there is one thread; programs that need
       locks have more. */
    pthread_t thread;
    member nobody = { .ours = true };
    atomic_store(&crowd_stop, true);
    pthread_create(&thread, NULL, member_run, &nobody);
    pthread_join(thread, NULL);

    printf("%ld cores\n", sysconf(_SC_NPROCESSORS_ONLN));
    measure_pairs();
    /* In a process of its own, for records stay when their threads are gone. */
    fflush(stdout);
    if (fork() == 0) {
        measure_ends();
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    measure_readers();
    for (int ours = 1; ours >= 0; ours--) {
        measure_longest_wait(ours, LA_READ, seconds);
        measure_longest_wait(ours, LA_WRITE, seconds);
    }
    measure_mixed_crowds(seconds);
    la_lock_destroy(&region_lock);
    return 0;
}
