"""The cells of the family `stable` in NumPy."""

import numpy as np

from tests.helpers.numerics import affine, sigmoid


def antisymmetric_rnn(params, state, x, epsilon=0.1, gamma=0.01):
    """Chang et al. 2019, arXiv:1902.09689, equation 9."""
    h, U = state["h"], params["U"]
    M = U - U.T - gamma * np.eye(len(U))
    return {"h": h + epsilon * np.tanh(h @ M + x @ params["W"] + params["b"])}


def gated_antisymmetric_rnn(params, state, x, epsilon=0.1, gamma=0.01):
    """Chang et al. 2019, arXiv:1902.09689, equations 10 and 11."""
    h, U = state["h"], params["U"]
    q = h @ (U - U.T - gamma * np.eye(len(U)))
    a = affine(params, {"z": "Wb", "n": "Wb"}, x)
    return {"h": h + epsilon * sigmoid(q + a["z"]) * np.tanh(q + a["n"])}


def lipschitz_rnn(params, state, x, epsilon=0.01, beta=0.8, gamma=0.01):
    """Erichson et al. 2020, arXiv:2006.12070, equations 3 and 4, Euler step."""

    def s(M):
        symmetric, antisymmetric = M + M.T, M - M.T
        mixed = (1 - beta) * symmetric + beta * antisymmetric
        return mixed - gamma * np.eye(len(M))

    h = state["h"]
    inner = np.tanh(h @ s(params["U"]) + x @ params["W"] + params["b"])
    return {"h": h + epsilon * (h @ s(params["A"]) + inner)}
