"""Makes the helpers of the tests importable: `threads` and the packages beside it."""

import sys
from pathlib import Path

# In importlib mode pytest leaves sys.path alone. This folder holds tests only, so the package
# under test is still the one that is installed.
sys.path.append(str(Path(__file__).parent))
