"""The cells of the family `lstm` in numpy."""

import numpy as np

from tests.helpers.numerics import affine, gates, layer_norm, sigmoid, skip, softmax


def lstm(params, state, x):
    """Hochreiter and Schmidhuber 1997, Gers et al. 2000."""
    h, c = state["h"], state["c"]
    (W_i, U_i, b_i), (W_f, U_f, b_f), (W_g, U_g, b_g), (W_o, U_o, b_o) = gates(
        params, 4
    )
    i = sigmoid(x @ W_i + h @ U_i + b_i)
    f = sigmoid(x @ W_f + h @ U_f + b_f)
    g = np.tanh(x @ W_g + h @ U_g + b_g)
    o = sigmoid(x @ W_o + h @ U_o + b_o)
    c = f * c + i * g
    return {"h": o * np.tanh(c), "c": c}


def projected_lstm(params, state, x):
    """Sak et al. 2014, arXiv:1402.1128."""
    new = lstm(params, state, x)
    return {"h": new["h"] @ params["P"], "c": new["c"]}


def peephole_lstm(params, state, x):
    """Gers et al. 2002: the output gate reads the new cell state."""
    h, c = state["h"], state["c"]
    (W_i, U_i, b_i), (W_f, U_f, b_f), (W_g, U_g, b_g), (W_o, U_o, b_o) = gates(
        params, 4
    )
    V_i, V_f, V_o = np.split(params["V"], 3)
    i = sigmoid(x @ W_i + h @ U_i + V_i * c + b_i)
    f = sigmoid(x @ W_f + h @ U_f + V_f * c + b_f)
    new = f * c + i * np.tanh(x @ W_g + h @ U_g + b_g)
    o = sigmoid(x @ W_o + h @ U_o + V_o * new + b_o)
    return {"h": o * np.tanh(new), "c": new}


def coupled_lstm(params, state, x):
    """Greff et al. 2015 (CIFG), arXiv:1503.04069."""
    h, c = state["h"], state["c"]
    (W_f, U_f, b_f), (W_g, U_g, b_g), (W_o, U_o, b_o) = gates(params, 3)
    f = sigmoid(x @ W_f + h @ U_f + b_f)
    i = 1.0 - f
    c = f * c + i * np.tanh(x @ W_g + h @ U_g + b_g)
    o = sigmoid(x @ W_o + h @ U_o + b_o)
    return {"h": o * np.tanh(c), "c": c}


