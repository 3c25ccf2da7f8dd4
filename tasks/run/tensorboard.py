"""TensorBoard events, written synchronously.

tensorboardX's ``SummaryWriter`` writes in a thread. If the disk is full, that thread
prints a traceback after the program has reported the error.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def without_torch() -> Iterator[None]:
    """Make ``import torch`` fail: tensorboardX can do without, and it takes seconds."""
    if "torch" in sys.modules:
        yield
        return
    modules: dict[str, Any] = sys.modules
    modules["torch"] = None
    try:
        yield
    finally:
        del modules["torch"]


with without_torch():
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import (  # generated at run time: no stubs
        Event,  # pyright: ignore[reportAttributeAccessIssue]
        SessionLog,  # pyright: ignore[reportAttributeAccessIssue]
    )
    from tensorboardX.summary import scalar


class EventWriter:
    """Writes the event file of one process."""

    def __init__(self, folder: Path, step: int) -> None:
        """Open a new event file.

        Args:
            folder: of the events.
            step: the first step to come. TensorBoard discards what older files of the
                folder hold from this step on.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._events = EventsWriter(str(folder / "events"))
        started = SessionLog(status=SessionLog.START)
        self._write(Event(session_log=started), step)

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Write scalars.

        Args:
            values: by name.
            step: of the values.
        """
        for name, value in values.items():
            self._write(Event(summary=scalar(name, value)), step)
        self._events.flush()

    def _write(self, event: Any, step: int) -> None:
        event.wall_time, event.step = time.time(), step
        self._events.write_event(event)

    def close(self) -> None:
        """Close the file."""
        self._events.close()
