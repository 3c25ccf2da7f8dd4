"""Contextual string embeddings: words as the states of character language models."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from flax import nnx

from zoo.cells import Cell
from zoo.modules.embedding import Embedding
from zoo.registry import make
from zoo.types import Array, ArrayLike, State


class CharacterReader(nnx.Module):
    """The layers of a character language model, without its output.

    Attributes:
        output_size: H of the last layer.
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        embedding_dim: int = 64,
        cell: str | type[Cell] = "lstm",
        hidden_size: int | Sequence[int] = 256,
        num_layers: int = 2,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Build the layers and initialise their parameters.

        Args:
            vocab_size: V.
            embedding_dim: embedding size of a character.
            cell: one of ``zoo.cells()``, or the class of a cell.
            hidden_size: H of every layer, or a list with the H of each.
            num_layers: number of layers.
            rngs: random keys for the initialisation.
            **options: as for `zoo.make`.

        Raises:
            ValueError: if an argument is out of its range.
            TypeError: if an option is unknown, or `rngs` is not ``nnx.Rngs``.
        """
        self.embedding = Embedding(vocab_size, embedding_dim, rngs=rngs)
        self.layers = make(
            cell, embedding_dim, hidden_size, num_layers, rngs=rngs, **options
        )
        self.output_size = self.layers.output_size

    def __call__(
        self, ids: ArrayLike, mask: ArrayLike, state: State = None
    ) -> tuple[State, Array]:
        """Read characters, without dropout.

        Args:
            ids: ints ``[B, C]``.
            mask: bool ``[B, C]``, True = a real character.
            state: after the preceding characters; by default the initial state.

        Returns:
            The state after the last character, and the outputs ``[B, C, H]``.
        """
        return self.layers(self.embedding(ids), mask, state)


class ContextualStrings(nnx.Module):
    """The vectors of words in their sentence, by character language models.

    A model reads the characters of the whole sentence; the vector of a word is its
    output ``h`` after the last character of the word and the space behind it::

        x_t = [h^1 at the end of w_t; h^2 at the end of w_t; ...]

    A model that reads backward has the word's first character as its last. Source:
    Akbik et al. 2018, "Contextual String Embeddings for Sequence Labeling", COLING;
    the character behind the word is read as in their library Flair.

    Attributes:
        output_size: the sum of the models' H.
    """

    def __init__(self, models: Sequence[Mapping[str, Any]], *, rngs: nnx.Rngs):
        """Build the layers of the models and initialise their parameters.

        Args:
            models: options of each `CharacterReader`.
            rngs: random keys for the initialisation.

        Raises:
            ValueError: if an option is out of its range.
            TypeError: if an option is missing or unknown.
        """
        self.readers = nnx.List(
            [CharacterReader(**options, rngs=rngs) for options in models]
        )
        self.output_size = sum(reader.output_size for reader in self.readers)

    def read(
        self, number: int, ids: ArrayLike, mask: ArrayLike, state: State = None
    ) -> tuple[State, Array]:
        """Read characters with one of the models, see `CharacterReader`.

        Args:
            number: of the model, from 0.
            ids: ints ``[B, C]``.
            mask: bool ``[B, C]``, True = a real character.
            state: after the preceding characters.
        """
        return self.readers[number](ids, mask, state)

    def __call__(
        self, ids: Sequence[ArrayLike], ends: Sequence[ArrayLike], mask: ArrayLike
    ) -> Array:
        """Return the vectors of the words of sentences.

        Args:
            ids: of each model, the characters, ints ``[B, C]``; 0 from the end of the
                sentence on.
            ends: of each model, the index in `ids` at which a word's vector is read,
                ints ``[B, T]``.
            mask: bool ``[B, T]``, True = a real word.

        Returns:
            ``[B, T, output_size]``, zero where `mask` is False.
        """
        parts = []
        for number, (chars, places) in enumerate(zip(ids, ends, strict=True)):
            chars, places = jnp.asarray(chars), jnp.asarray(places)
            _, y = self.read(number, chars, jnp.ones(chars.shape, bool))
            parts.append(jnp.take_along_axis(y, places[..., None], axis=1))
        vectors = jnp.concatenate(parts, axis=-1)
        return jnp.where(jnp.asarray(mask)[..., None], vectors, 0.0)

    def checked(self, vectors: ArrayLike | None, mask: ArrayLike) -> Array:
        """Return vectors that were computed before, unless their shape is wrong.

        Args:
            vectors: ``[B, T, output_size]``.
            mask: bool ``[B, T]``.

        Raises:
            ValueError: if they are missing, or their shape is wrong.
        """
        if vectors is None:
            raise ValueError(
                "context is missing: this model reads contextual string embeddings, "
                "which its pipeline's with_context adds to the inputs"
            )
        expected = (*jnp.shape(mask), self.output_size)
        if jnp.shape(vectors) != expected:
            raise ValueError(
                f"context must have shape {list(expected)}, got "
                f"{list(jnp.shape(vectors))}"
            )
        return jnp.asarray(vectors)
