"""One label for a whole sequence."""

from typing import Any

import jax
from flax import nnx

from zoo import checks, regularizers
from zoo.models.stack import stack
from zoo.modules.dense import Linear
from zoo.modules.embedding import Embedding
from zoo.modules.pooling import Pooling
from zoo.types import Array, ArrayLike, Key


class Classifier(nnx.Module):
    """Embedding, recurrent layers, pooling over time, and a score for each label.

    ``logits = pool_t(layers(E[w_1 ... w_T])) W + b``, with dropout on the embeddings,
    between the layers and on the pooled vector.
    """

    def __init__(
        self,
        vocab_size: int,
        num_labels: int,
        *,
        embedding_dim: int = 100,
        cell: str = "lstm",
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        pooling: str = "max",
        length: int | None = None,
        dropout: float = 0.5,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the parts.

        Args:
            vocab_size: V; token 0 is padding.
            num_labels: K.
            embedding_dim: size of a token's vector.
            cell: one of ``zoo.cells()``.
            hidden_size: H of each layer and direction.
            num_layers: how many layers.
            bidirectional: read in both directions.
            pooling: one of ``zoo.pooling.KINDS``.
            length: the fixed T of ``pooling="concat"``.
            dropout: rate of dropout in all three places.
            rngs: keys of the initialisation.
            **options: as for `zoo.make`.

        Raises:
            ValueError: if an argument is out of its range.
        """
        checks.positive("num_labels", num_labels)
        self.dropout = checks.rate("dropout", dropout)
        self.embedding = Embedding(vocab_size, embedding_dim, padding_idx=0, rngs=rngs)
        self.layers = stack(
            cell,
            embedding_dim,
            hidden_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            rngs=rngs,
            **options,
        )
        self.pooling = Pooling(
            pooling, self.layers.output_size, length=length, rngs=rngs
        )
        self.output = Linear(self.pooling.output_size, num_labels, rngs=rngs)

    def __call__(
        self, words: ArrayLike, mask: ArrayLike, *, key: Key | None = None
    ) -> Array:
        """Score the labels of each row.

        Args:
            words: ints ``[B, T]``.
            mask: bool ``[B, T]``, True = a real token.
            key: draws the dropout of training; None means evaluation.

        Returns:
            logits ``[B, K]``.

        Raises:
            ValueError: if a shape is not as told.
            TypeError: if `words` are not ints, or `mask` is not bool.
        """
        of_input, of_layers, of_output = regularizers.split(key, 3)
        x = self.embedding(words, mask)
        x = regularizers.dropout(of_input, x, self.dropout)
        _, y = self.layers(x, mask, key=of_layers)
        pooled = self.pooling(y, mask)
        return self.output(regularizers.dropout(of_output, pooled, self.dropout))

    def contributions(self, words: ArrayLike, mask: ArrayLike) -> Array:
        """Return how much each token speaks for the label that is given.

        The gradient of the best label's score times the input, ``x_t . d logit / d
        x_t``: the change of the score, to first order, for the token's vector against
        zeros. Source: Shrikumar et al. 2016, arXiv:1605.01713.

        Args:
            words: ints ``[B, T]``.
            mask: bool ``[B, T]``, True = a real token.

        Returns:
            ``[B, T]``, below zero where a token speaks against the label, zero at
            padding.
        """
        x = self.embedding(words, mask)

        def best(x: Array) -> Array:
            _, y = self.layers(x, mask)
            return self.output(self.pooling(y, mask)).max(axis=-1).sum()

        return (jax.grad(best)(x) * x).sum(axis=-1)

    def attention(self, words: ArrayLike, mask: ArrayLike) -> Array:
        """Return how much each token counts, for ``pooling="attention"``.

        Args:
            words: ints ``[B, T]``.
            mask: bool ``[B, T]``, True = a real token.

        Returns:
            ``[B, T]``, sums to one over the tokens of a row.

        Raises:
            ValueError: if the pooling is another.
        """
        _, y = self.layers(self.embedding(words, mask), mask)
        return self.pooling.weights(y, mask)
