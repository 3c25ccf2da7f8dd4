"""The long short-term memory and its relatives."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.cells.base import Cell, gate, thin
from zoo.types import Array

small = jax.nn.initializers.normal(0.1)


class LSTMState(NamedTuple):
    """The state of an LSTM.

    Attributes:
        h: the hidden state ``[B, H]``, which is also the output.
        c: the cell state ``[B, H]``.
    """

    h: Array
    c: Array


class LSTMCell(Cell):
    """The long short-term memory.

    ::

        i = sigmoid(x W_i + h U_i + b_i)
        f = sigmoid(x W_f + h U_f + b_f)
        g = tanh(x W_g + h U_g + b_g)
        o = sigmoid(x W_o + h U_o + b_o)
        c' = f * c + i * g
        h' = o * tanh(c')

    The cell of ``torch.nn.LSTM``, whose two bias vectors are one here. The forget
    gate's bias begins at one. Source: Hochreiter and Schmidhuber 1997; Gers et al.
    2000.
    """

    name = "lstm"
    family = "lstm"
    paper = "Hochreiter and Schmidhuber 1997; Gers et al. 2000"
    equation = (
        "i, f, o = sigmoid(x W + h U + b); g = tanh(x W + h U + b); "
        "c' = f * c + i * g; h' = o * tanh(c')"
    )
    parameters = "4 * (D*H + H*H + H)"
    gates: ClassVar = {"i": -1, "f": +1, "g": 0, "o": 0}
    candidate = True
    additive = True

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: keys of the initialisation.
            **options: as for `Cell`; `b_init` is by default
                ``zoo.initializers.retain(1.0)``: forget-gate bias one.
        """
        options.setdefault("b_init", initializers.retain(1.0))
        super().__init__(input_size, hidden_size, rngs=rngs, **options)

    def init_state(self, batch_size: int) -> LSTMState:
        """Return zeros.

        Args:
            batch_size: B.
        """
        return LSTMState(
            jnp.zeros((batch_size, self.output_size), self.state_dtype),
            jnp.zeros((batch_size, self.hidden_size), self.state_dtype),
        )

    def update(
        self, state: LSTMState, p: Array, q: Array, keep: Array | None = None
    ) -> LSTMState:
        """Return the new state."""
        i, f, g, o = self.split(p + q)
        g = thin(jnp.tanh(g), keep)
        c = gate("f", f) * state.c + gate("i", i) * g
        return LSTMState(gate("o", o) * jnp.tanh(c), c)

    def kernel(self) -> str:
        """Return ``"lstm"``."""
        return "lstm"


class ProjectedLSTMCell(LSTMCell):
    """The LSTM whose output is a projection: ``h' = (o * tanh(c')) P``.

    The state h is ``[B, P]``, smaller than the c of ``[B, H]``, and so is U, ``[P,
    4H]``. The cell of ``torch.nn.LSTM`` with ``proj_size``. Source: Sak et al. 2014,
    arXiv:1402.1128.
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
            proj_size: P, below H; by default half of it.
            rngs: keys of the initialisation.
            **options: as for `Cell`; `W_init` also draws ``P``.

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
        init = options.get("W_init", initializers.glorot)
        shape = (hidden_size, proj_size)
        self.P = nnx.Param(init(rngs.params(), shape, self.param_dtype))

    @property
    def output_size(self) -> int:
        """The size of one step's output: P."""
        return self.proj_size

    def advance(
        self,
        state: LSTMState,
        p: Array,
        *,
        seen: LSTMState | None = None,
        keep: Array | None = None,
    ) -> LSTMState:
        """Return the new state; overridden because a product follows the gates."""
        h, c = super().advance(state, p, seen=seen, keep=keep)
        return LSTMState(self.dot(h, self.P[...]), c)


class PeepholeLSTMCell(LSTMCell):
    """The LSTM whose gates see the cell state.

    ::

        i = sigmoid(x W_i + h U_i + V_i * c + b_i)
        f = sigmoid(x W_f + h U_f + V_f * c + b_f)
        c' = f * c + i * tanh(x W_g + h U_g + b_g)
        o = sigmoid(x W_o + h U_o + V_o * c' + b_o)
        h' = o * tanh(c')

    Note that o sees the new cell state. ``V[3H]`` holds i, f, o. Source: Gers et al.
    2002, "Learning precise timing with LSTM recurrent networks".
    """

    name = "peephole_lstm"
    paper = "Gers et al. 2002"
    equation = (
        "i, f = sigmoid(x W + h U + V * c + b); c' = f * c + i * tanh(x W + h U + b); "
        "o = sigmoid(x W + h U + V * c' + b); h' = o * tanh(c')"
    )
    parameters = "4 * (D*H + H*H + H) + 3*H"
    additive = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        V_init: initializers.Initializer = small,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            V_init: initialiser of the peepholes, by default N(0, 0.1²).
            rngs: keys of the initialisation.
            **options: as for `LSTMCell`.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.V = nnx.Param(V_init(rngs.params(), (3 * hidden_size,), self.param_dtype))

    def update(
        self, state: LSTMState, p: Array, q: Array, keep: Array | None = None
    ) -> LSTMState:
        """Return the new state."""
        i, f, g, o = self.split(p + q)
        v_i, v_f, v_o = jnp.split(self.V[...].astype(self.state_dtype), 3)
        i = gate("i", i + v_i * state.c)
        f = gate("f", f + v_f * state.c)
        c = f * state.c + i * thin(jnp.tanh(g), keep)
        return LSTMState(gate("o", o + v_o * c) * jnp.tanh(c), c)


class CoupledLSTMCell(LSTMCell):
    """The LSTM that writes what it forgets: ``c' = f * c + (1 - f) * g``.

    Three gates are left, f g o. Source: Greff et al. 2015 (CIFG),
    arXiv:1503.04069.
    """

    name = "coupled_lstm"
    paper = "Greff et al. 2015, arXiv:1503.04069"
    equation = (
        "f, o = sigmoid(x W + h U + b); g = tanh(x W + h U + b); "
        "c' = f * c + (1 - f) * g; h' = o * tanh(c')"
    )
    parameters = "3 * (D*H + H*H + H)"
    gates: ClassVar = {"f": +1, "g": 0, "o": 0}
    additive = True

    def update(
        self, state: LSTMState, p: Array, q: Array, keep: Array | None = None
    ) -> LSTMState:
        """Return the new state."""
        f, g, o = self.split(p + q)
        f = gate("f", f)
        c = f * state.c + (1 - f) * thin(jnp.tanh(g), keep)
        return LSTMState(gate("o", o) * jnp.tanh(c), c)
