"""The LSTM whose recurrent matrix depends on the input."""

from typing import Any

from flax import nnx

from zoo.cells.lstm.lstm import LSTMCell, LSTMState
from zoo.types import Array

__all__ = ["MultiplicativeLSTMCell"]


class MultiplicativeLSTMCell(LSTMCell):
    """The LSTM whose recurrent matrix depends on the input.

    ::

        m = (x W_m) * (h U_m)
        i, f, o = sigmoid(x W + m U + b)
        g = tanh(x W + m U + b)
        c' = f * c + i * g
        h' = o * tanh(c')

    ``W_m[D, H]``, ``U_m[H, H]``. Source: Krause et al. 2016, arXiv:1609.07959.
    """

    name = "multiplicative_lstm"
    paper = "Krause et al. 2016, arXiv:1609.07959"
    equation = (
        "m = (x W_m) * (h U_m); i, f, o = sigmoid(x W + m U + b); g = tanh(x W + m U + "
        "b); c' = f * c + i * g; h' = o * tanh(c')"
    )
    parameters = "5 * (D*H + H*H) + 4*H"
    recurrent = ("U", "U_m")

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: random keys for the initialisation.
            **options: as for `LSTMCell`; `W_init` and `U_init` also draw ``W_m`` and
                ``U_m``.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        W_init = options.get("W_init") or self.inits["W"]
        U_init = options.get("U_init") or self.inits["U"]
        self.W_m = self._param(W_init, rngs, (input_size, hidden_size))
        self.U_m = self._param(U_init, rngs, (hidden_size, hidden_size))

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return ``xW + b`` and ``xW_m``."""
        return super().project(x), self.dot(x, self.W_m[...])

    def advance(
        self,
        state: LSTMState,
        p: tuple[Array, Array],
        *,
        recur_state: LSTMState | None = None,
        keep: Array | None = None,
    ) -> LSTMState:
        """Return the new state; overridden because two products follow each other."""
        a, m = p
        h = state.h if recur_state is None else recur_state.h
        m = m * self.dot(h, self.U_m[...])
        return self.update(state, a, self.dot(m, self.U[...]), keep)
