"""The authors' programs in JAX, TensorFlow and Theano; see `author_programs.py`.

PyTorch takes the place of TensorFlow and Theano: the few functions that these programs
call are defined here by those of PyTorch.
"""

import contextlib
import sys
import types
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from tests.golden.author_loading import Params, load, program


@program
def lru(folder: Path, p: Params, x: jax.Array) -> jax.Array:
    """NicolasZucchet/minimal-LRU; its D is a vector."""
    model = load(folder, "lru.model")
    H = p["nu"].shape[0]
    B_re, B_im, D = jnp.split(p["W"], 3, axis=1)
    weights = {"nu_log": p["nu"], "theta_log": p["theta"], "gamma_log": p["gamma"]}
    weights |= {"B_re": B_re.T, "B_im": B_im.T, "D": jnp.diag(D)}
    weights |= {"C_re": p["C"][0].T, "C_im": p["C"][1].T}
    module = model.LRU(d_hidden=H, d_model=x.shape[-1])
    return jax.vmap(lambda row: module.apply({"params": weights}, row))(x)


@program
def s5(folder: Path, p: Params, x: jax.Array) -> jax.Array:
    """lindermanlab/S5; its D is a vector."""
    jax.numpy.DeviceArray = jax.Array  # pyright: ignore[reportAttributeAccessIssue]
    ssm = load(folder, "s5.ssm")
    _, N, H = p["C"].shape
    B_re, B_im, D = jnp.split(p["W"], [N, 2 * N], axis=1)
    weights = {
        "Lambda_re": -jnp.exp(p["decay"]),
        "Lambda_im": p["frequency"],
        "B": jnp.stack([B_re.T, B_im.T], axis=-1),
        "C": jnp.stack([p["C"][0].T, p["C"][1].T], axis=-1),
        "D": jnp.diag(D),
        "log_step": p["log_step"][:, None],
    }
    none = jnp.zeros((N,))
    shape = jnp.zeros((2 * N, N), complex)
    build = ssm.init_S5SSM(
        *(H, N, none, none, shape, shape.T, "lecun_normal", "zoh", 1e-3, 1e-1),
        *(True, False, False),
    )
    return jax.vmap(lambda row: build().apply({"params": weights}, row))(x)


@program
def nas(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """tensorflow/addons, whose call of TensorFlow's functions PyTorch answers."""
    tf: Any = types.ModuleType("tensorflow")
    tf.math = types.SimpleNamespace(sigmoid=torch.sigmoid, tanh=torch.tanh)
    tf.nn = types.SimpleNamespace(relu=torch.relu, bias_add=torch.add)
    tf.matmul = torch.matmul
    tf.split = lambda axis, num_or_size_splits, value: torch.chunk(
        value, num_or_size_splits, axis
    )
    same = lambda **_: lambda function: function  # noqa: E731
    register = types.SimpleNamespace(register_keras_serializable=same)
    tf.keras = types.SimpleNamespace(utils=register)
    sys.modules["tensorflow"] = tf
    guard: Any = types.ModuleType("typeguard")
    guard.typechecked = lambda function: function
    sys.modules["typeguard"] = guard
    names = ["tensorflow_addons.rnn.abstract_rnn_cell", "tensorflow_addons.utils.types"]
    module = load(folder, "tensorflow_addons.rnn.nas_cell", names)
    H = len(p["b"]) // 8
    cell = object.__new__(module.NASCell)
    cell.use_bias, cell.projection = True, None
    cell.kernel, cell.recurrent_kernel, cell.bias = p["W"], p["U"], p["b"]
    state, y = [torch.zeros(len(x), H)] * 2, []
    for t in range(x.shape[1]):
        h, state = cell.call(x[:, t], state)
        y.append(h)
    return torch.stack(y, dim=1)


def _transposed(self: torch.Tensor, *order: Any) -> torch.Tensor:
    """Theano's dimshuffle: a permutation of the axes, with "x" for a new one."""
    kept = self.permute([axis for axis in order if axis != "x"])
    for position, axis in enumerate(order):
        kept = kept.unsqueeze(position) if axis == "x" else kept
    return kept


def _add_to_part(part: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Theano's inc_subtensor: the array of a slice, after an addition to the slice."""
    assert part._base is not None
    base = part._base.reshape(len(part), -1)
    before = part.storage_offset()
    after = base.shape[1] - before - part.shape[1]
    return base + torch.nn.functional.pad(value, (int(before), int(after)))


class _Captured(Exception):
    """The step of a program is known, and the rest of it is not needed."""


def _put_theano(captured: dict[str, Any]) -> None:
    """Put PyTorch in the place of Theano; `scan` keeps the step that it is given."""
    torch.Tensor.dimshuffle = _transposed  # pyright: ignore[reportAttributeAccessIssue]
    tensor: Any = types.ModuleType("theano.tensor")
    tensor.concatenate, tensor.cos, tensor.sin = torch.cat, torch.cos, torch.sin
    tensor.dot, tensor.outer, tensor.reshape = torch.matmul, torch.outer, torch.reshape
    tensor.sqrt = lambda a: torch.sqrt(torch.as_tensor(a, dtype=torch.float64))
    tensor.maximum = lambda a, floor: torch.clamp(a, min=floor)
    tensor.tile = lambda a, times: torch.tile(torch.as_tensor(a), times)
    tensor.inc_subtensor = _add_to_part
    tensor.cast = lambda a, dtype: a
    theano: Any = types.ModuleType("theano")
    theano.tensor, theano.config = tensor, types.SimpleNamespace(floatX="float64")
    theano.shared = lambda value, name="": torch.as_tensor(value, dtype=torch.float64)
    pickle: Any = types.ModuleType("cPickle")
    fft: Any = types.ModuleType("fftconv")

    def pairs(function: Any, factor: float) -> Any:
        def transform(a: torch.Tensor) -> torch.Tensor:
            a = torch.view_as_complex(a.contiguous())
            scale = a.shape[-1] ** factor
            return torch.view_as_real(function(a, dim=-1) * scale)

        return transform

    fft.cufft = pairs(torch.fft.fft, 0)
    fft.cuifft = pairs(torch.fft.ifft, 1)  # it does not divide by n

    tensor.tensor3 = partial(torch.zeros, 1, 1, 1)
    tensor.matrix = partial(torch.zeros, 1, 1)

    def scan(fn: Any, **options: Any) -> Any:
        captured["step"] = fn
        raise _Captured

    theano.scan = scan
    for module in (theano, tensor, pickle, fft):
        sys.modules[module.__name__] = module


@program
def urnn(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """amarshah/complex_RNN: its step, from a state of zeros.

    The imaginary part of r has the other sign there.
    """
    captured: dict[str, Any] = {}
    _put_theano(captured)
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
    h, y = torch.zeros(len(x), 2 * H), []
    for t in range(x.shape[1]):
        h, _, _ = step(x[:, t], None, h, None, None, p["d"], p["W"], p["b"], 0, 0)
        y.append(h)
    return torch.stack(y, dim=1)
