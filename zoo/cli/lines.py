"""Lines of a file or of standard input, with the line of a wrong byte."""

import codecs
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

# Undecodable bytes become these surrogates, which no codec decodes text to.
_WRONG_BYTES = re.compile("[\udc00-\udcff]+")


def lines(file: Path | None, encoding: str) -> Iterator[str]:
    """Yield all lines of a text, blank ones too, without line ends.

    A byte order mark at the start is skipped.

    Args:
        file: the file; None for standard input.
        encoding: its encoding.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if the encoding is unknown, or a line is not in it; the message
            names file and line.
    """
    try:
        codec = codecs.lookup(encoding).name
    except LookupError:
        raise ValueError(f"--encoding {encoding}: no such encoding") from None
    codec = "utf-8-sig" if codec == "utf-8" else codec
    options: Any = {"encoding": codec, "errors": "zoo-wrong-bytes"}
    if file is not None:
        with file.open(**options) as stream:
            yield from _checked(stream, str(file), encoding)
    elif not hasattr(sys.stdin, "buffer"):
        yield from _checked(sys.stdin, "standard input", encoding)
    else:
        stream = io.TextIOWrapper(sys.stdin.buffer, **options)
        try:
            yield from _checked(stream, "standard input", encoding)
        finally:
            stream.detach()  # standard input stays open


def _checked(stream: IO[str], name: str, encoding: str) -> Iterator[str]:
    for number, line in enumerate(stream, 1):
        if wrong := _WRONG_BYTES.search(line):
            got = bytes(ord(c) & 0xFF for c in wrong[0][:8])
            raise ValueError(
                f"{name}:{number}: expected text in {encoding} (name another encoding "
                f"with --encoding), got {got!r}"
            )
        yield line.removesuffix("\n")


def _mark_wrong_bytes(error: UnicodeError) -> tuple[str, int]:
    """Replace undecodable bytes, so that the line that has them can be counted."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(chr(0xDC00 | byte) for byte in wrong), error.end


codecs.register_error("zoo-wrong-bytes", _mark_wrong_bytes)
