"""Servers that the tests share."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.helpers import servers
from tests.helpers.training import environment


@pytest.fixture(scope="package")
def models() -> dict[str, Any]:
    """An untrained pipeline of each kind, and a backward language model."""
    return servers.models()


@pytest.fixture(scope="package")
def serve(
    models: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., servers.Server]]:
    """A function that starts a server for a kind of model, or returns the running one.

    At the end, all servers exit silently.
    """
    folder, env = tmp_path_factory.mktemp("served"), environment(tmp_path_factory)
    running: dict[tuple[str, ...], servers.Server] = {}

    def serve(kind: str, *args: str, program: str = "") -> servers.Server:
        key = (kind, *args, program)
        if key not in running:
            path = servers.save(folder / kind, models[kind])
            running[key] = servers.Server(path, *args, env=env, program=program)
        return running[key]

    try:
        yield serve
        for server in running.values():
            server.process.send_signal(signal.SIGINT)
        for server in running.values():
            server.wait()
    finally:
        for server in running.values():
            server.kill()
