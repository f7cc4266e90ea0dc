/*
 * The wait-for graph: a breadth-first walk, without allocation, along links
 * in the waiters' records. The argument that it refuses each wait that closes
 * a cycle, and no other, is in docs/design/region-lock.md.
 */
#include "lock/cycles.h"

#include "lock/gate.h"

static uint64_t la_graph_walks;     /* numbers the walks, under the mutex */

void
la_graph_lock(void)
{
    la_gate_lock(LA_GATE_GRAPH);
}

void
la_graph_unlock(void)
{
    la_gate_unlock(LA_GATE_GRAPH);
}

/* -- the walk ------------------------------------------------------------------- */

/* From a waiter that begins to wait. */
typedef struct {
    la_hold *origin;
    la_hold *tail;              /* whom it met last */
    bool hard_only;
    /* Of a cycle: who waits for the origin, and whether by a soft edge. */
    la_hold *last;
    bool last_is_soft;
    const la_owner *beside;     /* who holds what the last one waits for */
    la_lock *shared;            /* the one between processes that it came to, whose monitor it has */
    /* Of the lock at which it is: those with a ticket below this that conflict with the
       wide one have been met. */
    const la_hold *wide;
    uint64_t met;
} la_walk;

static bool
la_hold_in_graph(const la_hold *waiter)
{
    return la_owner_waits(waiter->wanted_by) == waiter;
}

/* True when the edge closes a cycle. */
static bool
la_walk_along(la_walk *walk, la_hold *from, la_hold *to, bool soft)
{
    if (to == walk->origin) {
        walk->last = from;
        walk->last_is_soft = soft;
        return true;
    }
    if (to->visit.walk != la_graph_walks) {
        to->visit = (la_visit){la_graph_walks, from, NULL, la_hold_in_graph(to), soft,
                               to->ticket};
        walk->tail->visit.next = to;
        walk->tail = to;
    }
    return false;
}

/*
 * The waiter in which the thread sleeps to which this owner is bound, as another owner of
 * it; or NULL.
 */
static la_hold *
la_owner_waiter_beside(const la_owner *owner)
{
    /*
     * Relaxed: of a thread that waits, both stay as they are, and its entry
     * into the graph, under the mutex that is held here, came after them.
     */
    la_thread *thread = atomic_load_explicit(&owner->thread, memory_order_relaxed);
    la_owner *current = thread == NULL ? NULL : la_thread_owner(thread);

    return current != NULL && current != owner && la_owner_waits(current) != NULL
           && la_owner_waits(current)->thread == thread ? la_owner_waits(current) : NULL;
}

typedef struct {
    la_walk *walk;
    la_hold *waiter;
} la_walk_step;

static bool
la_walk_to_holder(la_hold *hold, void *context)
{
    la_walk_step *step = context;
    /* Relaxed: linked, so the owner changes under the mutex only. */
    const la_owner *owner = atomic_load_explicit(&hold->owner, memory_order_relaxed);
    la_hold *to = la_owner_waits(owner);

    step->walk->beside = owner;
    if (to != NULL && la_walk_along(step->walk, step->waiter, to, false)) {
        return true;
    }
    /* One that no thread sleeps in lasts until its thread is back, too. */
    to = to == NULL || to->thread == NULL ? la_owner_waiter_beside(owner) : NULL;
    return to != NULL && la_walk_along(step->walk, step->waiter, to, false);
}

