"""The cells by name, and those of users by ``module:Class``."""

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flax import nnx

from zoo.cells import Cell
from zoo.layers import CellStack

_CELLS: dict[str, type[Cell]] = {
    value.name: value
    for value in vars(importlib.import_module("zoo.cells")).values()
    if isinstance(value, type)
    and issubclass(value, Cell)
    and "name" in vars(value)  # not a base class such as LinearCell
    and value.registered
}


class CellError(ValueError):
    """A ``module:Class`` that is not a cell, or is not imported."""


def cells() -> dict[str, type[Cell]]:
    """Return all cells by name, family by family.

    Each class has the attributes ``family``, ``paper`` and ``equation``.
    """
    return dict(_CELLS)


def cell_class(cell: str | type[Cell]) -> type[Cell]:
    """Return the class of a cell. Nothing is imported.

    Args:
        cell: one of ``zoo.cells()``, ``module:Class`` of a module that the program has
            imported, or the class itself.

    Raises:
        ValueError: if there is no such cell; the message suggests the most similar one.
        TypeError: if it is not the class of a cell.
    """
    if isinstance(cell, str) and ":" in cell:
        return _imported(cell)
    if isinstance(cell, str):
        return _named(cell)
    reason = _defect(cell)
    if reason:
        raise TypeError(f"cell must be the name or the class of a cell; {reason}")
    return cell


def _named(name: str) -> type[Cell]:
    """Return the cell of a name, which a misspelling gets as a suggestion."""
    if name in _CELLS:
        return _CELLS[name]
    plain = name.strip().lower().replace("-", "_")
    names = [*_CELLS, *(cell.__name__.lower() for cell in _CELLS.values())]
    owners = [*_CELLS, *_CELLS]
    near = difflib.get_close_matches(plain, names, n=1, cutoff=0.6)
    hint = f"did you mean {owners[names.index(near[0])]!r}? " if near else ""
    raise ValueError(
        f"no cell {name!r}; {hint}zoo.cells() and the command zoo cells list the "
        "names, and module:Class is a cell of your own"
    )


def cell_name(cell: str | type[Cell]) -> str:
    """Return the name from which `cell_class` finds a class again.

    Args:
        cell: the class, or a name of it, which is returned.

    Raises:
        CellError: if the class is defined inside a function or another class.
    """
    if isinstance(cell, str):
        return cell
    if _CELLS.get(getattr(cell, "name", "")) is cell:
        return cell.name
    name = f"{cell.__module__}:{cell.__name__}"
    if vars(sys.modules[cell.__module__]).get(cell.__name__) is not cell:
        raise CellError(
            f"{name} cannot be stored by name: define {cell.__name__} at the top level "
            "of a module"
        )
    return name


def import_cell(name: str) -> type[Cell]:
    """Return the class of a cell, and import the module of a ``module:Class``.

    Args:
        name: one of ``zoo.cells()``, or ``module:Class`` of a module in the current
            folder or on ``sys.path``.

    Raises:
        ValueError: if there is no such cell, or the module cannot be imported.
    """
    if ":" not in name:
        return cell_class(name)
    module, class_name = _parts(name)
    # Python searches the current folder for `python -m zoo`, but not for the command
    # `zoo`. It comes last, so that no file in it hides an installed module.
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())
    try:
        importlib.import_module(module)
    except (Exception, SystemExit) as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name
        if missing and f"{module}.".startswith(f"{missing}."):
            here = [path.stem for path in Path().glob("*.py")]
            similar = difflib.get_close_matches(Path(module).stem, here, n=1)
            hint = f"; did you mean {similar[0]}:{class_name}?" if similar else ""
            raise CellError(
                f"{name}: no module {module} in the current folder or on sys.path{hint}"
            ) from None
        raise CellError(
            f"{name}: the import of {module} failed: {type(error).__name__}: {error}"
        ) from error
    return _imported(name)


def make(
    cell: str | type[Cell],
    input_size: int,
    hidden_size: int | Sequence[int],
    num_layers: int = 1,
    *,
    bidirectional: bool = False,
    rngs: nnx.Rngs,
    **options: Any,
) -> CellStack:
    """Build a stack of layers of a cell.

    ::

        layer = zoo.make("gru", 50, 100, 2, rngs=nnx.Rngs(0))
        state, y = layer(x, mask)       # x [B, T, 50] -> y [B, T, 100]

    Args:
        cell: one of ``zoo.cells()``, or a class of your own that derives from
            `zoo.Cell`.
        input_size: D.
        hidden_size: H of every layer, or a list with the H of each.
        num_layers: number of layers.
        bidirectional: whether each layer runs in both directions.
        rngs: random keys for the initialisation; a stream named ``dropout`` also
            turns on training mode, see `zoo.stochastic.Stochastic`.
        **options: as for `zoo.layers.CellStack`.

    Raises:
        ValueError: if no cell has that name (the message suggests the most similar
            one), or if an argument is out of its range.
        TypeError: if `cell` is not a cell, an option is unknown, or `rngs` is not
            ``nnx.Rngs``.
    """
    return CellStack(
        cell_class(cell),
        input_size,
        hidden_size,
        num_layers,
        bidirectional=bidirectional,
        rngs=rngs,
        **options,
    )


def _parts(name: str) -> tuple[str, str]:
    """Return the module and the class of ``module:Class``."""
    module, _, class_name = name.partition(":")
    parts = module.replace("/", ".").replace("\\", ".").split(".")
    if parts != module.split(".") or "" in parts:
        plain = ".".join(filter(None, parts)).removesuffix(".py") or "module"
        raise CellError(
            f"{name}: write module:Class, with the module as in an import: "
            f"{plain}:{class_name}"
        )
    return module, class_name


def _imported(name: str) -> type[Cell]:
    """Return the class ``module:Class`` of a module that has been imported."""
    module, class_name = _parts(name)
    if module not in sys.modules:
        raise CellError(
            f"the cell {name} is not part of zoo, and loading executes no code: import "
            f"{module} first, or name the cell on the command line: --cell {name}"
        )
    # Not getattr: a module may define __getattr__, which would execute code.
    members = vars(sys.modules[module])
    if class_name not in members:
        known = [key for key, value in members.items() if not _defect(value)]
        similar = difflib.get_close_matches(class_name, known, n=1, cutoff=0.5)
        hint = f"; did you mean {module}:{similar[0]}?" if similar else ""
        if not similar and known:
            hint = f"; its cells are {', '.join(known)}"
        raise CellError(f"{name}: {module} has no class {class_name!r}{hint}")
    reason = _defect(members[class_name])
    if reason:
        raise CellError(f"{name}: {reason}")
    return members[class_name]


def _defect(cell: Any) -> str:
    """Return why a value is not the class of a cell; "" if it is one."""
    if not isinstance(cell, type):
        kind = type(cell).__name__
        hint = f"; pass the class, zoo.{kind}" if isinstance(cell, Cell) else ""
        return f"expected a class that derives from zoo.Cell, got a {kind}{hint}"
    name = cell.__name__
    if not issubclass(cell, Cell):
        return f"{name} must derive from zoo.Cell"
    if cell.update is Cell.update and cell.advance is Cell.advance:
        return f"{name} must define update or advance, see zoo.Cell"
    if not hasattr(cell, "gates"):
        return f"{name} must define the names of its gates: gates = {{'h': 0}}"
    abstract = sorted(getattr(cell, "__abstractmethods__", ()))
    return f"{name} must define {abstract[0]}" if abstract else ""
