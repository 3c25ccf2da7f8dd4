"""The types of a model's options, from the annotations of the constructors."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from zoo.cells import Cell
from zoo.layers import CellStack
from zoo.layers.options import Options
from zoo.registry import cells


def cells_of(options: Mapping[str, Any]) -> list[Any]:
    """Return the cells that options name.

    Args:
        options: of a model.
    """
    names = [options.get(name) for name in ("cell", "decoder_cell")]
    for model in context_models(options):
        names += cells_of(model)
    return [name for name in names if name is not None]


def context_models(options: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the options of the character language models that a model has.

    Args:
        options: of a model.

    Raises:
        TypeError: if they are no list of options.
    """
    models = options.get("context") or []
    if not isinstance(models, list | tuple) or not all(
        isinstance(model, Mapping) for model in models
    ):
        raise TypeError(f"context must be a list of options, got {models!r}")
    return list(models)


def is_own(cell: Any) -> bool:
    """Return whether an option names a cell that is not part of zoo.

    Args:
        cell: the name of a cell, or its class.
    """
    return cell not in [*cells(), *cells().values()]


def check_types(model: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Check the types of a model's options.

    Constructors check ranges, but a string would pass for True. Arguments of a cell of
    a user are not checked, since its annotations may be inexact; unknown names are left
    to the constructor.

    Args:
        model: the class of the model.
        options: arguments of its constructor.

    Raises:
        TypeError: if an option has another type.
    """
    hints: dict[str, list[Any]] = defaultdict(list)
    classes = [model, CellStack]
    for name in cells_of(options):
        kind = cells().get(name) if isinstance(name, str) else None
        classes += (
            [base for base in kind.__mro__ if issubclass(base, Cell)] if kind else []
        )
    for source in [Options, *(kind.__init__ for kind in classes)]:
        for name, hint in get_type_hints(source).items():
            hints[name].append(hint)
    for name, value in options.items():
        expected = hints.get(name, [Any])
        if not any(_accepts(hint, value) for hint in expected):
            raise TypeError(f"{name} must be {_text(expected[0])}, got {value!r}")


def _accepts(hint: Any, value: Any) -> bool:
    """Return whether a value has an annotated type; True for types of other kinds."""
    kind, arguments = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, UnionType):
        return any(_accepts(argument, value) for argument in arguments)
    if kind is Literal:
        return isinstance(value, str) and value in arguments
    if kind in (int, float):
        numbers = (int, float) if kind is float else int
        return isinstance(value, numbers) and not isinstance(value, bool)
    if kind in (bool, str, NoneType, type):
        return isinstance(value, kind)
    if kind in (tuple, Sequence):
        return isinstance(value, list | tuple) and all(
            _accepts(arguments[0], item) for item in value
        )
    if kind is Mapping:
        return isinstance(value, Mapping) and all(
            _accepts(arguments[1], item) for item in value.values()
        )
    return callable(value) if kind is Callable else True


def _text(hint: Any) -> str:
    """Return an annotation for a message."""
    return hint.__name__ if isinstance(hint, type) else str(hint)
