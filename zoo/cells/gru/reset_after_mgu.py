"""The minimal gated unit with the gate after the recurrent product."""

from typing import ClassVar

import jax.numpy as jnp

from zoo.cells.base import HiddenState, drop_candidate, gate
from zoo.cells.gru.base import ResetAfterCell
from zoo.types import Array

__all__ = ["ResetAfterMGUCell"]


class ResetAfterMGUCell(ResetAfterCell):
    """The minimal gated unit in the form of Flax: its gate multiplies ``h U_n + b_hn``.

    ::

        f = sigmoid(x W_f + h U_f + b_f)
        n = tanh(x W_n + b_n + f * (h U_n + b_hn))
        h' = (1 - f) * n + f * h

    All recurrent products form one matrix product. A large f keeps the old state here
    and overwrites it in the paper. Source: Zhou et al. 2016, arXiv:1603.09420, in the
    form of Flax's ``MGUCell``.
    """

    name = "reset_after_mgu"
    family = "gru"
    paper = "Zhou et al. 2016, arXiv:1603.09420; reset after the product as in Flax"
    equation = (
        "f = sigmoid(x W + h U + b); n = tanh(x W + b + f * (h U + b_hn)); "
        "h' = (1 - f) * n + f * h"
    )
    parameters = "2 * (D*H + H*H + H) + H"
    gates: ClassVar = {"f": +1, "n": 0}
    candidate = True

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        (p_f, p_n), (q_f, q_n) = self.split(p), self.split(q)
        f = gate("f", p_f + q_f)
        n = jnp.tanh(p_n + f * self.add_bias(q_n, self.b_hn))
        return HiddenState((1 - f) * drop_candidate(n, keep) + f * state.h)

    def kernel(self) -> str:
        """Return the name of the native kernel: ``"reset_after_mgu"``."""
        return "reset_after_mgu"
