"""How NumPy reaches a LockedArray: its functions, its ufuncs, and one locked operation."""
