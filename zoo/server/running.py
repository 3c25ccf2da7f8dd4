"""Run the application with uvicorn, until SIGINT or SIGTERM."""

import asyncio
import os
import signal
import socket
import sys
from types import FrameType

import uvicorn

from zoo.server.application import App
from zoo.server.deadlines import Deadlines
from zoo.server.guard import check_token
from zoo.server.hosts import is_loopback
from zoo.server.limits import Limits
from zoo.server.protocol import protocol

GRACE_SECONDS = 0.5  # for clients to read the end of their responses


def listen(host: str, port: int, *, token: str | None = None) -> socket.socket:
    """Return a socket bound to an address; it accepts connections once it is served.

    Args:
        host: a name or an address.
        port: 0 for a free one.
        token: of the server.

    Raises:
        OSError: if the port is in use, or the address does not belong to this machine.
        ValueError: if the host or the port is invalid, if other machines could connect
            and there is no token, or if it cannot be in a header.
    """
    if not host:
        raise ValueError("--host must be a name or an address, got an empty one")
    if not 0 <= port <= 65535:  # getaddrinfo would take it modulo 65536
        raise ValueError(f"--port must be from 0 to 65535, got {port}")
    check_token(token)
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        if token is None and not is_loopback(str(address[0])):
            raise ValueError(
                f"--host {host} lets other machines connect: set a token for them with "
                "--token or, hidden from other users, with the environment variable "
                "ZOO_TOKEN"
            )
        listening = socket.socket(family, kind, number)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
        except OSError:
            listening.close()
            raise
    except (OSError, UnicodeError) as error:
        raise OSError(
            f"cannot listen on port {port} of {host} ({error}): choose another one "
            "with --port, or 0 for a free port"
        ) from error
    return listening


def address(listening: socket.socket) -> str:
    """Return the URL of a socket.

    Args:
        listening: from `listen`.
    """
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """A server that says when it is ready, and ends within two seconds."""

    def __init__(self, config: uvicorn.Config, app: App, url: str) -> None:
        super().__init__(config)
        self._app, self._url = app, url

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not as uvicorn does: it raises the signal again after the end, and a second
        # one makes it end without a shutdown.
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(f"{self._url} (Ctrl-C ends it)", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.close()
        asyncio.get_running_loop().call_later(GRACE_SECONDS, self._abort)
        await super().shutdown(sockets)

    def _abort(self) -> None:
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()


def serve(app: App, listening: socket.socket, limits: Limits | None = None) -> None:
    """Serve an application until SIGINT or SIGTERM, and print its URL when it is ready.

    Afterwards both signals do nothing: a second Ctrl-C does not disturb the end of the
    process.

    Args:
        app: the application.
        listening: from `listen`.
        limits: on connections and their times.
    """
    limits = limits or Limits()
    deadlines = Deadlines(limits)

    async def check() -> None:
        deadlines.check(list(server.server_state.connections))  # pyright: ignore[reportArgumentType]

    config = uvicorn.Config(
        app,
        http=protocol(limits.connections),
        ws="none",
        loop="asyncio",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        callback_notify=check,
        timeout_notify=1,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config, app, address(listening))
    # Also before uvicorn handles them, and afterwards.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    server.run([listening])
    print()
    if not app.close(timeout=GRACE_SECONDS):
        # A thread is still inside a long computation: the interpreter would wait for
        # it, or crash below it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
