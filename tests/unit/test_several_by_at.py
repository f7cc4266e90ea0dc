"""Several elements of x.at: what get() returns, updates by a mask, and assignments, as of ndarray."""

import threading

import numpy as np
import pytest

import lockedarray as la

ARRAYS = {
    "float": np.arange(12.0),
    "int8": np.arange(12, dtype=np.int8),
    "uint64": np.array([1, 2, 2**64 - 1, 0, 1, 2, 7, 8, 9, 10, 11, 12], np.uint64),
    "bool": np.arange(12) % 3 == 0,
    "complex": np.arange(12) * 1j,
    "big-endian": np.arange(12, dtype=">f4"),
    "strided": np.arange(24.0)[::-2],
    "table": np.arange(12.0).reshape(3, 4).T,
    "date": np.arange(12).astype("M8[s]"),
    "text": np.array(list("abcdefghijkl")),
    "varied": np.array(list("abcdefghijkl"), np.dtypes.StringDType()),
    "objects": np.array([None, 1, "two", [3], 4.0, (), 6, 7, 8, 9, 10, 11], object),
    "record": np.array([(i, i / 2) for i in range(12)], [("a", "i4"), ("b", "f8")]),
    "mixed": np.array([(i, None) for i in range(12)], [("a", "i4"), ("b", "O")]),
    "empty": np.zeros((0, 3)),
    "one": np.array(3.0),
    "overlapping": np.lib.stride_tricks.as_strided(np.arange(12.0), (11, 2), (8, 8)),
}
INDICES = """
2:5 ::2 : ... None 0 -1 1,2 5: [1,2] [0,0] [] 'a' 'c' ['a','b'] (1,slice(1,3)) np.array([1,1]) np.array(1) np.intp(2) (...,0) 99 [99] mask mask.nonzero() mask[:2] ~mask
np.array([[1],[2]]) (slice(1,3),[0,1]) (None,[1,2]) np.array(True) True 1.5
""".split()  # fmt: skip


def indices(array):
    names = {"mask": np.arange(array.size).reshape(array.shape) % 2 == 1, "np": np}
    for text in INDICES:
        shown = text if "(" in text or "'" in text or "[" in text else f"_[{text}]"
        try:
            yield text, eval(shown, {"_": np.s_, **names})
        except Exception:
            continue


def outcome(act):
    try:
        return act()
    except Exception as problem:
        return type(problem)


def look(value):
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, [look(item) for item in value.copy().ravel().tolist()]
    if isinstance(value, np.void):
        return value.item()
    return value if isinstance(value, type) else (type(value), repr(value))


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("frozen", [False, True])
def test_get_is_a_copy_of_what_the_index_names(name, frozen):
    array = ARRAYS[name]
    locked = la.LockedArray(array.copy() if name != "overlapping" else array, copy=False)
    if frozen:
        locked.freeze()
    for text, index in indices(array):
        expected, result = (
            outcome(lambda i=index: array[i]),
            outcome(lambda i=index: locked.at[i].get()),
        )
        assert look(result) == look(expected), text
        if isinstance(result, np.ndarray) and isinstance(expected, np.ndarray):
            assert type(result) is np.ndarray, text
            assert result.flags.writeable, text
            assert not np.shares_memory(result, locked), text


def test_an_array_that_is_an_element_is_handed_out_as_it_is():
    inner = np.arange(3)
    locked = la.LockedArray(np.empty(2, object))
    locked[0] = inner
    assert locked.at[0].get() is inner
    assert locked.at[np.array(0)].get() is inner
    assert locked.at[[0]].get()[0] is inner


VALUES = [1, 2.5, np.int8(3), np.arange(6.0), [1, 2, 3, 4, 5, 6], np.arange(3), np.ones((2, 6)), -1]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", "float int8 bool complex big-endian strided table date text empty one objects".split()
)
@pytest.mark.parametrize(
    ("method", "ufunc"),
    [("add", np.add), ("multiply", np.multiply), ("max", np.maximum), ("power", np.power)],
)
def test_an_update_by_a_mask_is_that_of_ufunc_at(name, method, ufunc):
    if name == "text" and method == "multiply" and np.__version__ < "2.4":
        pytest.skip("older NumPy writes behind the end of the text")
    mask = np.arange(ARRAYS[name].size).reshape(ARRAYS[name].shape) % 2 == 1
    for value in [*VALUES, np.timedelta64(1, "s")]:
        plain, locked = ARRAYS[name].copy(), la.LockedArray(ARRAYS[name].copy())
        expected = outcome(lambda p=plain, v=value: ufunc.at(p, mask, v))
        result = outcome(lambda x=locked, v=value: getattr(x.at[mask], method)(v))
        if isinstance(expected, type):
            assert result is expected, value
            continue
        assert look(result) == look(plain[mask]), value
        assert look(np.array(locked)) == look(plain), value


def test_an_update_by_a_mask_that_fails_changes_nothing():
    x = la.LockedArray(np.full(4, 1e308))
    mask = np.array([True, False, True, False])
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        x.at[mask] *= 10.0
    assert (x == 1e308).all()
    with pytest.warns(RuntimeWarning, match="overflow encountered in multiply"):
        x.at[mask] *= 10.0
    assert x.tolist() == [np.inf, 1e308, np.inf, 1e308]


