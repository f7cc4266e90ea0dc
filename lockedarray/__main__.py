"""What a report of a fault has to tell of the installation: ``python -m lockedarray`` prints it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import sysconfig

import lockedarray
from lockedarray._cores import build

__all__ = ["installation"]


def installation() -> dict[str, str]:
    """Return versions, core, build and flags, each with its name."""
    return {
        "lockedarray": lockedarray.__version__,
        "core": f"{lockedarray.backend} ({build})",
        "numpy": importlib.metadata.version("numpy"),
        "readerwriterlock": importlib.metadata.version("readerwriterlock"),
        "distributed": _version_if_there("distributed"),
        "python": f"{platform.python_implementation()} {platform.python_version()}, {_gil()}",
        "compiler of python": platform.python_compiler(),
        "system": f"{platform.platform()}, {os.cpu_count()} processors",
        "x[i] += v is one step": str(lockedarray.atomic_augmented_assignment),
        "environment": " ".join(_settings()) or "nothing that counts here",
    }


def _version_if_there(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _gil() -> str:
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "with the GIL"
    # NumPy, or another module, may have turned it on again.
    enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
    return "free-threaded, " + ("the GIL turned on" if enabled else "without the GIL")


def _settings() -> list[str]:
    """Return the variables that change what the package does, as they are set."""
    return [
        f"{name}={value}"
        for name, value in sorted(os.environ.items())
        if name.startswith("LOCKEDARRAY_")
        or name in ("PYTHON_GIL", "PYTHONMALLOC", "PYTHONDEVMODE")
    ]


if __name__ == "__main__":
    for name, value in installation().items():
        print(f"{name + ':':24}{value}")
