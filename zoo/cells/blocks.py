"""Cells whose gates are of different widths."""

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import Cell
from zoo.initializers import BiasInitializer, Initializer
from zoo.types import Array


class BlockCell(Cell):
    """A cell whose gates have blocks of their own widths in ``W`` and ``b``.

    ``p = project(x)`` is a dict of the gates: each block by the name of its gate.
    """

    @property
    def widths(self) -> dict[str, int]:
        """The width of each gate's block, in the order of `gates`."""
        raise NotImplementedError(f"{type(self).__name__} must define widths")

    def _biased(self) -> dict[str, int]:
        """Return the widths of the gates that have a bias."""
        names = self.gates if self.bias_gates is None else self.bias_gates
        return {name: self.widths[name] for name in names}

    def _matrix(
        self,
        init: Initializer,
        rngs: nnx.Rngs,
        shape: tuple[int, int],
        gates: tuple[str, ...] | None,
    ) -> nnx.Param:
        """Draw ``W``: a block for each gate, of the gate's width."""
        keys = jax.random.split(rngs.params(), len(self.gates))
        drawn = [
            init(key, (shape[0], width), self.param_dtype)
            for key, width in zip(keys, self.widths.values(), strict=True)
        ]
        return nnx.Param(jnp.concatenate(drawn, axis=-1))

    def _set_biases(self, b_init: BiasInitializer | None, rngs: nnx.Rngs) -> None:
        """Set ``b``, of the gates that have a bias; the initialiser is told each."""
        if b_init is None:
            self.b = None
            return
        biased = self._biased()
        keys = jax.random.split(rngs.params(), len(biased))
        drawn = [
            b_init(key, {name: self.gates[name]}, width, self.param_dtype)
            for key, (name, width) in zip(keys, biased.items(), strict=True)
        ]
        self.b = nnx.Param(jnp.concatenate(drawn))

    def project(self, x: Array) -> dict[str, Array]:
        """Return ``xW + b``, cut into the gates."""
        p = _cut(self.dot(x, self.W[...]), self.widths)
        if self.b is not None:
            b = _cut(self.exact(self.b), self._biased())
            p |= {name: p[name] + part for name, part in b.items()}
        return p


def _cut(together: Array, widths: dict[str, int]) -> dict[str, Array]:
    """Cut the last axis into named blocks."""
    edges = [sum(list(widths.values())[:k]) for k in range(1, len(widths))]
    parts = jnp.split(together, edges, axis=-1)
    return dict(zip(widths, parts, strict=True))
