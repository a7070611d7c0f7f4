"""Structured output: schemas that strict modes accept, and instructions where there are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_connector.schema import Schema, closed, inner_schemas, mapped, types_of
from llm_connector.types import Notes
from llm_connector.wire import encode_json

__all__ = ["closed_if_possible", "instruct_json", "json_instruction", "strict_if_possible"]


def closed_if_possible(schema: Schema) -> tuple[Schema, bool]:
    """The schema with closed objects, and whether that can be: objects with free keys cannot be closed."""
    return (closed(schema), True) if _closable(schema) else (schema, False)


def strict_if_possible(schema: Schema) -> tuple[Schema, bool]:
    """The schema as the strict mode of OpenAI demands it, and whether that can be.

    https://platform.openai.com/docs/guides/structured-outputs#supported-schemas (checked 2026-11)
    """
    root = types_of(schema) == ("object",) and not {"anyOf", "oneOf"} & schema.keys()
    return (_any_of(closed(schema)), True) if root and _closable(schema) and _strict(schema) else (schema, False)


def json_instruction(schema: Schema | None) -> str:
    """What tells a model without schema support how to answer."""
    if schema is None:
        return "Answer with a JSON object."
    return f"Answer with a JSON object that follows this JSON Schema, and nothing else:\n{encode_json(schema).decode()}"


def instruct_json(messages: list[dict[str, Any]], schema: Schema | None, notes: Notes) -> list[dict[str, Any]]:
    """Rendered messages that ask for JSON: servers refuse JSON mode, or never stop, when no message says the word."""
    if schema is None and any("json" in text.lower() for message in messages for text in _texts(message)):
        return messages
    instruction = json_instruction(schema)
    if schema is None:
        notes.add("converted", "response_format", "an instruction to answer in JSON was added to the messages")
    first = messages[0] if messages else {}
    if first.get("role") == "system" and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n\n{instruction}"}, *messages[1:]]
    return [{"role": "system", "content": instruction}, *messages]


def _texts(message: Mapping[str, Any]) -> list[str]:
    """The texts of a message; not its pictures, whose base64 may spell anything."""
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    return [str(part.get("text", "")) for part in content or () if isinstance(part, Mapping)]


_REFUSED = frozenset(
    {
        *("allOf", "contains", "dependentRequired", "dependentSchemas", "dependencies", "else", "if"),
        *("maxProperties", "minProperties", "not", "patternProperties", "prefixItems", "propertyNames", "then"),
        *("unevaluatedItems", "unevaluatedProperties", "uniqueItems"),
    }
)
_SAYS_TYPE = frozenset({"$ref", "anyOf", "const", "enum", "oneOf", "type"})


def _strict(schema: Schema) -> bool:
    """Whether strict mode knows every keyword; each value needs a type, and a reference stands alone."""
    said = schema.keys()
    clear = bool(_SAYS_TYPE & said) and not {"anyOf", "oneOf"} <= said and ("$ref" not in said or len(said) == 1)
    return clear and not _REFUSED & said and all(map(_strict, inner_schemas(schema)))


def _any_of(schema: Schema) -> Schema:
    """A copy with `anyOf` for pydantic's discriminated unions: strict mode refuses `oneOf`."""
    copy = mapped(schema, _any_of)
    if "oneOf" in copy and "anyOf" not in copy:
        copy["anyOf"] = copy.pop("oneOf")
        copy.pop("discriminator", None)
    return copy


def _closable(schema: Schema) -> bool:
    free = schema.get("additionalProperties") not in (None, False)
    free = free or ("object" in types_of(schema) and "properties" not in schema)
    return not free and all(map(_closable, inner_schemas(schema)))
