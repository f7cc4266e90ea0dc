"""The programs in ``examples/`` run from any folder, and what they print is right."""

import importlib.util
import io
import os
import re
import subprocess
import sys
import sysconfig
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from extras import MODULES

EXAMPLES = Path(__file__).parent.parent / "examples"
FILES, SAMPLE, PIECE = 30, 20_000, 4000
SMALL = ["--threads", "2", "--files", str(FILES), "--sample", str(SAMPLE)]


def run(name, *arguments, folder, **variables):
    """Run an example in `folder` as a user would."""
    return subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=100,
    )


def load(name):
    """Import an example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def number(text):
    return int(text.replace(",", ""))


def rows_of(output):
    """Return the rows of the tables of bigrams.py: array, threads, update, pairs, lost."""
    row = r"^(\w+) +(\d+)  (.+?) +([\d,]+) +[\d.]+ +[\d,]+ +(-?[\d,]+)$"
    return [
        (array, int(threads), update, number(pairs), number(lost))
        for array, threads, update, pairs, lost in re.findall(row, output, re.MULTILINE)
    ]


def source_files(number=FILES):
    """Return the contents of the first files of the standard library."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = [
        path
        for path in sorted(root.rglob("*.py"))
        if not {"site-packages", "dist-packages"} & set(path.relative_to(root).parts)
    ]
    return [path.read_bytes() for path in paths[:number]]


def pairs_in_sample(total):
    """Return how many pairs are in the beginnings of the files, of `total` bytes together."""
    pairs = 0
    for data in source_files():
        size = min(len(data), PIECE, total)
        total -= size
        pairs += max(size - 1, 0)
    return pairs


@pytest.fixture(scope="module")
def small_count(tmp_path_factory):
    """Run bigrams.py; return the folder it ran in and its result."""
    folder = tmp_path_factory.mktemp("bigrams")
    return folder, run("bigrams.py", *SMALL, "--output", "pairs.png", folder=folder)


