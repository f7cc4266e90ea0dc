/*
 * A model of who waits for whom: several locks, threads with one owner or two,
 * the wait-for graph, and handlers that wait amid a wait. hold.pml shows how
 * one lock works inside; here a lock is held by one owner at a time, and each
 * waiter is as one that has waited for long: it is granted the lock, and
 * others queue behind it. What happens under the mutex of one lock is one
 * step. The mutex of the graph is a variable: it spans several.
 *
 * Of the truth this is the part about hard edges: owners, handlers and abandoned
 * holds in a graph in which nobody stands behind anybody. So that there are no soft
 * edges, whoever holds something overtakes here, always. In the program it does
 * only where to queue would close a cycle: order.pml has that, and the soft edges.
 *
 * A thread does what it likes: it takes what its current owner does not hold,
 * gives back what that owner holds, exchanges its owner, and ends when it has
 * nothing. So a set of threads that wait for each other for ever shows as a
 * run that ends before all threads have ended.
 *
 * Checked: there is no such set; whoever is refused had closed a cycle at the
 * moment when it joined; whoever waits, and has not stepped aside, has a hold
 * or an older waiter in the way; holds are given back once.
 *
 * Parameters: THREADS, LOCKS; TWO_OWNERS for a second owner of thread 0; for
 * the first so many threads, HANDLES: signals interrupt their waits, and
 * TIMES_OUT: their waits may end at a time. ABANDONS: somebody else
 * gives back what they hold, also while they wait.
 *
 * Wrong on purpose, to see that the checks see it:
 *   GRANT_INNER       who waits amid a wait does not step aside
 *   ASIDE_OWN         it does, but for waiters of its current owner only
 *   ASIDE_LATE        it does, but after it has joined the queue
 *   AWAY_EDGES        the walk takes who runs a handler for one that waits
 *   NO_RECHECK        who comes back from a handler is not checked again
 *   NESTED_BY_OWNER   an owner that holds nothing itself is not in the graph,
 *                     whatever other owners of its thread hold
 *   CURRENT_ONLY      a hold of an owner that is not current leads nowhere
 */
#ifndef LOCKS
#define LOCKS 2
#endif
#ifndef HANDLES
#define HANDLES 0
#endif
#ifndef TIMES_OUT
#define TIMES_OUT 0
#endif
#ifndef THREADS
#define THREADS 3
#endif
#define WAITERS (2 * THREADS)   /* one of each thread, one of its handler */
#define NONE 15

/* Owner t is of thread t; owner THREADS is the second one of thread 0. */
#define BOUND(o) (o == THREADS -> 0 : o)
#ifdef TWO_OWNERS
#define TWO(t) (t == 0)
#else
#define TWO(t) false
#endif
#define THREAD(w) ((w) % THREADS)
#define INNER (me + THREADS)        /* the waiter of a handler */

/* Locks. */
byte holder[LOCKS] = NONE, count[LOCKS];
byte queue[LOCKS * WAITERS];        /* oldest first, a row for each lock */
byte length[LOCKS];

/* Waiters. */
byte for_lock[WAITERS], by_owner[WAITERS];
bool queued[WAITERS], granted[WAITERS], nested[WAITERS];
bool away[WAITERS];                 /* its thread runs a handler */
bool aside[WAITERS];                /* and waits in it */

/* Owners: how many holds, as their thread knows. */
byte holds[THREADS + 1];
byte abandoned[THREADS + 1];        /* of these, given back by others */

/* The graph: the waiter in which a thread waits, plus 1. */
bool graph;
byte waits[THREADS];

/* Not in the program: the truth about who waits now; no more interrupts. */
byte asleep[THREADS];
bool calm;

mtype = { NOTHING, GOT, WAITS, REFUSED, ENDED };

#ifdef AWAY_EDGES
#define SLEEPS(w) true
#else
#define SLEEPS(w) (!away[w])
#endif

#define QUEUE(l, k) queue[(l) * WAITERS + (k)]

#ifdef NESTED_BY_OWNER
#define HOLDS_ANY(t, o) (holds[o] > 0)
#else
#define HOLDS_ANY(t, o) (holds[t] > 0 || (t == 0 && holds[THREADS] > 0))
#endif

