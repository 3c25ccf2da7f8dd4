"""Memory problems: how long a network remembers."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from tasks import base, metrics
from tasks.data import Source
from tasks.data.memory_problems import PROBLEMS, Sequences
from tasks.run import sections
from tasks.run.gradient_decay import layers_of
from tasks.run.html import Section
from zoo.models.decoding import likeliest
from zoo.pipelines import ReaderPipeline
from zoo.text import Vocabulary

# Seeds of what is made, so that no split is another.
OF_SPLIT = {"train": 1, "dev": 2, "test": 3}
SEEN = 4  # sequences that gradients and gates are measured on
NEAR = 0.04  # the error below which a sum counts as right, Hochreiter's own bound


@dataclass(frozen=True)
class Config(base.Config):
    """Memory problems: what was long ago is asked for."""

    default_epochs: ClassVar[int] = 10

    problem: Literal["copy", "adding", "digits", "delay"] = "adding"
    """Repeat symbols, add marked numbers, read digits by pixels, recall after T."""
    length: int = 50
    """T: steps that are to be remembered; digits have 64."""
    permuted: bool = False
    """Digits: the pixels in one fixed random order."""
    init: Literal["default", "torch", "identity", "chrono"] = "default"
    """How the cell begins: its default, as in torch, U = 1, biases spread over T."""
    input_scale: float = 1.0
    """Factor of the inputs."""
    hidden_size: int = 128
    """Units of each layer and direction."""
    bidirectional: bool = False
    """Read in both directions."""
    dropout: float = 0.0
    """Rate of dropout between layers and before the output."""
    batch_size: int = 64
    """Rows of a batch."""


class Memory(base.Task):
    """A recurrent layer, and a linear read-out of each step or of the last one."""

    name = "memory"
    Config = Config

    def __init__(
        self, config: Any, trained: Any = None, split: str | None = None
    ) -> None:
        """Make the data and the model.

        Args:
            config: the flags.
            trained: a trained pipeline to be scored, instead of a new one.
            split: the split it is to be scored on.

        Raises:
            ValueError: if a flag is out of its range.
        """
        super().__init__(config)
        if trained is not None:
            raise ValueError(
                "a memory problem is scored as it is trained: its run folder has the "
                "scores, and there is no other corpus to score it on"
            )
        default = Source()
        for field in fields(Source):
            if getattr(config, field.name) != getattr(default, field.name):
                flag = field.name.replace("_", "-")
                raise ValueError(f"--{flag} is not for memory: its problems are made")
        if config.max_length is not None:
            raise ValueError("--max-length is not for memory: use --length")
        if config.length < 2:
            raise ValueError(f"--length must be 2 or more, got {config.length}")
        if config.permuted and config.problem != "digits":
            raise ValueError(f"--permuted is for digits, got {config.problem}")
        self.problem = PROBLEMS[config.problem]
        self.monitor = (self.problem.score, "min")
        self.each = config.problem in ("copy", "delay")
        one_class = self.problem.outputs > 1 and not self.each
        names = [str(k) for k in range(self.problem.outputs)]
        self.labels = Vocabulary(names) if one_class else None
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
            "dtype": config.dtype,
            "bidirectional": config.bidirectional,
            "dropout": config.dropout,
            "init": config.init,
            "longest": max(3, config.length),
        }
        self.pipeline = ReaderPipeline(
            options,
            symbols=self.problem.symbols,
            scale=config.input_scale,
            seed=config.seed,
        )
        if config.bidirectional:
            self.notes.append("read both ways, the last step is the first of one")

    def num_batches(self, split: str) -> int:
        """Return how many batches an epoch of a split has."""
        return -(-self.count[split] // self.config.batch_size)

    def sequences(self, split: str, seed: int | None) -> Sequences:
        """Return the sequences of an epoch: of train, new ones for each seed.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            seed: of train; None is a seed of its own.
        """
        found = self._made(split, seed)
        if self.config.permuted:
            order = np.random.default_rng(92).permutation(found.inputs.shape[1])
            found = found._replace(inputs=found.inputs[:, order])
        return found

    def _made(self, split: str, seed: int | None) -> Sequences:
        """Return the sequences before their steps are permuted."""
        of_epoch = 0 if seed is None or split != "train" else seed + 1
        draw = np.random.default_rng([OF_SPLIT[split], of_epoch])
        return self.problem.make(self.config.length, self.count[split], draw, split)

    def inputs(self, longest: int | None = None) -> np.ndarray:
        """Return some sequences of the test split, ``[B, T, D]``.

        Args:
            longest: the most steps, all by default.
        """
        return next(iter(self.batches("test", None)))["x"][:SEEN, :longest]

    def batches(self, split: str, seed: int | None) -> Iterator[base.Batch]:
        """Yield one epoch of a split: numpy arrays with a mask, in one shape.

        Args:
            split: ``"train"``, ``"dev"`` or ``"test"``.
            seed: makes the sequences of train; None keeps them the same.
        """
        found, size = self.sequences(split, seed), self.config.batch_size
        for at in range(0, len(found.inputs), size):
            x = self.pipeline.vectors(found.inputs[at : at + size])
            targets = found.targets[at : at + size]
            short = size - len(x)
            mask = np.ones(x.shape[:2], bool)
            batch = {"x": x, "mask": mask, "target": targets}
            if found.scored is not None and found.recalled is not None:
                batch["scored"] = np.broadcast_to(found.scored, mask.shape)
                batch["recalled"] = np.broadcast_to(found.recalled, mask.shape)
            yield {
                name: np.pad(a, [(0, short)] + [(0, 0)] * (a.ndim - 1))
                for name, a in batch.items()
            }

    def loss(self, model, batch, carry, *, key=None, progress=0.0):
        """Return the sum of the losses, the number of answers, and no carry."""
        return self._losses(model(batch["x"], batch["mask"], key=key), batch), carry

    def _losses(self, y, batch):
        """Return the sum of the losses and the number of answers."""
        real = jnp.asarray(batch["mask"]).any(axis=1)
        if self.problem.score == "mse":
            errors = jnp.square(y[:, 0] - batch["target"].astype(y.dtype))
            return jnp.where(real, errors, 0.0).sum(), real.sum()
        scores = jax.nn.log_softmax(y)
        picked = jnp.take_along_axis(scores, batch["target"][..., None], axis=-1)
        if self.each:
            real = jnp.asarray(batch["mask"]) & batch["scored"]
        return -jnp.where(real, picked[..., 0], 0.0).sum(), real.sum()

    def predict(self, model, batch, carry):
        """Return the answers, and the loss."""
        y = model(batch["x"], batch["mask"])
        total, count = self._losses(y, batch)
        found = {"loss": total, "count": count}
        if self.problem.score == "mse":
            return found | {"answer": y[:, 0]}, carry
        chance = jax.nn.softmax(y).max(axis=-1)
        return found | {"answer": likeliest(y), "probability": chance}, carry

    def metrics(self, pairs: base.Pairs) -> base.Scores:
        """Score answers: the loss, and the share that is right."""
        total, count, right, asked = 0.0, 0, 0, 0
        true: list[int] = []
        predicted: list[int] = []
        for batch, found in pairs:
            total, count = total + float(found["loss"]), count + int(found["count"])
            real = batch["mask"].any(axis=1)
            if self.each:
                real = batch["mask"] & batch["recalled"]
            if self.problem.score == "mse":
                good = np.abs(found["answer"] - batch["target"]) < NEAR
            else:
                good = found["answer"] == batch["target"]
            right, asked = right + int(good[real].sum()), asked + int(real.sum())
            if self.labels is not None:
                true += batch["target"][real].tolist()
                predicted += found["answer"][real].tolist()
        scores = {self.problem.score: total / max(count, 1)}
        scores["accuracy"] = right / max(asked, 1)
        if self.labels is None:
            return base.Scores(scores)
        of_class = metrics.classes(true, predicted, self.labels.tokens)
        return of_class._replace(values={**scores, **of_class.values})

    def report(self, pairs: base.Pairs) -> list[Section]:
        """Return the worst errors, how far the gradient reaches, and the gates.

        Args:
            pairs: of the test split.
        """
        worst = {"adding": sections.sums, "digits": sections.digits}
        return sections.memory(
            worst.get(self.config.problem, sections.symbols),
            self._answers(pairs),
            layers_of(self.pipeline),
            self.inputs(),
        )

    def _answers(self, pairs: base.Pairs) -> Iterator[dict[str, Any]]:
        """Yield what each sequence of the test split asked, and what was answered."""
        made = iter(self._made("test", None).inputs)
        for batch, found in pairs:
            real = batch["mask"].any(axis=1)
            # The loss and the count are of the whole batch.
            shown = {k: v for k, v in {**batch, **found}.items() if np.ndim(v)}
            for k in np.flatnonzero(real):
                one = {name: np.asarray(v[k]) for name, v in shown.items()}
                yield one | {"made": next(made)}

    def baselines(self) -> dict[str, base.Scores]:
        """Return the least loss that a model without a memory can have."""
        least = self.problem.memoryless(self.config.length)
        return {"memoryless": base.Scores({self.problem.score: least})}

    def example(self) -> str:
        """Return a sequence that the trained model could be given."""
        length = min(self.config.length, 4)  # any will do
        draw = np.random.default_rng(0)
        one = self.problem.make(length, 1, draw, "test").inputs[0]
        one = one[:, 0] if one.ndim == 2 and one.shape[1] == 1 else one
        return json.dumps(np.round(one, 2).tolist(), separators=(",", ":"))

    def sizes(self) -> dict[str, Any]:
        """Return what the user wants to know of the data before training."""
        steps = self.sequences("test", None).inputs.shape[1]
        told: dict[str, Any] = {
            split: f"{count:,} sequences of {steps} steps"
            for split, count in self.count.items()
        }
        least = self.problem.memoryless(self.config.length)
        told["to beat"] = f"{least:.4f} {self.problem.score}, without a memory"
        return told
