"""Numbered lines of a text file."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tasks.data.formats.errors import DataError, FormatError


@contextmanager
def open_text(path: Path, encoding: str) -> Iterator[TextIO]:
    """Open a text file whose lines end with a line feed, which is kept.

    A byte order mark at the start is skipped.

    Args:
        path: the file.
        encoding: its encoding.

    Raises:
        FormatError: while the file is read, if it is not in that encoding.
        DataError: if the encoding is unknown.
    """
    try:
        codec = codecs.lookup(encoding).name
    except LookupError:
        raise DataError(f"--encoding {encoding}: no such encoding") from None
    codec = "utf-8-sig" if codec == "utf-8" else codec
    try:
        with open(path, encoding=codec, newline="\n") as file:
            yield file
    except UnicodeDecodeError as error:
        line = _first_undecodable_line(path, codec)
        expected = f"text in {encoding} (name another encoding with --encoding)"
        got = error.object[error.start :][:8]
        raise FormatError(path, line, expected, got) from None


def numbered_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, and the text of each line, without LF or CRLF.

    Args:
        path: the file.
        encoding: its encoding.

    Raises:
        FormatError: if the file is not in that encoding.
        DataError: if the encoding is unknown.
    """
    with open_text(path, encoding) as file:
        for number, line in enumerate(file, 1):
            yield number, line.removesuffix("\n").removesuffix("\r")


def nonblank_lines(
    path: Path, encoding: str, expected: str
) -> Iterator[tuple[int, str]]:
    """Yield the lines as `numbered_lines` does; only the last ones may be blank.

    Args:
        path: the file.
        encoding: its encoding.
        expected: what a line holds, for the error message.

    Raises:
        FormatError: if a blank line is followed by one that is not.
    """
    first_blank = None
    for number, line in numbered_lines(path, encoding):
        if not line.strip():
            first_blank = first_blank or number
        elif first_blank:
            raise FormatError(path, first_blank, expected, "")
        else:
            yield number, line


def _first_undecodable_line(path: Path, encoding: str) -> int | None:
    """Return the number of the first line that cannot be decoded; None if unknown."""
    try:
        with open(path, encoding=encoding, errors="surrogateescape", newline="\n") as f:
            for number, line in enumerate(f, 1):
                if any("\udc80" <= character <= "\udcff" for character in line):
                    return number
    except UnicodeDecodeError:
        pass  # truncated data in a multi-byte encoding such as UTF-16
    return None
