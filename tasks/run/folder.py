"""The run folder: configuration, log, checkpoints, learning curves and metrics."""

import dataclasses
import itertools
import json
import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from zoo import artifact
from zoo.tasks import processes
from zoo.tasks.run import atomic, charts, contents, flags, log
from zoo.tasks.run.errors import RunError, full_disk
from zoo.tasks.run.lock import Lock
from zoo.tasks.run.position import Length, Position
from zoo.tasks.run.protocols import RunConfig
from zoo.tasks.scores import Scores

if TYPE_CHECKING:
    from zoo.tasks.run.checkpoints import Checkpoints
    from zoo.tasks.run.tensorboard import EventWriter

SECONDS_BETWEEN_DRAWINGS = 30.0  # of the curves, during training
SECONDS_TO_APPEAR = 30  # of a file of another machine on a shared file system


class Run:
    """The folder of one run, which no other run can use at the same time.

    A context manager: at its end all files are closed and the folder is free again.

    Of several processes that train together, all must see the folder. Each writes its
    part of the checkpoints; process 0 locks the folder and writes everything else.
    """

    def __init__(self, task: str, config: RunConfig) -> None:
        """Lock and check the folder of a new run, or of a run to resume.

        Args:
            task: name of the task.
            config: the flags.

        Raises:
            RunError: if another process uses the folder, or it holds another run, or a
                run with other flags.
        """
        self.task, self.config = task, config
        self.flags = flags.to_json(config)
        self._lock: Lock | None = None
        self._checkpoints: Checkpoints | None = None
        self._events: EventWriter | None = None
        self._drawn = time.monotonic()
        path = self._open() if processes.leads() else None
        # Only the first process gives a folder without --out a name.
        name = processes.of_leader(path and os.fspath(path.absolute()))
        self.path = path or Path(name)

    def _open(self) -> Path:
        """Return the folder, locked and checked."""
        config = self.config
        out = config.out
        if out is None and config.resume:
            raise RunError("--resume needs --out, the folder of the run to resume")
        if config.overwrite and config.resume:
            raise RunError("--overwrite and --resume cannot be combined")
        if config.force and not config.overwrite:
            raise RunError("--force is for --overwrite")
        if out is not None and os.path.lexists(out) and not out.is_dir():
            raise RunError(f"--out {out} is not a folder")
        if out is not None and config.overwrite and out.is_symlink():
            raise RunError(
                f"--out {out} is a symbolic link, which --overwrite does not delete; "
                f"use the folder itself: --out {out.resolve()}"
            )
        if out is not None and ".." in out.parts:
            out = out.resolve()  # after a renaming it names another folder
        if out is not None and config.overwrite:
            here = Path.cwd()
            if out.resolve() in (here, *here.parents):
                raise RunError(
                    f"--out {out} holds the current folder, which --overwrite does not "
                    "delete; change to another folder first"
                )
        path, self._lock = _new(self.task) if out is None else (out, Lock(out))
        try:
            self._check_content(path)
        except BaseException:
            self.close()
            raise
        return path

    def _check_content(self, path: Path) -> None:
        """Check that the folder is empty, or holds the run that the flags describe."""
        config = self.config
        if contents.is_empty(path):
            return
        if config.resume:
            flags.check_unchanged(path, self.task, config)
        elif not config.overwrite:
            raise RunError(
                f"--out {path} is not empty; --resume continues the run in it, "
                "--overwrite deletes it"
            )
        elif contents.read_config(path) is None:
            raise RunError(
                f"--out {path} has no {contents.CONFIG} of a run, so --overwrite does "
                "not delete it; choose another folder"
            )
        elif not config.force and (names := contents.unknown(path)):
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise RunError(
                f"--out {path} has files that are not of a run, {names[0]}{more}; "
                "--overwrite deletes them too with --force"
            )

    def begin(self, digests: Mapping[str, str]) -> None:
        """Write ``config.json``, after deleting the old run if ``--overwrite``.

        Args:
            digests: see `zoo.tasks.base.Task`.

        Raises:
            RunError: if the run to resume has other digests.
        """
        # orbax takes long to import.
        from zoo.tasks.run.checkpoints import Checkpoints

        description = flags.describe(self.task, self.flags, digests)
        processes.check_same(flags.shared(description))
        if processes.leads():
            self._begin(description)
        self._check_shared()
        self._checkpoints = Checkpoints(self.path / contents.CHECKPOINTS)

    def _begin(self, description: dict[str, Any]) -> None:
        """Write ``config.json``, and delete what is to be overwritten."""
        contents.sweep(self.path)
        if self.config.overwrite and not contents.is_empty(self.path):
            # It may have changed while the data were read.
            self._check_content(self.path)
            self._replace(description)
        else:
            flags.check_digests(self.path, description["digests"])
            old = contents.read_config(self.path)
            self.write(contents.CONFIG, flags.resumed(old, description))

    def _check_shared(self) -> None:
        """Check that all processes see the folder of process 0."""
        path = self.path / contents.CONFIG
        written = processes.of_leader(
            path.read_text(encoding="utf-8") if processes.leads() else None
        )
        for _ in range(SECONDS_TO_APPEAR):
            if path.exists() and path.read_text(encoding="utf-8") == written:
                return
            time.sleep(1.0)
        raise RunError(
            f"--out {self.path} is not the folder of process 0: all processes need a "
            "folder on a shared file system"
        )

    def _replace(self, description: dict[str, Any]) -> None:
        """Replace the old run by one with this description; the folder stays locked.

        The old run is deleted when the description is on disk.
        """
        old, old_lock = contents.move_away(self.path), self._lock
        assert old_lock is not None
        try:
            self._lock = Lock(self.path, new=True)
        except FileExistsError:
            old_lock.release()
            raise RunError(
                f"another process has started a run in {self.path}"
            ) from None
        try:
            self.write(contents.CONFIG, description)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            contents.remove(self.path)
            old.rename(self.path)
            self._lock = old_lock
            raise
        old_lock.release()
        contents.remove(old)

    def __enter__(self) -> "Run":
        """Return the run."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        """Close the run; an error in it hides errors of closing."""
        try:
            self.close()
        except OSError:
            if kind is None:
                raise

    def close(self) -> None:
        """Close all files and release the folder."""
        try:
            if self._checkpoints is not None:
                self._checkpoints.close()
            if self._events is not None:
                self._events.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    @property
    def model(self) -> Path:
        """The folder of the best model so far."""
        return self.path / contents.MODEL

    def write(self, name: str, value: Any) -> None:
        """Write a JSON file atomically.

        Args:
            name: of the file.
            value: of types that JSON has.
        """
        text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
        # A path that is not UTF-8 has surrogates, which become escapes of JSON.
        content = text.encode(errors="backslashreplace")
        atomic.write(self.path / name, content)

    @property
    def checkpoints(self) -> "Checkpoints":
        """The checkpoints, after `begin`."""
        assert self._checkpoints is not None, "call begin first"
        return self._checkpoints

    def save(self, state: Any, position: Position, interval: int) -> None:
        """Save a checkpoint; the latest two are kept, or ``--keep-checkpoints``.

        Args:
            state: a pytree of arrays.
            position: the progress of the run.
            interval: batches of an epoch.

        Raises:
            OSError: if it cannot be written, for example because the disk is full.
        """
        # The end of an epoch, before and after its evaluation, has one step but needs
        # two numbers.
        number = position.epoch * (interval + 1) + position.batch
        try:
            self.checkpoints.save(number, state, dataclasses.asdict(position))
        except OSError:
            if processes.leads():
                contents.sweep(self.path)
            raise
        if processes.leads():
            # The one before is the fallback of a damaged one.
            self.checkpoints.keep(max(2, self.config.keep_checkpoints))

    def restore(self, state: Any, length: Length) -> tuple[Any, Position]:
        """Return the latest checkpoint, or the initial state if there is none.

        Args:
            state: the initial state.
            length: of the run.

        Raises:
            RunError: if all checkpoints are damaged, or the log is.
        """
        read = partial(Position.from_json, length)
        latest = self.checkpoints.restore_latest(state, read)
        state, position = latest or (state, Position())
        if processes.leads():
            log.truncate(self.path / contents.LOG, position.epoch)
            self._open_events(position.epoch + 1)
        return state, position

    def _open_events(self, epoch: int) -> None:
        """Open a TensorBoard event file, for the epochs from this one, from 1."""
        # tensorboardX takes long to import.
        from zoo.tasks.run.tensorboard import EventWriter

        with full_disk(self.path / contents.TENSORBOARD):
            self._events = EventWriter(self.path / contents.TENSORBOARD, epoch)

    def history(self) -> list[dict[str, Any]]:
        """Return the lines of the log, one per epoch."""
        return log.read(self.path / contents.LOG)

    def log(self, line: dict[str, Any]) -> None:
        """Add an epoch to the log and the TensorBoard events, and now and then draw.

        Args:
            line: ``epoch``, counted from 1, and values by name.
        """
        if not processes.leads():
            return
        log.append(self.path / contents.LOG, line)
        assert self._events is not None, "call restore first"
        values = {name: v for name, v in line.items() if name != "epoch"}
        with full_disk(self.path / contents.TENSORBOARD):
            self._events.add(values, line["epoch"])
        if time.monotonic() - self._drawn > SECONDS_BETWEEN_DRAWINGS:
            self._draw_curves()

    def _draw_curves(self) -> None:
        charts.save_learning_curves(self.history(), self.path / contents.CURVES)
        self._drawn = time.monotonic()

    def finish(
        self,
        scores: Mapping[str, Scores],
        more: dict[str, Any],
        labels: list[str],
    ) -> None:
        """Write ``metrics.json``, ``curves.png``, and ``confusion.png`` of classes.

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
        self._draw_curves()
        self.write(contents.METRICS, {**table, **more})
        confusion = scores["test"].confusion
        if confusion is not None:
            charts.save_confusion_matrix(
                confusion, labels, self.path / contents.CONFUSION
            )


def _new(task: str) -> tuple[Path, Lock]:
    """Create and lock a folder that no other run has."""
    runs = Path("runs")
    runs.mkdir(exist_ok=True)  # an error here is not one of `Lock`
    name = f"{task}-{time.strftime('%Y%m%d-%H%M%S')}"
    for number in itertools.count(2):
        path = runs / name
        try:
            return path, Lock(path, new=True)
        except FileExistsError:  # a run that started in the same second
            name = f"{name.removesuffix(f'.{number - 1}')}.{number}"
    raise AssertionError


def _unless_empty(name: str, value: Any) -> dict[str, Any]:
    return {name: value} if value else {}


def save_best(run: Run, pipeline: Any, params: Any, about: dict[str, Any]) -> None:
    """Save the best model so far as the artifact of the run.

    Args:
        run: the run.
        pipeline: the model and its vocabularies.
        params: the parameters to save, on the devices of all processes.
        about: entries of the model card.
    """
    pipeline.params = jax.tree.map(np.asarray, processes.whole(params))
    if not processes.leads():
        return
    with full_disk(run.model):
        artifact.save(run.model, pipeline, about={"task": run.task, **about})
