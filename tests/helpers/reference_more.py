"""More cells in numpy, from the papers' equations: see `reference`.

A step returns its new state, and its output as ``y`` where that is not ``h``.
"""

import numpy as np
import scipy.linalg

from tests.helpers.numerics import gates, sigmoid, softmax


def blocks(params, names, which):
    """Return what x, h and one are multiplied with, each block by name.

    ``which`` tells for each gate which of W, U and b it has: ``{"z": "Wb"}``.
    """
    found = {}
    for letter, array in (("W", "W"), ("U", "U"), ("b", "b")):
        having = [name for name in names if letter in which[name]]
        if not having or array not in params:
            parts = [0.0] * len(having)
        else:
            parts = np.split(params[array], len(having), axis=-1)
        found |= {
            (letter, name): part for name, part in zip(having, parts, strict=True)
        }
    return found


def affine(params, which, x, h=None):
    """Return ``xW + hU + b`` of each gate, of the parts that it has."""
    parts = blocks(params, list(which), which)
    out = {}
    for name, letters in which.items():
        a = 0.0
        if "W" in letters:
            a = a + x @ parts["W", name]
        if "U" in letters:
            a = a + h @ parts["U", name]
        if "b" in letters:
            a = a + parts["b", name]
        out[name] = a
    return out


def skip(params, x):
    """Return x, through S where there is one."""
    return x @ params["S"] if "S" in params else x


def indrnn(params, state, x):
    """Li et al. 2018, arXiv:1803.04831, equation 3."""
    a = x @ params["W"] + params["u"] * state["h"] + params["b"]
    return {"h": np.maximum(a, 0)}


def ugrnn(params, state, x):
    """Collins et al. 2016, arXiv:1611.09913, the update gate RNN."""
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


def janet(params, state, x):
    """Van der Westhuizen and Lasenby 2018, arXiv:1804.04849, beta = 1."""
    a = affine(params, {"f": "WUb", "g": "WUb"}, x, state["h"])
    s = a["f"]
    c = sigmoid(s) * state["h"] + (1 - sigmoid(s - 1.0)) * np.tanh(a["g"])
    return {"h": c}


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
    """doi:10.1049/gtd2.12056."""
    a = x @ params["W"] + params["b"]
    f = sigmoid(a + state["h"] @ params["U"] + params["b_h"])
    return {"h": np.tanh((1 - f) * a + f * state["h"])}


def lightru(params, state, x):
    """Ye et al. 2024, doi:10.3390/electronics13163204."""
    a = affine(params, {"n": "Wb", "f": "WUb"}, x, state["h"])
    f = sigmoid(a["f"])
    return {"h": (1 - f) * state["h"] + f * np.tanh(a["n"])}


def miru(params, state, x):
    """Zyarah and Kudithipudi 2025, arXiv:2503.06175, MiRU-2 with both at 0.5."""
    n = np.tanh(x @ params["W"] + 0.5 * state["h"] @ params["U"] + params["b"])
    return {"h": 0.5 * state["h"] + 0.5 * n}


def sgu_gates(params, state, x):
    """Return z, and the gated state, of a simple gated unit."""
    h = state["h"]
    parts = blocks(params, ["g", "z"], {"g": "WUb", "z": "WUb"})
    a = affine(params, {"g": "Wb", "z": "Wb"}, x)
    g = np.tanh((a["g"] * h) @ parts["U", "g"])
    z = np.clip((a["z"] + h @ parts["U", "z"] + 3) / 6, 0, 1)
    return z, g * h


def sgu(params, state, x):
    """Gao and Glowacka 2016, arXiv:1604.02910."""
    z, gated = sgu_gates(params, state, x)
    return {"h": (1 - z) * state["h"] + z * np.log1p(np.exp(gated))}


def dsgu(params, state, x):
    """Gao and Glowacka 2016, arXiv:1604.02910, the deep form."""
    z, gated = sgu_gates(params, state, x)
    return {"h": (1 - z) * state["h"] + z * sigmoid(gated @ params["U_o"])}


