"""matplotlib: plots of an array that other threads go on writing."""

import io
import threading

import numpy as np
import pytest

import lockedarray as la
from arrange import free, waits_beside
from threads import DEADLINE, start

matplotlib = pytest.importorskip("matplotlib")
figure = pytest.importorskip("matplotlib.figure")
agg = pytest.importorskip("matplotlib.backends.backend_agg")


@pytest.fixture
def axes():
    fig = figure.Figure()
    agg.FigureCanvasAgg(fig)
    return fig.subplots()


def draw(axes):
    output = io.BytesIO()
    axes.figure.savefig(output, format="png", dpi=20)
    return output.getvalue()


LINES = {
    "plot": lambda axes, x: axes.plot(x),
    "scatter": lambda axes, x: axes.scatter(x, x),
    "bar": lambda axes, x: axes.bar(range(6), x),
    "hist": lambda axes, x: axes.hist(x),
    "fill_between": lambda axes, x: axes.fill_between(range(6), x),
}


@pytest.mark.parametrize("plot", LINES.values(), ids=LINES)
def test_plot_reads_under_the_lock_and_keeps_a_copy(axes, plot):
    x = la.LockedArray(np.arange(6.0))
    mode, _ = waits_beside(x.write(), x.lock, lambda: plot(axes, x))
    assert mode == "read"
    before = draw(axes)
    x[:] = [5, 0, 4, 1, 3, 2]
    assert draw(axes) == before
    assert free(x)


def test_line_takes_new_data_under_the_read_lock(axes):
    x = la.LockedArray(np.arange(6.0))
    [line] = axes.plot(np.zeros(6))
    mode, _ = waits_beside(x.write(), x.lock, lambda: line.set_ydata(x))
    assert mode == "read"
    assert line.get_ydata().tolist() == x.tolist()


def test_image_is_a_copy_of_a_snapshot_made_under_the_lock(axes):
    x = la.LockedArray(np.arange(12.0).reshape(3, 4))
    assert waits_beside(x.write(), x.lock, lambda: axes.imshow(x))[0] is None
    mode, image = waits_beside(x.write(), x.lock, lambda: axes.imshow(x.snapshot()))
    assert mode == "read"
    assert image.get_array().tolist() == x.tolist()


def test_plots_drawn_while_a_writer_runs_show_whole_frames(axes):
    x = la.zeros(50)
    stop, written = threading.Event(), threading.Event()

    def write():
        for number in range(1, 1_000_000):
            x[:] = number
            written.set()
            if stop.is_set():
                return

    writer = start(write)
    try:
        assert written.wait(DEADLINE)
        for _ in range(5):
            [line] = axes.plot(x)
            shown = line.get_ydata()
            assert (shown == shown[0]).all()
            draw(axes)
    finally:
        stop.set()
        writer.result()
    assert free(x)
