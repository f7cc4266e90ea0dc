"""Arrays between processes: life cycle, errors, pickling, views, resizes and deaths."""

import concurrent.futures
import copy
import multiprocessing
import os
import pickle
import threading
import warnings

import numpy as np
import pytest

import lockedarray as la
import lockedarray.shared
from arrange import forked, joined
from threads import start
from workers import add, add_to_view

pytestmark = pytest.mark.timeout(60)


# -- life cycle --------------------------------------------------------------------------------------


def test_an_array_is_what_numpy_makes():
    assert la.shared.zeros((2, 3), "i4").snapshot().tolist() == np.zeros((2, 3)).tolist()
    assert la.shared.ones(3).tolist() == [1, 1, 1]
    assert la.shared.full((2,), 7).dtype == np.full(2, 7).dtype
    f = la.shared.array(np.arange(6).reshape(2, 3).T)
    assert f.flags.f_contiguous
    assert f.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert type(f) is la.LockedArray
    assert la.shared.zeros(()).shape == ()
    assert la.shared.zeros(0).shape == (0,)
    records = la.shared.zeros(2, [("a", "i4"), ("b", "f8", (2,))])
    assert la.shared.attach(records.name).dtype == records.dtype


def test_another_process_attaches_by_name_and_sees_each_write(child):
    x = la.shared.zeros(3)
    other = child(
        f"x = la.shared.attach({x.name!r}); x[1] += 5; tell(x.tolist()); hear(); tell(x[2])"
    )
    assert other.hear() == "[0.0, 5.0, 0.0]"
    x[2] = 4
    other.tell()
    assert other.end() == "4.0"
    assert x.tolist() == [0, 5, 4]
    assert la.shared.attach(x.name) is x


def test_what_exists_is_not_made_again_and_what_does_not_is_not_attached(tmp_path):
    x = la.shared.zeros(3)
    with pytest.raises(FileExistsError, match=r"attach"):
        la.shared.zeros(3, name=x.name)
    x.unlink()
    x.unlink()
    with pytest.raises(FileNotFoundError, match=x.name):
        la.shared.attach(x.name)
    with pytest.raises(FileNotFoundError):
        la.shared.open(tmp_path / "none")
    for name in ("", "a/b", ".", "x.lock"):
        with pytest.raises(ValueError, match="name"):
            la.shared.attach(name)
    with pytest.raises(TypeError):
        la.shared.zeros(1, name="x", path="y")


@pytest.mark.parametrize(
    ("at", "bytes_", "what"),
    [
        (0, b"GARBAGE!", "not the control block"),
        (0, bytes(8), "died before"),
        (8, b"\x63\0\0\0", "version 99"),
        (12, b"\x63\0\0\0", "backend"),
        (1540, b"[(", "not the control block"),
    ],
)
def test_what_is_no_array_is_told(tmp_path, child, at, bytes_, what):
    path = tmp_path / "x"
    child(f"la.shared.zeros(3, path={str(path)!r})").end()
    control = tmp_path / "x.lock"
    content = bytearray(control.read_bytes())
    content[at : at + len(bytes_)] = bytes_
    control.write_bytes(content)
    with pytest.raises(ValueError, match=what):
        la.shared.open(path)


def test_an_array_of_another_boot_is_refused_and_a_file_is_opened_anew(
    tmp_path, monkeypatch, child
):
    from lockedarray._shared import control

    path = tmp_path / "x"
    child(f"la.shared.ones(3, path={str(path)!r})").end()
    monkeypatch.setattr(control, "boot_id", lambda: b"x" * 16)
    from lockedarray._shared import header

    monkeypatch.setattr(header, "boot_id", lambda: b"x" * 16)
    assert la.shared.open(path).tolist() == [1, 1, 1]
    other = child("x = la.shared.zeros(3); tell(x.name); hear()")
    name = other.hear()
    with pytest.raises(ValueError, match="started last"):
        la.shared.attach(name)
    other.tell()
    other.end()


