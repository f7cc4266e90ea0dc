"""CPython's cache of types keeps each name that it is asked for: calls ask for the same ones again."""

import gc
import sys
import threading
import warnings

import numpy as np
import pytest
from readerwriterlock import rwlock

import lockedarray as la
from arrange import held_elsewhere

COUNT = 200

ELSEWHERE = {
    "a guard": lambda x: x.write(timeout=0).acquire(),
    "several": lambda x: la.acquire(write=(la.zeros(1), x), timeout=0).acquire(),
    "a predicate": lambda x: x.read(timeout=0, when=lambda raw: False).acquire(),
}
"""What is refused while another thread holds the array."""


UFUNCS = {
    "reduce": lambda x: np.add.reduce(x),
    "reduce, generally": lambda x: np.add.reduce(x, 0, None, la.zeros(())),
    "accumulate": lambda x: np.add.accumulate(x),
    "outer": lambda x: np.add.outer(x, x),
    "at": lambda x: np.add.at(x, [0], 1),
}


def clear_type_cache():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        sys._clear_type_cache()
    gc.collect()


def kept_by_type_cache(call):
    """Return how many blocks of memory only that cache keeps, after so many calls."""
    clear_type_cache()
    for _ in range(COUNT):
        call()
    gc.collect()
    before = sys.getallocatedblocks()
    clear_type_cache()
    return before - sys.getallocatedblocks()


def refused(act, error):
    try:
        act()
    except error:
        return
    raise AssertionError("it was not refused")


@pytest.mark.parametrize("act", ELSEWHERE.values(), ids=ELSEWHERE)
def test_being_refused_leaves_no_names_in_the_type_cache(act):
    x = la.zeros(3)
    with held_elsewhere(x.write()):
        assert kept_by_type_cache(lambda: refused(lambda: act(x), la.LockTimeout)) <= COUNT // 50


def test_a_refused_wait_for_oneself_leaves_no_names_in_the_type_cache():
    x = la.zeros(3)
    wait = x.read(when=lambda raw: False).acquire
    with x.write():
        assert kept_by_type_cache(lambda: refused(wait, la.DeadlockError)) <= COUNT // 50


def test_a_lock_of_others_leaves_no_names_in_the_type_cache():
    x = la.zeros(3, lock=rwlock.RWLockFair())

    def use():
        with x.write() as raw:
            raw[0] += 1
        with x.lock:
            x[1] += 1

    assert kept_by_type_cache(use) <= COUNT // 50


def test_a_condition_leaves_no_names_in_the_type_cache():
    x = la.zeros(3)
    changed = threading.Condition(x.lock.gen_wlock())

    def wait():
        with changed:
            assert not changed.wait(1e-6)

    assert kept_by_type_cache(wait) <= COUNT // 50


@pytest.mark.parametrize("act", UFUNCS.values(), ids=UFUNCS)
def test_a_method_of_a_ufunc_leaves_no_names_in_the_type_cache(act):
    x = la.zeros(3)
    assert kept_by_type_cache(lambda: act(x)) <= COUNT // 50
