"""From logits to the next token: argmax and sampling."""

from collections.abc import Callable
from functools import lru_cache

import jax
import jax.numpy as jnp

from zoo import checks
from zoo.engine.platform import platform
from zoo.types import Array, Key


def sampler(
    *, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Callable[[Key, Array], Array]:
    """Return a function that samples tokens: ``draw(key, logits[B, V]) -> int32 [B]``.

    ``p = softmax(logits / temperature)``, restricted to the `top_k` most likely tokens
    and then to the smallest set of most likely tokens with probability `top_p` (nucleus
    sampling, Holtzman et al. 2019, arXiv:1904.09751). A token with logit -inf is never
    drawn if another one has a finite logit.

    Args:
        temperature: 0 takes the most likely token; ``float("inf")`` draws uniformly.
        top_k: size of the first restriction; None for no restriction.
        top_p: probability of the second, in (0, 1]; None for no restriction.

    Raises:
        ValueError: if an argument is out of its range.
    """
    if not temperature >= 0.0:
        raise ValueError(f"temperature must be 0 or more, got {temperature!r}")
    if top_k is not None:
        checks.positive("top_k", top_k)
    if top_p is not None and not 0.0 < top_p <= 1.0:
        raise ValueError(f"top_p must lie in (0, 1], got {top_p!r}")

    return _sampler(temperature, top_k, top_p)


@lru_cache(maxsize=64)
def _sampler(
    temperature: float, top_k: int | None, top_p: float | None
) -> Callable[[Key, Array], Array]:
    """Return one function for equal options, so that its programs compile once."""

    @jax.jit
    def draw(key: Key, logits: Array) -> Array:
        if temperature == 0.0:
            return argmax(logits)
        logits = restrict(logits, top_k=top_k)
        logits = restrict(_scaled(logits, temperature), top_p=top_p)
        return jax.random.categorical(key, logits).astype(jnp.int32)

    return draw


def _scaled(logits: Array, temperature: float) -> Array:
    """Return logits divided by a temperature above 0, which may be infinite."""
    # The largest becomes 0: no temperature makes it overflow.
    shifted = logits - logits.max(axis=-1, keepdims=True)
    temperature = max(float(temperature), float(jnp.finfo(logits.dtype).tiny))
    lowest = jnp.asarray(-jnp.inf, logits.dtype)
    scaled = shifted * (1.0 / temperature)
    return jnp.where(logits > lowest, scaled, lowest)


def argmax(scores: Array) -> Array:
    """Return the index of the largest score, the first of equal ones.

    Args:
        scores: ``[..., K]``. The result for a row with NaN is arbitrary.

    Returns:
        int32 ``[...]``, from 0 to K - 1.
    """
    K = scores.shape[-1]
    if platform() != "cpu":
        return jnp.argmax(scores, axis=-1).astype(jnp.int32)
    # On CPUs XLA does not vectorise its argmax, but it does vectorise these operations.
    is_less = scores < scores.max(axis=-1, keepdims=True)
    return jnp.where(is_less, K, jnp.arange(K, dtype=jnp.int32)).min(axis=-1)


def restrict(
    logits: Array, *, top_k: int | None = None, top_p: float | None = None
) -> Array:
    """Set the logits of all but the most likely tokens to -inf.

    Args:
        logits: ``[..., V]``.
        top_k: number of tokens to keep (more where logits are equal); None for all.
        top_p: probability of the smallest set to keep; None for all.

    Returns:
        An array like `logits`.
    """
    lowest = jnp.asarray(-jnp.inf, logits.dtype)
    if top_k is not None and top_k < logits.shape[-1]:
        threshold = jax.lax.top_k(logits, top_k)[0][..., -1:]
        logits = jnp.where(logits >= threshold, logits, lowest)
    if top_p is not None and top_p < 1.0:
        ranked = -jnp.sort(-logits, axis=-1)
        p = jax.nn.softmax(ranked)
        # Keep a token if those before it have not reached top_p.
        inside = jnp.cumsum(p, axis=-1) - p < top_p
        inside = inside.at[..., 0].set(True)  # top_p may round to 0
        threshold = jnp.where(inside, ranked, -lowest).min(axis=-1, keepdims=True)
        logits = jnp.where(logits >= threshold, logits, lowest)
    return logits
