"""Lines of a file or of standard input, with the line of a wrong byte."""

import codecs
import difflib
import io
import itertools
import re
import sys
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import IO

from zoo.text import encodings

# Undecodable bytes become these surrogates, which no codec decodes text to.
_WRONG_BYTES = re.compile("[\udc00-\udcff]+")


def lines(file: Path | None, encoding: str) -> Iterator[str]:
    """Yield all lines of a text, blank ones too, without LF or CRLF.

    As in training data, a byte order mark at the start is skipped, and CR ends a line
    only where there is no LF.

    Args:
        file: the file; None for standard input.
        encoding: its encoding.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if the encoding is unknown, or a line is not in it; the message
            names file and line.
    """
    codec = encodings.codec_of(encoding)
    if file is not None:
        with _open(file) as binary:
            yield from _decoded(binary, str(file), codec, encoding)
    elif isinstance(binary := getattr(sys.stdin, "buffer", None), BufferedReader):
        yield from _decoded(binary, "standard input", codec, encoding)
    else:
        yield from _checked(sys.stdin, "standard input", encoding)


def _decoded(
    binary: BufferedReader, name: str, codec: str, encoding: str
) -> Iterator[str]:
    """Yield the lines of a stream of bytes, which stays open."""
    try:
        codec = encodings.codec_without_mark(codec, binary.peek(4)[:4])
    except ValueError as error:
        raise ValueError(f"{name}: expected {error}") from None
    stream = io.TextIOWrapper(binary, codec, "zoo-wrong-bytes", "\n")
    try:
        yield from _checked(stream, name, encoding)
    except UnicodeError as error:  # of codecs such as idna
        raise ValueError(f"{name}: expected text in {encoding}: {error}") from None
    finally:
        stream.detach()


def check_bytes(text: str, name: str, encoding: str) -> str:
    """Return a text that was decoded without wrong bytes.

    Args:
        text: the text, with surrogates in place of wrong bytes.
        name: where it is from, for the message.
        encoding: its encoding, for the message.

    Raises:
        ValueError: if it has wrong bytes.
    """
    if wrong := _WRONG_BYTES.search(text):
        got = bytes(ord(c) & 0xFF for c in wrong[0][:8])
        raise ValueError(f"{name}: expected text in {encoding}, got {got!r}")
    return text


def _open(file: Path) -> BufferedReader:
    """Open a file; an error names the flag and files of similar names."""
    try:
        return file.open("rb")
    except FileNotFoundError:
        names = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
        similar = difflib.get_close_matches(file.name, names, n=1)
        hint = f"; did you mean {file.parent / similar[0]}?" if similar else ""
        raise FileNotFoundError(f"--file {file}: no such file{hint}") from None
    except OSError as error:
        raise OSError(f"--file {file}: {error.strerror}") from None


def _checked(stream: IO[str], name: str, encoding: str) -> Iterator[str]:
    advice = f"{encoding} (name another encoding with --encoding)"
    for number, line in enumerate(_split(stream), 1):
        for wrong, reason in encodings.WRONG.items():
            if wrong in line:
                raise ValueError(f"{name}:{number}: expected {reason}")
        yield check_bytes(line, f"{name}:{number}", advice)


def _split(stream: IO[str]) -> Iterator[str]:
    """Yield the lines of a stream that is split at LF."""
    first = next(stream, "")
    if "\n" not in first and "\r" in first:
        yield from first.removesuffix("\r").split("\r")
        return
    for line in itertools.chain([first] if first else [], stream):
        yield line.removesuffix("\n").removesuffix("\r")


def _mark_wrong_bytes(error: UnicodeError) -> tuple[str, int]:
    """Replace undecodable bytes, so that the line that has them can be counted."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(chr(0xDC00 | byte) for byte in wrong), error.end


codecs.register_error("zoo-wrong-bytes", _mark_wrong_bytes)
