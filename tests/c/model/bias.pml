/*
 * A model of the bias towards readers: slots, and its end.
 *
 * Thread a reads by two holds, one inside the other, of which one may go, with its owner,
 * to thread b, which gives it back. Thread r, whose record is made when it begins, reads, too. Thread w
 * writes, or only looks at the list. Nobody waits here (hold.pml): who cannot have
 * the lock at once goes away. Whether the lock is biased when its mutex is left is open
 * where that is allowed, and so stands for each policy.
 *
 * Checked: nobody writes while somebody reads; who ends a bias lists only holds
 * that are taken and not given back; a slot is emptied for the hold that is in it; in
 * the end all slots and the list are empty.
 *
 * Wrong on purpose, to see that the checks see it:
 *   NO_SECOND_LOAD  a reader does not look at the state word after it has filled a slot
 *   STORE_BUFFER    what it stores in the slot may reach others after that look
 *   LATE_IS_NONE    a reader that cannot take its hold back takes itself for one that
 *                   has none
 *   OTHERS_SLOT     a thread empties slots of others without the mutex
 *   NO_TAKEN        a slot is free before its hold has been read
 *   ONE_LOOK        who ends a bias does not take a hold out by compare-and-swap
 *   EARLY_HEAD      who ends a bias has looked before which threads there are
 *   FORGET_LIST     a hold under the bias is given back without a look where it is
 *
 * Not in the model: weak memory but for that store; regions; chains.
 */
#ifndef TURNS
#define TURNS 2
#endif
#define HOLDS 3             /* 0 and 1 are a's, 2 is r's */
#define W HOLDS             /* the write */
#define SLOTS 3             /* of the same */
#define FREE 10
#define LISTED 11
#define BIASED 12           /* else: the hold that is inline */
#define NONE 9

#define EMPTY 0
#define LOCK 1
#define TAKEN 2

byte state = FREE;
bool mutex;
bool linked[HOLDS + 1];
byte slot[SLOTS];
byte slot_hold[SLOTS] = NONE;
byte hold_slot[HOLDS] = NONE;
bool registered;            /* the record of r */
byte handed = NONE;         /* from a to b */
bool a_is_done;
#ifdef STORE_BUFFER
bool buffered[SLOTS];
#endif

/* Not in the program: taken and not given back; who has the lock, as it sees it. */
bool taken[HOLDS], reads[HOLDS], writes;

#define ANY_LINKED (linked[0] || linked[1] || linked[2] || linked[W])
#define ANY_READS (reads[0] || reads[1] || reads[2])
/* Of the slots of thread a, or of r; b has none. */
#define MINE(s) (me == 0 && s < 2 || me == 1 && s == 2)

/* Under the mutex; `h` and `s` are the caller's. */
inline take_out(s)
{
    if
    :: slot[s] != LOCK
    :: slot[s] == LOCK ->
#ifdef ONE_LOOK
        slot[s] = TAKEN; found = true;
#else
        if
#ifdef NO_TAKEN
        :: d_step { slot[s] == LOCK -> slot[s] = EMPTY; found = true }
#else
        :: d_step { slot[s] == LOCK -> slot[s] = TAKEN; found = true }
#endif
        :: else
        fi;
#endif
        if
        :: found ->
            h = slot_hold[s];
            assert(taken[h] && !linked[h]);
            hold_slot[h] = NONE;
#ifndef NO_TAKEN
            slot[s] = EMPTY;
#endif
            linked[h] = true;
            found = false; h = 0
        :: else
        fi
    fi
}

inline list_all()
{
#ifdef EARLY_HEAD
    also = registered;
#endif
    if
    :: d_step { state == BIASED -> state = LISTED };
#ifndef EARLY_HEAD
        also = registered;
#endif
        take_out(0);
        take_out(1);
        if
        :: also -> take_out(2)
        :: else
        fi;
        also = false
    :: d_step { state < FREE -> linked[state] = true; state = LISTED }
    :: d_step { state == FREE -> state = LISTED }
    :: state == LISTED
    fi;
    also = false
}

inline leave()
{
    atomic {
        if
        :: !linked[W] -> state = BIASED
        :: !ANY_LINKED -> state = FREE
        :: linked[0] && !linked[1] && !linked[2] && !linked[W] -> linked[0] = false; state = 0
        :: !linked[0] && linked[1] && !linked[2] && !linked[W] -> linked[1] = false; state = 1
        :: !linked[0] && !linked[1] && linked[2] && !linked[W] -> linked[2] = false; state = 2
        :: !linked[0] && !linked[1] && !linked[2] && linked[W] -> linked[W] = false; state = W
        :: linked[0] + linked[1] + linked[2] + linked[W] > 1
        fi;
        mutex = false
    }
}

#define LOCK_MUTEX atomic { !mutex -> mutex = true }

inline fill(s)
{
    d_step { slot_hold[s] = me_hold; hold_slot[me_hold] = s };
#ifdef STORE_BUFFER
    buffered[s] = true
#else
    slot[s] = LOCK
#endif
}

inline flush(s)
{
#ifdef STORE_BUFFER
    !buffered[s]
#else
    skip
#endif
}

/* As the slot's thread sees it. */
#ifdef STORE_BUFFER
#define IS_EMPTY(s) (slot[s] == EMPTY && !buffered[s])
#else
#define IS_EMPTY(s) (slot[s] == EMPTY)
#endif

