"""The LSTM whose input and state gate each other before the step."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.cells.base import drop_candidate, gate
from zoo.cells.lstm.lstm import LSTMCell, LSTMState
from zoo.engine.broadcast import align
from zoo.initializers import Gates
from zoo.types import Array, Key

__all__ = ["MogrifierLSTMCell"]


def _noisy_retain(key: Key, gates: Gates, size: int, dtype: Any) -> Array:
    """Draw biases from N(0, 1/H), plus one for the gate that keeps the old state."""
    noise = initializers.lecun(key, (size, len(gates)), dtype).T.reshape(-1)
    return initializers.retain(1.0)(key, gates, size, dtype) + noise


class MogrifierLSTMCell(LSTMCell):
    """The LSTM whose input and state gate each other before the step.

    ::

        for k = 1, 3, 5, ...: m_k = sigmoid(h Q_k + b_Qk), x = 2 m_k * x
        for k = 2, 4, ...:    m_k = sigmoid(x R_k + b_Rk), h = 2 m_k * h
                              alternating, r rounds in total
        i, f, o = sigmoid(x W + h U + b)
        g = tanh(x W + h U + b)
        c' = f * c + min(i, 1 - f) * g
        h' = o * tanh(c')

    ``Q[ceil(r/2), H, D]`` and ``R[floor(r/2), D, H]`` have full rank. The biases of the
    rounds and the limit of the input gate are those of the authors' code. The paper has
    neither, ``round_bias=False, cap_input_gate=False``. The initialisation is that of
    the code: matrices from LeCun's normal distribution, and biases b from N(0, 1/H),
    plus one for the forget gate. Source: Melis et al. 2019, arXiv:1909.01792;
    deepmind/lamb, ``tiled_lstm.py``.
    """

    name = "mogrifier_lstm"
    paper = "Melis et al. 2019, arXiv:1909.01792"
    equation = (
        "in turn, 5 rounds: x = 2 sigmoid(h Q_k + b) * x, "
        "h = 2 sigmoid(x R_k + b) * h; "
        "i, f, o = sigmoid(x W + h U + b); g = tanh(x W + h U + b); "
        "c' = f * c + min(i, 1 - f) * g; h' = o * tanh(c')"
    )
    parameters = "4 * (D*H + H*H + H) + 5*D*H + 3*D + 2*H"
    inits: ClassVar = {
        "W": initializers.lecun,
        "U": initializers.lecun,
        "b": _noisy_retain,
    }

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        rounds: int = 5,
        round_bias: bool = True,
        cap_input_gate: bool = True,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rounds: r, the number of gating rounds, 2 or more.
            round_bias: whether the rounds have biases, initialised to zero.
            cap_input_gate: whether the input gate is at most 1 - f.
            rngs: random keys for the initialisation.
            **options: as for `LSTMCell`, with the default initialisers described above;
                `W_init` also initialises ``Q`` and ``R``, and ``bias=False`` removes
                all biases.

        Raises:
            ValueError: if `rounds` is below 2.
        """
        if checks.positive("rounds", rounds) < 2:
            raise ValueError(f"rounds must be 2 or more, got {rounds}")
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        init = options.get("W_init") or self.inits["W"]

        def stacked(count: int, shape: tuple[int, int]) -> nnx.Param:
            keys = jax.random.split(rngs.params(), count)
            return self._store(
                jnp.stack([init(k, shape, self.draw_dtype) for k in keys])
            )

        self.rounds, self.cap_input_gate = rounds, bool(cap_input_gate)
        self.Q = stacked((rounds + 1) // 2, (hidden_size, input_size))
        self.R = stacked(rounds // 2, (input_size, hidden_size))
        if not round_bias or self.b is None:
            self.b_Q = self.b_R = None
        else:
            self.b_Q, self.b_R = (
                self._store(jnp.zeros(matrix.shape[::2], self.draw_dtype))
                for matrix in (self.Q, self.R)
            )

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
                h = 2 * self._round(k, x, self.R, self.b_R) * h
            else:
                x = 2 * self._round(k, h, self.Q, self.b_Q) * x
        p = self.add_bias(self.dot(x, self.W[...]), self.b)
        return self.update(state, p, self.dot(h, self.U[...]), keep)

    def _round(
        self, k: int, a: Array, matrices: nnx.Param, biases: nnx.Param | None
    ) -> Array:
        """Return m of round k, which reads a."""
        m = self.dot(a, matrices[...][k // 2])
        if biases is not None:
            m = m + align(self.in_state_dtype(biases)[k // 2], m)
        return gate(f"m_{k + 1}", m)

    def update(
        self, state: LSTMState, p: Array, q: Array, keep: Array | None = None
    ) -> LSTMState:
        """Return the new state, for the p and q after the gating rounds."""
        if not self.cap_input_gate:
            return super().update(state, p, q, keep)
        i, f, g, o = self.split(p + q)
        f = gate("f", f)
        i = gate("i", jnp.minimum(jax.nn.sigmoid(i), 1 - f), None)
        c = f * state.c + i * drop_candidate(jnp.tanh(g), keep)
        return LSTMState(gate("o", o) * jnp.tanh(c), c)
