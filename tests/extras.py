"""Which modules of the package can be imported here: some need a package that is an extra."""

import importlib.util
import pkgutil

import lockedarray

__all__ = ["MODULES"]

# What begins so needs that.  A module of it is looked for, and not the package: the folder of the
# tests of that name is found as a package, too.
_NEEDED = {
    "lockedarray.distributed": "distributed.client",
    "lockedarray._distributed.": "distributed.client",
}


def _is_there(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _can_be_imported(name):
    needed = [module for beginning, module in _NEEDED.items() if name.startswith(beginning)]
    return all(map(_is_there, needed))


MODULES = ["lockedarray"] + [
    module.name
    for module in pkgutil.walk_packages(lockedarray.__path__, "lockedarray.")
    if _can_be_imported(module.name)
]
