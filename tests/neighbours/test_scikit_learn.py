"""scikit-learn: fitting on what other threads go on writing."""

import threading

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside
from threads import DEADLINE, start

sklearn = pytest.importorskip("sklearn")
linear_model = pytest.importorskip("sklearn.linear_model")
preprocessing = pytest.importorskip("sklearn.preprocessing")

CLASSES = np.array([0, 1] * 10)
POINTS = np.random.default_rng(0).normal(size=(20, 3)) + CLASSES[:, None] * 8


def test_partial_fit_on_a_snapshot_beside_writers_sees_whole_batches():
    x = la.LockedArray(POINTS)
    stop, written = threading.Event(), threading.Event()

    def write():
        rounds = 0
        while not stop.is_set() and rounds < 100_000:
            with x.write() as raw:
                raw += 1.0  # all of a batch is shifted, or nothing of it
                raw -= 1.0
            written.set()
            rounds += 1

    writer = start(write)
    try:
        assert written.wait(DEADLINE)
        model = linear_model.SGDClassifier(random_state=0)
        expected = linear_model.SGDClassifier(random_state=0)
        for _ in range(5):
            batch = x.snapshot()
            assert np.allclose(batch, POINTS)
            model.partial_fit(batch, CLASSES, classes=[0, 1])
            expected.partial_fit(POINTS, CLASSES, classes=[0, 1])
    finally:
        stop.set()
        writer.result()
    assert np.allclose(model.coef_, expected.coef_)
    assert model.predict(x.snapshot()).tolist() == CLASSES.tolist()
    assert free(x)


def test_fit_on_the_array_itself_works_and_reads_without_the_lock():
    x = la.LockedArray(POINTS)
    model = linear_model.LogisticRegression()
    mode, _ = waits_beside(x.write(), x.lock, lambda: model.fit(x, CLASSES))
    assert mode is None
    assert model.predict(x).tolist() == CLASSES.tolist()


def test_snapshot_is_taken_under_the_read_lock():
    x = la.LockedArray(POINTS)
    model = linear_model.SGDClassifier()
    mode, _ = waits_beside(
        x.write(), x.lock, lambda: model.partial_fit(x.snapshot(), CLASSES, classes=[0, 1])
    )
    assert mode == "read"


def test_scaling_in_place_writes_to_a_copy_or_is_refused():
    x = la.LockedArray(POINTS)
    try:
        preprocessing.StandardScaler(copy=False).fit_transform(x)
    except ValueError as refusal:
        assert "read-only" in str(refusal)
    assert np.array_equal(x.snapshot(), POINTS)
    with x.write() as raw:
        preprocessing.StandardScaler(copy=False).fit_transform(raw)
    assert np.allclose(x.snapshot().std(axis=0), 1)


def test_labels_are_assigned_under_the_write_lock():
    labels = la.zeros(20, dtype=int)
    model = linear_model.LogisticRegression().fit(POINTS, CLASSES)

    def predict():
        labels[:] = model.predict(POINTS)

    assert waits_beside(labels.read(), labels.lock, predict)[0] == "write"
    assert labels.tolist() == CLASSES.tolist()
