"""The matrix LSTM of xLSTM."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import initializers
from zoo.cells.base import gate
from zoo.cells.matrix.base import MatrixCell
from zoo.engine.linear_scan import max_scan
from zoo.engine.loop import Span, spread
from zoo.engine.matrix_chunks import Write, read, write, write_and_read
from zoo.types import Array

__all__ = ["MatrixLSTMCell", "MatrixLSTMState"]


class MatrixLSTMState(NamedTuple):
    """The state of an mLSTM; the C and n of the paper's equations are exp(m) times it.

    Attributes:
        C: the values under their keys, ``[B, heads, K, V]``.
        n: the sum of the keys, ``[B, heads, K]``.
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

    in each head; i and f are one number for a head. Against overflow the state holds
    C and n divided by exp(m), where ``m' = max(log f + m, log i)`` is the largest
    logarithm of a weight in the sum so far: every factor is 1 or less. m begins at
    zero, which is as good as any, since C and n are zero. No row of a batch, and no
    head, decides for another.

    The paper allows ``f = exp`` too, and does not divide b_k. A norm in each head, and
    a second branch, belong to the block around the cell. The forget gates' biases
    begin spread from 3 to 6, as in the authors' code. Source: Beck et al. 2024,
    arXiv:2405.04517.
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
    normalized = False

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: keys of the initialisation.
            **options: as for `MatrixCell`; `bias` is by default True, and `b_init`
                ``zoo.initializers.retain(3.0, highest=6.0)``.
        """
        options.setdefault("bias", True)
        options.setdefault("b_init", initializers.retain(3.0, highest=6.0))
        super().__init__(input_size, hidden_size, rngs=rngs, **options)

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

    def scaled(self, p: dict[str, Array], log_i: Array, old: Array, m: Array) -> Write:
        """Return what is written, with n as a column of C.

        Args:
            p: what `project` made of the input.
            log_i: log i, ``[..., heads, 1]``.
            old: m before the step, ``[..., heads, 1]``.
            m: m after it.
        """
        k = p["k"] * self.key_size**-0.5 * jnp.exp(log_i - m)
        v = jnp.concatenate([p["v"], jnp.ones_like(p["v"][..., :1])], axis=-1)
        return Write(k, v, jax.nn.log_sigmoid(p["f"]) + old - m)

    def matrix(self, state: MatrixLSTMState) -> Array:
        """Return C with n as its last column."""
        return jnp.concatenate([state.C, state.n[..., None]], axis=-1)

    def state_at(self, S: Array, m: Array) -> MatrixLSTMState:
        """Take C and n apart.

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
        seen: MatrixLSTMState | None = None,
        keep: Array | None = None,
    ) -> MatrixLSTMState:
        """Return the new state."""
        gate("f", p["f"])  # below there is only its logarithm
        old = state.m[..., None]
        m = jnp.maximum(jax.nn.log_sigmoid(p["f"]) + old, p["i"])
        return self.state_at(
            write(self.matrix(state), self.scaled(p, p["i"], old, m)), m
        )

    def shown(self, r: Array, m: Array, p: dict[str, Array]) -> Array:
        """Return y.

        Args:
            r: what q reads of C, and of n.
            m: after the step, ``[..., heads, 1]``.
            p: what `project` made of the input.
        """
        size = jnp.maximum(jnp.abs(r[..., -1:]), jnp.exp(-m))
        return self.beside(gate("o", p["o"]) * r[..., :-1] / size)

    def output(self, state: MatrixLSTMState, p: dict[str, Array]) -> Array:
        """Return ``o * C^T q / max(|n^T q|, exp(-m))``."""
        r = read(self.matrix(state), self.query(p))
        return self.shown(r, state.m[..., None], p)

    def run_parallel(
        self,
        p: dict[str, Array],
        state: MatrixLSTMState,
        initial: MatrixLSTMState,
        span: Span,
    ) -> tuple[MatrixLSTMState, Array, None]:
        """Find all m first; what is left is a matrix state as any other."""
        log_i = p["i"]
        if span.mask is not None:
            log_i = jnp.where(spread(span.mask, log_i), log_i, -jnp.inf)
        log_f = jax.nn.log_sigmoid(p["f"])
        old, m = max_scan(log_f, log_i, state.m[..., None], initial.m[..., None], span)
        S, r = write_and_read(
            self.query(p),
            self.scaled(p, log_i, old, m),
            self.matrix(state),
            self.matrix(initial),
            span,
        )
        last = self.state_at(S, m[:, 0 if span.reverse else -1])
        return last, self.shown(r, m, p), None
