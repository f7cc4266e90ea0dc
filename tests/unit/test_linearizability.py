"""The checker of linearizability: what it takes for right, what it refuses, and that it finds a missing lock."""

import itertools
import math
import random

import pytest

import lockedarray as la
from array_histories import OF_ALL, OF_ELEMENTS, model, new_state, play, program
from linearizability import UNKNOWN, Operation, check, explain, find_order, overlap
from threads import Step, together


def history(*operations):
    return [Operation(*operation) for operation in operations]


def test_what_overlaps_may_have_happened_in_any_order():
    overlapping = history(
        ("a", ("set", 0, 1), None, 0, 10),
        ("b", ("get", 0), 1, 2, 3),
        ("c", ("get", 0), 1, 4, 5),
        ("b", ("get", 0), 1, 6, 7),
    )
    order = find_order(overlapping, model, new_state())
    assert [operation.caller for operation in order] == ["a", "b", "c", "b"]


def test_what_begins_before_another_has_ended_overlaps():
    first, inside, after = (0, 10), (2, 3), (10, 12)
    for times, expected in ([first, after], False), ([after, inside, first], True), ([], False):
        operations = history(*((number, ("get", 0), 0, *time) for number, time in enumerate(times)))
        assert overlap(operations) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        # What was written before is not seen.
        [("a", ("set", 0, 1), None, 0, 1), ("b", ("get", 0), 0, 2, 3)],
        # New, and then old again.
        [("a", ("set", 0, 1), None, 0, 10), ("b", ("get", 0), 1, 1, 2), ("b", ("get", 0), 0, 3, 4)],
        # Two readers do not see two writes in the same order.
        [
            ("a", ("set", 0, 1), None, 0, 20),
            ("b", ("set", 1, 1), None, 0, 20),
            ("c", ("get", 0), 1, 1, 2),
            ("c", ("get", 1), 0, 3, 4),
            ("d", ("get", 1), 1, 1, 2),
            ("d", ("get", 0), 0, 3, 4),
        ],
        # Half of a slice.
        [("a", ("set_slice", 0, 2, 1), None, 0, 10), ("b", ("get_slice", 0, 2), (1, 0), 1, 2)],
        # A lost update.
        [
            ("a", ("add", 0, 1), None, 0, 3),
            ("b", ("add", 0, 1), None, 1, 4),
            ("a", ("get", 0), 1, 5, 6),
        ],
        # Both have exchanged it.
        [
            ("a", ("compare_exchange", 0, 0, 1), (True, 0), 0, 3),
            ("b", ("compare_exchange", 0, 0, 2), (True, 0), 1, 4),
        ],
        # Two rows at one place.
        [("a", ("append", 1), 4, 0, 3), ("b", ("append", 2), 4, 1, 4)],
    ],
)  # fmt: skip
def test_what_no_order_explains_is_refused_and_told(wrong):
    wrong = history(*wrong)
    assert find_order(wrong, model, new_state()) is None
    told = explain(wrong, model, new_state())
    assert "no order explains" in told
    assert str(wrong[-1].call) in told
    with pytest.raises(AssertionError, match="no order explains"):
        check(wrong, model, new_state())


def test_who_was_killed_has_done_it_or_has_not():
    killed = ("a", ("set", 0, 1), UNKNOWN, 5, math.inf)
    early, late = ("b", ("get", 0), 0, 0, 1), ("b", ("get", 0), 1, 8, 9)
    old = ("b", ("get", 0), 0, 6, 7)
    for others in ([early], [early, late], [early, old, late], [early, old]):
        check(history(killed, *others), model, new_state())
    for others in ([late, ("b", ("get", 0), 0, 10, 11)], [("b", ("get", 0), 1, 0, 1)]):
        assert find_order(history(killed, *others), model, new_state()) is None


def by_brute_force(operations):
    """Whether any permutation is right."""
    for order in itertools.permutations(operations):
        if any(b.end < a.start for a, b in itertools.combinations(order, 2)):
            continue
        state = new_state(2)
        for operation in order:
            result, state = model(state, operation.call)
            if result != operation.result:
                break
        else:
            return True
    return False


def test_it_finds_what_trying_all_permutations_finds():
    source = random.Random(7)
    found = {True: 0, False: 0}
    for _ in range(400):
        operations = []
        for caller in range(3):
            times = sorted(source.sample(range(40), 4))
            for start, end in (times[:2], times[2:])[: 1 + (caller > 0)]:
                i = source.randrange(2)
                call, result = source.choice(
                    [
                        (("get", i), source.randrange(2)),
                        (("set", i, source.randrange(2)), None),
                        (("compare_exchange", i, 0, 1), (bool(source.randrange(2)), 0)),
                    ]
                )
                operations.append(Operation(caller, call, result, start, end))
        is_right = by_brute_force(operations)
        assert (find_order(operations, model, new_state(2)) is not None) == is_right, operations
        found[is_right] += 1
    assert min(found.values()) > 30


def test_a_long_history_is_checked_in_a_short_time():
    source = random.Random(3)
    state, operations = new_state(), []
    for number in range(3000):  # what happens at `number` overlaps some before and some behind
        call = program(number, 1, OF_ALL[:-1])[0]
        result, state = model(state, call)
        early, late = source.uniform(0, 4), source.uniform(0, 4)
        operations.append(Operation(number, call, result, number - early, number + late))
    source.shuffle(operations)
    check(operations, model, state=new_state())


def test_it_finds_that_an_array_has_no_lock():
    plain = la.zeros(4, int).snapshot()
    adding = Step()
    history = []
    read, written = [], []

    class Torn:  # `plain[0] += 1`, of which another one's comes in the middle
        ndim = 1

        def __getitem__(self, i):
            value = plain[i]
            if not read:
                read.append(value)
                adding.do(lambda: history.extend(play(plain, "b", [("add", 0, 2)])))
            return value

        def __setitem__(self, i, value):
            written.append(value)
            plain[i] = value

    history += play(Torn(), "a", [("add", 0, 1)])
    adding.end()
    history += play(plain, "a", [("get", 0)])
    assert (read, written) == ([0], [1])
    assert find_order(history, model, new_state()) is None


@pytest.mark.parametrize(("width", "kinds"), [(None, OF_ELEMENTS), (None, OF_ALL), (3000, OF_ALL)])
def test_operations_of_threads_are_linearizable(width, kinds):
    x = la.zeros(4 if width is None else (4, width), int)
    programs = [program(seed, 60, kinds) for seed in range(3)]
    histories = together(
        *(lambda s=seed, p=calls: play(x, s, p) for seed, calls in enumerate(programs))
    )
    check(itertools.chain(*histories), model, new_state())
