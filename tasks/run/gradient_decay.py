"""How the gradient decays with the lag, in numbers and words, and the gate values."""

from typing import Any

import jax
import numpy as np

import zoo
from zoo import diagnostics

# A gradient norm relative to lag 0 below the first has vanished, above the second
# exploded.
VANISHED, EXPLODED = 1e-3, 1e3


def layers_of(pipeline: Any) -> zoo.Layer:
    """Return the recurrent layers of a model, with the parameters of its pipeline.

    Args:
        pipeline: of the model.
    """
    return pipeline.apply(pipeline.params, method=lambda model: model.layers)


def gradient_by_lag(layers: zoo.Layer, x: np.ndarray) -> np.ndarray:
    """Return the norm of d state[T] / d state[T - lag] relative to lag 0, ``[T]``.

    It is the Frobenius norm over all parts of the state of the last layer, as a
    geometric mean over the rows of the batch.

    Args:
        layers: a stack that runs forward.
        x: inputs ``[B, T, D]``.
    """
    state = jax.eval_shape(lambda: layers.init_state(1))[-1]
    part = "h" if "h" in state._fields else state._fields[0]
    norm = diagnostics.gradient_flow(layers, x, part=part, iterations=1).norm[-1]
    squares = sum(np.asarray(a, np.float64) ** 2 for a in jax.tree.leaves(norm))
    rows = np.sqrt(np.maximum(squares, 1e-76))[:, ::-1]
    mean = np.exp(np.log(rows).mean(axis=0))
    return mean / mean[0]


def gate_values(layers: zoo.Layer, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return the gates of the last layer that have a value per unit and step.

    Args:
        layers: a stack.
        x: inputs ``[B, T, D]``.

    Returns:
        ``[B, T, H]`` by the name of the gate.
    """
    gates = diagnostics.gates(layers, x)[-1]
    return {k: np.asarray(gate) for k, gate in gates.items() if np.ndim(gate) == 3}


def describe_decay(gradient: np.ndarray) -> str:
    """Return whether a gradient vanishes, explodes or persists, and from which lag.

    Args:
        gradient: by the lag, relative to lag 0; from `gradient_by_lag`.
    """
    lag, last = len(gradient) - 1, float(gradient[-1])
    if last < VANISHED:
        first = int((gradient < VANISHED).argmax())
        return f"vanishes: below {VANISHED:g} from lag {first}"
    if last > EXPLODED:
        first = int((gradient > EXPLODED).argmax())
        return f"explodes: above {EXPLODED:g} from lag {first}"
    return f"persists: {format_number(last)} at lag {lag}"


def format_number(value: float) -> str:
    """Return a number with three digits, or as a power of ten if large or small.

    Args:
        value: the number.
    """
    if value and (abs(value) < 1e-3 or abs(value) >= 1e4):
        digits, power = f"{value:.0e}".split("e")
        return f"{digits}·10^{int(power)}"
    return f"{value:.3g}"
