"""Every dtype in every layout: the same operations do what they do to plain arrays."""

import warnings

import numpy as np
import pytest

from arrange import free, run_isolated
from catalogue.dtypes import KINDS, operations
from catalogue.operation import Call
from catalogue.same import check_same


def difference(operation):
    """Return in what `operation` on LockedArrays differs from the one on plain arrays, or None."""
    call, plain = Call.all_locked(operation), Call.plain(operation)
    ours, theirs = call.outcome(), plain.outcome()
    try:
        check_same(call, ours, plain, theirs)
        assert free(*call.arrays.values()), "it left a lock held"
    except AssertionError as problem:
        return f"{operation.name}: {problem}"
    return None


@pytest.mark.parametrize(("dtype", "layout"), KINDS)
def test_operations_do_what_they_do_to_a_plain_array(dtype, layout):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of overflows, NaN and what is deprecated
        differences = [found for found in map(difference, operations(dtype, layout)) if found]
    assert not differences, "\n".join(differences)


def test_huge_array_is_worked_on_where_it_is_touched():
    # 5 GiB that nobody has written to take no memory yet, and a copy of them would take 5 GiB.
    printed = run_isolated(
        """
        import resource
        import numpy as np, lockedarray as la

        size = 5 * 2**30
        x = la.LockedArray(np.zeros(size, np.uint8))
        assert x.size == len(x) == size
        x[-1] = 7
        x[2**32 + 5] = 3
        assert x[size - 1] == 7 and x[2**32 + 5] == 3 and x[5] == 0
        x.at[2**32 + 5] += 1
        x[2**32 : 2**32 + 10] += 1
        assert x[2**32 : 2**32 + 7].tolist() == [1, 1, 1, 1, 1, 5, 1]
        x[[2**32, -1]] = [8, 9]
        assert x[[-1, 2**32]].tolist() == [9, 8]
        table = x.reshape(5, -1)
        assert table.lock is x.lock and table[4, -1] == 9
        table[:, 0] = range(5)
        assert x[:: 2**30].tolist() == [0, 1, 2, 3, 4]
        assert np.take(x, [2**30, 2**31]).tolist() == [1, 2]
        backwards = x[::-1]
        assert backwards[:2].tolist() == [9, 0] and backwards.view("i1")[0] == 9
        floats = la.zeros((2**15, 2**15), order="F")
        floats[-1, -1] = 1.5
        assert floats.T[-1, -1] == 1.5 and floats[-2:, -2:].sum() == 1.5
        wide = np.broadcast_to(la.LockedArray([1.0, 2.0]), (2**40, 2))
        assert wide.shape == (2**40, 2) and wide[2**39].tolist() == [1, 2]
        x.resize(100)
        assert x.shape == (100,)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        """
    )
    assert int(printed) < 2**31
