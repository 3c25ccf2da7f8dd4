"""The language model: the next token of a text."""

from collections.abc import Callable, Sequence
from typing import Any

from flax import nnx

from zoo import checks, regularizers
from zoo.cells import Cell
from zoo.models.stack import stack
from zoo.modules.embedding import Embedding
from zoo.modules.output import Output
from zoo.stochastic import Stochastic
from zoo.types import Array, ArrayLike, Key, State


class LanguageModel(Stochastic):
    """Embedding, recurrent layers, and logits of the next token.

    ``p(w_{t+1} | w_1 ... w_t) = softmax(h_t W + b)``. With tied embeddings W is the
    transposed embedding table (Press and Wolf 2016, arXiv:1608.05859).

    Example::

        model = LanguageModel(65, rngs=nnx.Rngs(0))
        state, logits = model(ids)                          # [B, T] -> [B, T, 65]
        state, logits = model.step(state, next_ids)         # [B] -> [B, 65]
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        embedding_dim: int = 64,
        vector_dim: int | None = None,
        num_outputs: int | None = None,
        cell: str | type[Cell] = "lstm",
        hidden_size: int | Sequence[int] = 256,
        num_layers: int = 2,
        dropout: float = 0.3,
        tied: bool = False,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the modules and initialise their parameters.

        Args:
            vocab_size: V.
            embedding_dim: embedding size of a token.
            vector_dim: size of the embedding's rows, if they are pretrained vectors of
                another size than `embedding_dim`: a linear map is between both.
            num_outputs: K: only the first K tokens are predicted, the others are only
                read; by default all V.
            cell: one of ``zoo.cells()``, or the class of a cell.
            hidden_size: H of every layer, or a list with the H of each: with `tied`,
                the last layer has the size of the embedding (Merity et al. 2018,
                arXiv:1708.02182).
            num_layers: number of layers.
            dropout: rate between the layers and after the last one.
            tied: use the embedding table in the output layer.
            rngs: random keys for the initialisation; a stream named ``dropout`` also
                turns on training mode, see `zoo.stochastic.Stochastic`.
            **options: as for `zoo.make`.

        Raises:
            ValueError: if an argument is out of its range, or `tied` needs other sizes.
            TypeError: if an option is unknown, or `rngs` is not ``nnx.Rngs``.
        """
        self.dropout = checks.rate("dropout", dropout)
        self._fork_stream(rngs)
        self.embedding = Embedding(
            vocab_size,
            vector_dim or embedding_dim,
            projection=embedding_dim if vector_dim else None,
            rngs=rngs,
        )
        self.layers = stack(
            self,
            cell,
            embedding_dim,
            hidden_size,
            num_layers,
            dropout=dropout,
            rngs=rngs,
            **options,
        )
        self.output = Output(
            self.layers.output_size,
            self.embedding,
            tied=tied,
            num_outputs=num_outputs,
            rngs=rngs,
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
        """Compute the logits of the next token at each step.

        Args:
            ids: ints ``[B, T]``.
            mask: bool ``[B, T]``, True = a real token.
            state: the state after the preceding text; by default `init_state`.
            key: of dropout; with None: no noise in evaluation mode, the next key of the
                stream in training mode.

        Returns:
            The state after the last token, and logits ``[B, T, V]``.

        Raises:
            ValueError: if a shape is wrong.
            TypeError: if `ids` are not ints, or `mask` is not bool.
        """
        state, y = self._read(ids, mask, state, key)
        return state, self.output(y, self.embedding)

    def reduce_logits(
        self,
        function: Callable[..., Any],
        arrays: Sequence[ArrayLike],
        ids: ArrayLike,
        mask: ArrayLike | None = None,
        state: State = None,
        *,
        key: Key | None = None,
    ) -> tuple[State, Any]:
        """Compute ``function(logits, *arrays)`` without storing large logits.

        Args:
            function: of each step, as for `zoo.modules.output.Output.reduce`: the loss
                of labels, for example.
            arrays: ``[B, T, ...]``.
            ids: as for a call.
            mask: as for a call.
            state: as for a call.
            key: as for a call.

        Returns:
            The state after the last token, and the result of the function.
        """
        state, y = self._read(ids, mask, state, key)
        return state, self.output.reduce(function, y, self.embedding, *arrays)

    def _read(
        self, ids: ArrayLike, mask: ArrayLike | None, state: State, key: Key | None
    ) -> tuple[State, Array]:
        """Return the state after tokens, and the inputs of the output layer."""
        key = self._noise_key(key)
        layers_key, output_key = regularizers.split(key, 2)
        state, y = self.layers(self.embedding(ids, mask), mask, state, key=layers_key)
        return state, regularizers.dropout(output_key, y, self.dropout)

    def step(self, state: State, ids: ArrayLike) -> tuple[State, Array]:
        """Read one token and compute the logits of the next, without dropout.

        Args:
            state: the state before the token.
            ids: ints ``[B]``.

        Returns:
            The state after the token, and logits ``[B, V]``.
        """
        state, y = self.layers.step(state, self.embedding(ids))
        return state, self.output(y, self.embedding)
