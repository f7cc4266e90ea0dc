"""``x[i] += v``: the value, the dtype, the warnings and the errors of the line on a plain array."""

import asyncio
import code
import collections
import copy
import functools
import gc
import operator
import sys
import threading
import warnings
import weakref

import numpy as np
import pytest

import lockedarray as la
from arrange import free
from lockedarray import LockedArray
from threads import Running

OPERATORS = "+= -= *= /= //= %= **= @= &= |= ^= <<= >>=".split()

ARRAYS = {
    **{dtype: np.arange(1, 5).astype(dtype) for dtype in "bBhHiIqQefdgFDG"},
    "bool": np.array([True, False, True, False]),
    "other byte order": np.arange(1, 5).astype(">f8"),
    "text": np.array(["a", "bc", "d", ""], "U5"),
    "bytes": np.array([b"a", b"bc", b"d", b""], "S5"),
    "datetime": np.array(["2020-01-01", "2021", "NaT", "2022"], "M8[D]"),
    "timedelta": np.array([1, 2, 3, 4], "m8[s]"),
    "object": np.array([1, 2.5, [3], "four"], object),
    "varied text": np.array(["a", "bc", "d", ""], np.dtypes.StringDType()),
    "record": np.array([(1, 2.0)] * 4, "i4, f8"),
}

OPERANDS = {
    "int": 2,
    "float": 1.5,
    "bool": True,
    "complex": 1j,
    "negative": -1,
    "too large": 300,
    "zero": 0,
    "float32": np.float32(2.5),
    "array": np.array([2]),
    "array of two": np.array([2, 3]),
    "text": "xyz",
    "bytes": b"xyz",
    "list": [1],
    "timedelta": np.timedelta64(36, "h"),
    "none": None,
}

INDICES = {
    "element": 1,
    "negative": -1,
    "numpy": np.int32(2),
    "intp": np.intp(2),
    "tuple": (1,),
    "array without axes": np.array(1),
    "behind the end": 4,
    "list": [0, 0, 1],
    "empty list": [],
    "array": np.array([3, 1]),
    "mask": np.array([True, False, True, False]),
    "mask as a list": [True, False, True, False],
    "slice": slice(1, 3),
    "list in a tuple": ([0, 2],),
    "new axis": (None, 1),
    "float": 1.5,
}


