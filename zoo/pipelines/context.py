"""The contextual string embeddings of sentences, read by a trained model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from zoo import checks
from zoo.modules.contextual import CharacterReader
from zoo.pipelines.base import Pipeline, check_size, strings
from zoo.pipelines.chunks import batches
from zoo.pipelines.options import check_types, context_models
from zoo.text import SentenceChars

LONGEST = 1024  # characters that are read in one piece
CHARACTERS_PER_WORD = 8  # of the sentences for which `Pipeline.warmup` compiles
_STEP = 64  # lengths of batches are multiples of it: few programs compile


class ContextReader:
    """Computes the vectors of words that depend on their sentence.

    The results are those of `zoo.modules.contextual.ContextualStrings`, but sentences
    of any length are read, in batches of similar length.

    Attributes:
        encoders: one for each character language model of the pipeline's model.
    """

    def __init__(
        self, apply: Callable[..., Any], encoders: Sequence[SentenceChars]
    ) -> None:
        """Define the compiled functions.

        Args:
            apply: of the pipeline.
            encoders: one for each character language model.
        """
        self.encoders = list(encoders)

        def read(params: Any, ids: Any, state: Any, number: int) -> Any:
            mask = np.ones(ids.shape, bool)
            return apply(
                params,
                ids,
                mask,
                state,
                method=lambda m, *a: m.context.read(number, *a),
            )

        self._read = jax.jit(read, static_argnums=3)

    def vectors(
        self, params: Any, sentences: Sequence[Sequence[str]], batch_size: int = 32
    ) -> list[np.ndarray]:
        """Return the vectors of the words of sentences, float ``[T, D]`` each.

        Args:
            params: of the pipeline.
            sentences: T words each.
            batch_size: sentences of up to `LONGEST` characters in a batch; fewer of
                longer ones.

        Raises:
            TypeError: if a sentence is no list of strings.
            ValueError: if `batch_size` is not positive.
        """
        checks.positive("batch_size", batch_size)
        parts = [
            self._of_model(params, number, sentences, batch_size)
            for number in range(len(self.encoders))
        ]
        return [
            np.concatenate(vectors, axis=-1) for vectors in zip(*parts, strict=True)
        ]

    def warmup(self, params: Any, longest: int, batch_size: int) -> None:
        """Compile the programs of `vectors` for sentences of up to some length.

        Args:
            params: of the pipeline.
            longest: in characters.
            batch_size: as for `vectors`.
        """
        for number in range(len(self.encoders)):
            for length in range(_STEP, min(longest, LONGEST) + _STEP, _STEP):
                ids = np.zeros((batch_size, min(length, LONGEST)), np.int32)
                self._read.lower(params, ids, None, number).compile()

    def _of_model(
        self,
        params: Any,
        number: int,
        sentences: Sequence[Sequence[str]],
        batch_size: int,
    ) -> list[np.ndarray]:
        """Return the vectors of one of the models."""
        encoder = self.encoders[number]
        rows = [
            encoder.encode(strings(words, f"sentences[{k}]"))
            for k, words in enumerate(sentences)
        ]
        results: list[Any] = [None] * len(rows)
        lengths = [len(ids) for ids, _ in rows]
        for indices, size in batches(lengths, batch_size, _pieces):
            length = _padded(lengths[indices[-1]])
            ids = np.zeros((size, length), np.int32)
            for b, k in enumerate(indices):
                ids[b, : len(rows[k][0])] = rows[k][0]
            state, outputs = None, []
            for start in range(0, length, LONGEST):
                chunk = ids[:, start : start + LONGEST]
                state, y = self._read(params, chunk, state, number)
                outputs.append(np.asarray(y))
            y = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=1)
            for b, k in enumerate(indices):
                results[k] = y[b, rows[k][1]]
        return results


def _pieces(length: int) -> int:
    """Return how many times `LONGEST` a row is padded to: a power of two."""
    return 1 << ((length - 1) // LONGEST).bit_length()


def _padded(length: int) -> int:
    """Return the length to which the rows of a batch are padded."""
    if length > LONGEST:
        return _pieces(length) * LONGEST
    return -(-length // _STEP) * _STEP


class ContextPipeline(Pipeline):
    """The base of the pipelines whose models may read contextual string embeddings.

    Attributes:
        context: encoders for the character language models of the model, if it has any.
    """

    def __init__(
        self,
        options: dict[str, Any],
        context: Sequence[SentenceChars],
        *,
        seed: int | None = 0,
    ) -> None:
        """Build the model.

        Args:
            options: arguments of the model's constructor, without ``rngs``.
            context: encoders for the models of the option ``context``.
            seed: as for `Pipeline`.

        Raises:
            TypeError: as for `Pipeline`.
            ValueError: as for `Pipeline`, or if the encoders do not match the option.
        """
        check_context(options, context)
        self.context = list(context)
        super().__init__(options, seed=seed)

    def bind(self) -> None:
        """Read parameters and constants from `model`, after a change of them."""
        super().bind()
        self.context_reader = ContextReader(self.apply, self.context)

    def with_context(
        self,
        rows: Sequence[dict[str, np.ndarray]],
        sentences: Sequence[Sequence[str]],
        batch_size: int,
    ) -> list[dict[str, np.ndarray]]:
        """Return inputs with the vectors of the words, if the model reads any.

        Args:
            rows: the other inputs of each sentence, perhaps of its first words only.
            sentences: the words.
            batch_size: as for `ContextReader.vectors`.
        """
        if not self.context:
            return list(rows)
        vectors = self.context_reader.vectors(self.params, sentences, batch_size)
        return [
            {**row, "context": context[: len(row["words"])]}
            for row, context in zip(rows, vectors, strict=True)
        ]

    def context_to_json(self) -> dict[str, Any]:
        """Return the encoders as JSON values, {} without any."""
        if not self.context:
            return {}
        return {"context": [encoder.to_json() for encoder in self.context]}

    def _warm_up(
        self, longest: int, shortest: int, batch_size: int, **options: Any
    ) -> None:
        super()._warm_up(longest, shortest, batch_size, **options)
        characters = 1 + longest * CHARACTERS_PER_WORD
        self.context_reader.warmup(self.params, characters, batch_size)


def encoders_from_json(saved: Any) -> list[SentenceChars]:
    """Return the encoders that a saved pipeline has, none if it has no ``context``.

    Args:
        saved: the pipeline as JSON values.

    Raises:
        TypeError: if a part has another type.
        ValueError: if a part is missing, unknown or out of its range.
    """
    return [
        SentenceChars.from_json(item, f"context[{k}]")
        for k, item in enumerate(saved.get("context", []))
    ]


def check_context(
    options: Mapping[str, Any], encoders: Sequence[SentenceChars]
) -> None:
    """Check that the options of a model match the encoders of its sentences.

    Args:
        options: of a model.
        encoders: one for each character language model.

    Raises:
        TypeError: if an option has another type.
        ValueError: if they do not.
    """
    models = context_models(options)
    if len(models) != len(encoders):
        raise ValueError(
            f"context must have an encoder for each of its {len(models)} models, got "
            f"{len(encoders)}"
        )
    for model, encoder in zip(models, encoders, strict=True):
        check_types(CharacterReader, model)
        check_size(model, "vocab_size", len(encoder.text.vocabulary), "characters")
