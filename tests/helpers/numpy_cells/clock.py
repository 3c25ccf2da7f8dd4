"""The cells of the family `clock` in numpy."""

import numpy as np


def clockwork_rnn(params, state, x):
    """Koutnik et al. 2014, arXiv:1402.3511: with one unit for each of four periods."""
    h, t = state["h"], state["t"][0]
    new = h.copy()
    for k, period in enumerate((1, 2, 4, 8)):
        if t % period == 0:
            a = x @ params["W"][:, k] + params["b"][k]
            a = a + h[:, k:] @ params["U"][k:, k]
            new[:, k] = np.tanh(a)
    return {"h": new, "t": state["t"] + 1}
