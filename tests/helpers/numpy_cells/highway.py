"""The cells of the family `highway` in NumPy."""

import numpy as np

from tests.helpers.numerics import sigmoid


def rhn(params, state, x):
    """Zilly et al. 2016, arXiv:1607.03474, equations 7 to 9, coupled."""
    s, size = state["h"], state["h"].shape[1]
    W_n, W_t = np.split(params["W"], 2, axis=1)
    for layer in range(params["U"].shape[1] // (2 * size)):
        start = 2 * size * layer
        U_n, U_t = np.split(params["U"][:, start : start + 2 * size], 2, axis=1)
        b_n, b_t = np.split(params["b"][start : start + 2 * size], 2)
        n, t = s @ U_n + b_n, s @ U_t + b_t
        if layer == 0:
            n, t = n + x @ W_n, t + x @ W_t
        t = sigmoid(t)
        s = t * np.tanh(n) + (1 - t) * s
    return {"h": s}
