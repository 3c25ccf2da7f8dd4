"""Errors about data that cannot be read."""

from pathlib import Path


class DataError(ValueError):
    """Data that is missing or cannot be used; the message says what to do."""


class FormatError(DataError):
    """A file that breaks its format; the message names file, line and expectation."""

    def __init__(
        self,
        path: Path | str,
        line: int | None,
        expected: str,
        got: object = None,
        reason: str = "",
    ) -> None:
        """Build the message.

        Args:
            path: the file.
            line: line number from 1; None if the error is about the file as a whole.
            expected: what was expected.
            got: what was read instead; None leaves it out of the message.
            reason: what is wrong, if that is not clear from the rest.
        """
        location = f"{path}:{line}" if line else f"{path}"
        shown = "" if got is None else f", got {_shorten(got)}"
        shown += f": {reason}" if reason else ""
        super().__init__(f"{location}: expected {expected}{shown}")
        self.path = path
        self.line = line


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
