"""The GRU with layer normalisation."""

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import HiddenState
from zoo.cells.gru.gru import GRUCell
from zoo.cells.normalization import normalize
from zoo.types import Array

__all__ = ["LayerNormGRUCell"]


class LayerNormGRUCell(GRUCell):
    """The GRU with layer normalisation of its products.

    ::

        r, z = sigmoid(scale_x * LN(x W_rz) + scale_h * LN(h U_rz) + b)
        n = tanh(scale_x * LN(x W_n) + b_n + r * (scale_h * LN(h U_n) + b_hn))
        h' = (1 - z) * n + z * h

    ``LN(a) = (a - mean(a)) / sqrt(var(a) + 1e-5)``, over the gates r and z of a row
    jointly, and over n separately. The paper's shifts of the products are part of b and
    b_hn. The paper's z is 1 - z here, as in `GRUCell` and in the authors' code. Source:
    Ba et al. 2016, arXiv:1607.06450, supplementary equations of the GRU;
    ryankiros/layer-norm, ``layers.py``, which also adds b to x W before its norm.
    """

    name = "layernorm_gru"
    paper = "Ba et al. 2016, arXiv:1607.06450"
    equation = (
        "r, z = sigmoid(scale_x * LN(x W) + scale_h * LN(h U) + b); "
        "n = tanh(scale_x * LN(x W) + b + r * (scale_h * LN(h U) + b_hn)); "
        "h' = (1 - z) * n + z * h"
    )
    parameters = "3 * (D*H + H*H + H) + H + 6*H"
    gates: ClassVar = {"r": 0, "z": +1, "n": 0}

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: random keys for the initialisation.
            **options: as for `GRUCell`.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        gates = len(self.gates) * hidden_size
        self.scale_x = self._store(jnp.ones(gates, self.draw_dtype))
        self.scale_h = self._store(jnp.ones(gates, self.draw_dtype))

    def _scaled_norm(self, a: Array, scale: nnx.Param) -> Array:
        """Return ``scale * LN(a)``: r and z jointly, n separately."""
        rz, n = jnp.split(a, [2 * self.hidden_size], axis=-1)
        normalized = jnp.concatenate([normalize(rz), normalize(n)], axis=-1)
        return normalized * self.in_state_dtype(scale, normalized)

    def project(self, x: Array) -> Array:
        """Return ``scale_x * LN(xW) + b``."""
        p = self._scaled_norm(self.dot(x, self.W[...]), self.scale_x)
        return self.add_bias(p, self.b)

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        return super().update(state, p, self._scaled_norm(q, self.scale_h), keep)
