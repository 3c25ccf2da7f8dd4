"""The cells of the family `additive` in NumPy."""

import numpy as np

from tests.helpers.numerics import affine, sigmoid


def ran(params, state, x):
    """Lee et al. 2017, arXiv:1705.07393."""
    a = affine(params, {"g": "W", "i": "WUb", "f": "WUb"}, x, state["h"])
    c = sigmoid(a["i"]) * a["g"] + sigmoid(a["f"]) * state["c"]
    return {"h": np.tanh(c), "c": c}


def atr(params, state, x):
    """Zhang et al. 2018, arXiv:1810.12546."""
    p, q = x @ params["W"], state["h"] @ params["U"]
    return {"h": sigmoid(p + q) * p + sigmoid(p - q) * state["h"]}


def minimal_rnn(params, state, x):
    """Chen 2017, arXiv:1711.06788."""
    b_z, b_u = np.split(params["b"], 2)
    z = np.tanh(x @ params["W"] + b_z)
    u = sigmoid(state["h"] @ params["U"] + z @ params["V"] + b_u)
    return {"h": u * state["h"] + (1 - u) * z}


def cfn(params, state, x):
    """Laurent and von Brecht 2016, arXiv:1612.06212."""
    a = affine(params, {"f": "WUb", "i": "WUb", "n": "W"}, x, state["h"])
    f, i = sigmoid(a["f"]), sigmoid(a["i"])
    return {"h": f * np.tanh(state["h"]) + i * np.tanh(a["n"])}
