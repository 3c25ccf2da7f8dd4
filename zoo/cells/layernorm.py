"""The LSTM and the GRU with layer normalisation."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import HiddenState, drop_candidate, gate
from zoo.cells.gru import GRUCell
from zoo.cells.lstm import LSTMCell, LSTMState
from zoo.types import Array


def normalize(a: Array) -> Array:
    """Return ``LN(a) = (a - mean(a)) / sqrt(var(a) + 1e-5)``, row by row.

    Args:
        a: an array ``[..., N]``.
    """
    centred = a - a.mean(axis=-1, keepdims=True)
    variance = jnp.square(centred).mean(axis=-1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + 1e-5)


class LayerNormLSTMCell(LSTMCell):
    """The LSTM with layer normalisation of its products and of its cell state.

    ::

        i, f, g, o = scale_x * LN(x W) + scale_h * LN(h U) + b
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(scale_c * LN(c') + b_c)

    LN(a) = (a - mean(a)) / sqrt(var(a) + 1e-5), over all four gates of a row at once,
    as in the paper; its shifts of the two products are part of b. Source: Ba et al.
    2016, arXiv:1607.06450.
    """

    name = "layernorm_lstm"
    paper = "Ba et al. 2016, arXiv:1607.06450"
    equation = (
        "i, f, g, o = scale_x * LN(x W) + scale_h * LN(h U) + b; "
        "c' = sigmoid(f) * c + sigmoid(i) * tanh(g); "
        "h' = sigmoid(o) * tanh(scale_c * LN(c') + b_c)"
    )
    parameters = "4 * (D*H + H*H + H) + 10*H"

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: keys of the initialisation.
            **options: as for `LSTMCell`; without `bias` there is no ``b_c`` either.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        gates = len(self.gates) * hidden_size
        self.scale_x = nnx.Param(jnp.ones(gates, self.param_dtype))
        self.scale_h = nnx.Param(jnp.ones(gates, self.param_dtype))
        self.scale_c = nnx.Param(jnp.ones(hidden_size, self.param_dtype))
        if self.b is None:
            self.b_c = None
        else:
            self.b_c = nnx.Param(jnp.zeros(hidden_size, self.param_dtype))

    def project(self, x: Array) -> Array:
        """Return ``scale_x * LN(xW) + b``."""
        p = normalize(self.dot(x, self.W[...])) * self.in_state_dtype(self.scale_x)
        return self.add_bias(p, self.b)

    def update(
        self, state: LSTMState, p: Array, q: Array, keep: Array | None = None
    ) -> LSTMState:
        """Return the new state."""
        i, f, g, o = self.split(p + normalize(q) * self.in_state_dtype(self.scale_h))
        g = drop_candidate(jnp.tanh(g), keep)
        c = gate("f", f) * state.c + gate("i", i) * g
        shown = self.add_bias(
            normalize(c) * self.in_state_dtype(self.scale_c), self.b_c
        )
        return LSTMState(gate("o", o) * jnp.tanh(shown), c)


class LayerNormGRUCell(GRUCell):
    """The GRU with layer normalisation of its products.

    ::

        r, z = sigmoid(scale_x * LN(x W_rz) + scale_h * LN(h U_rz) + b)
        n = tanh(scale_x * LN(x W_n) + b_n + r * (scale_h * LN(h U_n) + b_hn))
        h' = (1 - z) * n + z * h

    LN is over the gates r and z of a row at once, and over n by itself; the shifts of
    r and z are one vector. The paper's z is 1 - z here, as in `GRUCell`. Source: Ba et
    al. 2016, arXiv:1607.06450, supplementary equations of the GRU.
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
            rngs: keys of the initialisation.
            **options: as for `GRUCell`.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        gates = len(self.gates) * hidden_size
        self.scale_x = nnx.Param(jnp.ones(gates, self.param_dtype))
        self.scale_h = nnx.Param(jnp.ones(gates, self.param_dtype))

    def _scaled(self, a: Array, scale: nnx.Param) -> Array:
        """Return ``scale * LN(a)``, r and z together and n apart."""
        rz, n = jnp.split(a, [2 * self.hidden_size], axis=-1)
        both = jnp.concatenate([normalize(rz), normalize(n)], axis=-1)
        return both * self.in_state_dtype(scale)

    def project(self, x: Array) -> Array:
        """Return ``scale_x * LN(xW) + b``."""
        return self.add_bias(
            self._scaled(self.dot(x, self.W[...]), self.scale_x), self.b
        )

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        return super().update(state, p, self._scaled(q, self.scale_h), keep)
