"""Attention without the softmax, read from a state: linear attention, RetNet, GLA."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import gate
from zoo.cells.matrix import MatrixCell
from zoo.engine.matrix_chunks import Write
from zoo.types import Array


class LinearAttentionState(NamedTuple):
    """The state of linear attention.

    Attributes:
        S: the values under their keys, ``[B, heads, K, V]``.
        z: the sum of the keys, ``[B, heads, K]``.
    """

    S: Array
    z: Array


class LinearAttentionCell(MatrixCell):
    """Causal attention whose weights are products of features, as a recurrence.

    ::

        q, k, v = x W,    phi(a) = elu(a) + 1
        S' = S + phi(k) v^T
        z' = z + phi(k)
        y = S'^T phi(q) / (z'^T phi(q) + 1e-6)

    in each head: the mean of all values so far, weighted by ``phi(q)^T phi(k)``. The
    1e-6, against a division by zero, is the authors'. Source: Katharopoulos et al.
    2020, arXiv:2006.16236.
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
        """Return phi(k) and v; z is a column of S whose value is always one."""
        one = jnp.ones_like(p["v"][..., :1])
        v = jnp.concatenate([p["v"], one], axis=-1)
        return Write(jax.nn.elu(p["k"]) + 1, v, jnp.zeros_like(one))

    def matrix(self, state: LinearAttentionState) -> Array:
        """Return S with z as its last column."""
        return jnp.concatenate([state.S, state.z[..., None]], axis=-1)

    def state_of(self, S: Array) -> LinearAttentionState:
        """Take S and z apart."""
        return LinearAttentionState(S[..., :-1], S[..., -1])

    def readout(self, r: Array, p: dict[str, Array]) -> Array:
        """Return the weighted mean of the values."""
        return r[..., :-1] / (r[..., -1:] + 1e-6)


class RetNetCell(MatrixCell):
    """Retention: linear attention that forgets at a fixed rate, another in each head.

    ::

        q, k, v, g = x W
        S' = gamma * S + k v^T,    gamma = 1 - 2^(-5 - head),  head = 0, 1, ...
        r = S'^T q / sqrt(K)
        y = silu(g) * scale * r / rms(r)

    The paper also turns q and k by an angle that grows with the position (xPos), which
    is left out. The norm in each head is a root mean square, as in the authors' code;
    it undoes the paper's other scalings. Source: Sun et al. 2023, arXiv:2307.08621.
    """

    name = "retnet"
    paper = "Sun et al. 2023, arXiv:2307.08621"
    equation = (
        "q, k, v, g = x W; S' = gamma * S + k v^T; gamma = 1 - 2^(-5 - head); "
        "r = S'^T q / sqrt(K); y = silu(g) * scale * r / rms(r)"
    )
    parameters = "4*D*H + H"
    gates: ClassVar = {"q": 0, "k": 0, "v": 0, "g": 0}
    sizes: ClassVar = {"q": "key", "k": "key", "v": "value", "g": "value"}

    def writing(self, p: dict[str, Array]) -> Write:
        """Return k, v and log gamma."""
        head = jnp.arange(self.num_heads, dtype=self.state_dtype)
        decay = jnp.log1p(-jnp.exp2(-5 - head))[:, None]
        return Write(p["k"], p["v"], jnp.broadcast_to(decay, (*p["k"].shape[:-1], 1)))


class GLACell(MatrixCell):
    """Gated linear attention: each entry of a key forgets at a rate of its own.

    ::

        q, k, v = x W
        alpha = sigmoid(x W_alpha + b_alpha)^(1/16)
        S' = diag(alpha) S + k v^T
        r = S'^T q / sqrt(K)
        y = silu(x W_g + b_g) * scale * r / rms(r)

    The 16th root lets the state forget slowly at first. The paper's W_alpha is a
    product of two matrices, of rank 16, and its norm is a layer norm; the root mean
    square is that of the authors' code. Source: Yang et al. 2023, arXiv:2312.06635.
    """

    name = "gla"
    paper = "Yang et al. 2023, arXiv:2312.06635"
    equation = (
        "q, k, v = x W; alpha = sigmoid(x W + b)^(1/16); S' = diag(alpha) S + k v^T; "
        "r = S'^T q / sqrt(K); y = silu(x W + b) * scale * r / rms(r)"
    )
    parameters = "5*D*H + 3*H"
    gates: ClassVar = {"q": 0, "k": 0, "v": 0, "alpha": +1, "g": 0}
    sizes: ClassVar = {
        **{"q": "key", "k": "key", "v": "value"},
        **{"alpha": "key", "g": "value"},
    }
    bias_gates = ("alpha", "g")

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: keys of the initialisation.
            **options: as for `MatrixCell`; `bias`, by default True, is that of alpha
                and g.
        """
        options.setdefault("bias", True)
        super().__init__(input_size, hidden_size, rngs=rngs, **options)

    def writing(self, p: dict[str, Array]) -> Write:
        """Return k, v and log alpha."""
        log_alpha = jax.nn.log_sigmoid(p["alpha"]) / 16
        gate("alpha", log_alpha, jnp.exp)  # only its logarithm is written
        return Write(p["k"], p["v"], log_alpha)
