"""Optax optimisers and learning rate schedules by name."""

import inspect
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import jax
import optax

from zoo import checks
from zoo.tasks.configs.base import Config

NAMES = tuple(
    "adabelief adadelta adagrad adam adamax adamw lamb lion nadam nadamw novograd "
    "radam rmsprop sgd yogi".split()
)


def check(config: Config) -> None:
    """Check the name of the optimiser, before any data are read.

    Args:
        config: the flags.

    Raises:
        ValueError: if there is no such optimiser.
    """
    checks.one_of("--optimizer", config.optimizer, NAMES)


def make(config: Config, steps: int) -> optax.GradientTransformation:
    """Return the optimiser that the flags describe.

    Args:
        config: the flags.
        steps: of the whole training run.

    Returns:
        Clipping by global norm, then the optimiser. The learning rate schedule ends at
        the last step.
    """
    rate = config.learning_rate
    schedules: dict[str, Callable[[], Any]] = {
        "constant": lambda: rate,
        "linear": lambda: optax.linear_schedule(rate, 0.0, steps),
        "cosine": lambda: optax.cosine_decay_schedule(rate, steps),
    }
    build = getattr(optax, config.optimizer)
    parts = []
    if config.clip_norm:
        parts.append(optax.clip_by_global_norm(config.clip_norm))
    options: dict[str, Any] = {}
    if "weight_decay" in inspect.signature(build).parameters:
        options["weight_decay"] = config.weight_decay
    elif config.weight_decay:
        parts.append(optax.add_decayed_weights(config.weight_decay))
    return optax.chain(*parts, build(schedules[config.schedule](), **options))


def freeze(
    tx: optax.GradientTransformation, patterns: Sequence[str]
) -> optax.GradientTransformation:
    """Return an optimiser that leaves parameters out: no moments, no weight decay.

    The gradient of these must be zero, because it is their update.

    Args:
        tx: the optimiser of the others.
        patterns: globs of the names that are left out, as ``embedding.table``.
    """
    if not patterns:
        return tx

    def is_trained(path: Any, _: Any) -> bool:
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        return not any(fnmatchcase(name, pattern) for pattern in patterns)

    return optax.masked(tx, lambda tree: jax.tree.map_with_path(is_trained, tree))
