"""Random programs, played on LockedArrays and on plain arrays side by side."""
