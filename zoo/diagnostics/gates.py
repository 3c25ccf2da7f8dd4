"""What the gates of a recurrent network do."""

from collections import Counter
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from zoo import checks
from zoo.engine.loop import spread
from zoo.layers import Bidirectional, Layer, Recurrent, Residual, Stacked
from zoo.types import Array, ArrayLike

Gates = dict[str, Array]


def gates(
    layer: Layer, x: ArrayLike, mask: ArrayLike | None = None
) -> tuple[Gates, ...]:
    """Return what the gates of each layer are at each step.

    The gates are those that a cell squashes by `zoo.cells.base.gate`, such as i, f and
    o of an LSTM. They have the names of its equation; those that a step meets several
    times are numbered in the order of the step (``t_1``, ``t_2``, ...).

    Args:
        layer: any layer; one that is no stack counts as a stack of one.
        x: inputs ``[B, T, D]``.
        mask: bool ``[B, T]``, True = a real token; by default all are.

    Returns:
        For each layer, the lowest first, its gates by name: ``[B, T, H]``, or what the
        cell has in place of H; 0 at padding. In a layer of both directions the names
        are ``forward/f`` and ``backward/f``, and where a layer of the stack is itself a
        stack, ``0/f``, ``1/f``, ... Cells without gates have none.

    Raises:
        ValueError: if a shape is not as told.
        TypeError: if `x` is not floating point, or the mask is not bool.
    """
    x = layer._checked_input("x", x, "[B, T, D]")
    if mask is not None:
        checks.shape("mask", mask, x.shape[:2], "[B, T]")
        checks.boolean("mask", mask)
    graph, variables = nnx.split(layer)
    return _gates(graph, variables, x, mask)


@partial(jax.jit, static_argnames=("graph",))
def _gates(graph, variables, x, mask):
    if mask is not None:
        x = jnp.where(spread(mask, x), x, jnp.zeros((), x.dtype))
    return tuple(_of_each(nnx.merge(graph, variables), x, mask))


def _of_each(layer: Layer, x: Array, mask: Array | None) -> list[Gates]:
    """Return the gates of each layer of a stack, or of the one that it is."""
    found = []
    for part in layer.layers if isinstance(layer, Stacked) else [layer]:
        found.append(_of_layer(part, x, mask))
        _, x = part(x, mask)
    return found


def _of_layer(layer: Layer, x: Array, mask: Array | None) -> Gates:
    """Return the gates of one layer by name."""
    if isinstance(layer, Residual):
        return _of_layer(layer.layer, x, mask)
    if isinstance(layer, Stacked):
        levels = enumerate(_of_each(layer, x, mask))
        return _joined({str(level): one for level, one in levels})
    if isinstance(layer, Bidirectional):
        sides = {"forward": layer.forward, "backward": layer.backward}
        return _joined({side: _of_layer(one, x, mask) for side, one in sides.items()})
    if not isinstance(layer, Recurrent):
        raise ValueError(f"layer must consist of cells, got a {type(layer).__name__}")
    begin = layer.init_state(x.shape[0])
    states = layer.states(x, mask)

    def before(begin, states):
        """Return the states that the steps begin with, of those that they make."""
        begin = begin[:, None]
        if layer.reverse:
            return jnp.concatenate([states, begin], axis=1)[:, 1:]
        return jnp.concatenate([begin, states], axis=1)[:, :-1]

    def named(state, x_t):
        """Return the gates of a step."""
        whole = jax.make_jaxpr(layer._step)(state, x_t)
        equations = [e for e in whole.jaxpr.eqns if e.primitive.name == "name"]
        # What goes into a name: what comes out has no variable if nothing reads it.
        outputs = [equation.invars[0] for equation in equations]
        jaxpr = ClosedJaxpr(whole.jaxpr.replace(outvars=outputs), whole.consts)
        values = jaxpr_as_fun(jaxpr)(*jax.tree.leaves((state, x_t)))
        names = _numbered([equation.params["name"] for equation in equations])
        return dict(zip(names, values, strict=True))

    found = jax.vmap(named, in_axes=1, out_axes=1)(
        jax.tree.map(before, begin, states), x
    )
    if mask is None:
        return found
    return {
        name: jnp.where(spread(mask, values), values, jnp.zeros((), values.dtype))
        for name, values in found.items()
    }


def _joined(parts: dict[str, Gates]) -> Gates:
    """Return the gates of the parts of a layer in one dict."""
    return {
        f"{part}/{name}": values
        for part, found in parts.items()
        for name, values in found.items()
    }


def _numbered(names: list[str]) -> list[str]:
    """Number the names that occur several times: no gate may hide another."""
    count, met = Counter(names), Counter()
    numbered = []
    for name in names:
        met[name] += 1
        numbered.append(f"{name}_{met[name]}" if count[name] > 1 else name)
    return numbered


class Saturation(NamedTuple):
    """How often a gate is shut, and how often it is open.

    Attributes:
        left: the share of the tokens at which a unit lies below `low`, ``[H]``, or what
            the gate has in place of H.
        right: the share at which it lies above `high`, ``[H]``.
        histogram: the share of all values that lies in each of equal parts of [0, 1],
            ``[bins]``.
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
    """Measure how often a gate is shut or open.

    Source: Karpathy et al. 2015, arXiv:1506.02078, with the same 0.1 and 0.9.

    Args:
        values: of one gate, ``[B, T, H]``, or with more axes in place of H, as `gates`
            returns them.
        mask: bool ``[B, T]``, True = a real token; by default all are.
        low: below it a gate is shut.
        high: above it a gate is open.
        bins: of the histogram.

    Raises:
        ValueError: if the bounds are not ``0 <= low <= high <= 1``, or a shape is not
            as told.
        TypeError: if the mask is not bool.
    """
    values = jnp.asarray(values)
    if values.ndim < 3:
        raise ValueError(f"values must have shape [B, T, H], got {values.shape}")
    if not 0.0 <= low <= high <= 1.0:
        raise ValueError(f"0 <= low <= high <= 1 is needed, got {low!r} and {high!r}")
    checks.positive("bins", bins)
    real = jnp.ones(values.shape[:2], bool) if mask is None else jnp.asarray(mask)
    checks.shape("mask", real, values.shape[:2], "[B, T]")
    checks.boolean("mask", real)
    weight = real.astype(values.dtype)
    count = jnp.maximum(weight.sum(), 1)

    def share(which):
        return jnp.where(which & spread(real, which), 1.0, 0.0).sum(axis=(0, 1)) / count

    every = jnp.broadcast_to(spread(weight, values), values.shape)
    histogram, _ = jnp.histogram(values, bins, (0.0, 1.0), every)
    shares = histogram / jnp.maximum(every.sum(), 1)
    return Saturation(share(values < low), share(values > high), shares)
