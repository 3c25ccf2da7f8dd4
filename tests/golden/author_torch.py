"""The authors' programs in PyTorch of cells with a nonlinear recurrence.

See `author_loading.py`.
"""

from pathlib import Path

import torch

from tests.golden.author_loading import Params, gates, load, program


@program
def slstm(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """NX-AI/xlstm, without its kernels; two heads."""
    vanilla = load(folder, "xlstm.blocks.slstm.src.vanilla")
    S, H = p["U"].shape[0], p["b"].shape[0] // 4
    R = p["U"].reshape(S, 4, 2, S).permute(2, 1, 3, 0).reshape(2, 4 * S, S)
    states = torch.zeros(4, x.shape[0], H)
    step = vanilla.slstm_pointwise_function_registry["slstm"]
    inputs = (x @ p["W"]).transpose(0, 1)
    states, _, _ = vanilla.slstm_forward(inputs, states, R, p["b"], step)
    return states[0, 1:].transpose(0, 1)


@program
def lipschitz_rnn(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """erichson/LipschitzRNN; it returns the last step only, so each prefix runs."""
    models = load(folder, "models", ["tools", "torchdiffeq"])
    models.get_device = models.which_device = lambda *_: "cpu"
    models.gaussian_init_ = lambda n, std: torch.zeros(n, n)
    H = len(p["b"])
    module = models.RnnModels(x.shape[-1], H, H, model="LipschitzRNN")
    weights = {"E.weight": p["W"].T, "E.bias": p["b"], "B": p["A"], "C": p["U"]}
    weights |= {"D.weight": torch.eye(H), "D.bias": torch.zeros(H)}
    run = torch.func.functional_call
    y = [run(module, weights, (x[:, : t + 1],)) for t in range(x.shape[1])]
    return torch.stack(y, dim=1)


@program
def exprnn(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """Lezcano/expRNN, with the matrix exponential of PyTorch."""
    load(folder, "parametrization")
    orthogonal = load(folder, "orthogonal")
    H = len(p["b"])
    options = (torch.nn.init.zeros_, "static", torch.matrix_exp)
    module = orthogonal.OrthogonalRNN(x.shape[-1], H, *options)
    kernel = module.recurrent_kernel
    kernel._B = kernel.retraction(p["U"], kernel.base)
    kernel.forward = lambda h: h.matmul(kernel._B)
    weights = {"input_kernel.weight": p["W"].T, "nonlinearity.b": p["b"]}
    h, y = torch.zeros(x.shape[0], H), []
    for t in range(x.shape[1]):
        _, h = torch.func.functional_call(module, weights, (x[:, t], h))
        y.append(h)
    return torch.stack(y, dim=1)


@program
def lem(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """tk-rusch/LEM; its y is our h."""
    network = load(folder, "src.adding.network")
    H = len(p["b"]) // 4
    module = network.LEMCell(x.shape[-1], H, 1.0)
    (W, U, b) = (dict(zip("stzh", gates(p[k], *[H] * 4), strict=True)) for k in "WUb")
    weights = {
        "inp2hid.weight": torch.cat([W[gate] for gate in "tshz"], dim=1).T,
        "inp2hid.bias": torch.cat([b[gate] for gate in "tshz"]),
        "hid2hid.weight": torch.cat([U[gate] for gate in "tsz"], dim=1).T,
        "hid2hid.bias": torch.zeros(3 * H),
        "transform_z.weight": U["h"].T,
        "transform_z.bias": torch.zeros(H),
    }
    h, z, y = torch.zeros(len(x), H), torch.zeros(len(x), H), []
    for t in range(x.shape[1]):
        h, z = torch.func.functional_call(module, weights, (x[:, t], h, z))
        y.append(h)
    return torch.stack(y, dim=1)


@program
def on_lstm(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """yikangshen/Ordered-Neurons; chunks of two units."""
    module = load(folder, "ON_LSTM", ["locked_dropout"])
    H = len(p["b"]) // 4
    cell = module.ONLSTMCell(x.shape[-1], H, 2).eval()
    blocks = {}
    for k in "WUb":
        i, f, g, o = gates(p[k], *[H] * 4)
        forget, write = gates(p[k + "_m"], H // 2, H // 2)
        blocks[k] = torch.cat([write, forget, o, g, i, f], dim=-1)
    weights = {"ih.0.weight": blocks["W"].T, "ih.0.bias": blocks["b"]}
    weights |= {"hh.weight": blocks["U"].T, "hh.bias": torch.zeros(5 * H)}
    state, y = (torch.zeros(len(x), H), torch.zeros(len(x), H // 2, 2)), []
    for t in range(x.shape[1]):
        h, c, _ = torch.func.functional_call(cell, weights, (x[:, t], state))
        y.append(h)
        state = h, c
    return torch.stack(y, dim=1)


@program
def augmented_lstm(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """allenai/allennlp."""
    empty = ["allennlp.common.checks", "allennlp.nn.initializers", "allennlp.nn.util"]
    module = load(folder, "allennlp.modules.augmented_lstm", empty)
    H = p["U"].shape[0]
    cell = module.AugmentedLSTMCell(x.shape[-1], H)
    weights = {"input_linearity.weight": p["W"].T, "input_linearity.bias": p["b"]}
    weights |= {
        "state_linearity.weight": p["U"].T,
        "state_linearity.bias": torch.zeros(5 * H),
    }
    state, y = (torch.zeros(len(x), H), torch.zeros(len(x), H)), []
    for t in range(x.shape[1]):
        state = torch.func.functional_call(cell, weights, (x[:, t], state))
        y.append(state[0])
    return torch.stack(y, dim=1)
