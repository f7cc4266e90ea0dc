"""Checkpoints: what is read is the newest that was written whole, of the newest owner; or it is an error."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from lockedarray._distributed import checkpoints
from lockedarray._distributed.checkpoints import newest, write
from threads import DEADLINE

PIECE = 64


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(checkpoints, "_PIECE", PIECE)


@pytest.fixture
def without_links(monkeypatch):
    def link(source, target):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", link)


def put(path, value, generation=1, number=1, **named):
    named = {"name": "a", "description": {}} | named
    array = value if isinstance(value, np.ndarray) else np.full(20, value)
    write(path, array, generation=generation, number=number, **named)


def value_of(found):
    array = found.load()
    assert (array == array[0]).all()
    return array[0]


def state(found):
    return found.generation, found.number, value_of(found)


def flip(path, at, bit=0):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))


def cut(path, size):
    os.truncate(path, size)


def names(folder):
    return sorted(os.listdir(folder))


# What is kept

RECORD = [("a", "i1"), ("b", "f8", (2,)), ("when", "M8[s]")]


def _bytes_of(dtype, n=24):
    dtype = np.dtype(dtype)
    return np.random.default_rng(3).integers(0, 2, n * dtype.itemsize, np.uint8).view(dtype)


ARRAYS = {
    "C": np.arange(60.0).reshape(3, 4, 5),
    "F": np.asfortranarray(np.arange(60.0).reshape(3, 4, 5)),
    "transposed": np.arange(60.0).reshape(3, 4, 5).transpose(1, 2, 0),
    "every other": np.arange(60.0).reshape(6, 10)[::2, ::3],
    "backwards": np.arange(60)[::-1],
    "broadcast": np.broadcast_to(np.arange(7), (30, 7)),
    "0-d": np.array(7.5),
    "no rows": np.zeros((0, 3)),
    "no columns": np.zeros((3, 0), "i2"),
    "big-endian": np.arange(60, dtype=">i4"),
    "bool": np.arange(60) % 2 == 0,
    "complex": np.arange(60) * 1j,
    "long double": np.arange(60, dtype="g"),
    "datetime64": np.arange(60).astype("M8[25s]"),
    "timedelta64": np.arange(60).astype("m8[ns]"),
    "text": np.array(["a", "bc", "\u00fc"]),
    "bytes": np.array([b"a", b"bc"]),
    "void": _bytes_of("V5"),
    "without a byte": np.zeros(5, "V0"),
    "record": _bytes_of(RECORD),
    "record, not in one piece": _bytes_of(RECORD)[::-3],
    "one field": _bytes_of(RECORD)["a"],
    "np.record": _bytes_of(RECORD).view(np.recarray).view(np.ndarray),
    "aligned record": np.zeros(9, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "titles": np.zeros(9, [(("title", "a"), "i4"), ("b", "u1")]),
    "nested": np.ones(9, [("m", "f4", (2, 3)), ("n", [("q", "M8[D]")])]),
    "fields that overlap": np.ones(9, {"names": "xy", "formats": ["i4", "2u1"], "offsets": [0, 0]}),
    "fields in another order": np.ones(9, {"names": "xy", "formats": ["i4", "u1"], "offsets": [4, 0], "itemsize": 16}),
    "items larger than a piece": _bytes_of("V200", 3),
}  # fmt: skip


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
@pytest.mark.usefixtures("small_pieces")
def test_an_array_comes_back_with_its_dtype_shape_and_bytes(tmp_path, array):
    put(tmp_path / "c", array)
    found = newest(tmp_path / "c")
    loaded = found.load()
    assert found.shape == loaded.shape == array.shape
    assert found.dtype == loaded.dtype == array.dtype
    assert loaded.dtype.fields == array.dtype.fields
    assert loaded.dtype.type is array.dtype.type
    assert loaded.dtype.isalignedstruct == array.dtype.isalignedstruct
    if array.dtype.names is None:
        assert loaded.tobytes() == array.tobytes()
    else:  # beside the fields' bytes nothing is promised
        assert (loaded == array).all()
    assert loaded.flags.writeable


def test_an_array_in_fortran_order_stays_in_it(tmp_path):
    put(tmp_path / "c", ARRAYS["F"])
    assert newest(tmp_path / "c").load().flags.f_contiguous


@pytest.mark.parametrize("dtype", ["O", [("a", "O")], np.dtypes.StringDType()], ids=str)
def test_a_dtype_with_objects_is_a_type_error_and_leaves_no_file(tmp_path, dtype):
    with pytest.raises(TypeError, match="cannot be in a checkpoint"):
        put(tmp_path / "c", np.zeros(3, dtype))
    assert names(tmp_path) == []


def test_the_header_tells_what_was_said_about_the_array(tmp_path):
    description = {"start": 40, "shape": [100], "note": "\u00fc"}
    put(tmp_path / "c", 7, 3, 9, name="x", block=2, of=4, description=description)
    found = newest(tmp_path / "c", 2, 4)
    assert found.header["description"] == description
    assert [found.header[key] for key in ("name", "block", "of", "start")] == ["x", 2, 4, 40]
    with open(tmp_path / "c.2", "rb") as file:
        assert json.loads(file.readline()) == found.header


def test_neither_writing_nor_reading_copies_the_array(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "_PIECE", 2**20)
    array = np.ones((1000, 4000))[:, ::2]  # 16 MB that are not in one piece
    tracemalloc.start()
    try:
        put(tmp_path / "c", array)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
        tracemalloc.reset_peak()
        loaded = newest(tmp_path / "c").load()
        assert tracemalloc.get_traced_memory()[1] < loaded.nbytes + 4 * 2**20
    finally:
        tracemalloc.stop()


# Which one is read


def test_there_is_none_where_nothing_was_written(tmp_path):
    assert newest(tmp_path / "c") is None
    assert newest(tmp_path / "c", 3, 4) is None


def test_the_last_one_of_an_owner_is_read(tmp_path):
    for number in (1, 2, 10):
        put(tmp_path / "c", number, 1, number)
    assert state(newest(tmp_path / "c")) == (1, 10, 10)
    assert names(tmp_path) == ["c", "c.g1"]
    assert os.path.samefile(tmp_path / "c", tmp_path / "c.g1")


def test_one_of_a_lower_number_that_comes_late_does_not_replace_a_higher(tmp_path):
    put(tmp_path / "c", 10, 1, 10)
    put(tmp_path / "c", 9, 1, 9)
    assert state(newest(tmp_path / "c")) == (1, 10, 10)


def test_a_newer_generation_removes_the_files_of_older_ones(tmp_path):
    put(tmp_path / "c", 1, 9, 50)
    (tmp_path / "c.g9.0123.tmp").write_bytes(b"of one that was killed")
    put(tmp_path / "c", 2, 10, 1)
    assert names(tmp_path) == ["c", "c.g10"]
    assert state(newest(tmp_path / "c")) == (10, 1, 2)


def test_what_only_looks_like_a_file_beside_it_stays(tmp_path):
    others = ["c.g", "c.g1x", "c.gx", "cxg1", "c.g1.tmp.txt", "xc.g1"]
    for other in others:
        (tmp_path / other).write_bytes(b"mine")
    put(tmp_path / "c", 1, 5)
    assert names(tmp_path) == sorted([*others, "c", "c.g5"])
    assert state(newest(tmp_path / "c")) == (5, 1, 1)


def test_a_replaced_owner_that_writes_late_is_told_and_changes_nothing(tmp_path):
    put(tmp_path / "c", 1, 1, 50)
    put(tmp_path / "c", 2, 2, 1)
    with pytest.raises(RuntimeError, match="generation 1 of 'a' was replaced: generation 2"):
        put(tmp_path / "c", 1, 1, 51)
    assert names(tmp_path) == ["c", "c.g2"]
    assert state(newest(tmp_path / "c")) == (2, 1, 2)


def test_an_owner_that_is_replaced_while_it_writes_is_told(tmp_path, monkeypatch):
    fsync = os.fsync

    def while_it_writes(descriptor):
        monkeypatch.setattr(os, "fsync", fsync)
        put(tmp_path / "c", 2, 2, 1)

    monkeypatch.setattr(os, "fsync", while_it_writes)
    with pytest.raises(RuntimeError, match="was replaced"):
        put(tmp_path / "c", 1, 1, 51)
    assert names(tmp_path) == ["c", "c.g2"]
    assert state(newest(tmp_path / "c")) == (2, 1, 2)


@pytest.mark.parametrize("late", [["c.g1"], ["c"], ["c", "c.g1"]])
def test_a_replaced_owner_that_was_stopped_at_the_worst_moment_is_not_what_is_read(tmp_path, late):
    (tmp_path / "elsewhere").mkdir()
    put(tmp_path / "elsewhere/c", 1, 1, 51)
    put(tmp_path / "c", 2, 2, 1)
    for file in late:  # its renames, after it was seen that nobody newer is there
        os.replace(tmp_path / "elsewhere" / file, tmp_path / file)
    assert state(newest(tmp_path / "c")) == (2, 1, 2)
    put(tmp_path / "c", 3, 2, 2)
    assert names(tmp_path) == ["c", "c.g2", "elsewhere"]
    assert state(newest(tmp_path / "c")) == (2, 2, 3)


def test_the_link_alone_is_enough(tmp_path):
    put(tmp_path / "c", 7, 3, 9)
    os.rename(tmp_path / "c", tmp_path / "moved")
    os.unlink(tmp_path / "c.g3")
    assert state(newest(tmp_path / "moved")) == (3, 9, 7)
    with pytest.raises(RuntimeError, match="was replaced"):
        put(tmp_path / "moved", 1, 2)


def test_a_relative_path_is_one_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put("c", 7)
    assert value_of(newest("c")) == 7
    assert names(tmp_path) == ["c", "c.g1"]


def test_a_folder_that_does_not_exist_is_told_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder of the checkpoint.*nowhere'"):
        put(tmp_path / "nowhere/c", 7)
    with pytest.raises(FileNotFoundError, match=r"folder of the checkpoint.*nowhere'"):
        newest(tmp_path / "nowhere/c")


def test_a_path_that_is_the_name_of_a_file_beside_one_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot end like"):
        put(tmp_path / "c.g1", 7)


@pytest.mark.usefixtures("without_links")
def test_where_there_are_no_links_there_are_copies(tmp_path):
    put(tmp_path / "c", 6, 1, 1)
    put(tmp_path / "c", 7, 1, 2)
    assert names(tmp_path) == ["c", "c.g1"]
    assert not os.path.samefile(tmp_path / "c", tmp_path / "c.g1")
    assert (tmp_path / "c").read_bytes() == (tmp_path / "c.g1").read_bytes()


def test_a_file_that_is_removed_while_one_looks_is_no_reason_to_find_nothing(tmp_path, monkeypatch):
    put(tmp_path / "c", 1, 1)
    read_copy = checkpoints._read_copy

    def after_a_newer_one_has_written(*args):
        monkeypatch.setattr(checkpoints, "_read_copy", read_copy)
        put(tmp_path / "c", 2, 2)
        return read_copy(*args)

    monkeypatch.setattr(checkpoints, "_read_copy", after_a_newer_one_has_written)
    assert state(newest(tmp_path / "c")) == (2, 1, 2)


def test_one_that_is_replaced_between_finding_and_reading_is_told(tmp_path):
    put(tmp_path / "c", 1, 1, 1)
    found = newest(tmp_path / "c")
    put(tmp_path / "c", 2, 1, 2)
    with pytest.raises(ValueError, match="replaced by another one"):
        found.load()
    found = newest(tmp_path / "c")
    put(tmp_path / "c", 3, 2)
    os.unlink(tmp_path / "c")
    with pytest.raises(ValueError, match="replaced by another one"):
        found.load()


# Damage


@pytest.mark.usefixtures("small_pieces")
def test_a_flipped_bit_anywhere_is_told(tmp_path):
    put(tmp_path / "c", 7)
    size = os.path.getsize(tmp_path / "c")
    for at in range(size):
        for bit in range(8):
            flip(tmp_path / "c", at, bit)
            with pytest.raises(ValueError, match=r"the checkpoint '.*c\.g1' is"):
                newest(tmp_path / "c").load()
            flip(tmp_path / "c", at, bit)
    assert value_of(newest(tmp_path / "c")) == 7


def test_a_file_that_ends_early_or_late_is_told(tmp_path):
    put(tmp_path / "c", 7)
    whole = (tmp_path / "c").read_bytes()
    for size in range(len(whole)):
        (tmp_path / "c").write_bytes(whole[:size])
        with pytest.raises(ValueError, match="is damaged"):
            newest(tmp_path / "c")
    (tmp_path / "c").write_bytes(whole + b"x")
    with pytest.raises(ValueError, match="is damaged"):
        newest(tmp_path / "c")


def test_a_file_that_is_damaged_between_finding_and_reading_is_told(tmp_path):
    put(tmp_path / "c", 7)
    whole = (tmp_path / "c").read_bytes()
    found = newest(tmp_path / "c")
    (tmp_path / "c").write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="bytes are missing"):
        found.load()
    (tmp_path / "c").write_bytes(whole + b"x")
    with pytest.raises(ValueError, match="bytes follow"):
        found.load()


def test_what_is_no_checkpoint_is_told(tmp_path):
    (tmp_path / "c").write_bytes(b"a thesis\n")
    with pytest.raises(ValueError, match=r"c' is damaged: it does not begin as"):
        newest(tmp_path / "c")


def _two_generations(tmp_path):
    """Leave the files of two generations: the newer one was killed before it removed the older."""
    put(tmp_path / "c", 1, 1, 50)
    shutil.copyfile(tmp_path / "c", tmp_path / "older")
    put(tmp_path / "c", 2, 2, 1)
    os.rename(tmp_path / "older", tmp_path / "c.g1")
    assert state(newest(tmp_path / "c")) == (2, 1, 2)


HARM = {
    "header": lambda path: flip(path, 30),
    "data": lambda path: flip(path, os.path.getsize(path) - 1),
    "torn header": lambda path: cut(path, 100),
    "torn data": lambda path: cut(path, os.path.getsize(path) - 1),
    "empty": lambda path: cut(path, 0),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_damage_of_an_older_generation_does_not_matter(tmp_path, harm):
    _two_generations(tmp_path)
    harm(tmp_path / "c.g1")
    assert state(newest(tmp_path / "c")) == (2, 1, 2)
    put(tmp_path / "c", 3, 2, 2)
    assert state(newest(tmp_path / "c")) == (2, 2, 3)


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_damage_of_the_newest_generation_is_told_although_an_older_one_is_whole(tmp_path, harm):
    _two_generations(tmp_path)
    harm(tmp_path / "c.g2")
    with pytest.raises(ValueError, match="is damaged"):
        newest(tmp_path / "c").load()


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
@pytest.mark.usefixtures("without_links")
def test_a_damaged_link_does_not_matter_where_the_newest_is_whole(tmp_path, harm):
    put(tmp_path / "c", 1, 1, 1)
    harm(tmp_path / "c")
    assert state(newest(tmp_path / "c")) == (1, 1, 1)


@pytest.mark.parametrize("harm", [HARM["data"], HARM["torn data"]], ids=["data", "torn data"])
@pytest.mark.usefixtures("without_links")
def test_the_link_stands_in_for_a_damaged_one_of_the_same_number(tmp_path, harm):
    put(tmp_path / "c", 1, 1, 1)
    harm(tmp_path / "c.g1")
    assert state(newest(tmp_path / "c")) == (1, 1, 1)


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
@pytest.mark.usefixtures("without_links")
def test_the_link_does_not_stand_in_where_it_is_or_may_be_older(tmp_path, harm):
    put(tmp_path / "c", 1, 1, 1)
    shutil.copyfile(tmp_path / "c", tmp_path / "older")
    put(tmp_path / "c", 2, 1, 2)
    os.replace(tmp_path / "older", tmp_path / "c")
    harm(tmp_path / "c.g1")
    with pytest.raises(ValueError, match="is damaged"):
        newest(tmp_path / "c").load()


def test_the_next_checkpoint_replaces_a_damaged_one(tmp_path):
    put(tmp_path / "c", 1, 1, 1)
    flip(tmp_path / "c", 30)
    put(tmp_path / "c", 2, 1, 2)
    assert state(newest(tmp_path / "c")) == (1, 2, 2)


def _rewrite_header(path, **changes):
    lines = path.read_bytes().split(b"\n", 2)
    header = json.loads(lines[0]) | changes
    path.write_bytes(checkpoints._header_to_bytes(header) + lines[2])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 2}, "of version 2"),
        ({"dtype": "|O"}, "contradicts itself"),
        ({"dtype": "nonsense"}, "makes no sense here"),
        ({"dtype": {"names": ["a"]}}, "makes no sense here"),
        ({"shape": [2**60]}, "contradicts itself"),
        ({"generation": 2}, "it is of generation 2"),
    ],
    ids=str,
)
def test_a_header_with_a_right_checksum_is_not_believed_everything(tmp_path, changes, words):
    put(tmp_path / "c", 7)
    os.unlink(tmp_path / "c")
    _rewrite_header(tmp_path / "c.g1", **changes)
    with pytest.raises(ValueError, match=words):
        newest(tmp_path / "c")


# Whose it is


def test_a_checkpoint_of_another_array_is_told_on_reading_and_on_writing(tmp_path):
    put(tmp_path / "c", 7, name="a")
    assert newest(tmp_path / "c", name="a") is not None
    with pytest.raises(ValueError, match=r"c\.g1' is of an array with name 'a', not 'b'"):
        newest(tmp_path / "c", name="b")
    with pytest.raises(ValueError, match="is of an array with name 'a', not 'b'"):
        put(tmp_path / "c", 7, 2, name="b")
    assert state(newest(tmp_path / "c")) == (1, 1, 7)


def test_another_dtype_or_shape_is_told(tmp_path):
    put(tmp_path / "c", np.zeros((3, 4)))
    for shape in ((3, 4), [None, 4]):
        assert newest(tmp_path / "c", shape=shape, dtype=np.dtype("f8")) is not None
    with pytest.raises(ValueError, match=r"with shape \(3, 4\), not \(n, 4, 1\)"):
        newest(tmp_path / "c", shape=(None, 4, 1))
    for shape in ((4, 3), (3,), (None, 5), (3, 4, 1)):
        with pytest.raises(ValueError, match=r"is of an array with shape \(3, 4\), not \("):
            newest(tmp_path / "c", shape=shape)
    with pytest.raises(ValueError, match=r"dtype dtype\('float64'\), not dtype\('int64'\)"):
        newest(tmp_path / "c", dtype=np.dtype("i8"))


def test_blocks_have_files_of_their_own(tmp_path):
    for block in range(3):
        put(tmp_path / "c", block, 2, 5, block=block, of=3)
    assert names(tmp_path) == ["c.0", "c.0.g2", "c.1", "c.1.g2", "c.2", "c.2.g2"]
    for block in range(3):
        assert state(newest(tmp_path / "c", block, 3)) == (2, 5, block)
        assert state(newest(tmp_path / "c", block)) == (2, 5, block)


@pytest.mark.parametrize(("written", "asked"), [(1, 2), (2, 1), (2, 3)])
def test_an_array_that_was_divided_in_another_way_is_told(tmp_path, written, asked):
    for block in range(written):
        put(tmp_path / "c", 7, block=block, of=written)
    with pytest.raises(ValueError, match=f"in {written} block.*use shards={written}"):
        newest(tmp_path / "c", 0, asked)


# Crashes


def test_whatever_a_writer_was_about_to_do_when_it_died_the_newest_is_whole(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    put(folder / "c", 1, 1, 7)
    moments = []

    def before(function):
        def call(*args, **named):
            moments.append(shutil.copytree(folder, tmp_path / f"moment {len(moments)}"))
            return function(*args, **named)

        return call

    with monkeypatch.context() as patch:
        for function in ("fsync", "replace", "link", "unlink"):
            patch.setattr(os, function, before(getattr(os, function)))
        put(folder / "c", 2, 2, 8)
    states = [state(newest(moment / "c")) for moment in moments]
    assert len(states) >= 7
    assert states == sorted(states)
    assert set(states) == {(1, 7, 1), (2, 8, 2)}
    for moment in moments:  # and the next owner makes order
        put(moment / "c", 3, 3, 1)
        assert names(moment) == ["c", "c.g3"]
        assert state(newest(moment / "c")) == (3, 1, 3)


def test_a_writer_that_fails_leaves_the_one_before_and_no_file(tmp_path, monkeypatch):
    put(tmp_path / "c", 1, 1, 7)

    def fsync(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        put(tmp_path / "c", 2, 1, 8)
    assert names(tmp_path) == ["c", "c.g1"]
    assert state(newest(tmp_path / "c")) == (1, 7, 1)


WRITER = """
import itertools, sys
import numpy as np
from lockedarray._distributed import checkpoints
checkpoints._PIECE = 4096
path, generation = sys.argv[1], int(sys.argv[2])
for number in itertools.count(1):
    array = np.full(20_000, 1000 * generation + number)
    checkpoints.write(path, array, name="a", generation=generation, number=number, description={})
    print(number, flush=True)
"""


def test_a_writer_that_is_killed_at_any_moment_leaves_the_last_one_it_told_of_or_a_later_one(tmp_path):  # fmt: skip
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for generation in range(1, 9):
        writer = subprocess.Popen(
            [sys.executable, "-P", "-c", WRITER, tmp_path / "c", str(generation)],
            stdout=subprocess.PIPE,
        )
        try:
            with writer.stdout:
                for _ in range(chance.randrange(1, 5)):
                    assert writer.stdout.readline()
                try:
                    writer.wait(chance.random() * 0.02)
                except subprocess.TimeoutExpired:
                    os.kill(writer.pid, signal.SIGKILL)
                told = writer.stdout.read().split()
        finally:
            writer.kill()
            assert writer.wait(DEADLINE) == -signal.SIGKILL
        found = newest(tmp_path / "c", name="a")
        assert found.generation == generation
        assert found.number >= int(told[-1] if told else 1)
        assert value_of(found) == 1000 * generation + found.number
    put(tmp_path / "c", 0, 9)
    assert names(tmp_path) == ["c", "c.g9"]
