"""The simple recurrent unit."""

import math
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import gate
from zoo.cells.skip import SkipCell
from zoo.types import Array

__all__ = ["SRUCell", "SRUState"]


class SRUState(NamedTuple):
    """The state of an SRU.

    Attributes:
        c: the cell state ``[B, H]``.
        y: the last output ``[B, H]``, which no step reads.
    """

    c: Array
    y: Array


class SRUCell(SkipCell):
    """The simple recurrent unit: gates see the cell state unit by unit.

    ::

        f, r = sigmoid(x W + v * c + b)
        c' = f * c + (1 - f) * (x W_z)
        y = r * c' + (1 - r) * scale * skip(x)

    ``v[2H]``. Source: Lei et al. 2017, arXiv:1709.02755, with its initialisation and
    its scale, ``sqrt(1 + 2 exp(b_r))`` at the first b_r of zero.
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
    unread = ("y",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        scale: float = math.sqrt(3.0),
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            scale: factor of the input that goes around the gates.
            rngs: keys of the initialisation.
            **options: as for `Cell`; `W_init` is by default U(-a, a) with variance 1/D.
        """
        uniform = nnx.initializers.variance_scaling(1.0, "fan_in", "uniform")
        options.setdefault("W_init", uniform)
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.scale = float(scale)
        bound = math.sqrt(1.5)
        drawn = jax.random.uniform(
            rngs.params(), (2 * hidden_size,), self.param_dtype, -bound, bound
        )
        self.v = nnx.Param(drawn)

    def init_state(self, batch_size: int) -> SRUState:
        """Return zeros.

        Args:
            batch_size: B.
        """
        zeros = self.zeros(batch_size, self.hidden_size)
        return SRUState(zeros, zeros)

    def project(self, x: Array) -> tuple[Array, Array, Array]:
        """Return what the gates see of the input, ``x W_z``, and the scaled skip."""
        z, f, r = self.split(self.dot(x, self.W[...]))
        p = self.add_bias(jnp.concatenate([f, r], axis=-1), self.b)
        return p, z, self.scale * self.skip(x)

    def recur(self, state: SRUState) -> Array:
        """Return ``v * c`` of both gates."""
        return self.exact(self.v) * jnp.concatenate([state.c, state.c], axis=-1)

    def update(
        self, state: SRUState, p: tuple[Array, Array, Array], q: Array
    ) -> SRUState:
        """Return the new state."""
        a, z, x = p
        f, r = map(gate, "fr", self.split(a + q))
        c = f * state.c + (1 - f) * z
        return SRUState(c, r * c + (1 - r) * x)

    def output(self, state: SRUState, p: Any) -> Array:
        """Return y."""
        return state.y
