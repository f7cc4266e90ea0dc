/*
 * A model of one RegionLock: the inline hold, the list, waiting, signals,
 * hand-off and interrupts, with three threads of which one wants everything
 * and two want parts that are apart. Steps between which other threads may
 * come are statements of their own; what happens under the mutex is one step,
 * since the mutex allows no other.
 *
 * A waiter that is interrupted is away while its handler runs, and keeps its
 * place in the queue. It cannot look for itself then, so it is granted the
 * lock where others would be signalled. A handler that waits itself steps
 * aside as long: neither granted nor signalled, and in nobody's way.
 *
 * Checked: no two conflicting holds at once; no run ends with a thread asleep
 * (a lost wake-up) or with a hold that nobody gives back; whoever sleeps or is
 * away, and has not stepped aside, has somebody in the way, a hold or an older
 * waiter; the state word agrees with the lists.
 *
 * Wrong on purpose, to see that the checks see it:
 *   OLD_REENTRY     an interrupted waiter leaves the queue, and comes back to
 *                   its place after a look at the queue as a newcomer has it.
 *                   A younger, old waiter W is in its way then, which stops
 *                   being so as it takes its place before W. It sleeps, and
 *                   nothing is in its way.
 *   OVERLOOK_AWAY   who is away is neither granted nor signalled
 *   KEEP_GRANT      a handler that raises forgets what was granted meanwhile
 *   NO_SERVE        who steps aside does not look whether others may run now
 *
 * Not in the model: weak memory (ThreadSanitizer and the argument in
 * docs/design/region-lock.md); forks; owners and the graph, with what a
 * handler may do to locks itself (owners.pml); abandoned holds (abandon.pml).
 */
#ifndef GIVES_UP
#define GIVES_UP N          /* the thread whose waits may time out */
#endif
#ifndef INTERRUPTED
#define INTERRUPTED N       /* the thread whose waits signals interrupt */
#endif
#define N 3
#define TURNS 2
#define FREE 100
#define LISTED 101          /* else: the thread whose hold is inline */

#define CONFLICT(a, b) (a != b && (a == 0 || b == 0))

byte state = FREE;
bool mutex;
bool held[N];               /* in the list */
byte queue[N];              /* oldest first */
byte queued;                /* how many */
bool in_queue[N], signalled[N], granted[N], old[N], token[N];
bool away[N];               /* runs a signal handler amid its wait */
bool aside[N];              /* which waits for something else */
bool inside[N];             /* has the lock, as the thread itself sees it */
bool calm;                  /* no more timeouts or interrupts */
#ifdef OLD_REENTRY
bool in_front[N];           /* of the waiter that left the queue */
bool was_old;               /* that one */
#endif

inline check_holds()
{
    assert(!(inside[0] && (inside[1] || inside[2])));
}

/* Sets blocked: does a hold stand in the way of t? */
inline blocked_by_hold(t)
{
    blocked = ((t == 0 && (held[1] || held[2])) || (t != 0 && held[0]));
}

/*
 * Sets blocked: does an older waiter? A newcomer is younger than all. Nobody
 * queues behind a waiter that has stepped aside.
 */
inline blocked_by_queue(t, heed)
{
    j = 0;
    do
    :: j < queued && queue[j] != t ->
        if
        :: !aside[queue[j]] && CONFLICT(t, queue[j]) && (old[queue[j]] || (heed && signalled[queue[j]])) ->
            blocked = true
        :: else
        fi;
        j++
    :: else -> break
    od;
    j = 0
}

inline dequeue(t)
{
    j = 0;
    do
    :: queue[j] != t -> j++
    :: else -> break
    od;
    do
    :: j + 1 < queued -> queue[j] = queue[j + 1]; j++
    :: else -> break
    od;
    queued--;
    queue[queued] = 0;
    in_queue[t] = false;
    signalled[t] = false;
    old[t] = false;
#ifdef OLD_REENTRY
    in_front[t] = false;
#endif
    j = 0
}

/* la_queue_serve_locked; who is to be woken is noted in wake[]. */
inline serve()
{
    i = 0;
    do
    :: i < queued ->
        w = queue[i];
        blocked_by_hold(w);
        if
        :: !blocked -> blocked_by_queue(w, true)
        :: else
        fi;
        if
        :: blocked || aside[w] -> i++
#ifdef OVERLOOK_AWAY
        :: !blocked && away[w] && !aside[w] -> i++
        :: !blocked && old[w] && !away[w] ->
#else
        :: !blocked && (old[w] || away[w]) && !aside[w] ->
#endif
            dequeue(w);
            held[w] = true;
            granted[w] = true;
            wake[w] = true
        :: !blocked && !old[w] && !away[w] ->
            if
            :: !signalled[w] -> signalled[w] = true; wake[w] = true
            :: else
            fi;
            i++
        fi;
        blocked = false
    :: else -> break
    od;
    i = 0; w = 0
}

/* Takes the lock if it may: the waiter itself looks. */
inline look(t)
{
    blocked_by_hold(t);
    if
    :: !blocked -> blocked_by_queue(t, false)
    :: else
    fi;
    if
    :: !blocked -> dequeue(t); held[t] = true
    :: else -> blocked = false
    fi
}

#ifndef OLD_REENTRY

/* A handler is about to run. The waiter has just had its look. */
inline go_away(t)
{
    away[t] = true
}

/* The handler has returned, or raised. */
inline come_back(t, raised)
{
    away[t] = false;
    if
    :: granted[t] ->
        granted[t] = false;
        if
#ifndef KEEP_GRANT
        :: raised -> held[t] = false; serve()
#endif
        :: else
        fi
    :: !granted[t] && raised -> dequeue(t); serve()
    :: else -> look(t)
    fi
}

