"""The scalar LSTM of xLSTM, with exponential gates."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks
from zoo.cells.base import Cell, gate
from zoo.initializers import BiasInitializer, Gates
from zoo.types import Array, Key

__all__ = ["SLSTMCell", "SLSTMState"]


class SLSTMState(NamedTuple):
    """The state of an sLSTM.

    Attributes:
        h: the hidden state ``[B, H]``, which is also the output.
        c: the cell state ``[B, H]``, divided by exp(m).
        n: the normaliser ``[B, H]``, divided by exp(m); never negative.
        m: the stabiliser ``[B, H]``.
    """

    h: Array
    c: Array
    n: Array
    m: Array


def power_law(num_heads: int = 1) -> BiasInitializer:
    """Initialise the forget gate of unit k of a head to ``5 - 12 (k / (S - 1))^0.3``.

    S is the number of units of a head. All other biases are zero. This is the
    initialisation of the authors' first block.

    Args:
        num_heads: of the cell.
    """

    def init(key: Key, gates: Gates, size: int, dtype: Any) -> Array:
        units = size // num_heads
        position = jnp.arange(units, dtype=dtype) / max(units - 1, 1)
        kept = jnp.tile(5 - 12 * position**0.3, num_heads)
        rows = [kept if sign > 0 else jnp.zeros(size, dtype) for sign in gates.values()]
        return jnp.concatenate(rows)

    return init


class SLSTMCell(Cell):
    """The scalar LSTM: an exponential input gate, and a normaliser.

    ::

        i, f, g, o = x W + h U + b
        m' = max(log sigmoid(f) + m, i)
        c' = exp(log sigmoid(f) + m - m') * c + exp(i - m') * tanh(g)
        n' = exp(log sigmoid(f) + m - m') * n + exp(i - m')
        h' = sigmoid(o) * c' / n'

    While n is zero, nothing has been written yet, and m' = i. This is decided for each
    unit; the authors' code decides it for the batch. With several heads ``U[H/K, 4H]``
    is block-diagonal. As in the authors' code, U starts at zero, and b_f falls from 5
    to -7 over the units of each head. Source: Beck et al. 2024, arXiv:2405.04517;
    NX-AI/xlstm, ``slstm/cell.py``.
    """

    name = "slstm"
    family = "lstm"
    paper = "Beck et al. 2024, arXiv:2405.04517"
    equation = (
        "i, f, g, o = x W + h U + b; m' = max(log sigmoid(f) + m, i); "
        "a = exp(log sigmoid(f) + m - m'); c' = a * c + exp(i - m') * tanh(g); "
        "n' = a * n + exp(i - m'); h' = sigmoid(o) * c' / n'"
    )
    parameters = "4 * (D*H + H*H + H)"
    gates: ClassVar = {"i": -1, "f": +1, "g": 0, "o": 0}
    inits: ClassVar = {**Cell.inits, "U": nnx.initializers.zeros}
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_heads: int = 1,
        b_init: BiasInitializer | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            num_heads: K, blocks of units with separate recurrent products; must divide
                H.
            b_init: initialiser of ``b``, by default `power_law` of the heads.
            rngs: random keys for the initialisation.
            **options: as for `Cell`; `U_init` is zero by default.

        Raises:
            ValueError: if `num_heads` does not divide `hidden_size`.
        """
        checks.positive("hidden_size", hidden_size)
        self.num_heads = checks.divisor(
            "num_heads", num_heads, "hidden_size", hidden_size
        )
        b_init = b_init or power_law(num_heads)
        super().__init__(input_size, hidden_size, b_init=b_init, rngs=rngs, **options)

    @property
    def recurrent_size(self) -> int:
        """H / K: the number of units of a head."""
        return self.hidden_size // self.num_heads

    def init_state(self, batch_size: int) -> SLSTMState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return self.zero_state(SLSTMState, batch_size, self.hidden_size)

    def recur(self, state: SLSTMState) -> Array:
        """Return ``hU``, separately for each head."""
        if self.num_heads == 1:
            return super().recur(state)
        K, S = self.num_heads, self.recurrent_size
        q = jnp.einsum(
            "...ks,sgkt->...gkt",
            state.h.reshape(*state.h.shape[:-1], K, S).astype(self.dtype),
            self.U[...].reshape(S, len(self.gates), K, S).astype(self.dtype),
            preferred_element_type=self.state_dtype,
        )
        return q.reshape(*q.shape[:-3], -1)

    def update(self, state: SLSTMState, p: Array, q: Array) -> SLSTMState:
        """Return the new state."""
        i, f, g, o = self.split(p + q)
        gate("f", f)  # for diagnostics: only log f is used below
        kept = jax.nn.log_sigmoid(f) + state.m
        m = jnp.where(state.n == 0, i, jnp.maximum(kept, i))
        # Where n is zero, c is zero too, and exp(kept - m) may not be finite.
        kept = jnp.where(state.n == 0, 0, jnp.exp(jnp.minimum(kept - m, 0)))
        written = jnp.exp(i - m)
        c = kept * state.c + written * jnp.tanh(g)
        n = kept * state.n + written
        return SLSTMState(gate("o", o) * c / n, c, n, m)
