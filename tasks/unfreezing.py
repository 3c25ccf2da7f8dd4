"""Gradual unfreezing: ``--unfreeze-every``.

Training starts with the head, and after each interval one more layer group is trained,
from the output down to the embedding, so that a new head does not destroy what the
layers below have learned. Source: Howard and Ruder 2018 (ULMFiT), arXiv:1801.06146.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import unflatten_dict

from zoo.tasks.layer_groups import LayerGroups, dotted
from zoo.types import Array, Params


class UnfreezingState(NamedTuple):
    """The state of `gradual`.

    Attributes:
        step: number of updates so far.
        shared: the state of what all groups share.
        groups: the state of the optimiser of each group with trained parameters, from
            the input to the output; its steps are those since the group is trained.
    """

    step: Array
    shared: Any
    groups: tuple[Any, ...]


def gradual(
    shared: optax.GradientTransformation,
    optimizer: optax.GradientTransformation,
    groups: LayerGroups,
    interval: int,
) -> optax.GradientTransformation:
    """Return an optimiser that trains one more layer group after each interval.

    A group that is not yet trained has no updates, no part in the norm of the gradient,
    and the initial state of the optimiser. All stages are one program, in which a mask
    depends on the step: a program for each stage would need no gradients of frozen
    groups, but every shape of a batch would be compiled again at each stage.

    Args:
        shared: applied to the gradients of all trained groups, such as clipping.
        optimizer: applied to each group, with a state of its own. It must not depend on
            the number of steps of the training run, as a learning rate schedule does.
        groups: of the model.
        interval: number of steps after which one more group is trained.
    """

    def init(params: Any) -> UnfreezingState:
        states = tuple(map(optimizer.init, _split(params, groups)))
        return UnfreezingState(jnp.zeros((), jnp.int32), shared.init(params), states)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        last = len(state.groups) - 1
        active = [state.step >= interval * (last - k) for k in range(last + 1)]
        gated = [
            jax.tree.map(lambda g, on=on: jnp.where(on, g, jnp.zeros_like(g)), part)
            for part, on in zip(_split(updates, groups), active, strict=True)
        ]
        clipped, shared_state = shared.update(_join(gated), state.shared, params)
        parts = zip(
            _split(clipped, groups),
            _split(params, groups),
            state.groups,
            active,
            strict=True,
        )
        moves, states = [], []
        for part, own, old, on in parts:
            moved, new = optimizer.update(part, old, own)
            still = jax.tree.map(jnp.zeros_like, moved)
            # The gradient is zero, but weight decay and the number of steps are not.
            choose = lambda a, b, on=on: jnp.where(on, a, b)  # noqa: E731
            moves.append(jax.tree.map(choose, moved, still))
            states.append(jax.tree.map(choose, new, old))
        new_state = UnfreezingState(state.step + 1, shared_state, tuple(states))
        return _join(moves), new_state

    return optax.GradientTransformation(init, update)


def _split(params: Any, groups: LayerGroups) -> list[Params]:
    """Return the parameters of each group that has any, from the input upwards."""
    parts: dict[int, dict[str, Any]] = {}
    for name, leaf in dotted(params).items():
        parts.setdefault(groups.numbers[name], {})[name] = leaf
    return [unflatten_dict(parts[number], sep=".") for number in sorted(parts)]


def _join(parts: list[Params]) -> Params:
    """Return the parameters of all groups."""
    flat = {name: leaf for part in parts for name, leaf in dotted(part).items()}
    return unflatten_dict(flat, sep=".")
