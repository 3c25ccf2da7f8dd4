"""The simple gated unit and its deep form."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import Cell, HiddenState, drop_candidate, gate
from zoo.types import Array

__all__ = ["SGUCell", "DSGUCell"]


class SGUCell(Cell):
    """The simple gated unit: its gate g multiplies the input and the state.

    ::

        g = tanh(((x W_g + b_g) * h) U_g)
        z = hard_sigmoid(x W_z + h U_z + b_z)
        h' = (1 - z) * h + z * softplus(g * h)

    ``hard_sigmoid(a) = min(max(a + 3, 0), 6) / 6``. Source: Gao and Glowacka 2016,
    arXiv:1604.02910.
    """

    name = "sgu"
    family = "gru"
    paper = "Gao and Glowacka 2016, arXiv:1604.02910"
    equation = (
        "g = tanh(((x W + b) * h) U); z = hard_sigmoid(x W + h U + b); "
        "h' = (1 - z) * h + z * softplus(g * h)"
    )
    parameters = "2 * (D*H + H*H + H)"
    gates: ClassVar = {"g": 0, "z": -1}
    candidate = True

    def _candidate(self, gated: Array) -> Array:
        """Return the candidate for the gated state ``g * h``."""
        return jax.nn.softplus(gated)

    def advance(
        self,
        state: HiddenState,
        p: Array,
        *,
        recur_state: HiddenState | None = None,
        keep: Array | None = None,
    ) -> HiddenState:
        """Return the new state; overridden because of the product with ``x * h``."""
        h = state.h if recur_state is None else recur_state.h
        U_g, U_z = self.split(self.U[...])
        p_g, p_z = self.split(p)
        g = jnp.tanh(self.dot(p_g * h, U_g))
        z = gate("z", p_z + self.dot(h, U_z), jax.nn.hard_sigmoid)
        n = self._candidate(g * state.h)
        return HiddenState((1 - z) * state.h + z * drop_candidate(n, keep))


class DSGUCell(SGUCell):
    """The deep simple gated unit: one more product, and a sigmoid instead of softplus.

    ::

        g = tanh(((x W_g + b_g) * h) U_g)
        z = hard_sigmoid(x W_z + h U_z + b_z)
        h' = (1 - z) * h + z * sigmoid((g * h) U_o)

    Source: Gao and Glowacka 2016, arXiv:1604.02910.
    """

    name = "dsgu"
    equation = (
        "g = tanh(((x W + b) * h) U); z = hard_sigmoid(x W + h U + b); "
        "h' = (1 - z) * h + z * sigmoid((g * h) U_o)"
    )
    parameters = "2 * (D*H + H*H + H) + H*H"
    recurrent = ("U", "U_o")

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: random keys for the initialisation.
            **options: as for `Cell`; `U_init` also initialises ``U_o``.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        init = options.get("U_init") or self.inits["U"]
        self.U_o = self._param(init, rngs, (hidden_size, hidden_size))

    def _candidate(self, gated: Array) -> Array:
        """Return the candidate for the gated state ``g * h``."""
        return jax.nn.sigmoid(self.dot(gated, self.U_o[...]))
