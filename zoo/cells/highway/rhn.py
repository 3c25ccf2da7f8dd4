"""The recurrent highway network."""

from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.cells.base import Cell, HiddenState, gate
from zoo.initializers import Gates
from zoo.types import Array, Key

__all__ = ["RHNCell"]

_small_uniform = initializers.uniform(0.04)


def _carry_gate_bias(key: Key, gates: Gates, size: int, dtype: Any) -> Array:
    """Initialise the biases of t to -2, and draw those of n from U(-0.04, 0.04)."""
    b = _small_uniform(key, (len(gates), size), dtype)
    is_t = jnp.array([name == "t" for name in gates])
    return jnp.where(is_t[:, None], -2, b).reshape(-1)


class RHNCell(Cell):
    """The recurrent highway network: L highway layers in each step.

    ::

        s_0 = h
        n_l = tanh([l = 1] x W_n + s_(l-1) U_nl + b_nl)
        t_l = sigmoid([l = 1] x W_t + s_(l-1) U_tl + b_tl)
        s_l = t_l * n_l + (1 - t_l) * s_(l-1)          l = 1 ... L
        h' = s_L

    The carry gate is ``1 - t``, as in the paper's experiments. ``U[H, 2HL]`` and
    ``b[2HL]`` hold the blocks of n and t of the first layer, then of the second, and so
    on. The initialisation is that of the authors' code: ``b_t`` is -2, and all other
    parameters are drawn from U(-0.04, 0.04). Source: Zilly et al. 2016,
    arXiv:1607.03474; jzilly/RecurrentHighwayNetworks, ``rhn.py``.
    """

    name = "rhn"
    family = "highway"
    paper = "Zilly et al. 2016, arXiv:1607.03474"
    equation = (
        "s_0 = h; n, t = tanh, sigmoid([l = 1] x W + s U_l + b_l); "
        "s_l = t * n + (1 - t) * s_(l-1), l = 1 ... 3; h' = s_3"
    )
    parameters = "2*D*H + 3 * (2*H*H + 2*H)"
    gates: ClassVar = {"n": 0, "t": -1}
    inits: ClassVar = {
        "W": _small_uniform,
        "U": _small_uniform,
        "b": _carry_gate_bias,
    }

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        depth: int = 3,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the cell.

        Args:
            input_size: D.
            hidden_size: H.
            depth: L, the number of highway layers.
            rngs: random keys for the initialisation.
            **options: as for `Cell`, with the default initialisers described above;
                `U_init` and `b_init` initialise the blocks of each layer.
        """
        self.depth = checks.positive("depth", depth)
        super().__init__(input_size, hidden_size, rngs=rngs, **options)
        U_init = options.get("U_init") or self.inits["U"]
        b_init = options.get("b_init") or self.inits["b"]
        blocks = ("n", "t") * depth
        self.U = self._matrix(U_init, rngs, (hidden_size, hidden_size), blocks)
        if self.b is not None:
            first = self.b[...].astype(self.draw_dtype)
            later = [
                b_init(rngs.params(), self.gates, hidden_size, self.draw_dtype)
                for _ in range(depth - 1)
            ]
            self.b = self._store(jnp.concatenate([first, *later]))

    def project(self, x: Array) -> Array:
        """Return ``xW``; `advance` adds the bias of each layer."""
        return self.dot(x, self.W[...])

    def advance(
        self,
        state: HiddenState,
        p: Array,
        *,
        recur_state: HiddenState | None = None,
        keep: Array | None = None,
    ) -> HiddenState:
        """Return the new state; overridden because every layer needs a product."""
        s, h_read = state.h, state.h if recur_state is None else recur_state.h
        matrices = jnp.split(self.U[...], self.depth, axis=-1)
        biases = [0.0] * self.depth
        if self.b is not None:
            biases = jnp.split(self.in_state_dtype(self.b, s), self.depth, axis=-1)
        for layer, (U, b) in enumerate(zip(matrices, biases, strict=True)):
            first = layer == 0
            a = self.dot(h_read if first else s, U) + b
            n, t = self.split(p + a if first else a)
            t = gate(f"t_{layer + 1}", t)
            s = t * jnp.tanh(n) + (1 - t) * s
        return HiddenState(s)
