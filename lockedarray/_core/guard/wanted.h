/*
 * Wanted locks: one or several, taken as one, with errors raised.
 *
 *     fill in `wanted`, a hold for each array     their records are the thread's
 *     la_wanted_order                             holds of one lock become one
 *     la_wanted_acquire                           or la_wanted_free
 *     la_wanted_release                           gives back the records, too
 */
#ifndef LOCKEDARRAY_CORE_GUARD_WANTED_H_
#define LOCKEDARRAY_CORE_GUARD_WANTED_H_

#include "guard/observer.h"
#include "guard/region_lock.h"

/* A hold, with all that is chained to it, and of which lock. */
typedef struct {
    la_region_lock *lock;       /* the caller's reference */
    la_hold *hold;
    uint64_t place;             /* in lock order; la_wanted_order sets it */
} la_wanted;

/*
 * Puts them in the order of their locks and chains those of one lock, of which a
 * write comes first: it stands for the others, and so for what the thread is said to
 * wait for. Returns how many locks there are.
 */
int la_wanted_order(la_wanted *wanted, int count);

int la_hold_acquire_slow(la_region_lock *lock, la_hold *hold, la_thread *self,
                         int64_t deadline);

/*
 * Has any owner in this thread something, or is the current one a task? Then it matters whose
 * an operation is: others may look at it meanwhile. (One that calls code looks before, always.)
 */
static inline bool
la_thread_has_owners(const la_thread *self)
{
    const la_owner *owner = la_thread_owner(self);

    return la_owner_subject(owner) != 0 || la_owner_holds_any(owner)
           || atomic_load_explicit(&self->others, memory_order_relaxed) != NULL;
}

/* la_acquire, with the GIL or the thread state let go while it waits: 0, or -1 with an error. */
static inline int
la_hold_acquire(la_region_lock *lock, la_hold *hold, la_thread *self,
                int64_t deadline)
{
    if (LA_LIKELY(!la_is_observed()) && LA_LIKELY(!la_thread_has_owners(self))
            && LA_LIKELY(la_lock_claim(lock->lock, hold, self))) {
        return 0;
    }
    return la_hold_acquire_slow(lock, hold, self, deadline);
}

/*
 * Has those who do not wait, and meet these holds, know that they may be given back at
 * once. No hold that goes back to its pool is marked.
 */
void la_wanted_mark(const la_wanted *wanted, int count, bool trying);

int la_wanted_acquire_several(const la_wanted *wanted, int count, la_thread *self,
                              int64_t deadline);

/* Takes all, which are in order: 0, or -1 with an error and none is held. */
static inline int
la_wanted_acquire(const la_wanted *wanted, int count, la_thread *self, int64_t deadline)
{
    if (LA_LIKELY(count == 1)) {
        return la_hold_acquire(wanted->lock, wanted->hold, self, deadline);
    }
    return count == 0 ? 0 : la_wanted_acquire_several(wanted, count, self, deadline);
}

/* The records go back, of holds that are not held. */
static inline void
la_wanted_free(la_wanted *wanted, int count, la_thread *self)
{
    for (int i = 0; i < count; i++) {
        la_hold_free(wanted[i].hold, self);
    }
}

/* Gives all back that nothing was done by, with the records. */
static inline void
la_wanted_give_back(la_wanted *wanted, int count, la_thread *self)
{
    while (count-- > 0) {
        la_give_back(wanted[count].hold, self);
        la_hold_free(wanted[count].hold, self);
    }
}

/* Releases all, the last taken first, and gives the records back. */
static inline void
la_wanted_release(la_wanted *wanted, int count, la_thread *self)
{
    while (count-- > 0) {
        la_release(wanted[count].hold, self);
        if (!LA_LIKELY(!la_is_observed())) {
            la_observe_given(wanted[count].hold);
        }
        la_hold_free(wanted[count].hold, self);
    }
}

#endif  /* LOCKEDARRAY_CORE_GUARD_WANTED_H_ */
