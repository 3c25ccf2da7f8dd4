"""Optax optimisers and learning rate schedules by name."""

import inspect
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import jax
import optax

from zoo import checks
from zoo.tasks.configs.base import Config

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
                "--optimizer novograd with --weight-decay would also decay the vectors "
                "of --vectors that no batch has: use adamw"
            )


def make(config: Config, steps: int) -> optax.GradientTransformation:
    """Return the optimiser that the flags describe.

    Args:
        config: the flags.
        steps: of the whole training run.

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
    }
    build = getattr(optax, config.optimizer)
    parts = []
    if config.clip_norm:
        parts.append(optax.clip_by_global_norm(config.clip_norm))
    options: dict[str, Any] = {}
    names = inspect.signature(build).parameters
    has_vectors = getattr(config, "vectors", None) is not None
    mask = partial(_excluding, (VECTORS,)) if has_vectors else None
    if "weight_decay" in names:
        options["weight_decay"] = config.weight_decay
        options |= {n: mask for n in ("mask", "weight_decay_mask") if n in names}
    elif config.weight_decay:
        parts.append(optax.add_decayed_weights(config.weight_decay, mask))
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
    return optax.masked(tx, partial(_excluding, patterns)) if patterns else tx


def _excluding(patterns: Sequence[str], tree: Any) -> Any:
    """Return a tree of bools: False for parameters whose name matches a pattern."""

    def is_included(path: Any, _: Any) -> bool:
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        return not any(fnmatchcase(name, pattern) for pattern in patterns)

    return jax.tree.map_with_path(is_included, tree)
