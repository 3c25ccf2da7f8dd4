"""Retention, the recurrence of RetNet."""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo.cells.matrix.base import MatrixCell
from zoo.engine.linear_scan import span_scan
from zoo.engine.masks import Span
from zoo.engine.matrix_chunks import Write, read, write, write_and_read
from zoo.types import Array, State

__all__ = ["RetNetCell", "RetNetState"]

# Xavier's uniform initialiser with a gain of 2^-2.5.
_small_glorot = nnx.initializers.variance_scaling(2.0**-5, "fan_avg", "uniform")


class RetNetState(NamedTuple):
    """The state of a retention.

    Attributes:
        S: the values by their keys, ``[B, heads, K, V]``.
        n: the sum of the weights of all steps, ``[B, heads]``.
    """

    S: Array
    n: Array


class RetNetCell(MatrixCell):
    """Retention: linear attention with a fixed decay, different in each head.

    ::

        q, k, v, g = x W
        S' = gamma * S + k v^T,    gamma = 1 - 2^(-5 - head),  head = 0, 1, ...
        n' = gamma * n + 1
        r = S'^T q / sqrt(K n')
        y = silu(g) * scale * r / rms(r)

    The paper's rotation of q and k by an angle that grows with the position (xPos) is
    omitted. The norm in each head is a root mean square with an epsilon of 1e-6, as in
    the authors' code. It undoes the division by ``sqrt(n)``, a scaling of the paper,
    except where r is as small as the epsilon. With the initialisation of the authors'
    code, Xavier's with a gain of ``2^-2.5``, it is. The paper also divides the weights
    ``q^T k`` of a step by their sum if that is above one; the authors' recurrent form
    does not, nor does this cell. Source: Sun et al. 2023, arXiv:2307.08621;
    microsoft/torchscale, ``multiscale_retention.py``.
    """

    name = "retnet"
    paper = "Sun et al. 2023, arXiv:2307.08621"
    equation = (
        "q, k, v, g = x W; S' = gamma * S + k v^T; gamma = 1 - 2^(-5 - head); "
        "n' = gamma * n + 1; r = S'^T q / sqrt(K n'); y = silu(g) * scale * r / rms(r)"
    )
    parameters = "4*D*H + H"
    gates: ClassVar = {"q": 0, "k": 0, "v": 0, "g": 0}
    sizes: ClassVar = {"q": "key", "k": "key", "v": "value", "g": "value"}
    epsilon = 1e-6
    inits: ClassVar = {**MatrixCell.inits, "W": _small_glorot}

    def init_state(self, batch_size: int) -> RetNetState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        S = super().init_state(batch_size).S
        return RetNetState(S, jnp.zeros_like(S[..., 0, 0]))

    def _decays(self) -> np.ndarray:
        """Return gamma ``[heads]``."""
        return 1 - np.exp2(-5.0 - np.arange(self.num_heads))

    def writing(self, p: dict[str, Array]) -> Write:
        """Return k, v and log gamma."""
        decay = jnp.asarray(np.log(self._decays()), self.state_dtype)[:, None]
        return Write(p["k"], p["v"], jnp.broadcast_to(decay, (*p["k"].shape[:-1], 1)))

    def advance(
        self,
        state: RetNetState,
        p: dict[str, Array],
        *,
        recur_state: State = None,
        keep: Array | None = None,
    ) -> RetNetState:
        """Return the new state."""
        decay = jnp.asarray(self._decays(), self.state_dtype)
        S = write(state.S, self.writing(p))
        return RetNetState(S, decay[None] * state.n + 1)

    def _scaled(self, r: Array, n: Array) -> Array:
        """Return ``r / sqrt(n)``; at padding before the first token n may be zero."""
        return r * jax.lax.rsqrt(jnp.maximum(n, 1))[..., None]

    def output(self, state: RetNetState, p: dict[str, Array]) -> Array:
        """Return y ``[..., H]``."""
        r = self._scaled(read(state.S, self.query(p)), state.n)
        return self.join_heads(self.readout(r, p))

    def run_parallel(
        self, p: dict[str, Array], state: RetNetState, initial: RetNetState, span: Span
    ) -> tuple[RetNetState, Array, None]:
        """Compute the n of all steps by a scan, then the matrix states in chunks."""
        decay = jnp.asarray(self._decays(), self.state_dtype)
        ones = jnp.ones(p["k"].shape[:-1], self.state_dtype)
        a = jnp.broadcast_to(decay, ones.shape)
        n = span_scan(a, ones, state.n, initial.n, span)
        S, r = write_and_read(self.query(p), self.writing(p), state.S, initial.S, span)
        y = self.join_heads(self.readout(self._scaled(r, n), p))
        return RetNetState(S, n[:, 0 if span.reverse else -1]), y, None
