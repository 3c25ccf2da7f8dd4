"""The three mutations of the GRU that an evolutionary search found."""

from typing import ClassVar

import jax.numpy as jnp

from zoo.cells.base import Cell, HiddenState, drop_candidate, gate
from zoo.cells.skip import SkipCell
from zoo.types import Array

PAPER = "Jozefowicz et al. 2015"


class MUT3Cell(Cell):
    """Mutation 3: a GRU whose update gate sees ``tanh(h)``.

    ::

        z = sigmoid(x W_z + tanh(h) U_z + b_z)
        r = sigmoid(x W_r + h U_r + b_r)
        n = tanh(x W_n + (r * h) U_n + b_n)
        h' = (1 - z) * h + z * n

    Source: Jozefowicz et al. 2015, "An empirical exploration of recurrent network
    architectures".
    """

    name = "mut3"
    family = "gru"
    paper = PAPER
    equation = (
        "z = sigmoid(x W + tanh(h) U + b); r = sigmoid(x W + h U + b); "
        "n = tanh(x W + (r * h) U + b); h' = (1 - z) * h + z * n"
    )
    parameters = "3 * (D*H + H*H + H)"
    gates: ClassVar = {"z": -1, "r": 0, "n": 0}
    candidate = True

    def _z(self, shown: Array, U: Array | None) -> Array:
        """Return what the update gate sees of the state."""
        return self.dot(jnp.tanh(shown), U)  # pyright: ignore[reportArgumentType]

    def advance(
        self,
        state: HiddenState,
        p: Array,
        *,
        recur_state: HiddenState | None = None,
        keep: Array | None = None,
    ) -> HiddenState:
        """Return the new state; overridden because of the product after r."""
        shown = state.h if recur_state is None else recur_state.h
        z, r, n = self.split(p)
        *U_z, U_r, U_n = self.split(self.U[...])
        r = gate("r", r + self.dot(shown, U_r))
        n = jnp.tanh(n + self.dot(r * shown, U_n))
        z = gate("z", z + self._z(shown, *U_z) if U_z else z)
        return HiddenState((1 - z) * state.h + z * drop_candidate(n, keep))


class MUT2Cell(SkipCell, MUT3Cell):
    """Mutation 2: a GRU whose reset gate sees the input as it is.

    ::

        z = sigmoid(x W_z + h U_z + b_z)
        r = sigmoid(skip(x) + h U_r + b_r)
        n = tanh(x W_n + (r * h) U_n + b_n)
        h' = (1 - z) * h + z * n

    Source: Jozefowicz et al. 2015, "An empirical exploration of recurrent network
    architectures".
    """

    name = "mut2"
    equation = (
        "z = sigmoid(x W + h U + b); r = sigmoid(skip(x) + h U + b); "
        "n = tanh(x W + (r * h) U + b); h' = (1 - z) * h + z * n"
    )
    parameters = "2*D*H + 3 * (H*H + H) + (D*H if D != H else 0)"
    input_gates = ("z", "n")

    def project(self, x: Array) -> Array:
        """Return what z, r and n see of the input."""
        z, n = self.split(self.dot(x, self.W[...]))
        return self.add_bias(jnp.concatenate([z, self.skip(x), n], axis=-1), self.b)

    def _z(self, shown: Array, U: Array | None) -> Array:
        return self.dot(shown, U)  # pyright: ignore[reportArgumentType]


class MUT1Cell(SkipCell, MUT3Cell):
    """Mutation 1: the update gate does not see the state, the candidate ``tanh(x)``.

    ::

        z = sigmoid(x W_z + b_z)
        r = sigmoid(x W_r + h U_r + b_r)
        n = tanh(tanh(skip(x)) + (r * h) U_n + b_n)
        h' = (1 - z) * h + z * n

    Source: Jozefowicz et al. 2015, "An empirical exploration of recurrent network
    architectures".
    """

    name = "mut1"
    equation = (
        "z = sigmoid(x W + b); r = sigmoid(x W + h U + b); "
        "n = tanh(tanh(skip(x)) + (r * h) U + b); h' = (1 - z) * h + z * n"
    )
    parameters = "2*D*H + 2*H*H + 3*H + (D*H if D != H else 0)"
    input_gates = ("z", "r")
    recurrent_gates = ("r", "n")

    def project(self, x: Array) -> Array:
        """Return what z, r and n see of the input."""
        zr = self.dot(x, self.W[...])
        n = jnp.tanh(self.skip(x))
        return self.add_bias(jnp.concatenate([zr, n], axis=-1), self.b)