def test_no_room_is_an_error_and_leaves_nothing():
    with pytest.raises(OSError, match="reserve"):
        la.shared.zeros(2**50)
    with pytest.raises(ValueError):
        la.shared.zeros((2**40, 2**40))
    x = la.shared.ones(3)
    with pytest.raises(OSError, match="reserve"):
        x.resize(2**50)
    assert x.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "dtype",
    [
        "O",
        [("a", "i4"), ("b", [("c", "O", 2)])],
        np.dtypes.StringDType(),
        np.dtypes.StringDType(na_object=None),
        "V0",
    ],
)
def test_objects_and_text_of_varied_length_are_refused(dtype):
    for make in (la.shared.zeros, la.shared.ones, la.shared.empty):
        with pytest.raises(TypeError, match="share"):
            make(3, dtype)
    with pytest.raises(TypeError, match="share"):
        la.shared.array(np.zeros(3, dtype))


def test_a_file_is_just_the_bytes_and_is_reopened(tmp_path, child):
    path = tmp_path / "data.bin"
    child(
        f"""
        x = la.shared.array(np.arange(6.0), path={str(path)!r})
        x.append([6, 7]); x.popleft(2); x.flush()
        """
    ).end()
    assert np.fromfile(path).tolist() == [2, 3, 4, 5, 6, 7]
    x = la.shared.open(path)
    assert x.tolist() == [2, 3, 4, 5, 6, 7]
    with pytest.raises(FileExistsError):
        la.shared.zeros(3, path=path)
    x.unlink()
    assert os.listdir(tmp_path) == []


def test_close_refuses_while_something_shows_the_array_and_ends_all_use_of_it():
    x = la.shared.ones(3)
    name = x.name
    view = x[1:]
    with pytest.raises(BufferError, match="1 view"):
        x.close()
    with pytest.raises(ValueError, match="base"):
        view.close()
    del view
    alias = np.asarray(x)
    with pytest.raises(BufferError, match="plain arrays"):
        x.close()
    assert alias.tolist() == x.tolist() == [1, 1, 1]
    del alias
    x.close()
    x.close()
    for use in (lambda: x[0], lambda: x.__setitem__(0, 1), lambda: x.append(1), x.snapshot):
        with pytest.raises(ValueError, match="closed"):
            use()
    again = la.shared.attach(name)
    assert again.tolist() == [1, 1, 1]
    again.freeze()
    again.close()
    with pytest.raises(ValueError, match="closed"):
        again[0]


def test_who_creates_unlinks_at_its_end_and_who_attaches_does_not(child):
    owner = child("x = la.shared.zeros(3); tell(x.name); hear()")
    name = owner.hear()
    child(f"x = la.shared.attach({name!r})").end()
    x = la.shared.attach(name)
    assert any(entry.name == name and entry.alive for entry in la.shared.list())
    owner.tell()
    owner.end()
    assert name not in [entry.name for entry in la.shared.list()]
    x[0] = 1  # who has it attached goes on


def test_orphans_are_listed_and_removed(child):
    owner = child("x = la.shared.zeros(3); tell(x.name); hear()")
    name = owner.hear()
    owner.kill()
    (entry,) = [entry for entry in la.shared.list() if entry.name == name]
    assert (entry.alive, entry.shape, entry.creator) == (False, (3,), owner.process.pid)
    x = la.shared.zeros(3)
    main = child("from lockedarray._shared.listing import main; main(['remove'])")
    assert f"removed {name}" in main.end().splitlines()
    assert x.name in [entry.name for entry in la.shared.list()]


def test_no_orphan_is_what_processes_have_whose_backend_is_not_here(child, monkeypatch):
    x = la.shared.zeros(3)
    monkeypatch.delenv("LOCKEDARRAY_SHARED")
    monkeypatch.setenv("LOCKEDARRAY_BACKEND", "portable")
    main = child("from lockedarray._shared.listing import main; main(['remove'])")
    assert x.name not in main.end()
    assert la.shared.attach(x.name) is x


