"""cuDNN's LSTM as JAX calls it: `jax.experimental.rnn`, all layers in one call.

What our own loop is measured against on a GPU: whether to call cuDNN instead.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.experimental import rnn

from benchmarks.speed.cases import Case, Weights
from benchmarks.speed.peers.base import OnJax


class Cudnn(OnJax):
    """One vector of weights, rows padded at their ends."""

    def make(self, case: Case, weights: Weights) -> tuple[Any, Any]:
        """Return the vector, and the call of cuDNN.

        Args:
            case: what is measured.
            weights: ours.
        """
        self.sizes = (case.D, case.H, case.layers)
        self.both = case.both
        cells = [cell for pair in weights for cell in pair]
        matrices = [cell[name].T for cell in cells for name in ("W", "U")]
        # It adds two biases.
        biases = [b for cell in cells for b in (cell["b"], np.zeros_like(cell["b"]))]
        flat = np.concatenate([a.ravel() for a in (*matrices, *biases)])
        shape = (case.layers * case.directions, case.B, case.H)

        def run(params, x, mask, lengths):
            zero = jnp.zeros(shape)
            if lengths is None:
                lengths = jnp.full(case.B, case.T, jnp.int32)
            options = (*self.sizes, 0.0, self.both)
            return rnn.lstm(x, zero, zero, params, lengths, *options)[0]

        return jnp.asarray(flat), run

    def ours(self, by_params: Any) -> Weights:
        """Return the gradients by layer and direction.

        Args:
            by_params: a vector.
        """
        W, U, b, _ = rnn.unpack_lstm_weights(by_params, *self.sizes, self.both)
        cells = [{"W": W[k].T, "U": U[k].T, "b": b[k]} for k in range(len(W))]
        ways = 1 + self.both
        return [cells[k : k + ways] for k in range(0, len(cells), ways)]
