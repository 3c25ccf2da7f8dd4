"""Requests that are malformed, too large, too slow or too many, over raw sockets."""

import json
import re
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

import httpx
import pytest

from tests.helpers.servers import Server

Serve = Callable[..., Server]
# A server with small limits.
PROGRAM = """
import sys
import zoo
from zoo.server import App, Limits, listen, serve

limits = Limits(body_bytes=1000, requests=2, connections=4, receive_seconds=1.0,
                send_seconds=1.0)
app = App(zoo.load(sys.argv[1]), limits=limits)
serve(app, listen("127.0.0.1", 0), limits)
"""
HOST = "Host: localhost\r\n"
POST = f"POST /predict HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n"
STREAM = POST.replace("/predict", "/generate")


def connect(server: Server) -> socket.socket:
    """Return a new connection to a server."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def response_of(connection: socket.socket) -> tuple[int, dict[str, str], str]:
    """Read a response; return its status, its headers and its body."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1 << 16)
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    while len(body) < int(headers["content-length"]):
        body += connection.recv(1 << 16)
    return int(status.split()[1]), headers, body.decode()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GARBAGE\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\n\r\n", 400),
        (f"GET / HTTP/1.1\r\n{HOST}{HOST}\r\n", 400),
        (f"GET / HTTP/1.1\r\n{HOST}X: \0\r\n\r\n", 400),
        (f"GET / HTTP/1.1\r\n{HOST}No colon\r\n\r\n", 400),
        (f"GET / HTTP/1.1\r\n{HOST}X: {'a' * 100_000}\r\n\r\n", 431),
        (f"GET /{'a' * 100_000} HTTP/1.1\r\n{HOST}\r\n", 431),
        (f"{POST}Content-Length: x\r\n\r\n", 400),
        (f"{POST}Content-Length: -1\r\n\r\n", 400),
        (f"{POST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (f"{POST}Transfer-Encoding: gzip\r\n\r\n", 501),
        (f"{POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (f"{POST}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", 400),
        (f"GET http://evil.example/ HTTP/1.1\r\n{HOST}\r\n", 404),
        (
            f"GET / HTTP/1.1\r\n{HOST}Upgrade: websocket\r\n\r\n",
            200,
        ),
        (f"{POST}Content-Length: 3000000\r\n\r\n", 413),
        (f"{POST}Content-Length: {'9' * 15}\r\n\r\n", 413),
        (
            f"{POST}Expect: 100-continue\r\nContent-Length: 3000000\r\n\r\n",
            413,
        ),
    ],
    ids=lambda value: repr(value)[-60:] if isinstance(value, str) else None,
)
def test_odd_requests(serve: Serve, request_: str, status: int) -> None:
    with connect(serve("classifier")) as connection:
        connection.sendall(request_.encode("latin-1"))
        got, headers, body = response_of(connection)
    assert got == status, body
    assert headers["x-content-type-options"] == "nosniff"
    if status != 200:
        assert list(json.loads(body)) == ["error"]


def test_a_chunked_body_is_limited(serve: Serve) -> None:
    with connect(serve("classifier")) as connection:
        connection.sendall(f"{POST}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(3):
            connection.sendall(b"100000\r\n" + bytes(2**20) + b"\r\n")
        assert response_of(connection)[0] == 413


def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    body = '{"text": "a"}'
    first = f"{POST}Content-Length: {len(body)}\r\n\r\n{body}"
    second = f"GET /nowhere HTTP/1.1\r\n{HOST}\r\n"
    with connect(serve("classifier")) as connection:
        connection.sendall((first + second).encode())
        status, headers, text = response_of(connection)
        assert (status, json.loads(text[: int(headers["content-length"])])["text"]) == (
            200,
            "a",
        )
        connection.shutdown(socket.SHUT_WR)
        assert "HTTP/1.1 404 Not Found" in text + connection.recv(1 << 16).decode()


def small(serve: Serve) -> Server:
    """Return the server with small limits."""
    return serve("language_model", program=PROGRAM)


def is_closed_by(connection: socket.socket) -> bool:
    """Return whether the server closes a connection without any data."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_silent_clients_are_disconnected(serve: Serve) -> None:
    """In the request line, the headers, after them, and in a body that was refused."""
    begin = time.monotonic()
    with ExitStack() as stack:
        connections = []
        for start in ("", "GET / HT", f"GET / HTTP/1.1\r\n{HOST}X: "):
            connection = stack.enter_context(connect(small(serve)))
            connection.sendall(start.encode())
            connections.append(connection)
        body = stack.enter_context(connect(small(serve)))
        body.sendall(f"{STREAM}Content-Length: 20\r\n\r\n{{".encode())
        assert all(map(is_closed_by, connections))
        status, _, text = response_of(body)
    assert (status, json.loads(text)) == (
        408,
        {"error": "the body took more than 1 seconds"},
    )
    assert time.monotonic() - begin < 30  # 2 seconds on an idle machine


def test_a_client_that_reads_nothing_is_disconnected(serve: Serve) -> None:
    with connect(small(serve)) as connection:
        connection.setblocking(False)
        request = f"GET /openapi.json HTTP/1.1\r\n{HOST}\r\n".encode() * 100
        end = time.monotonic() + 60
        with pytest.raises(ConnectionError):
            while time.monotonic() < end:
                try:
                    connection.send(request)
                except BlockingIOError:
                    time.sleep(0.05)


def test_connections_are_limited(serve: Serve) -> None:
    server = small(serve)
    get = f"GET /healthz HTTP/1.1\r\n{HOST}\r\n".encode()
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(connect(server))
        with connect(server) as fifth:
            fifth.sendall(get)
            status, headers, body = response_of(fifth)
        assert (status, headers["retry-after"]) == (503, "1")
        assert json.loads(body)["error"].startswith("too many connections are open")
        for _ in range(4):
            stack.enter_context(connect(server))
        with connect(server) as ninth:
            assert is_closed_by(ninth)
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        until(lambda: client.get("/healthz").status_code == 200)


def test_requests_in_progress_are_limited_and_end_with_their_client(
    serve: Serve,
) -> None:
    server = small(serve)
    body = '{"length": 2000}'
    stream = f"{STREAM}Content-Length: {len(body)}\r\n\r\n{body}".encode()
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        with ExitStack() as stack:
            for _ in range(2):
                connection = stack.enter_context(connect(server))
                connection.sendall(stream)
                assert connection.recv(15) == b"HTTP/1.1 200 OK"
            refused = client.post("/generate", json={"length": 1})
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert refused.json() == {
                "error": "2 requests are in progress: try again later"
            }
        until(lambda: "zoo_queue_length 0.0" in client.get("/metrics").text)
        assert client.post("/generate", json={"length": 1}).status_code == 200
        text = client.get("/metrics").text
        (count,) = re.findall("^zoo_tokens_total (.+)$", text, re.M)
        assert float(count) < 4_000  # the streams ended with their clients


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
