"""Alive: objects as long as they live, which other threads add to while one looks."""

import gc

from lockedarray._alive import Alive
from threads import start


class Member:
    pass


def test_a_member_is_in_it_as_long_as_it_lives():
    alive, first, second = Alive(), Member(), Member()
    alive.add(first)
    alive.add(second)
    alive.add(first)
    assert len(alive) == 2
    assert set(alive) == {first, second}
    alive.discard(second)
    alive.discard(second)
    assert list(alive) == [first]
    del first
    gc.collect()
    assert list(alive) == []
    assert not alive


def test_members_are_told_apart_by_identity():
    class Equal(list):  # equal, and without a hash
        pass

    alive, members = Alive(), [Equal(), Equal()]
    for member in members:
        alive.add(member)
    assert len(list(alive)) == 2


def test_others_come_and_go_while_it_is_gone_through():
    alive, members = Alive(), [Member() for _ in range(3)]
    for member in members:
        alive.add(member)
    seen = 0
    for _ in alive:
        seen += 1
        members.append(Member())
        alive.add(members[-1])
        del members[0]
    assert seen == 3


def test_members_that_die_in_other_threads_do_not_disturb_who_goes_through_it():
    alive, kept = Alive(), [Member() for _ in range(50)]
    for member in kept:
        alive.add(member)

    def come_and_go():
        for _ in range(5000):
            alive.add(Member())

    others = [start(come_and_go) for _ in range(3)]
    while not all(other.done for other in others):
        assert set(alive) >= set(kept)
    for other in others:
        other.result()
    assert set(alive) == set(kept)
