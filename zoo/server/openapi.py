"""The description of the API: OpenAPI 3.1, made from the types that check it."""

from typing import Any

from pydantic import BaseModel, TypeAdapter

from zoo.version import VERSION

REFERENCE = "#/components/schemas/{model}"
ERRORS = {
    "400": "the request is not valid HTTP, or its body is not JSON",
    "401": "the token is missing or wrong",
    "403": "the host or the origin is not allowed",
    "408": "the body took too long",
    "413": "the body is too large",
    "415": "the body is not JSON in UTF-8",
    "422": "a value in the body is invalid",
    "429": "too many requests are in progress",
    "431": "the headers are too large",
    "500": "the server failed",
    "501": "the transfer encoding is not chunked",
    "503": "too many connections are open, or the server is stopping",
}
OF_EVERY_REQUEST = ("400", "401", "403", "431", "500", "501", "503")


class Description:
    """Collects the endpoints and the schemas of a server.

    Attributes:
        document: the OpenAPI document.
    """

    def __init__(self, title: str, *, token: bool) -> None:
        """Start a document without endpoints.

        Args:
            title: of the API.
            token: whether requests need one.
        """
        self._schemas: dict[str, Any] = {
            "Error": {
                "type": "object",
                "properties": {"error": {"type": "string"}},
                "required": ["error"],
                "additionalProperties": False,
            }
        }
        self.document: dict[str, Any] = {
            "openapi": "3.1.0",
            "info": {"title": title, "version": VERSION},
            "paths": {},
            "components": {"schemas": self._schemas},
        }
        if token:
            scheme = {"type": "http", "scheme": "bearer"}
            self.document["components"]["securitySchemes"] = {"token": scheme}

    def schema(self, type_: type, *, extended: dict[str, Any] | None = None) -> Any:
        """Add the schema of a type, and return a reference to it.

        Args:
            type_: a dataclass or a pydantic model.
            extended: more properties, all required.
        """
        is_request = issubclass(type_, BaseModel)
        schema = TypeAdapter(type_).json_schema(
            mode="validation" if is_request else "serialization",
            ref_template=REFERENCE,
        )
        self._schemas.update(schema.pop("$defs", {}))
        if extended:
            schema["properties"] = extended | schema["properties"]
            schema["required"] = [*extended, *schema.get("required", ())]
        if not is_request:
            schema.pop("description", None)  # the docstring, written for Python
        self._schemas[type_.__name__] = schema
        return {"$ref": REFERENCE.format(model=type_.__name__)}

    def add(
        self,
        method: str,
        path: str,
        summary: str,
        content: dict[str, Any],
        *,
        body: dict[str, Any] | None = None,
        public: bool = False,
    ) -> None:
        """Add an endpoint.

        Args:
            method: of HTTP, in lower case.
            path: of the endpoint.
            summary: what it does.
            content: schemas of the response by media type.
            body: schema of the body of a request.
            public: whether it needs no token.
        """
        operation: dict[str, Any] = {"summary": summary}
        statuses = [s for s in ERRORS if body or s in OF_EVERY_REQUEST]
        if body:
            operation["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": body}},
            }
        failure = {"application/json": {"schema": {"$ref": REFERENCE_TO_ERROR}}}
        operation["responses"] = {
            "200": {
                "description": "success",
                "content": {name: {"schema": value} for name, value in content.items()},
            },
            **{
                status: {"description": ERRORS[status], "content": failure}
                for status in statuses
            },
        }
        if "securitySchemes" in self.document["components"] and not public:
            operation["security"] = [{"token": []}]
        self.document["paths"].setdefault(path, {})[method] = operation


REFERENCE_TO_ERROR = REFERENCE.format(model="Error")
