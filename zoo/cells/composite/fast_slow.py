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
        fast: the state that the fast cells hand on.
        slow: the state of the slow cell.
    """

    fast: State
    slow: State


class FastSlowCell(CompositeCell):
    """The fast-slow network: k cells one after the other, and one beside them.

    ::

        f_1 = fast_1(f, x)            f: what the last fast cell left behind
        s'  = slow(s, f_1.h)
        f_2 = fast_2(f_1, s'.h)
        f_i = fast_i(f_(i-1), 0)      i = 3 ... k
        f'  = f_k,  y = f_k.h

    The slow cell is one step away from its last state, the fast ones are k. Gates of
    one name are numbered in the order of these lines by `zoo.diagnostics.gates`.
    Source:
    Mujika et al. 2017, arXiv:1705.08639; cells from the third on read a zero, as in the
    authors' code.
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
        """Put cells together.

        Args:
            fast: two cells or more with states of the same shape, the second as wide
                at its input as the output of the slow one, those after it with an
                input of 1.
            slow: a cell as wide at its input as the output of the first.

        Raises:
            ValueError: if they do not fit together.
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
        self._like(first)
        self.fast, self.slow = nnx.List(fast), slow

    @property
    def output_size(self) -> int:
        """The size of the last fast cell's output."""
        return self.fast[-1].output_size

    def init_state(self, batch_size: int) -> FastSlowState:
        """Return what the first fast cell and the slow one begin with.

        Args:
            batch_size: B.
        """
        return FastSlowState(
            self.fast[0].init_state(batch_size), self.slow.init_state(batch_size)
        )

    def project(self, x: Array) -> Any:
        """Return what the first fast cell sees of the input."""
        return self.fast[0].project(x)

    def advance(
        self,
        state: FastSlowState,
        p: Any,
        *,
        seen: State = None,
        keep: Array | None = None,
    ) -> FastSlowState:
        """Return the new state; overridden because cells follow each other."""
        first, second, *others = self.fast
        fast, h = first.step(state.fast, p)
        slow, h = self.slow.step(state.slow, self.slow.project(h))
        fast, h = second.step(fast, second.project(h))
        nothing = jnp.zeros((h.shape[0], 1), h.dtype)
        for cell in others:
            fast = cell.advance(fast, cell.project(nothing))
        return FastSlowState(fast, slow)

    def output(self, state: FastSlowState, p: Any) -> Array:
        """Return the read-out of the last fast cell."""
        return self.fast[-1].output(state.fast, p)
