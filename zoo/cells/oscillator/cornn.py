"""The coupled oscillatory RNN."""

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo.cells.oscillator.base import OscillatorCell, OscillatorState
from zoo.types import Array

__all__ = ["CoRNNCell"]


class CoRNNCell(OscillatorCell):
    """The coupled oscillatory RNN: damped, driven, coupled oscillators.

    ::

        z' = z + dt * (tanh(x W + h U + z U_z + b) - gamma * h - epsilon * z)
        h' = h + dt * z'

    Source: Rusch and Mishra 2020, arXiv:2010.00951.
    """

    name = "cornn"
    paper = "Rusch and Mishra 2020, arXiv:2010.00951"
    equation = (
        "z' = z + dt * (tanh(x W + h U + z U_z + b) - gamma * h - epsilon * z); "
        "h' = h + dt * z'"
    )
    parameters = "D*H + 2*H*H + H"
    gates: ClassVar = {"n": 0}
    recurrent = ("U", "U_z")
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        dt: float = 0.042,
        gamma: float = 2.7,
        epsilon: float = 4.7,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        The defaults of dt, gamma and epsilon are the paper's for sequential MNIST.

        Args:
            input_size: D.
            hidden_size: H.
            dt: the step size.
            gamma: the stiffness: the strength of the restoring force.
            epsilon: the damping of the velocity.
            rngs: random keys for the initialisation.
            **options: as for `Cell`; `U_init` also initialises ``U_z``.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.dt, self.gamma, self.epsilon = float(dt), float(gamma), float(epsilon)
        init = options.get("U_init") or self.inits["U"]
        self.U_z = self._param(init, rngs, (hidden_size, hidden_size))

    def recur(self, state: OscillatorState) -> Array:
        """Return ``hU + zU_z``."""
        return self.dot(state.h, self.U[...]) + self.dot(state.z, self.U_z[...])

    def update(self, state: OscillatorState, p: Array, q: Array) -> OscillatorState:
        """Return the new state."""
        force = jnp.tanh(p + q) - self.gamma * state.h - self.epsilon * state.z
        z = state.z + self.dt * force
        return OscillatorState(state.h + self.dt * z, z)
