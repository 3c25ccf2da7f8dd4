"""The ordered-neurons LSTM."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks
from zoo.cells.base import drop_candidate, gate
from zoo.cells.lstm.lstm import LSTMCell, LSTMState
from zoo.types import Array

__all__ = ["ONLSTMCell"]


class ONLSTMCell(LSTMCell):
    """The ordered-neurons LSTM: units high in the order keep their state longest.

    ::

        cumax(a) = cumsum(softmax(a))
        F = cumax(x W_F + h U_F + b_F)
        I = 1 - cumax(x W_I + h U_I + b_I)
        i, f, o = sigmoid(x W + h U + b),  g = tanh(x W + h U + b)
        c' = (f * F * I + F - F * I) * c + (i * F * I + I - F * I) * g
        h' = o * tanh(c')

    The master gates F and I have one entry for each chunk of C units: ``W_m[D, 2H/C]``,
    ``U_m[H, 2H/C]``, ``b_m[2H/C]``. Source: Shen et al. 2018, arXiv:1810.09536.
    """

    name = "on_lstm"
    paper = "Shen et al. 2018, arXiv:1810.09536"
    equation = (
        "F = cumax(x W + h U + b); I = 1 - cumax(x W + h U + b); i, f, o = sigmoid(x W "
        "+ h U + b); g = tanh(x W + h U + b); c' = (f * F * I + F - F * I) * c + "
        "(i * F * I + I - F * I) * g; h' = o * tanh(c')"
    )
    parameters = "6 * (D*H + H*H + H)"
    recurrent = ("U", "U_m")
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        chunk_size: int = 1,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            chunk_size: C, the number of units that share an entry of the master gates;
                must divide H.
            rngs: random keys for the initialisation.
            **options: as for `LSTMCell`; `W_init` and `U_init` also draw ``W_m`` and
                ``U_m``.

        Raises:
            ValueError: if `chunk_size` does not divide `hidden_size`.
        """
        checks.positive("hidden_size", hidden_size)
        checks.divisor("chunk_size", chunk_size, "hidden_size", hidden_size)
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.chunk_size = chunk_size
        chunks = hidden_size // chunk_size
        W_init = options.get("W_init") or self.inits["W"]
        U_init = options.get("U_init") or self.inits["U"]
        self.W_m = self._matrix(W_init, rngs, (input_size, chunks), ("F", "I"))
        self.U_m = self._matrix(U_init, rngs, (hidden_size, chunks), ("F", "I"))
        if self.b is None:
            self.b_m = None
        else:
            self.b_m = self._store(jnp.zeros(2 * chunks, self.draw_dtype))

    def project(self, x: Array) -> Array:
        """Return ``xW + b`` of the gates and of the master gates."""
        masters = self.add_bias(self.dot(x, self.W_m[...]), self.b_m)
        return jnp.concatenate([super().project(x), masters], axis=-1)

    def recur(self, state: LSTMState) -> Array:
        """Return ``hU`` of the gates and of the master gates."""
        products = [self.dot(state.h, U[...]) for U in (self.U, self.U_m)]
        return jnp.concatenate(products, axis=-1)

    def update(
        self, state: LSTMState, p: Array, q: Array, keep: Array | None = None
    ) -> LSTMState:
        """Return the new state."""
        gates, masters = jnp.split(p + q, [4 * self.hidden_size], axis=-1)
        i, f, g, o = self.split(gates)
        i, f, o = map(gate, "ifo", (i, f, o))
        cumax = [
            jnp.cumsum(jax.nn.softmax(part, axis=-1), axis=-1)
            for part in jnp.split(masters, 2, axis=-1)
        ]
        forget, skip = (jnp.repeat(part, self.chunk_size, axis=-1) for part in cumax)
        forget, write = gate("F", forget, None), gate("I", 1 - skip, None)
        overlap = forget * write
        kept = f * overlap + forget - overlap
        written = i * overlap + write - overlap
        c = kept * state.c + written * drop_candidate(jnp.tanh(g), keep)
        return LSTMState(o * jnp.tanh(c), c)
