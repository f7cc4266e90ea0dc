"""The failures of NumPy's arrays beside threads, each as a program.

`make` is `numpy.array` or `lockedarray.array`; the programs are the same for both. They assert what holds at
each moment if operations are atomic, so that on a LockedArray the time decides nothing. On an ndarray each may
fail, or not, by luck.

    PYTHONPATH=tests python -P -m stress.failures --table
"""

from __future__ import annotations

import argparse
import io
import pickle
import platform
import sys

import numpy as np

from stress import racing, running
from stress.racing import Failure, Wrong, each_of, race, uniform, writing

CATALOGUE: dict[str, Failure] = {}

N = 100_000
"""Elements of most arrays: NumPy lets go of the GIL, and an operation takes a tenth of a millisecond."""


def failure(*told, wrong):
    """Enter a program in the catalogue; its docstring says what goes wrong."""

    def enter(program):
        name = program.__name__.replace("_", " ").strip()
        CATALOGUE[name] = Failure(name, told, wrong, program.__doc__, program)
        return program

    return enter


# Torn reads: a writer changes all elements at once, and a reader sees some that are old.


def beside_fill(make, read, dtype=float):
    """One thread fills the array with another number each time, the other reads it."""
    x = make(np.zeros(N, dtype))
    number = each_of(range(1, 100))
    race(lambda: x.fill(number()), lambda: read(x))


@failure("manual", wrong="torn read")
def copy_beside_fill(make):
    """A copy has elements from before `fill` and from after."""
    beside_fill(make, lambda x: uniform(x.copy()))


@failure("manual", wrong="torn read")
def sum_beside_assignment(make):
    """The sum is of elements of two moments."""
    x = make(np.zeros(N))
    number = each_of([0.0, 1.0])

    def write():
        x[...] = number()

    def read():
        if x.sum() not in (0, N):
            raise Wrong("the sum is of two moments")

    race(write, read)


@failure("manual", wrong="torn read")
def copyto_beside_copyto(make):
    """Two threads copy arrays into one, which ends as a mixture of both."""
    x = make(np.zeros(N))

    def write(value):
        source = np.full(N, value)
        return lambda: np.copyto(x, source)

    race(write(1.0), write(2.0), lambda: uniform(x.copy()))


@failure("manual", wrong="wrong result")
def array_equal_to_itself(make):
    """`np.array_equal(x, x)` is False."""

    def read(x):
        if not np.array_equal(x, x):
            raise Wrong("x is not equal to x")

    beside_fill(make, read)


@failure("manual", wrong="wrong result")
def std_of_equal_elements(make):
    """`np.std` takes the mean first and the differences from it later, when the elements are others."""

    def read(x):
        if np.std(x) != 0:
            raise Wrong("equal elements have a deviation")

    beside_fill(make, read)


@failure("manual", wrong="wrong result")
def ptp_of_equal_elements(make):
    """`np.ptp` looks for the greatest and then for the least, of another moment."""

    def read(x):
        if np.ptp(x) != 0:
            raise Wrong("equal elements have a range")

    beside_fill(make, read)


@failure("manual", wrong="wrong result")
def diff_of_equal_elements(make):
    """`np.diff` subtracts elements of two moments."""

    def read(x):
        if np.diff(x).any():
            raise Wrong("equal elements differ")

    beside_fill(make, read)


