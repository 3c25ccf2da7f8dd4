"""Training on rows that are read in chunks: ``--streaming``."""

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from zoo.tasks import data, processes
from zoo.tasks.configs.base import RowConfig
from zoo.tasks.data.blocks import column
from zoo.tasks.data.streams import Chunk, Place, RowStream
from zoo.tasks.layout import RowShard
from zoo.tasks.run.errors import note
from zoo.tasks.scores import Batch

if TYPE_CHECKING:
    from datasets import Dataset

    from zoo.tasks.base import Task


class ChunkTask(Protocol):
    """What a stream needs of its task; see `zoo.tasks.rows.RowTask`."""

    @property
    def config(self) -> Any: ...  # noqa: D102

    @property
    def pipeline(self) -> Any: ...  # noqa: D102

    def of_chunk(self, rows: "Dataset") -> "Task": ...  # noqa: D102


class TrainingStream:
    """The batches of training rows that are read in chunks.

    A chunk is shuffled and divided into batches as an epoch of rows in memory is.
    """

    def __init__(self, rows: RowStream, task: ChunkTask) -> None:
        """Hold the rows; none is read yet.

        Args:
            rows: the training rows.
            task: encodes the rows with its vocabularies.
        """
        self.rows = rows
        self._task = task

    def batches(
        self, position: Sequence[int] | None, shard: RowShard
    ) -> Iterator[tuple[list[int], Batch]]:
        """Yield batches without an end, each with the position after it.

        Args:
            position: after the batch before the first one; None for the first of all:
                the `Place` of its chunk, and the number of batches done in the chunk.
            shard: the rows of each batch to encode.

        Raises:
            zoo.tasks.data.DataError: if a row has a label that the model lacks, or the
                rows cannot be read.
        """
        config = self._task.config
        *place, done = position or [*Place(), 0]
        for chunk in self.rows.chunks(config.shuffle_rows, Place(*place)):
            self._check_labels(chunk)
            seed = config.seed + 1_000_003 * chunk.place.chunk
            batches = self._task.of_chunk(chunk.rows).batches("train", seed, shard)
            for number, batch in enumerate(itertools.islice(batches, done, None), done):
                yield [*chunk.place, number + 1], batch
            done = 0

    def _check_labels(self, chunk: Chunk) -> None:
        """Raise an error if a row of a chunk has a label that the model lacks."""
        name = next(
            (n for n in ("label", "tags") if n in chunk.rows.column_names), None
        )
        if name is None:
            return
        known = set(self._task.pipeline.labels.tokens)
        for row, value in enumerate(column(chunk.rows, name)):
            labels = [value] if name == "label" else value
            unknown = next((label for label in labels if label not in known), None)
            if unknown is not None:
                noun = "label" if name == "label" else "tag"
                raise data.DataError(
                    f"{chunk.name(row)} has the {noun} {unknown!r}, which is not among "
                    f"those of the first {self._task.config.vocab_rows:,} rows: give "
                    "a larger --vocab-rows"
                )


def read(config: RowConfig, kind: data.Kind) -> data.Streamed:
    """Read dev, test and the first rows of train.

    Args:
        config: the flags.
        kind: of the rows.

    Returns:
        The training rows; and the splits, of which train has the first rows only.

    Raises:
        ValueError: if a flag is missing, or has no effect.
        zoo.tasks.data.DataError: if the data cannot be read.
    """
    _check_flags(config)
    return data.stream(
        config,
        kind,
        seed=config.seed,
        head_rows=config.vocab_rows,
        strict_labels=getattr(config, "strict_labels", False),
        tokenizer=getattr(config, "tokens", "words"),
        remark=note,
    )


def _check_flags(config: RowConfig) -> None:
    """Check the flags of a run with ``--streaming``."""
    if config.on_sample:
        raise ValueError(
            "--streaming needs data: --data hub:NAME, or files with --train-file"
        )
    needed = {"--steps": config.steps, "--eval-every": config.eval_every}
    for flag, value in needed.items():
        if value is None:
            raise ValueError(f"--streaming needs {flag}: a pass has no known length")
    if config.limit_train is not None:
        raise ValueError("--limit-train is not for --streaming: --steps limits a run")
    if processes.count() > 1:
        raise ValueError("--streaming is for one process, which may have many devices")
