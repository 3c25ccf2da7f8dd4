"""The text classifier: one label for a whole sequence."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks, regularizers
from zoo.cells import Cell
from zoo.models.stack import stack
from zoo.modules.contextual import ContextualStrings
from zoo.modules.dense import Linear
from zoo.modules.embedding import Embedding
from zoo.modules.pooling import Pooling
from zoo.stochastic import Stochastic
from zoo.types import Array, ArrayLike, Key, State


class Classifier(Stochastic):
    """Embedding, recurrent layers, pooling over time, dense output.

    ``logits = pool_t(layers(E[w_1 ... w_T])) W + b``, with dropout on the embeddings,
    between the layers and on the pooled vector. Contextual string embeddings, if there
    are any, are appended to the embeddings.

    Example::

        model = Classifier(10_000, 2, cell="gru", pooling="mean", rngs=nnx.Rngs(0))
        logits = model(words, mask)     # [B, T] -> [B, 2]
    """

    def __init__(
        self,
        vocab_size: int,
        num_labels: int,
        *,
        embedding_dim: int = 100,
        vector_dim: int | None = None,
        cell: str | type[Cell] = "lstm",
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        pooling: str = "max",
        length: int | None = None,
        dropout: float = 0.5,
        context: Sequence[Mapping[str, Any]] | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the modules and initialise their parameters.

        Args:
            vocab_size: V; token 0 is padding.
            num_labels: K.
            embedding_dim: embedding size of a token.
            vector_dim: size of the embedding's rows, if they are pretrained vectors of
                another size than `embedding_dim`: a linear map is between both.
            cell: one of ``zoo.cells()``, or the class of a cell.
            hidden_size: H of each layer and direction.
            num_layers: number of layers.
            bidirectional: read in both directions.
            pooling: one of ``zoo.pooling.KINDS``.
            length: the fixed T of ``pooling="concat"``.
            dropout: rate in all three places.
            context: options of character language models, as for
                `zoo.modules.contextual.ContextualStrings`.
            rngs: random keys for the initialisation; a stream named ``dropout`` also
                turns on training mode, see `zoo.stochastic.Stochastic`.
            **options: as for `zoo.make`.

        Raises:
            ValueError: if an argument is out of its range.
            TypeError: if an option is unknown, or `rngs` is not ``nnx.Rngs``.
        """
        checks.positive("num_labels", num_labels)
        self.dropout = checks.rate("dropout", dropout)
        self._fork_stream(rngs)
        self.embedding = Embedding(
            vocab_size,
            vector_dim or embedding_dim,
            padding_idx=0,
            projection=embedding_dim if vector_dim else None,
            rngs=rngs,
        )
        size = embedding_dim
        if context:
            self.context = ContextualStrings(context, rngs=rngs)
            size += self.context.output_size
        else:
            self.context = None
        self.layers = stack(
            self,
            cell,
            size,
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
        self,
        words: ArrayLike,
        mask: ArrayLike,
        context: ArrayLike | None = None,
        *,
        key: Key | None = None,
    ) -> Array:
        """Compute the logits of the labels.

        Args:
            words: ints ``[B, T]``.
            mask: bool ``[B, T]``, True = a real token.
            context: the contextual string embeddings of the words, float ``[B, T, D]``,
                if built with ``context``: the result of ``model.context``.
            key: of dropout; with None: no noise in evaluation mode, the next key of the
                stream in training mode.

        Returns:
            logits ``[B, K]``.

        Raises:
            ValueError: if a shape is wrong.
            TypeError: if `words` are not ints, or `mask` is not bool.
        """
        key = self._noise_key(key)
        input_key, layers_key, output_key = regularizers.split(key, 3)
        x = self._inputs(words, mask, context)
        x = regularizers.dropout(input_key, x, self.dropout)
        _, y = self.layers(x, mask, key=layers_key)
        pooled = self.pooling(y, mask)
        return self.output(regularizers.dropout(output_key, pooled, self.dropout))

    def chunk(
        self,
        words: ArrayLike,
        mask: ArrayLike,
        context: ArrayLike | None = None,
        state: State = None,
    ) -> tuple[State, tuple[Array, Array]]:
        """Read a chunk of a sequence, without dropout.

        Args:
            words: ints ``[B, T]``.
            mask: bool ``[B, T]``, True = a real token.
            context: as for a call.
            state: of the layers, after the chunks next to this one.

        Returns:
            The state after the chunk, and the part of it in the result.
        """
        state, y = self.layers(self._inputs(words, mask, context), mask, state)
        return state, self.pooling.chunk(y, mask)

    def combine(self, parts: tuple[Array, Array], mask: ArrayLike) -> Array:
        """Compute the logits of sequences that were read in chunks.

        Args:
            parts: of the C chunks, arrays ``[B, C, ...]``.
            mask: bool ``[B, C, T]``, True = a real token.

        Returns:
            logits ``[B, K]``, as of the whole sequences.
        """
        pooled, weights = parts
        mask = jnp.asarray(mask).any(axis=2)
        return self.output(self.pooling.combine(pooled, weights, mask))

    def contributions(
        self, words: ArrayLike, mask: ArrayLike, context: ArrayLike | None = None
    ) -> Array:
        """Return the contribution of each token to the logit of the predicted label.

        Gradient times input, ``x_t . d logit / d x_t``: to first order, the change of
        the logit if the embedding of the token were zero. Source: Shrikumar et al.
        2016, arXiv:1605.01713.

        Args:
            words: ints ``[B, T]``.
            mask: bool ``[B, T]``, True = a real token.
            context: as for a call.

        Returns:
            ``[B, T]``, negative where a token lowers the logit, zero at padding.
        """
        model = nnx.view(self, deterministic=True)
        x = model._inputs(words, mask, context)

        def best(x: Array) -> Array:
            _, y = model.layers(x, mask)
            return model.output(model.pooling(y, mask)).max(axis=-1).sum()

        return (jax.grad(best)(x) * x).sum(axis=-1)

    def attention(
        self, words: ArrayLike, mask: ArrayLike, context: ArrayLike | None = None
    ) -> Array:
        """Return the attention weight of each token, for ``pooling="attention"``.

        Args:
            words: ints ``[B, T]``.
            mask: bool ``[B, T]``, True = a real token.
            context: as for a call.

        Returns:
            ``[B, T]``; sums to one over the tokens of a row.

        Raises:
            ValueError: if `pooling` is not "attention".
        """
        model = nnx.view(self, deterministic=True)
        _, y = model.layers(model._inputs(words, mask, context), mask)
        return model.pooling.weights(y, mask)

    def _inputs(
        self, words: ArrayLike, mask: ArrayLike, context: ArrayLike | None
    ) -> Array:
        """Return the inputs of the layers."""
        x = self.embedding(words, mask)
        if self.context is None:
            return x
        vectors = self.context.checked(context, mask)
        return jnp.concatenate([x, vectors], axis=-1)
