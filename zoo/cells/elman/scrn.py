"""The structurally constrained recurrent network."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks
from zoo.cells.base import Cell
from zoo.types import Array

__all__ = ["SCRNCell", "SCRNState"]


class SCRNState(NamedTuple):
    """The state of an SCRN.

    Attributes:
        h: the hidden state ``[B, H]``.
        s: the context ``[B, M]``.
    """

    h: Array
    s: Array


class SCRNCell(Cell):
    """The structurally constrained network: slow context units next to hidden units.

    ::

        s' = (1 - alpha) * (x B) + alpha * s
        h' = sigmoid(x W + h U + s P)
        y  = [h', s']

    The output concatenates both, H + M entries, because the output layer of the paper
    reads both. ``B[D, M]``, ``P[M, H]``. In the paper, the hidden units read the new
    context, ``s' P``: the option ``reads="new"``. The default is that of the authors'
    code, where they read the old one. The initialisation is that of the code: all
    matrices are drawn from N(0, 0.05²). The state there starts at 0.1, here at zero.
    Source: Mikolov et al. 2014, arXiv:1412.7753; facebookarchive/SCRNNs,
    ``mfactory.lua``.
    """

    name = "scrn"
    family = "elman"
    paper = "Mikolov et al. 2014, arXiv:1412.7753"
    equation = (
        "s' = (1 - alpha) * (x B) + alpha * s; h' = sigmoid(x W + h U + s P); "
        "y = [h', s']"
    )
    parameters = "D*H + H*H + (D + H) * max(1, H // 4)"
    gates: ClassVar = {"h": 0}
    recurrent = ("U", "P")
    inits: ClassVar = {
        **Cell.inits,
        "W": nnx.initializers.normal(0.05),
        "U": nnx.initializers.normal(0.05),
    }

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        context_size: int | None = None,
        alpha: float = 0.95,
        reads: str = "old",
        bias: bool = False,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            context_size: M, by default a quarter of H and at least 1.
            alpha: the fraction of the context that a step keeps, in [0, 1].
            reads: which context the hidden units read, ``"old"`` or ``"new"``.
            bias: whether the hidden units have a bias; the paper has none.
            rngs: random keys for the initialisation.
            **options: as for `Cell`; `W_init` and `U_init` are N(0, 0.05²) by default,
                and `W_init` also initialises ``B`` and ``P``.

        Raises:
            ValueError: if `alpha` is outside [0, 1], or `reads` is neither.
        """
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], got {alpha!r}")
        if context_size is None:
            context_size = max(1, checks.positive("hidden_size", hidden_size) // 4)
        self.context_size = checks.positive("context_size", context_size)
        self.alpha = float(alpha)
        self.reads = checks.one_of("reads", reads, ("old", "new"))
        super().__init__(input_size, hidden_size, bias=bias, rngs=rngs, **options)
        init = options.get("W_init") or self.inits["W"]
        self.B = self._param(init, rngs, (input_size, context_size))
        self.P = self._param(init, rngs, (context_size, hidden_size))

    @property
    def output_size(self) -> int:
        """The size of one step's output: H + M."""
        return self.hidden_size + self.context_size

    @property
    def recurrent_size(self) -> int:
        """The number of rows of ``U``: H, because the context has its own matrix."""
        return self.hidden_size

    def init_state(self, batch_size: int) -> SCRNState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        h = self.zeros(batch_size, self.hidden_size)
        return SCRNState(h, self.zeros(batch_size, self.context_size))

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return the contributions of x to the pre-activation of h and to s."""
        s, a = (1 - self.alpha) * self.dot(x, self.B[...]), super().project(x)
        return (a + self.dot(s, self.P[...]) if self.reads == "new" else a), s

    def recur(self, state: SCRNState) -> Array:
        """Return ``hU + sP``, or with the new context ``hU + alpha * sP``.

        ``s'P`` is linear in s and x; `project` adds the part of x.
        """
        slow = self.dot(state.s, self.P[...])
        kept = self.alpha if self.reads == "new" else 1.0
        return self.dot(state.h, self.U[...]) + kept * slow

    def update(self, state: SCRNState, p: tuple[Array, Array], q: Array) -> SCRNState:
        """Return the new state."""
        a, s = p
        return SCRNState(jax.nn.sigmoid(a + q), self.alpha * state.s + s)

    def output(self, state: SCRNState, p: Any) -> Array:
        """Return h and s, concatenated."""
        return jnp.concatenate([state.h, state.s], axis=-1)
