"""Imports run one way, down: array, guards, the choice of a core, the cores, errors."""

import ast
import pickle
import pkgutil
import traceback
from pathlib import Path

import lockedarray

ROOT = Path(lockedarray.__file__).parent

# The house, from the roof down: a module imports what is on floors below its own, and nothing else.
FLOORS = """
__main__
distributed
_distributed.array
_distributed.calls _distributed.guards
_distributed.at
_distributed.arguments _distributed.clients _distributed.refusals
_distributed.making
_distributed.link
_distributed.owner
_distributed.operations
_distributed.lanes _distributed.leases _distributed.registry _distributed.staging
_distributed.wire
_distributed.errors
_distributed.checkpoints _distributed.clock _distributed.held _distributed.splitting
_distributed
shared
lockedarray
_shared.arrays _shared.listing
_shared.buffer _shared.lifetime
_shared.control
_shared.backends
_shared.record_locks _shared.robust
_shared.attachments
_shared.backend
_shared.header
_shared.segments
_shared
_array.creation _array.recognition
_array.array
_array.numpy_interface
_array.methods
_array.at _array.construction _array.copying _array.flat _array.text _array.dispatch.functions _array.dispatch.ufuncs
_array.dispatch.operation
_array.dispatch.operands _array.growing _array.dispatch.operators _array.dispatch.results
_array.augmented _array.dispatch.arguments _array.dispatch.function_roles _array.flags _array.pointers _array.resizing
_array.facade
_array.buffer
_array.memory _array.region _array.temporaries
_array.calls _array.indexing _array.objects _array.overlap _array.voids
_array _array.dispatch
_guards.region_lock
_guards.conditions
_guards.guards _guards.tracing
_guards.debugging
_guards.observing _guards.watching
_guards.awaiting _guards.lockables
_guards
_cores
_core _portable
_portable.bases
_core.lock _core.teller _portable.lock _portable.memory _portable.statement
_alive _errors _holding _places _tasks
"""
FLOOR = {name: i for i, names in enumerate(FLOORS.split("\n")) for name in names.split()}


def short(name):
    """The name of a module as it is in `FLOORS`."""
    return name.removeprefix("lockedarray.")


def modules():
    """Yield (name, source path) of each module of the package in Python."""
    yield "lockedarray", ROOT / "__init__.py"
    for module in pkgutil.walk_packages([str(ROOT)], "lockedarray."):
        path = ROOT.joinpath(*module.name.split(".")[1:])
        path = path / "__init__.py" if module.ispkg else path.with_suffix(".py")
        if path.exists():  # and is no extension module
            yield module.name, path


KNOWN = dict(modules())


def imported(name):
    """Yield the names of this package's modules that the module imports, wherever it does."""
    for node in ast.walk(ast.parse(KNOWN[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            found = [f"{node.module}.{alias.name}" for alias in node.names]
            if not KNOWN.keys() >= set(found):  # it is names of the module itself that are imported
                found.append(node.module)
        else:
            continue
        yield from (module for module in found if module in KNOWN and module != name)


def test_every_module_has_its_floor():
    assert {short(name) for name in KNOWN} >= FLOOR.keys() - {"_core", "_core.lock", "_core.teller"}
    assert {short(name) for name in KNOWN} <= FLOOR.keys()


def test_no_module_imports_one_beside_or_above_it():
    arrows = [(short(a), short(b)) for a in KNOWN for b in imported(a)]
    assert len(arrows) > len(KNOWN)
    assert [(a, b) for a, b in arrows if FLOOR[b] <= FLOOR[a]] == []


def test_nothing_but_cores_imports_a_core():
    for name in KNOWN:
        for module in imported(name):
            core = short(module).split(".")[0]
            if core in ("_core", "_portable"):
                assert short(name).split(".")[0] in (core, "_cores"), f"{name}: {module}"


def test_public_names_are_those_of_all_and_no_modules():
    public = [name for name in dir(lockedarray) if not name.startswith("_")]
    public = [
        name for name in public if name not in ("distributed", "shared")
    ]  # if somebody has imported it
    assert public == sorted(set(lockedarray.__all__) - {"__version__"})


def test_public_classes_and_functions_name_the_package_they_are_imported_from():
    things = [getattr(lockedarray, name) for name in lockedarray.__all__]
    things = [thing for thing in things if callable(thing)]
    assert len(things) == 23
    for thing in things:
        assert thing.__module__ == "lockedarray"
        assert pickle.loads(pickle.dumps(thing)) is thing


def test_tracebacks_name_errors_as_users_write_them():
    lines = traceback.format_exception_only(lockedarray.LockTimeout("late"))
    assert lines == ["lockedarray.LockTimeout: late\n"]
    assert (
        repr(pickle.loads(pickle.dumps(lockedarray.DeadlockError("why")))) == "DeadlockError('why')"
    )


def test_methods_are_pickled_by_their_names():
    for name in ("sum", "read", "resize", "sort"):
        method = getattr(lockedarray.LockedArray, name)
        assert pickle.loads(pickle.dumps(method)) is method
