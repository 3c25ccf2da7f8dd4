"""Networks that are stable by construction: antisymmetric and Lipschitz."""

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import Cell, HiddenState, gate
from zoo.types import Array


class AntisymmetricRNNCell(Cell):
    """A step of an equation whose eigenvalues are imaginary: it neither grows nor dies.

    ::

        M = U - U^T - gamma I
        h' = h + epsilon * tanh(x W + h M + b)

    Source: Chang et al. 2019, arXiv:1902.09689.
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
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            epsilon: the size of a step.
            gamma: how fast the state decays.
            rngs: keys of the initialisation.
            **options: as for `Cell`; `U_init` is by default N(0, 1/H), as in the paper.
        """
        options.setdefault("U_init", nnx.initializers.normal(hidden_size**-0.5))
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.epsilon, self.gamma = float(epsilon), float(gamma)

    def recur(self, state: HiddenState) -> Array:
        """Return ``h (U - U^T - gamma I)``."""
        U = self.U[...]
        return self.dot(state.h, U - U.T) - self.gamma * state.h

    def update(self, state: HiddenState, p: Array, q: Array) -> HiddenState:
        """Return the new state."""
        return HiddenState(state.h + self.epsilon * jnp.tanh(p + q))


class GatedAntisymmetricRNNCell(AntisymmetricRNNCell):
    """The antisymmetric network with a gate that shares its matrix.

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
        moved = gate("z", z + q) * jnp.tanh(n + q)
        return HiddenState(state.h + self.epsilon * moved)


class LipschitzRNNCell(Cell):
    """A linear part and a Lipschitz one, both of skewed and shrunk matrices.

    ::

        s(M) = (1 - beta) (M + M^T) + beta (M - M^T) - gamma I
        h' = h + epsilon * (h s(A) + tanh(x W + h s(U) + b))

    ``A[H, H]``. The step is Euler's. Source: Erichson et al. 2020, arXiv:2006.12070.
    """

    name = "lipschitz_rnn"
    family = "stable"
    paper = "Erichson et al. 2020, arXiv:2006.12070"
    equation = (
        "s(M) = (1 - beta) (M + M^T) + beta (M - M^T) - gamma I; "
        "h' = h + epsilon * (h s(A) + tanh(x W + h s(U) + b))"
    )
    parameters = "D*H + 2*H*H + H"
    gates: ClassVar = {"n": 0}
    recurrent = ("A", "U")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        epsilon: float = 0.03,
        beta: float = 0.65,
        gamma: float = 0.001,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            epsilon: the size of a step.
            beta: from 0.5, neither, to 1, antisymmetric.
            gamma: how far the eigenvalues are shifted to the left.
            rngs: keys of the initialisation.
            **options: as for `Cell`; `U_init` also draws ``A`` and is by default N(0,
                1/H).

        Raises:
            ValueError: if beta does not lie in [0.5, 1].
        """
        if not 0.5 <= beta <= 1:
            raise ValueError(f"beta must lie in [0.5, 1], got {beta!r}")
        options.setdefault("U_init", nnx.initializers.normal(hidden_size**-0.5))
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.epsilon, self.beta, self.gamma = float(epsilon), float(beta), float(gamma)
        self.A = self._param(options["U_init"], rngs, (hidden_size, hidden_size))

    def _skewed(self, h: Array, M: Array) -> Array:
        """Return ``h s(M)``."""
        # (1 - beta) (M + M^T) + beta (M - M^T) = M + (1 - 2 beta) M^T
        return self.dot(h, M + (1 - 2 * self.beta) * M.T) - self.gamma * h

    def recur(self, state: HiddenState) -> tuple[Array, Array]:
        """Return ``h s(A)`` and ``h s(U)``."""
        h = state.h
        return self._skewed(h, self.A[...]), self._skewed(h, self.U[...])

    def update(
        self, state: HiddenState, p: Array, q: tuple[Array, Array]
    ) -> HiddenState:
        """Return the new state."""
        linear, inner = q
        return HiddenState(state.h + self.epsilon * (linear + jnp.tanh(p + inner)))