def mut(params, state, which, x, z_sees, r_adds, n_adds):
    """Jozefowicz et al. 2015, what the three mutations share."""
    h = state["h"]
    parts = blocks(params, list(which), which)
    a = affine(params, {k: v.replace("U", "") for k, v in which.items()}, x)
    z = sigmoid(a["z"] + (z_sees @ parts["U", "z"] if "U" in which["z"] else 0))
    r = sigmoid(a["r"] + r_adds + h @ parts["U", "r"])
    n = np.tanh((r * h) @ parts["U", "n"] + a["n"] + n_adds)
    return {"h": n * z + h * (1 - z)}


def mut1(params, state, x):
    """Jozefowicz et al. 2015, MUT1."""
    which = {"z": "Wb", "r": "WUb", "n": "Ub"}
    return mut(params, state, which, x, None, 0, np.tanh(skip(params, x)))


def mut2(params, state, x):
    """Jozefowicz et al. 2015, MUT2."""
    which = {"z": "WUb", "r": "Ub", "n": "WUb"}
    return mut(params, state, which, x, state["h"], skip(params, x), 0)


def mut3(params, state, x):
    """Jozefowicz et al. 2015, MUT3."""
    which = dict.fromkeys(("z", "r", "n"), "WUb")
    return mut(params, state, which, x, np.tanh(state["h"]), 0, 0)


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
    theta, eta = sigmoid(a["f"]), sigmoid(a["i"])
    return {"h": theta * np.tanh(state["h"]) + eta * np.tanh(a["n"])}


def scrn(params, state, x):
    """Mikolov et al. 2014, arXiv:1412.7753, equations 4 to 6."""
    s = 0.05 * (x @ params["B"]) + 0.95 * state["s"]
    h = sigmoid(s @ params["P"] + x @ params["W"] + state["h"] @ params["U"])
    return {"h": h, "s": s, "y": np.concatenate([h, s], axis=1)}


def fast_rnn(params, state, x):
    """Kusupati et al. 2018, arXiv:1901.02358."""
    n = np.tanh(x @ params["W"] + state["h"] @ params["U"] + params["b"])
    return {"h": sigmoid(params["alpha"]) * n + sigmoid(params["beta"]) * state["h"]}


def fast_grnn(params, state, x):
    """Kusupati et al. 2018, arXiv:1901.02358."""
    both = x @ params["W"] + state["h"] @ params["U"]
    b_z, b_n = np.split(params["b"], 2)
    z, n = sigmoid(both + b_z), np.tanh(both + b_n)
    zeta, nu = sigmoid(params["zeta"]), sigmoid(params["nu"])
    return {"h": (zeta * (1 - z) + nu) * n + z * state["h"]}


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
    """Erichson et al. 2020, arXiv:2006.12070, equations 3 and 4, Euler's step."""

    def skewed(M):
        symmetric, antisymmetric = M + M.T, M - M.T
        return 0.35 * symmetric + 0.65 * antisymmetric - 0.001 * np.eye(len(M))

    h = state["h"]
    inner = np.tanh(h @ skewed(params["U"]) + x @ params["W"] + params["b"])
    return {"h": h + 0.03 * (h @ skewed(params["A"]) + inner)}


def cornn(params, state, x):
    """Rusch and Mishra 2020, arXiv:2010.00951, equation 3."""
    h, z = state["h"], state["z"]
    drive = h @ params["U"] + z @ params["U_z"] + x @ params["W"] + params["b"]
    z = z + 0.042 * (np.tanh(drive) - 2.7 * h - 4.7 * z)
    return {"h": h + 0.042 * z, "z": z}


def unicornn(params, state, x):
    """Rusch and Mishra 2021, arXiv:2103.05487, equation 4."""
    h, z = state["h"], state["z"]
    step = 0.2 * (0.5 + 0.5 * np.tanh(params["c"] / 2))
    drive = np.tanh(params["u"] * h + x @ params["W"] + params["b"])
    z = z - step * (drive + 1.0 * h)
    return {"h": h + step * z, "z": z}


