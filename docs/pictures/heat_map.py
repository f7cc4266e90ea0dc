"""Draw docs/pictures/heat-map.png, the heat map that examples/bigrams.py draws at its end.

python docs/pictures/heat_map.py
"""

import os
import sys
from pathlib import Path

import numpy as np

import lockedarray as la

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent.parent / "examples"))

import bigrams  # noqa: E402

files = bigrams.beginnings(bigrams.standard_library(), sys.maxsize, sys.maxsize)
counts = la.zeros(bigrams.SHAPE, dtype=np.int64)
threads = max(2, os.cpu_count() or 2)
bigrams.count_by_threads(counts, bigrams.add_count, files, threads, lambda part: None)
assert (counts.snapshot() == bigrams.count_by_one_thread(files)).all()
print(bigrams.write_heat_map(counts.snapshot(), HERE / "heat-map.png", dpi=72))
