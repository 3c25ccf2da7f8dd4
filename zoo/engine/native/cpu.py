"""The CPU kernels, which compute all of a layer."""

from typing import Any

from zoo.engine.native.call import (
    Call,
    Gradients,
    LayerInputs,
    bias_blocks,
    call_kernel,
    shapes_of,
    state_arrays,
    wheel,
)
from zoo.types import Array, State

OPTIONS: Any = {"shared": ("W", "U", "b"), "vmap": "sequential"}


def forward(
    call: Call, inputs: LayerInputs, *, keep: bool
) -> tuple[list[Array], Array, list[Array]]:
    """Run a layer.

    Args:
        call: the static arguments.
        inputs: weights, inputs and states.
        keep: whether there will be a backward pass.

    Returns:
        h and c after the last step, y ``[B, T, H]``, and what else `backward` needs:
        empty arrays without `keep`.
    """
    (B, T, _), H = inputs.x.shape, len(inputs.weights[1])
    cell_state = "c" in inputs.state._fields
    lanes = wheel().LANES
    padded_H = -(-H // lanes) * lanes
    planes = bias_blocks(call.kernel.name) * padded_H
    shapes = {
        "y": (B, T, H),
        "last_h": (B, H),
        "last_c": (B, H) if cell_state else (0,),
        "gates": (B, T, planes) if keep and not call.recompute else (0,),
        "cells": (B, T, padded_H) if keep and cell_state else (0,),
    }
    arguments = _arguments(inputs)
    results = call_kernel(
        "zoo_forward", arguments, shapes, **OPTIONS, **call.attributes
    )
    last = [results["last_h"], results["last_c"]]
    return last, results["y"], [results["gates"], results["cells"]]


def backward(
    call: Call,
    inputs: LayerInputs,
    y: Array,
    kept: list[Array],
    d_last: State,
    d_y: Array,
) -> Gradients:
    """Return the gradients.

    Args:
        call: as for `forward`.
        inputs: as for `forward`.
        y: as `forward` returned it.
        kept: what else `forward` returned.
        d_last: the cotangent of the state after the last step.
        d_y: the cotangent of y.
    """
    gates, cells = kept
    arguments = _arguments(inputs)
    shapes = shapes_of({"gates": gates, **arguments})
    arguments |= {"y": y, "gates": gates, "cells": cells, "d_y": d_y}
    arguments |= state_arrays(d_last, "d_last_")
    d = call_kernel("zoo_backward", arguments, shapes, **OPTIONS, **call.attributes)
    return Gradients(
        (d["d_W"], d["d_U"], d["d_b"]),
        d["d_x"],
        [d["d_h"], d["d_c"]],
        [d["d_initial_h"], d["d_initial_c"]],
    )


def _arguments(inputs: LayerInputs) -> dict[str, Array]:
    """Return the arguments that both passes have."""
    W, U, b = inputs.weights
    return {
        **{"x": inputs.x, "W": W, "U": U, "b": b},
        **state_arrays(inputs.state),
        **state_arrays(inputs.initial, "initial_"),
        **inputs.flags.arrays,
    }
