"""The authors' programs in Theano; see `author_loading.py`.

No release of Theano runs on a current Python. PyTorch takes its place: the functions
that these programs call are defined here by those of PyTorch. `Tensor` has the methods
that differ.
"""

import contextlib
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.golden.author_loading import Params, gates, load, program, put_empty


class Tensor(torch.Tensor):
    """A tensor with the methods of Theano."""

    def dimshuffle(self, *order: Any) -> torch.Tensor:
        """Permute the axes, with "x" for a new one."""
        order = tuple(order[0]) if isinstance(order[0], list) else order
        kept = self.permute([axis for axis in order if axis != "x"])
        for position, axis in enumerate(order):
            kept = kept.unsqueeze(position) if axis == "x" else kept
        return kept

    def var(self, axis: int) -> torch.Tensor:
        """The mean square deviation; that of PyTorch divides by n - 1."""
        return torch.Tensor.var(self, dim=axis, unbiased=False)


def _add_to_part(part: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Theano's inc_subtensor: the array of a slice, after an addition to the slice."""
    assert part._base is not None
    base = part._base.reshape(len(part), -1)
    before = part.storage_offset()
    after = base.shape[1] - before - part.shape[1]
    return base + torch.nn.functional.pad(value, (int(before), int(after)))


def _scan(
    fn: Callable[..., Any],
    sequences: Sequence[Any],
    outputs_info: Sequence[Any],
    non_sequences: Sequence[Any] = (),
    **options: Any,
) -> tuple[Any, dict[str, Any]]:
    """Theano's scan: call a function for each step, and stack what it returns."""
    state, steps = list(outputs_info), []
    for items in zip(*sequences, strict=True):
        new = fn(*items, *state, *non_sequences)
        state = list(new) if isinstance(new, (list, tuple)) else [new]
        steps.append(state)
    stacked = [torch.stack(parts) for parts in zip(*steps, strict=True)]
    return (stacked if len(stacked) > 1 else stacked[0]), {}


def _tensor(value: Any) -> Any:
    """Return a value as a `Tensor`."""
    return torch.as_tensor(value, dtype=torch.float64).as_subclass(Tensor)


def _put_theano() -> Any:
    """Replace Theano by PyTorch, and return that module."""
    tensor: Any = types.ModuleType("theano.tensor")
    tensor.concatenate, tensor.cos, tensor.sin = torch.cat, torch.cos, torch.sin
    tensor.dot, tensor.outer, tensor.reshape = torch.matmul, torch.outer, torch.reshape
    tensor.tanh, tensor.abs_, tensor.mod = torch.tanh, torch.abs, torch.remainder
    tensor.le, tensor.gt, tensor.ones_like = torch.le, torch.gt, torch.ones_like
    tensor.ones, tensor.switch = torch.ones, lambda c, a, b: torch.where(c != 0, a, b)
    tensor.nnet = types.SimpleNamespace(sigmoid=torch.sigmoid)
    tensor.alloc = lambda value, *shape: _tensor(np.full(shape, value))
    tensor.sqrt = lambda a: torch.sqrt(torch.as_tensor(a, dtype=torch.float64))
    tensor.maximum = lambda a, floor: torch.clamp(a, min=floor)
    tensor.tile = lambda a, times: torch.tile(torch.as_tensor(a), times)
    tensor.inc_subtensor = _add_to_part
    tensor.cast = lambda a, dtype: a
    tensor.tensor3 = lambda: _tensor(np.zeros((1, 1, 1)))
    tensor.matrix = lambda: _tensor(np.zeros((1, 1)))
    theano: Any = types.ModuleType("theano")
    theano.tensor, theano.config = tensor, types.SimpleNamespace(floatX="float64")
    theano.shared = lambda value, name="": _tensor(value)
    theano.scan = _scan
    sys.modules |= {"theano": theano, "theano.tensor": tensor}
    return theano


class _Captured(Exception):
    """The step of a program is known, and the rest of it is not needed."""


def _pairs(function: Callable[..., torch.Tensor], factor: float) -> Callable[..., Any]:
    """Return a Fourier transform of pairs of a real and an imaginary part."""

    def transform(a: torch.Tensor) -> torch.Tensor:
        a = torch.view_as_complex(a.contiguous())
        return torch.view_as_real(function(a, dim=-1) * a.shape[-1] ** factor)

    return transform


@program
def urnn(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """amarshah/complex_RNN: its step, from a state of zeros.

    The imaginary part of r has the other sign there.
    """
    theano, captured = _put_theano(), {}
    put_empty(["cPickle", "fftconv"])
    fft: Any = sys.modules["fftconv"]
    fft.cufft = _pairs(torch.fft.fft, 0)
    fft.cuifft = _pairs(torch.fft.ifft, 1)  # it does not divide by n

    def scan(fn: Any, **options: Any) -> Any:
        captured["step"] = fn
        raise _Captured

    theano.scan = scan
    module = load(folder, "models")
    H = len(p["b"])
    with contextlib.suppress(_Captured):
        module.complex_RNN(x.shape[-1], H, 1, loss_function="MSE")
    step = captured["step"]
    permutation = np.asarray(p["permutation"])
    fixed = {
        "reflection": torch.cat([p["r"][:, 0], -p["r"][:, 1]], dim=-1),
        "index_permute_long": np.concatenate([permutation, permutation + H]),
    }
    for name, cell in zip(step.__code__.co_freevars, step.__closure__, strict=True):
        cell.cell_contents = fixed.get(name, cell.cell_contents)
    x, d, W, b = (_tensor(a) for a in (x, p["d"], p["W"], p["b"]))
    h, y = _tensor(torch.zeros(len(x), 2 * H)), []
    for t in range(x.shape[1]):
        h, _, _ = step(x[:, t], None, h, None, None, d, W, b, 0, 0)
        y.append(h)
    return torch.stack(y, dim=1)


def _layernorm(
    folder: Path, layer: str, parts: dict[str, Any], x: torch.Tensor, **options: Any
) -> torch.Tensor:
    """Run a layer of ryankiros/layer-norm.

    Args:
        folder: of the checkout.
        layer: the name of the function.
        parts: the parameters.
        x: the inputs.
        **options: of the function.
    """
    _put_theano()
    module = load(folder, "layers")
    # Names that the file uses and does not define.
    module._p = module.prfx = "{}_{}".format
    module.Sigmoid, module.Tanh, module.dot = torch.sigmoid, torch.tanh, torch.matmul
    params = {f"x_{name}": _tensor(value) for name, value in parts.items()}
    run = getattr(module, layer)
    y, *_ = run(params, _tensor(x.transpose(0, 1)), prefix="x", **options)
    return y.transpose(0, 1)


@program
def layernorm_lstm(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """ryankiros/layer-norm, where the gates are i f o g.

    It also adds its b before the norm, so b is zero here and b1 takes its place.
    """
    order, H = (0, 1, 3, 2), p["U"].shape[0]
    sort = lambda a: torch.cat([gates(a, *[H] * 4)[k] for k in order], dim=-1)  # noqa: E731
    parts = {"W": sort(p["W"]), "U": sort(p["U"]), "b": torch.zeros(4 * H)}
    parts |= {"s1": sort(p["scale_x"]), "b1": sort(p["b"]), "s2": sort(p["scale_h"])}
    parts |= {"b2": torch.zeros(4 * H), "s3": p["scale_c"], "b3": p["b_c"]}
    return _layernorm(folder, "lnlstm_layer", parts, x, options={"learn_h0": False})


@program
def layernorm_gru(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """ryankiros/layer-norm.

    It also adds b and bx before the norm: they are zero here, b1 to b4 are not.
    """
    H = p["U"].shape[0]
    parts = {"b": torch.zeros(2 * H), "bx": torch.zeros(H), "b3": torch.zeros(2 * H)}
    parts["b1"], parts["b2"] = gates(p["b"], 2 * H, H)
    parts["b4"] = p["b_hn"]
    for name, rz, n in (("W", "W", "Wx"), ("U", "U", "Ux")):
        parts[rz], parts[n] = gates(p[name], 2 * H, H)
    for name, rz, n in (("scale_x", "s1", "s2"), ("scale_h", "s3", "s4")):
        parts[rz], parts[n] = gates(p[name], 2 * H, H)
    return _layernorm(folder, "lngru_layer", parts, x, init_state=None, options={})


@program
def phased_lstm(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """dannyneil/public_plstm, as in training; its shift is -s."""
    _put_theano()
    names = "lasagne lasagne.nonlinearities lasagne.init lasagne.utils lasagne.layers"
    names += " lasagne.layers.base lasagne.layers.input lasagne.layers.dense"
    names += " lasagne.layers.helper lasagne.layers.recurrent lasagne.random"
    names += " theano.compile theano.compile.nanguardmode theano.sandbox"
    module = load(folder, "plstm", [*names.split(), "theano.sandbox.rng_mrg"])
    H = p["U"].shape[0]
    layer = object.__new__(module.PLSTMLayer)
    layer.mask_incoming_index = layer.hid_init_incoming_index = -2
    layer.cell_init_incoming_index, layer.time_incoming_index = -2, 1
    layer.bn = layer.backwards = layer.unroll_scan = layer.only_return_final = False
    layer.grad_clipping, layer.gradient_steps, layer.off_alpha = 0, -1, 1e-3
    layer.num_units, layer.precompute_input, layer.peepholes = H, True, True
    layer.cell_init = layer.hid_init = torch.zeros(1, H)
    layer.nonlinearity = layer.nonlinearity_cell = torch.tanh
    W, U, b = (gates(p[name], *[H] * 4) for name in "WUb")
    peepholes = dict(
        zip(("ingate", "forgetgate", "outgate"), gates(p["V"], H, H, H), strict=True)
    )
    for k, name in enumerate(("ingate", "forgetgate", "cell", "outgate")):
        setattr(layer, f"W_in_to_{name}", W[k])
        setattr(layer, f"W_hid_to_{name}", U[k])
        setattr(layer, f"b_{name}", b[k])
        if name != "cell":
            setattr(layer, f"nonlinearity_{name}", torch.sigmoid)
            setattr(layer, f"W_cell_to_{name}", peepholes[name])
    layer.period_timegate, layer.shift_timegate = _tensor(p["tau"]), _tensor(-p["s"])
    layer.on_end_timegate = _tensor(p["r"])
    time = _tensor(np.tile(np.arange(x.shape[1]), (len(x), 1)))
    return layer.get_output_for([_tensor(x), time])
