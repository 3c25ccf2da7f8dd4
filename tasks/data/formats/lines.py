"""The lines of a file, numbered, in the encoding that the user names."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tasks.data.formats.errors import DataError, FormatError


@contextmanager
def opened(path: Path, encoding: str) -> Iterator[TextIO]:
    """Open a file for reading; only a line feed ends a line, and it is kept.

    A byte order mark at the start is left out.

    Args:
        path: the file.
        encoding: its encoding.

    Raises:
        FormatError: while it is read, if it is not in that encoding.
        DataError: if there is no such encoding.
    """
    try:
        known = codecs.lookup(encoding).name
    except LookupError:
        raise DataError(f"--encoding {encoding}: no such encoding") from None
    known = "utf-8-sig" if known == "utf-8" else known
    try:
        with open(path, encoding=known, newline="\n") as file:
            yield file
    except UnicodeDecodeError as error:
        line = _first_bad_line(path, known)
        wrong = f"text in {encoding} (name another one with --encoding)"
        raise FormatError(path, line, wrong, error.object[error.start :][:8]) from None


def numbered(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield each line with its number, from 1, without its line end (LF or CRLF).

    Args:
        path: the file.
        encoding: its encoding.

    Raises:
        FormatError: if it is not in that encoding.
        DataError: if there is no such encoding.
    """
    with opened(path, encoding) as file:
        for number, line in enumerate(file, 1):
            yield number, line.removesuffix("\n").removesuffix("\r")


def filled(path: Path, encoding: str, expected: str) -> Iterator[tuple[int, str]]:
    """Yield the lines as `numbered` does; none but the last ones may be blank.

    Args:
        path: the file.
        encoding: its encoding.
        expected: what a line should hold, for the message.

    Raises:
        FormatError: if a line is blank and another one follows.
    """
    blank = None
    for number, line in numbered(path, encoding):
        if not line.strip():
            blank = blank or number
        elif blank:
            raise FormatError(path, blank, expected, "")
        else:
            yield number, line


def _first_bad_line(path: Path, encoding: str) -> int | None:
    """Return the line that cannot be decoded, if the encoding lets us find it."""
    try:
        with open(path, encoding=encoding, errors="surrogateescape", newline="\n") as f:
            for number, line in enumerate(f, 1):
                if any("\udc80" <= character <= "\udcff" for character in line):
                    return number
    except UnicodeDecodeError:
        pass  # a cut of a wide encoding, such as UTF-16
    return None
