"""Deadlines for clients that send or read nothing."""

import time
from collections.abc import Iterable
from typing import NamedTuple

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from zoo.server.limits import Limits


class _Wait(NamedTuple):
    """What a connection waits for from its client, and since when.

    Attributes:
        state: changes with each progress of the client.
        seconds: the longest wait.
        since: when the state began.
    """

    state: tuple[object, ...]
    seconds: float
    since: float


class Deadlines:
    """Aborts connections whose client makes no progress.

    uvicorn closes connections that are idle after a response. A client that never
    completes a request, or that does not read its response, would keep its connection.
    """

    def __init__(self, limits: Limits) -> None:
        """Start without connections.

        Args:
            limits: on the time of a client.
        """
        self._limits = limits
        self._waits: dict[H11Protocol, _Wait] = {}

    def check(self, connections: Iterable[H11Protocol]) -> None:
        """Abort the connections whose time is over; to be called every second.

        Args:
            connections: all that are open.
        """
        now, waits = time.monotonic(), {}
        for connection in connections:
            wait = self._wait(connection, now)
            if wait is None:
                continue
            before = self._waits.get(connection)
            if before is not None and before.state == wait.state:
                wait = before
            waits[connection] = wait
            if now - wait.since > wait.seconds:
                connection.transport.abort()
        self._waits = waits

    def _wait(self, connection: H11Protocol, now: float) -> _Wait | None:
        """Return what a connection waits for, None if for the server."""
        unsent = connection.transport.get_write_buffer_size()
        if unsent:
            return _Wait(("send", unsent), self._limits.send_seconds, now)
        received = connection.conn.their_state
        if received in (h11.IDLE, h11.SEND_BODY):
            state = ("receive", received, id(connection.cycle))
            return _Wait(state, self._limits.receive_seconds, now)
        return None
