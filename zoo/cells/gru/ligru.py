"""The light gated recurrent unit."""

from typing import ClassVar

import jax

from zoo.cells.base import Cell, HiddenState, drop_candidate, gate
from zoo.types import Array

__all__ = ["LiGRUCell"]


class LiGRUCell(Cell):
    """The light GRU: a GRU without a reset gate and with a ReLU candidate.

    ::

        z = sigmoid(x W_z + h U_z + b_z)
        n = relu(x W_n + h U_n + b_n)
        h' = z * h + (1 - z) * n

    The paper applies batch normalisation to ``xW``. This cell has a bias instead,
    because the rows of a batch must not mix. Source: Ravanelli et al. 2018,
    arXiv:1803.10225.
    """

    name = "ligru"
    family = "gru"
    paper = "Ravanelli et al. 2018, arXiv:1803.10225"
    equation = (
        "z = sigmoid(x W + h U + b); n = relu(x W + h U + b); h' = z * h + (1 - z) * n"
    )
    parameters = "2 * (D*H + H*H + H)"
    gates: ClassVar = {"z": +1, "n": 0}
    candidate = True
    additive = True

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        z, n = self.split(p + q)
        z = gate("z", z)
        n = drop_candidate(jax.nn.relu(n), keep)
        return HiddenState(z * state.h + (1 - z) * n)
