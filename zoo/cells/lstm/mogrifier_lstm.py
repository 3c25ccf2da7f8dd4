"""The LSTM whose input and state gate each other before the step."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.cells.base import gate
from zoo.cells.lstm.lstm import LSTMCell, LSTMState
from zoo.types import Array

__all__ = ["MogrifierLSTMCell"]


class MogrifierLSTMCell(LSTMCell):
    """The LSTM whose input and state gate each other before the step.

    ::

        for k = 1, 3, 5, ...: m_k = sigmoid(h Q_k), x = 2 m_k * x
        for k = 2, 4, ...:    m_k = sigmoid(x R_k), h = 2 m_k * h
                              alternating, r rounds in total
        i, f, o = sigmoid(x W + h U + b)
        g = tanh(x W + h U + b)
        c' = f * c + i * g
        h' = o * tanh(c')

    ``Q[ceil(r/2), H, D]`` and ``R[floor(r/2), D, H]`` have full rank. Source: Melis et
    al. 2019, arXiv:1909.01792.
    """

    name = "mogrifier_lstm"
    paper = "Melis et al. 2019, arXiv:1909.01792"
    equation = (
        "in turn, 5 rounds: x = 2 sigmoid(h Q_k) * x, h = 2 sigmoid(x R_k) * h; "
        "i, f, o = sigmoid(x W + h U + b); g = tanh(x W + h U + b); "
        "c' = f * c + i * g; h' = o * tanh(c')"
    )
    parameters = "4 * (D*H + H*H + H) + 5*D*H"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        rounds: int = 5,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rounds: r, the number of gating rounds, 2 or more.
            rngs: random keys for the initialisation.
            **options: as for `LSTMCell`; `W_init` also initialises ``Q`` and ``R``.

        Raises:
            ValueError: if `rounds` is below 2.
        """
        if checks.positive("rounds", rounds) < 2:
            raise ValueError(f"rounds must be 2 or more, got {rounds}")
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        init = options.get("W_init", initializers.glorot)

        def stacked(count: int, shape: tuple[int, int]) -> nnx.Param:
            keys = jax.random.split(rngs.params(), count)
            return self._store(
                jnp.stack([init(k, shape, self.draw_dtype) for k in keys])
            )

        self.rounds = rounds
        self.Q = stacked((rounds + 1) // 2, (hidden_size, input_size))
        self.R = stacked(rounds // 2, (input_size, hidden_size))

    def project(self, x: Array) -> Array:
        """Return x: every product depends on the state."""
        return x.astype(self.state_dtype)

    def advance(
        self,
        state: LSTMState,
        p: Array,
        *,
        recur_state: LSTMState | None = None,
        keep: Array | None = None,
    ) -> LSTMState:
        """Return the new state; overridden because of the gating rounds."""
        x, h = p, state.h if recur_state is None else recur_state.h
        for k in range(self.rounds):
            if k % 2:
                h = 2 * gate(f"m_{k + 1}", self.dot(x, self.R[...][k // 2])) * h
            else:
                x = 2 * gate(f"m_{k + 1}", self.dot(h, self.Q[...][k // 2])) * x
        p = self.add_bias(self.dot(x, self.W[...]), self.b)
        return self.update(state, p, self.dot(h, self.U[...]), keep)
