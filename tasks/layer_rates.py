"""Discriminative learning rates: ``--layer-decay``, and what the user is shown."""

import optax
from flax.traverse_util import unflatten_dict

from zoo.tasks.configs.base import Config
from zoo.tasks.layer_groups import LayerGroups, dotted
from zoo.types import Params


def scale_by_depth(factor: float, groups: LayerGroups) -> optax.GradientTransformation:
    """Return discriminative learning rates: each layer group has its own.

    The updates of a group are multiplied by ``factor ** depth``, where the head has
    depth 0. As the last transformation this is a factor of the learning rate, which
    includes that of decoupled weight decay. Source: Howard and Ruder 2018,
    arXiv:1801.06146, with 1 / 2.6.

    Args:
        factor: of the rate of a group to that of the group above.
        groups: of the model.
    """

    def scale(updates: Params, _: Params | None) -> Params:
        scaled = {
            name: factor ** groups.depth(name) * leaf
            for name, leaf in dotted(updates).items()
        }
        return unflatten_dict(scaled, sep=".")

    return optax.stateless(scale)


def describe(
    config: Config, params: Params, groups: LayerGroups, steps: int, interval: int
) -> list[str]:
    """Return what is trained at which rate and from which epoch on, for the user.

    Args:
        config: the flags.
        params: those that are trained.
        groups: of the model.
        steps: of the training run.
        interval: batches of an epoch.

    Returns:
        Notes; none unless the flags treat layer groups differently.
    """
    every = config.unfreeze_every
    if every is None and config.layer_decay == 1:
        return []
    entries, start, late, name = [], 0, [], ""
    top_down = zip(groups.names[::-1], groups.sizes(params)[::-1], strict=True)
    for depth, (group, size) in enumerate(top_down):
        if not size:
            continue
        name = group
        entry = f"{name}: {size:,} parameters"
        if config.layer_decay != 1:
            entry += f", rate x {config.layer_decay**depth:.3g}"
        if every is not None:
            entry += f", from epoch {start + 1}"
            if start * interval >= steps:
                late.append(name)
            start += every
        entries.append(entry)
    notes = ["layer groups, from the output: " + "; ".join(entries)]
    last = start - (every or 0)  # epochs before the last group is trained
    if config.patience and config.patience < last and not late:
        notes.append(
            f"--patience {config.patience} may end the run before {name} is trained, "
            f"from epoch {last + 1} on"
        )
    if late:
        notes.append(
            f"--unfreeze-every {every}: the run ends before {', '.join(late)} would be "
            "trained"
        )
    return notes
