"""What this program writes into a run folder, and what a crash may leave there.

A folder with anything else in it is not deleted.
"""

import glob
import json
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo import artifact
from zoo.tasks.run import atomic, lock
from zoo.tasks.run.errors import RunError

CONFIG, LOG, METRICS, REPORT = "config.json", "log.jsonl", "metrics.json", "report.html"
CURVES, CONFUSION = "curves.png", "confusion.png"
FILES = (CONFIG, LOG, METRICS, REPORT, CURVES, CONFUSION)
MODEL, CHECKPOINTS, TENSORBOARD = "model", "checkpoints", "tensorboard"
INITIAL = "initial"  # the model that a run with --init starts from
CONFIG_KEYS = {"task", "flags", "versions", "devices", "command"}
_DELETED = ".deleted-"  # in the name of a folder that is being deleted


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


_PARTS = [atomic.part(Path(name)).name for name in FILES]
_STRAYS = _any(
    *map(re.escape, _PARTS),
    rf"{CHECKPOINTS}/\.\d+\.(part|deleted-)[^/]*(/[^/]*)?",
    # Of earlier versions:
    r"log\.part|\.(curves|confusion)\.png",
    rf"{CHECKPOINTS}/\d+\.orbax-checkpoint-tmp[^/]*(/[^/]*)?",
)
_MODEL_FILES = map(re.escape, (artifact.WEIGHTS, artifact.CONFIG, artifact.CARD))
_MODELS = f"{MODEL}|{INITIAL}"
_WRITTEN = _any(
    *map(re.escape, (*FILES, lock.NAME, CHECKPOINTS, TENSORBOARD)),
    # The hidden folders are swept by the next `zoo.save`.
    rf"({_MODELS}|\.({_MODELS})-\w+)(/({'|'.join(_MODEL_FILES)}))?",
    rf"{CHECKPOINTS}/\d+(/(state|position|_CHECKPOINT_METADATA|[\w.]+\.(txt|json)))?",
    rf"{TENSORBOARD}/events\.[^/]*",
)


def read_config(folder: Path) -> dict[str, Any] | None:
    """Return the content of ``config.json``, None if it is not that of a run.

    Args:
        folder: any folder.

    Raises:
        RunError: if there is one, but it cannot be read.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    except OSError as error:
        reason = f"{folder / CONFIG} cannot be read: {error.strerror}"
        raise RunError(reason) from None
    is_run = isinstance(config, dict) and config.keys() >= CONFIG_KEYS
    return config if is_run and isinstance(config["flags"], dict) else None


def is_empty(folder: Path) -> bool:
    """Return whether a folder is empty, or a run was killed in its first moment there.

    Args:
        folder: any folder.
    """
    first = {lock.NAME, atomic.part(folder / CONFIG).name}
    return first >= {path.name for path in folder.iterdir()}


def unknown(folder: Path) -> list[str]:
    """Return the paths in a run folder that this program does not write.

    Args:
        folder: a run folder.
    """
    return [
        name
        for name in sorted(_names(folder))
        if not _WRITTEN.fullmatch(name) and not _STRAYS.fullmatch(name)
    ]


def _names(folder: Path) -> Iterator[str]:
    """Yield the paths in a folder and in its folders, down to the third level."""
    for path in (*folder.glob("*"), *folder.glob("*/*"), *folder.glob("*/*/*")):
        yield path.relative_to(folder).as_posix()


def sweep(folder: Path) -> None:
    """Delete what a crash has left in a run folder, and next to it.

    Args:
        folder: a run folder that this process has locked.
    """
    for name in _names(folder):
        if _STRAYS.fullmatch(name):
            remove(folder / name)
    folder = folder.resolve()
    deleted = f".{glob.escape(folder.name)}{_DELETED}" + 8 * "[0-9a-f]"
    for path in folder.parent.glob(deleted):
        remove(path)


def move_away(folder: Path) -> Path:
    """Rename a folder to delete it: a crash leaves all of it under its name, or none.

    Args:
        folder: the folder.

    Returns:
        Its new path, which `sweep` deletes too.
    """
    folder = folder.resolve()
    name = f".{folder.name}{_DELETED}{secrets.token_hex(4)}"
    return folder.rename(folder.with_name(name))


def delete(folder: Path) -> None:
    """Delete a folder; a crash leaves all of it under its name, or none.

    Args:
        folder: the folder.
    """
    remove(move_away(folder))


def remove(path: Path) -> None:
    """Remove a file, or a folder with everything in it.

    Args:
        path: of the file or the folder.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
