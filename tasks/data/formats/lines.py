"""Numbered lines of a text file, which may be compressed by gzip."""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TextIO, cast

from tasks.data.formats.errors import DataError, FormatError


@contextmanager
def open_text(path: Path, encoding: str, newline: str = "\n") -> Iterator[TextIO]:
    """Open a text file whose lines end with a line feed, which is kept.

    A byte order mark at the start is skipped. A file compressed by gzip is recognised
    by its first bytes.

    Args:
        path: the file.
        encoding: its encoding.
        newline: the line end, as for `open`.

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
        with _open(path, codec, newline) as file:
            yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FormatError(path, None, f"a complete gzip file ({error})") from None
    except UnicodeDecodeError as error:
        line = _first_undecodable_line(path, codec)
        expected = f"text in {encoding} (name another encoding with --encoding)"
        got = error.object[error.start :][:8]
        raise FormatError(path, line, expected, got) from None


def numbered_lines(
    path: Path, encoding: str, newline: str | None = None
) -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, and the text of each line, without LF or CRLF.

    Args:
        path: the file.
        encoding: its encoding.
        newline: what ends a line; None is `line_end` of the file.

    Raises:
        FormatError: if the file is not in that encoding.
        DataError: if the encoding is unknown.
    """
    with open_text(path, encoding, newline or line_end(path, encoding)) as file:
        for number, line in enumerate(file, 1):
            yield number, line.removesuffix("\n").removesuffix("\r")


def line_end(path: Path, encoding: str) -> str:
    """Return what ends the lines of a file: CR if it has CR but no LF, otherwise LF.

    Args:
        path: the file.
        encoding: its encoding.

    Raises:
        FormatError: if the file is not in that encoding.
        DataError: if the encoding is unknown.
    """
    has_cr = False
    with open_text(path, encoding, newline="") as file:
        while block := file.read(1 << 16):
            if "\n" in block:
                return "\n"
            has_cr = has_cr or "\r" in block
    return "\r" if has_cr else "\n"


def without_gz(path: Path) -> Path:
    """Return a path without its ending ``.gz``.

    Args:
        path: the file.
    """
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def _open(
    path: Path, codec: str, newline: str, errors: str | None = None
) -> AbstractContextManager[TextIO]:
    with open(path, "rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    if is_gzip:
        return cast(
            TextIO,
            gzip.open(path, "rt", encoding=codec, errors=errors, newline=newline),
        )
    return open(path, encoding=codec, errors=errors, newline=newline)


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
    for number, line in lines_or_faults(path, encoding, expected):
        if isinstance(line, FormatError):
            raise line
        yield number, line


def lines_or_faults(
    path: Path, encoding: str, expected: str
) -> Iterator[tuple[int, str | FormatError]]:
    """Yield the lines as `nonblank_lines` does, but an error for each blank line.

    Args:
        path: the file.
        encoding: its encoding.
        expected: what a line holds, for the error message.
    """
    blanks = []
    for number, line in numbered_lines(path, encoding):
        if not line.strip():
            blanks.append(number)
            continue
        for blank in blanks:
            yield blank, FormatError(path, blank, expected, "")
        blanks = []
        yield number, line


def _first_undecodable_line(path: Path, encoding: str) -> int | None:
    """Return the number of the first line that cannot be decoded; None if unknown."""
    try:
        with _open(path, encoding, "\n", "surrogateescape") as file:
            for number, line in enumerate(file, 1):
                if any("\udc80" <= character <= "\udcff" for character in line):
                    return number
    except UnicodeDecodeError:
        pass  # truncated data in a multi-byte encoding such as UTF-16
    return None
