"""Functions shared by the NumPy versions of the cells."""

from collections.abc import Mapping
from typing import Any

import numpy as np

Params = dict[str, Any]


def sigmoid(a: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-a)) without overflow."""
    e = np.exp(-np.abs(a))
    return np.where(a >= 0, 1.0, e) / (1.0 + e)


def silu(a: np.ndarray) -> np.ndarray:
    """Return a * sigmoid(a)."""
    return a * sigmoid(a)


def softmax(a: np.ndarray) -> np.ndarray:
    """Return exp(a), normalised so that each row sums to one."""
    e = np.exp(a - a.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(a: np.ndarray) -> np.ndarray:
    """Return a, normalised to mean zero and variance one in each row."""
    mean = a.mean(axis=-1, keepdims=True)
    variance = ((a - mean) ** 2).mean(axis=-1, keepdims=True)
    return (a - mean) / np.sqrt(variance + 1e-5)


def gates(params: Params, n: int) -> list[tuple[np.ndarray, ...]]:
    """Return W, U and b of each of n gates; b is zero if the cell has no bias."""
    W, U = (np.split(params[name], n, axis=1) for name in ("W", "U"))
    b = np.split(params.get("b", np.zeros(params["W"].shape[1])), n)
    return list(zip(W, U, b, strict=True))


def blocks(params: Params, which: Mapping[Any, str]) -> dict[tuple[str, str], Any]:
    """Return the blocks of W, U and b, by letter and gate.

    Args:
        params: parameters of the cell.
        which: the letters of the arrays in which each gate has a block, such as
            ``{"z": "Wb"}``.
    """
    result = {}
    for letter in "WUb":
        names = [name for name, letters in which.items() if letter in letters]
        if not names or letter not in params:
            parts = [0.0] * len(names)
        else:
            parts = np.split(params[letter], len(names), axis=-1)
        result |= {
            (letter, name): part for name, part in zip(names, parts, strict=True)
        }
    return result


def affine(
    params: Params, which: Mapping[Any, str], x: np.ndarray, h: np.ndarray | None = None
) -> dict[str, Any]:
    """Return ``xW + hU + b`` of each gate, with the terms that the gate has.

    Args:
        params: parameters of the cell.
        which: as for `blocks`.
        x: the input.
        h: the state that U is multiplied with.
    """
    parts = blocks(params, which)
    result = {}
    for name, letters in which.items():
        a: Any = 0.0
        if "W" in letters:
            a = a + x @ parts["W", name]
        if "U" in letters:
            assert h is not None
            a = a + h @ parts["U", name]
        if "b" in letters:
            a = a + parts["b", name]
        result[name] = a
    return result


def split_gates(params: Params, x: np.ndarray, **widths: int) -> list[np.ndarray]:
    """Return ``xW``, split into gates of the given widths."""
    edges = np.cumsum(list(widths.values()))
    parts = np.split(x @ params["W"], edges, axis=1)
    assert parts.pop().shape[1] == 0
    return parts


def split_heads(params: Params, x: np.ndarray, **sizes: int) -> list[np.ndarray]:
    """Return ``xW``, split into gates ``[B, heads, size]`` with the sizes of a head."""
    heads = params["W"].shape[1] // sum(sizes.values())
    widths = {name: heads * size for name, size in sizes.items()}
    parts = split_gates(params, x, **widths)
    return [part.reshape(len(x), heads, -1) for part in parts]


def skip(params: Params, x: np.ndarray) -> np.ndarray:
    """Return ``x S`` if the cell has S, otherwise x."""
    return x @ params["S"] if "S" in params else x
