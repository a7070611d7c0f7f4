"""Tools a model may call."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from llm_connector.errors import ConfigurationError
from llm_connector.schema import Schema, function_schema, inlined, model_schema, unwrapped
from llm_connector.types.part import CacheMark, mark_of

__all__ = ["Tool", "ToolLike"]

_MADE: weakref.WeakKeyDictionary[Any, Tool] = weakref.WeakKeyDictionary()
_MADE_OF_METHODS: weakref.WeakKeyDictionary[Any, Tool] = weakref.WeakKeyDictionary()

EMPTY_PARAMETERS: Schema = {"type": "object", "properties": {}}


class Tool(BaseModel):
    """A function as the model sees it; `parameters` is a JSON Schema object.

    `strict` asks the server to hold the model to the schema, where it can. `native` is a provider's own tool (a server
    tool such as web search), sent as it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str
    description: str = ""
    parameters: Schema = EMPTY_PARAMETERS
    strict: bool | None = None
    cache: CacheMark = None
    native: dict[str, Any] | None = None

    def __init__(
        self,
        name: str,
        description: str = "",
        parameters: Schema | None = None,
        strict: bool | None = None,
        **fields: Any,
    ) -> None:
        if not (isinstance(parameters, dict) and parameters.get("type") == "object" and "properties" in parameters):
            parameters = _object_schema(name, parameters)
        if "$defs" in parameters or "definitions" in parameters:
            parameters = inlined(parameters)
        super().__init__(name=name, description=description, parameters=parameters, strict=strict, **fields)

    @classmethod
    def of(cls, source: ToolLike) -> Tool:
        """A tool from a function with type hints and docstring, a pydantic class, or a dict.

        Dicts may have the shape of OpenAI, of Anthropic (`input_schema`) or of `Tool` itself; any other dict with a
        `type` is taken for a provider's own tool. The schema of a function or class is made once. Raises
        ConfigurationError naming what is missing.
        """
        if isinstance(source, Tool):
            return source
        if isinstance(source, Mapping):
            try:
                return cls._of_dict(source)
            except ValidationError as error:
                problem = error.errors()[0]
                raise ConfigurationError(f"tools: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
        # A bound method is a new object at each mention, so its tool is kept with the function behind it.
        key = getattr(source, "__func__", source)
        tools = _MADE if key is source else _MADE_OF_METHODS
        try:
            made = tools.get(key)
        except TypeError:  # cannot be weakly referenced
            return cls._make(source)
        if made is None:
            made = tools[key] = cls._make(source)
        return made

    @classmethod
    def _make(cls, source: Any) -> Tool:
        if isinstance(source, type) and issubclass(source, BaseModel):
            schema = model_schema(source)
            description = inspect.cleandoc(source.__doc__) if "__doc__" in vars(source) and source.__doc__ else ""
            parameters = {key: value for key, value in schema.items() if key not in ("title", "description")}
            return cls(source.__name__, description, parameters)
        if callable(source):
            called = unwrapped(source)
            text = inspect.getdoc(called) or ""
            if not text and not inspect.isroutine(called):
                text = inspect.getdoc(type(called).__call__) or ""
            return cls(_name_of(called), _summary(text), function_schema(source))
        raise ConfigurationError(
            f"tools: {type(source).__name__!r} is not a tool; give a Tool, a function, a pydantic class or a dict"
        )

    @classmethod
    def _of_dict(cls, source: Mapping[str, Any]) -> Tool:
        if "native" in source and source.keys() <= cls.model_fields.keys():  # a dumped `Tool`
            return cls(**source)
        kind = source.get("type", "function")
        function = source.get("function") if kind == "function" else source
        schema = kind == "function" or "input_schema" in source  # without one, a custom tool takes free text
        if isinstance(function, Mapping) and "name" in function and kind in ("function", "custom") and schema:
            parameters = function.get("parameters") or function.get("input_schema")
            return cls(
                function["name"],
                function.get("description") or "",
                parameters,
                function.get("strict"),
                cache=mark_of(source.get("cache_control")),
            )
        if "input_schema" in source or "parameters" in source:
            return cls._of_dict({"function": source, "cache_control": source.get("cache_control")})
        if source.get("type", "function") != "function":
            return cls(str(source.get("name", source["type"])), native=dict(source))
        raise ConfigurationError(
            'tools: a dict needs {"type": "function", "function": {"name": …, "parameters": …}}; '
            f"this one has the keys {sorted(source)}"
        )


ToolLike = Tool | Callable[..., Any] | type[BaseModel] | Mapping[str, Any]


def _object_schema(name: str, parameters: Schema | None) -> Schema:
    if not isinstance(parameters, Mapping | None):
        kind = type(parameters).__name__
        raise ConfigurationError(f"tool {name!r}: parameters must be a JSON Schema object, not a {kind}")
    if not parameters or (
        parameters.get("type") in (None, "null") and not ({"$ref", "anyOf", "allOf"} & set(parameters))
    ):
        return {**EMPTY_PARAMETERS, **{key: value for key, value in (parameters or {}).items() if key != "type"}}
    if parameters.get("type") not in (None, "object"):
        raise ConfigurationError(f"tool {name!r}: parameters must be a JSON Schema object, not {parameters['type']!r}")
    return {"type": "object", "properties": {}, **parameters}


def _name_of(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", None) or type(function).__name__
    if name == "<lambda>":
        raise ConfigurationError("tools: a lambda has no name; define a function, or give Tool(name, …)")
    return str(name)


def _summary(docstring: str) -> str:
    """The docstring up to its parameter section."""
    lines: list[str] = []
    for line in docstring.splitlines():
        if line.strip() in ("Args:", "Arguments:", "Parameters:") or line.lstrip().startswith(":param "):
            break
        lines.append(line)
    return "\n".join(lines).strip()