def lem(params, state, x):
    """Rusch et al. 2021, arXiv:2110.04744, equation 3, dt = 1."""
    y, z = state["h"], state["z"]
    (W1, U1, b1), (W2, U2, b2), (Wz, Uz, bz), (Wy, Uy, by) = gates(params, 4)
    dt_z = sigmoid(y @ U1 + x @ W1 + b1)
    dt_y = sigmoid(y @ U2 + x @ W2 + b2)
    z = (1 - dt_z) * z + dt_z * np.tanh(y @ Uz + x @ Wz + bz)
    return {"h": (1 - dt_y) * y + dt_y * np.tanh(z @ Uy + x @ Wy + by), "z": z}


def nbrc(params, state, x):
    """Vecoven et al. 2021, equations 4 to 6."""
    h = state["h"]
    found = affine(params, {"a": "WUb", "c": "WUb", "n": "Wb"}, x, h)
    a, c = 1 + np.tanh(found["a"]), sigmoid(found["c"])
    return {"h": c * h + (1 - c) * np.tanh(found["n"] + a * h)}


def brc(params, state, x):
    """Vecoven et al. 2021, equations 1 to 3."""
    h = state["h"]
    found = affine(params, {"a": "Wb", "c": "Wb", "n": "Wb"}, x)
    w_a, w_c = np.split(params["u"], 2)
    a, c = 1 + np.tanh(found["a"] + w_a * h), sigmoid(found["c"] + w_c * h)
    return {"h": c * h + (1 - c) * np.tanh(found["n"] + a * h)}


def trnn(params, state, x):
    """Balduzzi and Ghifary 2016, arXiv:1602.02218."""
    a = affine(params, {"z": "Wb", "f": "Wb"}, x)
    f = sigmoid(a["f"])
    return {"h": f * state["h"] + (1 - f) * a["z"]}


def typed(params, state, x):
    """Balduzzi and Ghifary 2016: what T-GRU and T-LSTM share."""
    a = affine(params, dict.fromkeys(("z", "f", "o"), "Wb"), x)
    V = np.split(params["V"], 3, axis=1)
    z, f, o = (a[k] + state["x"] @ v for k, v in zip("zfo", V, strict=True))
    return z, sigmoid(f), np.tanh(o)


def tgru(params, state, x):
    """Balduzzi and Ghifary 2016, arXiv:1602.02218."""
    z, f, o = typed(params, state, x)
    return {"h": f * state["h"] + z * o, "x": x}


def tlstm(params, state, x):
    """Balduzzi and Ghifary 2016, arXiv:1602.02218."""
    z, f, o = typed(params, state, x)
    c = f * state["c"] + (1 - f) * z
    return {"c": c, "x": x, "y": c * o}


def sru(params, state, x):
    """Lei et al. 2017, arXiv:1709.02755, equations 1 to 4."""
    c = state["c"]
    a = affine(params, {"z": "W", "f": "Wb", "r": "Wb"}, x)
    v_f, v_r = np.split(params["v"], 2)
    f, r = sigmoid(a["f"] + v_f * c), sigmoid(a["r"] + v_r * c)
    new = f * c + (1 - f) * a["z"]
    return {"c": new, "y": r * new + (1 - r) * skip(params, x) * np.sqrt(3)}


def qrnn(params, state, x):
    """Bradbury et al. 2016, arXiv:1611.01576, width 2, fo-pooling."""
    a = affine(params, dict.fromkeys(("z", "f", "o"), "Wb"), x)
    V = np.split(params["V"], 3, axis=1)
    z, f, o = (a[k] + state["x"] @ v for k, v in zip("zfo", V, strict=True))
    c = sigmoid(f) * state["c"] + (1 - sigmoid(f)) * np.tanh(z)
    return {"c": c, "x": x, "y": sigmoid(o) * c}


