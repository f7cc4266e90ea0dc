"""Names the packages that are tested against, and their versions, above the results."""

import importlib.metadata

PACKAGES = (
    "numpy pandas scipy scikit-learn matplotlib pillow xarray dask zarr joblib numba torch "
    "cloudpickle ml_dtypes"
).split()


def pytest_report_header():
    return "neighbours: " + ", ".join(map(_version, PACKAGES))


def _version(package):
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"no {package}"
