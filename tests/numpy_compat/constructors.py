"""NumPy as its test modules see it: what makes arrays makes them of another class.

The test modules import NumPy through `Namespace`, a stand-in for a module that gives out other
constructors and is otherwise the module.  So the constructors are replaced from the first line of
a test module on, for arrays and parameters that it makes while it is imported, too; and NumPy's
own code, which does not go through a `Namespace`, has its own.

Two things are done to the test modules beside that, in both runs.  ``np.random.shuffle``, which
NumPy does not dispatch and which tests use for their data, shuffles the raw view of a write guard,
as users are told to.  And the lines in ``adaptations.toml`` are replaced.
"""

from __future__ import annotations

import builtins
import functools
import importlib.abc
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np

import lockedarray as la

__all__ = ["CLASSES", "Identity", "install"]

NAMES = (
    "array asarray asanyarray ascontiguousarray asfortranarray zeros ones empty full zeros_like "
    "ones_like empty_like full_like arange linspace logspace geomspace eye identity tri indices "
    "fromiter fromfunction frombuffer fromstring fromfile copy"
).split()
RANDOM_NAMES = (
    "rand randn random random_sample ranf sample randint uniform normal standard_normal choice "
    "permutation"
).split()

HUGE = 1 << 28
"""Bytes from which on an array is not copied: it may have been allocated lazily."""


class Identity(np.ndarray):
    """The trivial subclass: what fails with it is no concern of ours."""


def _identity(box):
    array = box.pop()
    if array.base is not None or array.nbytes > HUGE:
        return array.view(Identity)
    made = np.empty_like(array.view(Identity))  # owns its data, as `array` does
    made[...] = array
    return made


def _locked(box):
    if box[0].base is not None:
        return la.LockedArray(box[0], copy=False)
    return la.LockedArray(box.pop())  # the last reference: takes over the memory


CLASSES = {"identity": _identity, "locked": _locked, "plain": list.pop}
"""By name, functions that convert an array that is handed over in a list."""

# What makes no new array of one of ours keeps the class of that one, and its memory.
_PASSING_ON = {
    np.array: {},
    np.asarray: {"copy": None},
    np.asanyarray: {"copy": None},
    np.ascontiguousarray: {"copy": None, "order": "C", "ndmin": 1},
    np.asfortranarray: {"copy": None, "order": "F", "ndmin": 1},
}


def _converted(result, arguments, convert):
    if type(result) in (tuple, list):
        return type(result)(_converted(item, arguments, convert) for item in result)
    if type(result) is not np.ndarray or any(result is argument for argument in arguments):
        return result
    if result.base is not None and any(isinstance(item, np.ndarray) for item in arguments):
        return result  # what NumPy makes of an array that was there before
    box = [result]
    del result
    return convert(box)


def _replaced(function, convert):
    passing_on = _PASSING_ON.get(function)

    @functools.wraps(function)
    def constructor(*args, **kwargs):
        if passing_on is not None and args and type(args[0]) in (Identity, la.LockedArray):
            return _passed_on(function, passing_on, args, kwargs)
        arguments = (*args, *kwargs.values())
        return _converted(function(*args, **kwargs), arguments, convert)

    return constructor


def _passed_on(function, settings, args, kwargs):
    names = ("dtype", "order") if function not in (np.array,) else ("dtype",)
    given = dict(zip(names, args[1:], strict=False))
    return np.array(
        args[0], *args[1 + len(given) :], **{**settings, **given, **kwargs, "subok": True}
    )


@functools.wraps(np.random.shuffle)
def _shuffle(array):
    shuffle = np.random.shuffle
    if not isinstance(array, la.LockedArray):
        return shuffle(array)
    with array.write() as raw:
        return shuffle(raw)


class Namespace(ModuleType):
    """A stand-in for a module of NumPy, with other constructors in it and in its submodules."""

    def __init__(self, module, replacements):
        object.__setattr__(self, "_of", (module, replacements))

    def __getattribute__(self, name):
        module, replacements = object.__getattribute__(self, "_of")
        value = getattr(module, name)
        if _is_numpy(value):
            return Namespace(value, replacements)
        return replacements.get(id(value), value)

    def __setattr__(self, name, value):
        setattr(object.__getattribute__(self, "_of")[0], name, value)

    def __delattr__(self, name):
        delattr(object.__getattribute__(self, "_of")[0], name)

    def __dir__(self):
        return dir(object.__getattribute__(self, "_of")[0])


def _is_numpy(value):
    if not isinstance(value, ModuleType) or isinstance(value, Namespace):
        return False
    return value.__name__.partition(".")[0] == "numpy"


class _Finder(importlib.abc.MetaPathFinder):
    """Finds NumPy's test modules as others do, and has them see NumPy as `Namespace`."""

    def __init__(self, convert):
        functions = [getattr(np, name) for name in NAMES]
        functions += [getattr(np.random, name) for name in RANDOM_NAMES]
        self._functions = [*functions, np.random.shuffle]  # they are known by their ids
        self._replacements = {id(function): _replaced(function, convert) for function in functions}
        self._replacements[id(np.random.shuffle)] = _shuffle
        self._folder = Path(np.__file__).parent

    def find_spec(self, name, path=None, target=None):
        if not name.rpartition(".")[2].startswith("test_"):
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                if spec.origin and self._folder in Path(spec.origin).parents:
                    spec.loader = _Loader(spec.loader, self._import, _adapted(spec.origin))
                return spec
        return None

    def _import(self, *args, **kwargs):
        module = builtins.__import__(*args, **kwargs)
        return Namespace(module, self._replacements) if _is_numpy(module) else module


def _adapted(path):
    """Return the source of a test module with the replaced lines; None where there are none."""
    with (Path(__file__).parent / "adaptations.toml").open("rb") as file:
        adaptations = tomllib.load(file)["adaptation"]
    source = original = Path(path).read_text(encoding="utf-8")
    for adaptation in adaptations:
        package, _, name = adaptation["module"].rpartition(".")
        if Path(path).match(f"{package}/tests/test_{name}.py"):
            source = source.replace(adaptation["old"], adaptation["new"])
    return None if source == original else source


class _Loader(importlib.abc.Loader):
    def __init__(self, loader, import_function, source):
        self._loader = loader
        self._import = import_function
        self._source = source

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        # Where the import statements of a module, and of the functions in it, look for it.
        module.__builtins__ = {**vars(builtins), "__import__": self._import}
        if self._source is None:
            self._loader.exec_module(module)
        else:
            exec(compile(self._source, module.__file__, "exec"), vars(module))


def install(name):
    """Have NumPy's test modules, imported from now on, make arrays of the class of this name."""
    sys.meta_path.insert(0, _Finder(CLASSES[name]))
