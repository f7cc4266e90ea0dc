/*
 * Wanted locks: in which order they are taken, and how one waits for several.
 */
#include "guard/wanted.h"

#include <stdlib.h>

#include "guard/refusal.h"
#include "guard/task.h"

#include "lock/replica.h"

/* -- one ------------------------------------------------------------------------ */

static LA_COLD int
la_hold_acquire_waiting(la_region_lock *lock, la_hold *hold, la_thread *self, int64_t deadline)
{
    la_deadlock deadlock = {0};
    la_status status = la_hold_wait(lock->lock, hold, self, deadline, &deadlock);
    if (status == LA_OK) {
        return 0;
    }
    la_refusal_raise(status, lock, hold, &deadlock);
    return -1;
}

/* For the current owner. Nobody is told that it was taken: it may be given back to be taken again. */
static inline int
la_hold_acquire_unseen(la_region_lock *lock, la_hold *hold, la_thread *self, int64_t deadline)
{
    return LA_LIKELY(la_lock_claim(lock->lock, hold, self)) ? 0
        : la_hold_acquire_waiting(lock, hold, self, deadline);
}

LA_COLD int
la_hold_acquire_slow(la_region_lock *lock, la_hold *hold, la_thread *self,
                     int64_t deadline)
{
    if (la_task_follow() < 0) {
        return -1;
    }
    int result = la_hold_acquire_unseen(lock, hold, self, deadline);

    if (result == 0 && la_is_observed() && la_observe_taken(lock->lock, hold) < 0) {
        la_give_back(hold, self);
        result = -1;
    }
    return result;
}

/* -- several -------------------------------------------------------------------- */

/* By the lock, and of one lock a write first. */
static uint64_t
la_wanted_place(const la_wanted *wanted)
{
    return 2 * wanted->lock->lock->serial + (wanted->hold->mode != LA_WRITE);
}

static int
la_wanted_compare(const void *a, const void *b)
{
    uint64_t x = ((const la_wanted *)a)->place, y = ((const la_wanted *)b)->place;

    return (x > y) - (x < y);
}

#define LA_FEW 8        /* so many are sorted faster without calls */

static void
la_wanted_sort(la_wanted *wanted, int count)
{
    if (count > LA_FEW) {
        qsort(wanted, (size_t)count, sizeof(*wanted), la_wanted_compare);
        return;
    }
    for (int i = 1; i < count; i++) {
        la_wanted moved = wanted[i];
        int at = i;
        for (; at > 0 && moved.place < wanted[at - 1].place; at--) {
            wanted[at] = wanted[at - 1];
        }
        wanted[at] = moved;
    }
}

int
la_wanted_order(la_wanted *wanted, int count)
{
    int locks = 0;
    bool sorted = true;

    for (int i = 0; i < count; i++) {
        wanted[i].place = la_wanted_place(&wanted[i]);
        sorted = sorted && (i == 0 || wanted[i - 1].place <= wanted[i].place);
    }
    if (!sorted) {
        la_wanted_sort(wanted, count);
    }
    for (int i = 0; i < count; i++) {
        if (locks > 0 && wanted[locks - 1].lock == wanted[i].lock) {
            la_hold_chain(wanted[locks - 1].hold, wanted[i].hold);
        }
        else {
            wanted[locks++] = wanted[i];
        }
    }
    return locks;
}

static void
la_wanted_give_up(const la_wanted *wanted, int count, int but, la_thread *self)
{
    while (count-- > 0) {
        if (count != but) {
            la_give_back(wanted[count].hold, self);
        }
    }
}

void
la_wanted_mark(const la_wanted *wanted, int count, bool trying)
{
    for (int i = 0; i < count; i++) {
        /* Relaxed: see la_obstacle_locked. */
        atomic_store_explicit(&wanted[i].hold->trying, trying, memory_order_relaxed);
        la_shared_mark_trying(wanted[i].hold);
    }
}

/* One after the other, with those before in hand. */
static int
la_wanted_acquire_in_order(const la_wanted *wanted, int count, la_thread *self,
                           int64_t deadline)
{
    for (int i = 0; i < count; i++) {
        if (la_hold_acquire_unseen(wanted[i].lock, wanted[i].hold, self, deadline) < 0) {
            la_wanted_give_up(wanted, i, -1, self);
            return -1;
        }
    }
    return 0;
}

#define LA_TURNS 4

/*
 * A few times, a thread that holds nothing waits for one of the locks in turn, holding
 * no other, and then tries those: 1, 0 if it never got all, or -1.
 */
static int
la_wanted_acquire_in_turn(const la_wanted *wanted, int count, la_thread *self,
                          int64_t deadline)
{
    int next = 0;

    for (int turn = 0; turn < LA_TURNS; turn++) {
        int tried = 0;
        if (la_hold_acquire_unseen(wanted[next].lock, wanted[next].hold, self, deadline) < 0) {
            return -1;
        }
        la_wanted_mark(&wanted[next], 1, true);     /* which a grant has ended */
        while (tried < count && (tried == next
                || la_hold_try(wanted[tried].lock->lock, wanted[tried].hold, self))) {
            tried++;
        }
        if (LA_LIKELY(tried == count)) {
            return 1;
        }
        la_wanted_give_up(wanted, tried, next, self);
        la_give_back(wanted[next].hold, self);
        next = tried;
    }
    return 0;
}

/*
 * Whoever waits for a lock with others in hand keeps all from those that could do
 * without the one that is missing; so that is the last resort, and for a thread that
 * holds something anyway. It is in order, as then those who do it wait for each other
 * least, and in the queue of each lock, as always, so that nobody starves.
 *
 * Who does not wait takes all or none; what it has in hand until it knows is marked, for
 * others who do not wait.
 */
int
la_wanted_acquire_several(const la_wanted *wanted, int count, la_thread *self,
                          int64_t deadline)
{
    bool waits = deadline != LA_NOW;
    int result = 0;

    if (la_task_follow() < 0) {
        return -1;
    }
    la_wanted_mark(wanted, count, true);
    if (waits && !la_thread_holds_any(self)) {
        result = la_wanted_acquire_in_turn(wanted, count, self, deadline);
    }
    if (waits && result == 0) {
        la_wanted_mark(wanted, count, false);
    }
    if (result == 0) {
        result = la_wanted_acquire_in_order(wanted, count, self, deadline);
    }
    la_wanted_mark(wanted, count, false);
    for (int i = 0; i < count && result >= 0 && la_is_observed(); i++) {
        if (la_observe_taken(wanted[i].lock->lock, wanted[i].hold) < 0) {
            la_wanted_give_up(wanted, count, -1, self);
            result = -1;
        }
    }
    return result < 0 ? -1 : 0;
}
