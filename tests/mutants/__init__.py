"""Small faults in the lock and the array, each of which a test has to notice: `make mutants`.

A test suite that passes may be one that looks at nothing.  So each line of the list (`mutants.toml`)
breaks one thing on purpose, in a copy of the tree, and names the test that then fails.
"""
