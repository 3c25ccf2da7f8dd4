"""Three mutations of the GRU from an evolutionary architecture search."""

from typing import ClassVar

import jax.numpy as jnp

from zoo.cells.base import Cell, HiddenState, drop_candidate, gate
from zoo.cells.skip import SkipCell
from zoo.types import Array

__all__ = ["MUT1Cell", "MUT2Cell", "MUT3Cell"]

PAPER = "Jozefowicz et al. 2015"


class MUT3Cell(Cell):
    """Mutation 3: a GRU whose update gate reads ``tanh(h)`` instead of h.

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

    def _update_gate_input(self, h: Array) -> Array:
        """Return the function of the state that the update gate multiplies by its U."""
        return jnp.tanh(h)

    def advance(
        self,
        state: HiddenState,
        p: Array,
        *,
        recur_state: HiddenState | None = None,
        keep: Array | None = None,
    ) -> HiddenState:
        """Return the new state; overridden because of the product after the gate r."""
        h = state.h if recur_state is None else recur_state.h
        z, r, n = self.split(p)
        # MUT1 has no U_z.
        *U_z, U_r, U_n = self.split(self.U[...])
        r = gate("r", r + self.dot(h, U_r))
        n = jnp.tanh(n + self.dot(r * h, U_n))
        if U_z:
            z = z + self.dot(self._update_gate_input(h), *U_z)
        z = gate("z", z)
        return HiddenState((1 - z) * state.h + z * drop_candidate(n, keep))


class MUT2Cell(SkipCell, MUT3Cell):
    """Mutation 2: a GRU whose reset gate reads the input without a matrix.

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
        """Return the contributions of the input to z, r and n."""
        z, n = self.split(self.dot(x, self.W[...]))
        return self.add_bias(jnp.concatenate([z, self.skip(x), n], axis=-1), self.b)

    def _update_gate_input(self, h: Array) -> Array:
        """Return h."""
        return h


class MUT1Cell(SkipCell, MUT3Cell):
    """Mutation 1: the update gate ignores h, and the candidate reads ``tanh(x)``.

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
        """Return the contributions of the input to z, r and n."""
        zr = self.dot(x, self.W[...])
        n = jnp.tanh(self.skip(x))
        return self.add_bias(jnp.concatenate([zr, n], axis=-1), self.b)
