"""``POST /generate``: the text of a language model, as server-sent events."""

import json
import logging
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from zoo.pipelines import LanguageModelPipeline
from zoo.server.bodies import read
from zoo.server.connection import while_connected
from zoo.server.errors import overloaded
from zoo.server.limits import Limits
from zoo.server.metrics import Metrics
from zoo.server.scheduler import Scheduler, Stopped
from zoo.server.schemas import generate_body


class Generation:
    """The endpoint.

    The tokens of a backward model are sent as they are drawn, from right to left.

    Attributes:
        path: of the endpoint.
        schema: of the body of a request.
    """

    path = "/generate"

    def __init__(
        self,
        pipeline: LanguageModelPipeline,
        scheduler: Scheduler,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        """Build the endpoint.

        Args:
            pipeline: the language model.
            scheduler: runs it.
            limits: of the prompt and of the generated text.
            metrics: count the tokens.
        """
        self._pipeline, self._scheduler = pipeline, scheduler
        self._limits, self._metrics = limits, metrics
        self.schema: type[BaseModel] = generate_body(limits)

    def warm_up(self) -> None:
        """Compile the programs of the default options; later that of long prompts."""
        options = self._options(self.schema())
        del options["seed"]
        self._pipeline.warmup(**options)
        longer = partial(self._pipeline.warmup, self._limits.characters, **options)
        self._scheduler.run_when_idle([longer])

    @staticmethod
    def _options(body: Any) -> dict[str, Any]:
        """Return the options of the random draws."""
        return {
            "temperature": body.temperature,
            "top_k": body.top_k,
            "top_p": body.top_p,
            "seed": secrets.randbelow(2**31) if body.seed is None else body.seed,
        }

    async def answer(self, request: Request) -> Response:
        """Answer a request.

        Args:
            request: of the client.
        """
        body: Any = await read(request, self.schema, self._limits)
        options = self._options(body)
        parts = self._scheduler.run(
            self._pipeline.generate(body.prompt, body.length, **options)
        )
        # An error before the first token is a response with its status.
        try:
            first = await while_connected(request, _first(parts))
        except ValueError as error:
            raise HTTPException(422, str(error).replace("\n", " ")) from error
        except Stopped:
            raise overloaded(503, "the server is stopping") from None
        return StreamingResponse(
            self._events(first, parts, options["seed"]), media_type="text/event-stream"
        )

    async def _events(
        self, first: list[str], parts: AsyncGenerator[list[str], None], seed: int
    ) -> AsyncGenerator[str, None]:
        """Yield an event for each token and one for the end."""
        yield self._tokens(first)
        count, reason = len(first), "length"
        try:
            async with aclosing(parts):
                async for texts in parts:
                    count += len(texts)
                    yield self._tokens(texts)
        except Stopped:
            reason = "shutdown"
        except Exception:
            logging.getLogger(__name__).exception("the generation failed")
            reason = "error"
        yield _event("end", {"reason": reason, "tokens": count, "seed": seed})

    def _tokens(self, texts: list[str]) -> str:
        """Count tokens, and return their events."""
        self._metrics.tokens.inc(len(texts))
        return "".join(_event("token", {"text": text}) for text in texts)


async def _first(parts: AsyncGenerator[list[str], None]) -> list[str]:
    return await anext(parts)


def _event(name: str, data: dict[str, Any]) -> str:
    """Return a server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