/* Sets blocked: may the waiter w, queued or about to be, not run? */
inline look(w)
{
    blocked = (holder[for_lock[w]] != NONE && holder[for_lock[w]] != by_owner[w]);
    k = 0;
    do
    :: !nested[w] && !blocked && k < length[for_lock[w]] && QUEUE(for_lock[w], k) != w ->
        blocked = (!aside[QUEUE(for_lock[w], k)]
                   && by_owner[QUEUE(for_lock[w], k)] != by_owner[w]);
        k++
    :: else -> break
    od;
    k = 0
}

inline take(w)
{
    assert(holder[for_lock[w]] == NONE || holder[for_lock[w]] == by_owner[w]);
    holder[for_lock[w]] = by_owner[w];
    count[for_lock[w]]++
}

inline enqueue(w)
{
    QUEUE(for_lock[w], length[for_lock[w]]) = w;
    length[for_lock[w]]++;
    queued[w] = true
}

inline dequeue(w)
{
    k = 0;
    do
    :: QUEUE(for_lock[w], k) != w -> k++
    :: else -> break
    od;
    do
    :: k + 1 < length[for_lock[w]] ->
        QUEUE(for_lock[w], k) = QUEUE(for_lock[w], k + 1); k++
    :: else -> break
    od;
    length[for_lock[w]]--;
    QUEUE(for_lock[w], length[for_lock[w]]) = 0;
    queued[w] = false;
    k = 0
}

/* Grants the lock to whoever may run; then who sleeps has somebody in the way. */
inline serve(l)
{
    i = 0;
    do
    :: i < length[l] ->
        v = QUEUE(l, i);
        look(v);
        if
        :: !aside[v] && !blocked -> dequeue(v); take(v); granted[v] = true
        :: else -> i++
        fi
    :: else -> break
    od;
    check(l)
}

inline check(l)
{
    i = 0;
    do
    :: i < length[l] ->
        v = QUEUE(l, i);
        look(v);
        assert(blocked || aside[v]);
        i++
    :: else -> break
    od;
    i = 0; v = 0; blocked = false
}

inline take_off(l)
{
    count[l]--;
    if
    :: count[l] == 0 -> holder[l] = NONE; serve(l)
    :: else
    fi
}

inline give_back(o, l)
{
    assert(holder[l] == o && count[l] > 0 && holds[o] > 0);
    holds[o]--;
    take_off(l)
}

/* What was granted is the thread's. */
inline accept(w)
{
    granted[w] = false;
    asleep[THREAD(w)] = 0;
    holds[by_owner[w]]++;
    result = GOT
}

/* Gives up, unless the lock was granted before. */
inline give_up(w, how)
{
    if
    :: granted[w] -> accept(w)
    :: else ->
        dequeue(w);
        asleep[THREAD(w)] = 0;
        serve(for_lock[w]);
        result = how
    fi
}

/* The truth: is there a cycle through this thread? */
inline find_truth()
{
    truth = false;
    v = me; i = 0;
    do
    :: (i <= THREADS && !truth && asleep[v] != 0 && queued[asleep[v] - 1]
        && holder[for_lock[asleep[v] - 1]] != NONE
        && holder[for_lock[asleep[v] - 1]] != by_owner[asleep[v] - 1]) ->
        v = BOUND(holder[for_lock[asleep[v] - 1]]);
        truth = (v == me);
        i++
    :: else -> break
    od;
    v = 0; i = 0
}

/* From now on the thread waits in w. */
inline fall_asleep(w)
{
    asleep[me] = w + 1;
    if
    :: nested[w] -> waits[me] = w + 1
    :: else
    fi;
    find_truth();
    result = WAITS
}

/* Where the way of thread t goes on: sets at, to NONE at its end. */
inline step(t)
{
    i = waits[t] - 1;
    at = NONE;
    if
    :: (queued[i] && SLEEPS(i) && holder[for_lock[i]] != NONE
        && holder[for_lock[i]] != by_owner[i]) ->
        at = BOUND(holder[for_lock[i]]);
        if
        :: at != me && waits[at] == 0 -> at = NONE
#ifdef CURRENT_ONLY
        :: waits[at] != 0 && by_owner[waits[at] - 1] != holder[for_lock[i]] ->
            at = NONE
#endif
        :: else
        fi
    :: else
    fi;
    i = 0
}

