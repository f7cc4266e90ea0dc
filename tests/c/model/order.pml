/*
 * A model of who waits for whom: several locks, their queues, the wait-for
 * graph over holds and queues, threads with one owner or two, and handlers that
 * wait amid a wait. hold.pml shows how one lock works inside. What happens
 * under the mutex of one lock is one step. The mutex of the graph is a
 * variable: it spans several, and so others act between the steps of a walk.
 *
 * Who waits stands behind each older waiter that it clashes with: soft edges,
 * from the joining on. Who waits for a hold waits for its owner: hard edges, if
 * that one waits, too. A cycle that has a soft edge is cut there: its tail
 * does not heed the head any more, and nobody who is younger than the head. A
 * cycle of hard edges is refused.
 *
 * A thread does what it likes: it takes what its current owner does not hold,
 * gives back what that owner holds, exchanges its owner, and ends when it has
 * nothing. So a set of threads that wait for each other for ever shows as a
 * run that ends before all threads have ended.
 *
 * Checked: there is no such set; whoever is refused had closed a cycle of hard
 * edges at the moment when it joined; whoever has the lock before an old waiter
 * that it clashes with was allowed to, in a walk at whose beginning that
 * waiter, or an older one, waited for it; whoever waits, and has not stepped
 * aside, has a hold or an older waiter in the way.
 *
 * Parameters: THREADS, LOCKS. Modes are to read and to write, or with PARTS to
 * take one part, the other part, or all. UPGRADES: who holds a lock may take
 * it once more, in another mode. AGES: waiters are young at first, and others
 * do not queue behind them yet. TWO_OWNERS for a second owner of thread 0; for
 * the first so many threads, HANDLES: signals interrupt their waits, and
 * TIMES_OUT: their waits may end at a time. P0 to P3: what each thread may take, as bits
 * of modes of locks.
 *
 * Wrong on purpose, to see that the checks see it:
 *   NO_SOFT           the walk sees holds only
 *   SOFT_OF_ORIGIN    it sees the queue in front of who joins, and no other
 *   SOFT_OF_NESTED    it does not pass through waiters that hold nothing
 *   SOFT_IF_OLD       nor through young ones
 *   REFUSE_ANY        a cycle with soft edges is refused, too
 *   OVERTAKE          who holds something does not queue
 *   NO_SERVE          who need not heed any more is not looked at
 *   GRANT_INNER       who waits amid a wait does not step aside
 *   ASIDE_OWN         it does, but for waiters of its current owner only
 *   ASIDE_LATE        it does, but after it has joined the queue
 *   NO_RECHECK        who comes back from a handler is not checked again
 *   NESTED_BY_OWNER   an owner that holds nothing itself is not in the graph,
 *                     whatever other owners of its thread hold
 *   CURRENT_ONLY      a hold of an owner that is not current leads nowhere
 * And what is not promised:
 *   PATIENCE          an old waiter is overtaken less often than this
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
#define WAITERS (THREADS + HANDLES)     /* one of each thread, one of each handler */
#define GONE 14
#define NONE 15

/* Owner t is of thread t; owner THREADS is the second one of thread 0. */
#ifdef TWO_OWNERS
#define OWNERS (THREADS + 1)
#define BOUND(o) (o == THREADS -> 0 : o)
#define TWO(t) (t == 0)
#else
#define OWNERS THREADS
#define BOUND(o) o
#define TWO(t) false
#endif
#define THREAD(w) ((w) < THREADS -> (w) : (w) - THREADS)
#define INNER (me + THREADS)        /* the waiter of a handler */

/* Which modes clash with this one, as bits. */
#ifdef PARTS
#define MODES 3
#define CLASHES(m) (m == 2 -> 7 : 4 + (1 << (m)))
#else
#define MODES 2
#define CLASHES(m) (m == 1 -> 3 : 2)
#endif

/* What each thread takes, as bits; of modes of a lock, as one number. */
#ifndef P0
#define P0 63
#endif
#ifndef P1
#define P1 63
#endif
#ifndef P2
#define P2 63
#endif
#ifndef P3
#define P3 63
#endif

