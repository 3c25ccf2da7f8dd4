"""What is said to the user when data cannot be read."""

from pathlib import Path


class DataError(ValueError):
    """Data that is missing or cannot be used; the message says what to do."""


class FormatError(DataError):
    """A file that is not what it should be: file, line, and what was expected."""

    def __init__(
        self, path: Path | str, line: int | None, expected: str, got: object = None
    ):
        """Say what is wrong.

        Args:
            path: the file.
            line: the line, from 1, or None if it is the file as a whole.
            expected: what should stand there.
            got: what stands there, or None to leave that out.
        """
        place = f"{path}:{line}" if line else f"{path}"
        shown = "" if got is None else f", got {_short(got)}"
        super().__init__(f"{place}: expected {expected}{shown}")
        self.path = path
        self.line = line


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
