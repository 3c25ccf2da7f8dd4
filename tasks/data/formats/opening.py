"""Opens data files: regular files only, and an error of the system is a `DataError`."""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from zoo.tasks.data.formats.errors import DataError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def open_binary(path: Path) -> Iterator[BufferedReader]:
    """Open a file to read its bytes.

    Args:
        path: the file.

    Raises:
        DataError: if it cannot be opened or read, or is no regular file.
    """
    with system_errors(path):
        check_regular(path)
        with open(path, "rb") as file:
            yield file


@contextmanager
def system_errors(path: Path | str) -> Iterator[None]:
    """Turn an error of the system, such as a missing permission, into a `DataError`.

    Args:
        path: the file that is read meanwhile.

    Raises:
        DataError: instead of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise DataError(f"{path}: cannot be read ({reason})") from None


def check_regular(path: Path) -> None:
    """Raise an error if a path is no regular file, or a link to one.

    A file is read several times: to detect its format, to choose its columns, to read
    its rows. A pipe can be read only once, and may wait for a writer for ever.

    Args:
        path: the file.

    Raises:
        DataError: if it is another kind of file, or no file can have such a path.
        OSError: if there is no such file.
    """
    try:
        mode = os.stat(path).st_mode
    except ValueError as error:  # a null character, or a surrogate that is no byte
        raise DataError(f"{path}: no file can have this name ({error})") from None
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "no regular file")
        raise DataError(
            f"{path} is {kind}: data are read from regular files, several times; write "
            "its content to a file"
        )


def digest(*paths: Path) -> str:
    """Return a digest of the bytes of files.

    Args:
        *paths: the files.

    Raises:
        DataError: if a file cannot be read.
    """
    digests = []
    for path in paths:
        with open_binary(path) as file:
            digests.append(hashlib.file_digest(file, "blake2b").hexdigest())
    return " ".join(digests)
