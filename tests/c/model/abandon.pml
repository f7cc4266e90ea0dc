/*
 * A model of who gives a hold back: the thread that has it, whoever drops the
 * last reference to its keeper, or the end of the thread.
 *
 * A hold is a record in the pool of a thread's record. Both serve another
 * thread when the first has ended. A keeper (a guard) remembers the hold and
 * its turn, which changes each time the record is free again. Who takes the
 * hold out of its keeper, in one step, gives it back: the thread itself
 * releases, another thread abandons. To abandon is to take the hold off the
 * lock's list; the record stays in the list of its thread, marked by being
 * on the stack of abandoned ones, and the thread puts it back into the pool.
 * To abandon and to end are done under the mutex of the registry.
 *
 * One lock; a thread that takes it now and then, so that holds are listed and
 * waited for; two that drop keepers.
 *
 * Checked: each hold is given back once, by whoever has it, and nobody reads
 * a record that has gone back to the pool; whoever abandons or ends leaves
 * the lock free of that hold at once; no run ends with the lock held or a
 * waiter asleep.
 *
 * Wrong on purpose, to see that the checks see it:
 *   NO_TURN        a keeper does not ask for the turn
 *   NO_REGISTRY    to abandon does not take the mutex of the registry
 *   EARLY_PUSH     the record is on the stack before its hold is off the lock
 *   TWO_TAKERS     two may take the hold out of one keeper
 *   BLIND_END      the end of a thread gives back what was abandoned, too
 *   NO_SERVE       to abandon does not look who may run now
 *
 * Not in the model: weak memory; conflicts (each hold wants everything).
 */
#ifndef LIVES
#define LIVES 2             /* threads that use the record, one after another */
#endif
#ifndef TURNS
#define TURNS 2             /* holds that each of them takes, at most */
#endif
#define RECORDS 2
#define FREE 10
#define LISTED 11           /* else: the hold that is inline */
#define OTHER RECORDS       /* the hold of the other thread */
#define NONE 9
#define KEEPERS 2

/* The lock. */
byte state = FREE;
bool mutex;
bool linked[RECORDS + 1];   /* in the list of holds */
bool waits, granted;        /* the other thread; granted to it */

/* The record of the thread. */
bool registry;              /* the mutex */
byte turn[RECORDS];
bool listed[RECORDS];       /* in the list of the thread */
bool stacked[RECORDS];      /* abandoned, and not yet back in the pool */

/* Keepers; what they keep, and its turn. */
byte kept[KEEPERS] = NONE, kept_turn[KEEPERS];

/* Not in the program: is the hold acquired and not given back; who reads. */
bool held[RECORDS + 1];
byte readers[RECORDS];
bool done;

#define ANY_LINKED (linked[0] || linked[1] || linked[OTHER])

inline enter()
{
    atomic { !mutex -> mutex = true };
    d_step {
        if
        :: state < FREE -> linked[state] = true
        :: else
        fi;
        state = LISTED
    }
}

inline leave()
{
    d_step {
        if
        :: !waits && !ANY_LINKED -> state = FREE
        :: !waits && linked[0] && !linked[1] && !linked[OTHER] ->
            linked[0] = false; state = 0
        :: !waits && !linked[0] && linked[1] && !linked[OTHER] ->
            linked[1] = false; state = 1
        :: !waits && !linked[0] && !linked[1] && linked[OTHER] ->
            linked[OTHER] = false; state = OTHER
        :: else
        fi;
        mutex = false
    }
}

inline clear(k)
{
    kept[k] = NONE; kept_turn[k] = 0
}

inline serve()
{
    if
    :: waits && !linked[0] && !linked[1] ->
        waits = false; granted = true; linked[OTHER] = true
    :: else
    fi
}

/* Under the mutex: takes the hold off the lock. */
inline unlink(h)
{
    assert(linked[h] && held[h]);
    linked[h] = false;
    held[h] = false;
#ifdef NO_SERVE
    if
    :: !abandons -> serve()
    :: else
    fi
#else
    serve()
#endif
}

/* By the thread that has it, or at its end. */
inline release(h)
{
    if
    :: d_step { state == h -> assert(held[h]); state = FREE; held[h] = false }
    :: else ->
        enter();
        d_step { unlink(h) };
        leave()
    fi
}

/* The record goes back to the pool. */
inline pool(h)
{
    assert(!held[h] && readers[h] == 0);
    turn[h]++;
    listed[h] = false;
    stacked[h] = false
}