def layernorm_lstm(params, state, x):
    """Ba et al. 2016, arXiv:1607.06450, equations 20 to 22."""
    h, c = state["h"], state["c"]
    a = params["scale_x"] * layer_norm(x @ params["W"])
    a = a + params["scale_h"] * layer_norm(h @ params["U"]) + params["b"]
    i, f, g, o = np.split(a, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    scaled = params["scale_c"] * layer_norm(c) + params["b_c"]
    return {"h": sigmoid(o) * np.tanh(scaled), "c": c}


def janet(params, state, x, beta=1.0):
    """Van der Westhuizen and Lasenby 2018, arXiv:1804.04849."""
    a = affine(params, {"f": "WUb", "g": "WUb"}, x, state["h"])
    s = a["f"]
    c = sigmoid(s) * state["h"] + (1 - sigmoid(s - beta)) * np.tanh(a["g"])
    return {"h": c}


def nas(params, state, x):
    """Zoph and Le 2016, arXiv:1611.01578, as in the authors' code."""
    b = np.split(params["b"], 8)
    W, U = (np.split(params[k], 8, axis=1) for k in "WU")
    m = [x @ w for w in W]
    n = [state["h"] @ u + v for u, v in zip(U, b, strict=True)]
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


def _lstm_output(a, c):
    """Return h and c from the pre-activations of i, f, g and o."""
    c = sigmoid(a["f"]) * c + sigmoid(a["i"]) * np.tanh(a["g"])
    return sigmoid(a["o"]) * np.tanh(c), c


IFGO = dict.fromkeys("ifgo", "WUb")


def multiplicative_lstm(params, state, x):
    """Krause et al. 2016, arXiv:1609.07959."""
    m = (x @ params["W_m"]) * (state["h"] @ params["U_m"])
    h, c = _lstm_output(affine(params, IFGO, x, m), state["c"])
    return {"h": h, "c": c}


def mogrifier_lstm(params, state, x, cap_input_gate=True):
    """Melis et al. 2019, arXiv:1909.01792, or as in the authors' code."""
    h = state["h"]
    b_Q, b_R = (params.get(k, np.zeros((9, 1))) for k in ("b_Q", "b_R"))
    for k in range(len(params["Q"]) + len(params["R"])):
        if k % 2 == 0:
            x = 2 * sigmoid(h @ params["Q"][k // 2] + b_Q[k // 2]) * x
        else:
            h = 2 * sigmoid(x @ params["R"][k // 2] + b_R[k // 2]) * h
    a = affine(params, IFGO, x, h)
    f, i = sigmoid(a["f"]), sigmoid(a["i"])
    i = np.minimum(1 - f, i) if cap_input_gate else i
    c = f * state["c"] + i * np.tanh(a["g"])
    return {"h": sigmoid(a["o"]) * np.tanh(c), "c": c}


def augmented_lstm(params, state, x):
    """He et al. 2017, equations 1 to 6 with the highway."""
    which = IFGO | {"r": "WUb", "x": "Wb"}
    a = affine(params, which, x, state["h"])
    inner, c = _lstm_output(a, state["c"])
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
    """Zhang et al. 2015, arXiv:1510.08983, equations 1 to 8."""
    H = params["U"].shape[0]
    depth = state["h"].shape[1] // H
    hs, cs = (np.split(state[name], depth, axis=1) for name in "hc")
    U, V = np.split(params["U"], depth, axis=1), np.split(params["V"], 5 * depth - 2)
    W_up = np.split(params["W_up"], depth - 1, axis=1)
    b = np.split(params["b"], [4 * H + 5 * H * k for k in range(depth - 1)])

    def layer(x, h, c, W, U, b, V, below):
        i, f, g, o = np.split(x @ W + h @ U + b, 4, axis=1)
        new = sigmoid(f + V[1] * c) * c + sigmoid(i + V[0] * c) * np.tanh(g) + below
        return sigmoid(o + V[2] * new) * np.tanh(new), new

    y, low = layer(x, hs[0], cs[0], params["W"], U[0], b[0], V[:3], 0.0)
    new = [(y, low)]
    for k in range(1, depth):
        v = V[5 * k - 2 : 5 * k + 3]
        W, W_d = W_up[k - 1][:, : 4 * H], W_up[k - 1][:, 4 * H :]
        d = sigmoid(b[k][4 * H :] + y @ W_d + v[3] * cs[k] + v[4] * low)
        y, low = layer(y, hs[k], cs[k], W, U[k], b[k][: 4 * H], v, d * low)
        new.append((y, low))
    h, c = (np.concatenate(parts, axis=1) for parts in zip(*new, strict=True))
    return {"h": h, "c": c, "y": y}


def phased_lstm(params, state, x, leak=0.001):
    """Neil et al. 2016, arXiv:1610.09513."""
    h, c = peephole_lstm(params, state, x).values()
    phi = np.mod(state["t"][0] - params["s"], params["tau"]) / params["tau"]
    r = params["r"]
    k = np.select([phi < r / 2, phi < r], [2 * phi / r, 2 - 2 * phi / r], leak * phi)
    new = {"h": k * h + (1 - k) * state["h"], "c": k * c + (1 - k) * state["c"]}
    return {**new, "t": state["t"] + 1}


def on_lstm(params, state, x):
    """Shen et al. 2018, arXiv:1810.09536, equations 9 to 14."""
    a = affine(params, IFGO, x, state["h"])
    master = x @ params["W_m"] + state["h"] @ params["U_m"] + params["b_m"]
    low, high = np.split(master, 2, axis=1)
    F, I = np.cumsum(softmax(low), axis=1), 1 - np.cumsum(softmax(high), axis=1)  # noqa: E741
    chunk = state["c"].shape[1] // F.shape[1]
    F, I = np.repeat(F, chunk, axis=1), np.repeat(I, chunk, axis=1)  # noqa: E741
    overlap = F * I
    f = sigmoid(a["f"]) * overlap + (F - overlap)
    i = sigmoid(a["i"]) * overlap + (I - overlap)
    c = f * state["c"] + i * np.tanh(a["g"])
    return {"h": sigmoid(a["o"]) * np.tanh(c), "c": c}


def mclstm(params, state, x):
    """The memory-controller LSTM, a workshop paper of NIPS 2017."""
    a = affine(params, dict.fromkeys("ifgom", "WUb"), x, state["v"])
    y, c = _lstm_output(a, state["c"])
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
    a = affine(params, {name: "Wb" for name in IFGO}, x)
    S = len(params["U"])  # the size of a head
    for name, U in zip(IFGO, np.split(params["U"], 4, axis=1), strict=True):
        heads = np.split(U, U.shape[1] // S, axis=1)
        parts = np.split(state["h"], len(heads), axis=1)
        products = [h @ block for h, block in zip(parts, heads, strict=True)]
        a[name] = a[name] + np.concatenate(products, axis=1)
    log_f = np.log(sigmoid(a["f"]))
    fresh = state["n"] == 0
    m = np.where(fresh, a["i"], np.maximum(log_f + state["m"], a["i"]))
    f = np.where(fresh, 0, np.exp(log_f + state["m"] - m))
    i = np.exp(a["i"] - m)
    c, n = f * state["c"] + i * np.tanh(a["g"]), f * state["n"] + i
    return {"h": sigmoid(a["o"]) * c / n, "c": c, "n": n, "m": m}
