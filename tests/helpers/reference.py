"""The cells in numpy, gate by gate from the papers' equations, and a loop row by row.

Nothing here is shared with the library: no jax, no scan, no mask inside a step. Vectors
are rows, ``x[B, D]`` and ``h[B, H]``; parameters are named as in the library, with the
gates side by side in one matrix. States are dicts, and everything is float64.
"""

import numpy as np

from tests.helpers.numerics import gates, layer_norm, sigmoid
from tests.helpers.reference_more import CELLS as MORE


def rnn(params, state, x):
    """Elman 1990."""
    return {"h": np.tanh(x @ params["W"] + state["h"] @ params["U"] + params["b"])}


def rnn_relu(params, state, x):
    """Le et al. 2015, arXiv:1504.00941."""
    a = x @ params["W"] + state["h"] @ params["U"] + params["b"]
    return {"h": np.maximum(a, 0.0)}


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
    """Gers et al. 2002: the output gate sees the new cell state."""
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
    shown = params["scale_c"] * layer_norm(c) + params["b_c"]
    return {"h": sigmoid(o) * np.tanh(shown), "c": c}


def gru(params, state, x):
    """Cho et al. 2014, reset after the product as in torch.nn.GRU."""
    h = state["h"]
    (W_r, U_r, b_r), (W_z, U_z, b_z), (W_n, U_n, b_n) = gates(params, 3)
    r = sigmoid(x @ W_r + h @ U_r + b_r)
    z = sigmoid(x @ W_z + h @ U_z + b_z)
    n = np.tanh(x @ W_n + b_n + r * (h @ U_n + params.get("b_hn", 0.0)))
    return {"h": (1.0 - z) * n + z * h}


def layernorm_gru(params, state, x):
    """Ba et al. 2016, arXiv:1607.06450, equations 24 to 26 (1 - z for z)."""
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


def reset_before_gru(params, state, x):
    """Cho et al. 2014, arXiv:1406.1078."""
    h = state["h"]
    (W_r, U_r, b_r), (W_z, U_z, b_z), (W_n, U_n, b_n) = gates(params, 3)
    r = sigmoid(x @ W_r + h @ U_r + b_r)
    z = sigmoid(x @ W_z + h @ U_z + b_z)
    n = np.tanh(x @ W_n + (r * h) @ U_n + b_n)
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


def columns(params, n):
    """Return what x is multiplied with, and b, of each of n gates."""
    W = np.split(params["W"], n, axis=1)
    b = np.split(params.get("b", np.zeros(params["W"].shape[1])), n)
    return list(zip(W, b, strict=True))


def gilr(params, state, x):
    """Martin and Cundy 2017, arXiv:1709.04057."""
    (W_g, b_g), (W_i, b_i) = columns(params, 2)
    g = sigmoid(x @ W_g + b_g)
    return {"h": g * state["h"] + (1.0 - g) * np.tanh(x @ W_i + b_i)}


def mingru(params, state, x):
    """Feng et al. 2024, arXiv:2410.01201."""
    (W_z, b_z), (W_n, b_n) = columns(params, 2)
    z = sigmoid(x @ W_z + b_z)
    return {"h": (1.0 - z) * state["h"] + z * (x @ W_n + b_n)}


def minlstm(params, state, x):
    """Feng et al. 2024, arXiv:2410.01201."""
    (W_f, b_f), (W_i, b_i), (W_n, b_n) = columns(params, 3)
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


def rglru(params, state, x):
    """De et al. 2024, arXiv:2402.19427."""
    (W_r, b_r), (W_i, b_i), (W_u, b_u) = columns(params, 3)
    r, i = sigmoid(x @ W_r + b_r), sigmoid(x @ W_i + b_i)
    a = np.exp(-8.0 * np.log1p(np.exp(params["Lambda"])) * r)
    u = x @ W_u + b_u
    return {"h": a * state["h"] + np.sqrt(1.0 - a**2) * (i * u)}


def cut(params, x, **widths):
    """Return ``xW`` of each gate, cut into blocks of the widths told."""
    edges = np.cumsum(list(widths.values()))
    parts = np.split(x @ params["W"], edges, axis=1)
    assert parts.pop().shape[1] == 0
    return parts


def hgrn(params, state, x, lower_bound=0.0):
    """Qin et al. 2023, arXiv:2311.04823, real."""
    (W_f, b_f), (W_c, b_c), (W_g, b_g) = columns(params, 3)
    f = lower_bound + (1.0 - lower_bound) * sigmoid(x @ W_f + b_f)
    c = x @ W_c + b_c
    h = f * state["h"] + (1.0 - f) * c * sigmoid(c)
    return {"h": h, "y": h * sigmoid(x @ W_g + b_g)}


