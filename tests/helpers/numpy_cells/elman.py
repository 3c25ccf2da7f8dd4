"""The cells of the family `elman` in NumPy."""

import numpy as np

from tests.helpers.numerics import sigmoid


def rnn(params, state, x):
    """Elman 1990."""
    return {"h": np.tanh(x @ params["W"] + state["h"] @ params["U"] + params["b"])}


def rnn_relu(params, state, x):
    """Le et al. 2015, arXiv:1504.00941."""
    a = x @ params["W"] + state["h"] @ params["U"] + params["b"]
    return {"h": np.maximum(a, 0.0)}


def indrnn(params, state, x):
    """Li et al. 2018, arXiv:1803.04831, equation 3."""
    a = x @ params["W"] + params["u"] * state["h"] + params["b"]
    return {"h": np.maximum(a, 0)}


def indrnn_tanh(params, state, x):
    """Li et al. 2018, arXiv:1803.04831, with another nonlinearity."""
    return {"h": np.tanh(x @ params["W"] + params["u"] * state["h"] + params["b"])}


def scrn(params, state, x, alpha=0.95, reads="old"):
    """Mikolov et al. 2014, arXiv:1412.7753, equations 4 to 6, or as in the code."""
    s = (1 - alpha) * (x @ params["B"]) + alpha * state["s"]
    a = (
        (s if reads == "new" else state["s"]) @ params["P"]
        + x @ params["W"]
        + state["h"] @ params["U"]
    )
    h = sigmoid(a + params.get("b", 0.0))
    return {"h": h, "s": s, "y": np.concatenate([h, s], axis=1)}


def fast_rnn(params, state, x):
    """Kusupati et al. 2018, arXiv:1901.02358."""
    n = np.tanh(x @ params["W"] + state["h"] @ params["U"] + params["b"])
    return {"h": sigmoid(params["alpha"]) * n + sigmoid(params["beta"]) * state["h"]}


def lmu(params, state, x):
    """Voelker et al. 2019, equations 4 to 6."""
    e_x, e_h, e_m = params["e_x"], params["e_h"], params["e_m"]
    u = (x @ e_x + state["h"] @ e_h + state["m"] @ e_m)[:, None]
    m = state["m"] @ params["A"].T + u * params["B"]
    a = x @ params["W"] + state["h"] @ params["U"] + m @ params["M"] + params["b"]
    return {"h": np.tanh(a), "m": m}


def esn(params, state, x, leak=1.0):
    """Jaeger 2001."""
    a = x @ params["W"] + state["h"] @ params["U"] + params["b"]
    return {"h": (1 - leak) * state["h"] + leak * np.tanh(a)}
