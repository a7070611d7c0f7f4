"""JSON Schema as Anthropic's strict modes take it.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs (checked 2026-11)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llm_connector.protocols.structured import closed_if_possible
from llm_connector.schema import Schema

__all__ = ["strict_schema"]

_KEYWORDS = frozenset(
    {
        *("type", "title", "description", "default", "enum", "const", "anyOf", "allOf", "$ref", "$defs"),
        *("properties", "required", "additionalProperties", "items", "format"),
    }
)
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"},
)


def strict_schema(schema: Schema) -> tuple[Schema, list[str]] | None:
    """The schema with closed objects, and the keywords that became part of descriptions since the server refuses them.

    None if it cannot be said strictly: it is recursive, or has objects with free keys.
    """
    if "$defs" in schema or not closed_if_possible(schema)[1]:
        return None
    moved: dict[str, None] = {}
    return _strict(schema, moved), list(moved)


def _strict(node: Mapping[str, Any], moved: dict[str, None]) -> Schema:
    strict: Schema = {}
    rest: Schema = {}
    for key, value in node.items():
        if key == "oneOf":
            key = "anyOf"
        kept = key in _KEYWORDS if key != "format" else value in _FORMATS
        if key == "minItems":
            kept = value in (0, 1)
        (strict if kept else rest)[key] = value
    if isinstance(strict.get("properties"), Mapping):
        strict["properties"] = {name: _strict(value, moved) for name, value in strict["properties"].items()}
        strict["additionalProperties"] = False
    if isinstance(strict.get("items"), Mapping):
        strict["items"] = _strict(strict["items"], moved)
    for key in ("anyOf", "allOf"):
        if isinstance(strict.get(key), list):
            strict[key] = [_strict(value, moved) for value in strict[key]]
    if rest:
        moved.update(dict.fromkeys(rest))
        said = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False, default=str)}" for key, value in rest.items())
        strict["description"] = f"{strict['description']} ({said})" if strict.get("description") else said
    return strict
