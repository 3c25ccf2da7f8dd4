"""The hierarchically gated recurrent unit: a linear cell with a bounded forget gate."""

from typing import Any, ClassVar

import jax
from flax import nnx

from zoo import checks
from zoo.cells.base import HiddenState, gate
from zoo.cells.linear.base import LinearCell
from zoo.types import Array

__all__ = ["HGRNCell"]


class HGRNCell(LinearCell):
    """The hierarchically gated recurrent unit, in its real form.

    ::

        f = lower_bound + (1 - lower_bound) * sigmoid(x W_f + b_f)
        c = silu(x W_c + b_c)
        h' = f * h + (1 - f) * c
        y = h' * silu(x W_g + b_g)

    A unit keeps its state for at least about ``1 / (1 - lower_bound)`` steps. The paper
    learns a bound for each unit, near 0 in the lowest layer and near 1 in the highest.
    Here it is a fixed argument of the cell. The paper's h is complex and rotates by a
    fixed angle at each step, and a layer norm and a product follow y. The first version
    of the authors' code has a silu in y, the second a sigmoid, the option
    ``output_gate="sigmoid"``; the paper allows both. Source: Qin et al. 2023,
    arXiv:2311.04823; Doraemonzzz/hgru-pytorch.
    """

    name = "hgrn"
    family = "linear"
    paper = "Qin et al. 2023, arXiv:2311.04823"
    equation = (
        "f = lower_bound + (1 - lower_bound) * sigmoid(x W + b); "
        "h' = f * h + (1 - f) * silu(x W + b); y = h' * silu(x W + b)"
    )
    parameters = "3 * (D*H + H)"
    gates: ClassVar = {"f": +1, "c": 0, "g": 0}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        lower_bound: float = 0.0,
        output_gate: str = "silu",
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            lower_bound: the smallest value of the forget gate, in [0, 1).
            output_gate: the activation of g, ``"silu"`` or ``"sigmoid"``.
            rngs: random keys for the initialisation.
            **options: as for `Cell`.

        Raises:
            ValueError: if an argument is out of its range.
        """
        allowed = ("silu", "sigmoid")
        self.output_gate = checks.one_of("output_gate", output_gate, allowed)
        self.lower_bound = checks.rate("lower_bound", lower_bound)
        super().__init__(input_size, hidden_size, rngs=rngs, **options)

    def coefficients(self, p: Array) -> tuple[Array, Array]:
        """Return f and (1 - f) * c."""
        f, c, _ = self.split(p)
        span = 1 - self.lower_bound
        keep = gate("f", self.lower_bound + span * jax.nn.sigmoid(f), None)
        # sigmoid(-f) computes 1 - sigmoid(f) without cancellation.
        return keep, span * jax.nn.sigmoid(-f) * jax.nn.silu(c)

    def output(self, state: HiddenState, p: Array) -> Array:
        """Return ``h * silu(g)`` or ``h * sigmoid(g)``."""
        _, _, g = self.split(p)
        opened = gate("g", g)
        return state.h * (opened if self.output_gate == "sigmoid" else g * opened)
