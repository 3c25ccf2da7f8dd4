"""Sequence to sequence: read one text, write another."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import jax
import numpy as np

from tasks import base, sequence_metrics
from tasks.data import dates
from tasks.losses import cross_entropy
from tasks.pair_preparation import detect_tokens, one_target_per_row
from tasks.rows import RowSplits, column, read
from tasks.run import sections
from tasks.run.html import Section
from zoo import checks
from zoo.pipelines import Seq2SeqPipeline
from zoo.text import Text, pad
from zoo.types import Array, Key, State

if TYPE_CHECKING:
    from datasets import Dataset

Tokens = Literal["auto", "chars", "symbols", "bpe"]
LENGTH_FACTOR = 1.5  # the longest output, relative to the longest target of train


@dataclass(frozen=True)
class Config(base.Config):
    """Sequence to sequence: pronounce, inflect, normalise, translate."""

    default_epochs: ClassVar[int] = 15

    hidden_size: int = 256
    """Hidden units of each layer; of the encoder, in each direction."""
    dropout: float = 0.3
    """Dropout rate of the embeddings, between layers and before the output."""
    batch_size: int = 64
    """Pairs of a batch."""
    embedding_dim: int = 128
    """Embedding size of a token, in source and target."""
    attention: Literal["additive", "dot", "general", "none"] = "general"
    """Attention scores; none: the decoder sees the final encoder state only."""
    input_feeding: bool = False
    """The decoder also reads its previous attention vector."""
    tied: bool = False
    """Share the target embedding with the output layer (needs equal sizes)."""
    source_tokens: Tokens = "auto"
    """Tokens of a source: chars; symbols (between spaces); bpe; auto detects them."""
    target_tokens: Tokens = "auto"
    """Tokens of a target, as for the source."""
    vocab_size: int = 8000
    """Largest number of bpe pieces or symbols, for each side."""
    min_count: int = 1
    """Tokens that occur less often in train are unknown."""
    lowercase: bool = False
    """Lower-case sources and targets."""
    label_smoothing: float = 0.1
    """Probability that is spread evenly over all tokens in the loss."""
    sampling: float = 0.0
    """Scheduled sampling: rate of the model's own tokens, grows from 0 to this."""
    beam: int = 4
    """Width of the beam search in evaluations; 1 is greedy."""
    length_penalty: float = 1.0
    """Exponent of the length normalisation; larger favours long outputs."""
    monitor: Literal["auto", "exact", "per", "bleu", "chrf"] = "auto"
    """Score that chooses the best epoch; auto: bleu for bpe targets, else exact."""


class SequenceToSequence(base.Task):
    """Encoder, bridge, attention and decoder; teacher forcing, beam search.

    Attributes:
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
            tasks.data.DataError: if the data cannot be read.
            ValueError: if a flag is out of its range, or two exclude each other.
        """
        checks.rate("--label-smoothing", config.label_smoothing)
        checks.positive("--beam", config.beam)
        if not 0 <= config.sampling <= 1:
            raise ValueError(f"--sampling must lie in [0, 1], got {config.sampling!r}")
        if config.attention == "dot" and config.bidirectional:
            raise ValueError(
                "--attention dot needs states of equal size: add "
                "--no-bidirectional, or use --attention general"
            )
        super().__init__(config)
        rows, notes = read(config, "pairs", split, sample=dates.folder())
        self.notes += notes
        # Tokens of the source for each token of the target.
        self.ratio = 1.0
        if trained is None:
            rows["train"] = one_target_per_row(rows["train"])
        self.pipeline = trained or self._build_pipeline(rows["train"])
        self.splits = RowSplits(rows, self._length, config)
        score = config.monitor
        if score == "auto":
            score = "bleu" if self.pipeline.target.units == "bpe" else "exact"
        self.monitor = (score, "min" if score == "per" else "max")
        # The number of a pair tells its split: they are counted through all of them.
        self._first_number = {}
        count = 0
        for name, split_rows in rows.items():
            self._first_number[name] = count
            count += len(split_rows)

    def _build_pipeline(self, train: "Dataset") -> Seq2SeqPipeline:
        """Return an untrained model with the vocabularies of the training data."""
        config = self.config
        texts = {
            "source": list(column(train, "source")),
            "target": [targets[0] for targets in column(train, "targets")],
        }
        sides, lengths = {}, {}
        for side, lines in texts.items():
            units = getattr(config, f"{side}_tokens")
            if units == "auto":
                units = detect_tokens(lines)
                self.notes.append(f"{side}: {units} (--{side}-tokens)")
            sides[side] = text = Text.build(
                lines,
                units,
                lowercase=config.lowercase,
                min_count=config.min_count,
                max_size=None if units == "chars" else config.vocab_size,
                marks=side == "target",
            )
            lengths[side] = [len(text.split(line)) for line in lines]
        # A target has an end token more.
        target_length = sum(lengths["target"]) + len(train)
        self.ratio = sum(lengths["source"]) / target_length
        longest = max(lengths["target"])
        if config.max_length is not None:
            longest = min(longest, config.max_length)
        options = {
            "source_vocab_size": len(sides["source"].vocabulary),
            "target_vocab_size": len(sides["target"].vocabulary),
            "embedding_dim": config.embedding_dim,
            "cell": config.cell,
            "hidden_size": config.hidden_size,
            "num_layers": config.num_layers,
            "dtype": config.dtype,
            "bidirectional": config.bidirectional,
            "attention": None if config.attention == "none" else config.attention,
            "input_feeding": config.input_feeding,
            "tied": config.tied,
            "dropout": config.dropout,
        }
        limit = math.ceil(LENGTH_FACTOR * longest) + 1
        return Seq2SeqPipeline(
            options, sides["source"], sides["target"], limit, seed=config.seed
        )

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
        """Yield one epoch of a split: numpy arrays with masks, in few shapes.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            seed: shuffles; None keeps the order of the data within a length.
        """
        B, begin, end = self.config.batch_size, self.pipeline.begin, self.pipeline.end
        for S, numbers, columns in self.splits.epoch(split, seed):
            T = math.ceil(S / self.ratio)
            sources, targets = [], []
            pairs = zip(columns["source"], columns["targets"], strict=True)
            for source, references in pairs:
                ids = self.pipeline.target.encode(references[0])
                inputs, labels = [begin, *ids], [*ids, end]
                sources.append({"source": self.pipeline.source.encode(source)[:S]})
                targets.append({"target": inputs[:T], "labels": labels[:T]})
            sources = pad(sources, S, B)
            targets = pad([_int32(row) for row in targets], T, B)
            number = np.zeros(B, np.int32)
            number[: len(numbers)] = self._first_number[split] + numbers
            sources["source_mask"] = sources.pop("mask")
            yield {**sources, **targets, "number": number}

    def loss(
        self,
        model: Any,
        batch: base.Batch,
        carry: State,
        *,
        key: Key | None = None,
        progress: Array | float = 0.0,
    ) -> tuple[tuple[Array, Array], State]:
        """Return the sum of the cross-entropies, the number of tokens, and ()."""
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
        """Return the outputs of beam search, and the loss of the references."""
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
        """Return the sizes of the data, for the user."""
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


def _int32(row: dict[str, list[int]]) -> dict[str, np.ndarray]:
    return {name: np.array(ids, np.int32) for name, ids in row.items()}
