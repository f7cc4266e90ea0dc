"""The debug mode, LOCKEDARRAY_DEBUG=1: warnings of lines that are likely to be wrong."""

import pytest

import lockedarray as la
from arrange import run_isolated

PRELUDE = """
import threading, warnings
import numpy as np
import lockedarray as la

def elsewhere(act):
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()

def warned(function, *args):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        function(*args)
    assert all(each.category is la.DebugWarning for each in found), found
    return [(str(each.message), each.lineno) for each in found]

def line(function, text):
    "The number of the line of this program that has the text."
    lines = SOURCE.split(chr(10))
    return 1 + next(i for i, each in enumerate(lines) if each.endswith(text))
"""


def run(program, debug="1"):
    """Run a program in the debug mode, with the prelude before it; it can read its own source."""
    import textwrap

    text = PRELUDE + textwrap.dedent(program)
    whole = f"SOURCE = {text!r}\nexec(compile(SOURCE, 'program.py', 'exec'))\n"
    return run_isolated(whole, LOCKEDARRAY_DEBUG=debug, LOCKEDARRAY_BACKEND=la.backend)


def test_a_view_of_a_raw_view_that_outlives_its_guard_is_warned_of_with_its_line():
    run(
        """
        x, y = la.zeros((4, 4)), la.zeros(4)
        kept = []
        def part():
            with x.write() as raw:  # part
                kept.append(raw[1:3])
        def several():
            with la.acquire(write=x, read=y) as (a, b):  # several
                kept.extend([a.T[0], b.reshape(2, 2)])
        def call():
            guard = y.read()
            kept.append(guard.acquire()[1:])
            guard.release()  # call
        for function, count in (part, 1), (several, 2), (call, 1):
            (message, number), = warned(function)
            assert message.startswith(f"{count} view"), message
            assert number == line(function, "# " + function.__name__), (function, number)
            assert x.lock.holds() == y.lock.holds() == []
        """
    )


def test_a_raw_view_that_is_used_as_it_should_be_is_not_warned_of():
    run(
        """
        x, y = la.zeros((4, 4)), la.zeros(4)
        def fine():
            with x.write() as raw:
                raw += 1
                raw[1:3] *= 2
                part = raw[1]
                part += 1
                copy = raw[0].copy()
                del part
            assert copy.sum() == 4
            with x.write() as raw, y.read() as other:
                raw[:] = other
            with la.acquire(write=(x, y)) as (a, b):
                a[0] += b
                total = a.sum() + float(b[0])
            with y.write() as grown:
                y.resize(5000)
            raw[0, 0], total
            with x.write() as raw:
                try:
                    raw[9]
                except IndexError:
                    pass
        assert warned(fine) == []
        assert x[1, 0] == 0 and y.shape == (5000,)
        """
    )


def test_a_lost_update_is_warned_of_with_its_line():
    run(
        """
        x = la.zeros(4)
        i = 2
        def add_elsewhere(where=2, to=x):
            elsewhere(lambda: to.at[where].add(5))
            return 1
        def one_line():
            x[2] = x[2] + add_elsewhere()  # one_line
        def several_lines():
            seen = x[i]
            add_elsewhere()
            x[i] = seen + 1  # several_lines
        def of_two_axes():
            z = la.zeros((2, 2), dtype="i2")
            z[1, -1] = z[1, 1] + add_elsewhere((1, 1), z)  # of_two_axes
        def of_a_view():
            part = x[1:]
            part[1] = np.maximum(part[1], add_elsewhere())  # of_a_view
        def of_objects():
            z = la.LockedArray(np.array([1, "a", None], object))
            seen = z[0]
            elsewhere(lambda: z.__setitem__(0, "new"))
            z[0] = seen  # of_objects
        for function in one_line, several_lines, of_two_axes, of_a_view, of_objects:
            (message, number), = warned(function)
            assert "another thread has changed it" in message
            assert number == line(function, "# " + function.__name__), (function, number)
        """
    )


