"""Contextual string embeddings as inputs of a task: ``--features``.

Frozen, the vectors of all sentences are computed once and kept in the data cache, by
their content: the characters and the models. Tuned, a batch has the characters, and the
models are part of the trained model.
"""

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import jax
import jax.numpy as jnp
import numpy as np

import zoo
from zoo import artifact
from zoo.artifact import weights
from zoo.engine.platform import platform
from zoo.pipelines import LanguageModelPipeline
from zoo.pipelines.options import cells_of
from zoo.tasks import base
from zoo.tasks.base import Batch, Task
from zoo.tasks.data import arrow_cache, entries
from zoo.tasks.data.batching import Buckets
from zoo.tasks.data.id_columns import IdColumn
from zoo.tasks.run.errors import RunError, note
from zoo.text import SentenceChars
from zoo.types import Array

_PARAMETERS = "context.*"
_BLOCK = 1 << 16  # words whose vectors are computed at a time
_BATCH = 64  # sentences
_STEP = 64  # numbers of characters of batches are multiples of it
# Of a language model, what its layers do not depend on.
_NOT_OF_LAYERS = ("tied", "num_outputs", "dropout", "vector_dim", "remat")


class ContextModels:
    """The character language models of ``--features``.

    Without the flag it has none, and changes nothing.
    """

    def __init__(self, config: Any) -> None:
        """Load the models.

        Args:
            config: the flags.

        Raises:
            RunError: if a folder has no model.
            ValueError: if a model is no character language model, or a flag has no
                effect.
            zoo.artifact.ArtifactError: if a model is damaged.
        """
        self._config = config
        paths: list[str] = []
        if config.features is not None:
            paths = [path.strip() for path in config.features.split(",")]
            if not all(paths) or len(set(paths)) < len(paths):
                raise ValueError(
                    "--features must name different runs, RUN,RUN: got "
                    f"{config.features!r}"
                )
        elif config.tune_features:
            raise ValueError("--tune-features needs --features")
        self._models = {path: _language_model(path) for path in paths}

    def options(self) -> dict[str, Any]:
        """Return the option of the model, {} without language models."""
        if not self._models:
            return {}
        return {
            "context": [
                {k: v for k, v in model.options.items() if k not in _NOT_OF_LAYERS}
                for model in self._models.values()
            ]
        }

    def encoders(self) -> list[SentenceChars]:
        """Return an encoder of sentences for each language model."""
        return [
            SentenceChars(model.text, backward=model.backward)
            for model in self._models.values()
        ]

    def install(self, task: Task, pipeline: Any, counts: Mapping[str, int]) -> None:
        """Write the parameters of the language models into a model.

        Add to the notes and digests of the task, and set what is frozen.

        Args:
            task: the task.
            pipeline: its untrained model, with the option that `options` returned.
            counts: how often each word occurs in train.
        """
        if not self._models:
            return
        arrays = weights.arrays_of(pipeline.params, pipeline.model)
        for number, model in enumerate(self._models.values()):
            reader = f"context/readers/{number}/"
            for name, array in weights.arrays_of(model.params, model.model).items():
                kind, _, rest = name.partition("/")
                if rest.startswith(("embedding/", "layers/")):
                    arrays[f"{kind}/{reader}{rest}"] = array
        weights.fill(pipeline.model, arrays, Path(self._config.features))
        pipeline.bind()
        if not self._config.tune_features:
            task.frozen = (*task.frozen, _PARAMETERS)
        task.digests["the models of --features"] = _digest(pipeline)
        for path, model in self._models.items():
            direction = "backward" if model.backward else "forward"
            size = model.model.layers.output_size
            text = f"features: {path}, {direction}, {size} numbers a word"
            if percent := _unknown_percent(model, counts):
                text += f"; {percent:.2g} % of the characters are unknown to it"
            task.notes.append(text)


