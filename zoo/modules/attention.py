"""Attention of a query over a memory."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.engine.broadcast import align
from zoo.modules.pooling import attention_weights
from zoo.stochastic import check_rngs
from zoo.types import Array, ArrayLike

KINDS = ("additive", "dot", "general")


class Memory(NamedTuple):
    """The memory that a decoder attends to, the same at every step.

    Attributes:
        values: ``[B, S, M]``, zero at padding.
        keys: ``[B, S, A]``, the projected values that queries are compared with.
        mask: bool ``[B, S]``, True = a real token.
    """

    values: Array
    keys: Array
    mask: Array


class Attention(nnx.Module):
    """Attention: the mean of a memory, weighted by similarity to a query.

    ::

        additive    e_s = v . tanh(q W + m_s U + b)     Bahdanau 2014, arXiv:1409.0473
        dot         e_s = q . m_s                       Luong 2015, arXiv:1508.04025
        general     e_s = q W . m_s                     Luong 2015, arXiv:1508.04025

        a = softmax_s(e)        context = sum_s a_s m_s

    `remember` precomputes all that does not depend on the query. A call then computes
    one step of a decoder or all steps. Padding of the memory has weight zero and may
    hold anything, NaN included; a row of padding alone returns zeros. With `additive`,
    a call for all steps allocates an array ``[B, T, S, A]``.

    Example::

        attention = Attention("additive", 32, 64, rngs=nnx.Rngs(0))
        memory = attention.remember(encoder_outputs, mask)      # [B, S, 64]
        context, weights = attention(decoder_state, memory)     # [B, 64], [B, S]
    """

    def __init__(
        self,
        kind: str,
        query_size: int,
        memory_size: int,
        *,
        size: int | None = None,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Choose the score function and initialise its parameters.

        Args:
            kind: ``"additive"``, ``"dot"`` or ``"general"``.
            query_size: Q.
            memory_size: M; ``"dot"`` needs M = Q.
            size: A of ``"additive"``, by default Q.
            param_dtype: of the parameters.
            rngs: random keys for the initialisation.

        Raises:
            ValueError: if `kind` is unknown, or a size is invalid for it.
            TypeError: if `rngs` is not ``nnx.Rngs``.
        """
        check_rngs(rngs)
        self.kind = checks.one_of("kind", kind, KINDS)
        self.query_size = checks.positive("query_size", query_size)
        self.memory_size = checks.positive("memory_size", memory_size)
        if size is not None and kind != "additive":
            raise ValueError(f'size is for kind="additive", got kind={kind!r}')
        if kind == "dot" and query_size != memory_size:
            raise ValueError(
                'kind="dot" needs query_size = memory_size, got '
                f"{query_size} and {memory_size}"
            )

        def matrix(*shape: int) -> Array:
            return initializers.glorot(rngs.params(), shape, param_dtype)

        if kind == "additive":
            A = checks.positive("size", query_size if size is None else size)
            self.W = nnx.Param(matrix(query_size, A))
            self.U = nnx.Param(matrix(memory_size, A))
            self.b = nnx.Param(jnp.zeros(A, param_dtype))
            self.v = nnx.Param(matrix(A, 1)[:, 0])
        elif kind == "general":
            self.W = nnx.Param(matrix(query_size, memory_size))

    def remember(self, values: Array, mask: ArrayLike | None = None) -> Memory:
        """Precompute the memory from the outputs of an encoder.

        Args:
            values: ``[B, S, M]``.
            mask: bool ``[B, S]``, True = a real token; by default all are.

        Raises:
            ValueError: if a shape is wrong.
            TypeError: if `mask` is not bool.
        """
        if values.ndim != 3 or values.shape[-1] != self.memory_size:
            raise ValueError(
                f"values must have shape [B, S, M] with M = {self.memory_size}, got "
                f"{values.shape}"
            )
        if mask is None:
            mask = jnp.ones(values.shape[:2], bool)
        checks.mask("mask", mask, values.shape[:2], "[B, S]")
        mask = jnp.asarray(mask)
        # Zero padding before any product: 0 * NaN is NaN, in outputs and gradients.
        values = jnp.where(mask[..., None], values, jnp.zeros((), values.dtype))
        if self.kind == "additive":
            U, b = (param[...].astype(values.dtype) for param in (self.U, self.b))
            keys = values @ U
            keys += align(b, keys)
        elif self.kind == "general":
            keys = values @ self.W[...].astype(values.dtype).T
        else:
            keys = values
        return Memory(values, keys, mask)

    def __call__(self, query: Array, memory: Memory) -> tuple[Array, Array]:
        """Attend to a memory.

        Args:
            query: ``[B, Q]``, or ``[B, T, Q]`` for several steps.
            memory: from `remember`.

        Returns:
            The context ``[B, M]`` or ``[B, T, M]``, and the weights ``[B, S]`` or
            ``[B, T, S]``, float32 or wider. Weights sum to one over S, or are zero for
            a row without memory.

        Raises:
            ValueError: if a shape is wrong.
        """
        B = memory.values.shape[0]
        fits = query.shape[:1] == (B,) and query.shape[-1] == self.query_size
        if query.ndim not in (2, 3) or not fits:
            raise ValueError(
                f"query must have shape [B, Q] or [B, T, Q] with B = {B} and Q = "
                f"{self.query_size}, got {query.shape}"
            )
        dtype = memory.values.dtype
        query = query.astype(dtype)
        exact = jnp.float64 if dtype == jnp.float64 else jnp.float32
        if self.kind == "additive":
            W, v = (param[...].astype(dtype) for param in (self.W, self.v))
            keys = memory.keys if query.ndim == 2 else memory.keys[:, None]
            hidden = jnp.tanh((query @ W)[..., None, :] + keys)
            logits = jnp.matmul(hidden, v, preferred_element_type=exact)
        else:
            logits = jnp.einsum(
                "b...a,bsa->b...s", query, memory.keys, preferred_element_type=exact
            )
        weights = attention_weights(logits, memory.mask)
        context = jnp.einsum("b...s,bsm->b...m", weights.astype(dtype), memory.values)
        return context, weights