def test_what_loses_no_update_is_not_warned_of():
    run(
        """
        x = la.zeros(4)
        def add_elsewhere(where=2):
            elsewhere(lambda: x.at[where].add(5))
            return 1
        def of_another_element():
            x[2] = x[2] + add_elsewhere(3)
        def of_what_is_read_again():
            x[2]
            add_elsewhere()
            x[2] = x[2] + 1
        def of_what_is_read_whole():
            x[2]
            add_elsewhere()
            total = x.sum()
            x[2] = total
        def a_constant():
            x[2]
            add_elsewhere()
            x[2] = 0
        def my_own():
            seen = x[2]
            x[1:] += 1
            x[2] = seen
            x[2] = seen
        def in_a_guard():
            with x.write() as raw:
                x[2] = x[2] + 1
                raw[2] = raw[2] + 1
        def atomic():
            x.at[2] += add_elsewhere()
        def read():
            return x[2]
        def store(value):
            x[2] = value
        def in_two_functions():
            read()
            add_elsewhere()
            store(x.size)
        for function in (of_another_element, of_what_is_read_again, of_what_is_read_whole,
                         a_constant, my_own, in_a_guard, atomic, in_two_functions):
            assert warned(function) == [], function
        """
    )


def test_an_augmented_assignment_that_is_not_one_step_is_warned_of():
    run(
        """
        import weakref
        class Indexing(la.LockedArray):
            def __getitem__(self, index):
                return super().__getitem__(index)
        def through_a_proxy():
            weakref.proxy(x)[0] += 1  # through_a_proxy
        def indexing_of_its_own():
            y[0] += 1  # indexing_of_its_own
        x, y = la.zeros(4), Indexing(np.zeros(2))
        for function in through_a_proxy, indexing_of_its_own:
            (message, number), = warned(function)
            assert "is not one step here" in message and "x.at[i] += v" in message, message
            assert number == line(function, "# " + function.__name__), (function, number)
        """
    )


def test_an_augmented_assignment_that_is_one_step_is_not_warned_of():
    run(
        """
        x, table = la.zeros(4), la.zeros((2, 2))
        truths, objects = la.zeros(2, dtype=bool), la.LockedArray([1, [2]], dtype=object)
        texts, records = la.LockedArray(["a", "b"]), la.zeros(2, dtype="f8, i4")
        def all_of_them():
            x[0] += 1
            x[-1] *= 2
            x[np.int64(1)] -= 1
            x[[0, 1]] += 1
            x[x.snapshot() > 0] += 1
            x[0:2] += 1
            x.flat[0] += 1
            x.at[0] += 1
            table[0, 1] += 1
            table[0][1] += 1
            table.T[1, 0] += 1
            truths[0] |= True
            objects[0] += 1
            objects[1] += [3]
            texts[0] += "c"
            records["f0"][0] += 1
            with x.write():
                x[0] += 1
        for _ in range(20):
            assert warned(all_of_them) == []
        """
    )


def test_what_another_thread_changes_amid_an_augmented_assignment_is_not_lost():
    run(
        """
        x = la.zeros(4)
        def act():
            elsewhere(lambda: x.at[2].add(5))
            return 1
        def augmented():
            x[2] += act()
        found = warned(augmented)
        if getattr(la, "atomic_augmented_assignment", False):
            assert found == [] and x[2] == 6
        else:
            assert found[0][0].startswith("x[i] += v"), found
        """
    )


def test_warnings_can_be_errors_and_leave_no_lock_held():
    run(
        """
        warnings.simplefilter("error")
        x = la.zeros(4)
        kept = []
        try:
            with x.write() as raw, x.read() as other:
                kept.append(raw[1:])
        except la.DebugWarning as error:
            assert "outlives" in str(error)
        else:
            raise AssertionError
        assert x.lock.holds() == [] and not raw.flags.writeable
        seen = x[1]
        elsewhere(lambda: x.at[1].add(5))
        try:
            x[1] = seen + 1
        except la.DebugWarning as error:
            assert "is overwritten now" in str(error)
        else:
            raise AssertionError
        assert x.lock.holds() == []
        assert x[1] == 5
        """
    )


@pytest.mark.parametrize("debug", ["", "0"])
def test_without_the_debug_mode_nothing_is_warned_of(debug):
    run(
        """
        x = la.zeros(4)
        kept = []
        def act():
            with x.write() as raw:
                kept.append(raw[1:])
            seen = x[1]
            elsewhere(lambda: x.at[1].add(5))
            x[1] = seen + 1
        assert warned(act) == []
        """,
        debug,
    )
