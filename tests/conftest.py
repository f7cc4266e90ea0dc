"""Makes the helpers of the tests importable: `threads` and the packages beside it."""

import signal
import sys
from pathlib import Path

# In importlib mode pytest leaves sys.path alone. This folder holds tests only, so the package
# under test is still the one that is installed.
sys.path.append(str(Path(__file__).parent))

# What a shell starts in the background ignores Ctrl-C, and so does all that is started from there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
