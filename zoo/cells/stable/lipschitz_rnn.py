"""The Lipschitz RNN."""

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.cells.base import Cell, HiddenState
from zoo.initializers import BiasInitializer, Initializer
from zoo.types import Array

__all__ = ["LipschitzRNNCell"]


class LipschitzRNNCell(Cell):
    """The Lipschitz RNN: an Euler step of a linear part plus a Lipschitz nonlinearity.

    ::

        s(M) = (1 - beta) (M + M^T) + beta (M - M^T) - gamma I
        h' = h + epsilon * (h s(A) + tanh(x W + h s(U) + b))

    s(M) interpolates between the symmetric and the antisymmetric part of M, and gamma
    shifts its eigenvalues to the left. ``A[H, H]``. The default options and the
    initialisation are those of the authors' code: A and U are N(0, 1/H²), W and b
    uniform in ``[-1/sqrt(D), 1/sqrt(D)]``. Source: Erichson et al. 2020,
    arXiv:2006.12070; erichson/LipschitzRNN, ``models.py``.
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
        epsilon: float = 0.01,
        beta: float = 0.8,
        gamma: float = 0.01,
        W_init: Initializer | None = None,
        U_init: Initializer | None = None,
        b_init: BiasInitializer | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            epsilon: the step size.
            beta: the weight of the antisymmetric part, from 0.5 (M itself) to 1 (only
                the antisymmetric part).
            gamma: the shift of the eigenvalues to the left.
            W_init: initialiser of ``W``, by default U(-c, c) with ``c = 1/sqrt(D)``.
            U_init: initialiser of ``A`` and ``U``, by default N(0, 1/H²).
            b_init: initialiser of ``b``, by default U(-c, c).
            rngs: random keys for the initialisation.
            **options: as for `Cell`.

        Raises:
            ValueError: if `beta` is not in [0.5, 1].
        """
        if not 0.5 <= beta <= 1:
            raise ValueError(f"beta must lie in [0.5, 1], got {beta!r}")
        bound = checks.positive("input_size", input_size) ** -0.5
        scale = 1 / checks.positive("hidden_size", hidden_size)
        U_init = U_init or nnx.initializers.normal(scale)
        super().__init__(
            input_size,
            hidden_size,
            W_init=W_init or initializers.uniform(bound),
            U_init=U_init,
            b_init=b_init or initializers.uniform_bias(bound),
            rngs=rngs,
            **options,
        )
        self.epsilon, self.beta, self.gamma = float(epsilon), float(beta), float(gamma)
        self.A = self._param(U_init, rngs, (hidden_size, hidden_size))

    def _times_s(self, h: Array, M: Array) -> Array:
        """Return ``h s(M)``."""
        # (1 - beta) (M + M^T) + beta (M - M^T) = M + (1 - 2 beta) M^T
        return self.dot(h, M + (1 - 2 * self.beta) * M.T) - self.gamma * h

    def recur(self, state: HiddenState) -> tuple[Array, Array]:
        """Return ``h s(A)`` and ``h s(U)``."""
        h = state.h
        return self._times_s(h, self.A[...]), self._times_s(h, self.U[...])

    def update(
        self, state: HiddenState, p: Array, q: tuple[Array, Array]
    ) -> HiddenState:
        """Return the new state."""
        linear, hidden = q
        return HiddenState(state.h + self.epsilon * (linear + jnp.tanh(p + hidden)))
