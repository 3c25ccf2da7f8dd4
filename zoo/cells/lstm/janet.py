"""An LSTM with only a forget gate."""

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo import initializers
from zoo.cells.base import Cell, HiddenState, drop_candidate, gate
from zoo.types import Array

__all__ = ["JANETCell"]


class JANETCell(Cell):
    """The LSTM with a forget gate only ("just another network").

    ::

        s = x W_f + h U_f + b_f
        g = tanh(x W_g + h U_g + b_g)
        h' = sigmoid(s) * h + (1 - sigmoid(s - beta)) * g

    With beta = 1 the weights of the two terms sum to more than one: more is written
    than forgotten. The paper initialises ``b_f`` with ``zoo.initializers.chrono(T)``.
    Here it is one, because T is not known. Source: van der Westhuizen and Lasenby 2018,
    arXiv:1804.04849.
    """

    name = "janet"
    family = "lstm"
    paper = "van der Westhuizen and Lasenby 2018, arXiv:1804.04849"
    equation = (
        "s = x W + h U + b; g = tanh(x W + h U + b); "
        "h' = sigmoid(s) * h + (1 - sigmoid(s - beta)) * g"
    )
    parameters = "2 * (D*H + H*H + H)"
    gates: ClassVar = {"f": +1, "g": 0}
    inits: ClassVar = {**Cell.inits, "b": initializers.retain(1.0)}
    candidate = True
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        beta: float = 1.0,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            beta: shift between the pre-activations of the forget and the input gate.
            rngs: random keys for the initialisation.
            **options: as for `Cell`; `b_init` is ``zoo.initializers.retain(1.0)`` by
                default.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.beta = float(beta)

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        s, g = self.split(p + q)
        # 1 - sigmoid(a) = sigmoid(-a), without cancellation.
        written = gate("i", self.beta - s) * drop_candidate(jnp.tanh(g), keep)
        return HiddenState(gate("f", s) * state.h + written)
