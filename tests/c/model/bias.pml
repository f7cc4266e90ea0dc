/*
 * A model of the bias towards readers (bias.h): the state word with all its
 * forms, slots, two threads that read, and one that writes and so ends the
 * bias. Each thread that reads has one slot and two records, so that a slot
 * and a record are used again, and a second read finds no slot. Each load,
 * store and swap of the state word, of a slot and of hold.slot is a step of its
 * own; so is what happens under the mutex between two of them.
 *
 * Who waits is granted the lock by who gives it back: hold.pml has the queue.
 * Whether a lock becomes biased when its mutex is left is anybody's guess.
 *
 * Checked: nobody reads while somebody writes; whoever has a hold finds it in
 * one place, the state word, the list or a slot, when the mutex is left and when
 * it gives the hold back; nothing is listed twice; no run ends with a hold in any
 * place, a slot in use, or a thread that waits.
 *
 * Parameters: TURNS, how often each thread takes the lock. MOVES: a hold of
 * the first one may move to the second one (as its owner does), and is given back there.
 *
 * Wrong on purpose, to see that the checks see it:
 *   NO_SECOND_LOOK   a reader does not look at the state again
 *   BUFFERED         its store to the slot is seen by others at any later time, but
 *                    before its next swap: a store that is not sequentially consistent
 *   NO_TAKEN         a slot is free before it is known what was in it, and
 *                    before hold.slot says that it is not there
 *   ONE_LOOK         who ends the bias takes out what a slot had when it looked
 *   EARLY_LOOK       it has looked which threads there are before it ends the bias
 *   LATE_IS_NONE     a reader that was listed before its second look takes itself for
 *                    one that has nothing
 *   NO_COMPARE       a release empties the slot whatever is in it
 *   FORGET_LIST      a release amid a bias takes the hold for one in a slot
 *   ANY_SLOT         (MOVES) it does so in the slot of another thread, too
 *   BIASED_WRITE     a lock becomes biased though a write is in the list
 *   BIASED_WAIT      or though somebody waits
 *   KEEP_SLOT        who ends the bias leaves hold.slot as it is
 *
 * Not in the model: other weak memory (ThreadSanitizer and the argument in
 * docs/design/region-lock.md); that a slot may have a read of another lock.
 */
#ifndef TURNS
#define TURNS 2
#endif
#define READERS 2
#define RECORDS (2 * READERS)   /* record h is of thread h / 2 at first */
#define WRITE RECORDS           /* the record of who writes */
#define HOLDS (RECORDS + 1)

/* The state word; else: the hold that is inline. */
#define FREE 10
#define LISTED 11
#define BIASED 12

/* A slot. */
#define NOTHING 0
#define LOCK 1
#define TAKEN 2

/* The lock. */
byte state = FREE;
bool mutex;
bool linked[HOLDS];             /* in the list of holds */
bool waits[HOLDS], granted[HOLDS];

/* Slots; what is in the slot; where a hold is, plus 1. */
byte slot[READERS], slot_hold[READERS], hold_slot[HOLDS];

/* Whose a record is. */
byte whose[HOLDS];
bool registered;                /* the second thread that reads is in the list of threads */

/* Not in the program: who has the lock, by its own account. */
bool has[HOLDS];
bool ended[READERS];
byte ends;
#ifdef BUFFERED
bool buffered[READERS];
#define DRAINED(r) (!buffered[r])
#else
#define DRAINED(r) true
#endif

#ifdef FORGET_LIST
#define FORGET true
#else
#define FORGET false
#endif

/* Nothing that lasts from one step to the next. */
hidden byte i;

#define READS (has[0] || has[1] || has[2] || has[3])
#define LINKED_READ (linked[0] || linked[1] || linked[2] || linked[3])
#define LINKED_COUNT (linked[0] + linked[1] + linked[2] + linked[3] + linked[WRITE])
#define WAITS (waits[0] || waits[1] || waits[2] || waits[3] || waits[WRITE])
#define IN_SLOT(h, r) (slot[r] == LOCK && slot_hold[r] == h && hold_slot[h] == r + 1)
#define PLACES(h) (linked[h] + (state == h) + IN_SLOT(h, 0) + IN_SLOT(h, 1))

inline get(h)
{
    has[h] = true;
    assert(!(READS && has[WRITE]))
}

inline link(h)
{
    assert(!linked[h] && hold_slot[h] == 0);
    linked[h] = true
}

inline unlink(h)
{
    assert(linked[h] && hold_slot[h] == 0);
    linked[h] = false
}

/* Under the mutex: grants the lock to whoever may run. */
inline serve()
{
    if
    :: waits[WRITE] && LINKED_COUNT == 0 ->
        waits[WRITE] = false; granted[WRITE] = true; link(WRITE)
    :: else
    fi;
    i = 0;
    do
    :: i < RECORDS ->
        if
        :: waits[i] && !linked[WRITE] -> waits[i] = false; granted[i] = true; link(i)
        :: else
        fi;
        i++
    :: else -> break
    od
}

