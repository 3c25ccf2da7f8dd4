"""Sequence to sequence: encoder, bridge, decoder."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import jax
from flax import nnx

from zoo import checks, regularizers
from zoo.cells import Cell
from zoo.models.bridge import Bridge
from zoo.models.decoder import Decoder, DecoderState
from zoo.models.stack import stack
from zoo.modules.attention import Memory
from zoo.modules.embedding import Embedding
from zoo.stochastic import Stochastic
from zoo.types import Array, ArrayLike, Key, State


class Seq2Seq(Stochastic):
    """An encoder, a decoder, and a bridge between their states.

    ::

        m_1 ... m_S, s = layers(E[source])      the encoder: outputs, final state
        s_0 = tanh(W s + b)                     the bridge, or s_0 = s
        p(w_t | w_1 ... w_{t-1}, source) = softmax(decoder(s_0, m))

    With ``attention=None`` the decoder sees only s_0 of the source (Sutskever et al.
    2014, arXiv:1409.3215); otherwise it attends to m at each step (Bahdanau et al.
    2014, arXiv:1409.0473; Luong et al. 2015, arXiv:1508.04025). See `Decoder` and
    `Bridge`.

    Generation with `zoo.decoding`::

        encoded, memory = model.encode(source, source_mask)
        state = model.init_decoder(encoded)
        step = lambda state, ids: model.step(state, memory, ids)
        output = zoo.decoding.greedy(step, state, bos=1, eos=2, max_length=50)
    """

    draws_on_request: ClassVar[bool] = True  # scheduled sampling

    def __init__(
        self,
        source_vocab_size: int,
        target_vocab_size: int,
        *,
        embedding_dim: int = 256,
        vector_dim: int | None = None,
        cell: str | type[Cell] = "lstm",
        hidden_size: int = 256,
        num_layers: int = 1,
        bidirectional: bool = True,
        decoder_cell: str | type[Cell] | None = None,
        decoder_hidden_size: int | None = None,
        decoder_num_layers: int | None = None,
        attention: str | None = "additive",
        input_feeding: bool = False,
        bridge: str = "projection",
        tied: bool = False,
        dropout: float = 0.3,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the modules and initialise their parameters.

        Args:
            source_vocab_size: V of the source.
            target_vocab_size: V of the target.
            embedding_dim: embedding size of a token, in source and target.
            vector_dim: size of the rows of the source's embedding, if they are
                pretrained vectors of another size than `embedding_dim`: a linear map is
                between both.
            cell: one of ``zoo.cells()``, or the class of a cell.
            hidden_size: H of each layer and direction of the encoder.
            num_layers: number of layers of the encoder.
            bidirectional: the encoder reads in both directions.
            decoder_cell: by default that of the encoder.
            decoder_hidden_size: by default that of the encoder.
            decoder_num_layers: by default that of the encoder.
            attention: one of ``zoo.attention.KINDS``, or None.
            input_feeding: as for `Decoder`.
            bridge: ``"projection"`` or ``"copy"``, see `Bridge`.
            tied: as for `Decoder`.
            dropout: rate on the inputs of the layers, between them, and before the
                output layer.
            rngs: random keys for the initialisation; a stream named ``dropout`` also
                turns on training mode, see `zoo.stochastic.Stochastic`.
            **options: as for `zoo.make`, for encoder and decoder.

        Raises:
            ValueError: if an argument is out of its range, or two are incompatible.
            TypeError: if an option is unknown, or `rngs` is not ``nnx.Rngs``.
        """
        self.dropout = checks.rate("dropout", dropout)
        self._fork_stream(rngs)
        self.embedding = Embedding(
            source_vocab_size,
            vector_dim or embedding_dim,
            projection=embedding_dim if vector_dim else None,
            rngs=rngs,
        )
        self.encoder = stack(
            self,
            cell,
            embedding_dim,
            hidden_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            rngs=rngs,
            **options,
        )
        self.decoder = Decoder(
            target_vocab_size,
            embedding_dim=embedding_dim,
            cell=cell if decoder_cell is None else decoder_cell,
            hidden_size=(
                hidden_size if decoder_hidden_size is None else decoder_hidden_size
            ),
            num_layers=num_layers if decoder_num_layers is None else decoder_num_layers,
            attention=attention,
            memory_size=None if attention is None else self.encoder.output_size,
            input_feeding=input_feeding,
            tied=tied,
            dropout=dropout,
            rngs=rngs,
            **options,
        )
        self.bridge = Bridge(
            jax.eval_shape(lambda: self.encoder.init_state(1)),
            jax.eval_shape(lambda: self.decoder.layers.init_state(1)),
            kind=bridge,
            rngs=rngs,
        )

    def encode(
        self,
        source: ArrayLike,
        mask: ArrayLike | None = None,
        *,
        key: Key | None = None,
    ) -> tuple[State, Memory | None]:
        """Encode the sources.

        Args:
            source: ints ``[B, S]``.
            mask: bool ``[B, S]``, True = a real token; by default all are.
            key: of dropout; with None: no noise in evaluation mode, the next key of the
                stream in training mode.

        Returns:
            The final state of the encoder, and the memory or None without attention.

        Raises:
            ValueError: if a shape is wrong.
            TypeError: if `source` are not ints, or `mask` is not bool.
        """
        input_key, layers_key = regularizers.split(self._noise_key(key), 2)
        x = regularizers.dropout(input_key, self.embedding(source, mask), self.dropout)
        state, y = self.encoder(x, mask, key=layers_key)
        if self.decoder.attention is None:
            return state, None
        return state, self.decoder.attention.remember(y, mask)

    def init_decoder(self, encoded: State) -> DecoderState:
        """Return the initial state of the decoder.

        Args:
            encoded: the final state of the encoder.
        """
        B = jax.tree.leaves(encoded)[0].shape[0]
        layers = self.bridge(encoded, self.decoder.layers.init_state(B))
        return self.decoder.init_state(B, layers)

    def __call__(
        self,
        source: ArrayLike,
        source_mask: ArrayLike | None,
        target: ArrayLike,
        target_mask: ArrayLike | None = None,
        *,
        sampling: float | Array | None = None,
        key: Key | None = None,
    ) -> Array:
        """Compute the logits of the target, with teacher forcing.

        Args:
            source: ints ``[B, S]``.
            source_mask: bool ``[B, S]``, True = a real token; None if all are.
            target: ints ``[B, T]``, the inputs of the decoder: the begin token, then
                all tokens but the last.
            target_mask: bool ``[B, T]``, True = a real token; None if all are.
            sampling: rate of scheduled sampling, as for `Decoder`.
            key: of dropout and sampling; with None: no noise in evaluation mode, the
                next key of the stream in training mode.

        Returns:
            logits ``[B, T, V]`` of the token after each token of `target`.

        Raises:
            ValueError: if a shape is wrong.
            TypeError: if tokens are not ints, or a mask is not bool.
        """
        return self.reduce_logits(
            None,
            (),
            source,
            source_mask,
            target,
            target_mask,
            sampling=sampling,
            key=key,
        )

    def reduce_logits(
        self,
        function: Callable[..., Any] | None,
        arrays: Sequence[ArrayLike],
        source: ArrayLike,
        source_mask: ArrayLike | None,
        target: ArrayLike,
        target_mask: ArrayLike | None = None,
        *,
        sampling: float | Array | None = None,
        key: Key | None = None,
    ) -> Any:
        """Compute ``function(logits, *arrays)`` without storing large logits.

        Args:
            function: as for `Decoder.reduce_logits`.
            arrays: ``[B, T, ...]``.
            source: as for a call.
            source_mask: as for a call.
            target: as for a call.
            target_mask: as for a call.
            sampling: as for a call.
            key: as for a call.

        Returns:
            The result of the function.
        """
        key = self._noise_key(key, requested=sampling is not None)
        encoder_key, decoder_key = regularizers.split(key, 2)
        encoded, memory = self.encode(source, source_mask, key=encoder_key)
        state = self.init_decoder(encoded)
        _, result = self.decoder.reduce_logits(
            function,
            arrays,
            target,
            target_mask,
            state,
            memory,
            sampling=sampling,
            key=decoder_key,
        )
        return result

    def step(
        self, state: DecoderState, memory: Memory | None, ids: ArrayLike
    ) -> tuple[DecoderState, Array, Array | None]:
        """Read one target token and compute the logits of the next, without dropout.

        Args:
            state: the state before the token; the first one from `init_decoder`.
            memory: from `encode`.
            ids: ints ``[B]``.

        Returns:
            The state after the token, logits ``[B, V]``, and attention weights ``[B,
            S]``, None without attention.
        """
        return self.decoder.step(state, memory, ids)