#define LOCK(x) ((x) / MODES)
#define MODE(x) ((x) % MODES)

/* Locks. */
byte held[LOCKS * OWNERS];          /* modes, as bits */
byte queue[LOCKS * WAITERS];        /* oldest first, a row for each lock */
byte length[LOCKS];

/* Waiters. */
byte wants[WAITERS], by_owner[WAITERS];
byte heeds[WAITERS];                /* so many of those in front: for its ticket */
bool queued[WAITERS], granted[WAITERS];
bool away[WAITERS];                 /* its thread runs a handler */
bool aside[WAITERS];                /* and waits in it */
#ifdef AGES
bool old[WAITERS];
#define OLD(w) old[w]
#else
#define OLD(w) true
#endif

/* The graph: the waiter in which a thread waits, plus 1. */
bool graph;
byte waits[THREADS];

/* The walk. */
bool hard_only;
byte todo;                          /* threads to look at, as bits */
byte before[THREADS];               /* from where it came, plus 1 */
byte soft[THREADS];                 /* and by which older waiter, plus 1 */

/* Not in the program: the truth about who waits now; no more interrupts. */
byte asleep[THREADS];
bool calm;
byte reaches;                       /* waiters that wait for who walks, as bits */
#ifdef PATIENCE
byte overtaken[WAITERS];
#endif

/* Nothing that lasts from one step to the next. */
hidden byte i, j, k, p, t, v, o, u;
hidden byte first[WAITERS];
hidden byte after, who;
hidden byte blocked, more;

mtype = { NOTHING, GOT, WAITS, REFUSED, ENDED };

#define QUEUE(l, k) queue[(l) * WAITERS + (k)]
#define HELD(l, o) held[(l) * OWNERS + (o)]
#define HAS(o, x) (HELD(LOCK(x), o) & (1 << MODE(x)))

/* Is a hold of owner o in the way of the waiter w? Is the waiter q, if it is older? */
#define HARD(w, o) (o != by_owner[w] && (HELD(LOCK(wants[w]), o) & CLASHES(MODE(wants[w]))))
#define SOFT(w, q) (THREAD(q) != THREAD(w) && (CLASHES(MODE(wants[w])) & (1 << MODE(wants[q]))))

#if LOCKS == 2
#define OWNS(o) (HELD(0, o) || HELD(1, o))
#else
#define OWNS(o) (HELD(0, o) || HELD(1, o) || HELD(2, o))
#endif
#ifdef TWO_OWNERS
#define HOLDS_ANY(t) (OWNS(t) || (t == 0 && OWNS(THREADS)))
#else
#define HOLDS_ANY(t) OWNS(t)
#endif
#ifdef NESTED_BY_OWNER
#define NESTED(t, o) OWNS(o)
#else
#define NESTED(t, o) HOLDS_ANY(t)
#endif

/* How many are in front of the waiter w, or of who does not queue yet. */
inline find_place(w)
{
    p = 0;
    do
    :: p < length[LOCK(wants[w])] && QUEUE(LOCK(wants[w]), p) != w -> p++
    :: else -> break
    od
}

/* Sets blocked: may the waiter w, queued or about to be, not run? */
inline look(w)
{
    blocked = false; o = 0;
    do
    :: o < OWNERS && !blocked -> blocked = HARD(w, o); o++
    :: else -> break
    od;
    find_place(w);
    k = 0;
    do
#ifdef OVERTAKE
    :: !blocked && k < p && !nested ->
#else
    :: !blocked && k < p && (!queued[w] || k < heeds[w]) ->
#endif
        v = QUEUE(LOCK(wants[w]), k);
        blocked = (SOFT(w, v) && OLD(v) && !aside[v]);
        k++
    :: else -> break
    od
}