def nas(params, state, x):
    """Zoph and Le 2016, arXiv:1611.01578, as in the authors' code."""
    b = np.split(params["b"], 8)
    W, U = (np.split(params[k], 8, axis=1) for k in "WU")
    m = [x @ w + v for w, v in zip(W, b, strict=True)]
    n = [state["h"] @ u for u in U]
    relu = lambda a: np.maximum(a, 0)  # noqa: E731
    first = [
        sigmoid(m[0] + n[0]),
        relu(m[1] + n[1]),
        sigmoid(m[2] + n[2]),
        relu(m[3] * n[3]),
        np.tanh(m[4] + n[4]),
        sigmoid(m[5] + n[5]),
        np.tanh(m[6] + n[6]),
        sigmoid(m[7] + n[7]),
    ]
    second = [
        np.tanh(first[0] * first[1]),
        np.tanh(first[2] + first[3]),
        np.tanh(first[4] * first[5]),
        sigmoid(first[6] + first[7]),
    ]
    c = np.tanh(second[0] + state["c"]) * second[1]
    return {"h": np.tanh(c * np.tanh(second[2] + second[3])), "c": c}


def lstm_gates(a, c):
    """Return h and c from i, f, g and o before their squashing."""
    c = sigmoid(a["f"]) * c + sigmoid(a["i"]) * np.tanh(a["g"])
    return sigmoid(a["o"]) * np.tanh(c), c


IFGO = dict.fromkeys("ifgo", "WUb")


def multiplicative_lstm(params, state, x):
    """Krause et al. 2016, arXiv:1609.07959."""
    m = (x @ params["W_m"]) * (state["h"] @ params["U_m"])
    h, c = lstm_gates(affine(params, IFGO, x, m), state["c"])
    return {"h": h, "c": c}


def mogrifier_lstm(params, state, x):
    """Melis et al. 2019, arXiv:1909.01792, five rounds."""
    h = state["h"]
    x = 2 * sigmoid(h @ params["Q"][0]) * x
    h = 2 * sigmoid(x @ params["R"][0]) * h
    x = 2 * sigmoid(h @ params["Q"][1]) * x
    h = 2 * sigmoid(x @ params["R"][1]) * h
    x = 2 * sigmoid(h @ params["Q"][2]) * x
    h, c = lstm_gates(affine(params, IFGO, x, h), state["c"])
    return {"h": h, "c": c}


def augmented_lstm(params, state, x):
    """He et al. 2017, equations 1 to 6 with the highway."""
    which = IFGO | {"r": "WUb", "x": "W"}
    a = affine(params, which, x, state["h"])
    inner, c = lstm_gates(a, state["c"])
    r = sigmoid(a["r"])
    return {"h": r * inner + (1 - r) * a["x"], "c": c}


def residual_lstm(params, state, x):
    """Kim et al. 2017, arXiv:1701.03360."""
    a = affine(params, IFGO, x, state["h"])
    V_i, V_f, V_o = np.split(params["V"], 3)
    i, f = sigmoid(a["i"] + V_i * state["c"]), sigmoid(a["f"] + V_f * state["c"])
    c = f * state["c"] + i * np.tanh(a["g"])
    o = sigmoid(a["o"] + V_o * c)
    return {"h": o * (np.tanh(c) @ params["P"] + skip(params, x)), "c": c}


def highway_lstm(params, state, x):
    """Zhang et al. 2015, arXiv:1510.08983, equations 1 to 8, two layers."""
    H = state["h"].shape[1] // 2
    (h_1, h_2), (c_1, c_2) = (np.split(state[name], 2, axis=1) for name in "hc")
    U_1, U_2 = np.split(params["U"], 2, axis=1)
    W_2, W_d = params["W_up"][:, : 4 * H], params["W_up"][:, 4 * H :]
    V = np.split(params["V"], 8)
    b_1, b_2, b_d = np.split(params["b"], [4 * H, 8 * H])

    def layer(x, h, c, W, U, b, V, below):
        i, f, g, o = np.split(x @ W + h @ U + b, 4, axis=1)
        new = sigmoid(f + V[1] * c) * c + sigmoid(i + V[0] * c) * np.tanh(g) + below
        return sigmoid(o + V[2] * new) * np.tanh(new), new

    y, low = layer(x, h_1, c_1, params["W"], U_1, b_1, V[:3], 0.0)
    depth = sigmoid(b_d + y @ W_d + V[6] * c_2 + V[7] * low)
    top, high = layer(y, h_2, c_2, W_2, U_2, b_2, V[3:6], depth * low)
    h, c = np.concatenate([y, top], axis=1), np.concatenate([low, high], axis=1)
    return {"h": h, "c": c, "y": top}


