"""The gated recurrent unit."""

from typing import ClassVar

import jax.numpy as jnp

from zoo.cells.base import HiddenState, drop_candidate, gate
from zoo.cells.gru.base import ResetAfterCell
from zoo.types import Array

__all__ = ["GRUCell"]


class GRUCell(ResetAfterCell):
    """The gated recurrent unit, with the reset gate after the recurrent product.

    ::

        r = sigmoid(x W_r + h U_r + b_r)
        z = sigmoid(x W_z + h U_z + b_z)
        n = tanh(x W_n + b_n + r * (h U_n + b_hn))
        h' = (1 - z) * n + z * h

    The cell of ``torch.nn.GRU`` and of cuDNN, where r and z have a redundant second
    bias too. All recurrent products form one matrix product. Source: Cho et al. 2014,
    arXiv:1406.1078, in the form of Chung et al. 2014, arXiv:1412.3555, and cuDNN.
    """

    name = "gru"
    family = "gru"
    paper = "Cho et al. 2014, arXiv:1406.1078; reset after the product as in cuDNN"
    equation = (
        "r, z = sigmoid(x W + h U + b); n = tanh(x W + b + r * (h U + b_hn)); "
        "h' = (1 - z) * n + z * h"
    )
    parameters = "3 * (D*H + H*H + H) + H"
    gates: ClassVar = {"r": 0, "z": +1, "n": 0}
    candidate = True

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        (p_r, p_z, p_n), (q_r, q_z, q_n) = self.split(p), self.split(q)
        z = gate("z", p_z + q_z)
        n = jnp.tanh(p_n + gate("r", p_r + q_r) * self.add_bias(q_n, self.b_hn))
        return HiddenState((1 - z) * drop_candidate(n, keep) + z * state.h)

    def kernel(self) -> str:
        """Return the name of the native kernel: ``"gru"``."""
        return "gru"