/* It has the lock before others that it clashes with: it must be allowed to. */
inline check_overtakes(w)
{
    find_place(w);
    k = 0;
    do
    :: k < p ->
        v = QUEUE(LOCK(wants[w]), k);
        if
        :: SOFT(w, v) && OLD(v) && !aside[v] ->
            assert(queued[w] && k >= heeds[w]);
#ifdef PATIENCE
            overtaken[v]++;
            assert(overtaken[v] < PATIENCE);
#endif
        :: else
        fi;
        k++
    :: else -> break
    od
}

inline take(w)
{
    o = 0;
    do
    :: o < OWNERS -> assert(!HARD(w, o)); o++
    :: else -> break
    od;
    assert(!HAS(by_owner[w], wants[w]));
    printf("%d: owner %d has lock %d, mode %d\n", w, by_owner[w], LOCK(wants[w]), MODE(wants[w]));
    HELD(LOCK(wants[w]), by_owner[w]) = HELD(LOCK(wants[w]), by_owner[w]) | (1 << MODE(wants[w]))
}

inline enqueue(w)
{
    printf("%d: queues for lock %d, mode %d\n", w, LOCK(wants[w]), MODE(wants[w]));
    heeds[w] = length[LOCK(wants[w])];
    QUEUE(LOCK(wants[w]), heeds[w]) = w;
    length[LOCK(wants[w])]++;
    queued[w] = true
}

inline dequeue(w)
{
    printf("%d: leaves the queue\n", w);
    find_place(w);
    k = 0;
    do
    :: k < WAITERS ->
        if
        :: queued[k] && LOCK(wants[k]) == LOCK(wants[w]) && heeds[k] > p -> heeds[k]--
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0;
    do
    :: k < THREADS ->
        if
        :: soft[k] == w + 1 -> soft[k] = GONE
        :: else
        fi;
        k++
    :: else -> break
    od;
    do
    :: p + 1 < length[LOCK(wants[w])] ->
        QUEUE(LOCK(wants[w]), p) = QUEUE(LOCK(wants[w]), p + 1); p++
    :: else -> break
    od;
    length[LOCK(wants[w])]--;
    QUEUE(LOCK(wants[w]), length[LOCK(wants[w])]) = 0;
    heeds[w] = 0;
#ifdef AGES
    old[w] = false;
#endif
#ifdef PATIENCE
    overtaken[w] = 0;
#endif
    queued[w] = false
}

/* Grants the lock to whoever may run; then who sleeps has somebody in the way. */
inline serve(l)
{
    i = 0;
    do
    :: i < length[l] ->
        u = QUEUE(l, i);
        look(u);
        if
        :: !aside[u] && !blocked ->
            check_overtakes(u); dequeue(u); take(u); granted[u] = true
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
        u = QUEUE(l, i);
        look(u);
        assert(blocked || aside[u]);
        i++
    :: else -> break
    od;
    i = 0
}

inline give_back(owner, x)
{
    assert(HAS(owner, x));
    printf("owner %d gives back lock %d, mode %d\n", owner, LOCK(x), MODE(x));
    HELD(LOCK(x), owner) = HELD(LOCK(x), owner) - (1 << MODE(x));
    serve(LOCK(x))
}

/* What was granted is the thread's. */
inline accept(w)
{
    granted[w] = false;
    asleep[THREAD(w)] = 0;
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
        serve(LOCK(wants[w]));
        result = how
    fi
}

/* Sets after: the waiters that the waiter w waits for, as bits. */
inline find_after(w, with_soft)
{
    after = 0; o = 0;
    do
    :: o < OWNERS ->
        if
        :: queued[w] && HARD(w, o) && asleep[BOUND(o)] != 0 ->
            after = after | (1 << (asleep[BOUND(o)] - 1))
        :: else
        fi;
        o++
    :: else -> break
    od;
    k = 0;
    do
    :: with_soft && queued[w] && k < heeds[w] ->
        v = QUEUE(LOCK(wants[w]), k);
        if
        :: SOFT(w, v) -> after = after | (1 << v)
        :: else
        fi;
        k++
    :: else -> break
    od
}

