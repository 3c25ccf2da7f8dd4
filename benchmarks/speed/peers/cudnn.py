"""The LSTM of cuDNN as JAX calls it: `jax.experimental.rnn`, all layers in one call.

It shows on a GPU whether calling cuDNN would be faster than our own loop.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import rnn

from benchmarks.speed.cases import Case, Weights
from benchmarks.speed.peers.base import JaxRunner


class Cudnn(JaxRunner):
    """One vector of weights; rows are padded at their ends."""

    def make(self, case: Case, weights: Weights) -> tuple[Any, Callable[..., Any]]:
        """Return the vector of weights, and the call of cuDNN.

        Args:
            case: the network and the batch.
            weights: in our layout.
        """
        self.sizes = (case.D, case.H, case.layers)
        self.bidirectional = case.bidirectional
        cells = [cell for directions in weights for cell in directions]
        matrices = [cell[name].T for cell in cells for name in ("W", "U")]
        # cuDNN adds two biases.
        biases = [b for cell in cells for b in (cell["b"], np.zeros_like(cell["b"]))]
        vector = np.concatenate([a.ravel() for a in (*matrices, *biases)])
        shape = (case.layers * case.directions, case.B, case.H)

        def run(params: Any, x: Any, mask: Any, lengths: Any) -> jax.Array:
            zero = jnp.zeros(shape)
            if lengths is None:
                lengths = jnp.full(case.B, case.T, jnp.int32)
            options = (*self.sizes, 0.0, self.bidirectional)
            lstm: Any = rnn.lstm
            return lstm(x, zero, zero, params, lengths, *options)[0]

        return jnp.asarray(vector), run

    def to_weights(self, d_params: Any) -> Weights:
        """Return the gradients of each layer and direction.

        Args:
            d_params: a vector.
        """
        W, U, b, _ = rnn.unpack_lstm_weights(d_params, *self.sizes, self.bidirectional)
        cells = [{"W": W[k].T, "U": U[k].T, "b": b[k]} for k in range(len(W))]
        directions = 1 + self.bidirectional
        return [cells[k : k + directions] for k in range(0, len(cells), directions)]
