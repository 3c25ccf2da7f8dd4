"""`zoo serve`: its errors, and how it ends."""

import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.helpers import servers
from tests.helpers.training import environment

# Commands that fail with a message.
FAILING_COMMANDS = """
import sys
from zoo.__main__ import main
from zoo.cli import command

def serve(*args):
    sys.argv = ["zoo", "serve", *args]
    try:
        main()
    except SystemExit as end:
        print(end.code)

model, port = sys.argv[1:]
serve(model, "--port", port)
serve(model, "--port", "70000")
serve(model + "/nowhere")
serve(model, "--host", "0.0.0.0")
serve(model, "--host", "::")
serve(model, "--host", "nowhere.invalid")
serve(model, "--host", "")
serve(model, "--token", "")
serve(model, "--token", "two words")
serve(model, "--allow-host", "example.com:80")
command.missing = lambda extra: ["uvicorn", extra]
serve(model)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained language model."""
    return servers.save(
        tmp_path_factory.mktemp("served") / "model", servers.models()["language_model"]
    )


def test_errors_of_the_command(
    model: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        process = subprocess.run(
            [sys.executable, "-c", FAILING_COMMANDS, str(model), port],
            env=environment(tmp_path_factory),
            capture_output=True,
            text=True,
            timeout=300,
        )
    lines = process.stderr.splitlines()
    assert process.stdout.split() == ["1"] * len(lines), process.stderr
    parts = [
        (
            f"cannot listen on port {port} of 127.0.0.1",
            "Address already in use",
            "choose another one with --port, or 0 for a free port",
        ),
        ("--port must be from 0 to 65535, got 70000",),
        ("no model in",),
        ("--host 0.0.0.0 lets other machines connect", "--token", "ZOO_TOKEN"),
        ("--host :: lets other machines connect",),
        ("cannot listen on port 0 of nowhere.invalid",),
        ("--host must be a name or an address, got an empty one",),
        ("the token must be of printable ASCII characters without spaces",),
        ("the token must be of printable ASCII characters without spaces",),
        ("--allow-host must be a name without a port, got 'example.com:80'",),
        ("zoo serve needs uvicorn, serve: pip install 'rnn-zoo[serve]'",),
    ]
    assert len(lines) == len(parts), process.stderr
    for line, expected in zip(lines, parts, strict=True):
        assert line.startswith("error: ")
        assert not [part for part in expected if part not in line], line


@pytest.mark.parametrize(
    ("number", "host"), [(signal.SIGINT, "127.0.0.1"), (signal.SIGTERM, "::1")]
)
def test_a_signal_ends_it_with_open_connections(
    model: Path,
    tmp_path_factory: pytest.TempPathFactory,
    number: signal.Signals,
    host: str,
) -> None:
    """Idle, half a request, a body that never ends, and a stream that nobody reads."""
    env = environment(tmp_path_factory)
    server = servers.Server(model, "--host", host, env=env)
    assert server.url in (f"http://[::1]:{server.port}", f"http://{host}:{server.port}")
    start = "POST /generate HTTP/1.1\r\nHost: localhost\r\n"
    start += "Content-Type: application/json\r\nContent-Length: "
    body = '{"length": 2000}'
    requests = ["", start, f"{start}9\r\n\r\n", f"{start}{len(body)}\r\n\r\n{body}"]
    with ExitStack() as stack:
        for request in requests:
            connection = socket.create_connection((host, server.port))
            stack.enter_context(connection)
            connection.sendall(request.encode())
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        begin = time.monotonic()
        server.stop(number)
        assert time.monotonic() - begin < 20  # 2 seconds on an idle machine
