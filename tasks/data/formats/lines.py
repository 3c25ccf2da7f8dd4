"""Numbered lines of a text file, which may be compressed by gzip."""

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from zoo.tasks.data.formats.errors import DataError, FormatError
from zoo.tasks.data.formats.opening import open_binary

MAX_LINE = 1 << 27
"""The largest number of characters of a line; text8, a corpus of one line, has 10^8."""
_MAX_EXPANSION = 200  # of a gzip file; texts expand 2 to 20 times
_UNDECODABLE = "\udc80"  # in place of bytes; no encoding of text decodes to it


def text_lines(path: Path, encoding: str, newline: str = "\n") -> Iterator[str]:
    """Yield the lines of a text file with their line ends.

    A byte order mark at the start is skipped. A file compressed by gzip is recognised
    by its first bytes.

    Args:
        path: the file.
        encoding: its encoding.
        newline: the line end, as for `open`.

    Raises:
        FormatError: if the file is not in that encoding, has null characters, a line is
            too long, or compressed data are damaged.
        DataError: if the encoding is unknown, or the file cannot be read.
    """
    with _open_text(path, encoding, newline) as file:
        lines = iter(partial(file.readline, MAX_LINE + 1), "")
        for number, line in enumerate(lines, 1):
            if len(line) > MAX_LINE:
                expected = f"lines of at most {MAX_LINE:,} characters"
                raise FormatError(path, number, expected)
            if "\0" in line:
                raise FormatError(path, number, _wrong("\0"), line)
            yield line


def numbered_lines(
    path: Path, encoding: str, newline: str | None = None
) -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, and the text of each line, without LF or CRLF.

    Byte order marks are skipped, as in `without_marks`.

    Args:
        path: the file.
        encoding: its encoding.
        newline: what ends a line; None is `line_end` of the file.

    Raises:
        FormatError: as for `text_lines`; if CR is inside a line.
        DataError: as for `text_lines`.
    """
    newline = newline or line_end(path, encoding)
    for number, line in enumerate(text_lines(path, encoding, newline), 1):
        line = without_marks(line.removesuffix("\n").removesuffix("\r"))
        if "\r" in line:
            raise FormatError(path, number, _wrong("\r"), line)
        yield number, line


def without_marks(line: str) -> str:
    """Return a line without byte order marks at its start.

    They are of a file that was appended to another. A mark that stands alone in the
    first cell, as in corpora of tweets, is a token.

    Args:
        line: the line.
    """
    rest = line.lstrip("\ufeff")
    return line if not rest or rest[0].isspace() else rest


def line_end(path: Path, encoding: str) -> str:
    """Return what ends the lines of a file: CR if it has CR but no LF, otherwise LF.

    Args:
        path: the file.
        encoding: its encoding.

    Raises:
        FormatError: if the file is not in that encoding.
        DataError: as for `text_lines`.
    """
    has_cr = False
    with _open_text(path, encoding, newline="") as file:
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


def lines_or_faults(
    path: Path, encoding: str, expected: str
) -> Iterator[tuple[int, str | FormatError]]:
    """Yield the lines as `numbered_lines` does, but an error for each blank line.

    Blank lines at the end of the file are left out.

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


class _GzipFile(gzip.GzipFile):
    """A file compressed by gzip that cannot expand without bounds.

    Attributes:
        limit: the largest number of bytes that it may expand to.
    """

    def __init__(self, file: io.BufferedReader) -> None:
        """Read from a file.

        Args:
            file: the compressed file.
        """
        super().__init__(fileobj=file)
        self.limit = max(MAX_LINE, _MAX_EXPANSION * os.fstat(file.fileno()).st_size)

    def read1(self, size: int = -1) -> bytes:
        """Read some bytes, for `io.TextIOWrapper`.

        Args:
            size: the largest number of bytes.

        Raises:
            gzip.BadGzipFile: if the file expands to more bytes than `limit`.
        """
        block = super().read1(size)
        if self.tell() > self.limit:
            raise gzip.BadGzipFile(f"it expands to more than {self.limit:,} bytes")
        return block


@contextmanager
def _open_text(
    path: Path, encoding: str, newline: str, errors: str = "strict"
) -> Iterator[TextIO]:
    """Open a text file, compressed or not; what is wrong with it is a `DataError`."""
    from zoo.text import encodings  # whose package imports JAX

    try:
        codec = encodings.codec_of(encoding)
    except ValueError as error:
        raise DataError(str(error)) from None
    with open_binary(path) as file:
        try:
            binary = _GzipFile(file) if file.peek(2)[:2] == b"\x1f\x8b" else file
            codec = _codec_without_mark(path, codec, binary.peek(4)[:4])
            with io.TextIOWrapper(
                cast(BinaryIO, binary), codec, errors, newline
            ) as text:
                yield text
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FormatError(path, None, f"a complete gzip file ({error})") from None
        except UnicodeDecodeError as error:
            line = _first_undecodable_line(path, encoding)
            expected = f"text in {encoding} (name another encoding with --encoding)"
            got = error.object[error.start :][:8]
            raise FormatError(path, line, expected, got) from None
        except UnicodeError as error:  # of codecs such as idna
            raise FormatError(path, None, f"text in {encoding} ({error})") from None


def _wrong(character: str) -> str:
    """Return what is expected in place of a character that no line has."""
    from zoo.text import encodings

    return encodings.WRONG[character]


def _codec_without_mark(path: Path, codec: str, start: bytes) -> str:
    """Return the codec that skips the byte order mark of a file, if there is one."""
    from zoo.text import encodings

    try:
        return encodings.codec_without_mark(codec, start)
    except ValueError as error:
        raise FormatError(path, None, str(error), start) from None


def _first_undecodable_line(path: Path, encoding: str) -> int | None:
    """Return the number of the first line that cannot be decoded; None if unknown."""
    num_lf, num_cr, has_lf, mark = 0, 0, False, ""
    with _open_text(path, encoding, "", "zoo.tasks.data.mark") as file:
        while block := file.read(1 << 16):
            has_lf = has_lf or "\n" in block
            if not mark:
                before, mark, _ = block.partition(_UNDECODABLE)
                num_lf += before.count("\n")
                num_cr += before.count("\r")
    return 1 + (num_lf if has_lf else num_cr) if mark else None


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Decode bytes that are no text as `_UNDECODABLE`."""
    assert isinstance(error, UnicodeDecodeError)
    return _UNDECODABLE, error.end


codecs.register_error("zoo.tasks.data.mark", _mark)
