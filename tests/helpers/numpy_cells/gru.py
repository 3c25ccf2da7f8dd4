"""The cells of the family `gru` in NumPy."""

import numpy as np

from tests.helpers.numerics import affine, blocks, gates, layer_norm, sigmoid, skip


def gru(params, state, x):
    """Cho et al. 2014, reset after the product as in torch.nn.GRU."""
    h = state["h"]
    (W_r, U_r, b_r), (W_z, U_z, b_z), (W_n, U_n, b_n) = gates(params, 3)
    r = sigmoid(x @ W_r + h @ U_r + b_r)
    z = sigmoid(x @ W_z + h @ U_z + b_z)
    n = np.tanh(x @ W_n + b_n + r * (h @ U_n + params.get("b_hn", 0.0)))
    return {"h": (1.0 - z) * n + z * h}


def reset_before_gru(params, state, x):
    """Cho et al. 2014, arXiv:1406.1078."""
    h = state["h"]
    (W_r, U_r, b_r), (W_z, U_z, b_z), (W_n, U_n, b_n) = gates(params, 3)
    r = sigmoid(x @ W_r + h @ U_r + b_r)
    z = sigmoid(x @ W_z + h @ U_z + b_z)
    n = np.tanh(x @ W_n + (r * h) @ U_n + b_n)
    return {"h": (1.0 - z) * n + z * h}


def layernorm_gru(params, state, x):
    """Ba et al. 2016, arXiv:1607.06450, equations 24 to 26 with 1 - z for z."""
    h, size = state["h"], state["h"].shape[1]

    def normal(a, scale):
        parts = [layer_norm(a[:, : 2 * size]), layer_norm(a[:, 2 * size :])]
        return np.split(params[scale] * np.concatenate(parts, axis=1), 3, axis=1)

    b_r, b_z, b_n = np.split(params["b"], 3)
    (r, z, n), (h_r, h_z, h_n) = (
        normal(x @ params["W"], "scale_x"),
        normal(h @ params["U"], "scale_h"),
    )
    z = sigmoid(z + h_z + b_z)
    n = np.tanh(n + b_n + sigmoid(r + h_r + b_r) * (h_n + params["b_hn"]))
    return {"h": (1.0 - z) * n + z * h}


def mgu(params, state, x):
    """Zhou et al. 2016, arXiv:1603.09420."""
    h = state["h"]
    (W_f, U_f, b_f), (W_n, U_n, b_n) = gates(params, 2)
    f = sigmoid(x @ W_f + h @ U_f + b_f)
    n = np.tanh(x @ W_n + (f * h) @ U_n + b_n)
    return {"h": (1.0 - f) * h + f * n}


def reset_after_mgu(params, state, x):
    """Zhou et al. 2016, arXiv:1603.09420, in the form of Flax's MGUCell."""
    h = state["h"]
    (W_f, U_f, b_f), (W_n, U_n, b_n) = gates(params, 2)
    f = sigmoid(x @ W_f + h @ U_f + b_f)
    n = np.tanh(x @ W_n + b_n + f * (h @ U_n + params["b_hn"]))
    return {"h": (1.0 - f) * n + f * h}


def ugrnn(params, state, x):
    """Collins et al. 2016, arXiv:1611.09913, the update-gate RNN."""
    a = affine(params, {"g": "WUb", "n": "WUb"}, x, state["h"])
    g = sigmoid(a["g"])
    return {"h": g * state["h"] + (1 - g) * np.tanh(a["n"])}


def intersection_rnn(params, state, x):
    """Collins et al. 2016, arXiv:1611.09913, the +RNN."""
    which = dict.fromkeys(("m", "n", "v", "g"), "WUb")
    a = affine(params, which, x, state["h"])
    y_in, h_in = np.maximum(a["m"], 0), np.tanh(a["n"])
    g_y, g_h = sigmoid(a["v"]), sigmoid(a["g"])
    y = g_y * skip(params, x) + (1 - g_y) * y_in
    return {"h": g_h * state["h"] + (1 - g_h) * h_in, "y": y}


def ligru(params, state, x):
    """Ravanelli et al. 2018, arXiv:1803.10225, without batch normalisation."""
    a = affine(params, {"z": "WUb", "n": "WUb"}, x, state["h"])
    z = sigmoid(a["z"])
    return {"h": z * state["h"] + (1 - z) * np.maximum(a["n"], 0)}


def star(params, state, x):
    """Turkoglu et al. 2019, arXiv:1911.11033, equations 3 to 5."""
    a = affine(params, {"k": "WUb", "z": "Wb"}, x, state["h"])
    k, z = sigmoid(a["k"]), np.tanh(a["z"])
    return {"h": np.tanh((1 - k) * state["h"] + k * z)}


