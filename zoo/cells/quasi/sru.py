"""The simple recurrent unit."""

import math
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo import initializers
from zoo.cells.base import gate
from zoo.cells.skip import SkipCell
from zoo.initializers import Initializer
from zoo.types import Array

__all__ = ["SRUCell", "SRUState"]


class SRUState(NamedTuple):
    """The state of an SRU.

    Attributes:
        c: the cell state ``[B, H]``.
        y: the last output ``[B, H]``, which no later step reads.
    """

    c: Array
    y: Array


class SRUCell(SkipCell):
    """The simple recurrent unit: the gates read the cell state entry by entry.

    ::

        f, r = sigmoid(x W + v * c + b)
        c' = f * c + (1 - f) * (x W_z)
        y = r * c' + (1 - r) * scale * skip(x)

    ``v[2H]``. The initialisation is that of the paper and of the authors' code: W_z is
    uniform with variance 1/D, W_f and W_r with half of that, v with variance 1/2. The
    scale is theirs too, ``sqrt(1 + 2 exp(b_r))`` for the initial b_r = 0. Source: Lei
    et al. 2017, arXiv:1709.02755; asappresearch/sru, ``modules.py``.
    """

    name = "sru"
    family = "quasi"
    paper = "Lei et al. 2017, arXiv:1709.02755"
    equation = (
        "f, r = sigmoid(x W + v * c + b); c' = f * c + (1 - f) * (x W); "
        "y = r * c' + (1 - r) * scale * skip(x)"
    )
    parameters = "3*D*H + 4*H + (D*H if D != H else 0)"
    gates: ClassVar = {"z": 0, "f": +1, "r": 0}
    bias_gates = ("f", "r")
    recurrent = ("v",)
    inits: ClassVar = {
        **SkipCell.inits,
        "W": nnx.initializers.variance_scaling(1.0, "fan_in", "uniform"),
    }
    unread = ("y",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        scale: float = math.sqrt(3.0),
        W_init: Initializer | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            scale: factor of the skip connection.
            W_init: initialiser of all blocks of ``W``, and of ``S``; by default as
                described above, and for ``S`` as for ``W_z``.
            rngs: random keys for the initialisation.
            **options: as for `SkipCell`.
        """
        self._halved = W_init is None
        super().__init__(input_size, hidden_size, W_init=W_init, rngs=rngs, **options)
        self.scale = float(scale)
        bound = math.sqrt(1.5)
        v = jax.random.uniform(
            rngs.params(), (2 * hidden_size,), self.draw_dtype, -bound, bound
        )
        self.v = self._store(v)

    def _matrix(
        self,
        init: Initializer,
        rngs: nnx.Rngs,
        shape: tuple[int, int],
        gates: tuple[str, ...] | None,
    ) -> nnx.Param:
        """Return a new ``W``; by default the gates have half of the variance."""
        W = initializers.blocks(init, rngs.params(), 3, shape, self.draw_dtype)
        if self._halved:
            factors = np.repeat([1.0, 0.5**0.5, 0.5**0.5], self.hidden_size)
            W = W * jnp.asarray(factors, W.dtype)[None]
        return self._store(W)

    def init_state(self, batch_size: int) -> SRUState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return self.zero_state(SRUState, batch_size, self.hidden_size)

    def project(self, x: Array) -> tuple[Array, Array, Array]:
        """Return ``xW + b`` of the gates, ``x W_z``, and ``scale * skip(x)``."""
        z, f, r = self.split(self.dot(x, self.W[...]))
        p = self.add_bias(jnp.concatenate([f, r], axis=-1), self.b)
        return p, z, self.scale * self.skip(x)

    def recur(self, state: SRUState) -> Array:
        """Return ``v * c`` for both gates."""
        c = jnp.concatenate([state.c, state.c], axis=-1)
        return self.in_state_dtype(self.v, c) * c

    def update(
        self, state: SRUState, p: tuple[Array, Array, Array], q: Array
    ) -> SRUState:
        """Return the new state."""
        a, z, x = p
        f, r = map(gate, "fr", self.split(a + q))
        c = f * state.c + (1 - f) * z
        return SRUState(c, r * c + (1 - r) * x)

    def output(self, state: SRUState, p: Any) -> Array:
        """Return y ``[B, H]``."""
        return state.y
