"""A full disk: how it is recognised, and what is free on it."""

import errno
import os
import shutil
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TEXTS = {number: os.strerror(number) for number in FULL}


def is_full(error: BaseException) -> bool:
    """Return whether an error is that of the system for a full disk, or a full quota.

    Args:
        error: the error.
    """
    return isinstance(error, OSError) and error.errno in FULL


def full_error(error: BaseException, path: Path) -> OSError | None:
    """Return the error of a full disk that another error stands for, None for others.

    Libraries wrap it in types of their own, or leave out the file.

    Args:
        error: of any library.
        path: what was being written.
    """
    for number, text in _TEXTS.items():
        if getattr(error, "errno", None) == number or text in str(error):
            return OSError(number, text, str(path))
    return None


def free_mb(path: Path) -> float:
    """Return the free space of the disk of a path, in MB (2**20 bytes).

    Args:
        path: of a file or a folder; it need not exist.
    """
    path = path.absolute()
    existing = next(p for p in (path, *path.parents) if p.exists())
    return shutil.disk_usage(existing).free / 2**20
