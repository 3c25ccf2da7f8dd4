"""How a gradient fades with the lag, what that is called, and the gates behind it."""

from typing import Any

import jax
import numpy as np
from flax import nnx

import zoo
from zoo import diagnostics

# What is left of a gradient that has vanished, and one that has exploded.
VANISHED, EXPLODED = 1e-3, 1e3


def layers_of(pipeline: Any) -> zoo.Layer:
    """Return the layers of a model, with its parameters.

    Args:
        pipeline: of the model.
    """
    nnx.update(pipeline.model, pipeline.params)
    return pipeline.model.layers


def flow(layers: zoo.Layer, x: np.ndarray) -> np.ndarray:
    """Return the gradient of the last state by all of the state, by the lag, ``[T]``.

    It is the norm of the Jacobian, of all parts of the state of the last layer
    together, as a share of that at lag 0; the geometric mean over the sequences.

    Args:
        layers: a stack that runs forwards.
        x: inputs ``[B, T, D]``.
    """
    state = jax.eval_shape(lambda: layers.init_state(1))[-1]
    part = "h" if "h" in state._fields else state._fields[0]
    norm = diagnostics.gradient_flow(layers, x, part=part, iterations=1).norm[-1]
    squares = sum(np.asarray(a, np.float64) ** 2 for a in jax.tree.leaves(norm))
    rows = np.sqrt(np.maximum(squares, 1e-76))[:, ::-1]
    mean = np.exp(np.log(rows).mean(axis=0))
    return mean / mean[0]


def gates(layers: zoo.Layer, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return the gates of the last layer that have a value a unit and a step.

    Args:
        layers: a stack.
        x: inputs ``[B, T, D]``.

    Returns:
        ``[B, T, H]`` by name.
    """
    found = diagnostics.gates(layers, x)[-1]
    return {k: np.asarray(one) for k, one in found.items() if np.ndim(one) == 3}


def reach(flow: np.ndarray) -> str:
    """Return in words what becomes of a gradient.

    Args:
        flow: by the lag, 1 at lag 0.
    """
    lag, left = len(flow) - 1, float(flow[-1])
    if left < VANISHED:
        first = int((flow < VANISHED).argmax())
        return f"vanishes: below a thousandth from lag {first}"
    if left > EXPLODED:
        first = int((flow > EXPLODED).argmax())
        return f"explodes: above a thousandfold from lag {first}"
    return f"stays: {number(left)} of it is left at lag {lag}"


def number(value: float) -> str:
    """Return a number as a sentence tells it.

    Args:
        value: any.
    """
    if value and (abs(value) < 1e-3 or abs(value) >= 1e4):
        digits, power = f"{value:.0e}".split("e")
        return f"{digits}·10^{int(power)}"
    return f"{value:.3g}"