class ContextColumns:
    """The contextual string embeddings of the rows of the splits."""

    def __init__(self, pipeline: Any, *, tuned: bool, streamed: bool) -> None:
        """Hold the model; `encode` has the rows.

        Args:
            pipeline: the model that reads the vectors.
            tuned: batches have characters instead of vectors.
            streamed: other rows are encoded during the training.
        """
        self._pipeline = pipeline
        self._tuned = tuned
        self._params = pipeline.params
        if pipeline.context and streamed:
            # The training deletes the parameters that it starts from.
            self._params = jax.tree.map(np.array, pipeline.params)
        self._columns: dict[str, IdColumn] = {}
        self._vectors: dict[str, np.ndarray] = {}
        self._starts: dict[str, np.ndarray] = {}
        self._sizes: dict[int, list[int]] = {}

    def encode(
        self,
        columns: dict[str, IdColumn],
        buckets: dict[str, Buckets],
        *,
        cached: bool,
    ) -> "ContextColumns":
        """Return a copy with the vectors of rows, computed or read from the cache.

        Args:
            columns: the numbers of the words by split.
            buckets: the batches by split.
            cached: use the data cache.

        Raises:
            zoo.tasks.data.DataError: if the cache cannot be written.
        """
        result = copy.copy(self)
        result._columns = columns
        if not self._pipeline.context:
            return result
        if self._tuned:
            # Shared by all copies: a chunk of rows has the shapes of those before it.
            _add_sizes(self._sizes, self._pipeline.context, columns, buckets)
            return result
        result._vectors = {
            split: self._read(column, split, cached=cached)
            for split, column in columns.items()
        }
        result._starts = {
            split: np.cumsum(column.lengths) - column.lengths
            for split, column in columns.items()
        }
        return result

    def batch(
        self, split: str, rows: np.ndarray, length: int, batch_size: int
    ) -> Batch:
        """Return the arrays of rows from which `context_of` has their vectors.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            rows: numbers of the rows, at most B.
            length: T; longer rows are cut.
            batch_size: B; rows that are missing are all padding.

        Returns:
            ``context`` float32 ``[B, T, D]``; or for each language model k
            ``context_ids_k`` int32 ``[B, C]`` and ``context_ends_k`` int32 ``[B, T]``;
            {} if the model reads no vectors.
        """
        if not self._pipeline.context:
            return {}
        if self._tuned:
            return self._characters(split, rows, length, batch_size)
        vectors, starts = self._vectors[split], self._starts[split]
        lengths = self._columns[split].lengths
        result = np.zeros((batch_size, length, vectors.shape[1]), np.float32)
        for b, row in enumerate(rows):
            count = min(int(lengths[row]), length)
            result[b, :count] = vectors[starts[row] : starts[row] + count]
        return {"context": result}

    def _characters(
        self, split: str, rows: np.ndarray, length: int, batch_size: int
    ) -> Batch:
        batch: Batch = {}
        sentences = [_words(self._columns[split], row) for row in rows]
        for number, encoder in enumerate(self._pipeline.context):
            size = self._sizes[length][number]
            ids = np.zeros((batch_size, size), np.int32)
            ends = np.zeros((batch_size, length), np.int32)
            for b, words in enumerate(sentences):
                chars, places = encoder.encode(words)
                places = places[:length]
                ids[b, : len(chars)], ends[b, : len(places)] = chars, places
            batch |= {f"context_ids_{number}": ids, f"context_ends_{number}": ends}
        return batch

    def _read(self, column: IdColumn, split: str, *, cached: bool) -> np.ndarray:
        """Return the vectors of the words of a split, float32 ``[N, D]``."""
        size = self._pipeline.model.context.output_size
        num_words = int(column.lengths.sum())

        def fill(file: BinaryIO) -> None:
            note(
                f"{split}: the models of --features read {num_words:,} words; their "
                f"vectors are kept, {4 * size * num_words / 2**20:,.1f} MB of the data "
                "cache"
            )
            for vectors in self._blocks(column):
                file.write(np.ascontiguousarray(vectors, np.float32).data)

        if not num_words or not cached:
            parts = list(self._blocks(column))
            return np.concatenate([np.zeros((0, size), np.float32), *parts])
        content = hashlib.blake2b(json.dumps(column.units).encode())
        content.update(np.ascontiguousarray(column.lengths).data)
        content.update(np.ascontiguousarray(column.of_all()).data)
        model = _digest(self._pipeline)
        code = json.dumps([_code_digest(), *_conditions(self._pipeline)])
        key = arrow_cache.digest(code, model, content.hexdigest())
        path = entries.entry(fill, key, "vectors", None)
        return np.memmap(path, np.float32, "r").reshape(num_words, size)

    def _blocks(self, column: IdColumn) -> Iterator[np.ndarray]:
        """Yield the vectors of the words of some rows, in the order of the rows."""
        block = np.cumsum(column.lengths) // _BLOCK
        for rows in np.split(np.arange(len(block)), np.flatnonzero(np.diff(block)) + 1):
            sentences = [_words(column, row) for row in rows]
            reader = self._pipeline.context_reader
            vectors = reader.vectors(self._params, sentences, _BATCH)
            if vectors:
                yield np.concatenate(vectors)


