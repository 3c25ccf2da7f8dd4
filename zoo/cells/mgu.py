"""The minimal gated unit, in its two forms."""

from typing import ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import Cell, HiddenState, drop_candidate, gate
from zoo.initializers import BiasInitializer
from zoo.types import Array


class MGUCell(Cell):
    """The minimal gated unit: a GRU with one gate for both purposes.

    ::

        f = sigmoid(x W_f + h U_f + b_f)
        n = tanh(x W_n + (f * h) U_n + b_n)
        h' = (1 - f) * h + f * n

    Source: Zhou et al. 2016, arXiv:1603.09420.
    """

    name = "mgu"
    family = "gru"
    paper = "Zhou et al. 2016, arXiv:1603.09420"
    equation = (
        "f = sigmoid(x W + h U + b); n = tanh(x W + (f * h) U + b); "
        "h' = (1 - f) * h + f * n"
    )
    parameters = "2 * (D*H + H*H + H)"
    gates: ClassVar = {"f": -1, "n": 0}
    candidate = True

    def advance(
        self,
        state: HiddenState,
        p: Array,
        *,
        recur_state: HiddenState | None = None,
        keep: Array | None = None,
    ) -> HiddenState:
        """Return the new state; overridden because of the product after f."""
        shown = state.h if recur_state is None else recur_state.h
        U_f, U_n = self.split(self.U[...])
        p_f, p_n = self.split(p)
        f = gate("f", p_f + self.dot(shown, U_f))
        n = jnp.tanh(p_n + self.dot(f * shown, U_n))
        return HiddenState((1 - f) * state.h + f * drop_candidate(n, keep))

    def kernel(self) -> str:
        """Return ``"mgu"``."""
        return "mgu"


class ResetAfterMGUCell(Cell):
    """The minimal gated unit that resets after the product, as Flax has it.

    ::

        f = sigmoid(x W_f + h U_f + b_f)
        n = tanh(x W_n + b_n + f * (h U_n + b_hn))
        h' = (1 - f) * n + f * h

    All recurrent products are one; f keeps the old state here, where the paper's f
    overwrites it. Source: Zhou et al. 2016, arXiv:1603.09420, in the form of Flax's
    ``MGUCell``.
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

    def _set_biases(self, b_init: BiasInitializer | None, rngs: nnx.Rngs) -> None:
        """Set ``b`` and ``b_hn``; the initialiser is told the gates f, n and hn."""
        if b_init is None:
            self.b = self.b_hn = None
            return
        gates = {**self.gates, "hn": 0}
        both = b_init(rngs.params(), gates, self.hidden_size, self.param_dtype)
        self.b = nnx.Param(both[: -self.hidden_size])
        self.b_hn = nnx.Param(both[-self.hidden_size :])

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        (f, n), (hf, hn) = self.split(p), self.split(q)
        f = gate("f", f + hf)
        n = jnp.tanh(n + f * self.add_bias(hn, self.b_hn))
        return HiddenState((1 - f) * drop_candidate(n, keep) + f * state.h)

    def kernel(self) -> str:
        """Return ``"reset_after_mgu"``."""
        return "reset_after_mgu"
