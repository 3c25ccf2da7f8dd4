"""The cells of the family `stable` in NumPy."""

import numpy as np

from tests.helpers.numerics import affine, sigmoid


def antisymmetric_rnn(params, state, x):
    """Chang et al. 2019, arXiv:1902.09689, equation 9."""
    h, U = state["h"], params["U"]
    M = U - U.T - 0.01 * np.eye(len(U))
    return {"h": h + 0.1 * np.tanh(h @ M + x @ params["W"] + params["b"])}


def gated_antisymmetric_rnn(params, state, x):
    """Chang et al. 2019, arXiv:1902.09689, equations 10 and 11."""
    h, U = state["h"], params["U"]
    q = h @ (U - U.T - 0.01 * np.eye(len(U)))
    a = affine(params, {"z": "Wb", "n": "Wb"}, x)
    return {"h": h + 0.1 * sigmoid(q + a["z"]) * np.tanh(q + a["n"])}


def lipschitz_rnn(params, state, x):
    """Erichson et al. 2020, arXiv:2006.12070, equations 3 and 4, Euler step."""

    def s(M):
        symmetric, antisymmetric = M + M.T, M - M.T
        return 0.35 * symmetric + 0.65 * antisymmetric - 0.001 * np.eye(len(M))

    h = state["h"]
    inner = np.tanh(h @ s(params["U"]) + x @ params["W"] + params["b"])
    return {"h": h + 0.03 * (h @ s(params["A"]) + inner)}
