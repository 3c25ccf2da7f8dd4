"""The log of a run, ``log.jsonl``: one line per epoch."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from zoo.tasks.run import atomic
from zoo.tasks.run.errors import RunError, full_disk

FINITE = ("step", "train_loss", "seconds", "tokens_per_second")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a log, without a last line truncated by a crash.

    Args:
        path: of the log; it need not exist.

    Raises:
        RunError: if a line is not one that `append` wrote, or not of the next epoch.
    """
    if not path.exists():
        return []
    *texts, last = path.read_bytes().split(b"\n")
    lines = [_parse(path, number, text) for number, text in enumerate(texts, 1)]
    try:
        if last:  # without a line end
            lines.append(_parse(path, len(lines) + 1, last))
    except RunError:
        pass
    return lines


def _parse(path: Path, number: int, text: bytes) -> dict[str, Any]:
    """Return the values of a line, which is that of the epoch of its number."""
    reason = ""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RunError(_damaged(path, number, f"is not JSON ({error})")) from None
    if not isinstance(line, dict):
        reason = f"must be a JSON object, got {type(line).__name__}"
    elif "epoch" not in line:
        reason = "has no epoch"
    elif type(line["epoch"]) is not int or line["epoch"] != number:
        reason = f"must be of epoch {number}, got {line['epoch']!r}"
    else:
        for name, value in line.items():
            if type(value) not in (int, float):
                reason = f"{name} must be a number, got {value!r}"
            elif name in FINITE and not abs(value) <= sys.float_info.max:
                reason = f"{name} must be finite, got {value}"
    if reason:
        raise RunError(_damaged(path, number, reason))
    return line


def _damaged(path: Path, number: int, reason: str) -> str:
    return (
        f"{path}:{number}: the log is damaged: {reason[:200]}; restore this line, or "
        "start again with another --out"
    )


def append(path: Path, line: dict[str, Any]) -> None:
    """Append an epoch, and flush it to disk.

    Args:
        path: of the log.
        line: ``epoch``, counted from 1, and values by name.
    """
    with full_disk(path), path.open("a") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def truncate(path: Path, epoch: int) -> None:
    """Drop the lines of later epochs: a resumed run repeats them.

    Args:
        path: of the log; it need not exist.
        epoch: the last epoch to keep, counted from 1.

    Raises:
        RunError: if the log is damaged, or ends before that epoch.
    """
    lines = read(path)
    if len(lines) < epoch:
        raise RunError(
            f"{path} ends with epoch {len(lines)}, the checkpoint with epoch {epoch}; "
            "restore the log, or start again with another --out"
        )
    if path.exists():
        text = "".join(json.dumps(line) + "\n" for line in lines[:epoch])
        atomic.write(path, text)
