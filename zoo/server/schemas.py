"""The schemas of the requests, which check them and describe them in OpenAPI."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from zoo.server.limits import Limits


class Body(BaseModel):
    """The body of a request: no conversions, no unknown fields."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False
    )


class _Texts(Body):
    """Either one text or several."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["text"]}, {"required": ["texts"]}]}
    )

    @model_validator(mode="after")
    def _check_one_is_set(self) -> "_Texts":
        if len({"text", "texts"} & self.model_fields_set) != 1:
            raise ValueError("expected either text or texts")
        return self


def _is_absent(schema: dict[str, Any]) -> None:
    """Remove the default of a field that may be absent, but not null."""
    schema.pop("default")


def predict_body(limits: Limits, *, attention: bool) -> type[BaseModel]:
    """Return the schema of ``POST /predict``.

    Args:
        limits: of the texts.
        attention: whether attention weights can be requested.
    """
    text = Annotated[str, Field(max_length=limits.characters)]
    texts = Annotated[list[text], Field(max_length=limits.texts)]
    fields: dict[str, Any] = {
        "text": (text, Field(default=None, json_schema_extra=_is_absent)),
        "texts": (texts, Field(default=None, json_schema_extra=_is_absent)),
    }
    if attention:
        about = "return the attention weights"
        fields["attention"] = (bool, Field(default=False, description=about))
    return create_model("PredictRequest", __base__=_Texts, **fields)


def generate_body(limits: Limits) -> type[BaseModel]:
    """Return the schema of ``POST /generate``.

    Args:
        limits: of the prompt and of the generated text.
    """
    fields: dict[str, Any] = {
        "prompt": (
            str,
            Field(
                default="",
                max_length=limits.characters,
                description="the text to continue; of a backward model, to precede",
            ),
        ),
        "length": (
            int,
            Field(
                default=min(500, limits.tokens),
                ge=1,
                le=limits.tokens,
                description="number of tokens to generate",
            ),
        ),
        "temperature": (
            float,
            Field(
                default=0.8,
                ge=0.0,
                le=10.0,
                description="below 1 favours likely tokens; 0 takes the most likely",
            ),
        ),
        "top_k": (
            int | None,
            Field(
                default=None,
                ge=1,
                le=2**31 - 1,
                description="sample from the k most likely tokens only",
            ),
        ),
        "top_p": (
            float | None,
            Field(
                default=None,
                gt=0.0,
                le=1.0,
                description="sample from the smallest set with this probability only",
            ),
        ),
        "seed": (
            int | None,
            Field(
                default=None,
                ge=0,
                le=2**32 - 1,
                description="of the random draws; by default another one each time",
            ),
        ),
    }
    return create_model("GenerateRequest", __base__=Body, **fields)
