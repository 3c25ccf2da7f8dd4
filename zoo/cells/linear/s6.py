"""S6, the selective state space model of Mamba."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.cells.base import gate
from zoo.cells.blocks import BlockCell
from zoo.cells.linear.base import LinearCell
from zoo.engine.platform import platform
from zoo.types import Array

__all__ = ["ChannelState", "S6Cell"]


class ChannelState(NamedTuple):
    """The state of a cell with a separate state for each channel.

    Attributes:
        s: N entries for each channel, ``[B, H, N]``.
    """

    s: Array


class S6Cell(BlockCell, LinearCell):
    """The selective state space model: the step size Delta depends on the input.

    ::

        u = x W_u                             [H]
        Delta = softplus(x W_delta + b_delta)
        B, C = x W_B, x W_C
        a = exp(-Delta exp(A_log))
        s' = a * s + Delta * u B^T            [H, N]
        y = s' C + D * u

    With a large Delta, a channel forgets its state and reads the input. With a small
    Delta, it keeps its state and ignores the input. ``exp(A_log)`` is initialised to 1,
    2, ... N in each channel, and Delta log-uniformly in [0.001, 0.1].

    In the paper, Delta, B and C are computed from u, and W_delta is a product of two
    smaller matrices. Here all are computed from x in one product, so that D and H may
    differ. The convolution before the cell and the gate after it belong to the Mamba
    block, not to S6. Source: Gu and Dao 2023, arXiv:2312.00752.
    """

    name = "s6"
    family = "linear"
    paper = "Gu and Dao 2023, arXiv:2312.00752"
    equation = (
        "u, B, C = x W; Delta = softplus(x W + b); "
        "s' = exp(-Delta exp(A_log)) * s + Delta * u B^T; y = s' C + D * u"
    )
    parameters = "D * (2*H + 32) + 18*H"
    gates: ClassVar = {"u": 0, "delta": -1, "B": 0, "C": 0}
    bias_gates = ("delta",)
    inits: ClassVar = {**BlockCell.inits, "b": initializers.timescales(1e-3, 1e-1)}
    recompute = True  # a and b are N times as large as the arrays they depend on

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        state_size: int = 16,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H, the number of channels.
            state_size: N, the number of state entries of each channel.
            rngs: random keys for the initialisation.
            **options: as for `Cell`. Only Delta has a bias. By default `b_init` is
                ``zoo.initializers.timescales(1e-3, 1e-1)``.

        Raises:
            ValueError: if a size is not an int of 1 or more.
        """
        self.state_size = checks.positive("state_size", state_size)
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        rates = jnp.arange(1, state_size + 1, dtype=self.draw_dtype)
        shape = (hidden_size, state_size)
        self.A_log = self._store(jnp.broadcast_to(jnp.log(rates), shape))
        self.D = self._store(jnp.ones(hidden_size, self.draw_dtype))

    @property
    def widths(self) -> dict[str, int]:
        """The width of each block of ``W``: H for u and Delta, N for B and C."""
        H, N = self.hidden_size, self.state_size
        return {"u": H, "delta": H, "B": N, "C": N}

    def init_state(self, batch_size: int) -> ChannelState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return ChannelState(self.zeros(batch_size, self.hidden_size, self.state_size))

    def coefficients(self, p: dict[str, Array]) -> tuple[Array, Array]:
        """Return a and Delta * u B^T."""
        delta = jax.nn.softplus(p["delta"])
        b = (delta * p["u"])[..., None] * p["B"][..., None, :]
        rates = jnp.exp(self.in_state_dtype(self.A_log, b))
        return gate("a", -delta[..., None] * rates, jnp.exp), b

    def prefers_parallel(
        self, B: int, T: int, *, gradient: bool, recompute: bool
    ) -> bool:
        """Return whether the device is an accelerator.

        On a CPU, writing N entries for each channel at every step costs too much.
        """
        return platform() != "cpu"

    def vector(self, state: ChannelState) -> Array:
        """Return s ``[..., H, N]``."""
        return state.s

    def state_of(self, h: Array) -> ChannelState:
        """Return the state for an array s."""
        return ChannelState(h)

    def output(self, state: ChannelState, p: dict[str, Array]) -> Array:
        """Return ``s C + D * u``."""
        y = (state.s * p["C"][..., None, :]).sum(axis=-1)
        return y + self.in_state_dtype(self.D, y) * p["u"]
