"""The fast-slow network."""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from flax import nnx

from zoo.cells.base import Cell
from zoo.cells.composite.base import CompositeCell, state_shapes
from zoo.types import Array, State

__all__ = ["FastSlowCell", "FastSlowState"]


class FastSlowState(NamedTuple):
    """The state of a fast-slow network.

    Attributes:
        fast: the state that passes through the fast cells.
        slow: the state of the slow cell.
    """

    fast: State
    slow: State


class FastSlowCell(CompositeCell):
    """The fast-slow network: k fast cells in sequence, and one slow cell.

    ::

        f_1 = fast_1(f, x)            f: the state of fast_k after the last step
        s'  = slow(s, f_1.h)
        f_2 = fast_2(f_1, s'.h)
        f_i = fast_i(f_(i-1), 0)      i = 3 ... k
        f'  = f_k,  y = f_k.h

    The slow state is updated once in a step, the fast state k times. The fast cells
    from the third on read a zero, as in the authors' code. `zoo.diagnostics.gates`
    numbers gates with the same name in the order of the equations. Source: Mujika et
    al. 2017, arXiv:1705.08639.
    """

    name: ClassVar[str] = "fast_slow"
    family = "wrapper"
    paper = "Mujika et al. 2017, arXiv:1705.08639"
    equation = (
        "f_1 = fast_1(f, x); s' = slow(s, f_1.h); f_2 = fast_2(f_1, s'.h); "
        "f_i = fast_i(f_(i-1), 0)"
    )
    recurrent = ()

    def __init__(self, fast: Sequence[Cell], slow: Cell):
        """Build the cell from its parts.

        Args:
            fast: two or more cells with states of the same shape. The `input_size` of
                the second is the `output_size` of `slow`, that of each further cell
                is 1.
            slow: a cell whose `input_size` is the `output_size` of the first fast cell.

        Raises:
            ValueError: if the sizes or states of the cells do not match.
        """
        if len(fast) < 2:
            raise ValueError(f"fast must hold two cells or more, got {len(fast)}")
        first, second, *others = fast
        shapes = [state_shapes(cell) for cell in fast]
        if any(shape != shapes[0] for shape in shapes):
            raise ValueError(f"fast must hold cells with equal states, got {shapes}")
        for name, cell, size in (
            ("slow", slow, first.output_size),
            ("fast[1]", second, slow.output_size),
            *((f"fast[{k}]", cell, 1) for k, cell in enumerate(others, start=2)),
        ):
            if cell.input_size != size:
                raise ValueError(
                    f"{name} must have input_size = {size}, got {cell.input_size}"
                )
        self._copy_sizes(first)
        self.fast, self.slow = nnx.List(fast), slow

    @property
    def output_size(self) -> int:
        """The size of one step's output: that of the last fast cell."""
        return self.fast[-1].output_size

    def init_state(self, batch_size: int) -> FastSlowState:
        """Return the initial states of the first fast cell and of the slow cell.

        Args:
            batch_size: B.
        """
        return FastSlowState(
            self.fast[0].init_state(batch_size), self.slow.init_state(batch_size)
        )

    def project(self, x: Array) -> Any:
        """Return the projection of the first fast cell."""
        return self.fast[0].project(x)

    def advance(
        self,
        state: FastSlowState,
        p: Any,
        *,
        recur_state: State = None,
        keep: Array | None = None,
    ) -> FastSlowState:
        """Return the new state; overridden because each cell reads the one before."""
        first, second, *others = self.fast
        fast, h = first.step(state.fast, p)
        slow, h = self.slow.step(state.slow, self.slow.project(h))
        fast, h = second.step(fast, second.project(h))
        zero = jnp.zeros((h.shape[0], 1), h.dtype)
        for cell in others:
            fast = cell.advance(fast, cell.project(zero))
        return FastSlowState(fast, slow)

    def output(self, state: FastSlowState, p: Any) -> Array:
        """Return the output of the last fast cell."""
        return self.fast[-1].output(state.fast, p)
