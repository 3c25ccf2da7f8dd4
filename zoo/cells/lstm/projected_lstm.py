"""The LSTM with a projection of its output."""

from typing import Any

from flax import nnx

from zoo import checks
from zoo.cells.lstm.lstm import LSTMCell, LSTMState
from zoo.types import Array

__all__ = ["ProjectedLSTMCell"]


class ProjectedLSTMCell(LSTMCell):
    """The LSTM with a projected output: ``h' = (o * tanh(c')) P``.

    h is ``[B, P]``, smaller than c, which is ``[B, H]``. U is ``[P, 4H]``. The cell of
    ``torch.nn.LSTM`` with ``proj_size``. Source: Sak et al. 2014, arXiv:1402.1128.
    """

    name = "projected_lstm"
    paper = "Sak et al. 2014, arXiv:1402.1128"
    equation = (
        "i, f, o = sigmoid(x W + h U + b); g = tanh(x W + h U + b); "
        "c' = f * c + i * g; h' = (o * tanh(c')) P"
    )
    parameters = "4 * (D*H + (H // 2)*H + H) + H*(H // 2)"
    recurrent = ("U", "P")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        proj_size: int | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            proj_size: P, below H; by default ``H // 2``, and at least 1.
            rngs: random keys for the initialisation.
            **options: as for `Cell`; `W_init` also initialises ``P``.

        Raises:
            ValueError: if `proj_size` is not below `hidden_size`.
        """
        checks.positive("hidden_size", hidden_size)
        if proj_size is None:
            proj_size = max(1, hidden_size // 2)
        self.proj_size = checks.positive("proj_size", proj_size)
        if proj_size >= hidden_size:
            raise ValueError(
                f"proj_size must be below hidden_size = {hidden_size}, got {proj_size}"
            )
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        init = options.get("W_init") or self.inits["W"]
        shape = (hidden_size, proj_size)
        self.P = self._store(init(rngs.params(), shape, self.draw_dtype))

    @property
    def output_size(self) -> int:
        """The size of one step's output: P."""
        return self.proj_size

    def advance(
        self,
        state: LSTMState,
        p: Array,
        *,
        recur_state: LSTMState | None = None,
        keep: Array | None = None,
    ) -> LSTMState:
        """Return the new state; overridden because a product follows the gates."""
        h, c = super().advance(state, p, recur_state=recur_state, keep=keep)
        return LSTMState(self.dot(h, self.P[...]), c)
