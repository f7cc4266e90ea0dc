"""What ThreadSanitizer tells of the native core, apart from what it tells of CPython and NumPy."""
