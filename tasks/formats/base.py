"""What the parsers share: their options, their error, and reading lines."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["labelled", "tagged", "entities", "text"]


class FormatError(ValueError):
    """A file that is not what it should be; the message names file and line."""

    def __init__(self, path: Path, line: int | None, message: str) -> None:
        """Say what is wrong.

        Args:
            path: the file.
            line: its line, counted from 1; None where there is none to name.
            message: what was found and what was expected.
        """
        at = str(path) if line is None else f"{path}, line {line}"
        super().__init__(f"{at}: {message}")


@dataclass(frozen=True)
class Options:
    """What the rows are to be, and where a file has their parts.

    Attributes:
        kind: what the task reads.
        encoding: of the file.
        text_column: name or number (from 0) of the column of the text.
        label_column: the same of the label.
        token_column: the same of the word.
        tag_column: the same of the tag.
    """

    kind: Kind
    encoding: str = "utf-8"
    text_column: str | None = None
    label_column: str | None = None
    token_column: str | None = None
    tag_column: str | None = None


def lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file with their numbers, without line ends.

    Args:
        path: the file.
        encoding: of it.

    Raises:
        FormatError: at a line that is not in the encoding.
    """
    for number, line in whole_lines(path, encoding):
        yield number, line.removesuffix("\n").removesuffix("\r")


def whole_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file with their numbers and their ends.

    Lines end at LF or CRLF alone: other separators of Unicode are text.

    Args:
        path: the file.
        encoding: of it.

    Raises:
        FormatError: at a line that is not in the encoding.
    """
    # A byte that cannot be decoded becomes a lone surrogate: so its line is known.
    with path.open(encoding=encoding, errors="surrogateescape", newline="\n") as file:
        try:
            for number, line in enumerate(file, 1):
                if number == 1:
                    line = line.removeprefix("\ufeff")
                if any("\udc80" <= c <= "\udcff" for c in line if c > "\ud7ff"):
                    raise FormatError(
                        path,
                        number,
                        f"this is not {encoding}; --encoding tells another",
                    )
                yield number, line
        except UnicodeError as error:
            raise FormatError(
                path,
                None,
                f"this is not {encoding} ({error}); --encoding tells another",
            ) from error


def pick(
    row: Mapping[str, Any] | list[str], column: str, path: Path, line: int | None
) -> Any:
    """Return the part of a row that a flag names.

    Args:
        row: values by name, or in order.
        column: a name or a number.
        path: for the message.
        line: for the message.

    Raises:
        FormatError: if there is no such column.
    """
    if isinstance(row, list):
        if column.lstrip("-").isdecimal() and -len(row) <= int(column) < len(row):
            return row[int(column)]
        told = f"columns 0 to {len(row) - 1}"
    elif column in row:
        return row[column]
    else:
        told = f"columns {', '.join(map(str, row))}"
    raise FormatError(path, line, f"expected a column {column!r}, found {told}")
