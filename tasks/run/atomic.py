"""Files that are written completely or not at all."""

import os
from pathlib import Path

from zoo.tasks.run.errors import full_disk


def part(path: Path) -> Path:
    """Return the file that holds the content of another one until it is complete.

    Args:
        path: the other file.
    """
    return path.with_name(f".{path.name}.part")


def write(path: Path, content: str | bytes) -> None:
    """Replace a file, on disk too: after a crash it has the old content or the new one.

    Args:
        path: the file.
        content: its new content; text is written as UTF-8.

    Raises:
        OSError: if it cannot be written; the error of a full disk names `path`.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        with full_disk(path):
            with part(path).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part(path).replace(path)
    except BaseException:
        part(path).unlink(missing_ok=True)
        raise
