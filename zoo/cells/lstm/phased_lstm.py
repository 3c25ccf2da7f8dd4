"""The LSTM whose units are updated in periodic phases."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.cells.base import gate
from zoo.cells.lstm.lstm import LSTMState
from zoo.cells.lstm.peephole_lstm import PeepholeLSTMCell
from zoo.types import Array, Constant

__all__ = ["PhasedLSTMCell", "PhasedLSTMState"]


class PhasedLSTMState(NamedTuple):
    """The state of a phased LSTM.

    Attributes:
        h: the hidden state ``[B, H]``, which is also the output.
        c: the cell state ``[B, H]``.
        t: the number of steps since the start of the sequence, int32 ``[B]``.
    """

    h: Array
    c: Array
    t: Array


class PhasedLSTMCell(PeepholeLSTMCell):
    """The LSTM whose units are updated in a periodic phase of their own.

    ::

        phi = ((t - s) mod tau) / tau
        k = 2 phi / r            if phi < r / 2
        k = 2 - 2 phi / r        if r / 2 <= phi < r
        k = leak * phi           otherwise
        h~, c~ = PeepholeLSTM(x, h, c)
        c' = k * c~ + (1 - k) * c
        h' = k * h~ + (1 - k) * h

    The period ``tau[H]`` and the shift ``s[H]`` are learnt, from U(10, 100) and
    U(-1000, 0). The open ratio ``r[H]`` is a constant, 0.05. These are the defaults of
    the authors' code, and so are matrices from N(0, 0.1²) and a forget-gate bias of 2.
    The paper has periods exp(U(0, 3)) and shifts U(0, tau), ``periods="paper"``, and
    learns r, ``learn_r=True``. Time is the number of steps. The paper and the authors'
    code apply the leak only in training; here it always applies. Source: Neil et al.
    2016, arXiv:1610.09513; dannyneil/public_plstm, ``plstm.py``.
    """

    name = "phased_lstm"
    paper = "Neil et al. 2016, arXiv:1610.09513"
    equation = (
        "phi = ((t - s) mod tau) / tau; k = 2 phi / r, then 2 - 2 phi / r, then leak * "
        "phi; (h~, c~) = PeepholeLSTM(x, h, c); c' = k * c~ + (1 - k) * c; "
        "h' = k * h~ + (1 - k) * h"
    )
    parameters = "4 * (D*H + H*H + H) + 5*H"
    inits: ClassVar = {
        **PeepholeLSTMCell.inits,
        "W": nnx.initializers.normal(0.1),
        "U": nnx.initializers.normal(0.1),
        "b": initializers.retain(2.0),
    }
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        leak: float = 0.001,
        periods: str = "code",
        learn_r: bool = False,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            leak: the update rate of a unit outside of its open phase.
            periods: the initial periods and shifts, ``"code"`` or ``"paper"``.
            learn_r: whether the open ratio is a parameter.
            rngs: random keys for the initialisation.
            **options: as for `PeepholeLSTMCell`; by default `W_init` and `U_init` are
                N(0, 0.1²), and `b_init` is ``zoo.initializers.retain(2.0)``.

        Raises:
            ValueError: if `periods` is neither.
        """
        checks.one_of("periods", periods, ("code", "paper"))
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.leak = float(leak)
        size, dtype = (hidden_size,), self.draw_dtype
        u, v = jax.random.uniform(rngs.params(), (2, *size), dtype)
        if periods == "paper":
            tau = jnp.exp(3 * u)
            shift = tau * v
        else:
            tau, shift = 10 + 90 * u, -1000 * v
        self.tau, self.s = self._store(tau), self._store(shift)
        r = jnp.full(size, 0.05, self.param_dtype)
        self.r = nnx.Param(r) if learn_r else Constant(r)

    def init_state(self, batch_size: int) -> PhasedLSTMState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        h, c = super().init_state(batch_size)
        return PhasedLSTMState(h, c, jnp.zeros(batch_size, jnp.int32))

    def _time_gate(self, t: Array) -> Array:
        """Return k ``[B, H]`` at the steps t ``[B]``."""
        time = t[:, None].astype(self.state_dtype)
        tau, s, r = (self.in_state_dtype(a, time) for a in (self.tau, self.s, self.r))
        phi = jnp.mod(time - s, tau) / tau
        falling = jnp.where(phi < r, 2 - 2 * phi / r, self.leak * phi)
        return jnp.where(phi < r / 2, 2 * phi / r, falling)

    def update(
        self, state: PhasedLSTMState, p: Array, q: Array, keep: Array | None = None
    ) -> PhasedLSTMState:
        """Return the new state."""
        h, c = super().update(LSTMState(state.h, state.c), p, q, keep)
        k = gate("k", self._time_gate(state.t), None)
        return PhasedLSTMState(
            k * h + (1 - k) * state.h, k * c + (1 - k) * state.c, state.t + 1
        )
