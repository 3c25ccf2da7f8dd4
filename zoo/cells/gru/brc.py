"""Bistable recurrent cells."""

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import Cell, HiddenState, gate
from zoo.initializers import Initializer
from zoo.types import Array

__all__ = ["BRCCell", "NBRCCell"]


class NBRCCell(Cell):
    """The recurrently neuromodulated bistable recurrent cell (nBRC).

    ::

        a = 1 + tanh(x W_a + h U_a + b_a)
        c = sigmoid(x W_c + h U_c + b_c)
        h' = c * h + (1 - c) * tanh(x W_n + a * h + b_n)

    A unit with a > 1 has two stable states, so it can keep its value without limit. The
    paper has no bias for the candidate; ``bias=False`` removes all biases. Source:
    Vecoven et al. 2021, "A bio-inspired bistable recurrent cell allows for long-lasting
    memory", PLOS ONE.
    """

    name = "nbrc"
    family = "gru"
    paper = "Vecoven et al. 2021, PLOS ONE"
    equation = (
        "a = 1 + tanh(x W + h U + b); c = sigmoid(x W + h U + b); "
        "h' = c * h + (1 - c) * tanh(x W + a * h + b)"
    )
    parameters = "3 * (D*H + H) + 2*H*H"
    gates: ClassVar = {"a": 0, "c": +1, "n": 0}
    recurrent_gates = ("a", "c")

    def update(self, state: HiddenState, p: Array, q: Array) -> HiddenState:
        """Return the new state."""
        (a, c, n), (q_a, q_c) = self.split(p), self.split(q)
        a, c = 1 + jnp.tanh(a + q_a), gate("c", c + q_c)
        return HiddenState(c * state.h + (1 - c) * jnp.tanh(n + a * state.h))


class BRCCell(NBRCCell):
    """The bistable recurrent cell (BRC): each unit depends on its own state only.

    ::

        a = 1 + tanh(x W_a + u_a * h + b_a)
        c = sigmoid(x W_c + u_c * h + b_c)
        h' = c * h + (1 - c) * tanh(x W_n + a * h + b_n)

    ``u[2H]``. Source: Vecoven et al. 2021, PLOS ONE; see `NBRCCell`.
    """

    name = "brc"
    equation = (
        "a = 1 + tanh(x W + u * h + b); c = sigmoid(x W + u * h + b); "
        "h' = c * h + (1 - c) * tanh(x W + a * h + b)"
    )
    parameters = "3 * (D*H + H) + 2*H"
    recurrent = ("u",)
    inits: ClassVar = {**NBRCCell.inits, "u": nnx.initializers.normal(1.0)}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        u_init: Initializer | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            u_init: initialiser of ``u``, by default N(0, 1).
            rngs: random keys for the initialisation.
            **options: as for `Cell`.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.u = self._param(u_init or self.inits["u"], rngs, (2 * hidden_size,))

    def recur(self, state: HiddenState) -> Array:
        """Return ``u_a * h`` and ``u_c * h``."""
        h = jnp.concatenate([state.h, state.h], axis=-1)
        return self.in_state_dtype(self.u, h) * h
