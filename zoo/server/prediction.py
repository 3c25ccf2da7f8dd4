"""``POST /predict``: the predictions of texts."""

import dataclasses
import json
import typing
from collections.abc import Iterator
from functools import partial
from typing import Any

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from zoo.pipelines import Pipeline
from zoo.server.bodies import read
from zoo.server.connection import while_connected
from zoo.server.errors import overloaded
from zoo.server.limits import Limits
from zoo.server.scheduler import Scheduler, Stopped
from zoo.server.schemas import predict_body

USUAL = 64  # tokens of a text, whose program is compiled before the server is ready


class Prediction:
    """The endpoint.

    Each text is a batch of its own: its result is the same bit for bit whichever other
    texts are being answered.

    Attributes:
        path: of the endpoint.
        schema: of the body of a request.
        result: the type of a prediction.
        attention: whether attention weights can be requested.
    """

    path = "/predict"

    def __init__(self, pipeline: Any, scheduler: Scheduler, limits: Limits) -> None:
        """Build the endpoint.

        Args:
            pipeline: with a method ``predict``.
            scheduler: runs the model.
            limits: of the texts.
        """
        self._pipeline, self._scheduler, self._limits = pipeline, scheduler, limits
        self.attention: bool = (
            pipeline.kind == "seq2seq"
            and pipeline.options.get("attention", "additive") is not None
        )
        self.schema: type[BaseModel] = predict_body(limits, attention=self.attention)
        returned = typing.get_type_hints(type(pipeline).predict)["return"]
        self.result: type = typing.get_args(returned)[0]

    def warm_up(self) -> None:
        """Compile the programs for usual texts; later those for longer ones."""
        warmup = partial(self._pipeline.warmup, batch_size=1)
        warmup(USUAL)
        list(self._predict([_example(self._pipeline)], {}))
        longer = self._pipeline.padded_lengths(
            max(self._limits.characters, USUAL + 1), shortest=USUAL + 1
        )
        self._scheduler.run_when_idle(partial(warmup, n, shortest=n) for n in longer)

    def _predict(
        self, texts: list[str], options: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """Yield the record of each text, as ``zoo predict --json``."""
        for text in texts:
            (result,) = self._pipeline.predict([text], batch_size=1, **options)
            yield {"text": text, **dataclasses.asdict(result)}

    async def answer(self, request: Request) -> Response:
        """Answer a request.

        Args:
            request: of the client.
        """
        body: Any = await read(request, self.schema, self._limits)
        options = {"attention": True} if self.attention and body.attention else {}
        texts = [body.text] if body.texts is None else body.texts

        async def collect() -> list[dict[str, Any]]:
            parts = self._scheduler.run(self._predict(texts, options))
            return [record async for part in parts for record in part]

        try:
            records = await while_connected(request, collect())
        except (ValueError, RecursionError) as error:  # a text that is not a sequence
            raise HTTPException(422, str(error).replace("\n", " ")) from error
        except Stopped:
            raise overloaded(503, "the server is stopping") from None
        return JSONResponse(records[0] if body.texts is None else {"results": records})


def _example(pipeline: Pipeline) -> str:
    """Return a valid text."""
    if pipeline.kind != "reader":
        return "a"
    size = pipeline.options["input_size"]
    is_flat = size == 1 or getattr(pipeline, "symbols", 0)
    return json.dumps([0 if is_flat else [0] * size])