def sgrn(params, state, x):
    """Zhao et al. 2020, doi:10.1049/gtd2.12056."""
    a = x @ params["W"] + params["b"]
    f = sigmoid(a + state["h"] @ params["U"] + params["b_h"])
    return {"h": np.tanh((1 - f) * a + f * state["h"])}


def lightru(params, state, x):
    """Ye et al. 2024, doi:10.3390/electronics13163204."""
    a = affine(params, {"n": "Wb", "f": "WUb"}, x, state["h"])
    f = sigmoid(a["f"])
    return {"h": (1 - f) * state["h"] + f * np.tanh(a["n"])}


def miru(params, state, x, beta=0.5, lam=0.5):
    """Zyarah and Kudithipudi 2025, arXiv:2503.06175, MiRU-2."""
    n = np.tanh(x @ params["W"] + beta * state["h"] @ params["U"] + params["b"])
    return {"h": lam * state["h"] + (1 - lam) * n}


def _sgu_gates(params, state, x):
    """Return z and ``g * h`` of a simple gated unit."""
    h = state["h"]
    parts = blocks(params, {"g": "WUb", "z": "WUb"})
    a = affine(params, {"g": "Wb", "z": "Wb"}, x)
    g = np.tanh((a["g"] * h) @ parts["U", "g"])
    z = np.clip((a["z"] + h @ parts["U", "z"] + 3) / 6, 0, 1)
    return z, g * h


def sgu(params, state, x):
    """Gao and Glowacka 2016, arXiv:1604.02910."""
    z, gated = _sgu_gates(params, state, x)
    return {"h": (1 - z) * state["h"] + z * np.log1p(np.exp(gated))}


def dsgu(params, state, x):
    """Gao and Glowacka 2016, arXiv:1604.02910, the deep simple gated unit."""
    z, gated = _sgu_gates(params, state, x)
    return {"h": (1 - z) * state["h"] + z * sigmoid(gated @ params["U_o"])}


def _mut(params, state, which, x, z_input, r_extra, n_extra):
    """Jozefowicz et al. 2015: one step of any of the three mutations.

    Args:
        params: of the cell.
        state: before the step.
        which: the letters of the arrays in which each gate has a block.
        x: the input.
        z_input: what the update gate multiplies by its block of U.
        r_extra: added to the pre-activation of the reset gate.
        n_extra: added to the pre-activation of the candidate.
    """
    h = state["h"]
    parts = blocks(params, which)
    a = affine(params, {k: v.replace("U", "") for k, v in which.items()}, x)
    z = sigmoid(a["z"] + (z_input @ parts["U", "z"] if "U" in which["z"] else 0))
    r = sigmoid(a["r"] + r_extra + h @ parts["U", "r"])
    n = np.tanh((r * h) @ parts["U", "n"] + a["n"] + n_extra)
    return {"h": n * z + h * (1 - z)}


def mut1(params, state, x):
    """Jozefowicz et al. 2015, MUT1."""
    which = {"z": "Wb", "r": "WUb", "n": "Ub"}
    return _mut(params, state, which, x, None, 0, np.tanh(skip(params, x)))


def mut2(params, state, x):
    """Jozefowicz et al. 2015, MUT2."""
    which = {"z": "WUb", "r": "Ub", "n": "WUb"}
    return _mut(params, state, which, x, state["h"], skip(params, x), 0)


def mut3(params, state, x):
    """Jozefowicz et al. 2015, MUT3."""
    which = dict.fromkeys(("z", "r", "n"), "WUb")
    return _mut(params, state, which, x, np.tanh(state["h"]), 0, 0)


def fast_grnn(params, state, x):
    """Kusupati et al. 2018, arXiv:1901.02358."""
    a = x @ params["W"] + state["h"] @ params["U"]
    b_z, b_n = np.split(params["b"], 2)
    z, n = sigmoid(a + b_z), np.tanh(a + b_n)
    zeta, nu = sigmoid(params["zeta"]), sigmoid(params["nu"])
    return {"h": (zeta * (1 - z) + nu) * n + z * state["h"]}


def brc(params, state, x):
    """Vecoven et al. 2021, equations 1 to 3."""
    h = state["h"]
    gate = affine(params, {"a": "Wb", "c": "Wb", "n": "Wb"}, x)
    w_a, w_c = np.split(params["u"], 2)
    a, c = 1 + np.tanh(gate["a"] + w_a * h), sigmoid(gate["c"] + w_c * h)
    return {"h": c * h + (1 - c) * np.tanh(gate["n"] + a * h)}


def nbrc(params, state, x):
    """Vecoven et al. 2021, equations 4 to 6."""
    h = state["h"]
    gate = affine(params, {"a": "WUb", "c": "WUb", "n": "Wb"}, x, h)
    a, c = 1 + np.tanh(gate["a"]), sigmoid(gate["c"])
    return {"h": c * h + (1 - c) * np.tanh(gate["n"] + a * h)}
