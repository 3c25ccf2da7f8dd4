"""Plain text, and texts with a label in front."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.formats.base import FormatError, Options, lines, whole_lines


def read_plain(path: Path, options: Options) -> Iterator[dict[str, Any]]:
    """Yield the lines of a text, each with its end; CRLF becomes LF.

    Args:
        path: the file.
        options: its encoding.

    Raises:
        FormatError: at a line that is not in the encoding.
    """
    for _, line in whole_lines(path, options.encoding):
        yield {"text": line.replace("\r\n", "\n")}


def read_labelled(path: Path, options: Options) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file of lines ``label text``.

    Args:
        path: the file.
        options: its encoding.

    Raises:
        FormatError: naming file and line.
    """
    for number, line in lines(path, options.encoding):
        if not line.strip():
            continue
        label, *rest = line.strip().split(maxsplit=1)
        if not rest:
            raise FormatError(
                path, number, f"expected a label, a space and a text, got {line[:60]!r}"
            )
        yield {"text": rest[0], "label": label}
