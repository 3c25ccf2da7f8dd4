"""Sequence to sequence: read one text, write another."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from tasks import base, sequence_metrics
from tasks.data import arrow_cache, dates
from tasks.rows import RowTask, first
from tasks.run import sections
from tasks.run.html import Section
from zoo import checks
from zoo.pipelines import Seq2SeqPipeline
from zoo.text import Text, pad

if TYPE_CHECKING:
    from datasets import Dataset

Tokens = Literal["auto", "chars", "symbols", "bpe"]
ROOM = 1.5  # a text may become so much longer than the longest of train


@dataclass(frozen=True)
class Config(base.Config):
    """Sequence to sequence: pronounce, inflect, normalise, translate."""

    default_epochs: ClassVar[int] = 15

    hidden_size: int = 256
    """Units of each layer; of the encoder, in each direction."""
    dropout: float = 0.3
    """Rate of dropout on the embeddings, between layers and before the output."""
    batch_size: int = 64
    """Pairs of a batch."""
    embedding_dim: int = 128
    """Size of a token's vector, in source and target."""
    attention: Literal["additive", "dot", "general", "none"] = "general"
    """How the decoder looks at the source; none leaves it the final state alone."""
    input_feeding: bool = False
    """The decoder also reads what it attended to one step before."""
    tied: bool = False
    """Score with the table of the embedding (needs equal sizes)."""
    source_tokens: Tokens = "auto"
    """What a source is split into: chars; symbols, between spaces; bpe; or told."""
    target_tokens: Tokens = "auto"
    """What a target is split into, as for the source."""
    vocab_size: int = 8000
    """Most pieces of bpe, and most symbols, of each side."""
    min_count: int = 1
    """How often a token must occur in train to have a number of its own."""
    lowercase: bool = False
    """Read and write in lower case."""
    label_smoothing: float = 0.1
    """Share of the probability that is asked for all tokens alike."""
    sampling: float = 0.0
    """Scheduled sampling: the rate of own tokens read at the end, from 0 on."""
    beam: int = 4
    """Texts kept while writing, in every evaluation; 1 is greedy."""
    length_penalty: float = 1.0
    """Exponent that favours long texts."""
    monitor: Literal["auto", "exact", "per", "bleu", "chrf"] = "auto"
    """Chooses the best epoch; auto: bleu where the target is written in bpe."""


