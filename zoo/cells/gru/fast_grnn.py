"""The fast gated recurrent network."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks
from zoo.cells.base import Cell, HiddenState, gate
from zoo.types import Array

__all__ = ["FastGRNNCell"]


class FastGRNNCell(Cell):
    """FastGRNN: a gated cell whose gate and candidate share W and U.

    ::

        z = sigmoid(x W + h U + b_z)
        n = tanh(x W + h U + b_n)
        h' = (sigmoid(zeta) * (1 - z) + sigmoid(nu)) * n + z * h

    zeta and nu are trainable scalars. In low-rank form W is the product of ``W[D,
    rank]`` and ``W_2[rank, H]``, and U that of ``U[H, rank]`` and ``U_2[rank, H]``. The
    sparsity and the quantisation of the paper are not implemented. Source: Kusupati et
    al. 2018, arXiv:1901.02358.
    """

    name = "fast_grnn"
    family = "gru"
    paper = "Kusupati et al. 2018, arXiv:1901.02358"
    equation = (
        "z = sigmoid(x W + h U + b_z); n = tanh(x W + h U + b_n); "
        "h' = (sigmoid(zeta) * (1 - z) + sigmoid(nu)) * n + z * h"
    )
    parameters = "D*H + H*H + 2*H + 2"
    gates: ClassVar = {"z": +1, "n": 0}
    input_gates = recurrent_gates = ("n",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        zeta: float = 1.0,
        nu: float = -4.0,
        W_rank: int | None = None,
        U_rank: int | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            zeta: the initial value of the parameter zeta.
            nu: the initial value of the parameter nu.
            W_rank: rank of W; None for full rank.
            U_rank: rank of U; None for full rank.
            rngs: random keys for the initialisation.
            **options: as for `Cell`; `W_init` and `U_init` also initialise both factors
                of ``W`` and ``U``.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        W_init = options.get("W_init") or self.inits["W"]
        U_init = options.get("U_init") or self.inits["U"]
        self.zeta = self._scalar(zeta)
        self.nu = self._scalar(nu)
        # Flax fixes on the first assignment whether an attribute holds a parameter.
        if W_rank is None:
            self.W_2 = None
        else:
            checks.positive("W_rank", W_rank)
            self.W = self._param(W_init, rngs, (input_size, W_rank))
            self.W_2 = self._param(W_init, rngs, (W_rank, hidden_size))
        if U_rank is None:
            self.U_2 = None
        else:
            checks.positive("U_rank", U_rank)
            self.U = self._param(U_init, rngs, (hidden_size, U_rank))
            self.U_2 = self._param(U_init, rngs, (U_rank, hidden_size))

    def _product(self, a: Array, first: nnx.Param, second: nnx.Param | None) -> Array:
        """Multiply `a` by a matrix, or by both of its low-rank factors."""
        a = self.dot(a, first[...])
        return a if second is None else self.dot(a, second[...])

    def project(self, x: Array) -> Array:
        """Return ``xW + b_z`` and ``xW + b_n``, concatenated."""
        a = self._product(x, self.W, self.W_2)
        return self.add_bias(jnp.concatenate([a, a], axis=-1), self.b)

    def recur(self, state: HiddenState) -> Array:
        """Return ``hU``."""
        return self._product(state.h, self.U, self.U_2)

    def update(self, state: HiddenState, p: Array, q: Array) -> HiddenState:
        """Return the new state."""
        z, n = self.split(p)
        z, n = gate("z", z + q), jnp.tanh(n + q)
        zeta = jax.nn.sigmoid(self.in_state_dtype(self.zeta))
        nu = jax.nn.sigmoid(self.in_state_dtype(self.nu))
        return HiddenState((zeta * (1 - z) + nu) * n + z * state.h)
