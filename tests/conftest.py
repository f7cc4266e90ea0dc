"""Makes the helpers of the tests importable: `threads` and the packages beside it."""

import gc
import os
import signal
import sys
from pathlib import Path

import pytest

# In importlib mode pytest leaves sys.path alone. This folder holds tests only, so the package
# under test is still the one that is installed.
sys.path.append(str(Path(__file__).parent))

# What a shell starts in the background ignores Ctrl-C, and so does all that is started from there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_PATIENCE = float(os.environ.get("LOCKEDARRAY_PATIENCE", "1"))
"""How much longer than usual tests may take: sanitizers are slow."""


def pytest_collection_modifyitems(items):
    """Give more time to tests that have a time of their own, which the settings do not reach."""
    for item in items:
        own = item.get_closest_marker("timeout")
        if own is not None and _PATIENCE != 1:
            item.add_marker(pytest.mark.timeout(own.args[0] * _PATIENCE), append=False)


def pytest_collection_finish():
    """Have the collector pass over the tests themselves: many of the thousands collect."""
    gc.collect()
    gc.freeze()
