"""The cells of the family `typed` in NumPy."""

import numpy as np

from tests.helpers.numerics import affine, sigmoid


def _typed(params, state, x):
    """Return z, f and o of T-GRU and T-LSTM."""
    a = affine(params, dict.fromkeys(("z", "f", "o"), "Wb"), x)
    V = np.split(params["V"], 3, axis=1)
    z, f, o = (a[k] + state["x"] @ v for k, v in zip("zfo", V, strict=True))
    return z, sigmoid(f), np.tanh(o)


def tgru(params, state, x):
    """Balduzzi and Ghifary 2016, arXiv:1602.02218."""
    z, f, o = _typed(params, state, x)
    return {"h": f * state["h"] + z * o, "x": x}


def tlstm(params, state, x):
    """Balduzzi and Ghifary 2016, arXiv:1602.02218."""
    z, f, o = _typed(params, state, x)
    c = f * state["c"] + (1 - f) * z
    return {"c": c, "x": x, "y": c * o}
