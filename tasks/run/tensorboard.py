"""TensorBoard events, written where they are made: no thread, no work at exit.

The writer of tensorboardX for users hands events to a thread, whose errors (a full
disk) reach the screen as tracebacks after the program has told of them.
"""

import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import (  # made at run time: no stubs
    Event,  # pyright: ignore[reportAttributeAccessIssue]
    SessionLog,  # pyright: ignore[reportAttributeAccessIssue]
)
from tensorboardX.summary import scalar


class Board:
    """The event file of one process."""

    def __init__(self, folder: Path, step: int) -> None:
        """Open a new file.

        Args:
            folder: of the events.
            step: the first step to come; what older files hold from it on is void.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._events = EventsWriter(str(folder / "events"))
        started = SessionLog(status=SessionLog.START)
        self._write(Event(session_log=started), step)

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Write numbers.

        Args:
            values: by name.
            step: they belong to.
        """
        for name, value in values.items():
            self._write(Event(summary=scalar(name, value)), step)
        self._events.flush()

    def _write(self, event: Event, step: int) -> None:
        event.wall_time, event.step = time.time(), step
        self._events.write_event(event)

    def close(self) -> None:
        """Close the file."""
        self._events.close()
