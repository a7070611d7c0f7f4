"""JSON Schema as Gemini takes it: nearly as it is, or in the subset of OpenAPI that older servers know.

https://ai.google.dev/gemini-api/docs/structured-output#json_schema_support (checked 2026-11)
"""

from __future__ import annotations

from typing import Any

from llm_connector.schema import Schema, mapped, types_of
from llm_connector.wire import encode_json

__all__ = ["json_schema", "openapi_schema", "without_parameters"]

_OPENAPI = frozenset(
    {
        *("type", "format", "title", "description", "nullable", "enum", "default", "anyOf"),
        *("items", "minItems", "maxItems", "properties", "required", "minProperties", "maxProperties"),
        *("propertyOrdering", "minimum", "maximum", "minLength", "maxLength", "pattern"),
    }
)
_JSON = _OPENAPI | {"$anchor", "$defs", "$id", "$ref", "additionalProperties", "definitions", "oneOf", "prefixItems"}
_REMARKS = frozenset({"$comment", "$schema", "deprecated", "discriminator", "examples", "readOnly", "writeOnly"})
_FORMATS = {
    "string": ("date-time", "enum"),
    "integer": ("int32", "int64"),
    "number": ("float", "double"),
}


def json_schema(schema: Schema) -> tuple[Schema, list[str]]:
    """The schema, and the keywords that became part of descriptions since the server does not know them."""
    moved: dict[str, None] = {}
    return _json(schema, moved), list(moved)


def openapi_schema(schema: Schema) -> tuple[Schema, list[str]]:
    """The same for `parameters` and `responseSchema`, where one unknown keyword is a 400."""
    moved: dict[str, None] = {}
    return _openapi(schema, moved), list(moved)


def without_parameters(schema: Schema) -> bool:
    """Whether a tool takes none: an object without properties is refused, so nothing is sent."""
    return not (schema.get("properties") or schema.get("additionalProperties") or {"$ref", "anyOf"} & schema.keys())


def _json(node: Schema, moved: dict[str, None]) -> Schema:
    node = mapped(_merged(node), lambda inner: _json(inner, moved))
    if "const" in node:
        node["enum"] = [node.pop("const")]
    return _described(node, _JSON, moved)


def _openapi(node: Schema, moved: dict[str, None]) -> Schema:
    node = mapped(_merged(node), lambda inner: _openapi(inner, moved))
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if "oneOf" in node and "anyOf" not in node:
        node["anyOf"] = node.pop("oneOf")
    if node.get("additionalProperties") is False:
        del node["additionalProperties"]
    kinds = types_of(node)
    if len(kinds) > 1:
        node.pop("type")
        node["anyOf"] = [{"type": kind} for kind in kinds]
    node = _nullable(node)
    extra: Schema = {}
    if "enum" in node and not all(isinstance(value, str) for value in node["enum"]):
        extra["enum"] = node.pop("enum")
    if "format" in node and node["format"] not in _FORMATS.get(str(node.get("type")), ()):
        extra["format"] = node.pop("format")
    if "properties" in node and not node["properties"]:
        del node["properties"]
    return _described({**node, **{f"_{key}": value for key, value in extra.items()}}, _OPENAPI, moved)


def _merged(node: Schema) -> Schema:
    """`allOf` with one member, which pydantic writes around references, is that member."""
    members = node.get("allOf")
    if isinstance(members, list) and len(members) == 1 and isinstance(members[0], dict):
        return {**members[0], **{key: value for key, value in node.items() if key != "allOf"}}
    return node


def _nullable(node: Schema) -> Schema:
    """Without the type `null`, which the subset says in its own way."""
    choices = node.get("anyOf")
    if not isinstance(choices, list):
        return node
    others = [choice for choice in choices if choice != {"type": "null"}]
    if len(others) == len(choices):
        return node
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    if len(others) == 1:
        return {**others[0], **rest, "nullable": True}
    return {**rest, "anyOf": others, "nullable": True} if others else {**rest, "nullable": True}


def _described(node: Schema, known: frozenset[str], moved: dict[str, None]) -> Schema:
    kept = {key: value for key, value in node.items() if key in known}
    rest: dict[str, Any] = {
        key.removeprefix("_"): value for key, value in node.items() if key not in known and key not in _REMARKS
    }
    if rest:
        moved.update(dict.fromkeys(rest))
        said = ", ".join(f"{key}: {encode_json(value).decode()}" for key, value in rest.items())
        kept["description"] = f"{kept['description']} ({said})" if kept.get("description") else said
    return kept
