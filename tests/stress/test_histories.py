"""Random short histories of operations have an order; and broken locks are found by those that have none."""

import dataclasses
import itertools
import multiprocessing
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import lockedarray as la
from array_histories import ARGUMENTS, Cells, model
from linearizability import UNKNOWN, Operation, find_order
from stress import callers
from stress.broken import (
    BROKEN,
    AddInTwoSteps,
    HalfOfTheRegion,
    NoLock,
    OneAfterTheOther,
    ResizeWithoutLock,
    scene_of,
)
from stress.callers import Processes, Threads
from stress.histories import check_all, main
from stress.scenes import SCENES, draw
from stress.shortest import READS, beginning, shortest, without_reads
from threads import DEADLINE, changing_often

MANY = 300
"""How many histories each scene has; and in how many a broken lock has to be found."""


@pytest.fixture
def threads():
    with changing_often(), Threads() as players:
        yield players


def in_order(players, seeds, scenes, most_callers=8):
    told = []

    def tell(seed, text):
        told.append(f"seed {seed}, {text}")

    wrong, _ = check_all(players, seeds, scenes, most_callers, tell, seconds=5)
    assert wrong == 0, "\n".join(told)


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_what_threads_do_has_an_order(threads, scene):
    in_order(threads, range(MANY), (scene,))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_what_processes_do_has_an_order(tmp_path):
    scenes = tuple(scene for scene in SCENES.values() if scene.for_processes)
    with Processes(scenes) as players:
        in_order(players, range(MANY), scenes, most_callers=4)


def found(players, broken, most_callers=8):
    """Return the first play that shows the fault, and its history."""
    for seed in range(MANY):
        play = draw(seed, (scene_of(broken),), most_callers)
        history = players.play(play)
        if find_order(history, model, play.scene.state) is None:
            return play, history
    pytest.fail(f"not found in {MANY} histories")


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_lock_is_found(threads, broken):
    if broken is HalfOfTheRegion and la.backend == "portable":
        pytest.skip("the portable core locks all of an array")
    found(threads, broken)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
@pytest.mark.parametrize("broken", [AddInTwoSteps, OneAfterTheOther, ResizeWithoutLock])
def test_a_broken_lock_between_processes_is_found(broken):
    with Processes((scene_of(broken),)) as players:
        found(players, broken, most_callers=4)


def test_of_a_lost_update_the_two_calls_and_what_is_left_are_told(threads):
    play, history = found(threads, AddInTwoSteps)
    state = play.scene.state
    play, history = shortest(threads.play, play, history, model, state, tries=100)
    assert [[call[0] for call in program] for program in play.programs] == [["add"], ["add"]]
    assert sorted(operation.call[0] for operation in history) == ["add", "add", "snapshot"]
    assert find_order(history, model, state) is None


def test_of_a_torn_read_nothing_is_told_that_came_later():
    state = SCENES["vector"].state
    history = [
        Operation("a", ("set_slice", 0, 2, 7), None, 0, 100),
        Operation("b", ("get", 3), 0, 1, 2),
        Operation("b", ("get_slice", 0, 2), (7, 0), 10, 20),
        Operation("c", ("set", 0, 1), None, 15, 30),
        Operation("c", ("set", 0, 2), None, 40, 50),
    ]
    part = beginning(history, model, state)
    assert [operation.call[0] for operation in part] == ["set_slice", "get", "get_slice", "set"]
    assert [operation.result for operation in part] == [UNKNOWN, 0, (7, 0), UNKNOWN]
    short = without_reads(part, model, state)
    assert [operation.call[0] for operation in short] == ["set_slice", "get_slice", "set"]
    assert find_order(short, model, state) is None


def test_what_counts_as_a_read_changes_nothing_and_nothing_else_does():
    source = random.Random(5)
    changed = set()
    for scene in SCENES.values():
        for seed in range(200):
            for call in itertools.chain(*draw(seed, (scene,)).programs):
                state = tuple(source.randrange(5) for _ in scene.state)
                if call[0] == "compare_exchange":
                    call = (*call[:2], source.randrange(5), call[3])
                if model(state, call)[1] != state:
                    changed.add(call[0])
    kinds = {kind for kinds in ARGUMENTS.values() for kind in kinds.split()}
    assert changed == kinds - READS


def test_each_kind_of_call_is_in_some_scene_and_is_done_by_an_array():
    kinds = {kind for kinds in ARGUMENTS.values() for kind in kinds.split()}
    assert kinds == {kind for scene in SCENES.values() for kind in scene.kinds}
    assert all(hasattr(Cells, kind) for kind in kinds)


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_the_model_of_one_thread_is_what_an_array_does(threads, scene):
    for seed in range(MANY // 3):
        calls = tuple(itertools.chain(*draw(seed, (scene,)).programs))
        if scene.name == "waiting":  # who gives comes first, where there is one thread
            calls = tuple(sorted(calls, key=lambda call: call[0] != "give"))
        cells, state = scene.make(la.zeros), scene.state
        for call in calls:
            if call[0] == "compare_exchange":
                call = (*call[:2], source_of(state, call[1]), call[3])
            result, state = model(state, call)
            assert cells.perform(call) == result, call
            assert cells.snapshot() == state, call


def source_of(state, i):
    return state[i] if i < len(state) else 0


def test_who_waits_is_given_enough_in_each_play():
    scene = SCENES["waiting"]
    for seed in range(1000):
        play = draw(seed, (scene,))
        assert scene.can_end(play.programs)
        assert 2 <= len(play.programs) <= 8
    assert not scene.can_end(((("take",),), (("get", 0),)))
    assert not scene.can_end(((("give",), ("take",)), (("get", 0),)))
    assert not scene.can_end(((("wait_for",),), (("get", 0),)))


def test_a_seed_draws_the_same_play_again():
    assert [draw(seed) for seed in range(50)] == [draw(seed) for seed in range(50)]


def test_the_command_ends_in_one_line_and_tells_what_it_found(monkeypatch, capsys):
    assert main(["--histories", "30", "--seed", "9"]) == 0
    assert capsys.readouterr().out.endswith("histories 30, violations 0, seed 9\n")
    monkeypatch.setitem(SCENES, "rows", scene_of(NoLock))
    status = main(["--histories", "10", "--seed", "9", "--scenes", "rows"])
    told = capsys.readouterr().out
    assert status == 1
    assert "no order explains" in told
    assert "again: --callers threads --seed" in told
    assert "violations 0" not in told.splitlines()[-1]


def test_who_comes_to_no_end_is_told(monkeypatch, capsys):
    come = threading.Event()

    class Waits(Cells):
        def get(self, i):
            assert come.wait(DEADLINE)

    scene = dataclasses.replace(
        SCENES["vector"], make=lambda zeros: Waits(zeros(4, int), length=4), kinds=("get",)
    )
    monkeypatch.setitem(SCENES, "vector", scene)
    monkeypatch.setattr(callers, "PATIENCE", 0.1)
    try:
        status = main(["--histories", "1", "--seed", "4", "--scenes", "vector"])
    finally:
        come.set()
    assert status == 1
    told = capsys.readouterr().out
    assert "seed 4, vector: no end" in told
    assert told.endswith("one history without an end, seed 4\n")


@pytest.mark.parametrize("callers", ["threads", "processes"])
def test_the_command_is_run_as_a_module(callers):
    if callers == "processes" and "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-P", "-m", "stress.histories", "--callers", callers]
    done = subprocess.run(
        [*command, "--histories", "20", "--seed", "3"],
        env=environment, capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    assert done.stdout.endswith("histories 20, violations 0, seed 3\n")
