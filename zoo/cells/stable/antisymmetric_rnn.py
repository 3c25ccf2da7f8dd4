"""The antisymmetric RNN, without and with a gate."""

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo import checks
from zoo.cells.base import Cell, HiddenState, gate
from zoo.initializers import Initializer
from zoo.types import Array

__all__ = ["AntisymmetricRNNCell", "GatedAntisymmetricRNNCell"]


class AntisymmetricRNNCell(Cell):
    """The antisymmetric RNN: an Euler step of a differential equation.

    ::

        M = U - U^T - gamma I
        h' = h + epsilon * tanh(x W + h M + b)

    The eigenvalues of ``U - U^T`` are imaginary: with a small gamma, the state and its
    gradient neither explode nor vanish. Source: Chang et al. 2019, arXiv:1902.09689.
    """

    name = "antisymmetric_rnn"
    family = "stable"
    paper = "Chang et al. 2019, arXiv:1902.09689"
    equation = "h' = h + epsilon * tanh(x W + h (U - U^T - gamma I) + b)"
    parameters = "D*H + H*H + H"
    gates: ClassVar = {"n": 0}
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        epsilon: float = 0.1,
        gamma: float = 0.01,
        U_init: Initializer | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            epsilon: the step size.
            gamma: the rate at which the state decays.
            U_init: initialiser of ``U``, by default the paper's N(0, 1/H).
            rngs: random keys for the initialisation.
            **options: as for `Cell`.
        """
        scale = checks.positive("hidden_size", hidden_size) ** -0.5
        U_init = U_init or nnx.initializers.normal(scale)
        super().__init__(input_size, hidden_size, U_init=U_init, rngs=rngs, **options)
        self.epsilon, self.gamma = float(epsilon), float(gamma)

    def recur(self, state: HiddenState) -> Array:
        """Return ``h (U - U^T - gamma I)``."""
        U = self.U[...]
        return self.dot(state.h, U - U.T) - self.gamma * state.h

    def update(self, state: HiddenState, p: Array, q: Array) -> HiddenState:
        """Return the new state."""
        return HiddenState(state.h + self.epsilon * jnp.tanh(p + q))


class GatedAntisymmetricRNNCell(AntisymmetricRNNCell):
    """The antisymmetric RNN with a gate that uses the same recurrent matrix.

    ::

        M = U - U^T - gamma I
        z = sigmoid(x W_z + h M + b_z)
        h' = h + epsilon * z * tanh(x W_n + h M + b_n)

    Source: Chang et al. 2019, arXiv:1902.09689.
    """

    name = "gated_antisymmetric_rnn"
    equation = (
        "q = h (U - U^T - gamma I); z = sigmoid(x W + q + b); "
        "h' = h + epsilon * z * tanh(x W + q + b)"
    )
    parameters = "2*D*H + H*H + 2*H"
    gates: ClassVar = {"z": 0, "n": 0}
    recurrent_gates = ("n",)

    def update(self, state: HiddenState, p: Array, q: Array) -> HiddenState:
        """Return the new state."""
        z, n = self.split(p)
        change = gate("z", z + q) * jnp.tanh(n + q)
        return HiddenState(state.h + self.epsilon * change)
