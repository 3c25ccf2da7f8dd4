"""Cells whose gates have different widths."""

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import Cell
from zoo.engine.broadcast import align
from zoo.initializers import BiasInitializer, Initializer
from zoo.types import Array


class BlockCell(Cell):
    """A cell whose gates have blocks of different widths in ``W`` and ``b``.

    ``p = project(x)`` is a dict that maps each gate's name to its block.
    """

    @property
    def widths(self) -> dict[str, int]:
        """The width of each gate's block, in the order of `gates`."""
        raise NotImplementedError(f"{type(self).__name__} must define widths")

    def _bias_widths(self) -> dict[str, int]:
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
        """Return a new ``W``, with a block of each gate's width."""
        keys = jax.random.split(rngs.params(), len(self.gates))
        blocks = [
            init(key, (shape[0], width), self.draw_dtype)
            for key, width in zip(keys, self.widths.values(), strict=True)
        ]
        return self._store(jnp.concatenate(blocks, axis=-1))

    def _set_biases(self, b_init: BiasInitializer | None, rngs: nnx.Rngs) -> None:
        """Set ``b``, with one call of `b_init` for each gate that has a bias."""
        if b_init is None:
            self.b = None
            return
        widths = self._bias_widths()
        keys = jax.random.split(rngs.params(), len(widths))
        blocks = [
            b_init(key, {name: self.gates[name]}, width, self.draw_dtype)
            for key, (name, width) in zip(keys, widths.items(), strict=True)
        ]
        self.b = self._store(jnp.concatenate(blocks))

    def project(self, x: Array) -> dict[str, Array]:
        """Return ``xW + b``, split into the gates."""
        p = _split(self.dot(x, self.W[...]), self.widths)
        if self.b is not None:
            b = _split(self.in_state_dtype(self.b), self._bias_widths())
            p |= {name: p[name] + align(block, p[name]) for name, block in b.items()}
        return p


def _split(joined: Array, widths: dict[str, int]) -> dict[str, Array]:
    """Split the last axis into named blocks."""
    edges = [sum(list(widths.values())[:k]) for k in range(1, len(widths))]
    blocks = jnp.split(joined, edges, axis=-1)
    return dict(zip(widths, blocks, strict=True))
