"""The functions that the numpy versions of the cells have in common."""

import numpy as np


def sigmoid(a):
    """Return 1 / (1 + exp(-a)) without overflow."""
    e = np.exp(-np.abs(a))
    return np.where(a >= 0, 1.0, e) / (1.0 + e)


def silu(a):
    """Return a * sigmoid(a)."""
    return a * sigmoid(a)


def softmax(a):
    """Return exp(a), scaled such that each row sums to one."""
    e = np.exp(a - a.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(a):
    """Return a, shifted and scaled to mean zero and variance one in each row."""
    mean = a.mean(axis=-1, keepdims=True)
    variance = ((a - mean) ** 2).mean(axis=-1, keepdims=True)
    return (a - mean) / np.sqrt(variance + 1e-5)


def gates(params, n):
    """Return W, U and b of each of n gates; b is zero if the cell has no bias."""
    W, U = (np.split(params[name], n, axis=1) for name in ("W", "U"))
    b = np.split(params.get("b", np.zeros(params["W"].shape[1])), n)
    return list(zip(W, U, b, strict=True))


def blocks(params, which):
    """Return the blocks of W, U and b, by letter and gate.

    Args:
        params: of the cell.
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


def affine(params, which, x, h=None):
    """Return ``xW + hU + b`` of each gate, with the terms that the gate has.

    Args:
        params: of the cell.
        which: as for `blocks`.
        x: the input.
        h: the state that U is multiplied with.
    """
    parts = blocks(params, which)
    result = {}
    for name, letters in which.items():
        a = 0.0
        if "W" in letters:
            a = a + x @ parts["W", name]
        if "U" in letters:
            a = a + h @ parts["U", name]
        if "b" in letters:
            a = a + parts["b", name]
        result[name] = a
    return result


def split_gates(params, x, **widths):
    """Return ``xW``, split into gates of the given widths."""
    edges = np.cumsum(list(widths.values()))
    parts = np.split(x @ params["W"], edges, axis=1)
    assert parts.pop().shape[1] == 0
    return parts


def split_heads(params, x, **sizes):
    """Return ``xW``, split into gates ``[B, heads, size]`` with the sizes of a head."""
    heads = params["W"].shape[1] // sum(sizes.values())
    widths = {name: heads * size for name, size in sizes.items()}
    parts = split_gates(params, x, **widths)
    return [part.reshape(len(x), heads, -1) for part in parts]


def skip(params, x):
    """Return x, multiplied by S if the cell has one."""
    return x @ params["S"] if "S" in params else x
