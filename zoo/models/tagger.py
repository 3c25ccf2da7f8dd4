"""The sequence tagger: one label for each token."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from zoo import checks, initializers, regularizers
from zoo.cells import Cell
from zoo.models.decoding import argmax
from zoo.models.stack import stack
from zoo.modules import crf
from zoo.modules.characters import CharCNN, CharLSTM
from zoo.modules.contextual import ContextualStrings
from zoo.modules.dense import Linear
from zoo.modules.embedding import Embedding
from zoo.stochastic import Stochastic
from zoo.text import NUM_SHAPES
from zoo.types import Array, ArrayLike, Key, State

CHARS = ("cnn", "lstm", "none")


class Tagger(Stochastic):
    """Words, characters and shapes; recurrent layers; softmax or CRF.

    ``x_t = [E[w_t]; chars(w_t); S[shape(w_t)]; context_t]``, ``logits = layers(x) W +
    b``, where ``context_t`` are contextual string embeddings, if there are any. A CRF
    also learns transition scores between neighbouring labels, and the best sequence of
    labels is chosen (Huang et al. 2015, arXiv:1508.01991; characters as in Ma and Hovy
    2016, arXiv:1603.01354).
    """

    def __init__(
        self,
        vocab_size: int,
        num_labels: int,
        *,
        num_chars: int = 0,
        chars: str = "cnn",
        embedding_dim: int = 100,
        vector_dim: int | None = None,
        char_dim: int = 30,
        char_size: int = 100,
        shape_dim: int = 10,
        cell: str | type[Cell] = "lstm",
        hidden_size: int = 200,
        num_layers: int = 2,
        bidirectional: bool = True,
        dropout: float = 0.4,
        use_crf: bool = False,
        bio_labels: Sequence[str] | None = None,
        context: Sequence[Mapping[str, Any]] | None = None,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the modules and initialise their parameters.

        Args:
            vocab_size: V; ID 0 is padding.
            num_labels: K.
            num_chars: size of the vocabulary of characters; ID 0 is padding.
            chars: ``"cnn"``, ``"lstm"`` or ``"none"``.
            embedding_dim: embedding size of a word.
            vector_dim: size of the embedding's rows, if they are pretrained vectors of
                another size than `embedding_dim`: a linear map is between both.
            char_dim: embedding size of a character.
            char_size: output size of the character encoder.
            shape_dim: embedding size of a word's shape; 0 omits shapes.
            cell: one of ``zoo.cells()``, or the class of a cell.
            hidden_size: H of each layer and direction.
            num_layers: number of layers.
            bidirectional: read in both directions.
            dropout: rate on the input of the layers, between them, and on their output.
            use_crf: learn transition scores between labels.
            bio_labels: names of the labels if they are BIO2. Then only valid sequences
                are predicted, in which ``I-X`` follows ``B-X`` or ``I-X``, with or
                without a CRF.
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
        checks.one_of("chars", chars, CHARS)
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
        if chars == "cnn":
            self.chars = CharCNN(num_chars, char_dim, char_size, rngs=rngs)
        elif chars == "lstm":
            self.chars = CharLSTM(num_chars, char_dim, char_size // 2, rngs=rngs)
        else:
            self.chars = None
        if self.chars is not None:
            size += self.chars.output_size
        if shape_dim:
            self.shapes = Embedding(NUM_SHAPES, shape_dim, padding_idx=0, rngs=rngs)
            size += shape_dim
        else:
            self.shapes = None
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
        self.output = Linear(self.layers.output_size, num_labels, rngs=rngs)
        self.bio_labels = None if bio_labels is None else tuple(bio_labels)
        if self.bio_labels is not None and len(self.bio_labels) != num_labels:
            raise ValueError(
                f"bio_labels must name num_labels = {num_labels} labels, got "
                f"{len(self.bio_labels)}"
            )
        self.num_labels = num_labels
        if use_crf:
            K = num_labels
            self.transitions = nnx.Dict(
                between=nnx.Param(initializers.glorot(rngs.params(), (K, K))),
                start=nnx.Param(jnp.zeros(K)),
                end=nnx.Param(jnp.zeros(K)),
            )
        else:
            self.transitions = None

    def __call__(
        self,
        words: ArrayLike,
        mask: ArrayLike,
        chars: ArrayLike | None = None,
        shapes: ArrayLike | None = None,
        context: ArrayLike | None = None,
        *,
        key: Key | None = None,
    ) -> Array:
        """Compute the logits of the labels of each token.

        Args:
            words: ints ``[B, T]``.
            mask: bool ``[B, T]``, True = a real token.
            chars: ints ``[B, T, C]``, unless built with ``chars="none"``.
            shapes: ints ``[B, T]``, unless built with ``shape_dim=0``.
            context: the contextual string embeddings of the words, float ``[B, T, D]``,
                if built with ``context``: the result of ``model.context``.
            key: of dropout; with None: no noise in evaluation mode, the next key of the
                stream in training mode.

        Returns:
            logits ``[B, T, K]``.

        Raises:
            ValueError: if an input is missing, or a shape is wrong.
            TypeError: if IDs are not ints, or `mask` is not bool.
        """
        key = self._noise_key(key)
        chars_key, input_key, layers_key, output_key = regularizers.split(key, 4)
        x = self._inputs(words, mask, chars, shapes, context, key=chars_key)
        x = regularizers.dropout(input_key, x, self.dropout)
        _, y = self.layers(x, mask, key=layers_key)
        return self.output(regularizers.dropout(output_key, y, self.dropout))

    def chunk(
        self,
        words: ArrayLike,
        mask: ArrayLike,
        chars: ArrayLike | None = None,
        shapes: ArrayLike | None = None,
        context: ArrayLike | None = None,
        state: State = None,
    ) -> tuple[State, Array]:
        """Read a chunk of a sequence, without dropout.

        Args:
            words: as for a call.
            mask: as for a call.
            chars: as for a call.
            shapes: as for a call.
            context: as for a call.
            state: of the layers, after the chunks next to this one.

        Returns:
            The state after the chunk, and logits ``[B, T, K]``.
        """
        x = self._inputs(words, mask, chars, shapes, context)
        state, y = self.layers(x, mask, state)
        return state, self.output(y)

    def _inputs(
        self,
        words: ArrayLike,
        mask: ArrayLike,
        chars: ArrayLike | None,
        shapes: ArrayLike | None,
        context: ArrayLike | None,
        *,
        key: Key | None = None,
    ) -> Array:
        """Return the inputs of the layers; `key` is of the dropout of characters."""
        parts = [self.embedding(words, mask)]
        if self.chars is not None:
            if chars is None:
                raise ValueError("chars are missing: this tagger reads characters")
            parts.append(self.chars(chars, key=key))
        if self.shapes is not None:
            if shapes is None:
                raise ValueError("shapes are missing: this tagger reads word shapes")
            parts.append(self.shapes(shapes, mask))
        if self.context is not None:
            parts.append(self.context.checked(context, mask))
        return jnp.concatenate(parts, axis=-1)

    def log_likelihood(
        self, logits: Array, labels: ArrayLike, mask: ArrayLike
    ) -> Array:
        """Return the log-probability of the labels of each row.

        Args:
            logits: ``[B, T, K]``, from a call.
            labels: ints ``[B, T]``.
            mask: bool ``[B, T]``, True = a real token.

        Returns:
            ``[B]``, in nats; zero for a row without tokens.
        """
        if self.transitions is not None:
            return crf.log_likelihood(
                logits, jnp.asarray(labels), self._transitions(), jnp.asarray(mask)
            )
        scores = jax.nn.log_softmax(logits)
        labels = jnp.where(jnp.asarray(mask), jnp.asarray(labels), 0)
        picked = jnp.take_along_axis(scores, labels[..., None], axis=-1)[..., 0]
        return jnp.where(mask, picked, jnp.zeros((), picked.dtype)).sum(axis=1)

    def decode(self, logits: Array, mask: ArrayLike) -> tuple[Array, Array]:
        """Return the most likely labels.

        Args:
            logits: ``[B, T, K]``, from a call.
            mask: bool ``[B, T]``, True = a real token.

        Returns:
            The labels, int32 ``[B, T]``: the most likely sequence, a valid one if the
            labels are BIO2; and the marginal probability of each label, ``[B, T]``.
        """
        mask = jnp.asarray(mask)
        if self.transitions is None and self.bio_labels is None:
            probabilities = jax.nn.softmax(logits)
            labels = argmax(logits)
        else:
            transitions = self._transitions()
            probabilities = crf.marginals(logits, transitions, mask)
            labels, _ = crf.viterbi(logits, transitions, mask)
        picked = jnp.take_along_axis(probabilities, labels[..., None], axis=-1)[..., 0]
        return jnp.where(mask, labels, 0), jnp.where(mask, picked, 0.0)

    def _transitions(self) -> crf.Transitions:
        """Return the transition scores; BIO2 constraints are applied."""
        K = self.num_labels
        if self.transitions is None:
            scores = crf.Transitions(jnp.zeros((K, K)), jnp.zeros(K), jnp.zeros(K))
        else:
            parts = {name: param[...] for name, param in self.transitions.items()}
            scores = crf.Transitions(**parts)
        if self.bio_labels is None:
            return scores
        return crf.constrain(scores, crf.bio_constraints(self.bio_labels))
