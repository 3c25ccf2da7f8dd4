"""Check values against the part of JSON Schema that the server's description uses."""

import re
from typing import Any

TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
ANNOTATIONS = {"title", "description", "default"}


def resolve(reference: str, document: Any) -> Any:
    """Return the part of a document that a reference such as ``#/a/b`` names."""
    for name in reference.removeprefix("#/").split("/"):
        document = document[name]
    return document


def is_valid(value: Any, schema: Any, document: Any) -> bool:
    """Return whether a value has a schema; fails on a keyword that it does not know.

    Args:
        value: a JSON value.
        schema: the schema, a part of `document`.
        document: which references are relative to.
    """

    def check(keyword: str, expected: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        match keyword:
            case "$ref":
                return is_valid(value, resolve(expected, document), document)
            case "type":
                is_bool = isinstance(value, bool)
                return isinstance(value, TYPES[expected]) and (
                    is_bool == (expected == "boolean")
                )
            case "properties":
                return not isinstance(value, dict) or all(
                    is_valid(value[name], part, document)
                    for name, part in expected.items()
                    if name in value
                )
            case "required":
                return not isinstance(value, dict) or not set(expected) - set(value)
            case "additionalProperties":
                return not isinstance(value, dict) or all(
                    expected is not False and is_valid(value[name], expected, document)
                    for name in set(value) - set(schema.get("properties", ()))
                )
            case "items":
                return not isinstance(value, list) or all(
                    is_valid(item, expected, document) for item in value
                )
            case "maxItems":
                return not isinstance(value, list) or len(value) <= expected
            case "maxLength":
                return not isinstance(value, str) or len(value) <= expected
            case "pattern":
                return not isinstance(value, str) or bool(re.search(expected, value))
            case "minimum":
                return not is_number or value >= expected
            case "exclusiveMinimum":
                return not is_number or value > expected
            case "maximum":
                return not is_number or value <= expected
            case "anyOf":
                return any(is_valid(value, part, document) for part in expected)
            case "oneOf":
                return sum(is_valid(value, part, document) for part in expected) == 1
        raise AssertionError(f"unknown keyword {keyword!r}")

    return all(
        check(keyword, expected)
        for keyword, expected in schema.items()
        if keyword not in ANNOTATIONS
    )