class SequenceToSequence(RowTask):
    """Encoder, bridge, attention and decoder; teacher forcing, beam search."""

    name = "seq2seq"
    Config = Config
    kind = "pairs"

    def __init__(
        self, config: Config, trained: Any = None, split: str | None = None
    ) -> None:
        """Read the data, choose the tokens, make the model.

        Args:
            config: the flags.
            trained: a trained pipeline to be scored, instead of a new one.
            split: the split it is to be scored on; no other is read.

        Raises:
            tasks.data.DataError: if the data cannot be read.
            ValueError: if a flag is out of its range, or some do not fit together.
        """
        checks.rate("--label-smoothing", config.label_smoothing)
        checks.positive("--beam", config.beam)
        if not 0 <= config.sampling <= 1:
            raise ValueError(f"--sampling must lie in [0, 1], got {config.sampling!r}")
        if config.attention == "dot" and config.bidirectional:
            raise ValueError(
                "--attention dot compares states of one size: it needs "
                "--no-bidirectional; general has no such need"
            )
        super().__init__(config, trained, split)
        score = config.monitor
        if score == "auto":
            score = "bleu" if self.pipeline.target.units == "bpe" else "exact"
        self.monitor = (score, "min" if score == "per" else "max")
        self.numbers = {}
        start = 0
        for name, rows in self.splits.items():
            self.numbers[name] = start
            start += len(rows)

    def sample(self) -> Path:
        """Return the folder of dates, which are written there."""
        return dates.folder()

    def adopt(self, trained: Any) -> None:
        """Take a trained pipeline, to score it.

        Args:
            trained: the pipeline.
        """
        super().adopt(trained)
        self.ratio = 1.0

    def make_pipeline(self) -> Seq2SeqPipeline:
        """Return the untrained model with the vocabularies of the training data."""
        config = self.config
        self.splits["train"] = train = single(self.splits["train"])
        texts = {
            "source": list(first(train, "source")),
            "target": [targets[0] for targets in first(train, "targets")],
        }
        sides, lengths = {}, {}
        for side, found in texts.items():
            units = getattr(config, f"{side}_tokens")
            if units == "auto":
                units = told(found)
                self.notes.append(f"{side}: {units} (--{side}-tokens)")
            sides[side] = text = Text.build(
                found,
                units,
                lowercase=config.lowercase,
                min_count=config.min_count,
                max_size=None if units == "chars" else config.vocab_size,
                marks=side == "target",
            )
            lengths[side] = [len(text.split(line)) for line in found]
        # So many tokens of the source stand against one of the target and its end.
        ends = sum(lengths["target"]) + len(train)
        self.ratio = sum(lengths["source"]) / ends
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
        limit = math.ceil(ROOM * longest) + 1
        return Seq2SeqPipeline(
            options, sides["source"], sides["target"], limit, seed=config.seed
        )

    def length(self, row: dict[str, Any]) -> int:
        """Return the length of a pair, in tokens of the source.

        A target counts as long as a source of its kind usually is: pairs of one length
        fit into one shape, [B, S] and [B, T], and few positions are left empty.
        """
        source = len(self.pipeline.source.split(row["source"]))
        target = len(self.pipeline.target.split(row["targets"][0])) + 1
        return max(source, math.ceil(self.ratio * target))

    def batches(self, split: str, seed: int | None) -> Iterator[base.Batch]:
        """Yield one epoch of a split: numpy arrays with masks, in few shapes.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            seed: shuffles; None keeps the order of the data within a shape.
        """
        B, begin, end = self.config.batch_size, self.pipeline.begin, self.pipeline.end
        for S, rows in self.buckets[split].epoch(seed):
            T = math.ceil(S / self.ratio)
            found = self.splits[split][rows]
            sources, targets = [], []
            for source, right in zip(found["source"], found["targets"], strict=True):
                ids = self.pipeline.target.encode(right[0])
                read, asked = [begin, *ids], [*ids, end]
                sources.append({"source": self.pipeline.source.encode(source)[:S]})
                targets.append({"target": read[:T], "labels": asked[:T]})
            sources = pad(sources, S, B)
            targets = pad([_arrays(row) for row in targets], T, B)
            number = np.zeros(B, np.int32)
            number[: len(rows)] = self.numbers[split] + np.asarray(rows)
            sources["source_mask"] = sources.pop("mask")
            yield {**sources, **targets, "number": number}

    def loss(self, model, batch, carry, *, key=None, progress=0.0):
        """Return the sum of the cross-entropies, the number of tokens, no carry."""
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
        return _cross_entropy(logits, batch, smoothing), carry

    def predict(self, model, batch, carry):
        """Return what is written by beam search, and the loss of the references."""
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
        found = {"ids": best.ids, "lengths": best.lengths}
        return {**found, "loss": total, "count": count}, carry

    def metrics(self, pairs: base.Pairs) -> base.Scores:
        """Score what was written, by all the references of each source."""
        return sequence_metrics.sequences(
            *self._texts(pairs), self.pipeline.target.split
        )

    def report(self, pairs: base.Pairs) -> list[Section]:
        """Return the worst errors, and where the decoder looked.

        Args:
            pairs: of the test split.
        """
        search = {
            "beam": self.config.beam,
            "length_penalty": self.config.length_penalty,
        }
        return sections.seq2seq(self.pipeline, *self._texts(pairs), **search)

    def _texts(self, pairs: base.Pairs):
        """Return the sources of a split, their references, and what was written."""
        written: dict[int, str] = {}
        target = self.pipeline.target
        for batch, found in pairs:
            for b in np.flatnonzero(batch["mask"].any(axis=1)):
                ids = found["ids"][b, : found["lengths"][b]]
                text = target.join(target.vocabulary.decode(ids))
                written[int(batch["number"][b])] = text
        start = min(written)
        split = next(name for name, n in self.numbers.items() if n == start)
        rows = self.splits[split]
        lower = str.lower if target.lowercase else str
        references = [list(map(lower, right)) for right in first(rows, "targets")]
        texts = [written[start + k] for k in range(len(rows))]
        return list(first(rows, "source")), references, texts

    def baselines(self) -> dict[str, base.Scores]:
        """Return the scores of writing down the source as it is."""
        rows = self.splits["test"]
        sources = list(first(rows, "source"))
        scores = sequence_metrics.sequences(
            sources, list(first(rows, "targets")), sources, self.pipeline.target.split
        )
        return {"copy": scores}

    def example(self) -> str:
        """Return the first source of the test split."""
        return next(first(self.splits["test"], "source"))

    def sizes(self) -> dict[str, Any]:
        """Return what the user wants to know of the data before training."""
        sides = {"source": self.pipeline.source, "target": self.pipeline.target}
        pairs = {name: f"{len(rows):,} pairs" for name, rows in self.splits.items()}
        return (
            super().sizes()
            | pairs
            | {
                side: f"{len(text.vocabulary):,} {text.units}"
                for side, text in sides.items()
            }
        )


def told(texts: Iterable[str]) -> str:
    """Return what texts should be split into: symbols, chars or bpe.

    Symbols are short, few, and divided by spaces, as phonemes are. Five words or more a
    text are sentences, for pieces of words; what is shorter is read by characters.

    Args:
        texts: one side of the training data.
    """
    lines = words = letters = 0
    different: set[str] = set()
    for text in texts:
        found = text.split()
        lines, words = lines + 1, words + len(found)
        letters += sum(map(len, found))
        different.update(found)
    if words >= 2 * lines and letters <= 3 * words and len(different) <= 500:
        return "symbols"
    return "bpe" if words >= 5 * lines else "chars"


def single(rows: "Dataset") -> "Dataset":
    """Return pairs with one target each: a source with several comes several times.

    Args:
        rows: of kind pairs.
    """
    if all(len(targets) == 1 for targets in first(rows, "targets")):
        return rows

    def divide(found: dict[str, list]) -> dict[str, list]:
        both = zip(found["source"], found["targets"], strict=True)
        flat = [(source, [target]) for source, right in both for target in right]
        sources, targets = zip(*flat, strict=True)
        return {"source": list(sources), "targets": list(targets)}

    with arrow_cache.quiet():
        return rows.map(divide, batched=True, features=rows.features)


def _arrays(row: dict[str, list[int]]) -> dict[str, np.ndarray]:
    return {name: np.array(ids, np.int32) for name, ids in row.items()}


def _cross_entropy(logits, batch, smoothing):
    """Return the sum over the tokens, and their number."""
    mask = jnp.asarray(batch["mask"])
    scores = jax.nn.log_softmax(logits)
    picked = jnp.take_along_axis(scores, batch["labels"][..., None], axis=-1)[..., 0]
    gain = (1 - smoothing) * picked + smoothing * scores.mean(axis=-1)
    return -jnp.where(mask, gain, 0.0).sum(), mask.sum()
