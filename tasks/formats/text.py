"""Plain text, and texts with a label in front."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.formats.base import FormatError, Options, lines


def read_plain(path: Path, options: Options) -> Iterator[dict[str, Any]]:
    """Yield the lines of a text, each with its line end (LF).

    Args:
        path: the file.
        options: its encoding.

    Raises:
        FormatError: at a line that is not in the encoding.
    """
    before: str | None = None
    for _, line in lines(path, options.encoding):
        if before is not None:
            yield {"text": before + "\n"}
        before = line
    if before is not None:
        yield {"text": before + "\n" if _ends_in_newline(path) else before}


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


def _ends_in_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(file.tell() - 2, 0))
        return b"\n" in file.read()
