"""The LSTM with layer normalisation."""

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo import initializers
from zoo.cells.base import drop_candidate, gate
from zoo.cells.lstm.lstm import LSTMCell, LSTMState
from zoo.cells.normalization import normalize
from zoo.types import Array

__all__ = ["LayerNormLSTMCell"]


class LayerNormLSTMCell(LSTMCell):
    """The LSTM with layer normalisation of its products and of its cell state.

    ::

        i, f, g, o = scale_x * LN(x W) + scale_h * LN(h U) + b
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(scale_c * LN(c') + b_c)

    ``LN(a) = (a - mean(a)) / sqrt(var(a) + 1e-5)``, over the four gates of a row
    jointly, as in the paper. The paper's shifts of the two products are part of b. As
    in the authors' code, all biases are initialised to zero, also that of the forget
    gate. Source: Ba et al. 2016, arXiv:1607.06450; ryankiros/layer-norm, ``layers.py``,
    which also adds b to x W before its norm.
    """

    name = "layernorm_lstm"
    paper = "Ba et al. 2016, arXiv:1607.06450"
    equation = (
        "i, f, g, o = scale_x * LN(x W) + scale_h * LN(h U) + b; "
        "c' = sigmoid(f) * c + sigmoid(i) * tanh(g); "
        "h' = sigmoid(o) * tanh(scale_c * LN(c') + b_c)"
    )
    parameters = "4 * (D*H + H*H + H) + 10*H"
    inits: ClassVar = {**LSTMCell.inits, "b": initializers.zeros}

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: random keys for the initialisation.
            **options: as for `LSTMCell`, but `b_init` is zero by default;
                ``bias=False`` also removes ``b_c``.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        gates = len(self.gates) * hidden_size
        self.scale_x = self._store(jnp.ones(gates, self.draw_dtype))
        self.scale_h = self._store(jnp.ones(gates, self.draw_dtype))
        self.scale_c = self._store(jnp.ones(hidden_size, self.draw_dtype))
        if self.b is None:
            self.b_c = None
        else:
            self.b_c = self._store(jnp.zeros(hidden_size, self.draw_dtype))

    def project(self, x: Array) -> Array:
        """Return ``scale_x * LN(xW) + b``."""
        p = normalize(self.dot(x, self.W[...]))
        return self.add_bias(p * self.in_state_dtype(self.scale_x, p), self.b)

    def update(
        self, state: LSTMState, p: Array, q: Array, keep: Array | None = None
    ) -> LSTMState:
        """Return the new state."""
        i, f, g, o = self.split(p + normalize(q) * self.in_state_dtype(self.scale_h, q))
        g = drop_candidate(jnp.tanh(g), keep)
        c = gate("f", f) * state.c + gate("i", i) * g
        scaled = normalize(c) * self.in_state_dtype(self.scale_c, c)
        scaled = self.add_bias(scaled, self.b_c)
        return LSTMState(gate("o", o) * jnp.tanh(scaled), c)
