"""Which modules of the package can be imported here: some need a package that is an extra."""

import importlib.util
import pkgutil

import lockedarray

__all__ = ["MODULES"]

# What begins so needs that.
_NEEDED = {"lockedarray.distributed": "distributed", "lockedarray._distributed.": "distributed"}


def _can_be_imported(name):
    needed = [package for module, package in _NEEDED.items() if name.startswith(module)]
    return all(importlib.util.find_spec(package) is not None for package in needed)


MODULES = ["lockedarray"] + [
    module.name
    for module in pkgutil.walk_packages(lockedarray.__path__, "lockedarray.")
    if _can_be_imported(module.name)
]
