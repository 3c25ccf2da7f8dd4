"""Cells that apply the reset gate after the recurrent product."""

from flax import nnx

from zoo.cells.base import Cell
from zoo.initializers import BiasInitializer


class ResetAfterCell(Cell):
    """A cell whose reset gate multiplies ``h U_n + b_hn``.

    ``b_hn[H]`` is the second bias of the candidate n. It cannot be part of ``b``,
    because the reset gate multiplies it.
    """

    def _set_biases(self, b_init: BiasInitializer | None, rngs: nnx.Rngs) -> None:
        """Set ``b`` and ``b_hn``; `b_init` gets ``b_hn`` as one more gate, hn."""
        if b_init is None:
            self.b = self.b_hn = None
            return
        gates = {**self.gates, "hn": 0}
        both = b_init(rngs.params(), gates, self.hidden_size, self.draw_dtype)
        self.b = self._store(both[: -self.hidden_size])
        self.b_hn = self._store(both[-self.hidden_size :])
