"""The array type: construction, methods, elements, and what NumPy asks of it."""
