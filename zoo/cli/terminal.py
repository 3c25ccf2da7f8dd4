"""Text from elsewhere on standard output: a terminal, or a pipe that may be closed."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

# All but the tab and the line feed. A terminal obeys them: they move its cursor, change
# its title or its colours.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def visible(text: str, stream: TextIO | None = None, escape: str = "\\x{:02x}") -> str:
    """Return a text to print, on a terminal with escapes for control characters.

    Args:
        text: any text, such as a label, an input or a generated text.
        stream: where it is printed; by default standard output. What is no terminal
            gets the text as it is.
        escape: the format of a character's number.
    """
    if not (stream or sys.stdout).isatty():
        return text
    return _CONTROLS.sub(lambda match: escape.format(ord(match[0])), text)


def visible_json(text: str) -> str:
    """Return JSON to print, as `visible` does, with escapes of JSON.

    Args:
        text: JSON, which has no other control characters than DEL and those from U+0080
            to U+009F.
    """
    return visible(text, escape="\\u{:04x}")


def open_closed_streams() -> None:
    """Open the streams that the shell has closed: no input, and discarded output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))


@contextmanager
def closed_pipe_is_quiet() -> Iterator[None]:
    """End without a message if the reader of standard output has closed it.

    ``| head`` does so, as soon as it has read its lines.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer goes nowhere, so that the exit is quiet too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