/* The truth: who waits for w? Sets who, as bits. */
inline find_truth(w, with_soft)
{
    who = 0;
    more = true;
    do
    :: more ->
        more = false;
        i = 0;
        do
        :: i < WAITERS ->
            if
            :: !(who & (1 << i)) ->
                find_after(i, with_soft);
                if
                :: after & (who | (1 << w)) ->
                    who = who | (1 << i);
                    more = true
                :: else
                fi
            :: else
            fi;
            i++
        :: else -> break
        od
    :: else -> break
    od
}

/* From now on the thread waits in w. */
inline fall_asleep(w)
{
    asleep[me] = w + 1;
    find_truth(w, false);
    truth = (who >> (w)) & 1;
    result = WAITS
}

inline begin_walk(w)
{
    printf("%d: begins to walk\n", w);
    todo = 1 << me;
    if
    :: hard_only
    :: else -> find_truth(w, true); reaches = who
    fi
}

/* Hard edges first: so nobody is overtaken for the sake of who is then refused. */
inline begin_walks(w)
{
    hard_only = true;
    begin_walk(w)
}

inline clear_walk()
{
    todo = 0;
    reaches = 0;
    k = 0;
    do
    :: k < THREADS -> before[k] = 0; soft[k] = 0; k++
    :: else -> break
    od
}

#if defined(NO_SOFT)
#define SEEN(t, w, q) false
#elif defined(SOFT_OF_ORIGIN)
#define SEEN(t, w, q) (t == me)
#elif defined(SOFT_OF_NESTED)
#define SEEN(t, w, q) (waits[THREAD(q)] != 0)
#elif defined(SOFT_IF_OLD)
#define SEEN(t, w, q) OLD(q)
#else
#define SEEN(t, w, q) true
#endif

#ifdef CURRENT_ONLY
#define LEADS(o) (waits[BOUND(o)] != 0 && by_owner[waits[BOUND(o)] - 1] == o)
#else
#define LEADS(o) (waits[BOUND(o)] != 0)
#endif

/*
 * One step of the walk, under the mutex of the lock for which some thread t waits:
 * to the threads whose holds are in the way of t, and of the waiters that it
 * stands behind, whether their threads wait in them or not.
 */
inline step()
{
    t = 0;
    do
    :: !(todo & (1 << t)) -> t++
    :: else -> break
    od;
    todo = todo - (1 << t);
    i = waits[t] - 1;
    k = 0;
    do
    :: k < WAITERS -> first[k] = 0; k++
    :: else -> break
    od;
    find_place(i);
    j = p + 1;
    do
    :: j > 0 && queued[i] ->
        j--;
        v = QUEUE(LOCK(wants[i]), j);
        if
        :: v == i || first[v] != 0 ->
            o = 0;
            do
            :: o < OWNERS ->
                if
                :: HARD(v, o) && LEADS(o) && before[BOUND(o)] == 0 ->
                    before[BOUND(o)] = t + 1;
                    soft[BOUND(o)] = first[v];
                    if
                    :: BOUND(o) != me -> todo = todo | (1 << BOUND(o))
                    :: else
                    fi
                :: else
                fi;
                o++
            :: else -> break
            od;
            k = 0;
            do
            :: !hard_only && k < j && k < heeds[v] ->
                u = QUEUE(LOCK(wants[i]), k);
                if
                :: SOFT(v, u) && first[u] == 0 && SEEN(t, v, u) ->
                    first[u] = (v == i -> u + 1 : first[v])
                :: else
                fi;
                k++
            :: else -> break
            od
        :: else
        fi
    :: else -> break
    od
}

/*
 * After fall_asleep or in its place, with the mutex of the graph, if nested:
 * walks, each step of which has the mutex of one lock, until there is no cycle;
 * may refuse the wait.
 */
