"""The kernels for CPUs, which run a whole layer."""

from typing import Any

from zoo.engine.native.call import PLANES, Call, Given, Gradients, foreign, parts
from zoo.types import Array, State


def forward(
    kernels: Any, call: Call, given: Given, *, keep: bool
) -> tuple[list[Array], Array, list[Array]]:
    """Run a layer.

    Args:
        kernels: the module that registers them.
        call: what is fixed.
        given: weights, inputs and states.
        keep: whether there will be a backward pass.

    Returns:
        h and c after the last step, y ``[B, T, H]``, and what `backward` needs besides:
        empty arrays without `keep`.
    """
    weights, x, state, initial, flags = given
    name = call.kernel.name
    (B, T, _), H = x.shape, len(weights[1])
    cell_state = "c" in state._fields
    plane = -(-H // kernels.LANES) * kernels.LANES  # of whole vectors
    last_h, last_c = (B, H), (B, H) if cell_state else (0,)
    gates = (B, T, PLANES[name] * plane) if keep and not call.frugal else (0,)
    cells = (B, T, plane) if keep and cell_state else (0,)
    shapes = [(B, T, H), last_h, last_c, gates, cells]
    y, h, c, *kept = foreign("zoo_forward", shapes, "sequential")(
        x, *weights, *parts(state), *parts(initial), *flags.given, **call.attributes
    )
    return [h, c], y, kept


def backward(
    call: Call,
    given: Given,
    y: Array,
    kept: list[Array],
    by_last: State,
    by_y: Array,
) -> Gradients:
    """Return the gradients.

    Args:
        call: as for `forward`.
        given: as for `forward`.
        y: what `forward` returned.
        kept: what it returned besides.
        by_last: the gradient by the state after the last step.
        by_y: the gradient by y.
    """
    weights, x, state, initial, flags = given
    gates, cells = kept
    states, initials = parts(state), parts(initial)
    shapes = [a.shape for a in (gates, x, *weights, *states, *initials)]
    # The gates are the twelfth argument; their gradients take their place.
    _, by_x, by_W, by_U, by_b, *by = foreign(
        "zoo_backward", shapes, "sequential", {11: 0}
    )(
        x, *weights, *states, *initials, *flags.given,
        y, gates, cells, by_y, *parts(by_last), **call.attributes,
    )  # fmt: skip
    return Gradients((by_W, by_U, by_b), by_x, by[:2], by[2:])
