"""Gated units with less in them: LiGRU, STAR, SGRN, LightRU and MiRU."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks
from zoo.cells.base import Cell, HiddenState, drop_candidate, gate
from zoo.initializers import BiasInitializer
from zoo.types import Array


class LiGRUCell(Cell):
    """The light GRU: no reset gate, and a ReLU.

    ::

        z = sigmoid(x W_z + h U_z + b_z)
        n = relu(x W_n + h U_n + b_n)
        h' = z * h + (1 - z) * n

    The paper normalises ``xW`` over the batch, which would let rows of a batch see each
    other; here there is a bias in its place. Source: Ravanelli et al. 2018,
    arXiv:1803.10225.
    """

    name = "ligru"
    family = "gru"
    paper = "Ravanelli et al. 2018, arXiv:1803.10225"
    equation = (
        "z = sigmoid(x W + h U + b); n = relu(x W + h U + b); h' = z * h + (1 - z) * n"
    )
    parameters = "2 * (D*H + H*H + H)"
    gates: ClassVar = {"z": +1, "n": 0}
    candidate = True
    additive = True

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        z, n = self.split(p + q)
        z = gate("z", z)
        return HiddenState(z * state.h + (1 - z) * drop_candidate(jax.nn.relu(n), keep))


class STARCell(Cell):
    """The stackable recurrent cell: one gate, and a tanh over the new state.

    ::

        z = tanh(x W_z + b_z)
        k = sigmoid(x W_k + h U_k + b_k)
        h' = tanh((1 - k) * h + k * z)

    Source: Turkoglu et al. 2019, arXiv:1911.11033.
    """

    name = "star"
    family = "gru"
    paper = "Turkoglu et al. 2019, arXiv:1911.11033"
    equation = (
        "z = tanh(x W + b); k = sigmoid(x W + h U + b); h' = tanh((1 - k) * h + k * z)"
    )
    parameters = "2 * (D*H + H) + H*H"
    gates: ClassVar = {"k": -1, "z": 0}
    recurrent_gates = ("k",)
    candidate = True

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        k, z = self.split(p)
        k = gate("k", k + q)
        return HiddenState(
            jnp.tanh((1 - k) * state.h + k * drop_candidate(jnp.tanh(z), keep))
        )


class SGRNCell(Cell):
    """The simple gated recurrent network: gate and candidate share one product.

    ::

        a = x W + b
        f = sigmoid(a + h U + b_h)
        h' = tanh(f * h + (1 - f) * a)

    Source: Zhao et al. 2020, doi:10.1049/gtd2.12056, as told by its implementations.
    """

    name = "sgrn"
    family = "gru"
    paper = "doi:10.1049/gtd2.12056"
    equation = "a = x W + b; f = sigmoid(a + h U + b_h); h' = tanh(f * h + (1 - f) * a)"
    parameters = "D*H + H*H + 2*H"
    gates: ClassVar = {"f": +1}

    def _set_biases(self, b_init: BiasInitializer | None, rngs: nnx.Rngs) -> None:
        """Set ``b``, which the candidate sees too, and ``b_h`` of the gate alone."""
        super()._set_biases(b_init, rngs)
        if b_init is None:
            self.b_h = None
        else:
            self.b_h = nnx.Param(jnp.zeros(self.hidden_size, self.param_dtype))

    def update(self, state: HiddenState, p: Array, q: Any) -> HiddenState:
        """Return the new state."""
        f = gate("f", p + self.add_bias(q, self.b_h))
        return HiddenState(jnp.tanh(f * state.h + (1 - f) * p))


class LightRUCell(Cell):
    """The light recurrent unit: its candidate does not see the state.

    ::

        n = tanh(x W_n + b_n)
        f = sigmoid(x W_f + h U + b_f)
        h' = (1 - f) * h + f * n

    Source: Ye et al. 2024, doi:10.3390/electronics13163204.
    """

    name = "lightru"
    family = "gru"
    paper = "Ye et al. 2024, doi:10.3390/electronics13163204"
    equation = "n = tanh(x W + b); f = sigmoid(x W + h U + b); h' = (1 - f) * h + f * n"
    parameters = "2 * (D*H + H) + H*H"
    gates: ClassVar = {"n": 0, "f": -1}
    recurrent_gates = ("f",)
    candidate = True

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        n, f = self.split(p)
        f = gate("f", f + q)
        return HiddenState((1 - f) * state.h + f * drop_candidate(jnp.tanh(n), keep))


class MiRUCell(Cell):
    """The minion recurrent unit: a GRU with numbers in place of its gates.

    ::

        n = tanh(x W + (beta * h) U + b)
        h' = lam * h + (1 - lam) * n

    beta and lam are fixed; the paper calls this form MiRU-2, and lam lambda. Source:
    Zyarah and Kudithipudi 2025, arXiv:2503.06175.
    """

    name = "miru"
    family = "gru"
    paper = "Zyarah and Kudithipudi 2025, arXiv:2503.06175"
    equation = "n = tanh(x W + (beta * h) U + b); h' = lam * h + (1 - lam) * n"
    parameters = "D*H + H*H + H"
    gates: ClassVar = {"n": 0}
    candidate = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        beta: float = 0.5,
        lam: float = 0.5,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            beta: factor of the state that the candidate sees.
            lam: share of the old state that is kept, in [0, 1).
            rngs: keys of the initialisation.
            **options: as for `Cell`.

        Raises:
            ValueError: if `lam` is out of its range.
        """
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        self.beta, self.lam = float(beta), checks.rate("lam", lam)

    def update(
        self, state: HiddenState, p: Array, q: Array, keep: Array | None = None
    ) -> HiddenState:
        """Return the new state."""
        n = drop_candidate(jnp.tanh(p + self.beta * q), keep)
        return HiddenState(self.lam * state.h + (1 - self.lam) * n)