/*
 * After fall_asleep or in its place, with the mutex of the graph, if nested:
 * the walk, each step of which has the mutex of one lock; may refuse the wait.
 */
inline enter_graph(w)
{
    do
    :: d_step {
            nested[w] && result == WAITS ->
            step(at);
            if
            :: at == me ->
                assert(truth);
                result = REFUSED;
                waits[me] = 0;
                graph = false
            :: at == NONE -> graph = false
            :: else
            fi
        };
        if
        :: at == NONE || at == me -> break
        :: else
        fi
    :: else ->
        atomic { graph = (nested[w] -> false : graph); break }
    od;
    atomic {
        at = 0; truth = false;
        if
        :: result == REFUSED -> give_up(w, REFUSED)
        :: else
        fi
    }
}

inline leave_graph(w)
{
    if
    :: atomic { waits[me] == w + 1 && !graph -> waits[me] = 0 }
    :: waits[me] != w + 1
    fi
}

/* What the waiter leaves is not looked at again. */
inline forget(w)
{
    for_lock[w] = 0; by_owner[w] = 0; nested[w] = false
}

/* The records of abandoned holds leave the list of their owner. */
inline recycle()
{
    holds[owner] = holds[owner] - abandoned[owner];
    abandoned[owner] = 0
}

/*
 * Result: GOT; WAITS, it is queued; or REFUSED. (To take the mutex of the graph
 * and the step after it are one step here, which nobody can tell.)
 */
inline join(w, o, l)
{
    atomic {
        recycle();
        for_lock[w] = l;
        by_owner[w] = o;
        nested[w] = HOLDS_ANY(me, o);
        if
        :: nested[w] && !graph -> graph = true
        :: !nested[w]
        fi;
        d_step {
            look(w);
            if
            :: !blocked -> take(w); holds[o]++; result = GOT
            :: else -> enqueue(w); fall_asleep(w); blocked = false
            fi;
            at = me
        }
    }
    enter_graph(w)
}

/* The handler has returned, and had nothing granted. */
inline come_back(w)
{
    atomic {
        nested[w] = HOLDS_ANY(me, by_owner[w]);
        if
        :: nested[w] && !graph -> graph = true
        :: !nested[w]
        fi;
        d_step {
            away[w] = false;
            if
            :: granted[w] -> accept(w)
            :: else ->
                look(w);
                if
                :: !blocked ->
                    dequeue(w); take(w); holds[by_owner[w]]++; result = GOT
                :: else -> blocked = false; fall_asleep(w)
                fi
            fi;
            at = me
        }
    }
#ifdef NO_RECHECK
    d_step { graph = (nested[w] -> false : graph); truth = false; at = 0 }
#else
    enter_graph(w)
#endif
}

/* What a waiter in a handler does first, and last. */
inline step_aside()
{
    d_step {
        if
        :: granted[me] -> accept(me); outer = GOT
        :: !granted[me] && outer == WAITS ->
            aside[me] = true;
            serve(for_lock[me])
        :: else
        fi;
    }
}

inline step_back()
{
    d_step {
        if
        :: aside[me] -> aside[me] = false; serve(for_lock[me])
        :: else
        fi;
    }
}

