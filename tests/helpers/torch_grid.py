"""The grid of configurations in which layers are compared with PyTorch.

A record is a dict of arrays by name: ``weight.*`` (a state dict), ``x``, ``lengths``
(or none), ``state.*``, and the results of PyTorch: ``y``, ``final.*`` and the gradients
``by.*`` of the sum of all outputs and final states, weighted by the fixed arrays
``times.*``.
"""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import zoo
from tests.helpers.tolerances import error
from tests.helpers.typed import present
from zoo.types import Array, Params, State

B, T, D, H = 4, 6, 3, 4
LENGTHS = np.array([6, 3, 1, 5])
KINDS: dict[str, dict[str, Any]] = {
    "rnn": {"kind": "rnn"},
    "rnn-relu": {"kind": "rnn", "nonlinearity": "relu"},
    "lstm": {"kind": "lstm"},
    "lstm-proj": {"kind": "lstm", "proj_size": 2},
    "gru": {"kind": "gru"},
}
GRID = {
    f"{name}_{layers}_{'both' if both else 'one'}_{'ragged' if ragged else 'full'}": {
        **options,
        "num_layers": layers,
        "bidirectional": both,
        "ragged": ragged,
    }
    for (name, options), layers, both, ragged in itertools.product(
        KINDS.items(), (1, 3), (False, True), (False, True)
    )
}


def check(record: dict[str, np.ndarray], config: dict[str, Any]) -> float:
    """Compare a layer with a record; return the largest error.

    Errors are relative to the largest entry of each array.
    """
    weights = part(record, "weight.")
    options = {k: v for k, v in config.items() if k in ("kind", "nonlinearity")}
    layer = zoo.interop.from_torch(weights, **options)
    params, apply = zoo.functional(layer)
    mask = None
    if config["ragged"]:
        mask = zoo.mask_from_lengths(record["lengths"], T)
    state = to_state(part(record, "state."), config)

    @jax.jit
    def run(params, x, state):
        def loss(params, x, state):
            final, y = apply(params, x, mask, state)
            finals = from_state(final, config)
            terms = [(y * record["times.y"]).sum()]
            terms += [(a * record["times." + name]).sum() for name, a in finals.items()]
            return sum(terms), (finals, y)

        return jax.grad(loss, argnums=(0, 1, 2), has_aux=True)(params, x, state)

    (d_params, d_x, d_state), (finals, y) = run(params, record["x"], state)
    actual = {"y": y, "by.x": d_x}
    actual |= {"final." + name: value for name, value in finals.items()}
    actual |= {
        "by." + name: value for name, value in from_state(d_state, config).items()
    }
    actual |= {"by." + name: value for name, value in as_torch(d_params).items()}
    expected = {
        name: value
        for name, value in record.items()
        if name == "y" or name.startswith(("by.", "final."))
    }
    assert set(actual) == set(expected)
    errors = {name: relative(actual[name], expected[name]) for name in actual}
    worst = max(errors, key=errors.__getitem__)
    assert errors[worst] <= 1e-5, f"{worst}: {errors[worst]:.1e}"
    return errors[worst]


def relative(actual: Any, expected: Any) -> float:
    """Return the largest error, relative to the largest entry."""
    scale = float(np.abs(np.asarray(expected)).max()) or 1.0
    return error(np.asarray(actual) / scale, np.asarray(expected) / scale)


def part(record: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return the entries of a record that begin with a prefix."""
    return {
        k.removeprefix(prefix): v for k, v in record.items() if k.startswith(prefix)
    }


def to_state(state: dict[str, np.ndarray], config: dict[str, Any]) -> State:
    """Return PyTorch's states ``[num_layers * directions, B, H]`` as a layer's."""
    leaves = [state["c"], state["h"]] if config["kind"] == "lstm" else [state["h"]]
    n = len(leaves[0])

    def layer_state(k):
        arrays = [jnp.asarray(leaf[k]) for leaf in leaves]
        if config["kind"] == "lstm":
            return zoo.LSTMState(h=arrays[1], c=arrays[0])
        return zoo.HiddenState(arrays[0])

    if config["bidirectional"]:
        return tuple(
            zoo.BidirectionalState(layer_state(k), layer_state(k + 1))
            for k in range(0, n, 2)
        )
    return tuple(layer_state(k) for k in range(n))


def from_state(state: State, config: dict[str, Any]) -> dict[str, Array]:
    """Return the states of a layer in PyTorch's layout."""
    cells = [s for pair in state for s in (pair if config["bidirectional"] else [pair])]
    names = ("h", "c") if config["kind"] == "lstm" else ("h",)
    return {name: jnp.stack([getattr(s, name) for s in cells]) for name in names}


def as_torch(d_params: Params) -> dict[str, Array]:
    """Return gradients under PyTorch's names; its two biases get the same gradient."""
    result = {}
    for level, grads in d_params["layers"].items():
        directions = [grads]
        if "forward" in grads:
            directions = [grads["forward"], grads["backward"]]
        for reverse, direction in enumerate(directions):
            g = direction["cell"]
            suffix = f"_l{level}" + "_reverse" * reverse
            result["weight_ih" + suffix] = g["W"].T
            result["weight_hh" + suffix] = g["U"].T
            result["bias_ih" + suffix] = g["b"]
            second = g["b"]
            if "b_hn" in g:
                second = jnp.concatenate([g["b"][: -len(g["b_hn"])], g["b_hn"]])
            result["bias_hh" + suffix] = second
            if "P" in g:
                result["weight_hr" + suffix] = g["P"].T
    return result


def record_torch(config: dict[str, Any], seed: int) -> dict[str, np.ndarray]:
    """Return a record of PyTorch on random weights, inputs and states."""
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    options = {k: v for k, v in config.items() if k not in ("kind", "ragged")}
    module = getattr(torch.nn, config["kind"].upper())(
        D, H, batch_first=True, **options
    )

    def normal(*shape: int) -> torch.Tensor:
        return torch.tensor(
            rng.normal(size=shape).astype(np.float32), requires_grad=True
        )

    x = normal(B, T, D)
    n = config["num_layers"] * (1 + config["bidirectional"])
    state = {"h": normal(n, B, config.get("proj_size") or H)}
    if config["kind"] == "lstm":
        state["c"] = normal(n, B, H)
    torch_state = (state["h"], state["c"]) if "c" in state else state["h"]
    inputs = x
    if config["ragged"]:
        inputs = pack_padded_sequence(
            x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False
        )
    y, final = module(inputs, torch_state)
    if config["ragged"]:
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=T)
    final = dict(zip("hc", final if "c" in state else (final,), strict=False))
    outputs = {"y": y, **final}
    times = {
        name: rng.normal(size=v.shape).astype(np.float32) for name, v in outputs.items()
    }
    terms = [(v * torch.tensor(times[name])).sum() for name, v in outputs.items()]
    torch.stack(terms).sum().backward()
    named = dict(module.named_parameters())

    def gradients(tensors: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
        return {"by." + k: present(v.grad).numpy() for k, v in tensors.items()}

    return {
        **{"weight." + k: v.detach().numpy() for k, v in named.items()},
        **gradients(named),
        "x": x.detach().numpy(),
        **gradients({"x": x}),
        "lengths": LENGTHS,
        **{"state." + k: v.detach().numpy() for k, v in state.items()},
        **gradients(state),
        **{"final." + k: v.detach().numpy() for k, v in final.items()},
        "y": y.detach().numpy(),
        **{"times." + k: v for k, v in times.items()},
    }
