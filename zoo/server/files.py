"""The files of the page, read once; no other file is ever served."""

from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

MEDIA_TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}


def file_routes() -> list[Route]:
    """Return a route for each file; the one of ``index.html`` is ``/``."""
    return [
        _route(file.name, file.read_bytes())
        for file in sorted(
            resources.files("zoo.server").joinpath("page").iterdir(),
            key=lambda file: file.name,
        )
        if file.name.rpartition(".")[2] in MEDIA_TYPES
    ]


def _route(name: str, content: bytes) -> Route:
    media_type = MEDIA_TYPES[name.rpartition(".")[2]]

    async def send(request: Request) -> Response:
        return Response(
            content, media_type=media_type, headers={"cache-control": "no-cache"}
        )

    return Route("/" if name == "index.html" else f"/{name}", send)