#ifdef NO_TURN
#define MINE(k) (kept[k] != NONE)
#define STALE false
#else
#define MINE(k) (kept[k] != NONE && turn[kept[k]] == kept_turn[k])
#define STALE (turn[h] != t)
#endif

/* Threads that use one record, one after another. */
proctype thread()
{
    byte life, n, h, k;
    bool abandons;

    do
    :: life == LIVES -> break
    :: life < LIVES ->
        do
        :: n < TURNS ->                         /* takes the lock, if it can */
            n++;
            d_step {
                if
                :: stacked[0] -> pool(0)
                :: else
                fi;
                if
                :: stacked[1] -> pool(1)
                :: else
                fi;
                h = (!listed[0] -> 0 : (!listed[1] -> 1 : NONE));
                k = (kept[0] == NONE -> 0 : (kept[1] == NONE -> 1 : NONE));
            };
            if
            :: h == NONE || k == NONE
            :: else ->
                listed[h] = true;
                if
                :: d_step { state == FREE -> state = h; held[h] = true }
                :: else ->
                    enter();
                    d_step {
                        if
                        :: !linked[OTHER] -> linked[h] = true; held[h] = true
                        :: else
                        fi
                    };
                    leave()
                fi;
                d_step {
                    if
                    :: held[h] -> kept_turn[k] = turn[h]; kept[k] = h
                    :: else -> pool(h)
                    fi
                }
            fi;
            d_step { h = 0; k = 0 }
        :: true ->                              /* gives one back, if it can */
            if
            :: skip
            :: k = 1
            fi;
            if
            :: d_step { MINE(k) -> h = kept[k]; clear(k) };
                release(h);
                d_step { pool(h) }
            :: else
            fi;
            d_step { h = 0; k = 0 }
        :: break
        od;
        /* The thread ends. */
        atomic { !registry -> registry = true };
        h = 0;
        do
        :: h == RECORDS -> break
        :: h < RECORDS ->
            if
#ifdef BLIND_END
            :: listed[h] -> release(h); d_step { pool(h) }
#else
            :: listed[h] && !stacked[h] -> release(h); d_step { pool(h) }
            :: d_step { stacked[h] -> pool(h) }
#endif
            :: !listed[h]
            fi;
            h++
        od;
        assert(!held[0] && !held[1]);
        d_step { registry = false; h = 0; k = 0; n = 0; life++ }
    od;
    done = true
}

/* Takes the hold off its lock. To put it on the stack is the last thing. */
inline abandon()
{
#ifndef NO_REGISTRY
    atomic { !registry -> registry = true };
#endif
    if
    :: h == NONE || STALE
    :: else ->
        readers[h]++;
#ifdef EARLY_PUSH
        stacked[h] = true;
#endif
        enter();
        d_step { unlink(h) };
        leave();
        d_step {
            readers[h]--;
#ifndef EARLY_PUSH
            stacked[h] = true
#endif
        }
    fi;
    d_step {
        h = 0; t = 0;
#ifndef NO_REGISTRY
        registry = false
#endif
    }
}

/* Drops the last reference to a keeper. */
proctype dropper()
{
    byte h, t;
    bool abandons = true;

    do
    :: done && kept[0] == NONE && kept[1] == NONE -> break
#ifdef TWO_TAKERS
    :: kept[0] != NONE -> h = kept[0]; t = kept_turn[0]; clear(0);
#else
    :: d_step { kept[0] != NONE -> h = kept[0]; t = kept_turn[0]; clear(0) };
#endif
        abandon()
    :: d_step { kept[1] != NONE -> h = kept[1]; t = kept_turn[1]; clear(1) };
        abandon()
    od
}

/* Takes the lock twice, and waits for it. */
proctype other()
{
    byte n;

    do
    :: n == 2 -> break
    :: n < 2 ->
        n++;
        if
        :: d_step { state == FREE -> state = OTHER }
        :: else ->
            enter();
            d_step {
                if
                :: linked[0] || linked[1] -> waits = true
                :: else -> linked[OTHER] = true
                fi
            };
            leave();
            if
            :: waits || granted -> atomic { granted -> granted = false }
            :: else
            fi
        fi;
        assert(!held[0] && !held[1]);
        if
        :: d_step { state == OTHER -> state = FREE }
        :: else ->
            enter();
            d_step { linked[OTHER] = false };
            leave()
        fi
    od
}

init {
    atomic { run thread(); run dropper(); run other() };
    _nr_pr == 1;
    assert(state == FREE && !held[0] && !held[1] && !ANY_LINKED)
}