/* A read by `me_hold`: `got` says whether. */
inline acquire()
{
    d_step { taken[me_hold] = true; got = false; tries = true; s = NONE };
    if
    :: d_step { state == FREE -> state = me_hold; got = true; tries = false }
    :: state == BIASED ->
        if
        :: MINE(0) && IS_EMPTY(0) -> s = 0
        :: MINE(0) && !IS_EMPTY(0) && IS_EMPTY(1) -> s = 1
        :: MINE(2) && IS_EMPTY(2) -> s = 2
        :: else
        fi;
        if
        :: s != NONE ->
            fill(s);
#ifdef NO_SECOND_LOAD
            got = true; tries = false
#else
            if
            :: state == BIASED -> got = true; tries = false
            :: else ->
                flush(s);
                if
                :: d_step { slot[s] == LOCK -> slot[s] = EMPTY }; hold_slot[me_hold] = NONE
#ifdef LATE_IS_NONE
                :: else -> tries = false
#else
                :: else -> got = true; tries = false
#endif
                fi
            fi
#endif
        :: else
        fi
    :: else
    fi;
    if
    :: tries ->
        LOCK_MUTEX;
        if
        :: state == BIASED -> d_step { linked[me_hold] = true; got = true; mutex = false }
        :: else ->
            list_all();
            d_step {
                if
                :: !linked[W] -> linked[me_hold] = true; got = true
                :: else
                fi
            };
            leave()
        fi
    :: else
    fi;
    d_step { reads[me_hold] = got; taken[me_hold] = got; s = 0; tries = false; got = false }
}

/* Of a hold that another thread may have taken. */
inline release(it)
{
    d_step { assert(!writes); reads[it] = false; tries = true };
    s = hold_slot[it];
    if
#ifdef OTHERS_SLOT
    :: s != NONE ->
#else
    :: s != NONE && MINE(s) ->
#endif
        flush(s);
        if
        :: d_step { slot[s] == LOCK -> assert(slot_hold[s] == it); slot[s] = EMPTY };
            hold_slot[it] = NONE; tries = false
        :: else
        fi
    :: d_step { s == NONE && state == it -> state = FREE; tries = false }
    :: else
    fi;
    if
    :: tries ->
        LOCK_MUTEX;
        if
        :: state == BIASED ->
#ifdef FORGET_LIST
            s = NONE;
#else
            s = hold_slot[it];
#endif
            if
            :: s != NONE ->
                hold_slot[it] = NONE;
                flush(s);
                d_step { assert(slot[s] == LOCK && slot_hold[s] == it); slot[s] = EMPTY }
            :: else -> assert(linked[it]); linked[it] = false
            fi;
            mutex = false
        :: else ->
            list_all();
            d_step { assert(linked[it]); linked[it] = false };
            leave()
        fi
    :: else
    fi;
    d_step { taken[it] = false; s = 0; tries = false }
}

proctype a()
{
    byte n, s, h, me_hold;
    byte me = 0;
    bool got, tries, found, also, own;

    do
    :: n == TURNS -> break
    :: n < TURNS ->
        n++;
        if
        :: handed == NONE && !taken[1] ->
            me_hold = 1;
            acquire();
            if
            :: reads[1] -> handed = 1
            :: reads[1] -> own = true
            :: else
            fi
        :: skip
        fi;
        me_hold = 0;
        acquire();
        if
        :: own -> release(1); own = false
        :: else
        fi;
        if
        :: reads[0] -> release(0)
        :: else
        fi
    od;
    a_is_done = true
}

proctype b()
{
    byte s, h;
    byte me = 2;
    bool tries, found, also;

    do
    :: handed != NONE -> release(1); handed = NONE
    :: a_is_done && handed == NONE -> break
    od
}

proctype r()
{
    byte n, s, h;
    byte me = 1, me_hold = 2;
    bool got, tries, found, also;

    registered = true;
    do
    :: n == TURNS - 1 -> break
    :: n < TURNS - 1 ->
        n++;
        acquire();
        if
        :: reads[2] -> release(2)
        :: else
        fi
    od
}

proctype w()
{
    byte n, h;
    bool found, also, got;

    do
    :: n == TURNS -> break
    :: n < TURNS ->
        n++;
        if
        :: d_step { state == FREE -> state = W; got = true }
        :: LOCK_MUTEX;
            list_all();
            if
            :: d_step { !linked[0] && !linked[1] && !linked[2] -> linked[W] = true; got = true }
            :: true                             /* only looks, or may not */
            fi;
            leave()
        fi;
        if
        :: got ->
            writes = true;
            assert(!ANY_READS);
            d_step { assert(!ANY_READS); writes = false };
            if
            :: d_step { state == W -> state = FREE }
            :: else ->
                LOCK_MUTEX;
                list_all();
                d_step { assert(linked[W]); linked[W] = false };
                leave()
            fi;
            got = false
        :: else
        fi
    od
}

#ifdef STORE_BUFFER
active proctype memory()
{
end:
    do
    :: d_step { buffered[0] -> buffered[0] = false; slot[0] = LOCK }
    :: d_step { buffered[1] -> buffered[1] = false; slot[1] = LOCK }
    :: d_step { buffered[2] -> buffered[2] = false; slot[2] = LOCK }
    od
}
#define PROCESSES 2
#else
#define PROCESSES 1
#endif

init {
    atomic { run a(); run b(); run r(); run w() };
    _nr_pr == PROCESSES;
    assert((state == FREE || state == BIASED) && !ANY_LINKED);
    assert(slot[0] == EMPTY && slot[1] == EMPTY && slot[2] == EMPTY);
    assert(hold_slot[0] == NONE && hold_slot[1] == NONE && hold_slot[2] == NONE)
}
