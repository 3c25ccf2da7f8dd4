"""Loading of the authors' programs, and what all `author_*.py` have in common.

A program is that of a cell's authors, or the best-known one. Each function decorated
with `program` loads a file of a checkout (see `authors.toml`) and returns the outputs
``y[B, T, ...]`` for inputs ``x[B, T, D]`` and a dict of parameters, in float64. None of
the authors' code is part of this project. Modules that a file imports, but that the
called functions do not need, are replaced by empty ones.
"""

import importlib
import sys
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

Params = dict[str, Any]
PROGRAMS: dict[str, Callable[[Path, Params, Any], Any]] = {}


def program(function: Callable[[Path, Params, Any], Any]) -> Callable[..., Any]:
    """Register the program of the cell that a function is named after."""
    PROGRAMS[function.__name__] = function
    return function


def put_empty(names: Iterable[str]) -> None:
    """Replace modules by empty ones.

    Args:
        names: of the modules, packages before their parts.
    """
    for name in names:
        stub = types.ModuleType(name)
        stub.__getattr__ = _attribute  # pyright: ignore[reportAttributeAccessIssue]
        sys.modules[name] = stub
        package, _, part = name.rpartition(".")
        if package in sys.modules:
            setattr(sys.modules[package], part, stub)


def load(folder: Path, name: str, empty: Iterable[str] = ()) -> Any:
    """Import a module from a folder, without running the packages that contain it.

    Args:
        folder: that contains the outermost package or module.
        name: of the module, with dots.
        empty: modules to replace by empty ones, whose attributes are functions that
            return None.
    """
    put_empty(empty)
    parts = name.split(".")
    for k in range(1, len(parts)):
        package = types.ModuleType(".".join(parts[:k]))
        package.__path__ = [str(folder.joinpath(*parts[:k]))]
        sys.modules[package.__name__] = package
    sys.modules.pop(name, None)  # two repositories may have a module of this name
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


class _Nothing:
    """What an empty module has under each name: a class, or a decorator."""

    apply = None

    def __init__(*args: Any, **options: Any) -> None:
        """Accept any arguments."""


def _attribute(name: str) -> type[_Nothing]:
    """Return the attribute of an empty module."""
    if name.startswith("__"):
        raise AttributeError(name)
    return _Nothing


def in_double(path: Path, empty: Iterable[str] = ()) -> dict[str, Any]:
    """Run a file with float64 in place of each float32, and return its names.

    Args:
        path: of a file that imports only torch, einops and empty modules.
        empty: as for `load`.
    """
    put_empty(empty)
    text = path.read_text().replace("torch.float32", "torch.float64")
    names: dict[str, Any] = {"__name__": path.stem}
    exec(compile(text.replace(".float()", ".double()"), str(path), "exec"), names)
    return names


def gates(matrix: torch.Tensor, *sizes: int) -> list[torch.Tensor]:
    """Split the last axis of ``x W`` into gates of these widths."""
    return list(matrix.split(sizes, dim=-1))


def heads(a: torch.Tensor, count: int = 2) -> torch.Tensor:
    """Split the last axis into heads."""
    return a.reshape(*a.shape[:-1], count, -1)
