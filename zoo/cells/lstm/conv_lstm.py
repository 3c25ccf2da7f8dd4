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
    """The convolutional LSTM, for sequences of 1D, 2D or 3D grids.

    ::

        i, f, o = sigmoid(x * W + h * U + b)
        g = tanh(x * W + h * U + b)
        c' = f c + i g
        h' = o tanh(c')

    ``*`` is a convolution over the spatial axes with "same" padding, and the gates are
    applied at each position. `input_shape` has one, two or three spatial axes:
    ``x[B, T, *space, C]``, ``h[B, *space, H]``, ``W[*kernel, C, 4H]``,
    ``U[*kernel, H, 4H]``. There are no peepholes; the paper has them, and libraries
    omit them. Flax's ``ConvLSTMCell`` orders the gates i g f o and adds one to the
    forget gate at each step; here the forget gate's bias is initialised to one. Source:
    Shi et al. 2015, arXiv:1506.04214.
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
            input_shape: ``(*space, C)``: the sizes of one to three spatial axes, and
                the number of input channels.
            hidden_size: H, the number of channels of the state.
            kernel_size: size of the filters, one number for all axes or one for each.
            rngs: random keys for the initialisation.
            **options: as for `LSTMCell`.

        Raises:
            ValueError: if a size is not an int of 1 or more, if there are no spatial
                axes or more than three, or if `kernel_size` does not have one entry
                for each of them.
        """
        *space, channels = (
            checks.positive("a size of input_shape", n) for n in input_shape
        )
        if not 1 <= len(space) <= 3:
            raise ValueError(
                "input_shape must have one to three spatial axes and a channel axis, "
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
        """Return new filters, with a block for each gate; None means all."""
        count = len(self.gates if gates is None else gates)
        shape = (*self.kernel_size, *shape)
        return self._store(
            initializers.blocks(init, rngs.params(), count, shape, self.draw_dtype)
        )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one step's input: ``(*space, C)``."""
        return (*self.space, self.input_size)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of one step's output: ``(*space, H)``."""
        return (*self.space, self.hidden_size)

    def init_state(self, batch_size: int) -> LSTMState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return self.zero_state(LSTMState, batch_size, *self.output_shape)

    def dot(self, x: Array, weights: Array) -> Array:
        """Convolve in `dtype` and accumulate in `state_dtype`.

        Args:
            x: an array ``[..., *space, N]``.
            weights: filters ``[*kernel, N, M]``.
        """
        batch, shape = x.shape[: -len(self.space) - 1], x.shape[-len(self.space) - 1 :]
        rows = x.reshape(int(np.prod(batch)), *shape)
        y = convolution(rows, weights, self.dtype, self.state_dtype)
        return y.reshape(*batch, *y.shape[1:])
