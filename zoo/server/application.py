"""The ASGI application: a model behind a JSON API, and a page."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from zoo.pipelines import LanguageModelPipeline, Pipeline
from zoo.server import metrics
from zoo.server.errors import HANDLERS
from zoo.server.files import file_routes
from zoo.server.generation import Generation
from zoo.server.guard import Guard
from zoo.server.headers import Protected
from zoo.server.limits import Limits
from zoo.server.openapi import Description
from zoo.server.prediction import Prediction
from zoo.server.scheduler import Scheduler


@dataclass(frozen=True)
class Model:
    """What the page shows of a model, as ``GET /model`` returns it.

    Attributes:
        title: of the page.
        kind: as `zoo.pipelines.Pipeline.kind`.
        labels: of a classifier or a tagger; otherwise empty.
        attention: whether attention weights can be requested.
        backward: whether a language model writes from right to left.
        max_characters: of a text.
        max_tokens: of a generated text.
    """

    title: str
    kind: str
    labels: list[str]
    attention: bool
    backward: bool
    max_characters: int
    max_tokens: int


@dataclass(frozen=True)
class Health:
    """The answer of ``GET /healthz``.

    Attributes:
        status: ``"ready"``.
    """

    status: str


class App:
    """A model as an ASGI application.

    The page is ``GET /``. ``POST /predict`` answers texts; a language model has ``POST
    /generate`` instead. ``GET /openapi.json`` describes the API.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        title: str = "",
        allow_hosts: Collection[str] = (),
        token: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Start the threads that run the model, and compile its usual programs.

        Args:
            pipeline: from `zoo.load`.
            title: of the page; by default the kind of the model.
            allow_hosts: names in the ``Host`` header that are accepted besides
                ``localhost`` and the addresses of the loopback interface.
            token: that requests must have, as ``Authorization: Bearer TOKEN``; the page
                asks for it.
            limits: of the requests.
        """
        limits = limits or Limits()
        title = title or pipeline.kind.replace("_", " ")
        title = title.encode(errors="replace").decode()  # lone surrogates
        self._scheduler = Scheduler(limits.requests)
        self._metrics = metrics.Metrics(lambda: len(self._scheduler))
        endpoint: Prediction | Generation
        if isinstance(pipeline, LanguageModelPipeline):
            endpoint = Generation(pipeline, self._scheduler, limits, self._metrics)
        else:
            endpoint = Prediction(pipeline, self._scheduler, limits)
        endpoint.warm_up()
        model = Model(
            title=title,
            kind=pipeline.kind,
            labels=list(getattr(getattr(pipeline, "labels", None), "tokens", ())),
            attention=isinstance(endpoint, Prediction) and endpoint.attention,
            backward=getattr(pipeline, "backward", False),
            max_characters=limits.characters,
            max_tokens=limits.tokens,
        )
        document = _describe(title, endpoint, token=token is not None)
        files = file_routes()
        routes = [
            *files,
            Route(endpoint.path, endpoint.answer, methods=["POST"]),
            Route("/model", _constant(model.__dict__)),
            Route("/healthz", _constant(Health("ready").__dict__)),
            Route("/metrics", self._show_metrics),
            Route("/openapi.json", _constant(document)),
        ]
        starlette = Starlette(
            routes=routes, exception_handlers=HANDLERS, lifespan=self._lifespan
        )
        starlette.router.redirect_slashes = False
        public = [*(route.path for route in files), "/healthz"]
        guard = Guard(starlette, allow_hosts=allow_hosts, token=token, public=public)
        paths = [route.path for route in routes]
        self._app: ASGIApp = Protected(metrics.Measured(guard, self._metrics, paths))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Args:
            scope: as in ASGI.
            receive: as in ASGI.
            send: as in ASGI.
        """
        await self._app(scope, receive, send)

    def close(self, timeout: float | None = 0.0) -> bool:
        """End all requests in progress, and the threads.

        The end of the lifespan and the end of the program do so as well.

        Args:
            timeout: seconds to wait for the threads to end their current slices of
                work; None for any time.

        Returns:
            Whether all threads have ended.
        """
        return self._scheduler.close(timeout)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        self.close()

    async def _show_metrics(self, request: Request) -> Response:
        return Response(
            self._metrics.text(), headers={"content-type": metrics.MEDIA_TYPE}
        )


def _constant(content: Any) -> Any:
    """Return an endpoint that always answers the same."""

    async def answer(request: Request) -> Response:
        return JSONResponse(content)

    return answer


def _describe(
    title: str, endpoint: Prediction | Generation, *, token: bool
) -> dict[str, Any]:
    """Return the OpenAPI document."""
    description = Description(title, token=token)
    if isinstance(endpoint, Prediction):
        text = {"text": {"type": "string"}}
        one = description.schema(endpoint.result, extended=text)
        several = {
            "type": "object",
            "properties": {"results": {"type": "array", "items": one}},
            "required": ["results"],
        }
        summary = "Predict: one result for text, a list of results for texts."
        content = {"application/json": {"oneOf": [one, several]}}
    else:
        summary = (
            "Generate text. Each token is an event: token with the data {text}; the "
            "last event is end with the data {reason, tokens, seed}, where reason is "
            "length, shutdown or error."
        )
        content = {"text/event-stream": {"type": "string"}}
    body = description.schema(endpoint.schema)
    description.add("post", endpoint.path, summary, content, body=body)
    for path, summary, type_, public in (
        ("/model", "The kind of the model, its labels and limits.", Model, False),
        ("/healthz", "Whether the server is ready.", Health, True),
    ):
        content = {"application/json": description.schema(type_)}
        description.add("get", path, summary, content, public=public)
    text_content = {"text/plain": {"type": "string"}}
    description.add("get", "/metrics", "Metrics for Prometheus.", text_content)
    any_object = {"application/json": {"type": "object"}}
    description.add("get", "/openapi.json", "This description.", any_object)
    page = {"text/html": {"type": "string"}}
    description.add("get", "/", "The page.", page, public=True)
    return description.document
