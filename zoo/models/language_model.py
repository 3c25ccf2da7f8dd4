"""The next token of a text."""

from typing import Any

from flax import nnx

from zoo import checks, regularizers
from zoo.models.stack import stack
from zoo.modules.embedding import Embedding
from zoo.modules.output import Output
from zoo.types import Array, ArrayLike, Key, State


class LanguageModel(nnx.Module):
    """Embedding, recurrent layers, and a score for each token that may come next.

    ``p(w_t+1 | w_1 ... w_t) = softmax(h_t W + b)``; with tied embeddings W is the
    transposed table (Press and Wolf 2016, arXiv:1608.05859).
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        embedding_dim: int = 64,
        cell: str = "lstm",
        hidden_size: int = 256,
        num_layers: int = 2,
        dropout: float = 0.3,
        tied: bool = False,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the parts.

        Args:
            vocab_size: V.
            embedding_dim: size of a token's vector.
            cell: one of ``zoo.cells()``.
            hidden_size: H of each layer.
            num_layers: how many layers.
            dropout: rate of dropout between the layers and on the last layer's outputs.
            tied: score with the table of the embedding.
            rngs: keys of the initialisation.
            **options: as for `zoo.make`.

        Raises:
            ValueError: if an argument is out of its range, or `tied` does not fit.
        """
        self.dropout = checks.rate("dropout", dropout)
        self.embedding = Embedding(vocab_size, embedding_dim, rngs=rngs)
        self.layers = stack(
            cell,
            embedding_dim,
            hidden_size,
            num_layers,
            dropout=dropout,
            rngs=rngs,
            **options,
        )
        self.output = Output(
            self.layers.output_size, self.embedding, tied=tied, rngs=rngs
        )

    def init_state(self, batch_size: int) -> State:
        """Return the state before the first token.

        Args:
            batch_size: B.
        """
        return self.layers.init_state(batch_size)

    def __call__(
        self,
        ids: ArrayLike,
        mask: ArrayLike | None = None,
        state: State = None,
        *,
        key: Key | None = None,
    ) -> tuple[State, Array]:
        """Score what comes next, at each token.

        Args:
            ids: ints ``[B, T]``.
            mask: bool ``[B, T]``, True = a real token.
            state: the state after the text before; by default `init_state`.
            key: draws the dropout of training; None means evaluation.

        Returns:
            The state after the last token, and logits ``[B, T, V]``.

        Raises:
            ValueError: if a shape is not as told.
            TypeError: if `ids` are not ints, or `mask` is not bool.
        """
        of_layers, of_output = regularizers.split(key, 2)
        state, y = self.layers(self.embedding(ids, mask), mask, state, key=of_layers)
        y = regularizers.dropout(of_output, y, self.dropout)
        return state, self.output(y, self.embedding)

    def step(self, state: State, ids: ArrayLike) -> tuple[State, Array]:
        """Read one token and score the next, as at evaluation.

        Args:
            state: the state before the token.
            ids: ints ``[B]``.

        Returns:
            The state after the token, and logits ``[B, V]``.
        """
        state, y = self.layers.step(state, self.embedding(ids))
        return state, self.output(y, self.embedding)
