"""The matrix LSTM of xLSTM."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo import initializers
from zoo.cells.base import gate
from zoo.cells.matrix.base import MatrixCell
from zoo.engine.broadcast import spread
from zoo.engine.masks import Span
from zoo.engine.matrix_chunks import Write, read, write, write_and_read
from zoo.engine.max_scan import max_scan
from zoo.initializers import Gates, Initializer
from zoo.types import Array, Key

__all__ = ["MatrixLSTMCell", "MatrixLSTMState"]

retain = initializers.retain(3.0, highest=6.0)


def gate_biases(key: Key, gates: Gates, size: int, dtype: Any) -> Array:
    """Return N(0, 0.1²) for the input gate, 3 to 6 for the forget gate, else zero.

    Args:
        key: a random key.
        gates: of the cell.
        size: of the bias of each gate.
        dtype: of the bias.
    """
    noise = 0.1 * jax.random.normal(key, (len(gates), size), dtype)
    kept = retain(key, gates, size, dtype).reshape(noise.shape)
    writes = jnp.array([sign < 0 for sign in gates.values()])[:, None]
    return jnp.where(writes, noise, kept).reshape(-1)


class MatrixLSTMState(NamedTuple):
    """The state of an mLSTM.

    Attributes:
        C: the values by their keys, divided by exp(m), ``[B, heads, K, V]``.
        n: the sum of the keys, divided by exp(m), ``[B, heads, K]``.
        m: the logarithm of the scale, ``[B, heads]``.
    """

    C: Array
    n: Array
    m: Array


class MatrixLSTMCell(MatrixCell):
    """The matrix LSTM, with an exponential input gate.

    ::

        q = x W_q + b_q,   k = (x W_k + b_k) / sqrt(K),   v = x W_v + b_v
        i = exp(x W_i + b_i)
        f = sigmoid(x W_f + b_f)
        o = sigmoid(x W_o + b_o)
        C' = f * C + i * k v^T
        n' = f * n + i * k
        y = o * C'^T q / max(|n'^T q|, 1)

    i and f are scalars in each head. To avoid overflow, the state holds C and n divided
    by exp(m), where ``m' = max(log f + m, log i)`` is the largest logarithm of a weight
    in the sums so far. Every factor is then at most 1. The initial m is zero; any value
    is correct, because C and n are zero. m is separate for each row and head.

    The paper also allows ``f = exp``, and does not divide b_k. A norm in each head and
    a second branch belong to the block around the cell. The initialisation is that of
    the authors' code: W_i and W_f are zero, b_i is N(0, 0.1²), and b_f rises evenly
    from 3 to 6 over the heads. There, i and f read q, k and v; here, x. Source: Beck et
    al. 2024, arXiv:2405.04517; NX-AI/xlstm, ``mlstm/cell.py``.
    """

    name = "mlstm"
    paper = "Beck et al. 2024, arXiv:2405.04517"
    equation = (
        "q, k, v = x W + b; i = exp(x W + b); f, o = sigmoid(x W + b); "
        "C' = f * C + i * k v^T / sqrt(K); n' = f * n + i * k / sqrt(K); "
        "y = o * C'^T q / max(|n'^T q|, 1)"
    )
    parameters = "D * (4*H + 2) + 4*H + 2"
    gates: ClassVar = {"q": 0, "k": 0, "v": 0, "i": -1, "f": +1, "o": 0}
    sizes: ClassVar = {
        **{"q": "key", "k": "key", "v": "value"},
        **{"i": "one", "f": "one", "o": "value"},
    }
    inits: ClassVar = {**MatrixCell.inits, "b": gate_biases}
    normalized = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        W_init: Initializer | None = None,
        bias: bool = True,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            W_init: initialiser of all of ``W``; by default as for `Cell`, and W_i and
                W_f are zero.
            bias: whether the gates have biases.
            rngs: random keys for the initialisation.
            **options: as for `MatrixCell`; the default of `b_init` is described above.
        """
        super().__init__(
            input_size, hidden_size, W_init=W_init, bias=bias, rngs=rngs, **options
        )
        if W_init is None:
            blocks = np.repeat([*self.gates], [*self.widths.values()])
            self.W[...] = jnp.where(np.isin(blocks, ["i", "f"]), 0, self.W[...])

    def init_state(self, batch_size: int) -> MatrixLSTMState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        C = super().init_state(batch_size).S
        return MatrixLSTMState(
            C, jnp.zeros_like(C[..., 0]), jnp.zeros_like(C[..., 0, 0])
        )

    def query(self, p: dict[str, Array]) -> Array:
        """Return q."""
        return p["q"]

    def scaled_writing(
        self, p: dict[str, Array], log_i: Array, old: Array, m: Array
    ) -> Write:
        """Return k, v and the log decay, scaled by exp(-m), with n as a column of C.

        Args:
            p: the result of `project`.
            log_i: log i, ``[..., heads, 1]``.
            old: m before the step, ``[..., heads, 1]``.
            m: m after the step, ``[..., heads, 1]``.
        """
        k = p["k"] * self.key_size**-0.5 * jnp.exp(log_i - m)
        v = jnp.concatenate([p["v"], jnp.ones_like(p["v"][..., :1])], axis=-1)
        return Write(k, v, jax.nn.log_sigmoid(p["f"]) + old - m)

    def matrix(self, state: MatrixLSTMState) -> Array:
        """Return C with n as its last column."""
        return jnp.concatenate([state.C, state.n[..., None]], axis=-1)

    def state_at_scale(self, S: Array, m: Array) -> MatrixLSTMState:
        """Return the state for C and n that are divided by exp(m).

        Args:
            S: C with n as its last column.
            m: ``[B, heads, 1]``.
        """
        return MatrixLSTMState(S[..., :-1], S[..., -1], m[..., 0])

    def advance(
        self,
        state: MatrixLSTMState,
        p: dict[str, Array],
        *,
        recur_state: MatrixLSTMState | None = None,
        keep: Array | None = None,
    ) -> MatrixLSTMState:
        """Return the new state."""
        gate("f", p["f"])  # for diagnostics: only log f is used below
        old = state.m[..., None]
        m = jnp.maximum(jax.nn.log_sigmoid(p["f"]) + old, p["i"])
        return self.state_at_scale(
            write(self.matrix(state), self.scaled_writing(p, p["i"], old, m)), m
        )

    def output_at_scale(self, r: Array, m: Array, p: dict[str, Array]) -> Array:
        """Return y ``[..., H]``.

        Args:
            r: ``C^T q``, with ``n^T q`` as its last entry, both divided by exp(m).
            m: m after the step, ``[..., heads, 1]``.
            p: the result of `project`.
        """
        denominator = jnp.maximum(jnp.abs(r[..., -1:]), jnp.exp(-m))
        return self.join_heads(gate("o", p["o"]) * r[..., :-1] / denominator)

    def output(self, state: MatrixLSTMState, p: dict[str, Array]) -> Array:
        """Return ``o * C^T q / max(|n^T q|, exp(-m))``, with C and n as stored."""
        r = read(self.matrix(state), self.query(p))
        return self.output_at_scale(r, state.m[..., None], p)

    def run_parallel(
        self,
        p: dict[str, Array],
        state: MatrixLSTMState,
        initial: MatrixLSTMState,
        span: Span,
    ) -> tuple[MatrixLSTMState, Array, None]:
        """Compute the m of all steps by a scan, then the matrix states in chunks."""
        log_i = p["i"]
        if span.mask is not None:
            log_i = jnp.where(spread(span.mask, log_i), log_i, -jnp.inf)
        log_f = jax.nn.log_sigmoid(p["f"])
        old, m = max_scan(log_f, log_i, state.m[..., None], initial.m[..., None], span)
        S, r = write_and_read(
            self.query(p),
            self.scaled_writing(p, log_i, old, m),
            self.matrix(state),
            self.matrix(initial),
            span,
        )
        last = self.state_at_scale(S, m[:, 0 if span.reverse else -1])
        return last, self.output_at_scale(r, m, p), None
