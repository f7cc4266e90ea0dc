"""What the lock of the robust backend does at its edges: closed, suspended, attached again."""

import threading

import pytest

import lockedarray as la
import lockedarray.shared
from arrange import run_isolated


@pytest.fixture(autouse=True)
def _only_robust(shared_backend):
    if shared_backend != "robust":
        pytest.skip("it has no table")


@pytest.fixture
def suspended():
    """Return an array whose lock this thread has suspended, as a condition does, and what resumes it."""
    x = la.shared.zeros(10)
    condition = threading.Condition(x.lock)
    x.lock.acquire()
    state = condition._release_save()

    def resume():
        condition._acquire_restore(state)

    return x, resume


def test_a_lock_that_was_closed_stays_so_when_the_array_is_attached_again():
    x = la.shared.zeros(4)
    lock = x.lock
    name = x.name
    x.close()
    y = la.shared.attach(name)
    y[0] = 1
    with pytest.raises(ValueError, match="closed"):
        lock.acquire()
    with pytest.raises(ValueError, match="closed"):
        lock.acquire(timeout=0.1)
    y += 1
    assert y.tolist() == [2, 1, 1, 1]


def test_a_lock_that_is_taken_again_tells_what_a_dead_writer_left(suspended, child):
    x, resume = suspended
    other = child(f"""
        x = la.shared.attach({x.name!r})
        guard = x[:5].write()
        guard.acquire()
        tell("in")
        hear()
    """)
    assert other.hear() == "in"
    other.kill()
    with pytest.raises(la.PoisonedError):
        resume()
    with x.recover() as raw:
        raw[:] = 0
    x += 1


def test_a_lock_that_is_taken_again_has_followed_the_others(suspended, child):
    x, resume = suspended
    other = child(f"""
        x = la.shared.attach({x.name!r})
        x.append(7)
    """)
    assert other.end() == ""
    resume()
    assert x[10] == 7
    x.lock.release()


def test_closing_and_attaching_again_and_again_needs_no_more_room():
    # By itself: without the GIL, closing what another thread has used collects garbage each time,
    # which takes longer the more a process holds.
    program = """
    from concurrent.futures import ThreadPoolExecutor

    import lockedarray as la
    import lockedarray.shared

    rounds = 300  # more than there are entries in a table
    first = la.shared.zeros(2)
    name = first.name
    first.close()
    with ThreadPoolExecutor(1) as pool:
        for _ in range(rounds):
            x = la.shared.attach(name)
            pool.submit(x.__iadd__, 1).result(30)
            x += 1
            x.close()
    x = la.shared.attach(name)
    assert x.tolist() == [2 * rounds] * 2
    x.unlink()
    x.close()
    """
    run_isolated(program)
