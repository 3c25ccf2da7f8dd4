"""Errors about data that cannot be read."""

import difflib
from collections.abc import Sequence
from pathlib import Path

MAX_LENGTH = 500  # characters of a message
_HEAD, _TAIL = 320, 160  # characters that are kept of a longer message
_MAX_NAMES, _MAX_NAME_LENGTH = 1000, 100  # of names that may be similar


class DataError(ValueError):
    """Data that is missing or cannot be used; the message says what to do.

    The message is one line of less than `MAX_LENGTH` characters, whatever the names and
    the content of the files: a longer one loses its middle, as its start names the file
    and its end says what to do.
    """

    def __init__(self, message: str) -> None:
        """Build the message.

        Args:
            message: the text; see `printable`.
        """
        if len(message) > 2 * MAX_LENGTH:  # escapes would only make it longer
            message = f"{message[:MAX_LENGTH]}{message[-MAX_LENGTH:]}"
        text = printable(message)
        if len(text) >= MAX_LENGTH:
            text = f"{text[:_HEAD]} ... {text[-_TAIL:]}"
        super().__init__(text)


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


def printable(text: str) -> str:
    r"""Return a text with escapes such as ``\n`` for all that is not printable.

    Names and contents of files may hold line ends, escape sequences of a terminal, and
    bytes that are no text.

    Args:
        text: the text.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


def similar_names(name: str, names: Sequence[str], n: int, cutoff: float) -> list[str]:
    """Return the names that are most similar to a name, for a hint in a message.

    Only short names, and not all of very many, are compared: a comparison takes time
    proportional to the product of the lengths.

    Args:
        name: the name that does not exist.
        names: those that exist.
        n: the largest number of names to return.
        cutoff: the lowest similarity, from 0 to 1.
    """
    short = [other for other in names[:_MAX_NAMES] if len(other) <= _MAX_NAME_LENGTH]
    return difflib.get_close_matches(name[:_MAX_NAME_LENGTH], short, n, cutoff)


def _shorten(value: object) -> str:
    """Return the start of the representation of a value."""
    if isinstance(value, str | bytes):
        value = value[:80]
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested too deeply; an integer of many digits
        text = f"a {type(value).__name__} that is too large to show"
    return text if len(text) <= 80 else f"{text[:77]}..."
