"""The arrays of a checkpoint, each of which must be used."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from zoo.artifact.weights import decode
from zoo.cells import Cell
from zoo.interop.arrays import array
from zoo.interop.published.damage import naming
from zoo.interop.published.torch_file import read_torch
from zoo.interop.published.unpickler import Record, Tensor
from zoo.interop.stacks import cells, levels
from zoo.interop.torch import from_torch

_DEEPEST = 50  # levels of modules in modules
_MOST = 100_000  # modules and tensors of a saved module
_LONGEST_NAME = 1_000  # characters of the name of a tensor
_MOST_COPIES = 8  # of the bytes of a file, which tensors may share


def read_checkpoint(path: str | os.PathLike) -> Any:
    """Read a file of weights; nothing in it is executed.

    ::

        checkpoint = zoo.interop.published.read_checkpoint("model.pt")
        layer = zoo.interop.from_torch(checkpoint["state_dict"], prefix="encoder.")

    Args:
        path: a file of ``torch.save``, or one with the ending ``.safetensors``.

    Returns:
        What the file holds: for safetensors, arrays by name. For ``torch.save``, dicts,
        lists and numbers as they were; tensors are objects that ``np.asarray`` and
        `zoo.interop.from_torch` take, and objects of any class have ``class_name`` and
        their attributes in ``state``. PyTorch is not needed.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or in another format.
    """
    if Path(path).suffix == ".safetensors":
        with naming(path):
            return decode(Path(path).read_bytes(), Path(path))
    return read_torch(path)


def state_dict(value: Any) -> dict[str, Any] | None:
    """Return the tensors of a state dict or of a saved module, by name.

    Args:
        value: of a checkpoint.

    Returns:
        The tensors, or None if it is neither.

    Raises:
        ValueError: if the modules have no end.
    """
    if isinstance(value, Record) and isinstance(value.get("_parameters"), dict):
        value = _tensors(value)
    if not isinstance(value, Mapping) or not value:
        return None
    is_state = all(
        isinstance(name, str) and isinstance(tensor, Tensor | np.ndarray)
        for name, tensor in value.items()
    )
    return dict(value) if is_state else None


def _tensors(module: Record) -> dict[str, Any]:
    """Return the parameters of a saved module and of those inside it."""
    return {
        f"{prefix}{name}": value
        for prefix, part in _walk(module)
        for name, value in _dict_of(part, "_parameters").items()
        if value is not None
    }


def modules_of(module: Any) -> list[Record]:
    """Return a saved module and all inside it; nothing for a state dict.

    Args:
        module: of a checkpoint.

    Raises:
        ValueError: if the modules have no end.
    """
    return [part for _, part in _walk(module)]


def _walk(module: Any) -> list[tuple[str, Record]]:
    """Return a saved module and all inside it, with the prefixes of their names.

    A module in two places has two names, so that a small file may have modules without
    end: their number is limited.
    """
    modules: list[tuple[str, Record]] = []
    num_entries = 0

    def visit(module: Any, prefix: str, levels: int) -> None:
        nonlocal num_entries
        if not isinstance(module, Record):
            return
        if not levels:
            raise ValueError(f"the modules are nested more than {_DEEPEST} levels deep")
        modules.append((prefix, module))
        parts = _dict_of(module, "_modules")
        names = [*parts, *_dict_of(module, "_parameters")]
        num_entries += 1 + len(names)
        if num_entries > _MOST:
            raise ValueError(f"the modules have more than {_MOST:,} parts")
        if not all(isinstance(name, str) for name in names):
            raise ValueError("the name of a part of a module is no text")
        if len(prefix) + max(map(len, names), default=0) > _LONGEST_NAME:
            raise ValueError(f"a name has more than {_LONGEST_NAME:,} characters")
        for name, part in parts.items():
            visit(part, f"{prefix}{name}.", levels - 1)

    visit(module, "", _DEEPEST)
    return modules


def _dict_of(module: Record, name: str) -> dict[Any, Any]:
    """Return an attribute that is a dict, an empty one if it is not."""
    value = module.get(name)
    return value if isinstance(value, dict) else {}


class Weights:
    """Arrays by name, which are taken one after the other.

    An array that nobody takes belongs to a part of the model that would be missing:
    `check_all_taken` raises an error for it.
    """

    def __init__(self, arrays: Mapping[str, Any], path: str | os.PathLike) -> None:
        """Start with all arrays.

        Args:
            arrays: by name.
            path: of the file.

        Raises:
            ValueError: if they share the numbers of the file so often that they would
                not fit into memory.
        """
        self._arrays = dict(arrays)
        self.path = path
        sizes = [math.prod(a.shape) * a.dtype.itemsize for a in self._arrays.values()]
        if sum(sizes) > _MOST_COPIES * Path(path).stat().st_size:
            raise ValueError(
                f"{path}: the weights have {sum(sizes):,} bytes, more than "
                f"{_MOST_COPIES} times those of the file"
            )

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    @property
    def names(self) -> list[str]:
        """Of the arrays that have not been taken."""
        return list(self._arrays)

    def take(self, name: str, ndim: int) -> np.ndarray:
        """Return an array, and remove it.

        Args:
            name: of the array.
            ndim: number of axes.

        Raises:
            ValueError: if there is none, or it has other axes, or NaN.
        """
        if name not in self._arrays:
            raise ValueError(f"{self.path}: the weights have no {name!r}")
        value = self._pop(name)
        if value.ndim != ndim or not jnp.issubdtype(value.dtype, jnp.floating):
            raise ValueError(
                f"{self.path}: {name!r} must be an array of floating point with {ndim} "
                f"axes, got {value.dtype} {value.shape}"
            )
        return value

    def _pop(self, name: str) -> np.ndarray:
        """Return an array, whose numbers must be finite, and remove it."""
        value = array(np.asarray(self._arrays.pop(name)))
        if not np.isfinite(value).all():
            raise ValueError(f"{self.path}: {name!r} has NaN or infinite values")
        return value

    def take_linear(
        self, prefix: str, *, bias: bool | None = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return ``W [D, K]`` and ``b [K]`` of a linear layer of torch.

        Args:
            prefix: of the names, with the dot.
            bias: whether it has one; with None it may, and zeros stand for a missing
                one.

        Raises:
            ValueError: if an array is missing, or the shapes do not match.
        """
        W = self.take(f"{prefix}weight", 2).T
        has_bias = f"{prefix}bias" in self if bias is None else bias
        if not has_bias:
            return W, np.zeros(W.shape[1], W.dtype)
        b = self.take(f"{prefix}bias", 1)
        if b.shape != W.shape[1:]:
            raise ValueError(
                f"{self.path}: {prefix}bias must have shape {W.shape[1:]}, got "
                f"{b.shape}"
            )
        return W, b

    def take_cells(self, prefix: str, **options: Any) -> list[tuple[Cell, ...]]:
        """Return the cells of a recurrent module of torch, in float32.

        Args:
            prefix: of the names, with the dot.
            **options: as for `zoo.interop.from_torch`.

        Returns:
            For each layer, the lowest first, the cell of each direction.

        Raises:
            ValueError: if the module cannot be converted.
        """
        part = {name: self._pop(name) for name in self.names if name.startswith(prefix)}
        try:
            layer = from_torch(part, prefix=prefix, param_dtype=jnp.float32, **options)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.path}: {error}") from error
        if isinstance(layer, Cell):
            return [(layer,)]
        return [tuple(cells(level)) for level in levels(layer)]

    def check_all_taken(self, what: str) -> None:
        """Raise an error for arrays that nobody took.

        Args:
            what: the model, for the message.

        Raises:
            ValueError: if there are any.
        """
        if self._arrays:
            raise ValueError(
                f"{self.path}: {what} has no such weights: {', '.join(self.names[:8])}"
            )
