"""JSON Schema as Anthropic's strict modes take it.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs (checked 2026-11)
"""

from __future__ import annotations

from typing import Any

from llm_connector.protocols.structured import closed_if_possible
from llm_connector.schema import Schema, mapped, types_of
from llm_connector.wire import encode_json

__all__ = ["strict_schema"]

_KEYWORDS = frozenset(
    {
        *("type", "title", "description", "default", "enum", "const", "anyOf", "allOf"),
        *("properties", "required", "additionalProperties", "items"),
    }
)
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
_REMARKS = frozenset({"$comment", "$id", "$schema", "deprecated", "discriminator", "readOnly", "writeOnly"})


def strict_schema(schema: Schema) -> tuple[Schema, list[str]] | None:
    """The schema with closed objects, and the keywords that became part of descriptions since the server refuses them.

    None if it cannot be said strictly: it is recursive, or has objects with free keys. Optional fields stay optional.
    """
    if {"$defs", "definitions", "$ref"} & schema.keys() or not closed_if_possible(schema)[1]:
        return None
    moved: dict[str, None] = {}
    return _strict(schema, moved), [keyword for keyword in moved if keyword != "examples"]


def _strict(node: Schema, moved: dict[str, None]) -> Schema:
    node = mapped(node, lambda inner: _strict(inner, moved))
    if "oneOf" in node and "anyOf" not in node:
        node["anyOf"] = node.pop("oneOf")
    kept = {key: value for key, value in node.items() if _taken(key, value)}
    rest = {key: value for key, value in node.items() if key not in kept and key not in _REMARKS}
    if "object" in types_of(kept) or "properties" in kept:
        kept["additionalProperties"] = False
    if rest:
        moved.update(dict.fromkeys(rest))
        said = ", ".join(f"{key}: {encode_json(value).decode()}" for key, value in rest.items())
        kept["description"] = f"{kept['description']} ({said})" if kept.get("description") else said
    return kept


def _taken(keyword: str, value: Any) -> bool:
    if keyword == "format":
        return value in _FORMATS
    return value in (0, 1) if keyword == "minItems" else keyword in _KEYWORDS
