"""Small helpers that tell a type checker what a test knows."""

from typing import Any, TypeVar

T = TypeVar("T")


def present(value: T | None) -> T:
    """Return a value that may be None in general, but not in this test."""
    assert value is not None
    return value


def untyped(value: object) -> Any:
    """Return a value without its static type, for calls that must be rejected."""
    return value


def cache_size(function: Any) -> int:
    """Return how many programs a jitted function has compiled."""
    return function._cache_size()
