"""Errors of damaged or hostile files: they name the file, and quote little of it."""

import os
import pickle
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# What a reader raises on damaged bytes, whichever part of it finds the damage.
DAMAGE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
)
_LONGEST = 60  # characters of a value in a message
_MOST = 6  # items of a list in a message


@contextmanager
def naming(path: str | os.PathLike) -> Iterator[None]:
    """Turn any error of damage in a file into one that names the file.

    Args:
        path: of the file.

    Raises:
        ValueError: for any error of damage inside the ``with`` statement.
    """
    try:
        yield
    except DAMAGE as error:
        starts = tuple(f"{path}{mark}" for mark in ":, ")
        if isinstance(error, ValueError) and str(error).startswith(starts):
            raise
        raise ValueError(f"{path}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """Return what an error says, of any length that the file allows.

    Args:
        error: one of `DAMAGE`.
    """
    # The text of a KeyError is the whole key.
    text = _atom((*error.args, "")[0]) if isinstance(error, KeyError) else str(error)
    is_clear = isinstance(error, ValueError | pickle.UnpicklingError) and text
    return text if is_clear else f"{type(error).__name__}: {text}".removesuffix(": ")


def described(value: Any) -> str:
    """Return a short description of a value of a file, for a message.

    ``repr`` would take time and memory without end: a list that contains the same list
    twice, and so on through 50 levels, is written in 300 bytes.

    Args:
        value: anything.
    """
    if type(value) not in (list, tuple):
        return _atom(value)
    listed = [_atom(item) for item in value[:_MOST]]
    return f"[{', '.join(listed + ['...'] * (len(value) > _MOST))}]"


def _atom(value: Any) -> str:
    """Return a number or the start of a text as in Python, else the type."""
    if isinstance(value, str | bytes):
        is_long = len(value) > _LONGEST
        return repr(value[:_LONGEST]) + "..." * is_long
    is_short = not isinstance(value, int) or value.bit_length() <= 64
    if value is None or isinstance(value, int | float) and is_short:
        return repr(value)
    name = getattr(value, "class_name", "") or type(value).__name__
    return name[:_LONGEST]