def clockwork_rnn(params, state, x):
    """Koutnik et al. 2014, arXiv:1402.3511: one unit for each of four periods."""
    h, t = state["h"], state["t"][0]
    new = h.copy()
    for k, period in enumerate((1, 2, 4, 8)):
        if t % period == 0:
            a = x @ params["W"][:, k] + params["b"][k]
            a = a + h[:, k:] @ params["U"][k:, k]
            new[:, k] = np.tanh(a)
    return {"h": new, "t": state["t"] + 1}


def phased_lstm(params, state, x):
    """Neil et al. 2016, arXiv:1610.09513, leak 0.001."""
    h, c = lstm_gates(affine(params, IFGO, x, state["h"]), state["c"])
    phi = np.mod(state["t"][0] - params["s"], params["tau"]) / params["tau"]
    r = params["r"]
    k = np.select([phi < r / 2, phi < r], [2 * phi / r, 2 - 2 * phi / r], 0.001 * phi)
    new = {"h": k * h + (1 - k) * state["h"], "c": k * c + (1 - k) * state["c"]}
    return {**new, "t": state["t"] + 1}


def on_lstm(params, state, x):
    """Shen et al. 2018, arXiv:1810.09536, equations 9 to 14."""
    a = affine(params, IFGO, x, state["h"])
    master = x @ params["W_m"] + state["h"] @ params["U_m"] + params["b_m"]
    low, high = np.split(master, 2, axis=1)
    F, I = np.cumsum(softmax(low), axis=1), 1 - np.cumsum(softmax(high), axis=1)  # noqa: E741
    overlap = F * I
    f = sigmoid(a["f"]) * overlap + (F - overlap)
    i = sigmoid(a["i"]) * overlap + (I - overlap)
    c = f * state["c"] + i * np.tanh(a["g"])
    return {"h": sigmoid(a["o"]) * np.tanh(c), "c": c}


def rhn(params, state, x):
    """Zilly et al. 2016, arXiv:1607.03474, equations 7 to 9, coupled, depth 3."""
    s, size = state["h"], state["h"].shape[1]
    W_n, W_t = np.split(params["W"], 2, axis=1)
    for k in range(3):
        at = 2 * size * k
        U_n, U_t = params["U"][:, at : at + size], params["U"][:, at + size :][:, :size]
        b_n, b_t = params["b"][at : at + size], params["b"][at + size :][:size]
        n, t = s @ U_n + b_n, s @ U_t + b_t
        if k == 0:
            n, t = n + x @ W_n, t + x @ W_t
        t = sigmoid(t)
        s = np.tanh(n) * t + s * (1 - t)
    return {"h": s}


def mclstm(params, state, x):
    """The memory-controller LSTM."""
    a = affine(params, dict.fromkeys("ifgom", "WUb"), x, state["v"])
    y, c = lstm_gates(a, state["c"])
    return {"v": sigmoid(a["m"]) * np.tanh(c), "c": c, "y": y}


def wmclstm(params, state, x):
    """Landi et al. 2021, arXiv:2109.00020."""
    a = affine(params, IFGO, x, state["h"])
    V_i, V_f, V_o = np.split(params["V"], 3, axis=1)
    i = sigmoid(a["i"] + np.tanh(state["c"] @ V_i))
    f = sigmoid(a["f"] + np.tanh(state["c"] @ V_f))
    c = f * state["c"] + i * np.tanh(a["g"])
    return {"h": sigmoid(a["o"] + np.tanh(c @ V_o)) * np.tanh(c), "c": c}


