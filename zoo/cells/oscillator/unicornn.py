"""The undamped independent controlled oscillatory RNN."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.cells.oscillator.base import OscillatorCell, OscillatorState
from zoo.initializers import Initializer
from zoo.types import Array

__all__ = ["UnICORNNCell"]


class UnICORNNCell(OscillatorCell):
    """The undamped independent controlled oscillatory RNN: no coupling of units.

    ::

        s = dt * sigmoid(c)
        z' = z - s * (tanh(x W + u * h + b) + alpha * h)
        h' = h + s * z'

    ``u[H]`` is initialised from U(0, 1) and ``c[H]`` from U(-0.1, 0.1). Source: Rusch
    and Mishra 2021, arXiv:2103.05487.
    """

    name = "unicornn"
    paper = "Rusch and Mishra 2021, arXiv:2103.05487"
    equation = (
        "s = dt * sigmoid(c); z' = z - s * (tanh(x W + u * h + b) + alpha * h); "
        "h' = h + s * z'"
    )
    parameters = "D*H + 3*H"
    gates: ClassVar = {"n": 0}
    recurrent = ("u",)
    inits: ClassVar = {**OscillatorCell.inits, "u": nnx.initializers.uniform(1.0)}
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        dt: float = 0.2,
        alpha: float = 1.0,
        u_init: Initializer | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            dt: the largest step size.
            alpha: the strength of the restoring force.
            u_init: initialiser of ``u``, by default U(0, 1).
            rngs: random keys for the initialisation.
            **options: as for `Cell`.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.dt, self.alpha = float(dt), float(alpha)
        self.u = self._param(u_init or self.inits["u"], rngs, (hidden_size,))
        c = jax.random.uniform(
            rngs.params(), (hidden_size,), self.draw_dtype, -0.1, 0.1
        )
        self.c = self._store(c)

    def recur(self, state: OscillatorState) -> Array:
        """Return ``u * h``."""
        return self.in_state_dtype(self.u, state.h) * state.h

    def update(self, state: OscillatorState, p: Array, q: Array) -> OscillatorState:
        """Return the new state."""
        s = self.dt * jax.nn.sigmoid(self.in_state_dtype(self.c, p))
        z = state.z - s * (jnp.tanh(p + q) + self.alpha * state.h)
        return OscillatorState(state.h + s * z, z)
