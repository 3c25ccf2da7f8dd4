"""Pooling over time: from the outputs of all steps to one vector per row.

Every function takes y ``[B, T, H]`` and ``mask`` (bool ``[B, T]``, True = a real token;
None if all are) and ignores padding. A row without tokens returns zeros and has finite
gradients.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.engine.broadcast import align
from zoo.stochastic import check_rngs
from zoo.types import Array, ArrayLike

KINDS = ("last", "first_last", "mean", "max", "attention", "concat")


def last(y: Array, mask: ArrayLike | None = None) -> Array:
    """Return the output at the last real token.

    Args:
        y: outputs ``[B, T, H]``.
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        ``[B, H]``. For a bidirectional layer use `first_last`: at the last token, its
        backward half has read only that token.
    """
    return _pick(y, mask, from_end=True)


def first_last(y: Array, mask: ArrayLike | None = None) -> Array:
    """Return the final output of each direction of a bidirectional layer.

    The forward half has read the whole sequence at the last real token, the backward
    half at the first.

    Args:
        y: outputs ``[B, T, 2*H]``, the forward half first (``merge="concat"``), or
            ``[B, T, 2, H]`` (``merge="stack"``).
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        ``[B, 2*H]``.

    Raises:
        ValueError: if the last axis of y is odd.
    """
    if y.ndim == 4:
        forward, backward = y[:, :, 0], y[:, :, 1]
    elif y.shape[-1] % 2:
        raise ValueError(f"y must have shape [B, T, 2*H], got {y.shape}")
    else:
        forward, backward = jnp.split(y, 2, axis=-1)
    ends = _pick(forward, mask, from_end=True), _pick(backward, mask, from_end=False)
    return jnp.concatenate(ends, axis=-1)


def mean(y: Array, mask: ArrayLike | None = None) -> Array:
    """Return the mean of the outputs at real tokens.

    Args:
        y: outputs ``[B, T, H]``.
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        ``[B, H]``.
    """
    mask = _mask(y, mask)
    count = jnp.maximum(mask.sum(axis=1), 1).astype(y.dtype)
    return _zeroed(y, mask).sum(axis=1) / count[:, None]


def max(y: Array, mask: ArrayLike | None = None) -> Array:
    """Return the maximum of each unit over the real tokens.

    Args:
        y: outputs ``[B, T, H]``.
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        ``[B, H]``.
    """
    mask = _mask(y, mask)
    lowest = jnp.asarray(-jnp.inf, y.dtype)
    highest = jnp.where(mask[..., None], y, lowest).max(axis=1)
    return jnp.where(mask.any(axis=1)[:, None], highest, jnp.zeros((), y.dtype))


def concat(y: Array, mask: ArrayLike | None = None) -> Array:
    """Concatenate the outputs of all steps, for sequences of one fixed length.

    Args:
        y: outputs ``[B, T, H]``.
        mask: bool ``[B, T]``, True = a real token; padding counts as zero.

    Returns:
        ``[B, T*H]``.
    """
    return _zeroed(y, _mask(y, mask)).reshape(y.shape[0], -1)


def attention_weights(logits: Array, mask: ArrayLike | None = None) -> Array:
    """Return the softmax over real tokens.

    Args:
        logits: ``[B, T]``, or ``[B, ..., T]`` with several for each row.
        mask: bool ``[B, T]``, True = a real token.

    Returns:
        An array like `logits` that sums to one over its last axis; zeros in a row
        without tokens.
    """
    mask = _mask(jnp.moveaxis(logits, -1, 1), mask)
    mask = jnp.expand_dims(mask, range(1, logits.ndim - 1))
    # The lowest finite number: with -inf, the softmax of a row without tokens is NaN.
    lowest = jnp.asarray(jnp.finfo(logits.dtype).min, logits.dtype)
    weights = jax.nn.softmax(jnp.where(mask, logits, lowest), axis=-1)
    return jnp.where(mask, weights, jnp.zeros((), weights.dtype))


class Pooling(nnx.Module):
    """A pooling as a module, chosen by name.

    ``"attention"`` learns weights ``a = softmax_t(v . tanh(y_t W + b))`` of the tokens
    and returns ``sum_t a_t y_t``. Source: Yang et al. 2016, "Hierarchical attention
    networks".

    Example::

        pooling = Pooling("max", 200, rngs=nnx.Rngs(0))
        vector = pooling(y, mask)       # [B, T, 200] -> [B, 200]
    """

    def __init__(
        self,
        kind: str,
        input_size: int,
        *,
        length: int | None = None,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Choose the pooling and initialise its parameters.

        Args:
            kind: ``"last"``, ``"first_last"`` (for a bidirectional layer),
                ``"mean"``, ``"max"``, ``"attention"`` or ``"concat"``.
            input_size: H of y ``[B, T, H]``.
            length: T, for ``"concat"`` only, whose output size is T*H.
            param_dtype: of the parameters of ``"attention"``.
            rngs: random keys for the initialisation.

        Raises:
            ValueError: if `kind` is unknown, or `length` does not match it.
            TypeError: if `rngs` is not ``nnx.Rngs``.
        """
        check_rngs(rngs)
        self.kind = checks.one_of("kind", kind, KINDS)
        self.input_size = checks.positive("input_size", input_size)
        if (kind == "concat") != (length is not None):
            raise ValueError(
                f'length is for kind="concat", got length={length!r} with kind={kind!r}'
            )
        self.length = None if length is None else checks.positive("length", length)
        if kind == "attention":
            shape = (input_size, input_size)
            self.W = nnx.Param(initializers.glorot(rngs.params(), shape, param_dtype))
            self.b = nnx.Param(jnp.zeros(input_size, param_dtype))
            v = initializers.glorot(rngs.params(), (input_size, 1), param_dtype)
            self.v = nnx.Param(v[:, 0])

    @property
    def output_size(self) -> int:
        """The size of the pooled vector."""
        return self.input_size * (self.length or 1)

    def weights(self, y: Array, mask: ArrayLike | None = None) -> Array:
        """Return the weight of each token, for ``kind="attention"``.

        Args:
            y: outputs ``[B, T, H]``.
            mask: bool ``[B, T]``, True = a real token.

        Returns:
            ``[B, T]``.

        Raises:
            ValueError: if `kind` is not "attention".
        """
        return attention_weights(self._scores(y, mask), mask)

    def _scores(self, y: Array, mask: ArrayLike | None) -> Array:
        """Return the scores ``[B, T]`` whose softmax are the weights."""
        if self.kind != "attention":
            raise ValueError(f'weights are of kind="attention", this is {self.kind!r}')
        W, b, v = (param[...].astype(y.dtype) for param in (self.W, self.b, self.v))
        y = _zeroed(y, _mask(y, mask))
        scores = y @ W
        return jnp.tanh(scores + align(b, scores)) @ v

    def __call__(self, y: Array, mask: ArrayLike | None = None) -> Array:
        """Pool over time.

        Args:
            y: outputs ``[B, T, H]``.
            mask: bool ``[B, T]``, True = a real token.

        Returns:
            ``[B, output_size]``.

        Raises:
            ValueError: if a shape is wrong.
        """
        if self.length is not None:
            checks.shape(
                "y", y, (y.shape[0], self.length, self.input_size), "[B, T, H]"
            )
        elif y.ndim != 3 or y.shape[-1] != self.input_size:
            raise ValueError(
                f"y must have shape [B, T, H] with H = {self.input_size}, got {y.shape}"
            )
        if self.kind == "attention":
            weights = self.weights(y, mask)
            return (weights[..., None] * _zeroed(y, _mask(y, mask))).sum(axis=1)
        functions = {
            "last": last,
            "first_last": first_last,
            "mean": mean,
            "max": max,
            "concat": concat,
        }
        return functions[self.kind](y, mask)

    def chunk(self, y: Array, mask: ArrayLike | None = None) -> tuple[Array, Array]:
        """Pool a chunk of a sequence, for `combine`.

        Args:
            y: outputs ``[B, T, H]``.
            mask: bool ``[B, T]``, True = a real token.

        Returns:
            The pooled vector ``[B, H]``, and the logarithm of its weight ``[B]``.
        """
        mask = _mask(y, mask)
        scores = jnp.zeros(mask.shape, y.dtype)
        if self.kind == "attention":
            scores = self._scores(y, mask)
        return self(y, mask), jax.nn.logsumexp(scores, axis=1, where=mask)

    def combine(self, pooled: Array, weights: Array, mask: ArrayLike) -> Array:
        """Pool a sequence from its chunks.

        Args:
            pooled: the vectors that `chunk` returned, ``[B, C, H]``.
            weights: the logarithms of their weights, ``[B, C]``.
            mask: bool ``[B, C]``, True = a chunk with a real token.

        Returns:
            ``[B, output_size]``, as of the whole sequence.
        """
        if self.kind in ("mean", "attention"):
            shares = attention_weights(weights, mask)
            return (shares[..., None] * pooled).sum(axis=1)
        return self(pooled, mask)


def _mask(y: Array, mask: ArrayLike | None) -> Array:
    """Return the mask as an array, all True by default."""
    if mask is None:
        return jnp.ones(y.shape[:2], bool)
    checks.mask("mask", mask, y.shape[:2], "[B, T]")
    return jnp.asarray(mask)


def _zeroed(y: Array, mask: Array) -> Array:
    """Return y with zeros at padding."""
    return jnp.where(mask[..., None], y, jnp.zeros((), y.dtype))


def _pick(y: Array, mask: ArrayLike | None, *, from_end: bool) -> Array:
    """Return the output at the last or at the first real token."""
    mask = _mask(y, mask)
    T = y.shape[1]
    index = T - 1 - mask[:, ::-1].argmax(axis=1) if from_end else mask.argmax(axis=1)
    picked = jnp.take_along_axis(_zeroed(y, mask), index[:, None, None], axis=1)
    return picked[:, 0]
