"""How gradients flow back through a recurrent network, and how long it remembers."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from zoo import checks
from zoo.cells import Cell
from zoo.layers import Layer, Stacked
from zoo.types import Array, ArrayLike, Key, State


class GradientFlow(NamedTuple):
    """The size of the Jacobian of the last state with respect to earlier states.

    Both have the structure of the layer's state, with an array ``[B, T]`` for each
    floating-point part and None for the others. Entry t belongs to the state after
    token t; its lag is T - 1 - t.

    Attributes:
        norm: the Frobenius norm of the Jacobian of the last h.
        largest: its largest singular value.
    """

    norm: Any
    largest: Any


def gradient_flow(
    layer: Layer, x: ArrayLike, *, part: str = "h", iterations: int = 50
) -> GradientFlow:
    """Measure the Jacobian of the last state with respect to all earlier states.

    ::

        J_t = dh_T / ds_t = dh_T/ds_(T-1) ... ds_(t+1)/ds_t

    for each part of the state s_t, such as h and c of an LSTM, of each layer of a stack
    (h_T is that of the last layer). Gradients vanish where |J_t| falls with the lag and
    explode where it grows: Bengio et al. 1994; Pascanu et al. 2012, arXiv:1211.5063.
    The Jacobians are exact. Power iteration approximates the largest singular value
    from below.

    Args:
        layer: a layer that runs forward: `zoo.Recurrent`, or a stack.
        x: inputs ``[B, T, D]``.
        part: the part of the last state, ``"h"`` or another.
        iterations: number of power iterations.

    Raises:
        ValueError: if the layer does not run forward only, or has no such part.
    """
    if layer.direction != "forward":
        raise ValueError(
            "layer must run forward: with a backward direction no state precedes all "
            f"others, got direction={layer.direction!r}"
        )
    checks.positive("iterations", iterations)
    state = jax.eval_shape(lambda: layer.init_state(1))
    last = state[-1] if isinstance(layer, Stacked) else state
    checks.one_of("part", part, last._fields)
    graph, variables = nnx.split(layer)
    return _gradient_flow(graph, variables, jnp.asarray(x), part, iterations)


@partial(jax.jit, static_argnames=("graph", "part", "iterations"))
def _gradient_flow(
    graph: Any, variables: Any, x: Array, part: str, iterations: int
) -> GradientFlow:
    layer = nnx.merge(graph, variables)
    B = x.shape[0]
    states = layer._run(x, None, layer.init_state(B), None, None, True)[2]
    first = jax.tree.map(lambda a: a[:, 0], states)
    top = first[-1] if isinstance(layer, Stacked) else first
    target = getattr(top, part)
    K = target[0].size

    # A row of the Jacobian for each entry of the target; the identity at lag 0.
    start = jax.tree.map(lambda a: jnp.zeros((B, K, *a.shape[1:]), a.dtype), first)
    eye = jnp.broadcast_to(jnp.eye(K, dtype=target.dtype), (B, K, K))
    eye = eye.reshape(B, K, *target.shape[1:])
    if isinstance(layer, Stacked):
        start = (*start[:-1], start[-1]._replace(**{part: eye}))
    else:
        start = start._replace(**{part: eye})
    _, rest, join = _partition(first)

    def pull_back(rows: list[Array], step: Any) -> tuple[list[Array], Any]:
        """Go from the Jacobian with respect to s_(t+1) to that for s_t."""
        state, x_next = step
        floating, fixed, _ = _partition(state)

        def advance(floating: list[Array]) -> list[Array]:
            new, _ = layer._step(join(floating, fixed), x_next)
            return _partition(new)[0]

        _, vjp = jax.vjp(advance, floating)
        rows = jax.vmap(lambda row: vjp(row)[0], in_axes=1, out_axes=1)(rows)
        return rows, measure(rows)

    def measure(rows: list[Array]) -> tuple[list[Array], list[Array]]:
        flat = [a.reshape(B, K, -1) for a in rows]
        norms = [jnp.sqrt((a**2).sum(axis=(1, 2))) for a in flat]
        return norms, [_largest(a, iterations) for a in flat]

    rows = _partition(start)[0]
    time_first = jax.tree.map(lambda a: jnp.moveaxis(a[:, :-1], 1, 0), states)
    steps = (time_first, jnp.moveaxis(x[:, 1:], 1, 0))
    _, earlier = jax.lax.scan(pull_back, rows, steps, reverse=True)
    sizes = jax.tree.map(
        lambda before, last: jnp.concatenate([before, last[None]]).T,
        earlier,
        measure(rows),
    )
    missing = [None] * len(rest)
    return GradientFlow(*(join(values, missing) for values in sizes))


def _largest(matrix: Array, iterations: int) -> Array:
    """Return the largest singular value of each matrix [B, K, N]."""
    scale = jnp.abs(matrix).max(axis=(1, 2), keepdims=True)
    matrix = matrix / jnp.where(scale > 0, scale, 1.0)
    # A random start is unlikely to be orthogonal to the leading singular vector.
    v = jax.random.normal(jax.random.key(0), (matrix.shape[0], matrix.shape[2], 1))

    def body(_: Array, v: Array) -> Array:
        v = jnp.swapaxes(matrix, 1, 2) @ (matrix @ v)
        size = jnp.linalg.norm(v, axis=1, keepdims=True)
        return v / jnp.where(size > 0, size, 1.0)

    v = jax.lax.fori_loop(0, iterations, body, v.astype(matrix.dtype))
    return jnp.linalg.norm(matrix @ v, axis=(1, 2)) * scale[:, 0, 0]


def _partition(state: State) -> tuple[list[Array], list[Array], Callable]:
    """Return the floating-point parts, the others, and a function that joins them."""
    leaves, tree = jax.tree.flatten(state)
    kinds = [jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in leaves]

    def join(floating: list, rest: list) -> State:
        parts = {True: iter(floating), False: iter(rest)}
        return jax.tree.unflatten(tree, [next(parts[kind]) for kind in kinds])

    floating = [leaf for leaf, kind in zip(leaves, kinds, strict=True) if kind]
    rest = [leaf for leaf, kind in zip(leaves, kinds, strict=True) if not kind]
    return floating, rest, join


def gradient_norms(
    layer: Layer,
    x: ArrayLike,
    loss: Callable[[Array], Array],
    mask: ArrayLike | None = None,
) -> Array:
    """Return the norm of the gradient at each step of each layer.

    ``|d loss(y) / d y_t|`` for the outputs y_t of every layer of a stack.

    Args:
        layer: any layer; a single layer counts as a stack of one.
        x: inputs ``[B, T, D]``.
        loss: a scalar of the outputs ``[B, T, H]`` of the last layer, such as
            ``lambda y: (y[:, -1] ** 2).sum()``.
        mask: bool ``[B, T]``, True = a real token; by default all are.

    Returns:
        Norms ``[L, B, T]``, the lowest layer first.
    """
    layers = list(layer.layers) if isinstance(layer, Stacked) else [layer]

    def shifted_loss(shifts: list[Array]) -> Array:
        y = jnp.asarray(x)
        for part, shift in zip(layers, shifts, strict=True):
            y = part(y, mask)[1] + shift
        return loss(y)

    B, T = jnp.shape(x)[:2]
    shifts = [jnp.zeros((B, T, *part.output_shape)) for part in layers]
    grads = jax.grad(shifted_loss)(shifts)
    return jnp.stack([jnp.sqrt((g**2).reshape(B, T, -1).sum(-1)) for g in grads])


def spectral_radius(module: nnx.Module) -> dict[str, np.ndarray]:
    """Return the spectral radius of every recurrent matrix.

    The spectral radius is the largest modulus of an eigenvalue. Without gates and
    nonlinearity it is the asymptotic growth factor of the state per step: below 1,
    gradients vanish.

    Args:
        module: a layer, or a model.

    Returns:
        By the path of each recurrent matrix, such as ``layers/0/cell/U``: one value per
        gate, in the order of the cell's ``gates``. Matrices that are not square, as
        with a projection, have no eigenvalues and are omitted.
    """
    radii = {}
    for path, part in nnx.iter_graph(module):
        if not isinstance(part, Cell):
            continue
        for name in part.recurrent:
            matrix = np.asarray(getattr(part, name)[...], np.float64)
            gates, N = len(part.gates), matrix.shape[0]
            if matrix.shape != (N, gates * N):
                continue
            blocks = np.split(matrix, gates, axis=1)
            values = [np.abs(np.linalg.eigvals(block)).max() for block in blocks]
            radii["/".join(map(str, (*path, name)))] = np.array(values)
    return radii


class MemorySpan(NamedTuple):
    """How long the outputs depend on the first input.

    Attributes:
        effect: the change of the output at each lag, relative to the change of the
            first output, ``[B, T]``.
        span: the lag from which the effect stays below `share`, ``[B]``; T if it never
            does.
    """

    effect: Array
    span: Array


def memory_span(
    layer: Layer,
    x: ArrayLike,
    key: Key,
    *,
    share: float = 0.05,
    size: float = 0.01,
) -> MemorySpan:
    """Measure how long the outputs remember a small change of the first input.

    Args:
        layer: a layer that runs forward.
        x: inputs ``[B, T, D]``.
        key: of the random direction of the change.
        share: the threshold, as a fraction of the first effect, in (0, 1).
        size: norm of the change.

    Raises:
        ValueError: if the layer does not run forward, or a number is out of its range.
    """
    if layer.direction != "forward":
        raise ValueError(f"layer must run forward, got direction={layer.direction!r}")
    if not 0.0 < share < 1.0:
        raise ValueError(f"share must lie in (0, 1), got {share!r}")
    if not size > 0.0:
        raise ValueError(f"size must be above 0, got {size!r}")
    x = jnp.asarray(x)
    change = jax.random.normal(key, (x.shape[0], x.shape[2]), x.dtype)
    change *= size / jnp.linalg.norm(change, axis=-1, keepdims=True)
    layer = nnx.view(layer, deterministic=True)
    moved = layer(x.at[:, 0].add(change))[1] - layer(x)[1]
    effect = jnp.sqrt((moved**2).reshape(*x.shape[:2], -1).sum(axis=-1))
    effect = effect / effect[:, :1]
    lags = jnp.arange(1, x.shape[1] + 1)
    span = jnp.where(effect >= share, lags, 0).max(axis=1)
    return MemorySpan(effect, span)
