"""Read and check the body of a request."""

import asyncio
from email.message import Message
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from zoo.server.limits import Limits

B = TypeVar("B", bound=BaseModel)
_SMALL = 1 << 16  # bytes, whose parsing does not hold other requests


async def read(request: Request, schema: type[B], limits: Limits) -> B:
    """Return the body of a request as an instance of its schema.

    Args:
        request: with a JSON body.
        schema: of the body.
        limits: of its size and its time.

    Raises:
        HTTPException: 400 if it is not JSON, 408 if it takes too long, 413 if it is too
            large, 415 if it has another media type, 422 if a value is invalid.
    """
    _check_media_type(request)
    try:
        async with asyncio.timeout(limits.receive_seconds):
            body = await _receive(request, limits.body_bytes)
    except TimeoutError:
        raise HTTPException(
            408, f"the body took more than {limits.receive_seconds:g} seconds"
        ) from None
    if len(body) <= _SMALL:
        return _parse(schema, body)
    # A large body may have thousands of errors, which pydantic lists all.
    return await asyncio.to_thread(_parse, schema, body)


def _parse(schema: type[B], body: bytes) -> B:
    """Return a body as an instance of its schema."""
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        status, message = describe(error, schema)
        raise HTTPException(status, message) from None


def _check_media_type(request: Request) -> None:
    """Raise an error if the body is not declared as JSON in UTF-8."""
    header = Message()
    header["Content-Type"] = request.headers.get("content-type", "")
    is_utf8 = header.get_content_charset("utf-8") in ("utf-8", "utf8", "us-ascii")
    if header.get_content_type() != "application/json" or not is_utf8:
        raise HTTPException(
            415, "the body must be JSON in UTF-8, with Content-Type: application/json"
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "the body must not be compressed")


async def _receive(request: Request, max_bytes: int) -> bytes:
    """Return the bytes of the body, or raise an error as soon as they are too many."""
    too_large = HTTPException(413, f"the body has more than {max_bytes:,} bytes")
    length = request.headers.get("content-length", "0")
    if len(length) > 18 or int(length) > max_bytes:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise too_large
    return bytes(body)


def describe(error: ValidationError, schema: type[BaseModel]) -> tuple[int, str]:
    """Return the status and the message of an invalid body: of the first error in it.

    Args:
        error: from `pydantic.BaseModel.model_validate_json`.
        schema: of the body.
    """
    first = error.errors(include_url=False)[0]
    message = first["msg"]
    if first["type"] == "json_invalid":
        return 400, f"the body must be JSON: {message.removeprefix('Invalid JSON: ')}"
    where = ""
    for part in first["loc"]:
        where += f"[{part}]" if isinstance(part, int) else str(part)[:40]
    if first["type"] == "string_too_long":
        limit = first.get("ctx", {})["max_length"]
        message = (
            f"this text has {len(first['input']):,} characters, the limit is "
            f"{limit:,}. Shorten it, or use the command zoo, which has no limit"
        )
    elif first["type"] == "extra_forbidden":
        message = f"there is no such field, only {', '.join(schema.model_fields)}"
    message = message.removeprefix("Value error, ").replace("\n", " ")
    message = message[:1].lower() + message[1:]
    return 422, f"{where or 'the body'}: {message}"
