"""A cell and its regularisers as the pure functions that the engine runs."""

from dataclasses import dataclass
from typing import Any

from flax import nnx

from zoo import regularizers
from zoo.cells.base import Cell
from zoo.engine import native
from zoo.engine.broadcast import align
from zoo.engine.loop import CellFunctions
from zoo.engine.masks import Span
from zoo.engine.native.weights import kernel_weights
from zoo.layers.noise import LoopParams, Noise
from zoo.types import Array, State


@dataclass(frozen=True)
class PureCell:
    """A cell and its regularisers as pure functions of `LoopParams`.

    Attributes:
        graph: the cell without its variables.
        cell: the class of the cell.
        dtype: of the output.
        kernel: the name of the kernel that computes the cell, or None.
        zoneout: the rate for each part of the state that is zoned out.
    """

    graph: nnx.GraphDef
    cell: type[Cell]
    dtype: Any
    kernel: str | None
    zoneout: tuple[tuple[str, float], ...]

    @classmethod
    def split(
        cls, cell: Cell, zoneout: tuple[tuple[str, float], ...]
    ) -> tuple["PureCell", LoopParams]:
        """Return the functions of a cell, and its parameters.

        Args:
            cell: the cell.
            zoneout: the rate for each part of the state that is zoned out.
        """
        graph, variables = nnx.split(cell)
        pure = cls(graph, type(cell), cell.dtype, cell.kernel(), zoneout)
        return pure, LoopParams(nnx.to_pure_dict(variables))

    def functions(self) -> CellFunctions:
        """Return the functions that the engine calls."""
        kernel = None
        if self.kernel is not None:
            kernel = native.Kernel(self.kernel, self.weights, self.dtype)
        return CellFunctions(
            self.project,
            None if overrides_advance(self.cell) else self.recur,
            self.update,
            self.output,
            additive=self.cell.additive and not overrides_advance(self.cell),
            parallel=self.parallel if self.cell.parallel else None,
            kernel=kernel,
        )

    def bind(self, params: LoopParams) -> Cell:
        """Return the cell with these parameters.

        Args:
            params: of the cell.
        """
        return nnx.merge(self.graph, params.cell)

    def project(self, params: LoopParams, x: Array) -> Any:
        """See `CellFunctions.project`.

        Args:
            params: of the cell.
            x: inputs ``[..., D]``.
        """
        return self.bind(params).project(x)

    def recur(self, params: LoopParams, state: State) -> Any:
        """See `CellFunctions.recur`.

        Args:
            params: of the cell.
            state: the state before a step.
        """
        return self.bind(params).recur(_with_dropout(params, state))

    def update(
        self, params: LoopParams, state: State, p: Any, q: Any, noise: Noise
    ) -> State:
        """See `CellFunctions.update`.

        Args:
            params: of the cell.
            state: the state before the step.
            p: the projected input.
            q: the result of `recur`, or None.
            noise: what is drawn for the step.
        """
        cell = self.bind(params)
        options = {} if noise.keep is None else {"keep": noise.keep}
        if overrides_advance(self.cell):
            dropped = _with_dropout(params, state)
            new = cell.advance(state, p, recur_state=dropped, **options)
        else:
            new = cell.update(state, p, q, **options)
        for name, rate in self.zoneout:
            hold = None if noise.hold is None else noise.hold[name]
            mixed = regularizers.zoneout(
                hold, getattr(state, name), getattr(new, name), rate
            )
            new = new._replace(**{name: mixed})
        return new

    def output(self, params: LoopParams, state: State, p: Any) -> Array:
        """See `CellFunctions.output`.

        Args:
            params: of the cell.
            state: the state after a step.
            p: the projected input.
        """
        return self.bind(params).output(state, p).astype(self.dtype)

    def parallel(
        self, params: LoopParams, p: Any, state: State, initial: State, span: Span
    ) -> tuple[State, Array, State]:
        """See `CellFunctions.parallel`.

        Args:
            params: of the cell.
            p: the projected inputs of all steps.
            state: the state before the first step in processing order.
            initial: the state that a reset restarts from.
            span: mask, reset and direction.
        """
        last, y, states = self.bind(params).run_parallel(p, state, initial, span)
        return last, y.astype(self.dtype), states

    def weights(self, params: LoopParams) -> tuple[Array, Array, Array]:
        """Return W, U and b as the kernel reads them.

        Args:
            params: of the cell.
        """
        return kernel_weights(str(self.kernel), params.cell)


def overrides_advance(cell: type[Cell]) -> bool:
    """Return whether a cell has a matrix product between its gates.

    Its `advance` is then the update, and no product can be taken out of it.

    Args:
        cell: the class of a cell.
    """
    return cell.advance is not Cell.advance


def _with_dropout(params: LoopParams, state: State) -> State:
    """Return the state that the recurrent products read."""
    if params.dropped is None:
        return state
    # The products may read the states of many steps.
    return state._replace(h=state.h * align(params.dropped, state.h))
