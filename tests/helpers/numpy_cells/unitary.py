"""The cells of the family `unitary` in NumPy."""

import numpy as np
import scipy.linalg


def exprnn(params, state, x):
    """Lezcano-Casado and Martinez-Rubio 2019, arXiv:1901.08428."""
    upper = np.triu(params["U"], 1)
    a = x @ params["W"] + state["h"] @ scipy.linalg.expm(upper - upper.T)
    return {"h": np.sign(a) * np.maximum(np.abs(a) + params["b"], 0)}


def urnn(params, state, x, epsilon=1e-5):
    """Arjovsky et al. 2015, arXiv:1511.06464, equations 6 to 8, as matrices."""
    size = state["re"].shape[1]
    fourier = scipy.linalg.dft(size, scale="sqrtn")
    D1, D2, D3 = (np.diag(np.exp(1j * d)) for d in params["d"])
    r1, r2 = params["r"][:, 0] + 1j * params["r"][:, 1]
    R1, R2 = (
        np.eye(size) - 2 * np.outer(r, r.conj()) / (abs(r) ** 2).sum() for r in (r1, r2)
    )
    P = np.eye(size)[params["permutation"]]
    M = D3 @ R2 @ fourier.conj() @ D2 @ P @ R1 @ fourier @ D1
    W_re, W_im = np.split(params["W"], 2, axis=1)
    s = (state["re"] + 1j * state["im"]) @ M.T + x @ (W_re + 1j * W_im)
    s = s * np.maximum(abs(s) + params["b"], 0) / (abs(s) + epsilon)
    return {"re": s.real, "im": s.imag, "y": np.concatenate([s.real, s.imag], axis=1)}
