"""The run folder: configuration, log, checkpoints, curves; what a resumed run reads."""

import dataclasses
import importlib.metadata
import json
import os
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from tasks.base import Config, Scores
from tasks.run import charts
from zoo import artifact

if TYPE_CHECKING:
    from tasks.run.tensorboard import Board

# Flags that change where and how a run is done, not what it computes.
FREE = {"out", "resume", "overwrite", "debug", "checkpoint_seconds"}
PACKAGES = ("rnn-zoo", "jax", "jaxlib", "flax", "optax", "numpy", "datasets")


class RunError(Exception):
    """What keeps a run from going on; the message says what to do."""


@dataclasses.dataclass
class Position:
    """Where a run stands, apart from its arrays.

    Attributes:
        epoch: the epoch that is going on.
        batch: batches of it that are done.
        step: batches done in all.
        total: the sum of the loss over this epoch so far.
        count: what it is the sum of.
        best: the best dev score so far.
        best_epoch: the epoch it is of.
        seconds: time spent in training steps.
        tokens: trained on in all.
        elapsed: seconds since the run was begun, without those between its processes.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    total: float = 0.0
    count: int = 0
    best: float | None = None
    best_epoch: int = -1
    seconds: float = 0.0
    tokens: int = 0
    elapsed: float = 0.0


class Run:
    """A folder that holds all of one run."""

    def __init__(self, task: str, config: Config) -> None:
        """Check a folder: a new one, or that of a run to go on with.

        Args:
            task: the task's name.
            config: the flags.

        Raises:
            RunError: if the folder holds another run, or one with other flags.
        """
        if config.out is None and config.resume:
            raise RunError("--resume needs --out, the folder of the run to go on with")
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self.path = config.out or Path("runs") / f"{task}-{stamp}"
        self.task, self.config = task, config
        self.flags = _plain(config)
        if config.overwrite and config.resume:
            raise RunError("--overwrite and --resume exclude each other")
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"--out {self.path} is a file, expected a folder")
        used = self.path.exists() and any(self.path.iterdir())
        ours = (self.path / "config.json").exists()
        if used and config.overwrite:
            if not ours:
                raise RunError(
                    f"--out {self.path} holds files that are not those of a run: they "
                    "are not deleted; choose another folder"
                )
        elif used and not config.resume:
            raise RunError(
                f"--out {self.path} is not empty; --resume goes on with the run in it, "
                "--overwrite deletes it"
            )
        elif used and ours:
            self._same(self.flags)
        self._board: Board | None = None

    def begin(self) -> None:
        """Make the folder, empty if it is to be overwritten, and say what is run."""
        from tasks.run.checkpoints import (
            Checkpoints,  # its library takes long to import
        )

        if self.path.exists() and self.config.overwrite:
            shutil.rmtree(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        versions = {"python": platform.python_version()}
        for name in PACKAGES:
            try:
                versions[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                versions[name] = "not installed"
        described = {
            "task": self.task,
            "flags": self.flags,
            "versions": versions,
            "devices": [str(device) for device in jax.devices()],
            "cores": _cores(),
            "command": " ".join(["python", *sys.argv]),
        }
        self.write("config.json", described)
        self._checkpoints = Checkpoints(self.path / "checkpoints")

    @property
    def model(self) -> Path:
        """The folder of the best model so far."""
        return self.path / "model"

    def _same(self, flags: dict[str, Any]) -> None:
        """Check that a resumed run has the flags it was begun with."""
        try:
            begun = json.loads((self.path / "config.json").read_text())
            task, before = begun["task"], begun["flags"]
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{self.path / 'config.json'} cannot be read: {error!r}; --overwrite "
                "begins anew"
            ) from error
        if task != self.task:
            raise RunError(f"--out {self.path} holds a run of {task}, not {self.task}")
        for name in sorted(flags.keys() | before.keys()):
            if name not in FREE and flags.get(name) != before.get(name):
                flag = name.replace("_", "-")
                raise RunError(
                    f"--resume: the run in {self.path} was begun with --{flag} "
                    f"{before.get(name)}, not {flags.get(name)}; use the same flags, "
                    "or another --out"
                )

    def write(self, name: str, value: Any) -> None:
        """Write a JSON file, whole or not at all.

        Args:
            name: of the file.
            value: plain values.
        """
        part = self.path / f".{name}.part"
        part.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
        part.replace(self.path / name)

    def save(self, state: Any, position: Position, batches: int) -> None:
        """Save a checkpoint; the two latest are kept.

        Args:
            state: a pytree of arrays.
            position: where the run stands.
            batches: of an epoch.

        Raises:
            OSError: if it cannot be written, for one because the disk is full.
        """
        # The end of an epoch, before and after its evaluation, has one step: two names.
        name = position.epoch * (batches + 1) + position.batch
        self._checkpoints.save(name, state, dataclasses.asdict(position))

    def restore(self, state: Any) -> tuple[Any, Position]:
        """Return the last checkpoint, or what was given if there is none.

        Args:
            state: the state to begin with.

        Raises:
            RunError: if the checkpoint cannot be read.
        """
        latest = self._checkpoints.latest()
        if latest is None:
            self._cut_log(0)
            return state, Position()
        folder = self.path / "checkpoints" / str(latest)
        try:
            state, values = self._checkpoints.restore(latest, state)
            position = Position(**values)
        except Exception as error:
            raise RunError(
                f"the checkpoint {folder} cannot be read, it may have been cut short "
                f"({type(error).__name__}: {str(error).splitlines()[0][:200]}); delete "
                "this folder to go on from the checkpoint before it"
            ) from error
        self._cut_log(position.epoch)
        return state, position

    def _cut_log(self, epoch: int) -> None:
        """Drop the lines of epochs that will be done again."""
        from tasks.run.tensorboard import Board  # its library takes long to import

        path = self.path / "log.jsonl"
        kept = [line for line in self.history() if line["epoch"] <= epoch]
        if path.exists():
            part = path.with_suffix(".part")
            part.write_text("".join(json.dumps(line) + "\n" for line in kept))
            part.replace(path)
        self._board = Board(self.path / "tensorboard", epoch + 1)

    def history(self) -> list[dict[str, Any]]:
        """Return the lines of the log; one cut short by a crash is left out."""
        path = self.path / "log.jsonl"
        found = []
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                found.append(json.loads(line))
            except ValueError:
                break
        return found

    def log(self, line: dict[str, Any]) -> None:
        """Add an epoch to the log, the TensorBoard events and the curves.

        Args:
            line: ``epoch``, counted from 1, and values by name.
        """
        with (self.path / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        assert self._board is not None, "restore comes first"
        values = {name: v for name, v in line.items() if name != "epoch"}
        self._board.add(values, line["epoch"])
        charts.curves(self.history(), self.path / "curves.png")

    def finish(
        self, scores: dict[str, Scores], more: dict[str, Any], labels: list[str]
    ) -> None:
        """Write ``metrics.json`` and the pictures.

        Args:
            scores: by split.
            more: other sections of the file.
            labels: names of the classes of a confusion matrix.
        """
        table = {
            split: {
                **found.values,
                **_optional("per_class", found.per_class),
                **_optional("signatures", found.signatures),
            }
            for split, found in scores.items()
        }
        self.write("metrics.json", {**table, **more})
        confusion = scores["test"].confusion
        if confusion is not None:
            charts.confusion(confusion, labels, self.path / "confusion.png")

    def close(self) -> None:
        """Close all files."""
        self._checkpoints.close()
        if self._board is not None:
            self._board.close()


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _optional(name: str, value: Any) -> dict[str, Any]:
    return {name: value} if value else {}


def _plain(config: Any) -> dict[str, Any]:
    """Return the flags as values that JSON keeps as they are."""
    flags = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, tuple):
            value = list(value)
        flags[field.name] = str(value) if isinstance(value, Path) else value
    return flags


def save_best(run: Run, pipeline: Any, params: Any, about: dict[str, Any]) -> None:
    """Save the best model so far as the run's artifact.

    Args:
        run: the run.
        pipeline: the model with its vocabularies.
        params: its parameters now.
        about: what the model card tells.
    """
    pipeline.params = jax.tree.map(np.asarray, params)
    artifact.save(run.model, pipeline, about={"task": run.task, **about})