inline check()
{
    assert(!(linked[WRITE] && LINKED_READ));
    i = 0;
    do
    :: i < HOLDS ->
        assert(PLACES(i) == 1 || (PLACES(i) == 0 && !has[i]));
        i++
    :: else -> break
    od
}

#if defined(BIASED_WRITE)
#define MAY_BE_BIASED !WAITS
#elif defined(BIASED_WAIT)
#define MAY_BE_BIASED !linked[WRITE]
#else
#define MAY_BE_BIASED (!WAITS && !linked[WRITE])
#endif

/* The last step under the mutex: with what was done there, one. */
inline leave()
{
    if
    :: MAY_BE_BIASED -> biases = true
    :: skip
    fi;
    d_step {
        check();
        if
        :: biases -> state = BIASED
        :: !biases && !WAITS && LINKED_COUNT == 0 -> state = FREE
        :: !biases && !WAITS && LINKED_COUNT == 1 ->
            i = 0;
            do
            :: !linked[i] -> i++
            :: else -> break
            od;
            linked[i] = false;
            state = i
        :: else
        fi;
        biases = false;
        mutex = false
    }
}

/* From any form but BIASED. */
inline list_all()
{
    d_step {
        assert(state != BIASED);
        if
        :: state < FREE -> link(state)
        :: else
        fi;
        state = LISTED
    }
}

/* -- threads that read --------------------------------------------------------- */

/* Result: got; or not, and the slot is free again. */
inline claim_slot(h)
{
    d_step { slot_hold[me] = h; hold_slot[h] = me + 1 };
#ifdef BUFFERED
    buffered[me] = true;
#else
    slot[me] = LOCK;
#endif
    if
#ifdef NO_SECOND_LOOK
    :: d_step { get(h); got = true }
#else
    :: d_step { state == BIASED -> get(h); got = true }
    :: state != BIASED ->
        if
        :: d_step { DRAINED(me) && slot[me] == LOCK -> slot[me] = NOTHING; hold_slot[h] = 0 }
#ifdef LATE_IS_NONE
        :: DRAINED(me) && slot[me] != LOCK
#else
        :: d_step { DRAINED(me) && slot[me] != LOCK -> get(h); got = true }
#endif
        fi
#endif
    fi
}

inline acquire(h)
{
    if
    :: d_step { state == FREE && DRAINED(me) -> state = h; get(h); got = true }
    :: state == BIASED ->
        if
        :: slot[me] == NOTHING && DRAINED(me) -> claim_slot(h)
        :: slot[me] != NOTHING || !DRAINED(me)      /* it sees its own store */
        fi
    :: state != FREE && state != BIASED
    fi;
    if
    :: got
    :: else ->
        if
        :: d_step { !mutex && DRAINED(me) && state == BIASED -> link(h); get(h) }  /* a light way */
        :: atomic { !mutex && DRAINED(me) && state != BIASED -> mutex = true };
            list_all();
            atomic {
                if
                :: linked[WRITE] -> waits[h] = true
                :: else -> link(h); get(h)
                fi;
                leave()
            };
            if
            :: has[h]
            :: d_step { granted[h] -> granted[h] = false; get(h) }
            fi
        fi
    fi;
    d_step { got = false; h = 0 }
}

inline release(h)
{
    d_step { has[h] = false; at = hold_slot[h] };
    if
    :: d_step { at == 0 && DRAINED(me) && state == h -> state = FREE; got = true }
    :: at == 0 && state != h
#ifdef NO_COMPARE
    :: d_step { at == me + 1 && DRAINED(me) -> slot[me] = NOTHING; hold_slot[h] = 0; got = true }
#else
    :: d_step {
            at == me + 1 && DRAINED(me) && slot[me] == LOCK ->
            assert(slot_hold[me] == h);
            slot[me] = NOTHING; hold_slot[h] = 0; got = true
        }
    :: at == me + 1 && DRAINED(me) && slot[me] != LOCK
#endif
#ifdef ANY_SLOT
    :: d_step {
            at == 2 - me && slot[1 - me] == LOCK ->
            slot[1 - me] = NOTHING; hold_slot[h] = 0; got = true
        }
    :: at == 2 - me && slot[1 - me] != LOCK
#else
    :: at == 2 - me
#endif
    fi;
    if
    :: got
    :: else ->
        atomic { !mutex && DRAINED(me) -> mutex = true };
        if
#ifndef FORGET_LIST
        :: d_step { state == BIASED && hold_slot[h] == 0 -> unlink(h); mutex = false }
#endif
        :: d_step {
                state == BIASED && (hold_slot[h] != 0 || FORGET) ->
                assert(hold_slot[h] != 0);
                at = hold_slot[h] - 1;
                assert(slot[at] == LOCK && slot_hold[at] == h);
                hold_slot[h] = 0
            };
            d_step { slot[at] = NOTHING; mutex = false }
        :: state != BIASED ->
            list_all();
            atomic { d_step { unlink(h); serve() }; leave() }
        fi
    fi;
    d_step { got = false; at = 0; h = 0 }
}

