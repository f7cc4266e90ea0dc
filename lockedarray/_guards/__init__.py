"""Guards, and lock objects: locks that are held for longer than one operation."""
