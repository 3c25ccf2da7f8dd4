"""Counts and times of the requests, in the text format of Prometheus."""

import time
from collections.abc import Callable, Collection

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoo.server.paths import path_of

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics of a server, and those of its process.

    Attributes:
        tokens: counts generated tokens.
    """

    def __init__(self, queue_length: Callable[[], int]) -> None:
        """Start from zero.

        Args:
            queue_length: returns the number of requests in progress.
        """
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "zoo_requests",
            "Requests by endpoint and status; 499: the client left.",
            ["endpoint", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "zoo_request_seconds",
            "Time from the headers of a request to the end of its response.",
            ["endpoint"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self.tokens = Counter(
            "zoo_tokens", "Generated tokens.", registry=self._registry
        )
        gauge = Gauge(
            "zoo_queue_length",
            "Requests that wait for the model or are being answered.",
            registry=self._registry,
        )
        gauge.set_function(queue_length)

    def text(self) -> bytes:
        """Return all metrics."""
        return generate_latest(self._registry)

    def observe(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            endpoint: its path.
            status: of the response.
            seconds: its time.
        """
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)


class Measured:
    """An application whose requests are counted."""

    def __init__(
        self, app: ASGIApp, metrics: Metrics, endpoints: Collection[str]
    ) -> None:
        """Wrap an application.

        Args:
            app: the application.
            metrics: count its requests.
            endpoints: paths that are counted by name; all others are ``"other"``.
        """
        self._app, self._metrics, self._endpoints = app, metrics, frozenset(endpoints)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Args:
            scope: as in ASGI.
            receive: as in ASGI.
            send: as in ASGI.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, start = 500, time.perf_counter()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            path = path_of(scope)
            endpoint = path if path in self._endpoints else "other"
            self._metrics.observe(endpoint, status, time.perf_counter() - start)
