"""Arrays for the catalogue: small, of every kind of dtype, and with values in no order."""

from fractions import Fraction

import numpy as np

FLOATS = np.array([0.5, 0.25, 0.75, 0.125, 0.875, 0.375])
OTHERS = np.array([0.25, 0.5, 0.625, 0.75, 0.125, 0.875])
TABLE = np.array([[0.5, 0.25, 0.75, 0.125], [0.875, 0.375, 0.625, 1.5], [2.5, 1.25, 3.5, 1.75]])
CUBE = np.arange(24.0).reshape(2, 3, 4)[:, ::-1].copy()
SQUARE = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]])  # positive definite
WITH_NAN = np.array([[0.5, np.nan, 0.75], [0.125, 0.875, np.nan]])
ZERO_D = np.array(2.5)

INTS = np.array([3, 1, 2, 5, 4, 6])
SMALL = np.array([2, 0, 1, 3, 1, 2])
INT_TABLE = np.array([[3, 1, 2], [6, 4, 5]])
BYTES = np.array([3, 1, 200, 5], np.uint8)
BITS = np.array([1, 0, 1, 1, 0, 0, 1, 0], np.uint8)
BOOLS = np.array([True, False, True, True, False, True])
MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])

COMPLEX = np.array([1 + 2j, 3 - 4j, 0.5 + 0.25j])
COMPLEX_TABLE = np.array([[1 + 2j, 3 - 4j], [0.5j, 2.0]])
DATES = np.array(["2024-01-03", "2024-01-01", "2024-01-02"], "M8[D]")
DELTAS = np.array([3, 1, 2], "m8[D]")
TEXT = np.array(["pear", "fig", "apple"])
OBJECTS = np.array([3, Fraction(1, 2), 2, 7], dtype=object)
RECORDS = np.array([(3, 0.5), (1, 0.25), (2, 0.75)], [("a", "i4"), ("b", "f8")])
MORE_RECORDS = np.array([(1, 1.5), (5, 2.5)], [("a", "i4"), ("c", "f8")])
MIXED = np.array([(3, "pear"), (1, "fig")], [("a", "i4"), ("o", "O")])
STRINGS = np.array(["pear", "fig", "apple"], np.dtypes.StringDType())
PAIRS = np.array([(0.5, 1.5), (2.5, 3.5)], [("u", "f8"), ("v", "f8")])
