"""Optax optimisers and learning rate schedules by name."""

import inspect
from collections.abc import Callable
from typing import Any

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
