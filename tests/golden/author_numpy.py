"""The authors' programs in NumPy, with their own gradients; see `author_loading.py`."""

import collections
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.golden.author_loading import Params, load, program


@program
def clockwork_rnn(folder: Path, p: Params, x: torch.Tensor) -> torch.Tensor:
    """IDSIA/brainstorm, with its own backward pass.

    Each block reads all blocks there, so the entries of U that our cell does not read
    are zero.
    """
    cpu = ["brainstorm.handlers._cpuop"]
    module = load(folder, "brainstorm.layers.clockwork_layer", cpu)
    handlers = load(folder, "brainstorm.handlers.numpy_handler", cpu)
    H, periods = len(p["b"]), np.array([1.0, 2.0, 4.0, 8.0])
    layer = object.__new__(module.ClockworkLayerImpl)
    layer.handler = handlers.NumpyHandler(np.float64)
    layer.size, layer.activation = H, "tanh"
    internals = collections.namedtuple("internals", "Ha dHa dHb")
    parameters = collections.namedtuple("parameters", "W R bias timing")
    default = lambda value: types.SimpleNamespace(default=value)  # noqa: E731

    class Layer(torch.autograd.Function):
        """The layer as a function of PyTorch, on arrays with time first."""

        @staticmethod
        def forward(ctx: Any, *tensors: torch.Tensor) -> torch.Tensor:
            """Return the outputs for x, W, R and the bias."""
            x, W, R, b = (a.detach().contiguous().numpy() for a in tensors)
            shape = (len(x) + 1, x.shape[1], H)  # the last entry is the state before
            buffers = types.SimpleNamespace(
                inputs=default(x),
                outputs=default(np.zeros(shape)),
                parameters=parameters(W, R, b, periods),
                internals=internals(*(np.zeros(shape) for _ in range(3))),
            )
            layer.forward_pass(buffers)
            ctx.buffers = buffers
            return torch.tensor(buffers.outputs.default[:-1])

        @staticmethod
        def backward(ctx: Any, *cotangents: torch.Tensor) -> Any:
            """Return the gradients, from the backward pass of the authors."""
            buffers = ctx.buffers
            deltas = np.zeros_like(buffers.outputs.default)
            deltas[:-1] = cotangents[0].numpy()
            buffers.output_deltas = default(deltas)
            buffers.input_deltas = default(np.zeros_like(buffers.inputs.default))
            buffers.gradients = [np.zeros_like(a) for a in buffers.parameters]
            layer.backward_pass(buffers)
            gradients = [buffers.input_deltas.default, *buffers.gradients[:3]]
            return tuple(map(torch.tensor, gradients))

    read = torch.tensor(periods[:, None] >= periods[None])
    arguments = x.transpose(0, 1), p["W"].T, (p["U"] * read).T, p["b"]
    return Layer.apply(*arguments).transpose(0, 1)
