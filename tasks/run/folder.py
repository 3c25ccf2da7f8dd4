"""The run folder: configuration, log, checkpoints, learning curves and metrics."""

import dataclasses
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from tasks.run import charts, flags, log
from tasks.run.flags import RunError
from tasks.run.protocols import RunConfig
from tasks.scores import Scores
from zoo import artifact

if TYPE_CHECKING:
    from tasks.run.tensorboard import EventWriter


@dataclasses.dataclass
class Position:
    """The progress of a run, saved with each checkpoint.

    Attributes:
        epoch: the current epoch, counted from 0.
        batch: batches done in this epoch.
        step: batches done in all epochs.
        total: sum of the loss in this epoch.
        count: number of terms of that sum.
        best: the best dev score.
        best_loss: the dev loss of the best epoch.
        best_epoch: the epoch of the best dev score; -1 before the first evaluation.
        seconds: time spent in training steps.
        tokens: number of tokens trained on.
        elapsed: seconds of run time, without the pauses before each ``--resume``.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    total: float = 0.0
    count: int = 0
    best: float | None = None
    best_loss: float | None = None
    best_epoch: int = -1
    seconds: float = 0.0
    tokens: int = 0
    elapsed: float = 0.0


class Run:
    """The folder of one run."""

    def __init__(self, task: str, config: RunConfig) -> None:
        """Check the folder of a new run, or of a run to resume.

        Args:
            task: name of the task.
            config: the flags.

        Raises:
            RunError: if the folder holds another run, or a run with other flags.
        """
        if config.out is None and config.resume:
            raise RunError("--resume needs --out, the folder of the run to resume")
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self.path = config.out or Path("runs") / f"{task}-{stamp}"
        self.task, self.config = task, config
        self.flags = flags.to_json(config)
        if config.overwrite and config.resume:
            raise RunError("--overwrite and --resume cannot be combined")
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"--out {self.path} is a file, expected a folder")
        in_use = self.path.exists() and any(self.path.iterdir())
        is_run = (self.path / "config.json").exists()
        if in_use and config.overwrite:
            if not is_run:
                raise RunError(
                    f"--out {self.path} is not a run folder, so --overwrite does not "
                    "delete its files; choose another folder"
                )
        elif in_use and not config.resume:
            raise RunError(
                f"--out {self.path} is not empty; --resume continues the run in it, "
                "--overwrite deletes it"
            )
        elif in_use and is_run:
            flags.check_unchanged(self.path, task, self.flags)
        self._events: EventWriter | None = None

    def begin(self) -> None:
        """Create the folder, empty if ``--overwrite``, and write ``config.json``."""
        # orbax takes long to import.
        from tasks.run.checkpoints import Checkpoints

        if self.path.exists() and self.config.overwrite:
            shutil.rmtree(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.write("config.json", flags.describe(self.task, self.flags))
        self._checkpoints = Checkpoints(self.path / "checkpoints")

    @property
    def model(self) -> Path:
        """The folder of the best model so far."""
        return self.path / "model"

    def write(self, name: str, value: Any) -> None:
        """Write a JSON file atomically.

        Args:
            name: of the file.
            value: of types that JSON has.
        """
        part = self.path / f".{name}.part"
        part.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
        part.replace(self.path / name)

    def save(self, state: Any, position: Position, batches: int) -> None:
        """Save a checkpoint; the latest two are kept.

        Args:
            state: a pytree of arrays.
            position: the progress of the run.
            batches: of an epoch.

        Raises:
            OSError: if it cannot be written, for example because the disk is full.
        """
        # The end of an epoch, before and after its evaluation, has one step but needs
        # two names.
        name = position.epoch * (batches + 1) + position.batch
        self._checkpoints.save(name, state, dataclasses.asdict(position))

    def restore(self, state: Any) -> tuple[Any, Position]:
        """Return the latest checkpoint, or the initial state if there is none.

        Args:
            state: the initial state.

        Raises:
            RunError: if the checkpoint cannot be read.
        """
        latest = self._checkpoints.latest()
        if latest is None:
            self._continue_log(0)
            return state, Position()
        folder = self.path / "checkpoints" / str(latest)
        try:
            state, values = self._checkpoints.restore(latest, state)
            position = Position(**values)
        except Exception as error:
            raise RunError(
                f"the checkpoint {folder} cannot be read, perhaps because it is "
                f"incomplete ({type(error).__name__}: "
                f"{str(error).splitlines()[0][:200]}); delete this folder to resume "
                "from the checkpoint before it"
            ) from error
        self._continue_log(position.epoch)
        return state, position

    def _continue_log(self, epoch: int) -> None:
        """Drop logged epochs after ``epoch``, and open a TensorBoard event file."""
        # tensorboardX takes long to import.
        from tasks.run.tensorboard import EventWriter

        log.truncate(self.path / "log.jsonl", epoch)
        self._events = EventWriter(self.path / "tensorboard", epoch + 1)

    def history(self) -> list[dict[str, Any]]:
        """Return the lines of the log, one per epoch."""
        return log.read(self.path / "log.jsonl")

    def log(self, line: dict[str, Any]) -> None:
        """Add an epoch to the log, the TensorBoard events and the learning curves.

        Args:
            line: ``epoch``, counted from 1, and values by name.
        """
        log.append(self.path / "log.jsonl", line)
        assert self._events is not None, "call restore first"
        values = {name: v for name, v in line.items() if name != "epoch"}
        self._events.add(values, line["epoch"])
        charts.save_learning_curves(self.history(), self.path / "curves.png")

    def finish(
        self,
        scores: Mapping[str, Scores],
        more: dict[str, Any],
        labels: list[str],
    ) -> None:
        """Write ``metrics.json``, and ``confusion.png`` if there are classes.

        Args:
            scores: by split.
            more: other sections of ``metrics.json``.
            labels: names of the classes of the confusion matrix.
        """
        table = {
            split: {
                **result.values,
                **_unless_empty("per_class", result.per_class),
                **_unless_empty("signatures", result.signatures),
            }
            for split, result in scores.items()
        }
        self.write("metrics.json", {**table, **more})
        confusion = scores["test"].confusion
        if confusion is not None:
            charts.save_confusion_matrix(confusion, labels, self.path / "confusion.png")

    def close(self) -> None:
        """Close all files."""
        self._checkpoints.close()
        if self._events is not None:
            self._events.close()


def _unless_empty(name: str, value: Any) -> dict[str, Any]:
    return {name: value} if value else {}


def save_best(run: Run, pipeline: Any, params: Any, about: dict[str, Any]) -> None:
    """Save the best model so far as the artifact of the run.

    Args:
        run: the run.
        pipeline: the model and its vocabularies.
        params: the parameters to save.
        about: entries of the model card.
    """
    pipeline.params = jax.tree.map(np.asarray, params)
    artifact.save(run.model, pipeline, about={"task": run.task, **about})
