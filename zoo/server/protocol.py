"""HTTP/1.1 as uvicorn reads it, with errors as JSON and a limit on connections."""

import asyncio
import json
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from zoo.server.errors import error
from zoo.server.headers import HEADERS, Protected


def protocol(max_connections: int) -> type[H11Protocol]:
    """Return the class of the connections of a server.

    Args:
        max_connections: the largest number that are answered; twice as many may wait
            for an error.
    """

    class Connection(H11Protocol):
        """The connection of a client."""

        def connection_made(  # pyright: ignore[reportIncompatibleMethodOverride]
            self, transport: asyncio.Transport
        ) -> None:
            """Accept the connection, or refuse its requests if there are too many.

            Args:
                transport: of the connection.
            """
            super().connection_made(transport)
            if len(self.connections) > 2 * max_connections:
                transport.abort()
            elif len(self.connections) > max_connections:
                self.app: Any = TOO_MANY

        def send_400_response(self, msg: str) -> None:
            """Answer a request that is not HTTP/1.1, and close the connection.

            Args:
                msg: of uvicorn; the message of the error says more.
            """
            cause = sys.exception()
            if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
                self.transport.abort()  # in the middle of another response
                return
            status = getattr(cause, "error_status_hint", 400)
            body = json.dumps({"error": f"the request is not valid HTTP: {cause}"})
            headers = [
                *((name, value) for name, value in HEADERS.items()),
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("connection", "close"),
            ]
            for event in (
                h11.Response(
                    status_code=status, headers=headers, reason=STATUS_PHRASES[status]
                ),
                h11.Data(data=body.encode("ascii")),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
            self.transport.close()

    return Connection


TOO_MANY = Protected(
    error(
        503,
        "too many connections are open: try again later",
        {"Retry-After": "1", "Connection": "close"},
    )
)
