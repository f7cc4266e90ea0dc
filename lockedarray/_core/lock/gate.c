/*
 * The mutexes that a fork takes.
 */
#include "lock/gate.h"

#include "lock/compiler.h"

static la_mutex la_gate_mutexes[LA_GATES];

/* Which of them the calling thread has, and which its fork does without, as bits. */
static LA_THREAD_LOCAL uint32_t la_gates_here, la_gates_without;

static la_mutex la_gate_mutex;
/* Under that: whose threads stall, and how many forks do without each. */
static uint32_t la_gates_stalled;
static uint32_t la_gate_forks[LA_GATES];

/* How long who looks again sleeps. */
#define LA_GATE_NS (LA_MILLISECOND / 10)

static uint32_t
la_gate_bit(la_gate gate)
{
    return UINT32_C(1) << gate;
}

void
la_gate_lock(la_gate gate)
{
    la_mutex_lock(&la_gate_mutexes[gate]);
    la_gates_here |= la_gate_bit(gate);
}

void
la_gate_unlock(la_gate gate)
{
    la_gates_here &= ~la_gate_bit(gate);
    la_mutex_unlock(&la_gate_mutexes[gate]);
}

static void
la_gate_pause(void)
{
    _Atomic(uint32_t) word;

    atomic_init(&word, 0);
    (void)la_sleep_while(&word, 0, la_now() + LA_GATE_NS);
}

void
la_gate_stall(void)
{
    if (la_gates_here != 0) {
        la_mutex_lock(&la_gate_mutex);
        la_gates_stalled |= la_gates_here;
        la_mutex_unlock(&la_gate_mutex);
    }
}

/* True unless a fork is going on without what the thread has. */
static bool
la_gate_pass(void)
{
    la_mutex_lock(&la_gate_mutex);
    bool passes = true;
    for (la_gate gate = 0; gate < LA_GATES; gate++) {
        passes = passes && ((la_gates_here & la_gate_bit(gate)) == 0 || la_gate_forks[gate] == 0);
    }
    if (passes) {
        la_gates_stalled &= ~la_gates_here;
    }
    la_mutex_unlock(&la_gate_mutex);
    return passes;
}

void
la_gate_go_on(void)
{
    while (la_gates_here != 0 && !la_gate_pass()) {
        la_gate_pause();
    }
}

/* Does its thread stall? Then that is so until the fork is over. */
static bool
la_gate_fork_without(la_gate gate)
{
    la_mutex_lock(&la_gate_mutex);
    bool stalled = (la_gates_stalled & la_gate_bit(gate)) != 0;
    if (stalled) {
        la_gate_forks[gate]++;
        la_gates_without |= la_gate_bit(gate);
    }
    la_mutex_unlock(&la_gate_mutex);
    return stalled;
}

void
la_gate_fork_prepare(la_gate gate)
{
    while (!la_mutex_trylock(&la_gate_mutexes[gate])) {
        if (la_gate_fork_without(gate)) {
            return;
        }
        la_gate_pause();
    }
}

void
la_gate_fork_parent(la_gate gate)
{
    if ((la_gates_without & la_gate_bit(gate)) == 0) {
        la_mutex_unlock(&la_gate_mutexes[gate]);
        return;
    }
    la_gates_without &= ~la_gate_bit(gate);
    la_mutex_lock(&la_gate_mutex);
    la_gate_forks[gate]--;
    la_mutex_unlock(&la_gate_mutex);
}

void
la_gate_fork_child(la_gate gate)
{
    la_mutex_init(&la_gate_mutexes[gate]);
    la_mutex_init(&la_gate_mutex);
    la_gates_here = la_gates_without = la_gates_stalled = 0;
    la_gate_forks[gate] = 0;
}
