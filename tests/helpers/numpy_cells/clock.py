"""The cells of the family `clock` in numpy."""

import numpy as np


def clockwork_rnn(params, state, x, periods=(1, 2, 4, 8)):
    """Koutnik et al. 2014, arXiv:1402.3511."""
    h, t = state["h"], state["t"][0]
    new = h.copy()
    blocks = np.array_split(np.arange(h.shape[1]), len(periods))
    for units, period in zip(blocks, periods, strict=True):
        if t % period == 0:
            a = x @ params["W"][:, units] + params["b"][units]
            read = slice(units[0], None)
            new[:, units] = np.tanh(a + h[:, read] @ params["U"][read, units])
    return {"h": new, "t": state["t"] + 1}