#else

inline go_away(t)
{
    j = 0;
    do
    :: queue[j] != t -> in_front[queue[j]] = true; j++
    :: else -> break
    od;
    was_old = old[t];
    dequeue(t);
    serve()
}

inline come_back(t, raised)
{
    blocked_by_hold(t);
    blocked_by_queue(t, false);
    if
    :: raised
    :: !raised && !blocked -> held[t] = true
    :: else ->
        j = queued;
        do
        :: j > 0 && !in_front[queue[j - 1]] -> queue[j] = queue[j - 1]; j--
        :: else -> break
        od;
        queue[j] = t; queued++; in_queue[t] = true;
        old[t] = was_old || (j + 1 < queued && old[queue[j + 1]])
    fi;
    in_front[0] = false; in_front[1] = false; in_front[2] = false;
    was_old = false;
    blocked = false;
    j = 0
}

#endif

/* Whoever sleeps without a signal has somebody in the way; so has who is away. */
inline check_queue()
{
    i = 0;
    do
    :: i < queued ->
        w = queue[i];
        blocked_by_hold(w);
        if
        :: !blocked -> blocked_by_queue(w, true)
        :: else
        fi;
        assert(blocked || signalled[w] || aside[w]);
        assert(!(away[w] && signalled[w]));
        blocked = false;
        i++
    :: else -> break
    od;
    i = 0; w = 0
}

inline enter()
{
    atomic {
        !mutex -> mutex = true;
        /* the state word agrees with the lists */
        assert(state == LISTED
               || (queued == 0 && !held[0] && !held[1] && !held[2]))
    };
    /* the compare-and-swap to LISTED; in between others may claim or release */
    d_step {
        if
        :: state < N -> held[state] = true
        :: else
        fi;
        state = LISTED
    }
}

inline leave()
{
    d_step {
        check_queue();
        if
        :: queued == 0 && !held[0] && !held[1] && !held[2] -> state = FREE
        :: queued == 0 && held[0] && !held[1] && !held[2] ->
            held[0] = false; state = 0
        :: queued == 0 && !held[0] && held[1] && !held[2] ->
            held[1] = false; state = 1
        :: queued == 0 && !held[0] && !held[1] && held[2] ->
            held[2] = false; state = 2
        :: else
        fi
    };
    mutex = false;
    if :: wake[0] -> atomic { wake[0] = false; token[0] = true } :: else fi;
    if :: wake[1] -> atomic { wake[1] = false; token[1] = true } :: else fi;
    if :: wake[2] -> atomic { wake[2] = false; token[2] = true } :: else fi
}

/* A handler, which may wait for something else in between. */
inline handler()
{
    if
    :: skip
#ifndef OLD_REENTRY
    :: true ->
        enter();
        d_step {
            if
            :: in_queue[me] ->
                aside[me] = true;
#ifndef NO_SERVE
                serve()
#endif
            :: else         /* granted meanwhile */
            fi;
            i = 0
        };
        leave();
        enter();
        d_step {
            if
            :: aside[me] -> aside[me] = false; serve()
            :: else
            fi;
            i = 0
        };
        leave()
#endif
    fi
}

proctype thread(byte me)
{
    byte turn, i, j, w;
    bool blocked, wake[N], gave_up, cut;

    do
    :: turn == TURNS -> break
    :: turn < TURNS ->
        gave_up = false;
        if
        :: atomic { state == FREE -> state = me }       /* claim */
        :: else ->
            enter();
            d_step {
                blocked_by_hold(me);
                if
                :: !blocked -> blocked_by_queue(me, false)
                :: else
                fi;
                if
                :: !blocked -> held[me] = true
                :: else ->
                    queue[queued] = me; queued++; in_queue[me] = true;
                    blocked = false
                fi
            };
            leave();
            do
            :: in_queue[me] || granted[me] ->
                if
                :: atomic { token[me] -> token[me] = false }
                :: !calm && me == GIVES_UP -> gave_up = true      /* time is up */
                :: !calm && me == INTERRUPTED -> cut = true
                fi;
                if
                :: atomic { granted[me] -> granted[me] = false;
                            gave_up = false; cut = false };
                    break
                :: else
                fi;
                enter();
                d_step {
                    if
                    :: granted[me] -> granted[me] = false; gave_up = false
                    :: !granted[me] && signalled[me] ->
                        look(me);
                        if
                        :: in_queue[me] -> signalled[me] = false; serve()
                        :: else
                        fi
                    :: else
                    fi;
                    if
                    :: gave_up && in_queue[me] -> dequeue(me); serve()
                    :: else -> gave_up = false
                    fi;
                    if
                    :: cut && in_queue[me] -> go_away(me)
                    :: else -> cut = false
                    fi
                };
                leave();
                if
                :: cut ->
                    handler();
                    if
                    :: gave_up = true               /* it raises */
                    :: skip
                    fi;
                    enter();
                    d_step { come_back(me, gave_up); cut = false };
                    leave()
                :: else
                fi
            :: else -> break
            od
        fi;
        if
        :: gave_up
        :: else ->
            inside[me] = true;
            check_holds();
            inside[me] = false;
            if
            :: atomic { state == me -> state = FREE }   /* release */
            :: else ->
                enter();
                d_step { held[me] = false; serve() };
                leave()
            fi
        fi;
        turn++
    od
}

/* Time passes: any waiter may become old, the oldest first. */
proctype clock()
{
end:
    do
    :: d_step { queued > 0 && !old[queue[0]] -> old[queue[0]] = true }
    :: d_step { queued > 1 && old[queue[0]] && !old[queue[1]] ->
                old[queue[1]] = true }
    od
}

init {
    atomic { run thread(0); run thread(1); run thread(2); run clock() };
    calm = true
}
