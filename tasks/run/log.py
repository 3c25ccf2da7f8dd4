"""The log of a run, ``log.jsonl``: one line per epoch."""

import json
import os
from pathlib import Path
from typing import Any


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a log, without a last line truncated by a crash.

    Args:
        path: of the log; it need not exist.
    """
    lines = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


def append(path: Path, line: dict[str, Any]) -> None:
    """Append an epoch, and flush it to disk.

    Args:
        path: of the log.
        line: ``epoch``, counted from 1, and values by name.
    """
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def truncate(path: Path, epoch: int) -> None:
    """Drop the lines of later epochs: a resumed run repeats them.

    Args:
        path: of the log; it need not exist.
        epoch: the last epoch to keep, counted from 1.
    """
    if not path.exists():
        return
    lines = [line for line in read(path) if line["epoch"] <= epoch]
    part = path.with_suffix(".part")
    part.write_text("".join(json.dumps(line) + "\n" for line in lines))
    part.replace(path)