/* Along all edges of one waiter; under the mutex of its lock. */
static bool
la_walk_from_locked(la_walk *walk, la_hold *waiter)
{
    la_walk_step step = {walk, waiter};

    if (la_hold_set_find(&waiter->lock->holds, waiter, waiter->wanted_by, la_walk_to_holder,
                         &step) != NULL) {
        return true;
    }
    if (walk->hard_only) {
        return false;
    }
    const la_hold_set *waiters = &waiter->lock->waiters;
    bool is_narrow = walk->wide != NULL && la_hold_excludes(walk->wide, waiter);
    bool met_all = true;
    la_hold *older = la_hold_set_next(waiters, waiter, is_narrow ? walk->met : 0, waiter->heeds);
    for (; older != NULL;
            older = la_hold_set_next(waiters, waiter, older->ticket + 1, waiter->heeds)) {
        if (la_waits_share_thread(older, waiter)) {
            met_all = false;    /* it does not stand behind that one, but others may */
        }
        else if (la_walk_along(walk, waiter, older, true)) {
            return true;
        }
    }
    if (met_all && (walk->wide == NULL ? la_hold_excludes(waiter, waiter)
                                       : la_hold_excludes(waiter, walk->wide))) {
        walk->wide = waiter;
        walk->met = waiter->heeds;
    }
    return false;
}

/* The thread that the walk is made for, which is the calling one. */
static la_thread *
la_walk_thread(const la_walk *walk)
{
    return walk->origin->thread != NULL ? walk->origin->thread : walk->origin->home;
}

/*
 * What stands for the waiters of other processes is right for as long as the monitor of their lock
 * is held: so that is until the end of the walk. No walk goes through two such locks; false of a second one.
 */
static bool
la_walk_enter(la_walk *walk, la_lock *lock)
{
    if (LA_LIKELY(lock->shared == NULL)) {
        la_mutex_lock(&lock->mutex);
        return true;
    }
    if (walk->shared == NULL) {
        walk->shared = lock;
        la_lock_enter(lock, la_walk_thread(walk));
    }
    return walk->shared == lock;
}

static void
la_walk_leave(la_walk *walk)
{
    if (walk->shared != NULL) {
        la_wakes wakes = {0};
        la_lock_leave(walk->shared, la_walk_thread(walk), &wakes);
    }
}

static uint64_t
la_hold_ident(const la_hold *waiter)
{
    return atomic_load_explicit(&waiter->wanted_by->ident, memory_order_relaxed);
}

/* Of hard edges: all of its waiters are in the graph. */
static void
la_walk_describe(const la_walk *walk, la_deadlock *deadlock)
{
    const la_hold *origin = walk->origin, *first = walk->last;

    deadlock->last = la_hold_ident(walk->last);
    deadlock->last_subject = la_owner_subject(walk->last->wanted_by);
    deadlock->length = walk->last == origin ? 1 : 2;
    deadlock->of_one_lock = walk->last->lock == origin->lock;
    while (first != origin && first->visit.from != origin) {
        first = first->visit.from;
        deadlock->length++;
        deadlock->of_one_lock &= first->lock == origin->lock;
    }
    deadlock->blocker = la_hold_ident(first);
    deadlock->blocker_subject = deadlock->length == 1
        ? la_owner_subject(walk->beside) : la_owner_subject(first->wanted_by);
    deadlock->waits_for = first->lock->serial;
}

/*
 * From one that was met by a hard edge, or the origin, which are in the graph; and from
 * those in front of it, which need not be, and are therefore not looked at later.
 */
static bool
la_walk_step_from(la_walk *walk, la_hold *waiter)
{
    la_lock *lock = waiter->lock;
    la_hold *before = walk->tail;
    bool closed = false;

    walk->wide = NULL;
    if (!la_walk_enter(walk, lock)) {
        return false;
    }
    /* Not queued any more: it was handed the lock, or gives up. While it is
       queued, all holds are in the list. */
    if (waiter->queued) {
        closed = la_walk_from_locked(walk, waiter);
        for (la_hold *met = before->visit.next; met != NULL && !closed;
                met = met->visit.next) {
            closed = met->visit.soft && la_walk_from_locked(walk, met);
        }
    }
    if (lock->shared == NULL) {
        la_mutex_unlock(&lock->mutex);
    }
    return closed;
}

