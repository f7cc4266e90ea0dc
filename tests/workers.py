"""What tests have other processes do, which import it from here."""

__all__ = ["add", "add_to_view"]


def add(x, n):
    for _ in range(n):
        x[0] += 1
    return type(x).__name__


def add_to_view(v):
    v += 1
    return v.base.shape
