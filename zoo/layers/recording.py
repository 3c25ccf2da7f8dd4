"""The plans of the layers that run, for `zoo.explain`."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from zoo.engine.plan import Plan

_records: ContextVar[list[tuple[Any, Plan]] | None]
_records = ContextVar("_records", default=None)


@contextmanager
def recording() -> Iterator[list[tuple[Any, Plan]]]:
    """Collect every `Recurrent` that runs inside the block, with its plan.

    Inside the block, layers are not compiled: a layer that is compiled already would
    not run, and one that is compiled there would be a copy.
    """
    records: list[tuple[Any, Plan]] = []
    token = _records.set(records)
    try:
        yield records
    finally:
        _records.reset(token)


def is_recording() -> bool:
    """Return whether the code runs inside `recording`."""
    return _records.get() is not None


def record(plan: Plan, *layers: Any) -> None:
    """Add layers to what `recording` collects, if it does.

    Args:
        plan: how they run.
        *layers: one `Recurrent`, or the two directions that share a loop.
    """
    records = _records.get()
    if records is not None:
        records.extend((layer, plan) for layer in layers)
