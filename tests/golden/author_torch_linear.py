"""The authors' programs in PyTorch of cells that are linear in their state.

See `author_loading.py`.
"""

import importlib
import types
from pathlib import Path
from typing import Any

import torch

from tests.golden.author_loading import Params, gates, heads, in_double, load, program


@program
def rglru(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """google-deepmind/recurrentgemma, in PyTorch."""
    layers = load(folder, "recurrentgemma.torch.layers", ["recurrentgemma.common"])
    layers.rnn_scan.__defaults__ = (torch.float64,)
    H = p["Lambda"].shape[0]
    W_r, W_i, W_u = gates(p["W"], H, H, H)
    b_r, b_i, b_u = gates(p["b"], H, H, H)
    u = x @ W_u + b_u
    # The authors' gates read u. With these matrices they read x, because D = H here.
    inverse = torch.linalg.inv(W_u)
    weights = {"a_param": p["Lambda"]}
    for name, W, b in (("a_gate", W_r, b_r), ("input_gate", W_i, b_i)):
        read = inverse @ W
        weights |= {f"{name}.w": read[None], f"{name}.b": (b - b_u @ read)[None]}
    module = layers.RGLRU(H, 1, dtype=torch.float64)
    positions = torch.arange(x.shape[1]).expand(x.shape[:2])
    y, _ = torch.func.functional_call(module, weights, (u, positions))
    return y


@program
def hgrn(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """Doraemonzzz/hgru-pytorch, the real form, without its norm and last product."""
    names = ["hgru.hgru_real_cuda", "hgru.helpers"]
    real = load(folder, "hgru.hgrureal1d", names)
    real.get_activation_fn = lambda name: torch.nn.functional.silu
    module = real.HgruRealV6(x.shape[-1])
    module.norm = module.out_proj = torch.nn.Identity()
    H = p["W"].shape[1] // 3
    order = ("lambda_proj", "input_proj", "gate")
    weights = {}
    for layer, W, b in zip(
        order, gates(p["W"], *[H] * 3), gates(p["b"], *[H] * 3), strict=True
    ):
        weights |= {f"{layer}.weight": W.T, f"{layer}.bias": b}
    with torch.nn.utils.stateless._reparametrize_module(module, weights):
        return module.forward_naive(x.transpose(0, 1)).transpose(0, 1)


@program
def sru(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """asappresearch/sru, on a CPU; D = H."""
    extension: Any = importlib.import_module("torch.utils.cpp_extension")
    extension.load = lambda **options: None  # its kernels are not needed
    torch.jit.script = lambda function: function  # nor its compiled functions
    ops = load(folder, "sru.ops", ["sru.cuda_functional"])
    H = p["b"].shape[0] // 2
    U = torch.stack(gates(x @ p["W"], H, H, H), dim=-1).flatten(-2).transpose(0, 1)
    start, scale = torch.zeros(x.shape[0], H), torch.tensor([3.0**0.5])
    h, _ = ops.elementwise_recurrence_naive(
        *(U, x.transpose(0, 1), p["v"], p["b"], start, 0, H, False, True, scale)
    )
    return h.transpose(0, 1)


@program
def s6(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """state-spaces/mamba, the reference of its kernel."""
    empty = ["mamba_ssm", "mamba_ssm.utils", "mamba_ssm.utils.torch", "mamba_ssm.ops"]
    empty += ["mamba_ssm.ops.triton", "mamba_ssm.ops.triton.layer_norm"]
    path = folder / "mamba_ssm/ops/selective_scan_interface.py"
    scan = in_double(path, [*empty, "selective_scan_cuda"])["selective_scan_ref"]
    H, N = p["A_log"].shape
    u, delta, B, C = (a.transpose(1, 2) for a in gates(x @ p["W"], H, H, N, N))
    options = {"delta_bias": p["b"], "delta_softplus": True}
    y = scan(u, delta, -torch.exp(p["A_log"]), B, C, p["D"], **options)
    return y.transpose(1, 2)


@program
def mlstm(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """NX-AI/xlstm, one step at a time; two heads, eps 0."""
    backends = load(folder, "xlstm.blocks.mlstm.backends")
    H = (p["b"].shape[0] - 4) // 4
    q, k, v, i, f, o = gates(x @ p["W"] + p["b"], H, H, H, 2, 2, H)
    q, k, v, i, f = (heads(a).transpose(1, 2) for a in (q, k, v, i, f))
    B, S = x.shape[0], H // 2
    C, n, m = torch.zeros(B, 2, S, S), torch.zeros(B, 2, S, 1), torch.zeros(B, 2, 1, 1)
    y = []
    for t in range(x.shape[1]):
        step = [a[:, :, t : t + 1].clone() for a in (q, k, v, i, f)]
        h, (C, n, m) = backends.recurrent_step_stabilized_simple(
            C, n, m, *step, eps=0.0
        )
        y.append(h.reshape(B, H))
    return torch.sigmoid(o) * torch.stack(y, dim=1)


def _unit(a: torch.Tensor) -> torch.Tensor:
    """The normalisation of fla's kernels, which run on GPUs only."""
    return a / torch.sqrt((a**2).sum(-1, keepdim=True) + 1e-6)


def _rms(r: torch.Tensor, scale: torch.Tensor, epsilon: float) -> torch.Tensor:
    """The norm of the authors, then the scale; the heads are concatenated."""
    r = torch.nn.functional.rms_norm(r, r.shape[-1:], eps=epsilon)
    return r.flatten(-2) * scale


@program
def deltanet(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """fla-org/flash-linear-attention, the recurrence; two heads."""
    names = in_double(folder / "fla/ops/delta_rule/naive.py")
    H, silu = p["scale"].shape[0], torch.nn.functional.silu
    q, k, v, beta = gates(x @ p["W"], H, H, H, 2)
    q, k = (_unit(silu(heads(a))).transpose(1, 2) for a in (q, k))
    v, beta = silu(heads(v)).transpose(1, 2), torch.sigmoid(beta).transpose(1, 2)
    r, _ = names["delta_rule_recurrence"](q, k, v, beta)
    return _rms(r.transpose(1, 2), p["scale"], 1e-5)


@program
def gated_deltanet(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """fla-org/flash-linear-attention, the recurrence; two heads."""
    names = in_double(folder / "fla/ops/gated_delta_rule/naive.py")
    H, silu = p["scale"].shape[0], torch.nn.functional.silu
    q, k, v, beta, alpha, g = gates(x @ p["W"], H, H, H, 2, 2, H)
    q, k, v = _unit(silu(heads(q))), _unit(silu(heads(k))), silu(heads(v))
    softplus = torch.nn.functional.softplus(alpha + p["b"])
    log_alpha = -torch.exp(p["A_log"]) * softplus
    run = names["naive_recurrent_gated_delta_rule"]
    r, _ = run(q, k, v, torch.sigmoid(beta), log_alpha)
    return silu(g) * _rms(r, p["scale"], 1e-5)


@program
def gla(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """fla-org/flash-linear-attention, the recurrence; two heads."""
    names = in_double(folder / "fla/ops/gla/naive.py")
    H, F = p["scale"].shape[0], torch.nn.functional
    q, k, v, alpha, g = gates(x @ p["W"], *[H] * 5)
    b_alpha, b_g = gates(p["b"], H, H)
    log_alpha = F.logsigmoid(alpha + b_alpha) / 16
    r, _ = names["naive_recurrent_gla"](*(heads(a) for a in (q, k, v, log_alpha)))
    return F.silu(g + b_g) * _rms(r, p["scale"], 1e-5)


@program
def retnet(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """microsoft/torchscale, the recurrent form, without the rotation; two heads."""
    name = "torchscale.component.multiscale_retention"
    retention = load(folder, name)
    H = p["scale"].shape[0]
    args = types.SimpleNamespace(multiway=False, layernorm_eps=1e-6)
    module = retention.MultiScaleRetention(args, x.shape[-1], H, 2)
    # float64 all through, also in the norm.
    module.group_norm.forward = module.group_norm._norm
    parts = dict(zip("qkvg", gates(p["W"], H, H, H, H), strict=True))
    weights = {f"{gate}_proj.weight": W.T for gate, W in parts.items()}
    weights["out_proj.weight"] = torch.diag(p["scale"])
    decay = 1 - 2.0 ** (-5 - torch.arange(2, dtype=torch.float64))
    still = (torch.zeros(H // 2), torch.ones(H // 2)), decay
    memory: dict[str, Any] = {}
    y = [
        torch.func.functional_call(
            module, weights, (x[:, t : t + 1], still, False, memory)
        )
        for t in range(x.shape[1])
    ]
    return torch.cat(y, dim=1)


@program
def qrnn(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """salesforce/pytorch-qrnn, without its kernel; its f is our 1 - f."""
    kernels = ["cupy", "cupy.cuda", "pynvrtc", "pynvrtc.compiler"]
    module = load(folder, "torchqrnn.qrnn", kernels)
    H = len(p["b"]) // 3
    layer = module.QRNNLayer(x.shape[-1], H, window=2, use_cuda=False)
    sign = torch.cat([torch.ones(H), -torch.ones(H), torch.ones(H)])
    weights = {
        "linear.weight": (torch.cat([p["W"], p["V"]]) * sign).T,
        "linear.bias": p["b"] * sign,
    }
    y, _ = torch.func.functional_call(layer, weights, x.transpose(0, 1))
    return y.transpose(0, 1)


def _minimal(
    folder: Path, p: Params, x: torch.Tensor, name: str, order: tuple[int, ...]
) -> torch.Tensor:
    """lucidrains/minGRU-pytorch, one step at a time, with the candidate unchanged.

    Args:
        folder: of the checkout.
        p: the parameters.
        x: the inputs.
        name: of the module and of its class.
        order: for each of its blocks, the index of our gate.
    """
    load(folder, "minGRU_pytorch.minGRU")
    module: Any = importlib.import_module(f"minGRU_pytorch.{name}")
    module.g = lambda hidden: hidden
    cell = getattr(module, name)(x.shape[-1])
    (weight,) = [key for key, _ in cell.named_parameters()]
    blocks = p["W"].chunk(len(order), dim=1)
    weights = {weight: torch.cat([blocks[k] for k in order], dim=1).T}
    h, y = None, []
    for t in range(x.shape[1]):
        h = torch.func.functional_call(cell, weights, (x[:, t : t + 1], h))
        y.append(h)
    return torch.cat(y, dim=1)


@program
def mingru(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """lucidrains/minGRU-pytorch: candidate, then z."""
    return _minimal(folder, p, x, "minGRU", (1, 0))


@program
def minlstm(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """lucidrains/minGRU-pytorch: candidate, f, then i."""
    return _minimal(folder, p, x, "minLSTM", (2, 0, 1))


@program
def linear_attention(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """idiap/fast-transformers, the recurrent form; two heads."""
    package = "fast_transformers.recurrent.attention.self_attention"
    module = load(folder, f"{package}.linear_attention")
    H = p["W"].shape[1] // 3
    attention = module.RecurrentLinearAttention(H // 2)
    q, k, v = (heads(a) for a in gates(x @ p["W"], H, H, H))
    state, y = None, []
    for t in range(x.shape[1]):
        r, state = attention(q[:, t], k[:, t], v[:, t], state)
        y.append(r.flatten(-2))
    return torch.stack(y, dim=1)
