"""Linear attention as a recurrence."""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from zoo.cells.matrix.base import MatrixCell
from zoo.engine.matrix_chunks import Write
from zoo.types import Array

__all__ = ["LinearAttentionCell", "LinearAttentionState"]


class LinearAttentionState(NamedTuple):
    """The state of linear attention.

    Attributes:
        S: the values by their keys, ``[B, heads, K, V]``.
        z: the sum of the keys, ``[B, heads, K]``.
    """

    S: Array
    z: Array


class LinearAttentionCell(MatrixCell):
    """Causal attention with weights ``phi(q)^T phi(k)``, as a recurrence.

    ::

        q, k, v = x W,    phi(a) = elu(a) + 1
        S' = S + phi(k) v^T
        z' = z + phi(k)
        y = S'^T phi(q) / (z'^T phi(q) + 1e-6)

    In each head, y is the weighted mean of all values so far. The 1e-6 avoids a
    division by zero, as in the authors' code. Source: Katharopoulos et al. 2020,
    arXiv:2006.16236.
    """

    name = "linear_attention"
    paper = "Katharopoulos et al. 2020, arXiv:2006.16236"
    equation = (
        "q, k, v = x W; phi = elu + 1; S' = S + phi(k) v^T; z' = z + phi(k); "
        "y = S'^T phi(q) / (z'^T phi(q) + 1e-6)"
    )
    parameters = "3*D*H"
    gates: ClassVar = {"q": 0, "k": 0, "v": 0}
    sizes: ClassVar = {"q": "key", "k": "key", "v": "value"}
    normalized = False

    def init_state(self, batch_size: int) -> LinearAttentionState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        S = super().init_state(batch_size).S
        return LinearAttentionState(S, jnp.zeros_like(S[..., 0]))

    def query(self, p: dict[str, Array]) -> Array:
        """Return phi(q)."""
        return jax.nn.elu(p["q"]) + 1

    def writing(self, p: dict[str, Array]) -> Write:
        """Return phi(k) and v with a constant one, whose column of S is z."""
        one = jnp.ones_like(p["v"][..., :1])
        v = jnp.concatenate([p["v"], one], axis=-1)
        return Write(jax.nn.elu(p["k"]) + 1, v, jnp.zeros_like(one))

    def matrix(self, state: LinearAttentionState) -> Array:
        """Return S with z as its last column."""
        return jnp.concatenate([state.S, state.z[..., None]], axis=-1)

    def state_of(self, S: Array) -> LinearAttentionState:
        """Return the state for S with z as its last column."""
        return LinearAttentionState(S[..., :-1], S[..., -1])

    def readout(self, r: Array, p: dict[str, Array]) -> Array:
        """Return the weighted mean of the values."""
        return r[..., :-1] / (r[..., -1:] + 1e-6)
