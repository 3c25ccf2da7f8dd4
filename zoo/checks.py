"""Checks of arguments: each names the argument, what came, and what was expected."""

import difflib
from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp


def positive(name: str, value: Any) -> int:
    """Return `value` if it is an int of 1 or more.

    Args:
        name: the argument, for the message.
        value: what was passed.

    Raises:
        ValueError: if it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be an int of 1 or more, got {value!r}")
    return value


def divisor(name: str, value: Any, whole_name: str, whole: int) -> int:
    """Return `value` if it is an int of 1 or more that divides another argument.

    Args:
        name: the argument, for the message.
        value: what was passed.
        whole_name: the argument to be divided, for the message.
        whole: its value.

    Raises:
        ValueError: if it is not, or does not.
    """
    positive(name, value)
    if whole % value:
        raise ValueError(f"{name} must divide {whole_name} = {whole}, got {value!r}")
    return value


def rate(name: str, value: Any) -> float:
    """Return `value` as a float if it is a probability in [0, 1).

    Args:
        name: the argument, for the message.
        value: what was passed.

    Raises:
        ValueError: if it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number in [0, 1), got {value!r}")
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{name} must lie in [0, 1), got {value!r}")
    return float(value)


def one_of(name: str, value: Any, options: Iterable[str]) -> str:
    """Return `value` if it is one of `options`; else suggest the nearest.

    Args:
        name: the argument, for the message.
        value: what was passed.
        options: the allowed words.

    Raises:
        ValueError: if it is none of them.
    """
    options = list(options)
    if value in options:
        return value
    near = difflib.get_close_matches(str(value), options, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(map(repr, options))
    raise ValueError(f"{name} must be one of {listed}, got {value!r}{hint}")


def shape(name: str, value: Any, expected: tuple[int, ...], axes: str) -> None:
    """Check the shape of an array.

    Args:
        name: the argument, for the message.
        value: the array.
        expected: its shape.
        axes: the axes in words, such as ``"[B, T]"``.

    Raises:
        ValueError: if the shape is another.
    """
    if jnp.shape(value) != expected:
        raise ValueError(
            f"{name} must have shape {axes} = {expected}, got {jnp.shape(value)}"
        )


def floating(name: str, value: Any) -> None:
    """Check that an array holds real floating point numbers.

    Args:
        name: the argument, for the message.
        value: the array.

    Raises:
        TypeError: if it holds something else.
    """
    if not jnp.issubdtype(jnp.result_type(value), jnp.floating):
        raise TypeError(f"{name} must be floating point, got {jnp.result_type(value)}")


def boolean(name: str, value: Any) -> None:
    """Check that an array is bool.

    Args:
        name: the argument, for the message.
        value: the array.

    Raises:
        TypeError: if it is not: numbers would invite a mask of lengths or of -inf.
    """
    if jnp.result_type(value) != jnp.bool_:
        raise TypeError(
            f"{name} must be bool (True = a real token), got "
            f"{jnp.result_type(value)}; zoo.mask_from_lengths makes one of lengths"
        )
