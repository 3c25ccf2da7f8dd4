"""Pretrained word vectors in the embedding of a task: ``--vectors``."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from zoo.pipelines.base import Pipeline
from zoo.tasks.base import Task
from zoo.tasks.optimizers import VECTORS
from zoo.text import Text, Vocabulary, Words
from zoo.text.vectors import LookUp, look_up, open_vectors
from zoo.text.vectors.look_up import CASE, DIGITS, EXACT, NGRAMS

LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


class WordVectors:
    """The vectors of the words of train, and of more words of the file.

    Without ``--vectors`` it has none, and changes nothing.
    """

    def __init__(
        self,
        config: Any,
        counts: Mapping[str, int],
        normalize: Callable[[str], str | None],
        *,
        digits: bool = False,
    ) -> None:
        """Look the words up in the file of ``--vectors``.

        Args:
            config: the flags.
            counts: how often each normalised word occurs in train.
            normalize: as for `zoo.text.vectors.look_up`.
            digits: as for `zoo.text.vectors.look_up`.

        Raises:
            ImportError: if the file needs a package that is not installed.
            ValueError: if a flag has no effect, or two exclude each other; if the file
                cannot be read, or has no word of train.
        """
        self._config, self._counts = config, counts
        self._limits: list[str] = []  # the flags that leave words out
        self._look_up: LookUp | None = None
        if config.vectors is None:
            _check_no_effect(config)
            return
        file = open_vectors(config.vectors)
        self._format = file.format
        self._look_up = look_up(
            file,
            counts,
            num_more=config.vector_words,
            normalize=normalize,
            digits=digits,
        )
        if not any(word in self._look_up.row_of for word in counts):
            raise ValueError(
                f"--vectors {config.vectors} has none of the {len(counts):,} words of "
                "train: is it of another language?"
            )

    @classmethod
    def of_text(
        cls, config: Any, text: Text, counts: Mapping[str, int], side: str = ""
    ) -> "WordVectors":
        """Return the vectors of the words that an encoder of texts makes.

        Args:
            config: the flags.
            text: the encoder.
            counts: how often each of its units occurs in train.
            side: what it encodes, of a task with two sides.

        Raises:
            ImportError: as for the constructor.
            ValueError: as for the constructor, or if the units are no words.
        """
        if config.vectors is not None and text.units not in ("words", "symbols"):
            needed = f"--{side}-tokens symbols" if side else "--units words"
            raise ValueError(
                f"--vectors needs {needed}, whose tokens are words, got {text.units}"
            )

        def one_unit(word: str) -> str | None:
            units = text.split(word)
            return units[0] if len(units) == 1 else None

        return cls(config, counts, one_unit)

    @classmethod
    def of_words(
        cls, config: Any, words: Words, counts: Mapping[str, int]
    ) -> "WordVectors":
        """Return the vectors of the words that an encoder of sentences makes.

        Args:
            config: the flags.
            words: the encoder.
            counts: how often each of its words occurs in train.

        Raises:
            ImportError: as for the constructor.
            ValueError: as for the constructor.
        """

        def one_token(word: str) -> str | None:
            return words.normalize(word) if len(word.split()) == 1 else None

        return cls(config, counts, one_token, digits=words.digits)

    def more(self, min_count: int, max_size: int | None) -> list[str]:
        """Return the words to add to the vocabulary of train.

        First those of train that ``--min-count`` or ``--vocab-size`` makes unknown, the
        most frequent first, then ``--vector-words`` of the file. Together with the
        vocabulary, there are at most ``--vocab-size`` plus ``--vector-words``.

        Args:
            min_count: of the vocabulary.
            max_size: of the vocabulary.
        """
        if self._look_up is None:
            return []
        known = Vocabulary.from_counts(
            self._counts, min_count=min_count, max_size=max_size
        )
        # Every word has n-grams, so they are no reason to keep a rare one.
        kinds = self._look_up.kind_of
        rest = [
            word
            for word in self._counts
            if word not in known and kinds.get(word, NGRAMS) != NGRAMS
        ]
        rest.sort(key=lambda word: (-self._counts[word], word))
        room = len(rest)
        if max_size is not None:
            room = min(room, max_size - (len(known) - known.reserved))
        if room < len(rest):
            self._limits.append(f"--vocab-size {max_size}")
        num_more = self._config.vector_words
        if self._look_up.is_limited or room < len(rest):
            self._limits.append(f"--vector-words {num_more}")
        return [*rest, *self._look_up.more][: room + num_more]

    def sizes(self) -> dict[str, int]:
        """Return the sizes of the embedding, options of the model."""
        dim = self._config.embedding_dim
        if self._look_up is None:
            return {"embedding_dim": dim or self._config.default_embedding_dim}
        size = self._look_up.table.shape[1]
        if dim is None or dim == size:
            return {"embedding_dim": size}
        return {"embedding_dim": dim, "vector_dim": size}

    def install(self, task: Task, pipeline: Pipeline, vocabulary: Vocabulary) -> None:
        """Write the vectors into the embedding of a model.

        Add to the notes and digests of the task, and set its coverage and what is
        frozen. The digest is of the words and vectors that are used, so that a copy of
        the file, or another format of it, has the same.

        Args:
            task: the task.
            pipeline: its untrained model, whose embedding is ``model.embedding``.
            vocabulary: of the embedding.

        Raises:
            ValueError: if a vector is too large for ``--vectors-dtype``.
        """
        if self._look_up is None:
            return
        config = self._config
        table = self._table(vocabulary)
        if config.vectors_dtype == "float16":
            if np.abs(table).max() > LARGEST_FLOAT16:
                raise ValueError(
                    f"--vectors-dtype float16: {config.vectors} has numbers of more "
                    f"than {LARGEST_FLOAT16:,.0f}; use float32"
                )
            pipeline.stored_dtypes[VECTORS.replace(".", "/")] = "float16"
        embedding: Any = pipeline.model.embedding  # pyright: ignore
        embedding.table[...] = jnp.asarray(table)
        pipeline.bind()
        if config.freeze_vectors:
            task.frozen = (*task.frozen, VECTORS)
        content = hashlib.blake2b(
            "\0".join(vocabulary.tokens).encode("utf-8", "replace")
        )
        content.update(table.data)
        task.digests["the words and vectors of --vectors"] = content.hexdigest()
        task.coverage = self._coverage(vocabulary)
        limits = f" ({', '.join(self._limits)})" if self._limits else ""
        task.notes += [_sentence(task.coverage) + limits]
        task.notes += [f"{config.vectors}: {note}" for note in self._look_up.notes]

    def _table(self, vocabulary: Vocabulary) -> np.ndarray:
        """Return the table float32 ``[V, D]``; the row of padding is zero.

        Words without a vector get random ones, normal with the mean and the standard
        deviation of each dimension of the vectors that are used. Pretrained vectors
        have a large mean, so that N(0, s) would make a cluster of the words without
        one.
        """
        assert self._look_up is not None
        vectors, row_of = self._look_up.table, self._look_up.row_of
        mean, deviation = vectors.mean(axis=0), vectors.std(axis=0)
        if len(vectors) == 1:
            deviation = np.full_like(mean, np.sqrt((mean**2).mean()))
        noise = np.random.default_rng(self._config.seed)
        shape = (len(vocabulary), vectors.shape[1])
        table = noise.standard_normal(shape, np.float32) * deviation + mean
        # A reserved token is no word of a text.
        tokens = vocabulary.tokens[vocabulary.reserved :]
        rows = np.array([row_of.get(token, -1) for token in tokens], np.int64)
        has_vector = rows >= 0
        table[vocabulary.reserved :][has_vector] = vectors[rows[has_vector]]
        table[0] = 0.0
        return table

    def _coverage(self, vocabulary: Vocabulary) -> dict[str, Any]:
        """Return how many words and tokens of train have a vector."""
        assert self._look_up is not None
        counts, kinds = self._counts, self._look_up.counts(self._counts)
        covered = [word for word in counts if word in self._look_up.row_of]
        return {
            "file": self._config.vectors,
            "format": self._format,
            "words": len(counts),
            "covered_words": len(covered),
            "tokens": sum(counts.values()),
            "covered_tokens": sum(counts[word] for word in covered),
            **{kind: kinds[kind] for kind in (EXACT, CASE, DIGITS, NGRAMS)},
            "more_words": sum(
                word not in counts for word in vocabulary.tokens[vocabulary.reserved :]
            ),
        }


def _check_no_effect(config: Any) -> None:
    """Raise an error if a flag needs ``--vectors``."""
    flags = {
        "--freeze-vectors": config.freeze_vectors,
        "--vector-words": config.vector_words != type(config).vector_words,
        "--vectors-dtype float16": config.vectors_dtype != "float32",
    }
    for flag, is_given in flags.items():
        if is_given:
            raise ValueError(f"{flag} needs --vectors")


def _sentence(coverage: Mapping[str, Any]) -> str:
    """Return the coverage as a note for the user."""
    words, tokens = coverage["words"], coverage["tokens"]
    num_words, num_tokens = coverage["covered_words"], coverage["covered_tokens"]
    ways = {CASE: "by another case", DIGITS: "by other digits", NGRAMS: "by n-grams"}
    parts = [
        f"{num_words:,} of {words:,} words of train ({100 * num_words / words:.1f} %), "
        f"{100 * num_tokens / tokens:.1f} % of its tokens",
        ", ".join(f"{coverage[k]:,} {way}" for k, way in ways.items() if coverage[k]),
        f"{coverage['more_words']:,} more words of the file are kept",
    ]
    return "vectors: " + "; ".join(filter(None, parts))
