"""What the numpy versions of the cells are made of."""

import numpy as np


def sigmoid(a):
    """Return 1 / (1 + exp(-a)) without overflow."""
    e = np.exp(-np.abs(a))
    return np.where(a >= 0, 1.0, e) / (1.0 + e)


def layer_norm(a):
    """Return a, shifted and scaled to mean zero and variance one in each row."""
    mean = a.mean(axis=-1, keepdims=True)
    variance = ((a - mean) ** 2).mean(axis=-1, keepdims=True)
    return (a - mean) / np.sqrt(variance + 1e-5)


def gates(params, n):
    """Return W, U and b of each of n gates; a bias that is absent is zero."""
    W, U = (np.split(params[name], n, axis=1) for name in ("W", "U"))
    b = np.split(params.get("b", np.zeros(params["W"].shape[1])), n)
    return list(zip(W, U, b, strict=True))


def softmax(a):
    """Return exp(a), scaled so that each row sums to one."""
    e = np.exp(a - a.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
