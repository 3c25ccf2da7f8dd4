"""The cells of the family `linear` in numpy."""

import numpy as np

from tests.helpers.numerics import affine, sigmoid, split_gates


def _input_gates(params, n):
    """Return W and b of each of n gates."""
    W = np.split(params["W"], n, axis=1)
    b = np.split(params.get("b", np.zeros(params["W"].shape[1])), n)
    return list(zip(W, b, strict=True))


def trnn(params, state, x):
    """Balduzzi and Ghifary 2016, arXiv:1602.02218."""
    a = affine(params, {"z": "Wb", "f": "Wb"}, x)
    f = sigmoid(a["f"])
    return {"h": f * state["h"] + (1 - f) * a["z"]}


def gilr(params, state, x):
    """Martin and Cundy 2017, arXiv:1709.04057."""
    (W_g, b_g), (W_i, b_i) = _input_gates(params, 2)
    g = sigmoid(x @ W_g + b_g)
    return {"h": g * state["h"] + (1.0 - g) * np.tanh(x @ W_i + b_i)}


def mingru(params, state, x):
    """Feng et al. 2024, arXiv:2410.01201."""
    (W_z, b_z), (W_n, b_n) = _input_gates(params, 2)
    z = sigmoid(x @ W_z + b_z)
    return {"h": (1.0 - z) * state["h"] + z * (x @ W_n + b_n)}


def minlstm(params, state, x):
    """Feng et al. 2024, arXiv:2410.01201."""
    (W_f, b_f), (W_i, b_i), (W_n, b_n) = _input_gates(params, 3)
    f, i = sigmoid(x @ W_f + b_f), sigmoid(x @ W_i + b_i)
    return {"h": (f * state["h"] + i * (x @ W_n + b_n)) / (f + i)}


def lru(params, state, x):
    """Orvieto et al. 2023, arXiv:2303.06349."""
    B_re, B_im, D = np.split(params["W"], 3, axis=1)
    C = params["C"][0] + 1j * params["C"][1]
    turn = np.exp(-np.exp(params["nu"]) + 1j * np.exp(params["theta"]))
    s = turn * (state["re"] + 1j * state["im"])
    s = s + np.exp(params["gamma"]) * (x @ (B_re + 1j * B_im))
    return {"re": s.real, "im": s.imag, "y": (s @ C).real + x @ D}


def rglru(params, state, x, scale_first=False):
    """De et al. 2024, arXiv:2402.19427; the first step as in the authors' code."""
    (W_r, b_r), (W_i, b_i), (W_u, b_u) = _input_gates(params, 3)
    r, i = sigmoid(x @ W_r + b_r), sigmoid(x @ W_i + b_i)
    a = np.exp(-8.0 * np.log1p(np.exp(params["Lambda"])) * r)
    u = x @ W_u + b_u
    first = state["t"][:, None] == 0
    m = np.where(first & (not scale_first), 1.0, np.sqrt(1.0 - a**2))
    return {"h": a * state["h"] + m * (i * u), "t": state["t"] + 1}


def hgrn(params, state, x, lower_bound=0.0, output_gate="silu"):
    """Qin et al. 2023, arXiv:2311.04823, the real form."""
    (W_f, b_f), (W_c, b_c), (W_g, b_g) = _input_gates(params, 3)
    f = lower_bound + (1.0 - lower_bound) * sigmoid(x @ W_f + b_f)
    c = x @ W_c + b_c
    h = f * state["h"] + (1.0 - f) * c * sigmoid(c)
    g = x @ W_g + b_g
    return {"h": h, "y": h * sigmoid(g) * (g if output_gate == "silu" else 1.0)}


def s5(params, state, x):
    """Smith et al. 2022, arXiv:2208.04933, with the zero-order hold."""
    N, H = params["C"].shape[1:]
    re, im, direct = split_gates(params, x, re=N, im=N, D=H)
    C = params["C"][0] + 1j * params["C"][1]
    rate = -np.exp(params["decay"]) + 1j * params["frequency"]
    turn = np.exp(rate * np.exp(params["log_step"]))
    s = turn * (state["re"] + 1j * state["im"]) + (turn - 1.0) / rate * (re + 1j * im)
    return {"re": s.real, "im": s.imag, "y": 2.0 * (s @ C).real + direct}


def s6(params, state, x):
    """Gu and Dao 2023, arXiv:2312.00752, channel by channel."""
    H, N = params["A_log"].shape
    u, delta, B, C = split_gates(params, x, u=H, delta=H, B=N, C=N)
    delta = np.log1p(np.exp(delta + params["b"]))
    s, y = np.zeros_like(state["s"]), np.zeros_like(u)
    for h in range(H):
        a = np.exp(-delta[:, h : h + 1] * np.exp(params["A_log"][h]))
        s[:, h] = a * state["s"][:, h] + delta[:, h : h + 1] * B * u[:, h : h + 1]
        y[:, h] = (C * s[:, h]).sum(axis=1) + params["D"][h] * u[:, h]
    return {"s": s, "y": y}
