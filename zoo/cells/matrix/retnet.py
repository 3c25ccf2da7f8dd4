"""Retention, the recurrence of RetNet."""

from typing import ClassVar

import jax.numpy as jnp

from zoo.cells.matrix.base import MatrixCell
from zoo.engine.matrix_chunks import Write
from zoo.types import Array

__all__ = ["RetNetCell"]


class RetNetCell(MatrixCell):
    """Retention: linear attention with a fixed decay, different in each head.

    ::

        q, k, v, g = x W
        S' = gamma * S + k v^T,    gamma = 1 - 2^(-5 - head),  head = 0, 1, ...
        r = S'^T q / sqrt(K)
        y = silu(g) * scale * r / rms(r)

    The paper's rotation of q and k by an angle that grows with the position (xPos) is
    omitted. The norm in each head is a root mean square, as in the authors' code. It
    makes the paper's other scalings unnecessary. Source: Sun et al. 2023,
    arXiv:2307.08621.
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
