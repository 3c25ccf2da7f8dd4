"""Errors as JSON: ``{"error": "..."}``, in one line and never with a traceback."""

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ExceptionHandler

CLIENT_LEFT = 499  # a status for the metrics only: nobody receives the response


def error(
    status: int, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Return the response of an error.

    Args:
        status: of HTTP.
        message: one line.
        headers: of the response, besides those of its content.
    """
    return JSONResponse({"error": message}, status_code=status, headers=headers)


def overloaded(status: int, message: str) -> HTTPException:
    """Return the error of a request that may succeed a second later.

    Args:
        status: 429 or 503.
        message: one line.
    """
    return HTTPException(status, message, {"Retry-After": "1"})


async def _refused(request: Request, exception: Exception) -> Response:
    assert isinstance(exception, HTTPException)
    message, headers = exception.detail, dict(exception.headers or {})
    if exception.status_code == 404 and message == "Not Found":
        message = f"there is no {request.scope['path'][:60]!r}{_advice(request)}"
    if exception.status_code == 405:
        headers["Allow"] = allowed = ", ".join(sorted(headers["Allow"].split(", ")))
        message = f"{request.method} is not allowed here, only {allowed}"
    return error(exception.status_code, message, headers)


def _advice(request: Request) -> str:
    """Return what to call instead of a path that does not exist."""
    paths = [route.path for route in request.app.routes if "POST" in route.methods]
    return f": this model answers POST {', '.join(paths)}; see /openapi.json"


async def _left(request: Request, exception: Exception) -> Response:
    return Response(status_code=CLIENT_LEFT)


async def _failed(request: Request, exception: Exception) -> Response:
    return error(500, "the server failed to answer; its log has the details")


HANDLERS: dict[type[Exception], ExceptionHandler] = {
    HTTPException: _refused,
    ClientDisconnect: _left,
    Exception: _failed,
}
