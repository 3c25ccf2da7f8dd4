"""Checkpoints on disk, by orbax, which takes long to import."""

import hashlib
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from zoo.tasks import processes
from zoo.tasks.run import atomic, contents
from zoo.tasks.run.errors import RunError, full_disk, note
from zoo.tasks.run.position import Position, PositionError

DIGESTS = "digests.json"


class DamagedError(Exception):
    """A checkpoint is not what was saved; the message says what differs."""


class Checkpoints:
    """A folder of checkpoints.

    A checkpoint is a folder whose name is a number. It holds the state, the position
    and digests of all its files, so that orbax reads no damaged one.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder.

        Args:
            folder: of the checkpoints of a run; it need not exist.
        """
        self._folder = folder
        self._orbax = ocp.Checkpointer(ocp.CompositeCheckpointHandler())

    def numbers(self) -> list[int]:
        """Return the numbers of all checkpoints, in increasing order."""
        names = [path.name for path in self._folder.glob("*")]
        return sorted(int(name) for name in names if name.isdecimal())

    def path(self, number: int) -> Path:
        """Return the folder of a checkpoint.

        Args:
            number: of the checkpoint.
        """
        return self._folder / str(number)

    def save(self, number: int, state: Any, position: dict[str, Any]) -> None:
        """Write a checkpoint, unless one of this number exists.

        All processes call it, and write their parts of the arrays.

        Args:
            number: of the checkpoint, higher than all before.
            state: a pytree of arrays.
            position: of types that JSON has.

        Raises:
            OSError: if it cannot be written, for example because the disk is full.
        """
        if processes.of_leader(self.path(number).exists()):
            return
        args = ocp.args.Composite(
            state=ocp.args.StandardSave(state), position=ocp.args.JsonSave(position)
        )
        part = atomic.part(self.path(number))
        with full_disk(self._folder), _quiet():
            self._folder.mkdir(exist_ok=True)
            self._orbax.save(part.absolute(), args)
            if processes.leads():
                digests = json.dumps(_digests(part), indent=1)
                atomic.write(part / DIGESTS, digests + "\n")
                part.rename(self.path(number))
        processes.wait()

    def restore(self, number: int, like: Any) -> tuple[Any, dict[str, Any]]:
        """Read a checkpoint; all processes call it, and read their parts.

        Args:
            number: of the checkpoint.
            like: a state with the shapes, dtypes and shardings to restore.

        Returns:
            The state and the position.

        Raises:
            DamagedError: if a file is not what was saved.
            OSError: if a file cannot be read.
        """
        path = self.path(number)
        reason, has_digests = None, True
        if processes.leads():
            has_digests = (path / DIGESTS).exists()  # earlier versions stored none
            reason = _damage(path) if has_digests else None
        reason, has_digests = processes.of_leader([reason, has_digests])
        if reason is not None:
            raise DamagedError(reason)
        args = ocp.args.Composite(
            state=ocp.args.StandardRestore(
                jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
            ),
            position=ocp.args.JsonRestore(),
        )
        try:
            with _quiet():
                restored = self._orbax.restore(path.absolute(), args)
        except Exception as error:
            # All files are what was saved, so that this error has another cause.
            if has_digests or isinstance(error, MemoryError):
                raise
            raise DamagedError(str(error) or type(error).__name__) from error
        return restored["state"], restored["position"]

    def restore_latest(
        self, like: Any, read_position: Callable[[dict[str, Any]], Position]
    ) -> tuple[Any, Position] | None:
        """Read the latest checkpoint that is not damaged, None if there is none.

        Later ones, which are damaged, are deleted with a note: the resumed run writes
        them again.

        Args:
            like: as for `restore`.
            read_position: checks the values of a position, as `Position.from_json`.

        Returns:
            The state and the position.

        Raises:
            RunError: if all checkpoints are damaged.
            OSError: if a file cannot be read.
        """
        damaged: list[tuple[int, str]] = []
        for number in reversed(processes.of_leader(self.numbers())):
            try:
                state, values = self.restore(number, like)
                position = read_position(values)
            except (DamagedError, PositionError) as error:
                reason = str(error).splitlines()[0][:200]
                path = self.path(number)
                damaged.append((number, f"the checkpoint {path} is damaged: {reason}"))
                continue
            for other, reason in damaged:
                note(f"{reason}; resuming from checkpoint {number}")
                if processes.leads():
                    contents.delete(self.path(other))
            return state, position
        if damaged:
            raise RunError(
                f"{damaged[0][1]}; there is no other that can be read: --overwrite "
                "starts the run again"
            )
        return None

    def keep(self, count: int) -> None:
        """Delete all checkpoints but the latest.

        Args:
            count: how many are kept.
        """
        for number in self.numbers()[:-count]:
            contents.delete(self.path(number))

    def close(self) -> None:
        """Close all files."""
        self._orbax.close()


def _damage(folder: Path) -> str | None:
    """Return how the files of a checkpoint differ from those that were saved, if so."""
    try:
        saved = json.loads((folder / DIGESTS).read_bytes())
    except (ValueError, RecursionError):
        saved = None
    if not isinstance(saved, dict):
        return f"{DIGESTS} is not what was saved"
    actual = _digests(folder)
    for name in (*actual, *saved):
        if actual.get(name) != saved.get(name):
            return f"{name} is not what was saved"
    return None


def _digests(folder: Path) -> dict[str, str]:
    """Return a digest of each file of a checkpoint by its path, except `DIGESTS`."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != DIGESTS:
            with path.open("rb") as file:
                digests[name] = hashlib.file_digest(file, "blake2b").hexdigest()
    return digests


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what orbax and its threads print besides raising an error.

    After an error it remains hidden: threads may print more until the program ends.
    """
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    levels, hook = [logger.level for logger in loggers], sys.unraisablehook

    def without_threads(unraisable: Any) -> None:
        # A thread that writes another array may end after the one that has failed.
        if str(unraisable.exc_value) != "Event loop is closed":
            hook(unraisable)

    # Of writes that had not begun when another failed.
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    sys.unraisablehook = without_threads
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    yield
    sys.unraisablehook = hook
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
