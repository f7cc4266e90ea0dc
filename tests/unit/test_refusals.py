"""What writes to the memory by itself is refused, in the words that the pitfalls explain."""

import ctypes
import io
import re
import socket
import struct
from pathlib import Path

import numpy as np
import pytest

import lockedarray as la

PITFALLS = Path(__file__).parents[2] / "docs" / "pitfalls.md"


def receive_into(x):
    one, other = socket.socketpair()
    with one, other:
        other.send(b"abc")
        one.recv_into(x)


ALIAS = {
    "assignment destination is read-only": lambda a: a.fill(1.0),
    "output array is read-only": lambda a: np.add(a, a, out=a),
    "sort array is read-only": lambda a: a.sort(),
    "partition array is read-only": lambda a: a.partition(1),
    "putmask: output array is read-only": lambda a: np.putmask(a, [True] * 4, 1.0),
    "put: output array is read-only": lambda a: np.put(a, [0], 1.0),
    "underlying array is read-only": lambda a: np.fill_diagonal(a.reshape(2, 2), 1.0),
    "WRITEBACKIFCOPY base is read-only": lambda a: np.place(a, [True] * 4, 1.0),
    "cannot set WRITEABLE flag to True of this array": lambda a: a.setflags(write=True),
    "cannot resize this array: it does not own its data": lambda a: a.resize(9),
}
ARRAY = {
    "output array is not acceptable": lambda x: np.ones(4).dot(np.ones((4, 4)), x),
    "array is read-only": lambda x: np.random.default_rng(0).shuffle(x),
    "out must be a numpy array": lambda x: np.random.default_rng(0).permuted(np.ones(4), out=x),
    "Supplied output array must be contiguous, writable, aligned": lambda x: np.random.default_rng(
        0
    ).random(out=x),
    "operand array with iterator write flag set is read-only": lambda x: np.nditer(
        x, op_flags=["readwrite"]
    ),
    "read-write bytes-like object": lambda x: io.BytesIO(bytes(32)).readinto(x),
    "cannot modify read-only memory": lambda x: memoryview(x).__setitem__(0, 1.0),
    "underlying buffer is not writable": lambda x: (ctypes.c_double * 4).from_buffer(x),
    "readonly arrays unsupported": np.ctypeslib.as_ctypes,
}
MORE = [
    ("read-write bytes-like object", receive_into),
    ("read-write bytes-like object", lambda x: struct.pack_into("i", x, 0, 1)),
]


@pytest.mark.parametrize(("text", "write"), [*ARRAY.items(), *MORE])
def test_what_takes_the_memory_to_write_is_refused_in_words_that_are_explained(text, write):
    x = la.LockedArray(np.array([3.0, 1.0, 2.0, 0.0]))
    with pytest.raises((ValueError, TypeError), match=re.escape(text)):
        write(x)
    assert x.tolist() == [3.0, 1.0, 2.0, 0.0]
    assert f"`{text}`" in PITFALLS.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ALIAS)
def test_an_alias_refuses_in_words_that_are_explained(text):
    x = la.LockedArray(np.array([3.0, 1.0, 2.0, 0.0]))
    with pytest.raises(ValueError, match=re.escape(text)):
        ALIAS[text](np.asarray(x))
    assert x.tolist() == [3.0, 1.0, 2.0, 0.0]
    assert f"`{text}`" in PITFALLS.read_text(encoding="utf-8")


def set_attribute(name, value):
    return lambda x: setattr(x, name, value)


@pytest.mark.parametrize(
    ("refused", "remedy"),
    [
        (set_attribute("shape", (2, 2)), "x.reshape"),
        (set_attribute("dtype", "i8"), "x.view"),
        (set_attribute("strides", (8,)), "x.reshape"),
        (lambda x: x.setflags(write=True), "with x.write() as raw"),
        (lambda x: x[1:].resize(9), "x.base"),
        (lambda x: la.LockedArray(np.ones((2, 3, 4)).transpose(1, 0, 2)).resize(9), "order='C'"),
        (lambda x: x.__dlpack__(copy=False), "leave out copy=False"),
        (lambda x: x.__array__("f4", copy=False), "leave out one"),
        (lambda x: la.zeros(2, "i4,f4")[0].__setitem__("f0", 1), "x['field'][i] = value"),
    ],
)
def test_what_we_refuse_says_that_a_lockedarray_does_and_what_to_write(refused, remedy):
    with pytest.raises((ValueError, AttributeError, BufferError), match="LockedArray") as refusal:
        refused(la.zeros(4))
    assert remedy in str(refusal.value)
