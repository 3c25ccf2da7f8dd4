"""Memory problems: how long a network remembers."""

import json
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from zoo.models.decoding import argmax
from zoo.pipelines import ReaderPipeline
from zoo.tasks import base, metrics, transfer
from zoo.tasks.configs.memory import Config
from zoo.tasks.data.memory_problems import PROBLEMS, Sequences
from zoo.tasks.layout import WHOLE, RowShard
from zoo.tasks.losses import cross_entropy
from zoo.tasks.run import sections
from zoo.tasks.run.gradient_decay import layers_of
from zoo.tasks.run.html import Section
from zoo.text import Vocabulary
from zoo.types import Array, Key, State

SPLIT_SEEDS = {"train": 1, "dev": 2, "test": 3}
NUM_PROBES = 4  # sequences for the measurement of gradients and gates
# A sum with a smaller error is correct: the bound of Hochreiter and Schmidhuber (1997).
SUM_TOLERANCE = 0.04


class Memory(base.Task):
    """Recurrent layers with a linear read-out of every step or of the last one.

    Attributes:
        labels: the classes, of problems with one class per sequence; else None.
    """

    name = "memory"
    Config = Config

    def __init__(
        self, config: Any, trained: Any = None, split: str | None = None
    ) -> None:
        """Build the model; the data are generated batch by batch.

        Args:
            config: the flags.
            trained: must be None: there is no other corpus to score a model on.
            split: unused.

        Raises:
            ValueError: if a flag is out of its range, or a pipeline is passed.
        """
        super().__init__(config)
        if trained is not None:
            raise ValueError(
                "a memory problem has no corpus to score a model on; metrics.json in "
                "the run folder has its scores"
            )
        if config.permuted and config.problem != "digits":
            raise ValueError(f"--permuted is for digits, got {config.problem}")
        self.problem = PROBLEMS[config.problem]
        self.monitor = (self.problem.score, "min")
        self.each = config.problem in ("copy", "delay")
        one_class = self.problem.outputs > 1 and not self.each
        names = [str(k) for k in range(self.problem.outputs)]
        self.labels = Vocabulary(names, reserved=0) if one_class else None
        class_scores = ("f1_macro",) if one_class else ()
        self.choose_monitor(self.problem.score, "accuracy", *class_scores)
        self.count = dict(self.problem.sizes)
        if config.limit_train is not None:
            self.count["train"] = min(self.count["train"], config.limit_train)
        options = {
            "input_size": self.problem.input_size,
            "output_size": self.problem.outputs,
            "each": self.each,
            "cell": config.cell,
            "hidden_size": config.hidden_size,
            "num_layers": config.num_layers,
            **config.layer_options(),
            "bidirectional": config.bidirectional,
            "dropout": config.dropout,
            "init": config.initializer,
            "longest": max(3, config.length),
        }
        pipeline = ReaderPipeline(
            options,
            symbols=self.problem.symbols,
            scale=config.input_scale,
            seed=config.seed,
        )
        self.pipeline = transfer.start(self, pipeline)
        if config.bidirectional:
            self.notes.append(
                "bidirectional: the backward layer reads the last step first"
            )

    def num_batches(self, split: str) -> int:
        """Return how many batches an epoch of a split has."""
        return -(-self.count[split] // self.config.batch_size)

    def sequences(self, split: str, seed: int | None) -> Sequences:
        """Return the sequences of an epoch: in train, other ones for every seed.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            seed: of train; None stands for a fixed seed.
        """
        sequences = self._generate(split, seed)
        if self.config.permuted:
            order = np.random.default_rng(92).permutation(sequences.inputs.shape[1])
            sequences = sequences._replace(inputs=sequences.inputs[:, order])
        return sequences

    def _generate(self, split: str, seed: int | None) -> Sequences:
        """Return the sequences of an epoch before the steps are permuted."""
        epoch_seed = 0 if seed is None or split != "train" else seed + 1
        rng = np.random.default_rng([SPLIT_SEEDS[split], epoch_seed])
        return self.problem.make(self.config.length, self.count[split], rng, split)

    def inputs(self, longest: int | None = None) -> np.ndarray:
        """Return some sequences of the test split, ``[B, T, D]``.

        Args:
            longest: the largest number of steps; all by default.
        """
        return next(iter(self.batches("test", None)))["x"][:NUM_PROBES, :longest]

    def batches(
        self, split: str, seed: int | None, shard: RowShard = WHOLE
    ) -> Iterator[base.Batch]:
        """Yield one epoch of a split: numpy arrays with a mask, in one shape.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            seed: of train; None stands for a fixed seed.
            shard: the rows of each batch to return.
        """
        sequences, size = self.sequences(split, seed), self.config.batch_size
        first, last = shard.rows(size)
        for start in range(0, len(sequences.inputs), size):
            rows = slice(start + first, start + min(last, size))
            x = self.pipeline.vectors(sequences.inputs[rows])
            targets = sequences.targets[rows]
            num_missing = last - first - len(x)
            mask = np.ones(x.shape[:2], bool)
            batch = {"x": x, "mask": mask, "target": targets}
            if sequences.scored is not None and sequences.recalled is not None:
                batch["scored"] = np.broadcast_to(sequences.scored, mask.shape)
                batch["recalled"] = np.broadcast_to(sequences.recalled, mask.shape)
            yield {
                name: np.pad(a, [(0, num_missing)] + [(0, 0)] * (a.ndim - 1))
                for name, a in batch.items()
            }

    def loss(
        self,
        model: Any,
        batch: base.Batch,
        carry: State,
        *,
        key: Key | None = None,
        progress: Array | float = 0.0,
    ) -> tuple[tuple[Array, Array], State]:
        """Return the sum of the losses, the number of answers, and ()."""
        y = model(batch["x"], batch["mask"], key=key)
        return self._loss_of(y, batch), carry

    def _loss_of(self, y: Array, batch: base.Batch) -> tuple[Array, Array]:
        """Return the sum of the losses and the number of answers."""
        mask = jnp.asarray(batch["mask"])
        real = mask & batch["scored"] if self.each else mask.any(axis=1)
        if self.problem.score == "mse":
            errors = jnp.square(y[:, 0] - batch["target"].astype(y.dtype))
            return jnp.where(real, errors, 0.0).sum(), real.sum()
        return cross_entropy(y, batch["target"], real)

    def predict(
        self, model: Any, batch: base.Batch, carry: State
    ) -> tuple[dict[str, Array], State]:
        """Return the answers, their probabilities if classes, and the loss."""
        y = model(batch["x"], batch["mask"])
        total, count = self._loss_of(y, batch)
        arrays = {"loss": total, "count": count}
        if self.problem.score == "mse":
            return arrays | {"answer": y[:, 0]}, carry
        probability = jax.nn.softmax(y).max(axis=-1)
        return arrays | {"answer": argmax(y), "probability": probability}, carry

    def metrics(self, pairs: base.Pairs) -> base.Scores:
        """Score answers: the mean loss and the accuracy."""
        total, count, num_correct, num_answers = 0.0, 0, 0, 0
        true: list[int] = []
        predicted: list[int] = []
        for batch, arrays in pairs:
            total, count = total + float(arrays["loss"]), count + int(arrays["count"])
            real = batch["mask"].any(axis=1)
            if self.each:
                real = batch["mask"] & batch["recalled"]
            if self.problem.score == "mse":
                correct = np.abs(arrays["answer"] - batch["target"]) < SUM_TOLERANCE
            else:
                correct = arrays["answer"] == batch["target"]
            num_correct += int(correct[real].sum())
            num_answers += int(real.sum())
            if self.labels is not None:
                true += batch["target"][real].tolist()
                predicted += arrays["answer"][real].tolist()
        scores = {self.problem.score: total / max(count, 1)}
        scores["accuracy"] = num_correct / max(num_answers, 1)
        if self.labels is None:
            return base.Scores(scores)
        classes = metrics.classes(true, predicted, self.labels.tokens)
        return classes._replace(values={**scores, **classes.values})

    def report(self, pairs: base.Pairs) -> list[Section]:
        """Return the worst errors, the reach of the gradient, and the gates.

        Args:
            pairs: of the test split.
        """
        worst = {"adding": sections.sum_errors, "digits": sections.digit_errors}
        return sections.memory_sections(
            worst.get(self.config.problem, sections.symbol_errors),
            self._answers(pairs),
            layers_of(self.pipeline),
            self.inputs(),
        )

    def _answers(self, pairs: base.Pairs) -> Iterator[dict[str, Any]]:
        """Yield each test sequence as generated, its target and the answer."""
        inputs = iter(self._generate("test", None).inputs)
        for batch, predictions in pairs:
            real = batch["mask"].any(axis=1)
            # The loss and the count belong to the batch and have no axis of rows.
            arrays = {k: v for k, v in {**batch, **predictions}.items() if np.ndim(v)}
            for k in np.flatnonzero(real):
                row = {name: np.asarray(v[k]) for name, v in arrays.items()}
                yield row | {"inputs": next(inputs)}

    def baselines(self) -> dict[str, base.Scores]:
        """Return the lowest loss that a model without memory can have."""
        least = self.problem.memoryless(self.config.length)
        return {"memoryless": base.Scores({self.problem.score: least})}

    def example(self) -> str:
        """Return an input for the trained model: a short sequence, as JSON."""
        length, rng = min(self.config.length, 4), np.random.default_rng(0)
        x = self.problem.make(length, 1, rng, "test").inputs[0]
        x = x[:, 0] if x.ndim == 2 and x.shape[1] == 1 else x
        return json.dumps(np.round(x, 2).tolist(), separators=(",", ":"))

    def sizes(self) -> dict[str, Any]:
        """Return the sizes of the data, for the user."""
        steps = self.sequences("test", None).inputs.shape[1]
        sizes: dict[str, Any] = {
            split: f"{count:,} sequences of {steps} steps"
            for split, count in self.count.items()
        }
        least = self.problem.memoryless(self.config.length)
        sizes["to beat"] = f"{least:.4f} {self.problem.score}, without memory"
        return sizes