def outcome(array, statement, **names):
    """What `statement` makes of `array`, and what it warns of or raises."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(statement, {"x": array, "np": np, **names})
            error = None
        except Exception as raised:
            error = type(raised), str(raised)
    return error, [(w.category, str(w.message)) for w in caught]


def copied(plain):
    # Older NumPy crashes by itself where it copies varied text deeply.
    return copy.deepcopy(plain) if plain.dtype == object else plain.copy()


def check_same(plain, statement, **names):
    expected, locked = copied(plain), LockedArray(copied(plain))
    mine, theirs = copy.deepcopy(names), copy.deepcopy(names)
    error, said = outcome(expected, statement, **theirs)
    got_error, got_said = outcome(locked, statement, **mine)
    if plain.dtype.names is not None and error is not None:  # it names the class of the record
        assert got_error is not None
        error, got_error = error[0], got_error[0]
    assert (got_error, got_said) == (error, said)
    assert locked.dtype == expected.dtype
    assert repr(locked.snapshot()) == repr(expected)
    assert repr(mine) == repr(theirs)
    assert free(locked)


@pytest.mark.parametrize("index", [1, [1, 2], slice(1, 3)], ids=repr)
@pytest.mark.parametrize("dtype", ["g", "G"])
def test_bytes_that_fill_up_a_long_double_are_no_change(dtype, index):
    x = LockedArray(np.ones(4, dtype))

    def changed():
        with x.write() as raw:
            if np.finfo(np.longdouble).nmant == 63:
                raw.view(np.uint8).reshape(-1, np.dtype(np.longdouble).itemsize)[:, 10:] ^= 0xFF
        return Operand()

    class Operand:
        times = 0

        def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
            Operand.times += 1
            return ufunc(inputs[0], np.ones((), dtype), **keywords)

        def __radd__(self, other):  # older NumPy asks for it beside a single long double
            Operand.times += 1
            return other + np.ones((), dtype)

    x[index] += changed()
    assert Operand.times == 1
    assert np.all(x[index] == 2)


def crashes_numpy(dtype, sign, operand):
    """Older NumPy follows a null pointer in ``np.longdouble(1) & None``."""
    is_older = np.lib.NumpyVersion(np.__version__) < "2.4.0"
    return is_older and dtype in ("g", "G") and sign[0] in "&|^<>" and operand is None


def test_the_statement_is_recognised_here():
    assert la.atomic_augmented_assignment is True


@pytest.mark.parametrize("dtype", ARRAYS)
def test_each_operator_on_an_element_does_what_it_does_to_a_plain_array(dtype):
    for sign in OPERATORS:
        for operand in OPERANDS.values():
            if not crashes_numpy(dtype, sign, operand):
                check_same(ARRAYS[dtype], f"x[1] {sign} v", v=operand)


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("dtype", ["i", "d", "bool", "text", "object", "record"])
def test_each_kind_of_index_names_what_it_names_in_a_plain_array(dtype, index):
    for sign, operand in (("+=", 1), ("+=", "x"), ("*=", 1.5), ("|=", True)):
        check_same(ARRAYS[dtype], f"x[i] {sign} v", i=INDICES[index], v=operand)


STATEMENTS = [
    "x[()] += 1",
    "x[0, 0] += 1",
    "x[-1, np.int64(1)] *= 3",
    "x[[0, 1], [1, 1]] += 1",
    "x[[0, 1], 1] *= 2",
    "x[np.array([True, False]), 1:] *= 2",
    "x[x > 2] -= 1",
    "x[1][0] += 1",
    "x[1:][0, 0] += 1",
    "x.T[1, 0] += 1",
    "x.T[[1, 0]] += 1",
    "x[:, 0] += x[:, 1]",
    "x[[0]] += x[1]",
    "x.flat[2] += 1",
    "x.flat[-1] **= 2",
    "x.flat[[0, 0, 3]] += 1",
    "x.flat[1:3] += 1",
    "x.flat[np.array([True, False, True])] += 1",
    "x.flat[9] += 1",
    "x[0, x[0, 0]] += 1",
    "x[0, 0] += x[0, 1]",
    "x[0, 1] += x",
    "x[...] += 1",
    "x['f'] += 1",
    "x[0, 0] += (lambda: x.__setitem__((0, 0), 7) or 1)()",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_views_flat_and_arrays_of_two_axes_do_as_plain_ones(statement):
    for plain in (np.array([[0, 1], [2, 3]]), np.array([[0.5, 1], [2, 3]]), np.array(3.5)):
        if "lambda" not in statement:
            check_same(plain, statement)


def test_fields_of_records_are_updated_where_they_are():
    plain = np.array([(1, 2.0), (3, 4.0)], [("n", int), ("f", float)])
    for statement in ("x['n'][1] += 2", "x['f'][[0, 0]] *= 2", "x['f'][-1] /= 8", "x[1]['n'] == 1"):
        check_same(plain, statement)


def test_an_index_that_the_operand_changes_is_the_one_that_is_assigned_to():
    for index in ([0, 1], np.array([0, 1]), np.array([0, 9, 1])[::2]):
        for change in ("i[0] = 2", "i[:] = i[::-1]"):
            plain = np.arange(3.0)
            names = {"f": lambda i, change=change: exec(change, {"i": i}) or 10}
            check_same(plain, "x[i] += f(i)", i=index, **names)


def test_the_operand_sees_a_plain_scalar_once():
    seen = []

    class Operand:
        def __radd__(self, other):
            seen.append(other)
            return 7

    for dtype in (float, "i2", "U3", ">f8", object, bool):
        plain = np.ones(2, dtype)
        x = LockedArray(plain.copy())
        plain[0] += Operand()
        x[0] += Operand()
        plainly, locked = seen
        assert (type(locked), repr(locked)) == (type(plainly), repr(plainly))
        assert x.tolist() == plain.tolist()
        seen.clear()


def test_an_errstate_is_that_of_the_line():
    x = LockedArray(np.ones(2))
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        x[0] /= 0
    assert x[0] == 1
    with np.errstate(divide="ignore"):
        x[0] /= 0
    assert x[0] == np.inf


def test_a_list_that_is_an_element_is_extended_and_stays_the_same_one():
    x = LockedArray(np.array([None, None]))
    x[0] = mine = [1]
    x[0] += [2]
    assert x[0] is mine
    assert mine == [1, 2]


def test_a_frozen_array_refuses_as_a_plain_one_that_is_read_only():
    x = LockedArray(np.zeros(2))
    x.freeze()
    for index in (0, [0, 1], np.int8(1)):
        with pytest.raises(ValueError, match="read-only"):
            x[index] += 1
    assert x.tolist() == [0, 0]


def test_an_array_that_its_holder_holds_is_updated():
    x = LockedArray(np.zeros(2))
    with x.write() as raw:
        x[0] += 1
        x[[0, 1]] += 1
        assert raw.tolist() == [2, 1]
    with x.read():
        x[0] += 1
    assert x[0] == 3


# -- recognised wherever Python runs --------------------------------------------------------


def changed(x, index=0, to=10):
    """An operand, 1, whose evaluation changes the element."""
    x.at[index].set(to)
    return 1


CODE = "x[0] += changed(x)"


def function(names, statement):
    exec(f"def run(x, changed):\n    {statement}", names)
    names["run"](names["x"], names["changed"])


def closure(names, statement):
    text = (
        f"def outer(x, changed):\n    def run():\n        {statement}\n    run()\nouter(x, changed)"
    )
    exec(text, names)


def loop(names, statement):
    text = f"for a in [1]:\n    for b in [2]:\n        with lock:\n            {statement}"
    exec(text, {**names, "lock": la.zeros(1).lock.gen_wlock()})


def iterators_in_turns(names, statement):
    text = (
        "for a in one:\n for b in other:\n  for c in one:\n   for d in other:\n"
        f"    {statement}\n    break\n   break\n  break\n break"
    )
    exec(text, {**names, "one": iter("ab"), "other": iter("cd")})


def very_long_code(names, statement):
    lines = [f"v{i} = {i}.5" for i in range(300)]
    text = "def run(x, changed, i):\n  " + "\n  ".join(lines) + "\n  f = lambda: (x, i)\n  "
    exec(f"{text}for v in [0]: x[i] += changed(x) if v299 else v298\nrun(x, changed, 0)", names)


def nested_locks(names, statement):
    text = f"with lock:\n  with lock:\n    with lock:\n      {statement}"
    exec(text, {**names, "lock": threading.RLock()})


def handler(names, statement):
    text = (
        "e = ValueError()\ntry: raise e\nexcept ValueError:\n  try: raise e\n"
        f"  except ValueError:\n    try: raise e\n    finally:\n      try: {statement}\n"
        "      finally: raise_ = 0\n"
    )
    with pytest.raises(ValueError):
        exec(text, names)


def generator(names, statement):
    names["changed"] = functools.partial(names["changed"])
    exec(
        "def run(x, changed):\n    yield\n    x[0] += (yield changed(x))\n    yield\n",
        names,
    )
    running = names["run"](names["x"], names["changed"])
    next(running)
    assert next(running) == 1
    running.send(1)


def coroutine(names, statement):
    text = (
        "async def later(x):\n    await asyncio.sleep(0)\n    return changed(x)\n"
        "async def run(x):\n    x[0] += await later(x)\n"
    )
    names["asyncio"] = asyncio
    exec(text, names)
    asyncio.run(names["run"](names["x"]))


def console(names, statement):
    interpreter = code.InteractiveConsole(names)
    assert interpreter.push(statement) is False


def long_lines(names, statement):
    exec("x[\n    0\n] += (\n    changed(x)\n)", names)


def traced(set_trace, names, statement):
    before = sys.gettrace(), sys.getprofile()

    def trace(frame, event, arg):
        frame.f_trace_opcodes = True
        return trace

    set_trace(trace)
    try:
        function(names, "\n    ".join([statement]))
        long_lines(names, statement)
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])


def monitored(names, statement):
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is None:
        pytest.skip("Python 3.12 and later")
    tool = next(i for i in (3, 4, 5) if monitoring.get_tool(i) is None)
    events = monitoring.events
    monitoring.use_tool_id(tool, "a test")
    try:
        for kind in (events.LINE, events.INSTRUCTION):
            monitoring.register_callback(tool, kind, lambda *_: None)
        monitoring.set_events(tool, events.LINE | events.INSTRUCTION | events.PY_START)
        function(names, statement)
        long_lines(names, statement)
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)


PLACES = {
    "exec": lambda names, statement: exec(statement, names),
    "function": function,
    "closure": closure,
    "class body": lambda names, statement: exec(f"class C:\n    {statement}", names),
    "loops and with": loop,
    "a lock in itself": nested_locks,
    "iterators in turns": iterators_in_turns,
    "very long code": very_long_code,
    "handlers of one exception": handler,
    "generator": generator,
    "coroutine": coroutine,
    "console": console,
    "several lines": long_lines,
    "settrace": functools.partial(traced, sys.settrace),
    "setprofile": functools.partial(traced, sys.setprofile),
    "monitoring": monitored,
}


@pytest.mark.parametrize("place", PLACES)
def test_the_statement_is_one_step_wherever_it_stands(place):
    x = LockedArray(np.zeros(2))
    PLACES[place]({"x": x, "changed": changed}, CODE)
    assert x[0] == 11
    assert type(x[0]) is np.float64


def test_it_stays_one_step_when_the_interpreter_has_specialised_the_code():
    x = LockedArray(np.zeros(2))
    flat = x.flat

    def set_to(i):
        x.at[1].set(i)
        return 1

    def count(x, n):
        for i in range(n):
            x[1] += set_to(i)

    for array in (x, x[:], flat):
        count(array, 300)
        assert x[1] == 300


def test_slices_of_flat_are_updated_in_one_step():
    x = LockedArray(np.zeros(4))
    a = 1
    x.flat[0:2] += changed(x)
    x.flat[a:] += changed(x, 2)
    x.flat[:] += changed(x, 3, 5)
    assert x.tolist() == [12, 3, 12, 6]


def test_statements_inside_the_operand_are_steps_of_their_own():
    x = LockedArray(np.zeros(3))

    def f(depth):
        if depth:
            x[0] += f(depth - 1)
            x[1] += x[0]
        return 1

    x[0] += f(3)
    assert x.tolist() == [4, 6, 0]
    index = LockedArray(np.array([2, 0]))
    x[index[0]] += 5
    index[index[1]] += 7
    assert x[2] == 5
    assert index[0] == 9


def test_an_operand_that_raises_leaves_nothing_behind():
    x = LockedArray(np.array([1.0, 2.0]))

    class Mine:
        pass

    def fail(mine):
        raise KeyError

    for index in (0, [0, 1], np.int8(1)):
        mine = Mine()
        seen = weakref.ref(mine)
        with pytest.raises(KeyError):
            x[index] += fail(mine)
        with pytest.raises(TypeError):
            x[index] += mine
        del mine
        gc.collect()
        assert seen() is None
    assert x.tolist() == [1, 2]
    assert free(x)


def test_suspended_statements_go_on_in_other_threads_and_may_be_dropped():
    def add(array, index):
        array[index] += yield
        yield

    for x in (LockedArray(np.zeros(2, object)), LockedArray(np.zeros(2))):
        for index in (0, [0, 0]):
            x[0] = 0
            running = [add(x, index) for _ in range(50)]
            for one in running:
                next(one)
            Running(running[3].send, 1).result()
            running[7].close()
            del running
            assert x[0] == 1
            assert free(x)


# -- and nowhere else -------------------------------------------------------------------------


def test_what_other_containers_are_given_is_the_plain_value():
    x = LockedArray(np.array([1.5, 2.5, 3.5]))
    x[2] += 1
    d = collections.defaultdict(functools.partial(operator.getitem, x, 2))
    d["k"] += 1
    assert type(d["k"]) is np.float64
    assert d["k"] == 5.5
    assert x[2] == 4.5

    class Missing(dict):
        __missing__ = staticmethod(functools.partial(operator.getitem, x))

    m = Missing()
    m[2] += 1
    assert type(m[2]) is np.float64
    assert x[2] == 4.5
    weakref.proxy(x)[0] += 1
    assert x[0] == 2.5
    x[1] = d["k"]
    assert x[1] == 5.5
    plain = [0.0]
    plain[0] += x[0]
    assert type(plain[0]) is np.float64


def test_values_read_in_other_ways_are_plain():
    x = LockedArray(np.array([1.5, 2.5]))
    x[0] += x[1]
    y = x[0]
    y += 1
    assert type(y) is np.float64
    assert type(x.__getitem__(0)) is type(operator.getitem(x, 0)) is np.float64
    assert x[0] == 4.0


class Reads(LockedArray):
    seen = ()

    def __getitem__(self, index):
        value = super().__getitem__(index)
        self.seen += (type(value),)
        return value


class Writes(LockedArray):
    seen = ()

    def __setitem__(self, index, value):
        self.seen += (type(value),)
        super().__setitem__(index, value)


class Neither(LockedArray):
    pass


@pytest.mark.parametrize("cls", [Reads, Writes])
def test_a_subclass_with_its_own_indexing_sees_plain_values(cls):
    x = cls(np.zeros(3))
    x[0] += 1
    x[[1, 1]] += 1
    x[np.int8(2)] += 3
    assert set(x.seen) == {np.float64, np.ndarray}
    assert x.view(np.ndarray).tolist() == [1, 1, 3]


def test_a_subclass_without_is_updated_in_one_step():
    x = Neither(np.zeros(3))
    x[0] += changed(x)
    assert x[0] == 11