def slstm(params, state, x):
    """Beck et al. 2024, arXiv:2405.04517, equations 8 to 17, the stabilised form."""
    a = affine(params, IFGO, x, state["h"])
    log_f = np.log(sigmoid(a["f"]))
    fresh = state["n"] == 0
    m = np.where(fresh, a["i"], np.maximum(log_f + state["m"], a["i"]))
    f = np.where(fresh, 0, np.exp(log_f + state["m"] - m))
    i = np.exp(a["i"] - m)
    c, n = f * state["c"] + i * np.tanh(a["g"]), f * state["n"] + i
    return {"h": sigmoid(a["o"]) * c / n, "c": c, "n": n, "m": m}


def exprnn(params, state, x):
    """Lezcano-Casado and Martinez-Rubio 2019, arXiv:1901.08428."""
    upper = np.triu(params["U"], 1)
    a = x @ params["W"] + state["h"] @ scipy.linalg.expm(upper - upper.T)
    return {"h": np.sign(a) * np.maximum(np.abs(a) + params["b"], 0)}


def urnn(params, state, x):
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
    s = s * np.maximum(1 + params["b"] / abs(s), 0)
    return {"re": s.real, "im": s.imag, "y": np.concatenate([s.real, s.imag], axis=1)}


def lmu(params, state, x):
    """Voelker et al. 2019, equations 4 to 6."""
    e_x, e_h, e_m = params["e_x"], params["e_h"], params["e_m"]
    u = (x @ e_x + state["h"] @ e_h + state["m"] @ e_m)[:, None]
    m = state["m"] @ params["A"].T + u * params["B"]
    a = x @ params["W"] + state["h"] @ params["U"] + m @ params["M"] + params["b"]
    return {"h": np.tanh(a), "m": m}


def esn(params, state, x):
    """Jaeger 2001, without a leak."""
    a = x @ params["W"] + state["h"] @ params["U"] + params["b"]
    return {"h": np.tanh(a)}


CELLS = {
    "indrnn": indrnn,
    "ugrnn": ugrnn,
    "intersection_rnn": intersection_rnn,
    "janet": janet,
    "ligru": ligru,
    "star": star,
    "sgrn": sgrn,
    "lightru": lightru,
    "miru": miru,
    "sgu": sgu,
    "dsgu": dsgu,
    "mut1": mut1,
    "mut2": mut2,
    "mut3": mut3,
    "ran": ran,
    "atr": atr,
    "minimal_rnn": minimal_rnn,
    "cfn": cfn,
    "scrn": scrn,
    "fast_rnn": fast_rnn,
    "fast_grnn": fast_grnn,
    "antisymmetric_rnn": antisymmetric_rnn,
    "gated_antisymmetric_rnn": gated_antisymmetric_rnn,
    "lipschitz_rnn": lipschitz_rnn,
    "cornn": cornn,
    "unicornn": unicornn,
    "lem": lem,
    "nbrc": nbrc,
    "brc": brc,
    "trnn": trnn,
    "tgru": tgru,
    "tlstm": tlstm,
    "sru": sru,
    "qrnn": qrnn,
    "nas": nas,
    "multiplicative_lstm": multiplicative_lstm,
    "mogrifier_lstm": mogrifier_lstm,
    "augmented_lstm": augmented_lstm,
    "residual_lstm": residual_lstm,
    "highway_lstm": highway_lstm,
    "clockwork_rnn": clockwork_rnn,
    "phased_lstm": phased_lstm,
    "on_lstm": on_lstm,
    "rhn": rhn,
    "mclstm": mclstm,
    "wmclstm": wmclstm,
    "slstm": slstm,
    "exprnn": exprnn,
    "urnn": urnn,
    "lmu": lmu,
    "esn": esn,
}
