"""The output layer over a vocabulary, with tied embeddings as an option."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers
from zoo.engine.varying import vary_alike
from zoo.modules.dense import affine
from zoo.modules.embedding import Embedding
from zoo.types import Array, ArrayLike

LARGE = 1 << 26  # logits, 268 MB in float32, that `Output.reduce` does not store
CHUNK = 1 << 23  # logits that it computes at a time


class Output(nnx.Module):
    """Logits of all tokens: ``logits = y W + b``.

    With tied embeddings W is the transposed embedding table (Press and Wolf 2016,
    arXiv:1608.05859). A call receives the embedding, because only one module can own
    its parameters.
    """

    def __init__(
        self,
        input_size: int,
        embedding: Embedding,
        *,
        tied: bool,
        num_outputs: int | None = None,
        rngs: nnx.Rngs,
    ):
        """Initialise W ``[H, V]``, Glorot-uniform, unless tied; b is zero.

        Args:
            input_size: H.
            embedding: of the same vocabulary; defines the sizes.
            tied: use the embedding table as W.
            num_outputs: V, of the first tokens of the vocabulary; by default all.
            rngs: random keys for the initialisation.

        Raises:
            ValueError: if `tied` and the sizes differ, or `num_outputs` is larger than
                the vocabulary.
        """
        V = embedding.num_embeddings
        if num_outputs is not None:
            if checks.positive("num_outputs", num_outputs) > V:
                raise ValueError(
                    f"num_outputs must be at most {V}, the size of the vocabulary, got "
                    f"{num_outputs}"
                )
            V = num_outputs
        if tied and input_size != embedding.embedding_dim:
            raise ValueError(
                f"tied needs embedding_dim = {input_size}, the size of the layers' "
                f"output, got {embedding.embedding_dim}"
            )
        if tied:
            self.W = None
        else:
            self.W = nnx.Param(
                initializers.glorot(rngs.params(), (input_size, V), jnp.float32)
            )
        self.b = nnx.Param(jnp.zeros(V))

    @property
    def output_size(self) -> int:
        """V."""
        return self.b.shape[0]

    def __call__(self, y: Array, embedding: Embedding) -> Array:
        """Compute the logits.

        Args:
            y: ``[..., H]``.
            embedding: the one of the constructor.

        Returns:
            logits ``[..., V]``, float32 or wider.
        """
        return affine(y, *self._parameters(embedding))

    def _parameters(self, embedding: Embedding) -> tuple[Array, Array]:
        """Return the matrix and the bias."""
        if self.W is not None:
            return self.W[...], self.b[...]
        return embedding.table[: self.output_size].T, self.b[...]

    def is_large(self, B: int, T: int) -> bool:
        """Return whether `reduce` computes the logits ``[B, T, V]`` in chunks."""
        return B * T * self.output_size > LARGE

    def reduce(
        self,
        function: Callable[..., Any],
        y: Array,
        embedding: Embedding,
        *arrays: ArrayLike,
    ) -> Any:
        """Return ``function(logits, *arrays)`` without storing large logits.

        The logits of a large vocabulary need more memory than all layers. They are
        computed for some steps at a time, and again in the backward pass; small logits
        in one product.

        Args:
            function: from logits ``[B, t, V]`` and arrays ``[B, t, ...]`` of t steps to
                a pytree of arrays ``[B, t, ...]``; a step must not depend on another.
            y: ``[B, T, H]``.
            embedding: the one of the constructor.
            *arrays: ``[B, T, ...]``.

        Returns:
            The pytree of arrays ``[B, T, ...]``.
        """
        B, T = y.shape[:2]
        if not self.is_large(B, T):
            return function(self(y, embedding), *arrays)
        parameters, y, arrays = vary_alike(self._parameters(embedding), y, arrays)
        steps = max(1, CHUNK // (B * self.output_size))
        num_chunks = -(-T // steps)

        def split(a: ArrayLike) -> Array:
            padding = [(0, 0), (0, num_chunks * steps - T)]
            a = jnp.pad(a, padding + [(0, 0)] * (jnp.ndim(a) - 2))
            return jnp.moveaxis(a.reshape(B, num_chunks, steps, *a.shape[2:]), 1, 0)

        def join(a: Array) -> Array:
            a = jnp.moveaxis(a, 0, 1)
            return a.reshape(B, num_chunks * steps, *a.shape[3:])[:, :T]

        def chunk(parts: tuple[Array, ...]) -> Any:
            return function(affine(parts[0], *parameters), *parts[1:])

        # The loop keeps XLA from sharing the logits of both passes by itself.
        chunk = jax.checkpoint(chunk, prevent_cse=False)
        return jax.tree.map(join, jax.lax.map(chunk, tuple(map(split, (y, *arrays)))))
