"""The gradient of a batch, computed in parts one after another."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from zoo.tasks.configs.base import Config
from zoo.types import Array, Params


def check(config: Config) -> None:
    """Check that each part of a batch can have a row.

    Args:
        config: the flags.

    Raises:
        ValueError: if it cannot; the message names the flag.
    """
    if config.accumulate > config.batch_size:
        raise ValueError(
            f"--accumulate must be --batch-size {config.batch_size} or less, got "
            f"{config.accumulate}"
        )


def gradient(
    function: Callable[..., Any], params: Params, rows: Any, key: Array, parts: int
) -> tuple[Params, tuple[Array, Array, Any]]:
    """Return the gradient of the mean loss of a batch, in the memory of one part of it.

    With the parts p, their sums of losses Lₚ and numbers of terms nₚ, it is
    (Σ nₚ ∇(Lₚ / nₚ)) / Σ nₚ = ∇ Σ Lₚ / Σ nₚ.

    Every n-th row is in the same part, so that each device computes rows that it
    holds. Parts draw their own noise: dropout differs from that of the whole batch.

    Args:
        function: ``f(params, batch, state, key)``, the gradient of the mean loss of a
            part, and ``(total, count, new_state)``.
        params: the parameters.
        rows: the batch and the state, arrays ``[B, ...]``.
        key: of the noise.
        parts: n, a divisor of B.

    Returns:
        As `function`, for the whole batch.
    """
    split = jax.tree.map(
        lambda a: a.reshape(len(a) // parts, parts, *a.shape[1:]).swapaxes(0, 1), rows
    )

    def sums_of(number: Array, part: Any) -> tuple[Any, Any]:
        grads, (total, count, new) = function(
            params, *part, jax.random.fold_in(key, number)
        )
        return (jax.tree.map(lambda g: g * count, grads), total, count), new

    def add(sums: Any, part: Any) -> tuple[Any, Any]:
        more, new = sums_of(*part)
        return jax.tree.map(jnp.add, sums, more), new

    parts_of = jnp.arange(parts), split
    shapes, _ = jax.eval_shape(sums_of, *jax.tree.map(lambda a: a[0], parts_of))
    zeros = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
    (grads, total, count), new = jax.lax.scan(add, zeros, parts_of)
    grads = jax.tree.map(lambda g: g / jnp.maximum(count, 1), grads)
    new = jax.tree.map(lambda a: a.swapaxes(0, 1).reshape(-1, *a.shape[2:]), new)
    return grads, (total, count, new)