/* Is there a way from the origin back to it? Of one of hard edges `deadlock` tells. */
static bool
la_walk_closes(la_walk *walk, la_hold *origin, bool hard_only, la_deadlock *deadlock)
{
    bool closed = false;

    la_graph_walks++;
    origin->visit = (la_visit){la_graph_walks, NULL, NULL, true, false, origin->ticket};
    *walk = (la_walk){.origin = origin, .tail = origin, .hard_only = hard_only};
    for (la_hold *waiter = origin; waiter != NULL && !closed; waiter = waiter->visit.next) {
        closed = !waiter->visit.soft && la_walk_step_from(walk, waiter);
    }
    if (closed && deadlock != NULL) {
        la_walk_describe(walk, deadlock);
    }
    la_walk_leave(walk);
    return closed;
}

/* -- what becomes of a cycle ------------------------------------------------------ */

/*
 * Dissolves a cycle of which an edge is soft. One who is in the graph overtakes: in a row
 * of soft edges, which are all of one lock, that is the first, to which a hard edge leads;
 * and of several such the one nearest to the origin, which may be the origin itself. False
 * if there is none: then all edges are hard, since each such row begins in the graph.
 */
static bool
la_walk_overtake(const la_walk *walk)
{
    la_hold *origin = walk->origin;
    la_hold *overtakes = NULL, *to = origin;
    uint64_t place = 0;
    bool soft = walk->last_is_soft;

    for (la_hold *from = walk->last;; from = from->visit.from) {
        if (soft && from->visit.in_graph) {
            overtakes = from;
            place = to->visit.ticket;
        }
        if (from == origin) {
            break;
        }
        to = from;
        soft = from->visit.soft;
    }
    if (overtakes == NULL) {
        return false;
    }

    la_wakes wakes = {0};
    la_lock *lock = overtakes->lock;
    la_thread *self = la_walk_thread(walk);
    la_lock_enter(lock, self);
    /*
     * Is the other one there still? If not, then neither is the cycle. Nor is it if another
     * process has had it overtake somebody older: nothing raises what it heeds.
     */
    if (overtakes->queued && place < overtakes->heeds
            && la_hold_set_next(&lock->waiters, overtakes, place, place + 1) != NULL) {
        overtakes->heeds = place;
        la_queue_offer_locked(overtakes, &wakes);
    }
    la_lock_leave(lock, self, &wakes);
    return true;
}

/*
 * What stood in the way of the origin may be abandoned during the walk, after the step from it.
 * Then it is granted the lock, so that it has what others wait for, and waits for nobody.
 */
static bool
la_walk_origin_waits(const la_walk *walk)
{
    la_lock *lock = walk->origin->lock;
    la_wakes wakes = {0};

    la_lock_enter(lock, la_walk_thread(walk));
    bool waits = walk->origin->queued;
    la_lock_leave(lock, la_walk_thread(walk), &wakes);
    return waits;
}

bool
la_graph_add_locked(la_hold *waiter, la_deadlock *deadlock)
{
    la_walk walk;

    la_owner_wait(waiter->wanted_by, waiter);
    bool closes = la_walk_closes(&walk, waiter, true, deadlock) && la_walk_origin_waits(&walk);
    /* Each time one of them heeds fewer, or has left. */
    while (!closes && la_walk_closes(&walk, waiter, false, NULL)) {
        closes = !la_walk_overtake(&walk) && la_walk_origin_waits(&walk);
        /*
         * All hard, and the first walk saw none. Other processes can have made it since; or a
         * task of this thread, which is at work still, was granted what somebody waits for.
         */
        LA_ASSERT(!closes || walk.shared != NULL
                  || atomic_load_explicit(&la_walk_thread(&walk)->awaiting,
                                          memory_order_relaxed) != NULL);
        if (closes && deadlock != NULL) {
            la_walk_describe(&walk, deadlock);
        }
    }
    if (closes) {
        la_owner_wait(waiter->wanted_by, NULL);
    }
    return closes;
}

void
la_graph_remove(la_hold *waiter)
{
    la_graph_lock();
    la_owner_stop_waiting(waiter->wanted_by, waiter);
    la_graph_unlock();
}
