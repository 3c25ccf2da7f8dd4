"""The long expressive memory."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import gate
from zoo.cells.oscillator.base import OscillatorCell, OscillatorState
from zoo.types import Array

__all__ = ["LEMCell"]


class LEMCell(OscillatorCell):
    """The long expressive memory: two states, each with a learnt step size.

    ::

        s = dt * sigmoid(x W_s + h U_s + b_s)
        t = dt * sigmoid(x W_t + h U_t + b_t)
        z' = (1 - s) * z + s * tanh(x W_z + h U_z + b_z)
        h' = (1 - t) * h + t * tanh(x W_h + z' U_h + b_h)

    Source: Rusch et al. 2021, arXiv:2110.04744.
    """

    name = "lem"
    paper = "Rusch et al. 2021, arXiv:2110.04744"
    equation = (
        "s, t = dt * sigmoid(x W + h U + b); z' = (1 - s) * z + s * tanh(x W + h U + "
        "b); h' = (1 - t) * h + t * tanh(x W + z' U + b)"
    )
    parameters = "4 * (D*H + H*H + H)"
    gates: ClassVar = {"s": -1, "t": -1, "z": 0, "h": 0}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        dt: float = 1.0,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            dt: the largest step size, in (0, 1].
            rngs: random keys for the initialisation.
            **options: as for `Cell`.

        Raises:
            ValueError: if `dt` is out of its range.
        """
        if not 0 < dt <= 1:
            raise ValueError(f"dt must lie in (0, 1], got {dt!r}")
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.dt = float(dt)

    def advance(
        self,
        state: OscillatorState,
        p: Array,
        *,
        recur_state: OscillatorState | None = None,
        keep: Array | None = None,
    ) -> OscillatorState:
        """Return the new state; overridden because h' needs a product with z'."""
        h_read = state.h if recur_state is None else recur_state.h
        U, N = self.U[...], 3 * self.hidden_size
        U_stz, U_h = U[:, :N], U[:, N:]
        s, t, z, h = self.split(p)
        q_s, q_t, q_z = self.split(self.dot(h_read, U_stz))
        s = gate("s", self.dt * jax.nn.sigmoid(s + q_s), None)
        t = gate("t", self.dt * jax.nn.sigmoid(t + q_t), None)
        z = (1 - s) * state.z + s * jnp.tanh(z + q_z)
        h = (1 - t) * state.h + t * jnp.tanh(h + self.dot(z, U_h))
        return OscillatorState(h, z)
