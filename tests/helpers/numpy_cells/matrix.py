"""The cells of the family `matrix` in numpy."""

import numpy as np

from tests.helpers.numerics import sigmoid, silu, split_heads


def _normalized(params, r, epsilon=1e-5):
    """Return r, scaled to mean square one in each head, times the scale."""
    r = r / np.sqrt((r**2).mean(axis=2, keepdims=True) + epsilon)
    return r.reshape(len(r), -1) * params["scale"]


def linear_attention(params, state, x):
    """Katharopoulos et al. 2020, arXiv:2006.16236, equations 16 to 20."""
    _, _, K, V = state["S"].shape
    q, k, v = split_heads(params, x, q=K, k=K, v=V)
    q, k = (np.where(a > 0, a + 1.0, np.exp(np.minimum(a, 0.0))) for a in (q, k))
    S = state["S"] + np.einsum("bhk,bhv->bhkv", k, v)
    z = state["z"] + k
    y = np.einsum("bhk,bhkv->bhv", q, S)
    y = y / (np.einsum("bhk,bhk->bh", q, z)[:, :, None] + 1e-6)
    return {"S": S, "z": z, "y": y.reshape(len(x), -1)}


def retnet(params, state, x):
    """Sun et al. 2023, arXiv:2307.08621, equations 6 and 8, without the rotation.

    n is the sum of the weights of all steps so far, a number for each head.
    """
    _, heads, K, V = state["S"].shape
    q, k, v, g = split_heads(params, x, q=K, k=K, v=V, g=V)
    S, n = np.zeros_like(state["S"]), np.zeros_like(state["n"])
    for h in range(heads):
        gamma = 1.0 - 2.0 ** (-5.0 - h)
        S[:, h] = gamma * state["S"][:, h] + k[:, h, :, None] * v[:, h, None, :]
        n[:, h] = gamma * state["n"][:, h] + 1.0
    r = np.einsum("bhk,bhkv->bhv", q, S) / np.sqrt(K * n[:, :, None])
    y = silu(g.reshape(len(x), -1)) * _normalized(params, r, 1e-6)
    return {"S": S, "n": n, "y": y}


def gla(params, state, x):
    """Yang et al. 2023, arXiv:2312.06635, equation 3 and section 4.4."""
    _, heads, K, V = state["S"].shape
    q, k, v, alpha, g = split_heads(params, x, q=K, k=K, v=V, alpha=K, g=V)
    b_alpha, b_g = np.split(params["b"], [heads * K])
    alpha = sigmoid(alpha + b_alpha.reshape(heads, K)) ** (1.0 / 16.0)
    S = alpha[..., None] * state["S"] + np.einsum("bhk,bhv->bhkv", k, v)
    r = np.einsum("bhk,bhkv->bhv", q, S) / np.sqrt(K)
    return {"S": S, "y": silu(g.reshape(len(x), -1) + b_g) * _normalized(params, r)}


def mlstm(params, state, x):
    """Beck et al. 2024, arXiv:2405.04517, equations 19 to 27.

    The C and n of the state are those of the paper divided by ``exp(m)``.
    """
    _, heads, K, V = state["C"].shape
    sizes = {"q": K, "k": K, "v": V, "i": 1, "f": 1, "o": V}
    parts = split_heads(params, x, **sizes)
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
        scale = np.abs((n[:, h] * q[:, h]).sum(axis=1))
        scale = np.maximum(scale, np.exp(-m[:, h]))[:, None]
        y[:, h] = sigmoid(o[:, h]) * (q[:, h, :, None] * C[:, h]).sum(axis=1) / scale
    return {"C": C, "n": n, "m": m, "y": y.reshape(len(x), -1)}


def _unit(a):
    """Return vectors scaled to length one."""
    return a / np.sqrt((a**2).sum(axis=-1, keepdims=True) + 1e-6)


def _delta_rule(S, q, k, v, beta, alpha):
    """Return the new state, from the transition matrix of the step, and S^T q."""
    new = np.zeros_like(S)
    for row, h in np.ndindex(S.shape[:2]):
        key = _unit(silu(k[row, h]))
        replace = np.eye(len(key)) - beta[row, h] * np.outer(key, key)
        new[row, h] = alpha[row, h] * replace @ S[row, h]
        new[row, h] += beta[row, h] * np.outer(key, silu(v[row, h]))
    q = _unit(silu(q)) / np.sqrt(q.shape[-1])
    return new, np.einsum("bhk,bhkv->bhv", q, new)


def deltanet(params, state, x):
    """Yang et al. 2024, arXiv:2406.06484, section 2.2."""
    _, _, K, V = state["S"].shape
    q, k, v, beta = split_heads(params, x, q=K, k=K, v=V, beta=1)
    S, r = _delta_rule(state["S"], q, k, v, sigmoid(beta), np.ones_like(beta))
    return {"S": S, "y": _normalized(params, r)}


def gated_deltanet(params, state, x):
    """Yang et al. 2024, arXiv:2412.06464, equation 10."""
    _, _, K, V = state["S"].shape
    sizes = {"q": K, "k": K, "v": V, "beta": 1, "alpha": 1, "g": V}
    q, k, v, beta, alpha, g = split_heads(params, x, **sizes)
    step = np.log1p(np.exp(alpha + params["b"][:, None]))
    alpha = np.exp(-np.exp(params["A_log"])[:, None] * step)
    S, r = _delta_rule(state["S"], q, k, v, sigmoid(beta), alpha)
    return {"S": S, "y": silu(g.reshape(len(x), -1)) * _normalized(params, r)}