/* A handler takes a lock, amid the wait of its thread. */
inline take_in_handler(o, l)
{
    d_step {                /* without a wait, if it can */
        recycle();
        for_lock[INNER] = l;
        by_owner[INNER] = o;
        nested[INNER] = HOLDS_ANY(me, o);
        look(INNER);
        if
        :: !blocked -> take(INNER); holds[o]++; result = GOT
        :: else -> blocked = false; result = WAITS
        fi
    };
    if
    :: result == WAITS ->
#if defined(ASIDE_OWN)
        if
        :: by_owner[me] == o -> step_aside()
        :: else
        fi;
#elif !defined(GRANT_INNER) && !defined(ASIDE_LATE)
        step_aside();
#endif
        join(INNER, o, l);
#if defined(ASIDE_LATE)
        late = result; step_aside(); result = late;
#endif
        if
        :: result == WAITS ->
            if
            :: d_step { granted[INNER] -> accept(INNER) }
            :: d_step { me < TIMES_OUT && !calm -> give_up(INNER, ENDED) }
            fi;
            leave_graph(INNER)
        :: else
        fi;
        step_back()
    :: else
    fi;
    if
    :: d_step { result == GOT && holder[l] == o -> give_back(o, l); forget(INNER) }
    :: d_step { result == GOT -> forget(INNER) }     /* and keeps it */
    :: d_step { else -> forget(INNER) }
    fi;
}

/* Any of the locks. */
inline choose(l)
{
    l = 0;
    do
    :: l + 1 < LOCKS -> l++
    :: break
    od
}

inline exchange()
{
    if
    :: TWO(me) -> owner = THREADS - owner
    :: skip
    fi
}

inline handler()
{
    atomic { exchange(); choose(l) };
    if
    :: skip
    :: holder[l] != owner -> take_in_handler(owner, l)
    :: d_step {
            (holder[l] == owner && !(granted[me] && for_lock[me] == l)) ->
            give_back(owner, l)
        }
    fi;
    d_step { owner = by_owner[me]; l = for_lock[me] }
}

/* The handler has raised. */
inline undo()
{
    away[me] = false;
    if
    :: outer == WAITS -> give_up(me, ENDED)
    :: else -> result = GOT
    fi;
    if
    :: result == GOT && holder[for_lock[me]] == by_owner[me] ->
        give_back(by_owner[me], for_lock[me])
    :: else
    fi;
    outer = ENDED
}

/* The thread waits in its waiter, until outer is a result. */
inline wait_outer()
{
    do
    :: d_step { outer == WAITS && granted[me] -> accept(me); outer = GOT }
    :: d_step {
            (outer == WAITS && me < TIMES_OUT && !calm) ->
            give_up(me, ENDED); outer = result
        }
    :: d_step {
            (outer == WAITS && me < HANDLES && !granted[me] && !calm) ->
            away[me] = true; asleep[me] = 0
        };
        leave_graph(me);
        handler();
        if
        :: outer == WAITS -> come_back(me); outer = result
        :: outer == GOT -> away[me] = false
        :: d_step { undo() }
        fi
    :: outer != WAITS -> break
    od;
    leave_graph(me)
}

proctype thread(byte me)
{
    byte i, k, v, at, l;
    byte owner = me;
    bool blocked, truth;
    mtype result = NOTHING, outer = NOTHING;
#ifdef ASIDE_LATE
    mtype late;
#endif

    do
    :: atomic { holds[me] == 0 && (me != 0 || holds[THREADS] == 0) -> break }
    :: d_step { abandoned[owner] > 0 -> recycle() }
    :: atomic { exchange(); choose(l) };
        if
        :: d_step { holder[l] == owner -> give_back(owner, l) }
        :: else ->
            join(me, owner, l);
            outer = result;
            wait_outer()
        fi;
        d_step { recycle(); forget(me); l = 0; result = NOTHING; outer = NOTHING }
    od
}

#ifdef ABANDONS

/* Granted to this waiter, whose thread does not know yet. */
#define PENDING(w) (granted[w] && for_lock[w] == l -> 1 : 0)

/* Gives back what others hold, at any time. */
proctype dropper()
{
    byte i, k, v, l;
    bool blocked;

    do
    :: calm -> break
    :: atomic {
            choose(l);
            d_step {
                if
                :: (holder[l] != NONE
                    && count[l] > PENDING(BOUND(holder[l]))
                                  + PENDING(BOUND(holder[l]) + THREADS)) ->
                    abandoned[holder[l]]++;
                    take_off(l)
                :: else
                fi;
                l = 0
            }
        }
    od
}

#endif

init {
    byte i;

    atomic {
#ifdef ABANDONS
        run dropper();
#endif
        do
        :: i < THREADS -> run thread(i); i++
        :: else -> break
        od
    };
    calm = true
}
