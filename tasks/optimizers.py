"""The optimisers and schedules of optax by name."""

import inspect
from collections.abc import Callable
from typing import Any

import optax

from tasks.base import Config
from zoo import checks

NAMES = tuple(
    "adabelief adadelta adagrad adam adamax adamw adan lamb lion nadam nadamw noisy_sgd "
    "novograd optimistic_adam radam rmsprop sgd sm3 yogi".split()
)


def check(config: Config) -> None:
    """Check the flags of the optimiser, before any data are read.

    Args:
        config: the flags.

    Raises:
        ValueError: naming the flag that is out of its range.
    """
    checks.one_of("--optimizer", config.optimizer, NAMES)
    for name in ("batch_size", "epochs"):
        checks.positive("--" + name.replace("_", "-"), getattr(config, name))
    for name in ("learning_rate", "clip_norm", "weight_decay", "checkpoint_seconds"):
        if not getattr(config, name) >= 0:
            flag = name.replace("_", "-")
            raise ValueError(f"--{flag} must be 0 or more, got {getattr(config, name)}")


def make(config: Config, steps: int) -> optax.GradientTransformation:
    """Return the optimiser that the flags tell of.

    Args:
        config: the flags.
        steps: of the whole training.

    Returns:
        Clipping of the global norm, then the optimiser; the learning rate follows the
        schedule down to zero at the last step.
    """
    rate = config.learning_rate
    schedules: dict[str, Callable[[], Any]] = {
        "constant": lambda: rate,
        "linear": lambda: optax.linear_schedule(rate, 0.0, steps),
        "cosine": lambda: optax.cosine_decay_schedule(rate, steps),
    }
    build = getattr(optax, config.optimizer)
    options: dict[str, Any] = {}
    decay = []
    if "weight_decay" in inspect.signature(build).parameters:
        options["weight_decay"] = config.weight_decay
    elif config.weight_decay:
        schedule = schedules[config.schedule]()
        follow = schedule if callable(schedule) else (lambda _: rate)
        decay = [
            optax.add_decayed_weights(config.weight_decay),
        ]
        # Decoupled: the decay is scaled by the learning rate alone, as in adamw.
        core = build(1.0, **options)
        chained = [
            core,
            optax.scale(-1.0),
            *decay,
            optax.scale_by_learning_rate(follow),
        ]
        return _clipped(config, optax.chain(*chained))
    return _clipped(config, build(schedules[config.schedule](), **options))


def _clipped(
    config: Config, tx: optax.GradientTransformation
) -> optax.GradientTransformation:
    if not config.clip_norm:
        return tx
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), tx)