# -- pickling ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_arguments_of_processes_and_pools_attach(method):
    context = multiprocessing.get_context(method)
    x = la.shared.zeros((4, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forks beside threads
        process = context.Process(target=add, args=(x[0], 20))
        process.start()
        add(x[0], 20)
        process.join(30)
        assert process.exitcode == 0
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            assert pool.submit(add_to_view, x[1:3, ::2]).result(30) == (4, 4)
    assert x[0, 0] == 40
    assert x[1:3].tolist() == [[1, 0, 1, 0]] * 2


def test_copies_are_private_and_a_pickle_here_is_the_array():
    x = la.shared.array([1, 2, 3])
    for twin in (copy.copy(x), copy.deepcopy(x)):
        twin[0] = 9
        with pytest.raises(ValueError):
            twin.unlink()
    assert x[0] == 1
    assert pickle.loads(pickle.dumps(x)) is x
    view = pickle.loads(pickle.dumps(x[::-2]))
    view[0] = 7
    assert x.tolist() == [1, 2, 7]
    assert view.lock is x.lock
    assert view.base is x


def test_a_pickle_of_what_was_unlinked_says_so(child):
    x = la.shared.zeros(3)
    data = pickle.dumps(x)
    x.unlink()
    other = child(f"""
        try: pickle.loads({data!r})
        except FileNotFoundError as e: tell(e)
    """)
    assert "unlinked" in other.end()


# -- resizes -----------------------------------------------------------------------------------------


def test_resizes_of_one_process_are_seen_by_the_others_and_views_stay(child):
    x = la.shared.array([1.0, 2, 3])
    view = x[1:]
    other = child(f"""
        x = la.shared.attach({x.name!r}); v = x[:2]
        for i in range(2000): x.append(i)
        x.popleft(1); v[0] = 10; tell(len(x)); hear()
        x.assign([5, 6]); tell(x.tolist()); hear()
        x.freeze()
    """)
    assert other.hear() == "2002"
    assert x[0] == 2
    assert x.shape == (2002,)
    view[0] = 8
    assert x[0] == 8
    other.tell()
    assert other.hear() == "[5.0, 6.0]"
    assert x[0] == 5
    assert x.shape == (2,)
    x.append([1] * 5000)
    other.tell()
    other.end()
    with pytest.raises(ValueError, match="frozen"):
        x[0] = 1
    assert x.frozen


# -- death -------------------------------------------------------------------------------------------


def test_a_dead_reader_is_dropped(child):
    x = la.shared.zeros(3)
    other = child(f"x = la.shared.attach({x.name!r})\nwith x.read(): tell('in'); hear()")
    assert other.hear() == "in"
    assert x[0] == 0
    with pytest.raises(la.LockTimeout):
        x.write(timeout=0).acquire()
    other.kill()
    x[0] = 1


@pytest.mark.parametrize(
    "death",
    ["os.kill(os.getpid(), 9)", "os._exit(0)", "os.execv('/bin/true', ['true'])"],
)
def test_a_dead_writer_poisons_until_recovered(child, death):
    x = la.shared.zeros(3)
    other = child(f"x = la.shared.attach({x.name!r})\nwith x.write() as raw: raw[0] = 1; {death}")
    other.process.wait(30)
    with pytest.raises(la.PoisonedError) as info:
        x[0]
    assert info.value.pid == other.process.pid
    assert pickle.loads(pickle.dumps(info.value)).region == info.value.region
    with pytest.raises(ZeroDivisionError), x.recover() as raw:
        raw[0] = 1 // 0
    with pytest.raises(la.PoisonedError):
        x[0] = 1
    with x.recover() as raw:
        raw[0] = 2
    assert x[0] == 2


def test_a_death_inside_recover_leaves_it_poisoned(child):
    x = la.shared.zeros(3)
    for take in ("write", "recover"):
        child(
            f"x = la.shared.attach({x.name!r})\nwith x.{take}(): os.kill(os.getpid(), 9)"
        ).process.wait(30)
        with pytest.raises(la.PoisonedError):
            x[0]
    with x.recover():
        pass
    assert x[0] == 0


def test_two_readers_that_both_want_to_write_do_not_wait_for_ever(child):
    x = la.shared.zeros(3)
    other = child(f"""
        x = la.shared.attach({x.name!r})
        try:
            with x.read():
                tell("in"); hear()
                with x.write(): tell("wrote")
        except la.DeadlockError: tell("deadlock")
    """)
    assert other.hear() == "in"
    try:
        with x.read():
            other.tell()
            with x.write(timeout=30):
                outcome = "wrote"
    except la.DeadlockError:
        outcome = "deadlock"
    assert {outcome, other.end()} == {"wrote", "deadlock"}


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forks_child_holds_nothing_of_its_parent():
    x = la.shared.zeros(3)
    held, done = threading.Event(), threading.Event()

    def hold():
        with x.read():
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    with x.read():
        pid = os.fork()
        if pid == 0:
            try:
                x.write(timeout=0).acquire()
            except la.LockTimeout:  # held by the parent
                os._exit(7)
            except BaseException:
                os._exit(8)
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    done.set()
    thread.join()
    guard = x.write()
    raw = guard.acquire()
    pid = os.fork()
    if pid == 0:
        os._exit(int(raw.flags.writeable))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    raw[0] = 1
    guard.release()
    assert x[0] == 1


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_is_forked_inside_a_guard_takes_and_gives_back_like_any_process():
    x = la.shared.zeros(3)
    hears, tells = os.pipe()

    def work():
        assert not guard.held
        with pytest.raises(la.LockTimeout):  # the parent has it
            x.write(timeout=0.05).acquire()
        os.write(tells, b"!")
        x[0] += 1
        start(x.fill, 2).result()  # nor has the main thread anything of it
        assert not any(entry.mode == "write" for entry in x.lock.holds())

    guard = x.write()
    with guard:
        pid = forked(work)
        os.close(tells)
        assert os.read(hears, 1) == b"!"
    os.close(hears)
    joined(pid)
    x += 1  # and the end of the child is not that of a writer
    assert x.tolist() == [3, 3, 3]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_gives_back_what_is_its_own_of_a_guard_that_it_was_forked_in():
    own, x = la.zeros(3), la.shared.zeros(3)
    guard = la.acquire(write=(own, x))

    def work():
        assert guard.held
        assert not raws[1].flags.writeable
        guard.release()
        assert not guard.held
        start(own.fill, 2).result()
        with pytest.raises(la.LockTimeout):  # the parent has it
            x.write(timeout=0).acquire()

    raws = guard.acquire()
    joined(forked(work))
    raws[1][:] = 1
    guard.release()
    assert x.tolist() == [1, 1, 1]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("answer", [False, True])
def test_a_child_has_nothing_of_what_a_predicate_was_shown_that_forked(answer):
    own, x = la.zeros(3), la.shared.zeros(3)
    pids = []

    def forks(*_shown):
        if not pids:
            pids.append(os.fork())
        return answer or pids[0] > 0

    for guard in (x.write(when=forks), la.acquire(write=(own, x), when=forks)):
        pids.clear()
        parent = os.getpid()
        try:
            guard.acquire()
        except BaseException as error:
            if os.getpid() == parent:
                raise
            forked = isinstance(error, RuntimeError) and "forked" in str(error)
            os._exit(0 if forked and not guard.held and own.lock.holds() == [] else 1)
        if os.getpid() != parent:
            os._exit(2)
        joined(pids[0])
        assert guard.held
        guard.release()


def test_waiting_for_what_another_process_writes(child):
    x = la.shared.zeros(3)
    other = child(
        f"x = la.shared.attach({x.name!r}); tell('in'); tell(bool(x.wait_for(lambda a: a[1])))"
    )
    assert other.hear() == "in"
    x[1] = 1
    assert other.end() == "True"


def test_the_package_does_not_import_it(child):
    import subprocess
    import sys

    code = "import sys, lockedarray; print([m for m in sys.modules if 'shared' in m])"
    assert subprocess.check_output([sys.executable, "-P", "-c", code], text=True) == "[]\n"


# -- what passes it ------------------------------------------------------------------------------------


def test_cloudpickle_attaches():
    cloudpickle = pytest.importorskip("cloudpickle")
    x = la.shared.zeros((4, 4))
    assert cloudpickle.loads(cloudpickle.dumps(x)) is x
    function = cloudpickle.loads(cloudpickle.dumps(lambda: add(x[1], 2)))  # a closure
    function()
    assert x[1, 0] == 2


def test_loky_of_joblib_attaches():
    joblib = pytest.importorskip("joblib")
    x = la.shared.zeros((4, 4))
    with joblib.parallel_config("loky", n_jobs=2):
        shapes = joblib.Parallel()(
            joblib.delayed(add_to_view)(x[i : i + 2, ::2]) for i in (0, 2, 0, 2)
        )
        joblib.Parallel()(joblib.delayed(lambda n: add(x[0], n))(n) for n in (10, 20))
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)
    assert shapes == [(4, 4)] * 4
    assert x.tolist() == [[32, 0, 2, 0], [2, 0, 2, 0], [2, 0, 2, 0], [2, 0, 2, 0]]
