"""Errors and notes of a run for the user: a refusal, a full disk."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.tasks import disk


class RunError(Exception):
    """A run cannot start or continue; the message says what to do."""


def note(text: str) -> None:
    """Print something that the user should know, and that does not stop the run.

    Args:
        text: one line.
    """
    print(f"note: {text}", file=sys.stderr, flush=True)


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Raise the error of a full disk as an `OSError` that names what was written.

    Args:
        path: the file or the folder that is written.

    Raises:
        OSError: if the disk is full. Other errors are raised unchanged.
    """
    try:
        yield
    except Exception as error:
        full = disk.full_error(error, path)
        if full is None:
            raise
        raise full from error


def describe(error: BaseException) -> str:
    """Return the message of an error; of a full disk, which one and its free space.

    Args:
        error: the error.
    """
    path = getattr(error, "filename", None)
    if not isinstance(error, OSError) or not disk.is_full(error) or not path:
        return str(error) or repr(error)
    free = disk.free_mb(Path(path))
    return f"{error.strerror}: {path} ({free:,.1f} MB free there)"
