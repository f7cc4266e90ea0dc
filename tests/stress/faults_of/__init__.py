"""The faults, as programs."""
