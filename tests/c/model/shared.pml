/*
 * A model of the lock between processes: the state word, the slots, the monitor, grants and
 * wake-ups, with N processes that all want to write the same bytes, of which DEATHS are killed
 * between any two steps. What is one store to shared memory, or one swap, is one step; but all slots
 * of the dead are buried in two, and all who sleep or wait are called in one.
 *
 * The monitor is a robust mutex: who gets it after a death in it repairs, and has everybody called.
 * A sleeper waits for its own word and for those of all processes; a death wakes one sleeper, if
 * there is one, and whoever was about to sleep finds the word changed.
 *
 * Checked: no two write at once; nobody who did not heal it finds what a dead writer left half
 * written; no run ends with a process asleep, whoever was killed when.
 *
 * Wrong on purpose, to see that the checks see it:
 *   NO_LISTING      a lister does not write down first what it lists
 *   NO_ACCEPT       who was granted the lock writes without having said that it knows
 *   NO_CALL         who finds that somebody died in the monitor does not call all
 *   NO_FLAG         ... or does, but does not note that before: it may die, too
 *   CALL_WAITERS    a burial calls those who wait, and does not wake all who sleep; so one
 *                   that was granted by the dead and not woken sleeps on
 *   WATCH_LATE      a sleeper reads the words of the others after it looked for the dead
 *
 * Not in the model: regions and readers, the order of the queue, chains, entries that are taken, a
 * full table; weak memory (ThreadSanitizer, and the orders named in the code).
 */
#ifndef N
#define N 3
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

/* The state word, beside the number of a slot. */
#define FREE 100
#define LISTED 101
#define NOBODY 102

/* Of a slot. */
#define EMPTY 0
#define CLAIMING 1
#define HELD 2
#define RELEASING 3
#define WAITING 4
#define GRANTED 5
#define POISONED 6

#define HOLDS(q) (slot[q] == HELD || slot[q] == RELEASING || slot[q] == GRANTED)

byte state = FREE, listing = FREE;
byte slot[N];
bool used[N], buried[N];
bool signalled[N];          /* a flag of the slot */
byte monitor = NOBODY;
bool orphaned;              /* who had it died */
bool to_be_called;

bool dead[N], done[N];
bool woken[N];              /* its word has changed since it entered the monitor last */
bool asleep[N], nudged[N];  /* by a death */
byte deaths;

bool inside[N];             /* it writes */
bool half;                  /* what is guarded is half written */

/* -- under the monitor --------------------------------------------------------------- */

inline wake_all()
{
    d_step {
        q = 0;
        do
        :: q < N -> woken[q] = woken[q] || used[q]; q++
        :: else -> break
        od;
        q = 0
    }
}

/* Sets blocked and poisoned. */
inline look()
{
    d_step {
        blocked = false; poisoned = false; q = 0;
        do
        :: q < N ->
            if
            :: q != me && HOLDS(q) -> blocked = true
            :: else
            fi;
            if
            :: slot[q] == POISONED -> poisoned = true
            :: else
            fi;
            q++
        :: else -> break
        od;
        q = 0
    }
}

/* Sets found. */
inline bury()
{
    d_step {
        found = false; q = 0;
        do
        :: q < N ->
            if
            :: dead[q] && used[q] && !buried[q] ->
                found = true;
                if
                :: slot[q] == HELD -> slot[q] = POISONED
                :: slot[q] == POISONED
                :: else -> slot[q] = EMPTY
                fi
            :: else
            fi;
            q++
        :: else -> break
        od;
        q = 0
    }
    if
    :: found ->
        d_step {
            do
            :: q < N ->
                if
                :: dead[q] && used[q] && slot[q] == EMPTY -> used[q] = false
                :: dead[q] && used[q] && slot[q] != EMPTY -> buried[q] = true
                :: else
                fi;
                q++
            :: else -> break
            od;
            q = 0; calls = true
        }
#ifndef CALL_WAITERS
        wake_all()
#endif
    :: else
    fi
}

/* Offers the lock to one who waits: the oldest, here any of them. It is granted, or told to look. */
inline serve()
{
    look();
    atomic {
        if
        :: !blocked && !poisoned && !HOLDS(me) ->
            if
            :: slot[0] == WAITING && !signalled[0] && me != 0 -> w = 0
            :: slot[1] == WAITING && !signalled[1] && me != 1 -> w = 1
            :: slot[N - 1] == WAITING && !signalled[N - 1] && me != N - 1 -> w = N - 1
            :: else
            fi;
            if
            :: w != NOBODY -> slot[w] = GRANTED
            :: w != NOBODY -> signals = true
            :: else
            fi
        :: else
        fi
    }
}

/* -- entering and leaving ------------------------------------------------------------ */

inline enter()
{
    atomic { monitor == NOBODY -> monitor = me };
    if
    :: orphaned ->
        d_step {
            if
            :: state == LISTED && listing < N && slot[listing] == CLAIMING -> slot[listing] = HELD
            :: else
            fi
        }
            d_step { orphaned = false; died = true }
#ifndef NO_FLAG
        to_be_called = true
#endif
    :: else
    fi;
    do
    :: state != LISTED ->
        seen = state;
#ifndef NO_LISTING
        listing = seen;
#endif
        d_step {
            swapped = (state == seen);
            if
            :: swapped -> state = LISTED
            :: else
            fi
        }
        if
        :: swapped && seen < N -> slot[seen] = HELD
        :: else
        fi
    :: else -> break
    od;
    listing = FREE;
    d_step { seen = 0; swapped = false; woken[me] = false }
    if
    :: to_be_called || died ->
#ifndef NO_CALL
        bury();
        d_step { calls = true };
        call();
        wake_all();
#endif
        d_step { to_be_called = false; died = false }
    :: else
    fi
}

