"""Errors and notes of a run for the user: a refusal, a full disk."""

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL = os.strerror(errno.ENOSPC)


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

    Libraries wrap that error in types of their own, or leave out the file.

    Args:
        path: the file or the folder that is written.

    Raises:
        OSError: if the disk is full. Other errors are raised unchanged.
    """
    try:
        yield
    except Exception as error:
        if not is_full_disk(error):
            raise
        raise OSError(errno.ENOSPC, _FULL, str(path)) from error


def is_full_disk(error: BaseException) -> bool:
    """Return whether an error of any library says that the disk is full.

    Args:
        error: the error.
    """
    return getattr(error, "errno", None) == errno.ENOSPC or _FULL in str(error)


def describe(error: BaseException) -> str:
    """Return the message of an error; of a full disk, which one and its free space.

    Args:
        error: the error.
    """
    path = getattr(error, "filename", None)
    if not isinstance(error, OSError) or error.errno != errno.ENOSPC or not path:
        return str(error) or repr(error)
    disk = Path(path)
    while not disk.exists():
        disk = disk.parent
    free = shutil.disk_usage(disk).free / 2**20
    return f"{_FULL}: {path} ({free:,.1f} MB free there)"
