"""From a sequence to another one."""

from typing import Any

import jax
from flax import nnx

from zoo import checks, regularizers
from zoo.models.bridge import Bridge
from zoo.models.decoder import Decoder, DecoderState
from zoo.models.stack import stack
from zoo.modules.attention import Memory
from zoo.modules.embedding import Embedding
from zoo.types import Array, ArrayLike, Key, State


class Seq2Seq(nnx.Module):
    """An encoder that reads, a decoder that writes, and a bridge between them.

    ::

        m_1 ... m_S, s = layers(E[source])      the encoder: outputs, final state
        s_0 = tanh(W s + b)                     the bridge, one W for each part
        p(w_t | w_1 ... w_{t-1}, source) = softmax(decoder(s_0, m))

    With ``attention=None`` the decoder knows of the source only s_0 (Sutskever et al.
    2014, arXiv:1409.3215); else it looks at m at each step (Bahdanau et al. 2014,
    arXiv:1409.0473; Luong et al. 2015, arXiv:1508.04025). See `Decoder` and `Bridge`.

    To write, with `zoo.decoding`::

        encoded, memory = model.encode(source, source_mask)
        state = model.init_decoder(encoded)
        step = lambda state, ids: model.step(state, memory, ids)
        found = zoo.decoding.greedy(step, state, bos=1, eos=2, max_length=50)
    """

    def __init__(
        self,
        source_vocab_size: int,
        target_vocab_size: int,
        *,
        embedding_dim: int = 256,
        cell: str = "lstm",
        hidden_size: int = 256,
        num_layers: int = 1,
        bidirectional: bool = True,
        decoder_cell: str | None = None,
        decoder_hidden_size: int | None = None,
        decoder_num_layers: int | None = None,
        attention: str | None = "additive",
        input_feeding: bool = False,
        tied: bool = False,
        dropout: float = 0.3,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the parts.

        Args:
            source_vocab_size: V of the source.
            target_vocab_size: V of the target.
            embedding_dim: size of a token's vector, of both.
            cell: one of ``zoo.cells()``.
            hidden_size: H of each layer, and direction, of the encoder.
            num_layers: how many layers the encoder has.
            bidirectional: the encoder reads in both directions.
            decoder_cell: by default as the encoder.
            decoder_hidden_size: by default as the encoder.
            decoder_num_layers: by default as the encoder.
            attention: one of ``zoo.attention.KINDS``; None gives the fixed-vector form.
            input_feeding: as for `Decoder`.
            tied: as for `Decoder`.
            dropout: rate of dropout on the inputs of the layers, between them, and on
                what is scored.
            rngs: keys of the initialisation.
            **options: as for `zoo.make`, of encoder and decoder.

        Raises:
            ValueError: if an argument is out of its range, or some do not fit together.
        """
        self.dropout = checks.rate("dropout", dropout)
        self.embedding = Embedding(source_vocab_size, embedding_dim, rngs=rngs)
        self.encoder = stack(
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
            rngs=rngs,
        )

    def encode(
        self,
        source: ArrayLike,
        mask: ArrayLike | None = None,
        *,
        key: Key | None = None,
    ) -> tuple[State, Memory | None]:
        """Read the sources.

        Args:
            source: ints ``[B, S]``.
            mask: bool ``[B, S]``, True = a real token; by default all are.
            key: draws the dropout of training; None means evaluation.

        Returns:
            The final state of the encoder, and the memory, None without attention.

        Raises:
            ValueError: if a shape is not as told.
            TypeError: if `source` are not ints, or `mask` is not bool.
        """
        of_input, of_layers = regularizers.split(key, 2)
        x = regularizers.dropout(of_input, self.embedding(source, mask), self.dropout)
        state, y = self.encoder(x, mask, key=of_layers)
        if self.decoder.attention is None:
            return state, None
        return state, self.decoder.attention.remember(y, mask)

    def init_decoder(self, encoded: State) -> DecoderState:
        """Return the state in which writing begins.

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
        """Score the targets, each token given those before it: teacher forcing.

        Args:
            source: ints ``[B, S]``.
            source_mask: bool ``[B, S]``, True = a real token; None if all are.
            target: ints ``[B, T]``, as the decoder reads them: a mark of the beginning,
                then all tokens but the last.
            target_mask: bool ``[B, T]``, True = a real token; None if all are.
            sampling: rate of scheduled sampling, as for `Decoder`.
            key: draws the dropout and the samples of training; None means evaluation.

        Returns:
            logits ``[B, T, V]`` of the token after each of `target`.

        Raises:
            ValueError: if a shape is not as told.
            TypeError: if tokens are not ints, or a mask is not bool.
        """
        of_encoder, of_decoder = regularizers.split(key, 2)
        encoded, memory = self.encode(source, source_mask, key=of_encoder)
        state = self.init_decoder(encoded)
        _, logits = self.decoder(
            target, target_mask, state, memory, sampling=sampling, key=of_decoder
        )
        return logits

    def step(
        self, state: DecoderState, memory: Memory | None, ids: ArrayLike
    ) -> tuple[DecoderState, Array, Array | None]:
        """Read one token of the target and score the next, as at evaluation.

        Args:
            state: the state before the token, at first that of `init_decoder`.
            memory: of `encode`.
            ids: ints ``[B]``.

        Returns:
            The state after the token, logits ``[B, V]``, and the weights of attention
            ``[B, S]``, None without it.
        """
        return self.decoder.step(state, memory, ids)