def test_bigrams_counts_what_an_independent_count_finds(small_count):
    _, result = small_count
    assert result.returncode == 0, result.stdout + result.stderr
    assert "[" not in result.stderr  # no progress bar where there is no terminal

    counter = Counter(pair for data in source_files() for pair in pairwise(data))
    rows = rows_of(result.stdout)
    sample = [pairs_in_sample(SAMPLE)] * 3 + [pairs_in_sample(SAMPLE // 20)] * 2
    if "lockedarray native" in result.stdout:
        sample[3] = pairs_in_sample(SAMPLE)
    assert [pairs for *_, pairs, _ in rows] == sample + [counter.total()] * 4
    assert [array for array, *_ in rows].count("LockedArray") == 4
    for array, threads, update, _, lost in rows:
        assert lost >= 0, update
        assert lost == 0 or (array == "ndarray" and threads == 2), update
    assert f"{sum(lost for *_, lost in rows):,} updates lost" in result.stdout
    assert "every count is right" in result.stdout

    ranking = sorted(((count, pair) for pair, count in counter.items()), reverse=True)
    most_frequent = ", ".join(f"{bytes(pair)!r} {count:,}" for count, pair in ranking[:5])
    assert f"most frequent: {most_frequent}\n" in result.stdout


def test_bigrams_writes_the_heat_map_if_matplotlib_is_there(small_count):
    if importlib.util.find_spec("matplotlib") is None:
        pytest.skip("matplotlib is not installed")
    folder, result = small_count
    assert result.returncode == 0, result.stdout + result.stderr
    assert "written to pairs.png" in result.stdout
    assert (folder / "pairs.png").read_bytes().startswith(b"\x89PNG\r\n")


def test_bigrams_skips_the_heat_map_without_matplotlib_and_says_how_to_get_it(tmp_path):
    stub = tmp_path / "without"
    stub.mkdir()
    (stub / "matplotlib.py").write_text("raise ImportError('as if it were not installed')")
    path = os.pathsep.join(filter(None, [str(stub), os.environ.get("PYTHONPATH")]))
    result = run("bigrams.py", *SMALL, folder=tmp_path, PYTHONPATH=path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "pip install matplotlib" in result.stdout
    assert not list(tmp_path.glob("*.png"))


def test_bigrams_ends_with_exit_code_1_when_a_count_is_wrong(monkeypatch, capsys):
    bigrams = load("bigrams")
    monkeypatch.setattr(bigrams, "count", lambda data: np.ones(bigrams.SHAPE, np.int64))
    monkeypatch.setattr(bigrams, "write_heat_map", lambda counts, path: "not drawn")
    monkeypatch.setattr(sys, "argv", ["bigrams.py", "--files", "3", "--sample", "2000"])
    assert bigrams.main() == 1
    assert "WRONG COUNTS" in capsys.readouterr().out


def test_bigrams_leaves_the_switch_interval_as_it_was():
    bigrams = load("bigrams")
    before = sys.getswitchinterval()
    with bigrams.switch_interval(bigrams.SWITCH_INTERVAL):
        assert sys.getswitchinterval() == pytest.approx(bigrams.SWITCH_INTERVAL)
    assert sys.getswitchinterval() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads", "0"], "--threads"),
        (["--files", "many"], "--files"),
        (["--output", "no/such/folder.png"], "--output"),
        (["--bytes", "1"], "nothing to count"),
    ],
)
def test_bigrams_refuses_what_it_cannot_do(tmp_path, arguments, message):
    result = run("bigrams.py", *arguments, folder=tmp_path)
    assert result.returncode == 2
    assert message in result.stdout + result.stderr


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_bar_is_one_line_on_a_terminal_and_nothing_elsewhere(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    bigrams = load("bigrams")
    for stream in Terminal(), io.StringIO():
        bar = bigrams.ProgressBar(stream)
        bar.show("half of it", 0.5)
        bar.show("at once again", 0.6)  # too early to be drawn
        bar.clear()
        if stream.isatty():
            assert "half of it" in stream.getvalue()
            assert " 50%" in stream.getvalue()
            assert "at once again" not in stream.getvalue()
            assert "\n" not in stream.getvalue()
        else:
            assert stream.getvalue() == ""


def test_why_loses_no_update_of_a_locked_array_and_resizes_it_to_the_end(tmp_path):
    result = run("why.py", "--updates", "2000", "--resizes", "100", folder=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    counted, grown = result.stdout.splitlines()[-2:]
    assert re.search(r"  [\d,]+ of 2,000 +2,000 of 2,000$", counted)
    assert grown.startswith("log.resize() beside log.sum()")  # on a plain array it may crash
    assert grown.endswith("  done")


def test_why_ends_with_exit_code_1_when_a_locked_array_loses_an_update(monkeypatch, capsys):
    why = load("why")
    lost = lambda name, array, size: f"{size - 1} of {size}"
    monkeypatch.setattr(why, "outcome", lost)
    monkeypatch.setattr(sys, "argv", ["why.py"])
    assert why.main() == 1
    assert "999999 of 1000000" in capsys.readouterr().out


def test_frames_from_a_locked_array_are_never_torn(tmp_path):
    result = run("frames.py", "--frames", "300", folder=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    row = r"^(\w+) +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+)$"
    rows = {
        array: list(map(number, numbers))
        for array, *numbers in re.findall(row, result.stdout, re.MULTILINE)
    }
    assert list(rows) == ["ndarray", "LockedArray"]
    for acquired_per_second, shown_per_second, shown, torn in rows.values():
        assert acquired_per_second > 0
        assert shown_per_second > 0
        assert shown >= 2  # each display has shown something
        assert 0 <= torn <= shown
    assert rows["LockedArray"][-1] == 0


class AlwaysTorn(np.ndarray):
    def copy(self):
        torn = np.array(self)
        torn[-1, -1] += 1
        return torn


def test_frames_ends_with_exit_code_1_when_a_frame_is_torn(monkeypatch, capsys):
    frames = load("frames")
    broken = lambda picture: picture.copy().view(AlwaysTorn)
    monkeypatch.setattr(frames.la, "LockedArray", broken)
    monkeypatch.setattr(sys, "argv", ["frames.py", "--frames", "10"])
    assert frames.main() == 1
    *_, shown, torn = capsys.readouterr().out.split()
    assert shown == torn


def test_kmeans_by_threads_finds_the_clusters_of_one_thread(tmp_path):
    pytest.importorskip("sklearn")
    result = run("kmeans.py", "--threads", "3", folder=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "the clusters are the same\n" in result.stdout


def test_kmeans_without_scikit_learn_says_how_to_get_it(tmp_path):
    (tmp_path / "sklearn.py").write_text("raise ImportError('as if it were not installed')")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    result = run("kmeans.py", folder=tmp_path, PYTHONPATH=path)
    assert result.returncode == 2
    assert "pip install scikit-learn" in result.stdout


def test_kmeans_ends_with_exit_code_1_when_the_clusters_differ(monkeypatch, capsys):
    pytest.importorskip("sklearn")
    kmeans = load("kmeans")
    wrong = lambda images, start, threads: (start + 1, 1)
    monkeypatch.setattr(kmeans, "by_threads", wrong)
    monkeypatch.setattr(sys, "argv", ["kmeans.py"])
    assert kmeans.main() == 1
    assert "NOT THE SAME" in capsys.readouterr().out


def test_progress_shows_each_tenth_and_hashes_as_one_thread_does(tmp_path):
    result = run("progress.py", "--files", "50", "--threads", "3", folder=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    shown = re.findall(r"^ *(\d+)% +([\d,]+) files", result.stdout, re.MULTILINE)
    assert [int(part) for part, _ in shown] == list(range(10, 101, 10))
    assert all(number(files) >= int(part) / 2 for part, files in shown)
    assert number(shown[-1][1]) == 50


def test_growing_log_has_the_rows_that_one_thread_finds(tmp_path):
    result = run("growing_log.py", "--files", "50", "--threads", "3", folder=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    rows = [number(found) for found in re.findall(r"^ *([\d,]+) rows", result.stdout, re.MULTILINE)]
    assert len(rows) == 4
    assert rows == sorted(rows)
    assert rows[-1] == 50
    drawn = (tmp_path / "log.png").exists()
    assert drawn == (importlib.util.find_spec("matplotlib") is not None)


def test_ring_buffer_passes_each_frame_to_each_consumer(tmp_path):
    arguments = ["--frames", "100", "--height", "6", "--width", "8"]
    result = run("ring_buffer.py", *arguments, folder=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "each has seen every frame, in order" in result.stdout


def test_ring_buffer_ends_with_exit_code_1_when_a_frame_is_lost(monkeypatch, capsys):
    ring_buffer = load("ring_buffer")
    monkeypatch.setattr(ring_buffer, "run", lambda *arguments: (1.0, [[], []]))
    monkeypatch.setattr(sys, "argv", ["ring_buffer.py", "--frames", "5"])
    assert ring_buffer.main() == 1
    assert "SOMETHING ELSE" in capsys.readouterr().out


needs_processes = pytest.mark.skipif(sys.platform == "win32", reason="no arrays between processes")


@needs_processes
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_repair_what_a_killed_one_left_and_count_as_one_does(tmp_path, method):
    arguments = ["--files", "60", "--processes", "3", "--method", method]
    result = run("processes.py", *arguments, folder=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    assert "process 0: killed by SIGKILL\n" in result.stdout
    assert re.search(r"^process \d: PoisonedError, bytes", result.stdout, re.MULTILINE)
    assert "process 0: another one goes on, with 20 files\n" in result.stdout
    assert f"60 files, {sum(len(d) - 1 for d in source_files(60) if d):,} pairs" in result.stdout
    assert "the counts are those of one process\n" in result.stdout


@needs_processes
def test_processes_ends_with_exit_code_1_when_a_count_is_wrong(monkeypatch, capsys):
    processes = load("processes")
    wrong = lambda paths, number, method: np.ones(processes.SHAPE, np.int64)
    monkeypatch.setattr(processes, "count_by_processes", wrong)
    monkeypatch.setattr(sys, "argv", ["processes.py", "--files", "9"])
    assert processes.main() == 1
    assert "WRONG" in capsys.readouterr().out


needs_dask = pytest.mark.skipif(
    "lockedarray.distributed" not in MODULES, reason="distributed is not installed"
)


def check_counted_by_cluster(result):
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""  # no progress bar where there is no terminal
    assert f"60 files, {sum(len(d) - 1 for d in source_files(60) if d):,} pairs" in result.stdout
    assert "the counts are those of one process\n" in result.stdout


@needs_dask
def test_cluster_counts_each_file_once_when_a_worker_is_killed_that_only_counts(tmp_path):
    result = run("cluster.py", "--files", "60", "--workers", "2", folder=tmp_path)
    check_counted_by_cluster(result)
    assert re.search(r"now tcp://\S+ is killed, which only counts\n", result.stdout)
    assert "OwnerLost" not in result.stdout


@needs_dask
def test_cluster_counts_each_file_once_when_the_owner_is_killed(tmp_path):
    arguments = ["--files", "60", "--workers", "2", "--kill", "owner", "--folder", tmp_path]
    result = run("cluster.py", *arguments, folder=tmp_path)
    check_counted_by_cluster(result)
    assert re.search(r"now tcp://\S+ is killed, which owns the array\n", result.stdout)
    back = re.search(r"back from its checkpoint, with (\d+) files\n", result.stdout)
    assert 15 <= int(back[1]) <= 60  # the first checkpoint is when a quarter is counted
    assert not list(tmp_path.iterdir())


@needs_dask
def test_cluster_kills_nobody_in_a_cluster_of_others(tmp_path):
    import distributed

    settings = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": ":0"}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:
        before = client.run(os.getpid)
        arguments = ["--files", "60", "--address", cluster.scheduler_address]
        result = run("cluster.py", *arguments, folder=tmp_path)
        assert client.run(os.getpid) == before
    check_counted_by_cluster(result)
    assert "killed" not in result.stdout


@needs_dask
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--address", "tcp://localhost:1", "--kill", "owner"], "--kill"),
        (["--workers", "1"], "--workers"),
        (["--files", "3"], "--files"),
    ],
)
def test_cluster_refuses_what_it_cannot_do(tmp_path, arguments, message):
    result = run("cluster.py", *arguments, folder=tmp_path)
    assert result.returncode == 2
    assert f"error: {message}" in result.stderr


@needs_dask
def test_cluster_ends_with_exit_code_1_when_a_count_is_wrong(monkeypatch, capsys):
    cluster = load("cluster")
    wrong = {"counts": np.ones(cluster.PAIRS, np.int64), "again": 0}
    monkeypatch.setattr(cluster, "run", lambda chosen, contents: (wrong, 2, 1.0))
    monkeypatch.setattr(sys, "argv", ["cluster.py", "--files", "9"])
    assert cluster.main() == 1
    assert "WRONG" in capsys.readouterr().out


def test_cluster_without_dask_says_how_to_get_it(tmp_path):
    (tmp_path / "distributed.py").write_text("raise ModuleNotFoundError('as if it were not there')")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    result = run("cluster.py", folder=tmp_path, PYTHONPATH=path)
    assert result.returncode == 2
    assert "pip install lockedarray[distributed]" in result.stdout
