"""Pillow: images of a LockedArray, and arrays of an image."""

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside

Image = pytest.importorskip("PIL.Image")

KINDS = {
    "grey": np.arange(20, dtype=np.uint8).reshape(4, 5),
    "RGB": np.arange(60, dtype=np.uint8).reshape(4, 5, 3),
    "RGBA": np.arange(80, dtype=np.uint8).reshape(4, 5, 4),
    "32 bit": np.arange(20, dtype=np.int32).reshape(4, 5),
    "float": np.arange(20, dtype=np.float32).reshape(4, 5),
}


@pytest.mark.parametrize("values", KINDS.values(), ids=KINDS)
def test_image_of_a_snapshot_is_made_under_the_lock(values):
    x = la.LockedArray(values)
    mode, image = waits_beside(x.write(), x.lock, lambda: Image.fromarray(x.snapshot()))
    assert mode == "read"
    assert np.array_equal(np.asarray(image), values)


@pytest.mark.parametrize("values", KINDS.values(), ids=KINDS)
def test_image_of_the_array_is_made_without_the_lock_and_never_writes_to_it(values):
    x = la.LockedArray(values)
    mode, image = waits_beside(x.write(), x.lock, lambda: Image.fromarray(x))
    assert mode is None
    assert np.array_equal(np.asarray(image), values)
    image.putpixel((0, 0), 9)
    image.paste(7, (0, 0, 2, 2))
    assert np.array_equal(x.snapshot(), values)
    assert free(x)


def test_image_may_show_the_memory_until_it_is_written_to():
    x = la.LockedArray(KINDS["grey"])
    image = Image.fromarray(x)
    x[0, 0] = 200
    assert image.getpixel((0, 0)) in (0, 200)  # by kind and version of Pillow
    copied = Image.fromarray(x.snapshot())
    x[0, 0] = 100
    assert copied.getpixel((0, 0)) == 200


def test_image_outlives_the_array_and_its_resizes():
    x = la.LockedArray(np.full((4, 5), 7, np.uint8))
    image = Image.fromarray(x)
    x.resize((4000, 5))
    x[...] = 9
    del x
    assert image.getpixel((4, 3)) in (7, 9)


def test_image_is_assigned_under_the_write_lock():
    x = la.zeros((4, 5, 3), dtype=np.uint8)
    image = Image.new("RGB", (5, 4), (1, 2, 3))
    mode, _ = waits_beside(x.read(), x.lock, lambda: x.__setitem__(..., image))
    assert mode == "write"
    assert np.array_equal(x.snapshot(), np.asarray(image))
    assert free(x)
