"""The LSTM whose products are convolutions."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from flax import nnx

from zoo import checks, initializers
from zoo.cells.lstm.lstm import LSTMCell, LSTMState
from zoo.engine.matmul import convolution
from zoo.initializers import Initializer
from zoo.types import Array

__all__ = ["ConvLSTMCell"]


class ConvLSTMCell(LSTMCell):
    """The convolutional LSTM, over sequences of lines, images or volumes.

    ::

        i, f, o = sigmoid(x * W + h * U + b)
        g = tanh(x * W + h * U + b)
        c' = f c + i g
        h' = o tanh(c')

    ``*`` is a convolution over the axes of space, padded so that their sizes stay, and
    the gates act place by place. One, two or three axes of space, as `input_shape`
    tells: ``x[B, T, *space, C]``, ``h[B, *space, H]``, ``W[*kernel, C, 4H]``,
    ``U[*kernel, H, 4H]``. No peepholes, which the paper has and libraries leave out.
    Flax's ``ConvLSTMCell`` orders the gates i g f o and adds one to the forget gate at
    each step; here its bias begins at one. Source: Shi et al. 2015, arXiv:1506.04214.
    """

    name: ClassVar[str] = "conv_lstm"
    registered = False
    paper = "Shi et al. 2015, arXiv:1506.04214"
    equation = (
        "i, f, o = sigmoid(conv(x, W) + conv(h, U) + b); g = tanh(conv(x, W) + "
        "conv(h, U) + b); c' = f * c + i * g; h' = o * tanh(c')"
    )
    additive = True

    def __init__(
        self,
        input_shape: Sequence[int],
        hidden_size: int,
        *,
        kernel_size: int | Sequence[int] = 3,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_shape: ``(*space, C)``: the sizes of one to three axes of space, and
                the channels of the input.
            hidden_size: H, channels of the state.
            kernel_size: of the filters, one number for all axes or one for each.
            rngs: keys of the initialisation.
            **options: as for `LSTMCell`.

        Raises:
            ValueError: if a size is not an int of 1 or more, or there are not one to
                three axes of space, each with its kernel size.
        """
        *space, channels = (
            checks.positive("a size of input_shape", n) for n in input_shape
        )
        if not 1 <= len(space) <= 3:
            raise ValueError(
                "input_shape must have one to three axes of space and one of channels, "
                f"got {tuple(input_shape)}"
            )
        if isinstance(kernel_size, int):
            kernel_size = [kernel_size] * len(space)
        if len(kernel_size) != len(space):
            raise ValueError(
                f"kernel_size must have one entry for each of {len(space)} axes, got "
                f"{tuple(kernel_size)}"
            )
        self.space = tuple(space)
        self.kernel_size = tuple(checks.positive("kernel_size", k) for k in kernel_size)
        super().__init__(channels, hidden_size, rngs=rngs, **options)

    def _matrix(
        self,
        init: Initializer,
        rngs: nnx.Rngs,
        shape: tuple[int, ...],
        gates: tuple[str, ...] | None,
    ) -> nnx.Param:
        """Draw the filters of each gate."""
        count = len(self.gates if gates is None else gates)
        shape = (*self.kernel_size, *shape)
        return nnx.Param(
            initializers.blocks(init, rngs.params(), count, shape, self.param_dtype)
        )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(*space, C)."""
        return (*self.space, self.input_size)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(*space, H)."""
        return (*self.space, self.hidden_size)

    def init_state(self, batch_size: int) -> LSTMState:
        """Return zeros.

        Args:
            batch_size: B.
        """
        zeros = self.zeros(batch_size, *self.output_shape)
        return LSTMState(zeros, zeros)

    def dot(self, x: Array, weights: Array) -> Array:
        """Convolve in `dtype`, accumulate in `state_dtype`.

        Args:
            x: an array ``[..., *space, N]``.
            weights: filters ``[*kernel, N, M]``.
        """
        batch, shape = x.shape[: -len(self.space) - 1], x.shape[-len(self.space) - 1 :]
        rows = x.reshape(int(np.prod(batch)), *shape)
        y = convolution(rows, weights, self.dtype, self.state_dtype)
        return y.reshape(*batch, *y.shape[1:])