def s5(params, state, x):
    """Smith et al. 2022, arXiv:2208.04933, with the zero-order hold."""
    N, H = params["C"].shape[1:]
    re, im, direct = cut(params, x, re=N, im=N, D=H)
    C = params["C"][0] + 1j * params["C"][1]
    rate = -np.exp(params["decay"]) + 1j * params["frequency"]
    turn = np.exp(rate * np.exp(params["log_step"]))
    s = turn * (state["re"] + 1j * state["im"]) + (turn - 1.0) / rate * (re + 1j * im)
    return {"re": s.real, "im": s.imag, "y": 2.0 * (s @ C).real + direct}


def s6(params, state, x):
    """Gu and Dao 2023, arXiv:2312.00752, channel by channel."""
    H, N = params["A_log"].shape
    u, delta, B, C = cut(params, x, u=H, delta=H, B=N, C=N)
    delta = np.log1p(np.exp(delta + params["b"]))
    s, y = np.zeros_like(state["s"]), np.zeros_like(u)
    for h in range(H):
        a = np.exp(-delta[:, h : h + 1] * np.exp(params["A_log"][h]))
        s[:, h] = a * state["s"][:, h] + delta[:, h : h + 1] * B * u[:, h : h + 1]
        y[:, h] = (C * s[:, h]).sum(axis=1) + params["D"][h] * u[:, h]
    return {"s": s, "y": y}


def by_head(params, x, **sizes):
    """Return ``xW`` of each gate, ``[B, heads, size]``; the sizes are of one head."""
    heads = params["W"].shape[1] // sum(sizes.values())
    parts = cut(params, x, **{name: heads * size for name, size in sizes.items()})
    return [part.reshape(len(x), heads, -1) for part in parts]


def silu(a):
    """Return a * sigmoid(a)."""
    return a * sigmoid(a)


def shown(params, r):
    """Return what is read, with mean square one in each head, scaled."""
    r = r / np.sqrt((r**2).mean(axis=2, keepdims=True) + 1e-5)
    return r.reshape(len(r), -1) * params["scale"]


def linear_attention(params, state, x):
    """Katharopoulos et al. 2020, arXiv:2006.16236, equations 16 to 20."""
    _, _, K, V = state["S"].shape
    q, k, v = by_head(params, x, q=K, k=K, v=V)
    q, k = (np.where(a > 0, a + 1.0, np.exp(np.minimum(a, 0.0))) for a in (q, k))
    S = state["S"] + np.einsum("bhk,bhv->bhkv", k, v)
    z = state["z"] + k
    y = np.einsum("bhk,bhkv->bhv", q, S)
    y = y / (np.einsum("bhk,bhk->bh", q, z)[:, :, None] + 1e-6)
    return {"S": S, "z": z, "y": y.reshape(len(x), -1)}


def retnet(params, state, x):
    """Sun et al. 2023, arXiv:2307.08621, equations 6 and 8, without the rotation."""
    _, heads, K, V = state["S"].shape
    q, k, v, g = by_head(params, x, q=K, k=K, v=V, g=V)
    S = np.zeros_like(state["S"])
    for h in range(heads):
        gamma = 1.0 - 2.0 ** (-5.0 - h)
        S[:, h] = gamma * state["S"][:, h] + k[:, h, :, None] * v[:, h, None, :]
    r = np.einsum("bhk,bhkv->bhv", q, S) / np.sqrt(K)
    return {"S": S, "y": silu(g.reshape(len(x), -1)) * shown(params, r)}


def gla(params, state, x):
    """Yang et al. 2023, arXiv:2312.06635, equation 3 and section 4.4."""
    _, heads, K, V = state["S"].shape
    q, k, v, alpha, g = by_head(params, x, q=K, k=K, v=V, alpha=K, g=V)
    b_alpha, b_g = np.split(params["b"], [heads * K])
    alpha = sigmoid(alpha + b_alpha.reshape(heads, K)) ** (1.0 / 16.0)
    S = alpha[..., None] * state["S"] + np.einsum("bhk,bhv->bhkv", k, v)
    r = np.einsum("bhk,bhkv->bhv", q, S) / np.sqrt(K)
    return {"S": S, "y": silu(g.reshape(len(x), -1) + b_g) * shown(params, r)}


def mlstm(params, state, x):
    """Beck et al. 2024, arXiv:2405.04517, equations 19 to 27, kept at the scale m.

    ``exp(m)`` times the C and n of the state are those of the paper.
    """
    _, heads, K, V = state["C"].shape
    sizes = {"q": K, "k": K, "v": V, "i": 1, "f": 1, "o": V}
    parts = by_head(params, x, **sizes)
    edges = np.cumsum([heads * size for size in sizes.values()])
    b = np.split(params["b"], edges[:-1])
    q, k, v, i, f, o = (
        part + bias.reshape(heads, -1) for part, bias in zip(parts, b, strict=True)
    )
    log_f, log_i = np.log(sigmoid(f))[..., 0], i[..., 0]
    m = np.maximum(log_f + state["m"], log_i)
    C, n = np.zeros_like(state["C"]), np.zeros_like(state["n"])
    y = np.zeros_like(v)
    for h in range(heads):
        keep = np.exp(log_f + state["m"] - m)[:, h, None]
        add = np.exp(log_i - m)[:, h, None]
        key = k[:, h] / np.sqrt(K)
        outer = key[:, :, None] * v[:, h, None, :]
        C[:, h] = keep[..., None] * state["C"][:, h] + add[..., None] * outer
        n[:, h] = keep * state["n"][:, h] + add * key
        seen = np.abs((n[:, h] * q[:, h]).sum(axis=1))
        seen = np.maximum(seen, np.exp(-m[:, h]))[:, None]
        y[:, h] = sigmoid(o[:, h]) * (q[:, h, :, None] * C[:, h]).sum(axis=1) / seen
    return {"C": C, "n": n, "m": m, "y": y.reshape(len(x), -1)}


