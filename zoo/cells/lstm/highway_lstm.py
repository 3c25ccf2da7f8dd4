"""Stacked LSTMs with a highway between their cell states."""

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from flax import nnx

from zoo import checks
from zoo.cells.base import Cell, drop_candidate, gate
from zoo.cells.lstm.peephole_lstm import PeepholeLSTMCell
from zoo.initializers import Initializer
from zoo.types import Array

__all__ = ["HighwayLSTMCell", "HighwayLSTMState"]


class HighwayLSTMState(NamedTuple):
    """The states of the L layers of a highway LSTM, from the lowest to the highest.

    Attributes:
        h: the hidden states ``[B, L*H]``.
        c: the cell states ``[B, L*H]``.
    """

    h: Array
    c: Array


class HighwayLSTMCell(Cell):
    """L stacked peephole LSTMs, with a gated connection between their cell states.

    ::

        x_1 = x, x_l = h'_(l-1)
        i = sigmoid(x_l W_i + h_l U_i + V_i * c_l + b_i)
        f = sigmoid(x_l W_f + h_l U_f + V_f * c_l + b_f)
        d = sigmoid(x_l W_d + V_d * c_l + V_e * c'_(l-1) + b_d)        of layers l > 1
        c'_l = f * c_l + i * tanh(x_l W_g + h_l U_g + b_g) + [l > 1] d * c'_(l-1)
        o = sigmoid(x_l W_o + h_l U_o + V_o * c'_l + b_o)
        h'_l = o * tanh(c'_l)

    The L layers are one cell because each reads the new cell state of the layer below.
    The output is h of the last layer. ``W[D, 4H]`` belongs to the first layer (i, f, g,
    o), and ``W_up[H, 5H(L-1)]`` to the layers above it (i, f, g, o, d). ``U[H, 4HL]``,
    ``V[3H + 5H(L-1)]`` (i, f, o, then i, f, o, d, e) and ``b[4H + 5H(L-1)]`` hold all
    layers. The projection of the paper is omitted. Source: Zhang et al. 2015,
    arXiv:1510.08983.
    """

    name = "highway_lstm"
    family = "lstm"
    paper = "Zhang et al. 2015, arXiv:1510.08983"
    equation = (
        "x_1 = x, x_2 = h'_1; i, f = sigmoid(x_l W + h_l U + V * c_l + b); "
        "d = sigmoid(x_2 W + V * c_2 + V_e * c'_1 + b); "
        "c'_l = f * c_l + i * tanh(x_l W + h_l U + b) + [l = 2] d * c'_1; "
        "o = sigmoid(x_l W + h_l U + V * c'_l + b); h'_l = o * tanh(c'_l)"
    )
    parameters = "4*D*H + 13*H*H + 17*H"
    gates: ClassVar = {"i": -1, "f": +1, "g": 0, "o": 0, "d": 0}
    input_gates = recurrent_gates = bias_gates = ("i", "f", "g", "o")
    inits = PeepholeLSTMCell.inits
    candidate = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        depth: int = 2,
        V_init: Initializer | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H of every layer.
            depth: L, the number of layers, 2 or more.
            V_init: initialiser of the peephole weights, by default N(0, 0.1²).
            rngs: random keys for the initialisation.
            **options: as for `Cell`; `W_init` also initialises ``W_up``, and `U_init`
                and `b_init` the ``U`` and the biases of every layer. By default
                `b_init` is ``zoo.initializers.retain(1.0)``.

        Raises:
            ValueError: if `depth` is not an int of 2 or more.
        """
        if checks.positive("depth", depth) < 2:
            raise ValueError(
                "depth must be 2 or more; for one layer, use PeepholeLSTMCell"
            )
        self.depth = depth
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        W_init, U_init, b_init = (
            options.get(f"{name}_init") or self.inits[name] for name in "WUb"
        )
        H, above = hidden_size, depth - 1
        self.U = self._matrix(U_init, rngs, (H, H), ("i", "f", "g", "o") * depth)
        self.W_up = self._matrix(W_init, rngs, (H, H), tuple(self.gates) * above)
        V_init = V_init or self.inits["V"]
        self.V = self._param(V_init, rngs, (3 * H + 5 * H * above,))
        if self.b is not None:
            lowest = self.b[...].astype(self.draw_dtype)
            upper = [
                b_init(rngs.params(), self.gates, H, self.draw_dtype)
                for _ in range(above)
            ]
            self.b = self._store(jnp.concatenate([lowest, *upper]))

    def init_state(self, batch_size: int) -> HighwayLSTMState:
        """Return the state before the first step: zeros.

        Args:
            batch_size: B.
        """
        return self.zero_state(
            HighwayLSTMState, batch_size, self.depth * self.hidden_size
        )

    def project(self, x: Array) -> Array:
        """Return ``xW``; each layer adds its own bias in `advance`."""
        return self.dot(x, self.W[...])

    def advance(
        self,
        state: HighwayLSTMState,
        p: Array,
        *,
        recur_state: HighwayLSTMState | None = None,
        keep: Array | None = None,
    ) -> HighwayLSTMState:
        """Return the new state; overridden because each layer reads the one below.

        The dropout factor `keep` applies to the candidate of every layer.
        """
        h_old = self.split(state.h if recur_state is None else recur_state.h)
        U = jnp.split(self.U[...], self.depth, axis=-1)
        W = jnp.split(self.W_up[...], self.depth - 1, axis=-1)
        V = self.split(self.in_state_dtype(self.V, p))
        V = [V[:3], *(V[k : k + 5] for k in range(3, len(V), 5))]
        ends = [(4 + 5 * k) * self.hidden_size for k in range(self.depth - 1)]
        b = [0.0] * self.depth
        if self.b is not None:
            b = jnp.split(self.in_state_dtype(self.b, p), ends, axis=-1)
        hs: list[Array] = []
        cs: list[Array] = []
        for level, old in enumerate(self.split(state.c)):
            if level:
                *a, d = self.split(self.dot(hs[-1], W[level - 1]) + b[level])
                *v, v_d, v_e = V[level]
                d = gate(f"d_{level + 1}", d + v_d * old + v_e * cs[-1])
                below = d * cs[-1]
            else:
                a, v, below = self.split(p + b[0]), V[0], 0.0
            q = self.split(self.dot(h_old[level], U[level]))
            i, f, g, o = (a_k + q_k for a_k, q_k in zip(a, q, strict=True))
            v_i, v_f, v_o = v
            i = gate(f"i_{level + 1}", i + v_i * old)
            f = gate(f"f_{level + 1}", f + v_f * old)
            c = f * old + i * drop_candidate(jnp.tanh(g), keep) + below
            o = gate(f"o_{level + 1}", o + v_o * c)
            hs.append(o * jnp.tanh(c))
            cs.append(c)
        return HighwayLSTMState(
            jnp.concatenate(hs, axis=-1), jnp.concatenate(cs, axis=-1)
        )

    def output(self, state: HighwayLSTMState, p: Array) -> Array:
        """Return h of the last layer."""
        return state.h[..., -self.hidden_size :]