def test_a_mask_beside_elements_that_overlap_accumulates():
    base = np.zeros(4)
    view = np.lib.stride_tricks.as_strided(base, (3, 2), (8, 8))
    la.LockedArray(view, copy=False).at[np.ones((3, 2), bool)] += 1
    assert base.tolist() == [1, 2, 2, 1]


def test_a_value_that_is_a_part_of_the_array_is_read_before():
    x = la.arange(6.0)
    x.at[np.array([False, True, True, True, False, False])] += x[:3]
    assert x.tolist() == [0.0, 1.0, 3.0, 5.0, 4.0, 5.0]


def test_an_update_by_a_mask_waits_for_who_reads():
    x, mask = la.zeros(4), np.ones(4, bool)
    with x.read():
        thread = threading.Thread(target=lambda: x.at[mask].add(1))
        thread.start()
        while "waits to write" not in str(la.holds()):
            pass
        assert x.sum() == 0
    thread.join()
    assert x.sum() == 4


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("index", [0, slice(0, 3), [0, 2], "mask", (Ellipsis, slice(None))])
@pytest.mark.parametrize("value", [0, 1, 7, 2**63 + 1, 2**64 - 1])
def test_an_int_is_computed_in_uint64_beside_such_elements(index, value):
    start = np.array([2**64 - 1, 5, 2**63 + 1], np.uint64)
    index = np.array([True, False, True]) if isinstance(index, str) else index
    for method, operate in [
        ("max", np.maximum), ("min", np.minimum), ("add", np.add), ("subtract", np.subtract),
        ("multiply", np.multiply),
    ]:  # fmt: skip
        x, expected = la.LockedArray(start.copy()), start.copy()
        with np.errstate(over="ignore"):
            expected[index] = operate(expected[index], value)
            getattr(x.at[index], method)(value)
        assert x.tolist() == expected.tolist(), method


def test_shifts_and_bits_of_uint64_take_ints():
    x = la.LockedArray(np.array([3, 2**63], np.uint64))
    x.at[0] <<= 1
    x.at[:] |= 1
    x.at[[0, 1]] >>= 1
    x.at[np.array([True, False])] &= 2
    assert x.tolist() == [2, 2**62]


def test_a_field_of_objects_is_updated_by_its_name():
    x = la.LockedArray(np.array([(1, 2), (3, 4)], [("n", "i4"), ("o", "O")]))
    assert x.at["o"].add(5).tolist() == [7, 9]
    x.at["n"] += 1
    assert x.tolist() == [(2, 7), (4, 9)]
    with pytest.raises(TypeError, match="unsupported operand"):
        x.at["o"].add(np.array(x[0]))


ASSIGNED = """
x.at[1] = 2; x.at[1] = '3'; x.at[1:3] = [5, 6]; x.at[1:3] = (5, 6); x.at[[1, 2]] = [7, 8]; x.at[1:3] = [1, 2, 3]; x.at[1] = [1]; x.at[99] = 1; x.at['a'] = 1; x.at[mask] = [1, 2]
x.at[mask] = 'a'; x.at[1] = None; x.at[1:3] = ['1', '2']; x.at[()] = [1, 2, 3, 4]; x.at[...] = 5; x.at[1] = {}
o.at[mask] = 1; o.at[[0, 1]] = ['a', None]; o.at[1:3] = [[1], 2]; o.at[1:3] = [1, 2]; o.at[1] = [1]; o.at[1] = (1, 2); o.at[:] = None; o.at[mask] = 'text'; o.at[0:2] = (1, 2); o.at[9] = 1
s.at[1] = (1, 2.0); s.at[1] = s[0]; s.at[0:2] = (1, 2.0); s.at['b'] = 3; s.at[1] = (1,); s.at[1] = 5; s.at[['a']] = (9,); s.at[0:2] = [(1, 2), (3, 4)]; s.at['a'] = [1, 2]
u.at[1] = 'long text'; u.at[0:2] = ['x', 'y']; u.at[1] = b'b'; w.at[1] = 'text'; w.at[0:2] = 'z'; w.at[0:2] = ['x', 'y']; w.at[1] = 5; f.at[0] = 1; f.at[0:1] = [1]
""".replace("\n", ";").split(";")


def operands():
    frozen = np.zeros(2)
    frozen.flags.writeable = False
    return {
        "x": np.arange(4.0), "o": np.array([1, "a", None, 2.0], object), "f": frozen,
        "s": np.array([(5, 6.0), (7, 8.0)], [("a", "i4"), ("b", "f8")]),
        "u": np.array(["a", "bcd"]), "w": np.array(["a", "b"], np.dtypes.StringDType()),
    }  # fmt: skip


@pytest.mark.parametrize("code", [text.strip() for text in ASSIGNED if text.strip()])
def test_an_assignment_is_that_of_ndarray(code):
    plain, mask = operands(), np.array([True, False, True, False])
    locked = {name: la.LockedArray(array.copy()) for name, array in operands().items()}
    locked["f"].freeze()
    expected = outcome(lambda: exec(code.replace(".at[", "["), {"mask": mask, **plain}))
    assert outcome(lambda: exec(code, {"mask": mask, **locked})) == expected
    assert {n: look(np.array(a)) for n, a in locked.items()} == {
        n: look(a) for n, a in plain.items()
    }
