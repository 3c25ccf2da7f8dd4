"""The cells of the family `quasi` in numpy."""

import numpy as np

from tests.helpers.numerics import affine, sigmoid, skip


def sru(params, state, x, scale=3**0.5):
    """Lei et al. 2017, arXiv:1709.02755, equations 1 to 4."""
    c = state["c"]
    a = affine(params, {"z": "W", "f": "Wb", "r": "Wb"}, x)
    v_f, v_r = np.split(params["v"], 2)
    f, r = sigmoid(a["f"] + v_f * c), sigmoid(a["r"] + v_r * c)
    new = f * c + (1 - f) * a["z"]
    return {"c": new, "y": r * new + (1 - r) * skip(params, x) * scale}


def qrnn(params, state, x):
    """Bradbury et al. 2016, arXiv:1611.01576, fo-pooling."""
    a = affine(params, dict.fromkeys(("z", "f", "o"), "Wb"), x)
    V = np.split(params["V"], 3, axis=1)
    z, f, o = (a[k] + state["x"] @ v for k, v in zip("zfo", V, strict=True))
    c = sigmoid(f) * state["c"] + (1 - sigmoid(f)) * np.tanh(z)
    window = np.concatenate([state["x"], x], axis=1)[:, x.shape[1] :]
    return {"c": c, "x": window, "y": sigmoid(o) * c}