/* Those who wait are to look. */
inline call()
{
    if
    :: calls ->
        d_step {
            q = 0;
            do
            :: q < N ->
                if
                :: slot[q] == WAITING -> signalled[q] = true; woken[q] = true
                :: else
                fi;
                q++
            :: else -> break
            od;
            q = 0; calls = false
        }
    :: else
    fi
}

inline leave()
{
    call();
    if
    :: w != NOBODY ->
        d_step {
            signalled[w] = signalled[w] || signals;
            woken[w] = true; w = NOBODY; signals = false
        }
    :: else
    fi;
    d_step {
        swapped = true; q = 0;
        do
        :: q < N -> swapped = swapped && slot[q] == EMPTY; q++
        :: else -> break
        od;
        q = 0;
        state = (swapped -> FREE : state)
    }
    d_step { swapped = false; blocked = false; poisoned = false; found = false; monitor = NOBODY }
}

/* -- a process ----------------------------------------------------------------------- */

/* Somebody has left it half written: whoever finds that heals it. */
inline heal()
{
    enter();
    look();
    if
    :: poisoned && !blocked ->
        d_step {
            half = false; q = 0;
            do
            :: q < N ->
                if
                :: slot[q] == POISONED -> slot[q] = EMPTY; used[q] = false
                :: else
                fi;
                q++
            :: else -> break
            od;
            q = 0; calls = true
        }
    :: else
    fi;
    leave()
}

inline write()
{
    d_step {
        assert(!half);
        q = 0;
        do
        :: q < N -> assert(!inside[q] || dead[q]); q++
        :: else -> break
        od;
        q = 0;
        inside[me] = true; half = true
    }
    d_step { inside[me] = false; half = false }
}

inline release()
{
    d_step {
        swapped = (state == me);
        if
        :: swapped -> state = FREE
        :: else
        fi
    }
    if
    :: swapped -> swapped = false; slot[me] = EMPTY
    :: else ->
        d_step {
            if
            :: slot[me] == HELD -> slot[me] = RELEASING
            :: else
            fi
        }
        enter();
        slot[me] = EMPTY;
        serve();
        leave()
    fi
}

/* Until it is to look. */
inline park()
{
    enter();
    sleeps = slot[me] != GRANTED && !signalled[me];
    if
    :: sleeps ->
#ifdef WATCH_LATE
        bury();
        watched = deaths
#else
        watched = deaths;
        bury()
#endif
        sleeps = !found
    :: else
    fi;
    leave();
    if
    :: sleeps ->
        d_step {
            if
            :: !woken[me] && watched == deaths -> asleep[me] = true
            :: else
            fi;
            watched = 0; sleeps = false
        }
        if
        :: asleep[me] ->
            d_step { (woken[me] || nudged[me]) -> asleep[me] = false; nudged[me] = false }
        :: else
        fi;
        enter();
        bury();
        leave()
    :: else
    fi
}

proctype user(byte me)
{
    byte q, w = NOBODY, seen, watched;
    bool blocked, poisoned, found, calls, signals, swapped, died, sleeps, has;

    {
        if
        :: state == FREE ->
            slot[me] = CLAIMING;
            d_step {
                has = (state == FREE);
                if
                :: has -> state = me
                :: else
                fi
            }
            if
            :: !has -> slot[me] = EMPTY
            :: else
            fi
        :: else
        fi;
        if
        :: !has ->
            enter();
            look();
            if
            :: blocked || poisoned -> bury(); look()
            :: else
            fi;
            if
            :: poisoned
            :: !poisoned && !blocked -> slot[me] = HELD; has = true
            :: else -> slot[me] = WAITING
            fi;
            leave()
        :: else
        fi;
        do
        :: slot[me] != WAITING && slot[me] != GRANTED -> break
        :: else ->
            park();
            enter();
            if
            :: slot[me] == GRANTED ->
                has = true;
#ifdef NO_ACCEPT
                leave();
                break
#else
                slot[me] = HELD
#endif
            :: slot[me] == WAITING && signalled[me] ->
                signalled[me] = false;
                look();
                if
                :: poisoned -> slot[me] = EMPTY
                :: !poisoned && !blocked -> slot[me] = HELD; has = true
                :: else
                fi;
                serve()
            :: else
            fi;
            leave()
        od;
        if
        :: has -> write(); release()
        :: else -> heal()
        fi;
        /* It ends. */
        atomic {
            monitor == NOBODY -> monitor = me;
            to_be_called = to_be_called || orphaned; orphaned = false;
            used[me] = false
        };
        wake_all();
        d_step { done[me] = true; monitor = NOBODY }
    } unless { dead[me] }
}

/* One who dies takes the monitor along; a sleeper is woken, if there is one. */
inline kill(p)
{
    atomic {
        !dead[p] && !done[p] ->
        dead[p] = true; asleep[p] = false; deaths++;
        if
        :: monitor == p -> monitor = NOBODY; orphaned = true
        :: else
        fi;
        if
        :: asleep[0] -> nudged[0] = true
        :: asleep[1] -> nudged[1] = true
        :: asleep[N - 1] -> nudged[N - 1] = true
        :: else
        fi
    }
}

init
{
    byte i;

    atomic {
        do
        :: i < N -> used[i] = true; run user(i); i++
        :: else -> break
        od
    }
    do
    :: deaths < DEATHS ->
        if
        :: kill(0)
        :: kill(1)
        :: kill(N - 1)
        :: true -> break
        fi
    :: else -> break
    od
}
