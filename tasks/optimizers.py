"""Optax optimisers and learning rate schedules by name."""

import inspect
from collections.abc import Callable
from typing import Any

import optax
from flax.traverse_util import unflatten_dict

from zoo import checks
from zoo.tasks import layer_rates, unfreezing
from zoo.tasks.configs.base import Config
from zoo.tasks.layer_groups import LayerGroups, dotted
from zoo.types import Params

NAMES = tuple(
    "adabelief adadelta adagrad adam adamax adamw lamb lion nadam nadamw novograd "
    "radam rmsprop sgd yogi".split()
)
VECTORS = "embedding.table"  # the parameter that has the vectors of --vectors


def check(config: Config) -> None:
    """Check the name of the optimiser, before any data are read.

    Args:
        config: the flags.

    Raises:
        ValueError: if there is no such optimiser, or it decays pretrained vectors.
    """
    checks.one_of("--optimizer", config.optimizer, NAMES)
    if getattr(config, "vectors", None) and config.weight_decay:
        if config.optimizer == "novograd":
            raise ValueError(
                "--optimizer novograd with --weight-decay would also shrink the "
                "vectors of words that do not occur in any batch; use --optimizer adamw"
            )


def make(
    config: Config,
    steps: int,
    groups: LayerGroups | None = None,
    interval: int = 1,
) -> optax.GradientTransformation:
    """Return the optimiser that the flags describe.

    Args:
        config: the flags.
        steps: of the whole training run.
        groups: of the model, for ``--layer-decay`` and ``--unfreeze-every``.
        interval: batches of an epoch, for ``--unfreeze-every``.

    Returns:
        Clipping by global norm, then the optimiser. The learning rate schedule ends at
        the last step. The vectors of ``--vectors`` have no weight decay, which would
        shrink those that no batch has.
    """
    rate = config.learning_rate
    schedules: dict[str, Callable[[], Any]] = {
        "constant": lambda: rate,
        "linear": lambda: optax.linear_schedule(rate, 0.0, steps),
        "cosine": lambda: optax.cosine_decay_schedule(rate, steps),
        "slanted": lambda: slanted(rate, steps),
    }
    schedule = schedules[config.schedule]()
    clip = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    if groups is None or config.unfreeze_every is None:
        parts = [*clip, *_optimizer(config, schedule)]
    else:
        # The schedule counts the steps of the run, the optimiser those of a group.
        one = optax.chain(*_optimizer(config, 1.0))
        every = config.unfreeze_every * interval
        parts = [
            unfreezing.gradual(optax.chain(*clip), one, groups, every),
            optax.scale_by_learning_rate(schedule, flip_sign=False),
        ]
    if groups is not None and config.layer_decay != 1:
        parts.append(layer_rates.scale_by_depth(config.layer_decay, groups))
    return optax.chain(*parts)


def _optimizer(config: Config, rate: Any) -> list[optax.GradientTransformation]:
    """Return weight decay, unless the optimiser has its own, and the optimiser."""
    build = getattr(optax, config.optimizer)
    options: dict[str, Any] = {}
    names = inspect.signature(build).parameters
    has_vectors = getattr(config, "vectors", None) is not None
    mask = _without_vectors if has_vectors else None
    if "weight_decay" in names:
        options["weight_decay"] = config.weight_decay
        options |= {n: mask for n in ("mask", "weight_decay_mask") if n in names}
        return [build(rate, **options)]
    decay = config.weight_decay
    decays = [optax.add_decayed_weights(decay, mask)] if decay else []
    return [*decays, build(rate)]


def _without_vectors(params: Params) -> Params:
    """Return a tree of bools: False for the parameter that has the vectors."""
    names = {name: name != VECTORS for name in dotted(params)}
    return unflatten_dict(names, sep=".")


def slanted(
    rate: float, steps: int, *, cut_fraction: float = 0.1, ratio: float = 32.0
) -> optax.Schedule:
    """Return slanted triangular learning rates: a short linear rise, a long decay.

    With the step t, and ``cut = floor(steps * cut_fraction)`` steps of the rise::

        p    = t / cut                                  t < cut
        p    = 1 - (t - cut) / (steps - cut)            afterwards
        rate = rate * (1 + p (ratio - 1)) / ratio

    Source: Howard and Ruder 2018, arXiv:1801.06146. Their decay divides by ``cut *
    (1 / cut_fraction - 1)``, which is the same where `steps` is a multiple of ``1 /
    cut_fraction``, and beyond it lowers the rate below zero before the end.

    Args:
        rate: the highest learning rate.
        steps: of the training run.
        cut_fraction: the part of the steps in which the rate rises.
        ratio: of the highest rate to the first and to the last one.
    """
    cut = max(1, int(steps * cut_fraction))
    rise = optax.linear_schedule(rate / ratio, rate, cut)
    decay = optax.linear_schedule(rate, rate / ratio, max(1, steps - cut))
    return optax.join_schedules([rise, decay], [cut])
