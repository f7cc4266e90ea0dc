"""What the tests of several threads share."""

import pytest

from threads import Step


@pytest.fixture
def threads():
    """Return a function that makes so many `Step` threads; they are ended after the test."""
    made = []

    def make(count):
        made.extend(Step() for _ in range(count))
        return made[-count:]

    yield make
    for thread in made:
        thread.end()
