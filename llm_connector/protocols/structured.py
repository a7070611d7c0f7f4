"""Structured output: schemas that strict modes accept, and instructions where there are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_connector.schema import Schema, closed
from llm_connector.types import Notes
from llm_connector.wire import encode_json

__all__ = ["closed_if_possible", "instruct_json", "json_instruction"]


def closed_if_possible(schema: Schema) -> tuple[Schema, bool]:
    """The schema as strict modes demand it, and whether that can be: objects with free keys cannot be closed."""
    return (closed(schema), True) if _closable(schema) else (schema, False)


def json_instruction(schema: Schema | None) -> str:
    """What tells a model without schema support how to answer."""
    if schema is None:
        return "Answer with a JSON object."
    return f"Answer with a JSON object that follows this JSON Schema, and nothing else:\n{encode_json(schema).decode()}"


def instruct_json(messages: list[dict[str, Any]], schema: Schema | None, notes: Notes) -> list[dict[str, Any]]:
    """Rendered messages that ask for JSON: servers refuse JSON mode, or never stop, when no message says the word."""
    if schema is None and any("json" in str(message.get("content")).lower() for message in messages):
        return messages
    instruction = json_instruction(schema)
    if schema is None:
        notes.add("converted", "response_format", "an instruction to answer in JSON was added to the messages")
    first = messages[0] if messages else {}
    if first.get("role") == "system" and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n\n{instruction}"}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]


def _closable(node: Any) -> bool:
    if isinstance(node, list):
        return all(_closable(item) for item in node)
    if not isinstance(node, Mapping):
        return True
    free = node.get("additionalProperties") not in (None, False)
    free = free or (node.get("type") == "object" and "properties" not in node)
    return not free and all(_closable(value) for key, value in node.items() if key not in ("enum", "const", "default"))