inline enter_graph(w)
{
    do
    :: d_step { nested && todo != 0 && before[me] == 0 ->
            step();
            t = 0
        }
    :: atomic { nested && before[me] != 0 ->
            /* A cycle. Which of its soft edges is cut? */
            at = me; tail = NONE;
            do
            :: tail == NONE && soft[at] == 0 && before[at] == me + 1 -> break
            :: tail != NONE && before[at] == me + 1 -> break
            :: soft[at] != 0 && tail != before[at] - 1 ->
                tail = before[at] - 1; head = soft[at]
            :: before[at] != me + 1 && (tail != NONE || soft[at] == 0) ->
                at = before[at] - 1
            od;
            d_step {
                at = 0;
#ifdef REFUSE_ANY
                tail = NONE;
#endif
                if
                :: tail == NONE ->
                    printf("%d: is refused\n", w);
                    assert(truth && hard_only);
                    result = REFUSED;
                    hard_only = false;
                    waits[me] = 0;
                    graph = false;
                    nested = false;
                    clear_walk()
                :: else ->
                    tail = waits[tail] - 1;
                    if
                    :: queued[tail] && head != GONE ->
                        printf("%d: need not heed %d\n", tail, head - 1);
                        assert(reaches & (1 << (head - 1)));
                        find_place(head - 1);
                        assert(heeds[tail] > p);
                        heeds[tail] = p;
#ifndef NO_SERVE
                        serve(LOCK(wants[tail]))
#endif
                    :: else
                    fi;
                    clear_walk();
                    begin_walk(w)
                fi;
                tail = 0; head = 0
            }
        }
    :: d_step { nested && todo == 0 && before[me] == 0 ->
            clear_walk();
            if
            :: hard_only -> hard_only = false; begin_walk(w)
            :: else -> nested = false; graph = false
            fi
        }
    :: !nested -> break
    od;
    truth = false;
    d_step {
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
    wants[w] = 0; by_owner[w] = 0
}

/*
 * Result: GOT; WAITS, it is queued; or REFUSED. (To take the mutex of the graph
 * and the step after it are one step here, which nobody can tell.)
 */
inline join(w, owner, x)
{
    atomic {
        d_step {
            wants[w] = x;
            by_owner[w] = owner;
            nested = NESTED(me, owner)
        };
        if
        :: nested && !graph -> graph = true
        :: !nested
        fi;
        d_step {
            look(w);
            if
            :: !blocked ->
                check_overtakes(w); take(w); result = GOT;
                graph = (nested -> false : graph);
                nested = false
            :: else ->
                enqueue(w); fall_asleep(w);
                if
                :: nested -> waits[me] = w + 1; begin_walks(w)
                :: else
                fi
            fi
        }
    };
    enter_graph(w)
}

/* The handler has returned, and had nothing granted. */
inline come_back(w)
{
    atomic {
        nested = NESTED(me, by_owner[w]);
        if
        :: nested && !graph -> graph = true
        :: !nested
        fi;
        d_step {
            away[w] = false;
            result = WAITS;
            if
            :: granted[w] -> accept(w)
            :: else ->
                look(w);
                if
                :: !blocked -> check_overtakes(w); dequeue(w); take(w); result = GOT
                :: else -> fall_asleep(w)
                fi
            fi;
            if
#ifdef NO_RECHECK
            :: nested ->
                waits[me] = (result == WAITS -> w + 1 : 0);
                graph = false; nested = false
#else
            :: nested && result == GOT -> graph = false; nested = false
            :: nested && result == WAITS -> waits[me] = w + 1; begin_walks(w)
#endif
            :: else
            fi
        }
    };
    enter_graph(w)
}

/* What a waiter in a handler does first, and last. */
inline step_aside()
{
    d_step {
        if
        :: granted[me] -> accept(me); outer = GOT
        :: !granted[me] && outer == WAITS ->
            aside[me] = true;
            serve(LOCK(wants[me]))
        :: else
        fi;
    }
}

inline step_back()
{
    d_step {
        if
        :: aside[me] -> aside[me] = false; serve(LOCK(wants[me]))
        :: else
        fi;
    }
}

/* A handler takes a lock, amid the wait of its thread. */
inline take_in_handler(owner, x)
{
    d_step {                /* without a wait, if it can */
        wants[INNER] = x;
        by_owner[INNER] = owner;
        look(INNER);
        if
        :: !blocked -> check_overtakes(INNER); take(INNER); result = GOT
        :: else -> result = WAITS
        fi
    };
    if
    :: result == WAITS ->
#if defined(ASIDE_OWN)
        if
        :: by_owner[me] == owner -> step_aside()
        :: else
        fi;
#elif !defined(GRANT_INNER) && !defined(ASIDE_LATE)
        step_aside();
#endif
        join(INNER, owner, x);
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
    :: d_step { result == GOT && HAS(owner, x) -> give_back(owner, x); forget(INNER) }
    :: d_step { result == GOT -> forget(INNER) }     /* and keeps it */
    :: d_step { else -> forget(INNER) }
    fi;
}

/* Any of the locks, in any mode. */
inline choose(x)
{
    x = 0;
    do
    :: x + 1 < LOCKS * MODES -> x++
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

#define PLAN (me == 0 -> P0 : (me == 1 -> P1 : (me == 2 -> P2 : P3)))
#define WANTS(x) ((1 << (x)) & PLAN)
#ifdef UPGRADES
#define MAY_TAKE(owner, x) (WANTS(x) && !HAS(owner, x))
#else
#define MAY_TAKE(owner, x) (WANTS(x) && HELD(LOCK(x), owner) == 0)
#endif

inline handler()
{
    atomic { exchange(); choose(x) };
    if
    :: skip
    :: MAY_TAKE(owner, x) && !(by_owner[me] == owner && wants[me] == x) ->
        take_in_handler(owner, x)
    :: d_step {
            HAS(owner, x) && !(granted[me] && by_owner[me] == owner && wants[me] == x) ->
            give_back(owner, x)
        }
    fi;
    d_step { owner = by_owner[me]; x = wants[me] }
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
    :: result == GOT && HAS(by_owner[me], wants[me]) ->
        give_back(by_owner[me], wants[me])
    :: else
    fi;
    outer = ENDED
}

/* The thread waits in its waiter, until outer is a result. */
inline wait_outer()
{
    do
    :: d_step { outer == WAITS && granted[me] -> accept(me); outer = GOT }
#if TIMES_OUT
    :: d_step {
            (outer == WAITS && me < TIMES_OUT && !calm) ->
            give_up(me, ENDED); outer = result
        }
#endif
#if HANDLES
    :: d_step {
            (outer == WAITS && me < HANDLES && !granted[me] && !calm
             && (waits[me] != me + 1 || !graph)) ->
            away[me] = true; asleep[me] = 0; waits[me] = 0
        };
        handler();
        if
        :: outer == WAITS -> come_back(me); outer = result
        :: outer == GOT -> away[me] = false
        :: d_step { undo() }
        fi
#endif
    :: outer != WAITS -> break
    od;
    leave_graph(me)
}

proctype thread(byte me)
{
    byte at, tail, head, x;
    byte owner = me;
    bool nested, truth;
    mtype result = NOTHING, outer = NOTHING;
#ifdef ASIDE_LATE
    mtype late;
#endif

    do
    :: atomic { !HOLDS_ANY(me) -> break }
    :: atomic { exchange(); choose(x) };
        if
        :: d_step { HAS(owner, x) -> give_back(owner, x); x = 0 }
        :: MAY_TAKE(owner, x) ->
            join(me, owner, x);
            outer = result;
            wait_outer()
        :: else
        fi;
        d_step { forget(me); x = 0; result = NOTHING; outer = NOTHING }
    od
}

#ifdef AGES

#define AGE(l) \
    d_step { \
        length[l] > 0 && !old[QUEUE(l, length[l] - 1)] -> \
        k = 0; \
        do \
        :: old[QUEUE(l, k)] -> k++ \
        :: else -> break \
        od; \
        old[QUEUE(l, k)] = true \
    }

/* Time passes: any waiter may become old, the oldest first. */
proctype clock()
{
end:
    do
    :: AGE(0)
    :: AGE(1)
    od
}

#endif

init {
    byte n;

    atomic {
#ifdef AGES
        run clock();
#endif
        do
        :: n < THREADS -> run thread(n); n++
        :: else -> break
        od
    };
    calm = true
}
