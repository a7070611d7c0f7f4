"""JSON Schema of functions and pydantic classes, and the tidying that servers want.

Schemas are made once per function or class. Nothing here changes a schema that a caller passed in.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import GenerateJsonSchema

from llm_connector.errors import ConfigurationError

__all__ = ["Schema", "closed", "function_schema", "inlined", "model_schema"]

Schema: TypeAlias = dict[str, Any]

_MODELS: weakref.WeakKeyDictionary[type[BaseModel], Schema] = weakref.WeakKeyDictionary()


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes of field names: they say nothing and cost tokens."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def model_schema(model: type[BaseModel]) -> Schema:
    """The JSON Schema of a pydantic class, with same-document references inlined."""
    schema = _MODELS.get(model)
    if schema is None:
        schema = _MODELS[model] = inlined(model.model_json_schema(schema_generator=_Untitled))
    return schema


def function_schema(function: Callable[..., Any]) -> Schema:
    """The JSON Schema of a function's parameters, from its type hints, defaults and docstring.

    Parameters that start with an underscore, `self` and variadic ones are left out. Raises ConfigurationError when a
    hint cannot be resolved or has no JSON form.
    """
    name = getattr(function, "__name__", type(function).__name__)
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigurationError(f"tool {name!r}: its type hints cannot be resolved: {error}") from None
    described = parameter_docs(inspect.getdoc(function) or "")
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if variadic or parameter.name == "self" or parameter.name.startswith("_"):
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (
            hints.get(parameter.name, Any),
            Field(default, description=described.get(parameter.name)),
        )
    try:
        model = create_model(name, __config__=ConfigDict(arbitrary_types_allowed=False), **fields)
        schema = inlined(model.model_json_schema(schema_generator=_Untitled))
    except Exception as error:  # pydantic raises several unrelated classes for types without a schema
        raise ConfigurationError(f"tool {name!r}: a parameter has no JSON Schema: {error}") from error
    return {key: value for key, value in schema.items() if key != "title"}


def parameter_docs(docstring: str) -> dict[str, str]:
    """Descriptions by parameter name from a Google style (`Args:`) or reStructuredText (`:param x:`) docstring."""
    found: dict[str, str] = {}
    section_indent: int | None = None
    current: str | None = None
    entry_indent = 0
    for line in docstring.splitlines():
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if text.startswith(":param "):
            names, _, description = text.removeprefix(":param ").partition(":")
            current, entry_indent, section_indent = names.split()[-1] if names.split() else "", indent, None
            found[current] = description.strip()
        elif text in ("Args:", "Arguments:", "Parameters:"):
            section_indent, current, entry_indent = indent, None, -1
        elif not text or text.startswith(":"):
            current = None
        elif section_indent is not None:
            if indent <= section_indent:
                section_indent, current = None, None
            elif current is not None and indent > entry_indent:
                found[current] = f"{found[current]} {text}".strip()
            elif ":" in text:
                names, _, description = text.partition(":")
                current, entry_indent = names.partition("(")[0].strip(), indent
                found[current] = description.strip()
        elif current is not None and indent > entry_indent:
            found[current] = f"{found[current]} {text}".strip()
    return found


def inlined(schema: Mapping[str, Any]) -> Schema:
    """A copy with `#/$defs/…` references replaced by what they name.

    Several servers refuse references. A recursive one cannot be replaced: it and its definition stay.
    """
    if "$defs" not in schema and "definitions" not in schema:
        return dict(schema)
    definitions = {**schema.get("definitions", {}), **schema.get("$defs", {})}
    recursive: set[str] = set()

    def replace(node: Any, open_names: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [replace(item, open_names) for item in node]
        if not isinstance(node, Mapping):
            return node
        reference = node.get("$ref")
        name = reference.rpartition("/")[2] if isinstance(reference, str) and reference.startswith("#/") else None
        if name in definitions:
            if name in open_names:
                recursive.add(str(name))
                return dict(node)
            siblings = {key: replace(value, open_names) for key, value in node.items() if key != "$ref"}
            return {**replace(definitions[name], (*open_names, str(name))), **siblings}
        return {key: replace(value, open_names) for key, value in node.items()}

    body = {key: value for key, value in schema.items() if key not in ("$defs", "definitions")}
    result: Schema = replace(body, ())
    if recursive:
        result["$defs"] = {name: definitions[name] for name in definitions}
    return result


def closed(schema: Mapping[str, Any]) -> Schema:
    """A copy in which every object forbids other keys and requires all of its own, as strict modes demand.

    https://platform.openai.com/docs/guides/structured-outputs (checked 2026-11)
    """

    def close(node: Any) -> Any:
        if isinstance(node, list):
            return [close(item) for item in node]
        if not isinstance(node, Mapping):
            return node
        copy = {key: close(value) for key, value in node.items() if key != "default"}
        if copy.get("type") == "object" or "properties" in copy:
            copy.setdefault("properties", {})
            copy["additionalProperties"] = False
            copy["required"] = list(copy["properties"])
        return copy

    result: Schema = close(schema)
    return result
