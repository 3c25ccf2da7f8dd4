"""The seq2seq task: read one text, write another."""

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import jax
import numpy as np

from zoo.pipelines import Seq2SeqPipeline
from zoo.tasks import base, sequence_metrics, transfer
from zoo.tasks.configs.seq2seq import Config
from zoo.tasks.data import dates
from zoo.tasks.data.blocks import column
from zoo.tasks.losses import negative_sum, smoothed_likelihood
from zoo.tasks.pair_preparation import PairIds, one_target_per_row, pair_ids
from zoo.tasks.rows import Encoded, RowSplits, RowTask
from zoo.tasks.run import sections
from zoo.tasks.run.html import Section
from zoo.tasks.seq2seq_pipeline import build_pipeline, check_flags
from zoo.types import Array, Key, State

if TYPE_CHECKING:
    from datasets import Dataset


class SequenceToSequence(RowTask):
    """Encoder, bridge, attention and decoder; teacher forcing, beam search.

    Attributes:
        pipeline: the model, and the tokens of both sides.
        ratio: source tokens per target token in train; 1 for a trained pipeline.
        splits: the pairs, batched by length.
    """

    name = "seq2seq"
    Config = Config

    def __init__(
        self,
        config: Config,
        trained: Seq2SeqPipeline | None = None,
        split: str | None = None,
    ) -> None:
        """Read the data, choose the tokens, and build the model.

        Args:
            config: the flags.
            trained: a trained pipeline to score, instead of a new one.
            split: the only split to read, to score it.

        Raises:
            zoo.tasks.data.DataError: if the data cannot be read.
            ValueError: if a flag is out of its range, or two exclude each other.
        """
        super().__init__(config)
        check_flags(config)
        rows = self.read_rows("pairs", split, sample=dates.folder)
        if trained is not None:
            self.pipeline, self.ratio = trained, 1.0
            ids = pair_ids(rows, trained.source, trained.target)
        else:
            rows["train"] = one_target_per_row(rows["train"])
            pipeline, ids, self.ratio, decisions, vectors = build_pipeline(config, rows)
            vectors.install(self, pipeline, pipeline.source.vocabulary)
            self.pipeline = transfer.start(self, pipeline)
            self.notes += decisions
        self.encode(rows, ids)
        self.notes += self.splits.notes
        self.digests |= self.splits.digests()
        of_bpe = self.pipeline.target.units == "bpe"
        self.monitor = ("bleu" if of_bpe else "exact", "max")
        self.choose_monitor("exact", "wer", "per", "bleu", "chrf")

    def of_chunk(self, rows: "Dataset") -> Self:
        """Return a copy of the task with other training rows, a target each."""
        return super().of_chunk(one_target_per_row(rows))

    def encode(
        self,
        rows: dict[str, "Dataset"],
        columns: PairIds | None = None,
        sizes: list[int] | None = None,
    ) -> None:
        """Encode pairs, see `RowTask`; those of train have one target each."""
        source, target = self.pipeline.source, self.pipeline.target
        sources, targets = columns or pair_ids(rows, source, target, cached=False)
        self._sources = Encoded(
            sources, lambda units: {"source": source.vocabulary.encode(units)}
        )
        self._targets = Encoded(
            targets, lambda units: {"labels": target.vocabulary.encode(units)}
        )
        self.splits = RowSplits(rows, self._lengths(), self.config, sizes=sizes)
        # Numbered over all splits, so that the number of a pair identifies its split.
        self._first_number: dict[str, int] = {}
        count = 0
        for name, split_rows in rows.items():
            self._first_number[name] = count
            count += len(split_rows)

    def _lengths(self) -> dict[str, np.ndarray]:
        """Return the lengths of the pairs by split, in tokens of the source.

        The length of the target is converted by the ratio of both sides in train, so
        that the pairs of a bucket fit into ``[B, S]`` and ``[B, T]`` with little
        padding.
        """
        lengths = {}
        for split, targets in self._targets.columns.items():
            converted = np.ceil(self.ratio * (targets.lengths + 1)).astype(np.int64)
            sources = self._sources.columns[split]
            lengths[split] = np.maximum(sources.lengths, converted)
        return lengths

    def batch(
        self, split: str, length: int, batch_size: int, numbers: np.ndarray
    ) -> base.Batch:
        """Return some rows as padded arrays, see `RowTask`."""
        sources = self._sources.batch(split, numbers, length, batch_size)
        sources["source_mask"] = sources.pop("mask")
        number = np.zeros(batch_size, np.int32)
        number[: len(numbers)] = self._first_number[split] + numbers
        targets = self._target_batch(split, length, batch_size, numbers)
        return {**sources, **targets, "number": number}

    def _target_batch(
        self, split: str, length: int, batch_size: int, numbers: np.ndarray
    ) -> base.Batch:
        """Return the inputs and the labels of the decoder, and their mask ``[B, T]``.

        Both are the target; the inputs after the begin, the labels before the end.
        """
        T = math.ceil(length / self.ratio)
        batch = self._targets.batch(split, numbers, T, batch_size)
        labels, mask = batch["labels"], batch["mask"]
        target = np.zeros_like(labels)
        target[: len(numbers), 0] = self.pipeline.begin
        target[:, 1:] = labels[:, :-1]
        lengths = self._targets.columns[split].lengths[numbers]
        has_end = np.flatnonzero(lengths < T)
        labels[has_end, lengths[has_end]] = self.pipeline.end
        mask[has_end, lengths[has_end]] = True
        return {"target": target, "labels": labels, "mask": mask}

    def loss(
        self,
        model: Any,
        batch: base.Batch,
        carry: State,
        *,
        key: Key | None = None,
        progress: Array | float = 0.0,
    ) -> tuple[tuple[Array, Array], State]:
        """Return the sum of the cross-entropies, the number of tokens, and `carry`."""
        rate = self.config.sampling
        smoothing = 0.0 if key is None else self.config.label_smoothing
        gain = model.reduce_logits(
            partial(smoothed_likelihood, smoothing=smoothing),
            (batch["labels"],),
            batch["source"],
            batch["source_mask"],
            batch["target"],
            batch["mask"],
            sampling=rate * progress if rate else None,
            key=key,
        )
        return negative_sum(gain, batch["mask"]), carry

    def predict(
        self, model: Any, batch: base.Batch, carry: State
    ) -> tuple[dict[str, Array], State]:
        """Return the outputs of the beam search, and the loss of the references."""
        (total, count), _ = self.loss(model, batch, carry)
        best = jax.tree.map(
            lambda a: a[:, 0],
            self.pipeline.write(
                model,
                batch["source"],
                batch["source_mask"],
                beam=self.config.beam,
                length_penalty=self.config.length_penalty,
            )._replace(weights=None),
        )
        arrays = {
            "ids": best.ids,
            "lengths": best.lengths,
            "loss": total,
            "count": count,
        }
        return arrays, carry

    def metrics(self, pairs: base.Pairs) -> base.Scores:
        """Score the outputs against all references of each source."""
        return sequence_metrics.sequences(
            *self._texts(pairs), self.pipeline.target.split
        )

    def report(self, pairs: base.Pairs) -> list[Section]:
        """Return the worst errors, and the attention weights.

        Args:
            pairs: of the test split.
        """
        search = {
            "beam": self.config.beam,
            "length_penalty": self.config.length_penalty,
        }
        return sections.seq2seq_sections(self.pipeline, *self._texts(pairs), **search)

    def _texts(self, pairs: base.Pairs) -> tuple[list[str], list[list[str]], list[str]]:
        """Return the sources of a split, their references, and the outputs."""
        outputs: dict[int, str] = {}
        target = self.pipeline.target
        for batch, arrays in pairs:
            for b in np.flatnonzero(batch["mask"].any(axis=1)):
                ids = arrays["ids"][b, : arrays["lengths"][b]]
                text = target.join(target.vocabulary.decode(ids))
                outputs[int(batch["number"][b])] = text
        first = min(outputs)
        split = next(name for name, n in self._first_number.items() if n == first)
        rows = self.splits.rows[split]
        lower = str.lower if target.lowercase else str
        references = [list(map(lower, texts)) for texts in column(rows, "targets")]
        texts = [outputs[first + k] for k in range(len(rows))]
        return list(column(rows, "source")), references, texts

    def baselines(self) -> dict[str, base.Scores]:
        """Return the test scores of copying the source."""
        rows = self.splits.rows["test"]
        sources, targets = list(column(rows, "source")), list(column(rows, "targets"))
        split = self.pipeline.target.split
        return {"copy": sequence_metrics.sequences(sources, targets, sources, split)}

    def example(self) -> str:
        """Return the first source of the test split."""
        return next(column(self.splits.rows["test"], "source"))

    def sizes(self) -> dict[str, Any]:
        """Return the sizes of the data and of the vocabularies, for the user."""
        sides = {"source": self.pipeline.source, "target": self.pipeline.target}
        rows = self.splits.rows.items()
        pairs = {name: f"{len(split_rows):,} pairs" for name, split_rows in rows}
        return (
            self.splits.sizes()
            | pairs
            | {
                side: f"{len(text.vocabulary):,} {text.units}"
                for side, text in sides.items()
            }
        )
