"""How a layer is run, and why."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

import jax
from flax import nnx

from zoo.cells.linear import LinearCell
from zoo.engine import native
from zoo.engine.platform import platform
from zoo.types import ArrayLike, Key

if TYPE_CHECKING:
    from zoo.layers.base import Layer
    from zoo.layers.recurrent import Recurrent


class Plan(NamedTuple):
    """How a layer of one cell is run.

    Attributes:
        where: the layer stands, as in `zoo.summary`.
        cell: its class, and the sizes of its input and output.
        backend: ``"scan"``: a loop that takes one step after the other;
            ``"native"``: that loop in one call of a kernel; or ``"parallel"``:
            all steps at once.
        why: the reason, and how the loop runs.
    """

    where: str
    cell: str
    backend: str
    why: str


class Explanation(tuple[Plan, ...]):
    """A `Plan` for each layer of one cell, in the order in which they run."""

    def __str__(self) -> str:
        """Return a line for each."""
        return "\n".join(
            f"{plan.where}: {plan.cell}: {plan.backend}, {plan.why}" for plan in self
        )


class Note(NamedTuple):
    """What a layer tells when it is run.

    Attributes:
        layer: the layer.
        joint: whether it shares a loop with that of the other direction.
        B: rows.
        T: steps.
        obstacle: why no kernel runs it, None if one does.
    """

    layer: Recurrent
    joint: bool
    B: int
    T: int
    obstacle: str | None


_noted: ContextVar[list[Note] | None]
_noted = ContextVar("_noted", default=None)


def explain(
    layer: Layer,
    x: ArrayLike | jax.ShapeDtypeStruct,
    mask: ArrayLike | jax.ShapeDtypeStruct | None = None,
    *,
    reset: ArrayLike | jax.ShapeDtypeStruct | None = None,
    key: Key | None = None,
) -> Explanation:
    """Tell how a call of a layer is run on this machine, and why.

    The layer is traced with these arguments, nothing is computed: what is told is what
    is done.

    Args:
        layer: any layer.
        x: inputs ``[B, T, D]``, or their shape.
        mask: as for a call of the layer.
        reset: as for a call of the layer.
        key: as for a call of the layer.

    Returns:
        A `Plan` for each layer of one cell; printed, a line for each.
    """
    graph, variables = nnx.split(layer)
    plans: list[Plan] = []

    def run(variables, x, mask, reset, key):
        own = nnx.merge(graph, variables)
        names = {
            id(module): ".".join(map(str, path)) or "(layer)"
            for path, module in nnx.iter_modules(own)
        }
        token = _noted.set([])
        try:
            own._run(x, mask, own.init_state(x.shape[0]), reset, key, False)
            plans.extend(
                Plan(names[id(one.layer)], _describe(one.layer), *_reason(one))
                for one in _noted.get() or ()
            )
        finally:
            _noted.reset(token)

    jax.eval_shape(run, variables, x, mask, reset, key)
    return Explanation(plans)


def note(*layers: Recurrent, B: int, T: int, obstacle: str | None) -> None:
    """Note that layers are run, for who asks for an explanation.

    Args:
        *layers: one, or both directions of one that share a loop.
        B: rows.
        T: steps.
        obstacle: why no kernel runs them, None if one does.
    """
    noted = _noted.get()
    if noted is not None:
        joint = len(layers) > 1
        noted.extend(Note(layer, joint, B, T, obstacle) for layer in layers)


def _describe(layer: Recurrent) -> str:
    cell = layer.cell
    return f"{type(cell).__name__} {cell.input_size} -> {cell.output_size}"


def _reason(noted: Note) -> tuple[str, str]:
    """Return the backend of a layer, and the reason."""
    layer, joint, B, T, obstacle = noted
    schedule, where = layer.schedule, platform()
    if obstacle is None:
        asked = schedule.backend == "native"
        why = "as asked" if asked else f"faster on a {where.upper()}"
        steps = "all steps" if schedule.chunk < 2 else "the steps of a chunk"
        ways = [f"{steps}{' of both directions' * joint} in one call of a kernel"]
        if schedule.remat != "none":
            ways.append(f"remat {schedule.remat}")
        return "native", f"{why}; {', '.join(ways)}"
    auto = schedule.steps == "auto"
    chosen = f"faster on a {where.upper()}" if auto else "as asked"
    if layer.prefers_parallel(B, T, True):
        ways = [chosen, *(["both directions at once"] if joint else [])]
        if isinstance(layer.cell, LinearCell) and native.takes_linear(
            layer.cell.state_dtype
        ):
            ways.append("in one pass of a kernel")
        if not layer.prefers_parallel(B, T, False):
            ways.append("for the gradient: without one, by the loop")
        return "parallel", f"the cell is linear in its state, {', '.join(ways)}"
    if layer.parallelizable and auto and schedule.gradient == "loop":
        why = 'gradient="loop" is asked for'
    elif layer.parallelizable:
        why = "it stores less" if auto and schedule.chunk == 1 else chosen
    elif layer.cell.parallel:
        why = "zoneout acts on one state after the other"
    else:
        why = f"{type(layer.cell).__name__} is not linear in its state"
    steps = f"{schedule.each} step{'s' * (schedule.each > 1)} an iteration"
    inputs = f"inputs projected {'ahead of' if schedule.ahead else 'in'} the loop"
    ways = [steps, inputs]
    if joint:
        ways.append("both directions in one loop")
    if schedule.remat != "none":
        ways.append(f"remat {schedule.remat}")
    if layer.cell.kernel() is not None and where in ("cpu", "gpu"):
        ways.append(f"no kernel: {obstacle}")
    return "scan", f"{why}; {', '.join(ways)}"