def unit(a):
    """Return vectors of length one."""
    return a / np.sqrt((a**2).sum(axis=-1, keepdims=True) + 1e-6)


def delta_rule(S, q, k, v, beta, alpha):
    """Return the state by the matrix of each step, and what q reads of it."""
    new = np.zeros_like(S)
    for row, h in np.ndindex(S.shape[:2]):
        key = unit(silu(k[row, h]))
        replace = np.eye(len(key)) - beta[row, h] * np.outer(key, key)
        new[row, h] = alpha[row, h] * replace @ S[row, h]
        new[row, h] += beta[row, h] * np.outer(key, silu(v[row, h]))
    return new, np.einsum("bhk,bhkv->bhv", unit(silu(q)), new)


def deltanet(params, state, x):
    """Yang et al. 2024, arXiv:2406.06484, section 2.2."""
    _, _, K, V = state["S"].shape
    q, k, v, beta = by_head(params, x, q=K, k=K, v=V, beta=1)
    S, r = delta_rule(state["S"], q, k, v, sigmoid(beta), np.ones_like(beta))
    return {"S": S, "y": shown(params, r)}


def gated_deltanet(params, state, x):
    """Yang et al. 2024, arXiv:2412.06464, equation 10."""
    _, _, K, V = state["S"].shape
    sizes = {"q": K, "k": K, "v": V, "beta": 1, "alpha": 1, "g": V}
    q, k, v, beta, alpha, g = by_head(params, x, **sizes)
    step = np.log1p(np.exp(alpha + params["b"][:, None]))
    alpha = np.exp(-np.exp(params["A_log"])[:, None] * step)
    S, r = delta_rule(state["S"], q, k, v, sigmoid(beta), alpha)
    return {"S": S, "y": silu(g.reshape(len(x), -1)) * shown(params, r)}


CELLS = {
    "rnn": rnn,
    "rnn_relu": rnn_relu,
    "lstm": lstm,
    "projected_lstm": projected_lstm,
    "peephole_lstm": peephole_lstm,
    "coupled_lstm": coupled_lstm,
    "layernorm_lstm": layernorm_lstm,
    "gru": gru,
    "reset_before_gru": reset_before_gru,
    "layernorm_gru": layernorm_gru,
    "mgu": mgu,
    "reset_after_mgu": reset_after_mgu,
    "gilr": gilr,
    "mingru": mingru,
    "minlstm": minlstm,
    "lru": lru,
    "rglru": rglru,
    "hgrn": hgrn,
    "s5": s5,
    "s6": s6,
    "linear_attention": linear_attention,
    "retnet": retnet,
    "gla": gla,
    "mlstm": mlstm,
    "deltanet": deltanet,
    "gated_deltanet": gated_deltanet,
    **MORE,
}


def run(name, params, x, *, mask, reset, reverse, state):
    """Run a cell over every row by itself, token by token.

    A row is cut into sequences at its real tokens with a reset, and each of them is run
    from the zero state, in reverse from its last token. The given state is for the
    sequence that the loop meets first, unless it begins with a reset of its own.

    Returns:
        The final states, the outputs, and the states after every step, all as the
        library's layers have them.
    """
    cell = CELLS[name]
    B, T, _ = x.shape
    first = {part: a[:1] for part, a in state.items()}
    probe = cell(params, first, x[:1, 0])
    y = np.zeros((B, T, probe.get("y", probe.get("h")).shape[1]))
    every = {part: np.zeros((B, T, *a.shape[1:])) for part, a in state.items()}
    final = {part: a.copy() for part, a in state.items()}
    for row in range(B):
        now = {part: a[row : row + 1] for part, a in state.items()}
        zero = {part: np.zeros_like(a) for part, a in now.items()}
        restart = False
        for t in reversed(range(T)) if reverse else range(T):
            if mask[row, t]:
                begins = reset[row, t]
                if restart or (begins and not reverse):
                    now = zero
                restart = begins and reverse
                now = cell(params, now, x[row : row + 1, t])
                # The read-out, where it is not the state itself.
                y[row, t] = now.get("y", now.get("h"))[0]
            for part in every:
                every[part][row, t] = now[part][0]
        for part in final:
            final[part][row] = now[part][0]
    return final, y, every
