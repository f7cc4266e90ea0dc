/*
 * A set of holds: those that a lock has, or those that wait for it.
 *
 * It is a list. Up to LA_SET_LIST members nothing more is needed: a question
 * looks at each of them. A larger set also has an index by region (hold_set.c),
 * so that a question costs about the logarithm of the number of members and
 * not that number, as long as few of them are in the way.
 *
 * All of it is under the mutex of the lock, so nothing is allocated: the index
 * is made of the nodes in the holds. While a hold is a member, its mode, its
 * region, its ticket, whose it is, and all that is chained to it do not change.
 */
#ifndef LOCKEDARRAY_CORE_LOCK_HOLD_SET_H_
#define LOCKEDARRAY_CORE_LOCK_HOLD_SET_H_

#include "lock/hold.h"

/* With more members it gets an index; with fewer than the second, loses it. */
#define LA_SET_LIST 16
#define LA_SET_LIST_AGAIN 8

/* Trees of the parts of all members, by mode. */
typedef struct {
    la_hold *extents[2];        /* by extent, but for those ... */
    la_hold *spans[2];          /* ... with a comb of this period, by its span */
    uint64_t period;
    la_hold *tickets;           /* the heads; NULL until somebody has asked for it */
} la_hold_index;

/* What tells that it is empty comes first: that much is in the first cache line of a lock. */
typedef struct {
    la_hold *first;             /* as they were added, by la_hold.next; see la_hold_set_last */
    uint32_t count;
    bool indexed;
    la_hold_index *index;       /* the room for it, or NULL: then it stays a list */
} la_hold_set;

static inline void
la_hold_set_init(la_hold_set *set, la_hold_index *index)
{
    if (index != NULL) {
        *index = (la_hold_index){0};
    }
    *set = (la_hold_set){.index = index};
}

/* NULL, if it is empty. Of the first one `previous` is the last one, of the others the one before. */
static inline la_hold *
la_hold_set_last(const la_hold_set *set)
{
    return set->first == NULL ? NULL : set->first->previous;
}

/* Out of line parts of the two below, where there is, or should be, an index. */
void la_hold_set_add_slow(la_hold_set *set, la_hold *hold);
void la_hold_set_remove_slow(la_hold_set *set, la_hold *hold);

/* As the last. Whose it is (or will be), with all that is chained to it: `owner`. */
static inline void
la_hold_set_add(la_hold_set *set, la_hold *hold, la_owner *owner)
{
    la_hold *last = la_hold_set_last(set);

    hold->whose = owner;
    hold->next = NULL;
    hold->previous = last != NULL ? last : hold;
    *(last != NULL ? &last->next : &set->first) = hold;
    set->first->previous = hold;
    set->count++;
    if (!LA_LIKELY(!set->indexed && set->count <= LA_SET_LIST)) {
        la_hold_set_add_slow(set, hold);
    }
}

/* Its next and previous stay as they were. */
static inline void
la_hold_set_remove(la_hold_set *set, la_hold *hold)
{
    (hold->next != NULL ? hold->next : set->first)->previous = hold->previous;
    *(hold != set->first ? &hold->previous->next : &set->first) = hold->next;
    set->count--;
    if (!LA_LIKELY(!set->indexed)) {
        la_hold_set_remove_slow(set, hold);
    }
}

bool la_chains_conflict(const la_hold *a, const la_hold *b);

/* Do any two parts of the two conflict? (Owners are the caller's business.) */
static inline bool
la_holds_conflict(const la_hold *a, const la_hold *b)
{
    if (!LA_LIKELY(a->also == NULL && b->also == NULL)) {
        return la_chains_conflict(a, b);
    }
    return (a->mode == LA_WRITE || b->mode == LA_WRITE)
           && la_regions_conflict(&a->region, &b->region);
}

/*
 * A member that conflicts with `wanted`, whose owner is not `except`, and that
 * `accept` (which may be NULL) returns true for; in any order; NULL if there is
 * none. Never `wanted` itself, be it a member or not. `except` NULL: nobody's is
 * left out. `accept` may be called for one member several times, and must not
 * change the set.
 */
la_hold *la_hold_set_find(const la_hold_set *set, const la_hold *wanted,
                          const la_owner *except,
                          bool (*accept)(la_hold *found, void *context), void *context);

/*
 * The member with the least ticket of at least `from` and less than `before`
 * that conflicts with `wanted`, but never `wanted` itself; NULL if there is none.
 * For a set whose members were added in the order of their tickets.
 * To go through all: the next `from` is the ticket found and one. In between
 * members may be added and removed.
 */
la_hold *la_hold_set_next(const la_hold_set *set, const la_hold *wanted,
                          uint64_t from, uint64_t before);

#ifdef LA_DEBUG
/* Aborts when something is wrong; looks at all members. */
void la_hold_set_check(const la_hold_set *set);

/* How many nodes and members this thread's questions and changes have looked at. */
extern LA_THREAD_LOCAL uint64_t la_hold_set_visits;
#endif

#endif  /* LOCKEDARRAY_CORE_LOCK_HOLD_SET_H_ */
