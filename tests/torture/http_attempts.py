"""Requests to a server, good and bad, each with the answer that it must get."""

import json
import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from zoo.server import Limits

TIMEOUT = 60.0  # seconds; a server that hangs is a failure
JSON_TYPE = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Known:
    """A server and what it must answer.

    Attributes:
        port: of the server.
        path: ``"/predict"`` or ``"/generate"``.
        answers: pairs of a valid body and its answer.
    """

    port: int
    path: str
    answers: list[tuple[dict[str, Any], Any]]


@dataclass(frozen=True)
class Attempt:
    """A request.

    Attributes:
        name: its kind.
        run: sends it; returns what is wrong with the answer, None if nothing is.
    """

    name: str
    run: Callable[[], str | None]


def connection_to(known: Known) -> HTTPConnection:
    """Return a connection, not yet open."""
    return HTTPConnection("127.0.0.1", known.port, timeout=TIMEOUT)


def _ask(
    known: Known,
    method: str,
    path: str,
    body: bytes | Iterator[bytes] | None = None,
    headers: Mapping[str, str] = JSON_TYPE,
) -> tuple[int, bytes]:
    """Return the status and the body of the response to a request."""
    connection = connection_to(known)
    try:
        connection.request(method, path, body, headers=dict(headers))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _shown(content: bytes) -> str:
    return repr(content[:200])


def events(content: bytes) -> list[tuple[str, Any]]:
    """Return the server-sent events of a response as pairs of a name and its data."""
    parts = content.decode().removesuffix("\n\n").split("\n\n")
    pairs = [part.removeprefix("event: ").split("\ndata: ") for part in parts]
    return [(name, json.loads(data)) for name, data in pairs]


def good(known: Known, rng: random.Random) -> Attempt:
    """Return a valid request, whose answer is known.

    Args:
        known: the server.
        rng: chooses.
    """
    body, expected = rng.choice(known.answers)

    def run() -> str | None:
        status, content = _ask(known, "POST", known.path, json.dumps(body).encode())
        if status != 200:
            return f"{body}: expected 200, got {status} {_shown(content)}"
        parse = events if known.path == "/generate" else json.loads
        if parse(content) != expected:
            return f"{body}: another answer: {_shown(content)}"
        return None

    return Attempt(known.path[1:], run)


