"""Cells made of cells: fast and slow, and multiplicative."""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.cells.base import Cell
from zoo.initializers import Initializer
from zoo.types import Array, State


class _Wrapper(Cell):
    """A cell with the sizes and dtypes of another."""

    gates: ClassVar = {}

    def _like(self, cell: Cell) -> None:
        """Take over the sizes and dtypes of a cell."""
        self.input_size, self.hidden_size = cell.input_size, cell.hidden_size
        self.param_dtype, self.dtype = cell.param_dtype, cell.dtype
        self.state_dtype = cell.state_dtype


class FastSlowState(NamedTuple):
    """The state of a fast-slow network.

    Attributes:
        fast: the state that the fast cells hand on.
        slow: the state of the slow cell.
    """

    fast: State
    slow: State


class FastSlowCell(_Wrapper):
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
        shapes = [_shapes(cell) for cell in fast]
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


class MultiplicativeCell(_Wrapper):
    """Any cell, whose recurrent products see ``(x W_m) * (h U_m)`` in place of h.

    ::

        m = (x W_m) * (h U_m)
        state' = cell(x, state, its products of m)

    Each input has a recurrent matrix of its own. With an `LSTMCell` it is the
    multiplicative LSTM. ``W_m[D, H]``, ``U_m[H, H]``. Source: Sutskever et al. 2011,
    "Generating text with recurrent neural networks"; Krause et al. 2016,
    arXiv:1609.07959.
    """

    name: ClassVar[str] = "multiplicative"
    family = "wrapper"
    paper = "Sutskever et al. 2011; Krause et al. 2016, arXiv:1609.07959"
    equation = "m = (x W_m) * (h U_m); state' = cell(x, state, its products of m)"
    recurrent = ("U_m",)

    def __init__(
        self,
        cell: Cell,
        *,
        W_init: Initializer = initializers.glorot,
        U_init: Initializer = initializers.orthogonal,
        rngs: nnx.Rngs,
    ):
        """Wrap a cell.

        Args:
            cell: one whose recurrent products see a state h.
            W_init: initialiser of ``W_m``.
            U_init: initialiser of ``U_m``.
            rngs: keys of the initialisation.

        Raises:
            ValueError: if the cell has no such products.
        """
        if not ("h" in _shapes(cell) and cell.recurrent):
            raise ValueError(
                "cell must have recurrent products with a state h, got "
                f"{type(cell).__name__}"
            )
        self._like(cell)
        self.cell = cell
        size = checks.positive("output_size", cell.output_size)
        self.W_m = self._param(W_init, rngs, (cell.input_size, size))
        self.U_m = self._param(U_init, rngs, (size, size))

    @property
    def output_size(self) -> int:
        """That of the cell."""
        return self.cell.output_size

    def init_state(self, batch_size: int) -> State:
        """Return what the cell begins with.

        Args:
            batch_size: B.
        """
        return self.cell.init_state(batch_size)

    def project(self, x: Array) -> tuple[Any, Array]:
        """Return what the cell sees of the input, and ``xW_m``."""
        return self.cell.project(x), self.dot(x, self.W_m[...])

    def advance(
        self, state: State, p: Any, *, seen: State = None, keep: Array | None = None
    ) -> State:
        """Return the new state; overridden because of the product with m."""
        a, m = p
        shown = state if seen is None else seen
        m = m * self.dot(shown.h, self.U_m[...])
        return self.cell.advance(state, a, seen=state._replace(h=m))

    def output(self, state: State, p: Any) -> Array:
        """Return the read-out of the cell."""
        return self.cell.output(state, p[0])


def _shapes(cell: Cell) -> dict[str, Any]:
    """Return the shapes of a cell's state for one row, by the names of its parts."""
    state = jax.eval_shape(lambda: cell.init_state(1))
    return {
        name: getattr(part, "shape", part) for name, part in state._asdict().items()
    }
