"""Modules of native/zoo_native, without importing `zoo_native`."""

import importlib.util
from pathlib import Path
from types import ModuleType

NATIVE = Path(__file__).parents[2] / "native"


def load_table() -> ModuleType:
    """Return the module ``zoo_native.table``; the package may not be installed."""
    return load_module("table")


def load_module(name: str) -> ModuleType:
    """Return a module of ``zoo_native``.

    Args:
        name: its name, without that of the package.
    """
    path = NATIVE / f"zoo_native/{name}.py"
    spec = importlib.util.spec_from_file_location(f"zoo_native_{name}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
