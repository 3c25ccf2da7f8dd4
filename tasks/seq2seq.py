"""The seq2seq task: read one text, write another."""

import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from zoo.pipelines import Seq2SeqPipeline
from zoo.tasks import base, sequence_metrics
from zoo.tasks.configs.seq2seq import Config
from zoo.tasks.data import dates
from zoo.tasks.losses import cross_entropy
from zoo.tasks.pair_preparation import one_target_per_row
from zoo.tasks.rows import RowSplits, column, read
from zoo.tasks.run import sections
from zoo.tasks.run.html import Section
from zoo.tasks.seq2seq_pipeline import build_pipeline, check_flags
from zoo.text import pad
from zoo.types import Array, Key, State


class SequenceToSequence(base.Task):
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
        rows, notes, digests = read(config, "pairs", split, sample=dates.folder)
        self.digests |= digests
        self.notes += notes
        if trained is not None:
            self.pipeline, self.ratio = trained, 1.0
        else:
            rows["train"] = one_target_per_row(rows["train"])
            self.pipeline, self.ratio, decisions = build_pipeline(config, rows["train"])
            self.notes += decisions
        self.splits = RowSplits(rows, self._length, config)
        of_bpe = self.pipeline.target.units == "bpe"
        self.monitor = ("bleu" if of_bpe else "exact", "max")
        self.choose_monitor("exact", "wer", "per", "bleu", "chrf")
        # Numbered over all splits, so that the number of a pair identifies its split.
        self._first_number: dict[str, int] = {}
        count = 0
        for name, split_rows in rows.items():
            self._first_number[name] = count
            count += len(split_rows)

    def _length(self, row: dict[str, Any]) -> int:
        """Return the length of a pair, in tokens of the source.

        The length of the target is converted by the ratio of both sides in train, so
        that the pairs of a bucket fit into ``[B, S]`` and ``[B, T]`` with little
        padding.
        """
        source = len(self.pipeline.source.split(row["source"]))
        target = len(self.pipeline.target.split(row["targets"][0])) + 1
        return max(source, math.ceil(self.ratio * target))

    def num_batches(self, split: str) -> int:
        """Return how many batches an epoch of a split has."""
        return self.splits.num_batches(split)

    def batches(self, split: str, seed: int | None) -> Iterator[base.Batch]:
        """Yield one epoch of a split: padded NumPy arrays with masks, in few shapes.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            seed: seed of the order; None keeps the order of the data within a bucket.
        """
        B = self.config.batch_size
        for S, numbers, rows in self.splits.encoded(split, seed, self._encode):
            T = math.ceil(S / self.ratio)
            sources = pad([{"source": row["source"][:S]} for row in rows], S, B)
            names = ("target", "labels")
            targets = pad([{n: row[n][:T] for n in names} for row in rows], T, B)
            number = np.zeros(B, np.int32)
            number[: len(numbers)] = self._first_number[split] + numbers
            sources["source_mask"] = sources.pop("mask")
            yield {**sources, **targets, "number": number}

    def _encode(self, row: dict[str, Any]) -> dict[str, np.ndarray]:
        """Return the arrays of a pair, with its first target."""
        ids = self.pipeline.target.encode(row["targets"][0])
        target = np.array([self.pipeline.begin, *ids], np.int32)
        labels = np.array([*ids, self.pipeline.end], np.int32)
        source = self.pipeline.source.encode(row["source"])
        return {"source": source, "target": target, "labels": labels}

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
        logits = model(
            batch["source"],
            batch["source_mask"],
            batch["target"],
            batch["mask"],
            sampling=rate * progress if rate else None,
            key=key,
        )
        smoothing = 0.0 if key is None else self.config.label_smoothing
        loss = cross_entropy(
            logits, batch["labels"], batch["mask"], smoothing=smoothing
        )
        return loss, carry

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