#define IDLE(h) (whose[h] == me && !has[h])
#define ANY_IDLE (IDLE(0) || IDLE(1) || IDLE(2) || IDLE(3))
#define MINE(h) (whose[h] == me && has[h])
#define ANY_MINE (MINE(0) || MINE(1) || MINE(2) || MINE(3))

proctype reader(byte me)
{
    byte turn, h, at;
    bool got, biases;

    registered = registered || me == 1;
    do
    :: d_step {
            turn < TURNS && ANY_IDLE ->
            turn++;
            do
            :: IDLE(h) -> break
            :: else -> h++
            od
        };
        acquire(h)
    :: atomic {                         /* any of them */
            if
            :: MINE(0) -> h = 0
            :: MINE(1) -> h = 1
            :: MINE(2) -> h = 2
            :: MINE(3) -> h = 3
            fi
        };
        if
        :: true -> release(h)
#ifdef MOVES
        :: d_step { me == 0 && !ended[1] -> whose[h] = 1; h = 0 }
#endif
        fi
    :: d_step {
            turn == TURNS && !ANY_MINE ->
            ended[me] = true; ends++
        };
        break
    od
}

/* -- the thread that writes ------------------------------------------------------ */

/* What is in the slot comes out of it, and into the list. */
inline revoke_slot(r)
{
    if
    :: slot[r] != LOCK
    :: slot[r] == LOCK ->
        if
#ifdef ONE_LOOK
        :: slot[r] = TAKEN;
#else
        :: slot[r] != LOCK          /* gone meanwhile */
#endif
#ifdef NO_TAKEN
        :: atomic { slot[r] == LOCK -> slot[r] = NOTHING };
            d_step { h = slot_hold[r]; hold_slot[h] = 0 };
#else
#ifndef ONE_LOOK
        :: atomic { slot[r] == LOCK -> slot[r] = TAKEN };
#endif
            h = slot_hold[r];
#ifndef KEEP_SLOT
            hold_slot[h] = 0;
#endif
            slot[r] = NOTHING;
#endif
            d_step { link(h); h = 0 }
        fi
    fi
}

inline enter()
{
    atomic { !mutex -> mutex = true };
#ifdef EARLY_LOOK
    both = registered;
#endif
    if
    :: atomic { state == BIASED -> state = LISTED };
#ifndef EARLY_LOOK
        both = registered;
#endif
        revoke_slot(0);
        if
        :: both -> both = false; revoke_slot(1)
        :: else
        fi
    :: state != BIASED -> list_all(); both = false
    fi
}

proctype writer()
{
    byte turn, h;
    bool biases, waited, both;

    do
    :: turn < TURNS ->
        turn++;
        if
        :: d_step { state == FREE -> state = WRITE; get(WRITE) }
        :: state != FREE ->
            enter();
            if
            :: waited = true
            :: skip                 /* it tries, and does not wait */
            fi;
            atomic {
                if
                :: LINKED_READ -> waits[WRITE] = waited
                :: else -> link(WRITE); get(WRITE)
                fi;
                leave()
            };
            if
            :: has[WRITE] || (!waits[WRITE] && !granted[WRITE])
            :: d_step { granted[WRITE] -> granted[WRITE] = false; get(WRITE) }
            fi
        fi;
        waited = false;
        if
        :: has[WRITE] ->
            has[WRITE] = false;
            if
            :: d_step { state == WRITE -> state = FREE }
            :: state != WRITE ->
                enter();
                atomic { d_step { unlink(WRITE); serve() }; leave() }
            fi
        :: else
        fi
    :: else -> break
    od;
    ends++
}

#ifdef BUFFERED

proctype memory()
{
end:
    do
    :: d_step { buffered[0] -> buffered[0] = false; slot[0] = LOCK }
    :: d_step { buffered[1] -> buffered[1] = false; slot[1] = LOCK }
    od
}

#endif

init {
    atomic {
        if
        :: skip
        :: state = BIASED
        fi;
        whose[2] = 1; whose[3] = 1;
#ifdef BUFFERED
        run memory();
#endif
        run reader(0); run reader(1); run writer()
    };
    d_step {
        ends == READERS + 1;
        assert((state == FREE || state == BIASED) && LINKED_COUNT == 0);
        assert(slot[0] == NOTHING && slot[1] == NOTHING);
        assert(hold_slot[0] == 0 && hold_slot[1] == 0 && hold_slot[2] == 0
               && hold_slot[3] == 0)
    }
}