# Bodies, with the status of their answers.
BODIES: list[tuple[bytes, int]] = [
    (b"", 400),
    (b"{", 400),
    (b'{"text": "\\ud800"}', 400),
    (b'{"text": "\xff"}', 400),
    (b"[" * 50_000, 400),
    (b"[]", 422),
    (b"null", 422),
    (b'{"nothing": 1}', 422),
    (b'{"text": 1, "prompt": 1}', 422),
    (b'{"nothing": 1, "text": "a"}', 422),
    (json.dumps({"text": "a" * 5001, "prompt": "a" * 5001}).encode(), 422),
    (json.dumps({"texts": ["a"] * 33, "length": 2001}).encode(), 422),
    (b'{"texts": "a", "length": NaN}', 422),
]
# Method, path, headers and the status.
REQUESTS: list[tuple[str, str, dict[str, str], int]] = [
    ("GET", "/nowhere", {}, 404),
    ("GET", "/%2e%2e/%2e%2e/etc/passwd", {}, 404),
    ("GET", "/config.json", {}, 404),
    ("GET", "/" + "a" * 9000, {}, 404),
    ("GET", "/" + "a" * 40_000, {}, 431),
    ("POST", "/healthz", {}, 405),
    ("DELETE", "/", {}, 405),
    ("GET", "/healthz", {"Host": "evil.example"}, 403),
    ("GET", "/", {"Host": "localhost.evil.example:80"}, 403),
    ("GET", "/healthz", {"Host": "a b"}, 400),
    ("GET", "/healthz", {"Origin": "http://evil.example"}, 403),
    ("GET", "/model", {"Origin": "null"}, 403),
    ("GET", "/healthz", {}, 200),
    ("GET", "/metrics", {}, 200),
    ("GET", "/openapi.json", {}, 200),
    ("GET", "/main.js", {}, 200),
]
# What is sent over a raw connection, and the status; None: the client leaves.
RAW: list[tuple[bytes, int | None]] = [
    (b"GARBAGE\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
    (b"", None),
    (b"GET / HT", None),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", None),
]


def bad(known: Known, rng: random.Random) -> Attempt:
    """Return a request that is refused, or whose client leaves.

    Args:
        known: the server.
        rng: chooses.
    """
    kind = rng.randrange(6)
    if kind == 0:
        content, status = rng.choice(BODIES)
        return _refused("body", known, "POST", known.path, JSON_TYPE, status, content)
    if kind == 1:
        method, path, headers, status = rng.choice(REQUESTS)
        return _refused("request", known, method, path, headers, status)
    if kind == 2:
        headers = {"Content-Type": rng.choice(["text/plain", "application/jsonx"])}
        return _refused("type", known, "POST", known.path, headers, 415, b"{}")
    if kind == 3:
        return _too_large(known, rng.random() < 0.5)
    if kind == 4:
        sent, status = rng.choice(RAW)
        return _raw(known, sent, status)
    body, _ = rng.choice(known.answers)
    content = json.dumps(body).encode()
    cut = rng.randrange(len(content) + 1)
    return _leaving(known, content, cut, rng.randrange(3))


def _refused(
    name: str,
    known: Known,
    method: str,
    path: str,
    headers: Mapping[str, str],
    status: int,
    content: bytes | None = None,
) -> Attempt:
    def run() -> str | None:
        got, answer = _ask(known, method, path, content, headers)
        shown = f"{method} {path[:60]} {dict(headers)} {_shown(content or b'')}"
        return _check(shown, status, got, answer)

    return Attempt(f"{name} {status}", run)


def _check(shown: str, status: int, got: int, answer: bytes) -> str | None:
    """Return what is wrong with an answer."""
    if got != status:
        return f"{shown}: expected {status}, got {got} {_shown(answer)}"
    if status >= 400:
        message = json.loads(answer)["error"]
        if "\n" in message or "Traceback" in message:
            return f"{shown}: the message is {message!r}"
    return None


def _too_large(known: Known, chunked: bool) -> Attempt:
    """Return a request whose body is too large, with or without its length."""
    parts = [b"[" * 2**19] * 5

    def run() -> str | None:
        body = iter(parts) if chunked else b"".join(parts)
        start = time.monotonic()
        got, answer = _ask(known, "POST", known.path, body)
        if got == 408 and time.monotonic() - start > Limits().receive_seconds:
            return None  # this process had to wait for the processor
        return _check("too large a body", 413, got, answer)

    return Attempt("large 413", run)


def _raw(known: Known, sent: bytes, status: int | None) -> Attempt:
    """Return bytes that are not a complete or valid request."""

    def run() -> str | None:
        address = ("127.0.0.1", known.port)
        with socket.create_connection(address, timeout=TIMEOUT) as connection:
            connection.sendall(sent)
            if status is None:
                return None
            received = b""
            while data := connection.recv(1 << 16):
                received += data
        head, _, answer = received.partition(b"\r\n\r\n")
        return _check(_shown(sent), status, int(head.split()[1]), answer)

    return Attempt("leave" if status is None else f"raw {status}", run)


def _leaving(known: Known, content: bytes, cut: int, num_events: int) -> Attempt:
    """Return a client that leaves inside its body or inside the response."""

    def run() -> str | None:
        address = ("127.0.0.1", known.port)
        with socket.create_connection(address, timeout=TIMEOUT) as connection:
            connection.sendall(
                f"POST {known.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                f"application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            )
            connection.sendall(content[:cut])
            if cut == len(content):
                for _ in range(num_events):
                    connection.recv(100)
        return None

    return Attempt("leave", run)
