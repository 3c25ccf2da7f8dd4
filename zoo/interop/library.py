"""What another library provides: its module, its names of cells, its own options."""

import importlib
from collections.abc import Mapping
from typing import Any

from zoo.cells import Cell


def import_library(name: str, otherwise: str) -> Any:
    """Import a library that zoo does not depend on.

    Args:
        name: of the module.
        otherwise: what to do without it, for the message.

    Raises:
        ImportError: if it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is not installed: {otherwise}") from error


def name_of(cell: Cell, names: Mapping[type[Cell], str], library: str) -> str:
    """Return the name of a cell in another library.

    Args:
        cell: of zoo.
        names: of all cells that the library has. A subclass of them has no name: it may
            compute something else.
        library: its name, for the message.

    Raises:
        ValueError: if the library has no such cell.
    """
    if type(cell) not in names:
        known = ", ".join(known.__name__ for known in names)
        raise ValueError(f"{library} has no {type(cell).__name__}, only {known}")
    return names[type(cell)]


def check_unused(reason: str, **options: Any) -> None:
    """Raise an error for an option that does not apply to a source.

    Args:
        reason: what the option is for, for the message.
        **options: by name; None for one that is not given.

    Raises:
        ValueError: if an option is given.
    """
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"{name} must be left out: it is {reason}")
