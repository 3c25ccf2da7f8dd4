"""Cells that add rather than transform: RAN, ATR, MinimalRNN, CFN."""

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo import initializers
from zoo.cells.base import Cell, HiddenState, gate
from zoo.cells.lstm import LSTMState
from zoo.types import Array


class RANCell(Cell):
    """The recurrent additive network: the cell state is a weighted sum of inputs.

    ::

        g = x W_g
        i, f = sigmoid(x W + h U + b)
        c' = i * g + f * c
        h' = tanh(c')

    Source: Lee et al. 2017, arXiv:1705.07393.
    """

    name = "ran"
    family = "additive"
    paper = "Lee et al. 2017, arXiv:1705.07393"
    equation = (
        "g = x W; i, f = sigmoid(x W + h U + b); c' = i * g + f * c; h' = tanh(c')"
    )
    parameters = "3*D*H + 2*H*H + 2*H"
    gates: ClassVar = {"g": 0, "i": -1, "f": +1}
    recurrent_gates = bias_gates = ("i", "f")

    def init_state(self, batch_size: int) -> LSTMState:
        """Return zeros.

        Args:
            batch_size: B.
        """
        zeros = self.zeros(batch_size, self.hidden_size)
        return LSTMState(zeros, zeros)

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return what the gates see of the input, and g."""
        g, i, f = self.split(self.dot(x, self.W[...]))
        return self.add_bias(jnp.concatenate([i, f], axis=-1), self.b), g

    def update(self, state: LSTMState, p: tuple[Array, Array], q: Array) -> LSTMState:
        """Return the new state."""
        a, g = p
        i, f = map(gate, "if", self.split(a + q))
        c = i * g + f * state.c
        return LSTMState(jnp.tanh(c), c)


class ATRCell(Cell):
    """The addition-subtraction twin-gated network: both gates from two products.

    ::

        p = x W,  q = h U
        h' = sigmoid(p + q) * p + sigmoid(p - q) * h

    Source: Zhang et al. 2018, arXiv:1810.12546.
    """

    name = "atr"
    family = "additive"
    paper = "Zhang et al. 2018, arXiv:1810.12546"
    equation = "p = x W; q = h U; h' = sigmoid(p + q) * p + sigmoid(p - q) * h"
    parameters = "D*H + H*H"
    gates: ClassVar = {"p": 0}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = False,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            bias: add a bias to p; the paper has none.
            rngs: keys of the initialisation.
            **options: as for `Cell`.
        """
        super().__init__(input_size, hidden_size, bias=bias, rngs=rngs, **options)

    def update(self, state: HiddenState, p: Array, q: Array) -> HiddenState:
        """Return the new state."""
        i, f = gate("i", p + q), gate("f", p - q)
        return HiddenState(i * p + f * state.h)


class MinimalRNNCell(Cell):
    """The minimal RNN: inputs are mapped once into the space of the states.

    ::

        z = tanh(x W + b_z)
        u = sigmoid(h U + z V + b_u)
        h' = u * h + (1 - u) * z

    ``V[H, H]``. Source: Chen 2017, arXiv:1711.06788.
    """

    name = "minimal_rnn"
    family = "additive"
    paper = "Chen 2017, arXiv:1711.06788"
    equation = "z = tanh(x W + b); u = sigmoid(h U + z V + b); h' = u * h + (1 - u) * z"
    parameters = "D*H + 2*H*H + 2*H"
    gates: ClassVar = {"z": 0, "u": +1}
    input_gates = ("z",)
    recurrent_gates = ("u",)

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: keys of the initialisation.
            **options: as for `Cell`; `U_init` also draws ``V``.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        init = options.get("U_init", initializers.orthogonal)
        self.V = self._param(init, rngs, (hidden_size, hidden_size))

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return z, and ``zV + b_u``."""
        b_z, b_u = (
            (0.0, 0.0) if self.b is None else self.split(self.in_state_dtype(self.b))
        )
        z = jnp.tanh(self.dot(x, self.W[...]) + b_z)
        return z, self.dot(z, self.V[...]) + b_u

    def update(
        self, state: HiddenState, p: tuple[Array, Array], q: Array
    ) -> HiddenState:
        """Return the new state."""
        z, u = p
        u = gate("u", u + q)
        return HiddenState(u * state.h + (1 - u) * z)


class CFNCell(Cell):
    """The chaos-free network: without input the state goes to zero.

    ::

        f, i = sigmoid(x W + h U + b)
        h' = f * tanh(h) + i * tanh(x W_n)

    Source: Laurent and von Brecht 2016, arXiv:1612.06212, which starts the biases at 1
    (f) and -1 (i).
    """

    name = "cfn"
    family = "additive"
    paper = "Laurent and von Brecht 2016, arXiv:1612.06212"
    equation = "f, i = sigmoid(x W + h U + b); h' = f * tanh(h) + i * tanh(x W)"
    parameters = "3*D*H + 2*H*H + 2*H"
    gates: ClassVar = {"f": +1, "i": -1, "n": 0}
    recurrent_gates = bias_gates = ("f", "i")

    def __init__(
        self, input_size: int, hidden_size: int, *, rngs: nnx.Rngs, **options: Any
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            rngs: keys of the initialisation.
            **options: as for `Cell`; `b_init` is by default that of the paper.
        """
        options.setdefault("b_init", initializers.retain(1.0, overwrite=-1.0))
        super().__init__(input_size, hidden_size, rngs=rngs, **options)

    def project(self, x: Array) -> tuple[Array, Array]:
        """Return what the gates see of the input, and ``tanh(x W_n)``."""
        f, i, n = self.split(self.dot(x, self.W[...]))
        p = self.add_bias(jnp.concatenate([f, i], axis=-1), self.b)
        return p, jnp.tanh(n)

    def update(
        self, state: HiddenState, p: tuple[Array, Array], q: Array
    ) -> HiddenState:
        """Return the new state."""
        a, n = p
        f, i = map(gate, "fi", self.split(a + q))
        return HiddenState(f * jnp.tanh(state.h) + i * n)
