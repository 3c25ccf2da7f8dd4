"""Strongly typed networks: the state is never multiplied with a matrix."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import initializers
from zoo.cells.base import Cell, gate
from zoo.cells.linear import LinearCell
from zoo.types import Array

PAPER = "Balduzzi and Ghifary 2016, arXiv:1602.02218"


class TRNNCell(LinearCell):
    """The strongly typed RNN: a running mean of ``xW`` with a gate that sees x alone.

    ::

        f = sigmoid(x W_f + b_f)
        h' = f * h + (1 - f) * (x W_z + b_z)

    minGRU is the same function, with z = 1 - f, eight years later. Source: Balduzzi and
    Ghifary 2016, arXiv:1602.02218.
    """

    name = "trnn"
    family = "linear"
    paper = PAPER
    equation = "f = sigmoid(x W + b); h' = f * h + (1 - f) * (x W + b)"
    parameters = "2 * (D*H + H)"
    gates: ClassVar = {"z": 0, "f": +1}

    def coefficients(self, p: Array) -> tuple[Array, Array]:
        """Return f and (1 - f) * z."""
        z, f = self.split(p)
        return gate("f", f), jax.nn.sigmoid(-f) * z


class TGRUState(NamedTuple):
    """The state of a T-GRU.

    Attributes:
        h: the hidden state ``[B, H]``, which is also the output.
        x: the last input ``[B, D]``.
    """

    h: Array
    x: Array


class TGRUCell(Cell):
    """The strongly typed GRU: gates from this input and the one before.

    ::

        z = x W_z + x_before V_z + b_z
        f = sigmoid(x W_f + x_before V_f + b_f)
        o = tanh(x W_o + x_before V_o + b_o)
        h' = f * h + z * o

    ``V[D, 3H]``. Source: Balduzzi and Ghifary 2016, arXiv:1602.02218.
    """

    name = "tgru"
    family = "typed"
    paper = PAPER
    equation = (
        "z = x W + x_before V + b; f = sigmoid(x W + x_before V + b); "
        "o = tanh(x W + x_before V + b); h' = f * h + z * o"
    )
    parameters = "6*D*H + 3*H"
    gates: ClassVar = {"z": 0, "f": +1, "o": 0}
    recurrent = ()

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: keys of the initialisation.
            **options: as for `Cell`; `W_init` also draws ``V``.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        init = options.get("W_init", initializers.glorot)
        self.V = self._matrix(init, rngs, (input_size, hidden_size), None)

    def init_state(self, batch_size: int) -> Any:
        """Return zeros.

        Args:
            batch_size: B.
        """
        h = self.zeros(batch_size, self.hidden_size)
        return TGRUState(h, self.zeros(batch_size, self.input_size))

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return ``xW + b``, and x itself."""
        return super().project(x), x.astype(self.state_dtype)

    def recur(self, state: Any) -> Array:
        """Return ``x_before V``."""
        return self.dot(state.x, self.V[...])

    def update(self, state: Any, p: tuple[Array, Array], q: Array) -> Any:
        """Return the new state."""
        a, x = p
        z, f, o = self.split(a + q)
        return TGRUState(gate("f", f) * state.h + z * jnp.tanh(o), x)


class TLSTMState(NamedTuple):
    """The state of a T-LSTM.

    Attributes:
        c: the cell state ``[B, H]``.
        x: the last input ``[B, D]``.
        y: the last output ``[B, H]``, which no step reads.
    """

    c: Array
    x: Array
    y: Array


class TLSTMCell(TGRUCell):
    """The strongly typed LSTM.

    ::

        z = x W_z + x_before V_z + b_z
        f = sigmoid(x W_f + x_before V_f + b_f)
        o = tanh(x W_o + x_before V_o + b_o)
        c' = f * c + (1 - f) * z
        y = c' * o

    Source: Balduzzi and Ghifary 2016, arXiv:1602.02218.
    """

    name = "tlstm"
    equation = (
        "z = x W + x_before V + b; f = sigmoid(x W + x_before V + b); "
        "o = tanh(x W + x_before V + b); c' = f * c + (1 - f) * z; y = c' * o"
    )
    unread = ("y",)

    def init_state(self, batch_size: int) -> TLSTMState:
        """Return zeros.

        Args:
            batch_size: B.
        """
        c = self.zeros(batch_size, self.hidden_size)
        return TLSTMState(c, self.zeros(batch_size, self.input_size), c)

    def update(self, state: TLSTMState, p: tuple[Array, Array], q: Array) -> TLSTMState:
        """Return the new state."""
        a, x = p
        z, f, o = self.split(a + q)
        f = gate("f", f)
        c = f * state.c + (1 - f) * z
        return TLSTMState(c, x, c * jnp.tanh(o))

    def output(self, state: TLSTMState, p: Any) -> Array:
        """Return y."""
        return state.y