@failure("manual", wrong="wrong result")
def roll_beside_fill(make):
    """`np.roll` copies two parts, of two moments."""
    beside_fill(make, lambda x: uniform(np.roll(x, N // 2)))


@failure("manual", wrong="wrong result")
def unique_of_equal_elements(make):
    """`np.unique` finds more than one value among equal elements."""

    def read(x):
        if len(np.unique(x)) > 1:
            raise Wrong("more than one value")

    beside_fill(make, read)


@failure("source", wrong="wrong result")
def histogram_that_misses_elements(make):
    """`np.histogram` takes the limits first, and elements that lie outside of them later are not counted."""

    def read(x):
        if np.histogram(x, bins=8)[0].sum() != N:
            raise Wrong("the counts do not add up to the elements")

    beside_fill(make, read)


@failure("manual", wrong="torn read")
def pickle_beside_fill(make):
    """The pickle has elements of two moments."""
    beside_fill(make, lambda x: uniform(pickle.loads(pickle.dumps(x)).tolist()[:: N // 100]))


@failure("manual", wrong="torn read")
def save_beside_fill(make):
    """The file has elements of two moments."""

    def read(x):
        file = io.BytesIO()
        np.save(file, x)
        file.seek(0)
        uniform(np.load(file))

    beside_fill(make, read)


@failure("manual", wrong="torn read")
def complex_parts(make):
    """Real and imaginary parts are of two moments."""
    x = make(np.zeros(N, complex))
    number = each_of(range(1, 100))

    def write():
        part = number()
        x[...] = complex(part, part)

    def read():
        seen = x.copy()
        if not (seen.real == seen.imag).all():
            raise Wrong("a real part without its imaginary part")
        uniform(seen)

    race(write, read)


@failure("manual", wrong="torn read")
def fields_of_records(make):
    """NumPy copies records field by field, and a reader sees one field of the new and one of the old."""
    dtype = np.dtype([("a", "f8"), ("b", "i4")])
    x = make(np.zeros(N // 10, dtype))
    sources = []
    for number in range(1, 5):
        sources.append(np.zeros(N // 10, dtype))
        sources[-1]["a"] = sources[-1]["b"] = number
    source = each_of(sources)

    def write():
        x[...] = source()

    def read():
        seen = x.copy()
        if not (seen["a"] == seen["b"]).all():
            raise Wrong("a record has fields of two moments")
        uniform(seen["a"])

    race(write, read)


@failure("manual", wrong="torn read")
def text_of_fixed_length(make):
    """A string is half the one and half the other."""
    x = make(np.array(["a" * 400] * 1000))
    source = each_of([np.array([letter * 400] * 1000) for letter in "abcd"])

    def write():
        x[...] = source()

    def read():
        for text in x.copy().tolist():
            if text != text[0] * 400:
                raise Wrong("a string of two moments")

    race(write, read)


@failure("manual", wrong="torn read")
def byteswap_in_place(make):
    """Other threads see some elements with their bytes swapped, and some without."""
    x = make(np.ones(N, "i4"))
    race(lambda: x.byteswap(inplace=True), lambda: uniform(x.copy()))


@failure("manual", wrong="torn read")
def matmul_with_out(make):
    """Two threads that multiply into one array leave rows of the one and rows of the other."""
    x = make(np.zeros((200, 200)))

    def multiply(number):
        a, b = np.full((200, 50), number), np.ones((50, 200))
        return lambda: np.matmul(a, b, out=x)

    race(multiply(1.0), multiply(2.0), lambda: uniform(x.copy()))


@failure("source", wrong="wrong result")
def searchsorted_beside_assignment(make):
    """A binary search in a sorted array that another sorted array replaces ends between the two."""
    x = make(np.arange(N))
    below, above = np.arange(N), np.arange(N) + N
    source, sought = each_of([below, above]), np.full(5000, N)

    def write():
        x[...] = source()

    def read():
        found = np.searchsorted(x, sought)
        uniform(found)
        if found[0] not in (0, N):
            raise Wrong("found where it is in neither")

    race(write, read)


@failure("manual", wrong="wrong result")
def median_beside_assignment(make):
    """The median of the same numbers in another order is another."""
    x = make(np.arange(float(N)))
    source = each_of([np.arange(float(N)), np.arange(float(N))[::-1].copy()])

    def write():
        x[...] = source()

    def read():
        if np.median(x) != (N - 1) / 2:
            raise Wrong("not the median")

    race(write, read)


# Lost updates: each thread counts what it adds, and less has arrived.


def adding(make, add, shape=N, dtype=float, amount=1):
    """Two threads add to the same elements; the sum tells whether all has arrived."""
    x = make(np.zeros(shape, dtype))
    done = race(lambda: add(x), lambda: add(x))
    plain = np.asarray(x)
    seen = plain["n"] if plain.dtype.names else plain
    if seen.sum() != amount * sum(done):
        raise Wrong("updates are lost")


@failure("manual", wrong="lost update")
def in_place_operator(make):
    """`x += 1` of two threads adds once."""

    def add(x):
        x += 1

    adding(make, add, amount=N)


@failure("manual", wrong="lost update")
def ufunc_with_out(make):
    """`np.add(x, 1, out=x)` of two threads adds once."""
    adding(make, lambda x: np.add(x, 1, out=x), amount=N)


@failure("manual", wrong="lost update")
def in_place_operator_of_a_field(make):
    """`x['n'] += 1` of two threads adds once."""

    def add(x):
        x["n"] += 1

    adding(make, add, N, [("n", "i8"), ("m", "f4")], N)


def one():
    """Return what is added. The interpreter may change threads where it calls a function."""
    return 1


@failure("manual", wrong="lost update")
def element_in_place(make):
    """`x[0] += 1` reads, adds and writes, and another thread writes in between."""

    def add(x):
        for _ in range(50):
            x[0] += one()

    adding(make, add, 3, int, 50)


@failure("manual", wrong="lost update")
def flat_element_in_place(make):
    """`x.flat[0] += 1` loses what another thread writes in between."""

    def add(x):
        for _ in range(50):
            x.flat[0] += one()

    adding(make, add, (2, 2), int, 50)


@failure("manual", wrong="lost update")
def masked_elements_in_place(make):
    """`x[mask] += 1` loses what another thread writes in between."""
    mask = np.arange(N) % 2 == 0

    def add(x):
        x[mask] += 1

    adding(make, add, amount=N // 2)


@failure("manual", wrong="lost update")
def listed_elements_in_place(make):
    """`x[indices] += 1` loses what another thread writes in between."""
    indices = np.arange(0, N, 4)

    def add(x):
        x[indices] += 1

    adding(make, add, amount=N // 4)


@failure("manual", wrong="lost update")
def add_at(make):
    """`np.add.at` of two threads adds once."""
    indices = np.zeros(2000, np.intp)
    adding(make, lambda x: np.add.at(x, indices, 1), 10, np.float32, 2000)


# The same elements in another order: none may be lost, and none come twice.


def ordering(make, *changes, dtype=int, size=N):
    """Threads put the elements into another order, while one looks whether all of them are there."""
    x = make(np.random.default_rng(0).permutation(size).astype(dtype))
    total = size * (size - 1) // 2

    def read():
        seen = x.copy()
        if int(seen.sum()) != total or len(np.unique(seen)) != size:
            raise Wrong("elements are lost, and others come twice")

    race(*(lambda change=change: change(x) for change in changes), read)
    read()


def reverse(x):
    """Reverse the order in one operation."""
    x[...] = x[::-1]


@failure("manual", wrong="torn read")
def sort_beside_a_reader(make):
    """While an array is sorted, elements of it are nowhere."""
    ordering(make, lambda x: x.sort(), reverse)


@failure("manual", wrong="wrong result")
def reversed_by_two_threads(make):
    """`x[...] = x[::-1]` of two threads loses elements."""
    ordering(make, reverse, reverse)


@failure("source", wrong="crash")
def sorted_by_two_threads(make):
    """Quicksort looks for an element that ends its loop, which another thread has moved, and runs out of bounds."""
    ordering(
        make, lambda x: x.sort(), lambda x: x.sort(), reverse, dtype=np.longdouble, size=20_000
    )


@failure("source", wrong="crash")
def partitioned_by_two_threads(make):
    """`partition` runs out of bounds, as `sort` does."""
    size = 20_000

    def change(x):
        x.partition([size // 4, size // 2])

    ordering(make, change, change, reverse, dtype=np.longdouble, size=size)


@failure("source", wrong="crash")
def argsort_beside_a_writer(make):
    """`argsort` runs out of bounds of its indices when the elements change that it compares."""
    x = make(np.zeros(20_000, np.longdouble))
    order = np.random.default_rng(0).permutation(20_000).astype(np.longdouble)
    source = each_of([order, order - 10**6])

    def write():
        x[...] = source()

    def read():
        if len(np.unique(np.argsort(x))) != 20_000:
            raise Wrong("an index comes twice")

    race(write, read)


@failure("numpy#5514", "manual", wrong="wrong result")
def shuffled_by_two_threads(make):
    """`Generator.shuffle` swaps elements that another one swaps as well, and loses some."""

    def shuffling(seed):
        rng = np.random.default_rng(seed)

        def shuffle(x):
            with writing(x) as raw:
                rng.shuffle(raw)

        return shuffle

    ordering(make, shuffling(1), shuffling(2), size=20_000)


# Two passes: NumPy counts, or checks, and then reads again what has changed.


def flipping(array, *values):
    """Return what writes the values to all of the array, in turn."""
    value = each_of(values)

    def write():
        array[...] = value()

    return write


@failure("numpy#28361", wrong="exception")
def nonzero_counted_before(make):
    """`np.nonzero` counts, and then finds more than it has counted: an overflow before NumPy 2.3, RuntimeError since."""
    x = make(np.zeros(N, bool))

    def read():
        if len(np.nonzero(x)[0]) not in (0, N):
            raise Wrong("found some of all or nothing")

    race(flipping(x, False, True), read)


@failure("numpy#28361", wrong="exception")
def nonzero_of_numbers(make):
    """The same for numbers, for which `np.nonzero` has another loop."""
    x = make(np.zeros((200, 500), np.int32))

    def read():
        if len(np.nonzero(x)[0]) not in (0, N):
            raise Wrong("found some of all or nothing")

    race(flipping(x, 0, 1), read)


@failure("source", wrong="crash")
def mask_counted_before_reading(make):
    """`a[mask]` counts, allocates, and writes beyond the end if the mask has got more true elements."""
    a, mask = make(np.ones(N)), make(np.zeros(N, bool))

    def read():
        seen = a[mask]
        if len(seen) not in (0, N):
            raise Wrong("selected some of all or nothing")
        uniform(seen)

    race(flipping(mask, False, True), read, read)


@failure("source", wrong="crash")
def mask_counted_before_writing(make):
    """`a[mask] = values` counts, compares with the number of values, and reads beyond their end."""
    a, mask = make(np.zeros(N)), make(np.zeros(N, bool))
    mask[: N // 2] = True
    values = np.ones(N // 2)

    def write():
        a[mask] = values

    def move():
        mask[...] = lower
        mask[...] = upper

    lower = np.arange(N) < N // 2
    upper = ~lower

    def read():
        if not np.isin(a.copy(), (0.0, 1.0)).all():
            raise Wrong("wrote what was in nobody's array")

    race(write, move, read)


@failure("source", wrong="crash")
def compress_counted_before(make):
    """`np.compress` finds the true elements by `nonzero`, which has counted before."""
    a, mask = make(np.ones(N)), make(np.zeros(N, bool))

    def read():
        if len(np.compress(mask, a)) not in (0, N):
            raise Wrong("selected some of all or nothing")

    race(flipping(mask, False, True), read)


@failure("source", wrong="crash")
def index_checked_before_reading(make):
    """`a[index, index]` checks all indices, and then reads from outside of `a`, where the index has changed."""
    a, index = make(np.ones((10, 10))), make(np.zeros(N, np.intp))

    def change():
        index[...] = 10**12
        index[...] = 0

    def read():
        try:
            uniform(a[index, index])
        except IndexError:
            pass

    race(change, read)


@failure("source", wrong="crash")
def index_checked_before_writing(make):
    """`a[index] = value` checks all indices, and then writes outside of `a`."""
    a, index = make(np.ones(10)), make(np.zeros(N, np.intp))

    def change():
        index[...] = 10**7
        index[...] = 0

    def write():
        try:
            a[index] = 1.0
        except IndexError:
            pass

    race(change, write)


@failure("numpy#8043", "source", wrong="crash")
def index_of_ufunc_at(make):
    """`np.add.at(a, index, 1)` checks all indices before it adds; an index that overlaps `a` was a known way out of bounds."""
    a, index = make(np.zeros(10)), make(np.zeros(N, np.intp))

    def change():
        index[...] = 10**7
        index[...] = 0

    def add():
        try:
            np.add.at(a, index, 1.0)
        except IndexError:
            pass

    race(change, add)


@failure("source", wrong="crash")
def index_of_reduceat(make):
    """`np.add.reduceat(a, index)` checks all indices before it adds, and reads outside of `a`."""
    a, index = make(np.ones(100)), make(np.zeros(N, np.intp))

    def change():
        index[...] = 10**12
        index[...] = 0

    def read():
        try:
            seen = np.add.reduceat(a, index)
        except IndexError:
            return
        if not np.isin(seen, (1.0, 100.0)).all():
            raise Wrong("summed what is outside of the array")

    race(change, read)


@failure("source", wrong="wrong result")
def index_of_take(make):
    """`np.take` reads index by index, of two moments."""
    a, index = make(np.arange(10.0)), make(np.zeros(N, np.intp))
    race(flipping(index, *range(10)), lambda: uniform(np.take(a, index)))


@failure("source", wrong="wrong result")
def index_of_choose(make):
    """`np.choose` reads the selector element by element, of two moments."""
    selector, first, second = make(np.zeros(N, np.intp)), make(np.zeros(N)), make(np.ones(N))
    race(flipping(selector, 0, 1), lambda: uniform(np.choose(selector, [first, second])))


@failure("source", wrong="crash")
def bincount_of_greater_numbers(make):
    """`np.bincount` looks for the greatest number, allocates, and then counts greater ones beyond the end."""
    x = make(np.zeros(N, np.intp))

    def read():
        counts = np.bincount(x)
        if counts.sum() != N:
            raise Wrong("counted beyond the end")

    race(flipping(x, 0, 50_000), read)


@failure("source", wrong="crash")
def counts_of_repeat(make):
    """`np.repeat` adds up the counts, allocates, and copies more than that."""
    a, counts = make(np.ones(N)), make(np.zeros(N, np.intp))

    def read():
        if len(np.repeat(a, counts)) not in (0, 8 * N):
            raise Wrong("repeated some of all or nothing")

    race(flipping(counts, 0, 8), read)


@failure("source", wrong="exception")
def bins_of_digitize(make):
    """`np.digitize` is told that its bins are not monotonic, which they are at each moment."""
    x, bins = np.linspace(0, N, 1000), make(np.arange(N))
    source = each_of([np.arange(N), np.arange(N) - N])

    def write():
        bins[...] = source()

    race(write, lambda: np.digitize(x, bins))


# Memory that moves, and attributes that are set.


def resizing(x, sizes=(1000, 20 * N)):
    """Return what gives the array another size, without NumPy's check of references."""
    size = each_of(sizes)
    return lambda: x.resize(size(), refcheck=False)


@failure("manual", wrong="crash")
def resize_beside_a_ufunc(make):
    """The memory is freed that a ufunc of another thread reads."""
    x = make(np.zeros(N))
    race(resizing(x), lambda: np.add(x, 1.0).sum())


@failure("manual", wrong="crash")
def resize_beside_a_copy(make):
    """The memory is freed that another thread copies."""
    x = make(np.zeros(N))
    race(resizing(x), x.copy)


@failure("manual", wrong="crash")
def resize_beside_a_writer(make):
    """The memory is freed that another thread fills."""
    x = make(np.zeros(N))
    race(resizing(x), lambda: x.fill(1.0))


@failure("numpy#28429", "numpy#30265", wrong="crash")
def resize_below_a_view(make):
    """A view keeps pointing to memory that `resize` has freed."""
    x = make(np.ones(N))
    part = x[:500]
    source = np.ones(500)

    def read():
        if not np.array_equal(part, source):
            raise Wrong("the view shows freed memory")

    def write():
        part[...] = source

    race(resizing(x), read, write)


@failure("manual", wrong="crash")
def resize_beside_pickle(make):
    """The memory is freed that another thread writes to a pickle."""
    x = make(np.zeros(N))
    race(resizing(x), lambda: pickle.dumps(x))


@failure("manual", wrong="crash")
def resize_beside_elements(make):
    """The memory is freed of which another thread reads an element."""
    x = make(np.ones(N))

    def read():
        for _ in range(100):
            if x[7] != 1:
                raise Wrong("an element that was never written")

    race(resizing(x), read, read)


@failure("manual", wrong="crash")
def resized_by_two_threads(make):
    """Two threads free the same memory."""
    x = make(np.zeros(10))
    race(resizing(x, (10, 5000)), resizing(x, (20, 7000)), lambda: x[0])


def setting(make, values, name, settings, read):
    """One thread sets an attribute that others use. A LockedArray refuses, which the program is told."""
    x = make(values)
    setting, refused = each_of(settings), []

    def write():
        try:
            setattr(x, name, setting())
        except AttributeError:
            refused.append("refused, with AttributeError")

    race(write, lambda: read(x))
    return refused[0] if refused else None


@failure("numpy#28727", "numpy#28800", wrong="crash")
def dtype_is_set(make):
    """The dtype is freed that another thread uses."""
    dtypes = [np.dtype([("a", [("b", "<i8")])]) for _ in range(2)]

    def fresh():
        return np.dtype([("a", [("b", "<i8")])])

    x = make(np.zeros(4, dtypes[0]))
    refused = []

    def write():
        try:
            x.dtype = fresh()
        except AttributeError:
            refused.append("refused, with AttributeError")

    race(write, write, lambda: np.result_type(x, x), lambda: np.result_type(x, x))
    return refused[0] if refused else None


@failure("numpy#29536", "numpy#28800", wrong="exception")
def shape_is_set(make):
    """The shape is another one between two looks of an operation at it."""

    def read(x):
        if np.add(x, x).shape not in ((N,), (100, N // 100)):
            raise Wrong("a shape that never was")
        np.array_equal(x, x)
        np.concatenate([x.ravel(), x.ravel()])

    return setting(make, np.zeros(N), "shape", [(N,), (100, N // 100)], read)


@failure("numpy#28925", "numpy#28800", wrong="wrong result")
def strides_are_set(make):
    """The strides are others while another thread goes along them."""
    plain = np.arange(float(N)).reshape(100, -1)
    other = plain.ravel().reshape(-1, 100).T

    def read(x):
        seen = np.positive(x)
        if not (np.array_equal(seen, plain) or np.array_equal(seen, other)):
            raise Wrong("elements in an order that never was")

    return setting(make, plain, "strides", [plain.strides, other.strides], read)


@failure("numpy#30540", wrong="wrong result")
def writeable_is_cleared(make):
    """Two threads change flags of an array, and one of the changes is lost."""
    x = make(np.zeros(128))

    def clear():
        x.flags.writeable = False
        if x.flags.writeable:
            raise Wrong("a flag that was cleared is set")

    race(clear, clear)


# Objects: the array's pointers are borrowed while code of the elements runs.


class Number:
    """An element whose operators are Python code, so that other threads run inside of them."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        mine = self.value
        return Number(mine + (other.value if isinstance(other, Number) else other))

    def __lt__(self, other):
        return self.value < other.value

    def __gt__(self, other):
        return self.value > other.value

    def __eq__(self, other):
        return self.value == other.value

    __hash__ = None

    def __bool__(self):
        return bool(self.value)

    def __float__(self):
        return float(self.value)

    def __str__(self):
        return f"{self.value}"


def numbers(count, value=None):
    """Return an array of fresh objects."""
    fresh = np.empty(count, object)
    for i in range(count):
        fresh[i] = Number(i if value is None else value)
    return fresh


def replacing(make, read, count=200):
    """One thread replaces all objects by fresh ones, the other uses them."""
    x = make(numbers(count))

    def write():
        x[...] = numbers(count)

    race(write, lambda: read(x))


@failure("numpy#27199", wrong="crash")
def objects_in_place(make):
    """`x += 1` of an array of ints by two threads adds once, or crashes, without the GIL."""
    x = make(np.array([10**9] * 30_000, dtype=object))

    def add():
        nonlocal x
        x += 1

    done = race(add, add, lambda: repr(x))
    if set(x.tolist()) != {10**9 + done[0] + done[1]}:
        raise Wrong("updates are lost")


@failure("numpy#27199", wrong="lost update")
def objects_with_operators_in_place(make):
    """`x += 1` of two threads adds once, where the elements' `__add__` is Python code."""
    x = make(numbers(200, 0))

    def add():
        nonlocal x
        x += 1

    done = race(add, add)
    if {each.value for each in x.tolist()} != {sum(done)}:
        raise Wrong("updates are lost")


@failure("source", wrong="crash")
def objects_added_beside_a_writer(make):
    """The ufunc borrows an element that another thread frees, before `__add__` is called with it."""
    replacing(make, lambda x: np.add(x, x))


@failure("source", wrong="crash")
def objects_compared_beside_a_writer(make):
    """The same with `__eq__`."""

    def read(x):
        if not (x == x).all():
            raise Wrong("x is not equal to x")

    replacing(make, read)


@failure("source", wrong="crash")
def objects_argmax_beside_a_writer(make):
    """`argmax` borrows the greatest element so far while `__gt__` of others runs, and another thread frees it."""
    replacing(make, lambda x: x.argmax())


@failure("source", wrong="crash")
def objects_sorted_beside_a_writer(make):
    """`sort` borrows elements that another thread frees, and puts them back."""
    replacing(make, lambda x: x.sort())


@failure("numpy#13631", wrong="exception")
def objects_nonzero_beside_a_writer(make):
    """`np.nonzero` counts the true objects, and then finds others."""
    x = make(numbers(200, 0))
    value = each_of([0, 1])

    def write():
        x[...] = numbers(200, value())

    def read():
        if len(np.nonzero(x)[0]) not in (0, 200):
            raise Wrong("found some of all or nothing")

    race(write, read)


@failure("source", wrong="crash")
def objects_converted_beside_a_writer(make):
    """`astype(float)` borrows an element that another thread frees, before `__float__` is called."""
    replacing(make, lambda x: x.astype(float))


@failure("numpy#27199", wrong="crash")
def objects_listed_beside_a_writer(make):
    """`tolist` takes a reference of an element that another thread frees, without the GIL."""
    x = make(numbers(200))

    def write():
        for i in range(200):
            x[i] = Number(i)

    def read():
        for each in x.tolist():
            if type(each) is not Number:
                raise Wrong("an object that nobody stored")

    race(write, read, read)


@failure("numpy#27199", wrong="crash")
def object_read_beside_a_writer(make):
    """`x[0]` takes a reference of an element that another thread frees, without the GIL."""
    x = make(numbers(2))

    def write():
        for i in range(100):
            x[0] = Number(i)

    def read():
        for _ in range(100):
            if type(x[0]) is not Number:
                raise Wrong("an object that nobody stored")

    race(write, read)


# Strings of StringDType: their text is in an arena that the array has beside its memory.

WORDS = ["", "short", "a text that is too long to stand in the array itself " * 2]


@failure("numpy/numpy-user-dtypes#59", wrong="torn read")
def strings_written_beside_readers(make):
    """A string is freed, or half replaced, that another thread reads."""
    x = make(np.full(1000, WORDS[2], np.dtypes.StringDType()))
    word = each_of([each * 3 for each in WORDS])

    def write():
        x[...] = word()

    race(write, lambda: uniform(np.array(x.tolist())), lambda: np.strings.str_len(x))


@failure("numpy#25347", wrong="crash")
def strings_added_in_place(make):
    """Threads that add strings to the array and write to it move its arena below each other."""
    fresh = np.array(WORDS * 100, np.dtypes.StringDType())
    x = make(fresh)

    def add():
        np.add(x, "!", out=x)

    def write():
        x[...] = fresh

    race(add, write, lambda: np.add(x, x))


@failure("numpy#31415", wrong="crash")
def strings_converted_beside_an_index(make):
    """`astype('S')` of one view and an index of another, which only read, corrupt the heap."""
    x = make(np.array([WORDS[:2] * 3] * 2000, np.dtypes.StringDType()))
    rows = np.arange(0, 2000, 3)
    race(lambda: x[:1500].astype("S8"), lambda: x[500:][rows[:400]])


# Reads only: what NumPy itself kept in places that threads shared.


@failure("numpy#28042", wrong="wrong result")
def flat_read_by_threads(make):
    """Each iterator writes to the flags of the array."""
    x = make(np.arange(20).reshape(5, 4).T)
    right = np.arange(20).reshape(5, 4).T.ravel().tolist()

    def read():
        if [int(each) for each in x.flat] != right:
            raise Wrong("other elements than there are")

    race(read, read, read)


@failure("numpy#28143", wrong="wrong result")
def flat_indexed_by_a_shared_array(make):
    """`y.flat[x] = x` writes to the dtype that all arrays share, for a moment."""
    x = make(np.arange(100))

    def write():
        y = make(np.zeros(100, int))
        y.flat[x] = x
        if not np.array_equal(y, x):
            raise Wrong("other elements than were written")

    race(write, write)


@failure("numpy#28041", "numpy#26690", wrong="exception")
def sum_by_threads(make):
    """The first value of a sum, and the loop that adds, are kept where threads find them half made."""
    x = make(np.arange(1000))

    def read():
        if x.sum() != 499_500:
            raise Wrong("not the sum")

    race(read, read, read)


@failure("numpy#28197", wrong="crash")
def repeat_by_threads(make):
    """`np.repeat` of one array by threads crashed without the GIL."""
    x = make(np.arange(10))

    def read():
        if np.repeat(x, 2, axis=0)[::2].tolist() != list(range(10)):
            raise Wrong("not what was repeated")

    race(read, read, read)


@failure("numpy#15387", wrong="crash")
def records_indexed_by_threads(make):
    """To copy a record, NumPy gave the array another dtype for a moment; threads saw it and freed it."""
    inner = np.dtype([("a", "f8"), ("b", "f8")])
    dtype = np.dtype([("p", inner), ("q", inner)])
    x = make(np.zeros(6000, dtype))
    rows = np.random.default_rng(0).integers(0, 6000, 6000)

    def read():
        if x[rows].dtype != dtype or x.dtype != dtype:
            raise Wrong("another dtype")

    race(read, read, read)


@failure("numpy#15387", wrong="crash")
def records_nonzero_by_threads(make):
    """The same in `np.nonzero`."""
    x = make(np.ones(5000, [("a", "f8"), ("b", [("c", "f8")])]))

    def read():
        if len(x.nonzero()[0]) != 5000:
            raise Wrong("not all are found")

    race(read, read, read)


@failure("numpy#30648", wrong="crash")
def buffers_of_one_array(make):
    """What describes the array to who asks for its buffer is made by two threads at once."""
    x = make(np.arange(12).reshape(3, 4))

    def read():
        if memoryview(x).shape != (3, 4):
            raise Wrong("another shape")

    race(read, read, read)


# The command.


def main(arguments=None):
    """Run all programs and print a table, or run one."""
    parser = argparse.ArgumentParser(prog="python -m stress.failures", description=main.__doc__)
    parser.add_argument("--run", metavar="NAME", help="one program, in this process")
    parser.add_argument("--on", choices=running.ARRAYS, default="ndarray")
    parser.add_argument("--seconds", type=float, default=racing.seconds, help="that each races")
    parser.add_argument("--table", action="store_true", help="in Markdown, for the docs")
    parser.add_argument("--without-gil", metavar="PYTHON", help="run them there, too")
    options = parser.parse_args(arguments)
    if options.run is not None:
        racing.seconds = options.seconds
        running.here(CATALOGUE[options.run], options.on)
        return 0
    return report(options)


def report(options):
    """Print what became of each program; 1 if one failed on a LockedArray."""
    columns = [("ndarray", sys.executable), ("LockedArray", sys.executable)]
    titles = ["ndarray", "LockedArray"]
    if options.without_gil:
        has_ours = "core" in running.versions(options.without_gil)
        for array in running.ARRAYS[: 1 + has_ours]:
            columns.append((array, options.without_gil))
            titles.append(f"{array}, no GIL")
    ended = {}
    for number, name in enumerate(CATALOGUE):
        ended[name] = [
            running.apart(name, array, python, options.seconds) for array, python in columns
        ]
        line = f"{number + 1:3} {name}: " + " | ".join(map(str, ended[name]))
        print(line, file=sys.stderr if options.table else sys.stdout, flush=True)
    if options.table:
        print(table(ended, titles))
    print(summary(ended, titles, options))
    ours = [i for i, (array, _) in enumerate(columns) if array == "LockedArray"]
    return int(any(endings[i].kind != "right" for endings in ended.values() for i in ours))


def table(ended, titles):
    """Return the table of the docs, in Markdown."""
    lines = [
        "| failure | what goes wrong | where told | at worst | " + " | ".join(titles) + " |",
        "| --- " * (4 + len(titles)) + "|",
    ]
    for name, endings in ended.items():
        entry = CATALOGUE[name]
        told = ", ".join(map(linked, entry.told))
        cells = [name, entry.sentence, told, entry.wrong, *map(shown, endings, titles)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def linked(place):
    """Return a link to where a failure is told."""
    if place == "manual":
        return "[manual](https://numpy.org/doc/stable/reference/thread_safety.html)"
    repository, hash_, number = place.partition("#")
    if not hash_:
        return "found by reading the source"
    repository = repository if "/" in repository else f"numpy/{repository}"
    shown_as = f"#{number}" if repository == "numpy/numpy" else place
    return f"[{shown_as}](https://github.com/{repository}/issues/{number})"


def shown(ending, title):
    """Return an ending as a cell of the table."""
    if ending.kind == "right":
        return ending.note or ("right" if title.startswith("LockedArray") else "right this time")
    if ending.kind == "raised":
        return f"**exception**, {ending.note.partition(':')[0]}"
    return f"**crash**, {ending.note}" if ending.kind == "crash" else f"**{ending.kind}**"


def summary(ended, titles, options):
    """Return how many of the programs ended how, and on what."""
    lines = [f"{len(ended)} programs, {options.seconds:g} s each, on {platform.system()}"]
    for python in filter(None, (sys.executable, options.without_gil)):
        lines.append(running.versions(python))
    for column, title in enumerate(titles):
        kinds = [endings[column].kind for endings in ended.values()]
        counts = ", ".join(
            f"{kinds.count(kind)} {'exception' if kind == 'raised' else kind}"
            for kind in sorted(set(kinds))
        )
        lines.append(f"{title}: {counts}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
