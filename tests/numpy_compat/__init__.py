"""NumPy's own test suite, with LockedArrays in place of the arrays that it makes."""
