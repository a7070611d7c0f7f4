"""JSON Schema of functions and pydantic classes, and the tidying that servers want.

Schemas are made once per function or class. Nothing here changes a schema that a caller passed in.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeAlias, get_type_hints

from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from llm_connector.errors import ConfigurationError

__all__ = [
    "Schema",
    "closed",
    "function_schema",
    "inlined",
    "inner_schemas",
    "mapped",
    "model_schema",
    "types_of",
    "unwrapped",
]

Schema: TypeAlias = dict[str, Any]

_MODELS: weakref.WeakKeyDictionary[type[BaseModel], Schema] = weakref.WeakKeyDictionary()


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes of field names: they say nothing and cost tokens."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def emit_warning(self, kind: Any, detail: str) -> None:
        """A default that JSON cannot hold is left out; the caller need not hear of it."""


def model_schema(model: type[BaseModel]) -> Schema:
    """The JSON Schema of a pydantic class, with same-document references inlined.

    Raises ConfigurationError when a field has no JSON form.
    """
    schema = _MODELS.get(model)
    if schema is None:
        schema = _MODELS[model] = _schema_of(lambda: model, model.__name__)
    return schema


def function_schema(function: Callable[..., Any]) -> Schema:
    """The JSON Schema of a function's parameters, from its type hints, defaults and docstring.

    Parameters that start with an underscore, `self` and variadic ones are left out, and so are those that a partial
    fills by position. Raises ConfigurationError when a hint cannot be resolved or has no JSON form.
    """
    called = unwrapped(function)
    name = getattr(called, "__name__", type(called).__name__)
    if not (inspect.isroutine(called) or isinstance(called, type)):
        called = type(called).__call__
    try:
        hints = get_type_hints(called, include_extras=True)
        parameters = inspect.signature(function).parameters.values()
    except (NameError, TypeError, ValueError) as error:
        raise ConfigurationError(f"tool {name!r}: its type hints cannot be resolved: {error}") from None
    described = parameter_docs(inspect.getdoc(called) or "")
    fields: dict[str, Any] = {}
    for number, parameter in enumerate(parameters):
        variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if variadic or parameter.name == "self" or parameter.name.startswith("_"):
            continue
        # The alias is the name: a field cannot be called `json` or `model_config`, a parameter may be.
        hint, default = hints.get(parameter.name, Any), parameter.default
        settings: dict[str, Any] = {"alias": parameter.name}
        if parameter.name in described:
            settings["description"] = described[parameter.name]
        if isinstance(default, FieldInfo):
            hint = Annotated[hint, default]
        elif default is not parameter.empty:
            settings["default"] = default
        fields[f"parameter_{number}"] = (hint, Field(**settings))
    schema = _schema_of(lambda: create_model(name, **fields), f"tool {name!r}")
    return {key: value for key, value in schema.items() if key != "title"}


def unwrapped(function: Any) -> Any:
    """The function behind partials."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _schema_of(model: Callable[[], type[BaseModel]], label: str) -> Schema:
    try:
        return inlined(model().model_json_schema(schema_generator=_Untitled))
    except Exception as error:  # pydantic raises several unrelated classes for types without a schema
        raise ConfigurationError(f"{label}: a part of it has no JSON Schema: {error}") from error


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

    Several servers refuse references. One to a definition that contains itself cannot be replaced: it stays, and so
    does the definition.
    """
    homes = [home for home in ("$defs", "definitions") if isinstance(schema.get(home), Mapping)]
    if not homes:
        return dict(schema)
    definitions = {
        f"#/{home}/{name}": dict(value)
        for home in homes
        for name, value in schema[home].items()
        if isinstance(value, Mapping)
    }
    recursive = {reference for reference in definitions if reference in _reached(reference, definitions)}

    def replace(node: Schema) -> Schema:
        reference = str(node.get("$ref"))
        if reference not in definitions or reference in recursive:
            return mapped(node, replace)
        siblings = {key: value for key, value in node.items() if key != "$ref"}
        return {**replace(definitions[reference]), **replace(siblings)}

    body = {key: value for key, value in schema.items() if key not in homes}
    if body.get("$ref") in recursive:  # at the top, an object is wanted
        body = {**definitions[body.pop("$ref")], **body}
    result = replace(body)
    if _references(result) - recursive:  # to places that are no definitions
        return {**result, **{home: schema[home] for home in homes}}
    for home in homes:
        kept = {name: replace(value) for name, value in schema[home].items() if f"#/{home}/{name}" in recursive}
        if kept:
            result[home] = kept
    return result


def _references(schema: Schema) -> set[str]:
    """Every local reference in it."""
    own = schema.get("$ref")
    found = {own} if isinstance(own, str) and own.startswith("#") else set()
    return found.union(*map(_references, inner_schemas(schema)))


def _reached(reference: str, definitions: Mapping[str, Schema]) -> set[str]:
    """The definitions that are mentioned in one, in those mentioned there, and so on."""
    reached: set[str] = set()
    waiting = {reference}
    while waiting:
        found = _references(definitions[waiting.pop()]) & definitions.keys() - reached
        reached |= found
        waiting |= found
    return reached


def closed(schema: Mapping[str, Any]) -> Schema:
    """A copy in which every object forbids other keys and requires all of its own, as strict modes demand.

    https://platform.openai.com/docs/guides/structured-outputs (checked 2026-11)
    """
    copy = {key: value for key, value in mapped(schema, closed).items() if key != "default"}
    if "object" in types_of(copy) or "properties" in copy:
        properties = copy.setdefault("properties", {})
        if not isinstance(properties, Mapping):
            raise ConfigurationError(f"a schema's properties: give an object, not {properties!r}")
        copy["additionalProperties"] = False
        copy["required"] = list(properties)
    return copy


def types_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """What `type` names: one word, several or none."""
    named = schema.get("type")
    if isinstance(named, str):
        return (named,)
    return tuple(word for word in named if isinstance(word, str)) if isinstance(named, list | tuple) else ()


def mapped(schema: Mapping[str, Any], change: Callable[[Schema], Schema]) -> Schema:
    """A copy with `change` applied to each schema directly inside: not to values, nor to names that look like keywords.

    A property may well be called `default` or `properties`.
    """
    copy: Schema = {}
    for key, value in schema.items():
        if key in _NAMED_SCHEMAS and isinstance(value, Mapping):
            copy[key] = {name: change(dict(inner)) if _is_schema(inner) else inner for name, inner in value.items()}
        elif key in _SCHEMAS and isinstance(value, list):
            copy[key] = [change(dict(inner)) if _is_schema(inner) else inner for inner in value]
        else:
            copy[key] = change(dict(value)) if key in _SCHEMAS and _is_schema(value) else value
    return copy


def inner_schemas(schema: Mapping[str, Any]) -> list[Schema]:
    """The schemas directly inside."""
    found: list[Schema] = []

    def collect(inner: Schema) -> Schema:
        found.append(inner)
        return inner

    mapped(schema, collect)
    return found


_NAMED_SCHEMAS = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_SCHEMAS = frozenset(
    {
        *("additionalItems", "additionalProperties", "allOf", "anyOf", "contains", "else", "if", "items", "not"),
        *("oneOf", "prefixItems", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"),
    }
)


def _is_schema(value: Any) -> bool:
    return isinstance(value, Mapping)
