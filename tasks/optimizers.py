"""Optax optimisers and learning rate schedules by name."""

import inspect
from collections.abc import Callable
from typing import Any

import optax

from tasks.base import Config
from zoo import checks

NAMES = tuple(
    "adabelief adadelta adagrad adam adamax adamw lamb lion nadam nadamw novograd "
    "radam rmsprop sgd yogi".split()
)


def check(config: Config) -> None:
    """Check the flags of the optimiser, before any data are read.

    Args:
        config: the flags.

    Raises:
        ValueError: if a flag is out of its range; the message names it.
    """
    checks.one_of("--optimizer", config.optimizer, NAMES)
    for name in ("batch_size", "epochs", "max_length", "limit_train"):
        value = getattr(config, name)
        if value is not None:
            checks.positive("--" + name.replace("_", "-"), value)
    for name in ("learning_rate", "clip_norm", "weight_decay", "checkpoint_seconds"):
        if not getattr(config, name) >= 0:
            flag = name.replace("_", "-")
            raise ValueError(f"--{flag} must be 0 or more, got {getattr(config, name)}")
    checks.rate("--ema", config.ema)


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
