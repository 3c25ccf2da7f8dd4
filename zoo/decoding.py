"""From scores to the next token."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from zoo import checks
from zoo.types import Array, Key


def sampler(
    *, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Callable[[Key, Array], Array]:
    """Make a function that draws tokens: ``draw(key, logits[B, V]) -> int32 [B]``.

    ``p = softmax(logits / temperature)``, cut to the `top_k` likeliest and then to the
    smallest set of the likeliest that has `top_p` of the probability (nucleus sampling,
    Holtzman et al. 2019, arXiv:1904.09751).

    Args:
        temperature: 0 takes the likeliest token.
        top_k: how many tokens may be drawn; None means all.
        top_p: the probability of those that may be drawn, in (0, 1]; None means all.

    Raises:
        ValueError: if an argument is out of its range.
    """
    if not temperature >= 0.0:
        raise ValueError(f"temperature must be 0 or more, got {temperature!r}")
    if top_k is not None:
        checks.positive("top_k", top_k)
    if top_p is not None and not 0.0 < top_p <= 1.0:
        raise ValueError(f"top_p must lie in (0, 1], got {top_p!r}")

    @jax.jit
    def draw(key: Key, logits: Array) -> Array:
        if temperature == 0.0:
            return jnp.argmax(logits, axis=-1).astype(jnp.int32)
        logits = restrict(logits / temperature, top_k=top_k, top_p=top_p)
        return jax.random.categorical(key, logits).astype(jnp.int32)

    return draw


def restrict(
    logits: Array, *, top_k: int | None = None, top_p: float | None = None
) -> Array:
    """Give all but the likeliest tokens the score -inf.

    Args:
        logits: ``[..., V]``.
        top_k: how many stay (more where scores are equal); None means all.
        top_p: the smallest set with this probability stays; None means all.

    Returns:
        An array like `logits`.
    """
    lowest = jnp.asarray(-jnp.inf, logits.dtype)
    if top_k is not None and top_k < logits.shape[-1]:
        least = jax.lax.top_k(logits, top_k)[0][..., -1:]
        logits = jnp.where(logits >= least, logits, lowest)
    if top_p is not None and top_p < 1.0:
        ranked = -jnp.sort(-logits, axis=-1)
        p = jax.nn.softmax(ranked)
        # A token stays if those before it have not yet reached top_p: the first always.
        inside = jnp.cumsum(p, axis=-1) - p < top_p
        least = jnp.where(inside, ranked, -lowest).min(axis=-1, keepdims=True)
        logits = jnp.where(logits >= least, logits, lowest)
    return logits