def context_of(model: Any, batch: Batch) -> Array | None:
    """Return the contextual string embeddings of a batch, float ``[B, T, D]``.

    Args:
        model: the module, which computes them from characters.
        batch: has the arrays of `ContextColumns.batch`.

    Returns:
        None if the model reads none.
    """
    if model.context is None:
        return None
    if "context" in batch:
        return jnp.asarray(batch["context"])
    numbers = range(len(model.context.readers))
    ids = [batch[f"context_ids_{number}"] for number in numbers]
    ends = [batch[f"context_ends_{number}"] for number in numbers]
    return model.context(ids, ends, batch["mask"])


def _unknown_percent(model: LanguageModelPipeline, counts: Mapping[str, int]) -> float:
    """Return the percentage of the characters of words that a model does not know."""
    total = unknown = 0
    for word, count in counts.items():
        ids = model.text.encode(word)
        total += count * len(ids)
        unknown += count * int((ids == model.text.vocabulary.unknown).sum())
    return 100 * unknown / max(total, 1)


def _language_model(path: str) -> LanguageModelPipeline:
    """Return the character language model of a folder."""
    try:
        model = artifact.load(Path(path))
    except FileNotFoundError as error:
        raise RunError(f"--features: {error}") from None
    if not isinstance(model, LanguageModelPipeline) or model.text.units != "chars":
        units = f" of {model.text.units}" if hasattr(model, "text") else ""
        raise ValueError(
            f"--features {path}: expected a language model of characters, of "
            f"python train.py charlm, got a {model.kind.replace('_', ' ')}{units}"
        )
    if model.options.get("vector_dim"):
        raise ValueError(f"--features {path}: it has a projection of its embedding")
    return model


def _words(column: IdColumn, row: int) -> list[str]:
    """Return the words of a row."""
    return [column.units[k] for k in column.of_rows(np.array([row]))]


def _add_sizes(
    sizes: dict[int, list[int]],
    encoders: Sequence[SentenceChars],
    columns: dict[str, IdColumn],
    buckets: dict[str, Buckets],
) -> None:
    """Set for each T the largest number of characters of a row, for each encoder.

    Args:
        sizes: those so far, which are raised.
        encoders: of the sentences.
        columns: the numbers of the words by split.
        buckets: the batches by split.
    """
    for split, column in columns.items():
        lengths = buckets[split].lengths  # of rows, perhaps cut
        ends = np.cumsum(column.lengths)
        for number, encoder in enumerate(encoders):
            one = np.array([len(encoder.encode([w])[0]) - 1 for w in column.units])
            total = np.concatenate([[0], np.cumsum(one[column.of_all()])])
            chars = 1 + total[ends] - total[ends - column.lengths]
            for length in buckets[split].sizes:
                longest = int(chars[lengths <= length].max(initial=1))
                row = sizes.setdefault(length, [0] * len(encoders))
                row[number] = max(row[number], -(-longest // _STEP) * _STEP)


def _digest(pipeline: Any) -> str:
    """Return a digest of the language models of a model."""
    described = [pipeline.options["context"], pipeline.context_to_json()]
    digest = hashlib.blake2b(json.dumps(described, sort_keys=True).encode())
    arrays = weights.arrays_of(pipeline.params, pipeline.model)
    for name in sorted(arrays):
        if "/context/" in name:
            digest.update(name.encode())
            digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def _conditions(pipeline: Any) -> list[str]:
    """Return what the vectors depend on besides models, sentences and code."""
    own = [base.cell_digest(cell) for cell in cells_of(pipeline.options) if ":" in cell]
    precision = str(jax.config.jax_default_matmul_precision)
    return [platform(), precision, *(text for one in own for text in one.values())]


@cache
def _code_digest() -> str:
    """Return a digest of the code that computes the vectors."""
    folder = Path(zoo.__file__).parent
    parts = ("cells", "layers", "engine", "modules", "pipelines", "text")
    sources = [path for part in parts for path in sorted((folder / part).rglob("*.py"))]
    code = b"".join(path.read_bytes() for path in sources)
    return hashlib.blake2b(code).hexdigest()
