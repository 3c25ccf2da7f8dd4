"""Both directions of a layer in one loop."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from zoo.engine.platform import platform
from zoo.engine.scan import restarts, scan
from zoo.layers.explain import note
from zoo.layers.recurrent import Recurrent
from zoo.types import Array, Key, State


def alike(forward: Recurrent, backward: Recurrent) -> bool:
    """Return whether two layers differ in nothing but direction and numbers.

    Args:
        forward: the layer that reads forwards.
        backward: the layer that reads in reverse.
    """

    def form(layer: Recurrent) -> tuple:
        graph, variables = nnx.split(layer.cell)
        shapes = jax.tree.map(lambda a: (a.shape, a.dtype), nnx.to_pure_dict(variables))
        return graph, shapes, layer.schedule, layer.rates

    return form(forward) == form(backward)


def run_both(
    forward: Recurrent,
    backward: Recurrent,
    x: Array,
    mask: Array | None,
    state: tuple[State, State],
    reset: Array | None,
    keys: Sequence[Key | None],
    states: bool,
) -> list[tuple[State, Array, State]]:
    """Run two layers that are alike over the same inputs, in one loop.

    The one in reverse reads the inputs from right to left; the loop takes a step of
    each at once. On a GPU a step of a small batch leaves most of the machine idle: two
    take hardly longer than one.

    Args:
        forward: the layer that reads forwards.
        backward: the layer that reads in reverse.
        x: inputs ``[B, T, ...]``.
        mask: bool ``[B, T]``, or None.
        state: what each begins with.
        reset: bool ``[B, T]``, or None.
        keys: of the noise of each.
        states: also return the states of all steps.

    Returns:
        For each layer its final state, y in reading order, and the states or None.
    """
    B, T = x.shape[:2]
    both = forward, backward
    drawn = [
        layer.rates.draw(layer.cell, key, layer._functions()[1], B, T)
        for layer, key in zip(both, keys, strict=True)
    ]
    # What is alike is the functions: those of one serve both.
    functions = forward._functions()[0]
    obstacle = "both directions share a loop"
    if platform() != "cpu":
        obstacle = forward._obstacle(x, *drawn[0], states)
    if obstacle is not None:
        functions = functions._replace(native=None)
    note(*both, B=B, T=T, obstacle=obstacle)
    params = _stack(*(params for params, _ in drawn))
    noise = _stack(drawn[0][1], _turn(drawn[1][1], 0))
    initial = None
    if reset is not None:
        initial = _stack(*(layer.init_state(B) for layer in both))
        turned = _turn(restarts(reset, mask, reverse=True), 1)
        reset = jnp.stack([reset, turned])

    run = partial(scan, functions, states=states, schedule=forward.schedule)
    xs, masks = _stack((x, mask), _turn((x, mask), 1))
    last, y, every = jax.vmap(run)(
        params,
        xs,
        _stack(*state),
        mask=masks,
        reset=reset,
        initial=initial,
        noise=noise,
    )
    first, second = (_pick((last, y, every), k) for k in range(2))
    return [first, (second[0], *_turn(second[1:], 1))]


def _stack(a, b):
    """Put two trees of arrays on top of each other."""
    return jax.tree.map(lambda a, b: jnp.stack([a, b]), a, b)


def _pick(tree, k):
    """Return one of the trees that `_stack` has put together."""
    return jax.tree.map(lambda a: a[k], tree)


def _turn(tree, axis):
    """Turn time round."""
    return jax.tree.map(lambda a: jnp.flip(a, axis), tree)
