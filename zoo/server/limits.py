"""What one client, and all clients together, may ask of the server."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The limits of a server.

    Attributes:
        characters: of a text or a prompt.
        texts: of a request.
        tokens: that a request generates.
        body_bytes: of a request.
        requests: that wait for the model or are being answered.
        connections: open at the same time.
        receive_seconds: from the first to the last byte of a request.
        send_seconds: without progress while a client reads a response.
    """

    characters: int = 5_000
    texts: int = 32
    tokens: int = 2_000
    body_bytes: int = 2**21  # 32 texts of 5,000 characters, all written as \uXXXX\uXXXX
    requests: int = 128
    connections: int = 256
    receive_seconds: float = 10.0
    send_seconds: float = 10.0
