"""The RNN whose recurrent matrix is a matrix exponential."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.cells.base import Cell, HiddenState
from zoo.initializers import Initializer
from zoo.types import Array, Key

__all__ = ["ExpRNNCell"]


def henaff(key: Key, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return the upper triangle of a random skew-symmetric matrix of 2 x 2 blocks.

    The exponential of each block is a rotation by an angle from U(-pi, pi). Source:
    Henaff et al. 2016, arXiv:1602.06662.

    Args:
        key: a random key.
        shape: ``(H, H)``.
        dtype: of the result.
    """
    size = shape[0]
    angles = jax.random.uniform(key, (size,), dtype, -jnp.pi, jnp.pi)
    even = jnp.arange(size) % 2 == 0
    return jnp.diag(jnp.where(even, angles, 0)[: size - 1], k=1)


class ExpRNNCell(Cell):
    """The expRNN: the recurrent matrix is the exponential of a skew-symmetric matrix.

    ::

        A = triu(U) - triu(U)^T              above the diagonal
        a = x W + h exp(A)
        h' = sign(a) * relu(|a| + b)         modReLU

    ``exp(A)`` is orthogonal for every U. Only the entries of U above its diagonal are
    used. As in the authors' code, W is N(0, 2/D) and b is U(-0.01, 0.01). Source:
    Lezcano-Casado and Martinez-Rubio 2019, arXiv:1901.08428; Lezcano/expRNN.
    """

    name = "exprnn"
    family = "unitary"
    paper = "Lezcano-Casado and Martinez-Rubio 2019, arXiv:1901.08428"
    equation = (
        "A = triu(U) - triu(U)^T; a = x W + h exp(A); h' = sign(a) * relu(|a| + b)"
    )
    parameters = "D*H + H*H + H"
    gates: ClassVar = {"h": 0}
    inits: ClassVar = {
        **Cell.inits,
        "U": henaff,
        "b": initializers.uniform_bias(0.01),
    }
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        W_init: Initializer | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            W_init: initialiser of ``W``, by default N(0, 2/D).
            rngs: random keys for the initialisation.
            **options: as for `Cell`; by default `U_init` is `henaff`, the paper's, and
                `b_init` U(-0.01, 0.01). With ``bias=False`` the cell has no modReLU and
                is linear.
        """
        scale = (2 / checks.positive("input_size", input_size)) ** 0.5
        W_init = W_init or nnx.initializers.normal(scale)
        super().__init__(input_size, hidden_size, W_init=W_init, rngs=rngs, **options)

    def project(self, x: Array) -> Array:
        """Return ``xW``; `update` adds the bias, in modReLU."""
        return self.dot(x, self.W[...])

    def recur(self, state: HiddenState) -> Array:
        """Return ``h exp(A)``."""
        upper = jnp.triu(self.in_state_dtype(self.U), k=1)
        return self.dot(state.h, jax.scipy.linalg.expm(upper - upper.T))

    def update(self, state: HiddenState, p: Array, q: Array) -> HiddenState:
        """Return the new state."""
        a = p + q
        if self.b is None:
            return HiddenState(a)
        magnitude = jax.nn.relu(self.add_bias(jnp.abs(a), self.b))
        return HiddenState(jnp.sign(a) * magnitude)
