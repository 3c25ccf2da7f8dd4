"""The values of the gates of a recurrent network, and how often they saturate."""

from collections import Counter
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from zoo import checks
from zoo.engine.broadcast import spread
from zoo.engine.masks import zero_padding
from zoo.layers import Bidirectional, Layer, Recurrent, Residual, Stacked
from zoo.types import Array, ArrayLike, State

Gates = dict[str, Array]


def gates(
    layer: Layer, x: ArrayLike, mask: ArrayLike | None = None
) -> tuple[Gates, ...]:
    """Return the values of the gates of each layer at each step.

    Gates are what a cell computes with `zoo.cells.base.gate`, such as i, f and o of an
    LSTM, under the names of the cell's equation. A gate that a step computes several
    times is numbered in order (``t_1``, ``t_2``, ...).

    Args:
        layer: any layer; a single layer counts as a stack of one.
        x: inputs ``[B, T, D]``.
        mask: bool ``[B, T]``, True = a real token; by default all are.

    Returns:
        For each layer, the lowest first, its gates by name: ``[B, T, H]``, or the
        cell's own axes in place of H; 0 at padding. The names of a bidirectional layer
        are ``forward/f`` and ``backward/f``, those of a stack within the stack ``0/f``,
        ``1/f``, ... Cells without gates have none.

    Raises:
        ValueError: if a shape is wrong.
        TypeError: if `x` is not floating point, or the mask is not bool.
    """
    x, mask, _ = layer._checked_batch(x, mask, None)
    graph, variables = nnx.split(nnx.view(layer, deterministic=True))
    return _gates(graph, variables, x, mask)


@partial(jax.jit, static_argnames=("graph",))
def _gates(
    graph: Any, variables: Any, x: Array, mask: Array | None
) -> tuple[Gates, ...]:
    x = zero_padding(x, mask)
    return tuple(_of_layers(nnx.merge(graph, variables), x, mask))


def _of_layers(layer: Layer, x: Array, mask: Array | None) -> list[Gates]:
    """Return the gates of each layer of a stack; of a single layer, one dict."""
    gates = []
    for part in layer.layers if isinstance(layer, Stacked) else [layer]:
        gates.append(_of_layer(part, x, mask))
        _, x = part(x, mask)
    return gates


def _of_layer(layer: Layer, x: Array, mask: Array | None) -> Gates:
    """Return the gates of one layer by name."""
    if isinstance(layer, Residual):
        return _of_layer(layer.layer, x, mask)
    if isinstance(layer, Stacked):
        levels = enumerate(_of_layers(layer, x, mask))
        return _joined({str(level): one for level, one in levels})
    if isinstance(layer, Bidirectional):
        sides = {"forward": layer.forward, "backward": layer.backward}
        return _joined({side: _of_layer(one, x, mask) for side, one in sides.items()})
    if not isinstance(layer, Recurrent):
        raise ValueError(f"layer must consist of cells, got a {type(layer).__name__}")
    initial = layer.init_state(x.shape[0])
    states = layer.states(x, mask)

    def states_before(initial: Array, states: Array) -> Array:
        """Return the state before each step, from the states after the steps."""
        initial = initial[:, None]
        if layer.reverse:
            return jnp.concatenate([states, initial], axis=1)[:, 1:]
        return jnp.concatenate([initial, states], axis=1)[:, :-1]

    def gates_of_step(state: State, x_t: Array) -> Gates:
        """Run a step and return the arguments of its named gates."""
        step = jax.make_jaxpr(layer._step)(state, x_t)
        equations = [e for e in step.jaxpr.eqns if e.primitive.name == "name"]
        # The inputs of the names: an output that nothing reads has no variable.
        outputs = [equation.invars[0] for equation in equations]
        jaxpr = ClosedJaxpr(step.jaxpr.replace(outvars=outputs), step.consts)
        values = jaxpr_as_fun(jaxpr)(*jax.tree.leaves((state, x_t)))
        names = _numbered([equation.params["name"] for equation in equations])
        return dict(zip(names, values, strict=True))

    before = jax.tree.map(states_before, initial, states)
    gates = jax.vmap(gates_of_step, in_axes=1, out_axes=1)(before, x)
    return {name: zero_padding(values, mask) for name, values in gates.items()}


def _joined(parts: dict[str, Gates]) -> Gates:
    """Return the gates of the parts of a layer in one dict."""
    return {
        f"{part}/{name}": values
        for part, gates in parts.items()
        for name, values in gates.items()
    }


def _numbered(names: list[str]) -> list[str]:
    """Return unique names: those that occur several times are numbered from 1."""
    count, seen = Counter(names), Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(f"{name}_{seen[name]}" if count[name] > 1 else name)
    return numbered


class Saturation(NamedTuple):
    """How often a gate is closed, and how often it is open.

    Attributes:
        left: fraction of tokens at which a unit is below `low`, ``[H]``, or the gate's
            own axes in place of H.
        right: fraction of tokens at which it is above `high`, ``[H]``.
        histogram: fraction of all values in each of `bins` equal intervals of [0, 1].
    """

    left: Array
    right: Array
    histogram: Array


def saturation(
    values: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    low: float = 0.1,
    high: float = 0.9,
    bins: int = 20,
) -> Saturation:
    """Measure how often a gate is closed or open.

    Source: Karpathy et al. 2015, arXiv:1506.02078, with the same 0.1 and 0.9.

    Args:
        values: of one gate, ``[B, T, H]``, or with more axes in place of H, as `gates`
            returns them.
        mask: bool ``[B, T]``, True = a real token; by default all are.
        low: a gate is closed below this value.
        high: a gate is open above this value.
        bins: number of bins of the histogram.

    Raises:
        ValueError: if not ``0 <= low <= high <= 1``, or a shape is wrong.
        TypeError: if the mask is not bool.
    """
    values = jnp.asarray(values)
    if values.ndim < 3:
        raise ValueError(f"values must have shape [B, T, H], got {values.shape}")
    if not 0.0 <= low <= high <= 1.0:
        raise ValueError(
            f"low and high must satisfy 0 <= low <= high <= 1, got {low!r}, {high!r}"
        )
    checks.positive("bins", bins)
    real = jnp.ones(values.shape[:2], bool) if mask is None else jnp.asarray(mask)
    checks.mask("mask", real, values.shape[:2], "[B, T]")
    weight = real.astype(values.dtype)
    count = jnp.maximum(weight.sum(), 1)

    def fraction(condition: Array) -> Array:
        holds = condition & spread(real, condition)
        return jnp.where(holds, 1.0, 0.0).sum(axis=(0, 1)) / count

    weights = jnp.broadcast_to(spread(weight, values), values.shape)
    counts, _ = jnp.histogram(values, bins, (0.0, 1.0), weights)
    histogram = counts / jnp.maximum(weights.sum(), 1)
    return Saturation(fraction(values < low), fraction(values > high), histogram)
