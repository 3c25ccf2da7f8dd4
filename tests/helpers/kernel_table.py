"""The table of kernels in native/, without importing `zoo_native`."""

import importlib.util
from pathlib import Path
from types import ModuleType

NATIVE = Path(__file__).parents[2] / "native"


def load_table() -> ModuleType:
    """Return the module ``zoo_native.table``; the package needs compiled libraries."""
    path = NATIVE / "zoo_native/table.py"
    spec = importlib.util.spec_from_file_location("zoo_native_table", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
