"""A request, as the caller means it; each protocol spells it for its wire."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, TypedDict, get_args

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, ValidationError, field_serializer

from llm_connector.errors import ConfigurationError
from llm_connector.schema import Schema, inlined, model_schema
from llm_connector.types.conversation import Messages, conversation
from llm_connector.types.messages import Message, PlainTurn
from llm_connector.types.tools import Tool, ToolLike
from llm_connector.types.unchecked import unchecked
from llm_connector.wire import Timeout

__all__ = ["EFFORTS", "ChatOptions", "ChatRequest", "Effort", "JsonSchema", "ReasoningOption"]

Effort: TypeAlias = Literal["minimal", "low", "medium", "high", "max"]
ReasoningOption: TypeAlias = bool | Effort | int | None
"""None leaves it to the server, False and True switch it, a word is an effort, a number a budget in tokens."""

EFFORTS: Mapping[str, Effort | bool] = {
    "none": False,
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "ultra": "max",
    "max": "max",
}
"""The words of all wire formats for an effort."""


class ChatOptions(TypedDict, total=False):
    """Options of `chat` and `stream`; each overrides the field of a `ChatRequest` of the same name."""

    model: str
    temperature: float
    top_p: float
    top_k: int
    max_tokens: int
    stop: str | Sequence[str]
    seed: int
    n: int
    presence_penalty: float
    frequency_penalty: float
    logit_bias: Mapping[str, float]
    logprobs: bool | int
    user: str
    tools: Sequence[ToolLike]
    tool_choice: str | Mapping[str, Any]
    parallel_tool_calls: bool
    strict_schema: bool
    response_format: type[BaseModel] | Mapping[str, Any] | Literal["json"]
    reasoning: ReasoningOption | Mapping[str, Any]
    think_tags: bool
    cache: Literal[True, "5m", "1h"] | bool | None
    metadata: Mapping[str, str]
    extra_body: Mapping[str, Any]
    extra_headers: Mapping[str, str]
    timeout: Timeout | float
    max_retries: int


class JsonSchema(BaseModel):
    """A schema the answer must follow. `strict` is what its dict said, and None where it said nothing."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    name: str
    schema_: Schema
    strict: bool | None = None


class ChatRequest(BaseModel):
    """What is asked of a model. None leaves a setting to the server.

    `max_tokens` limits the answer, reasoning included. `logprobs` may be the number of alternatives per token.
    `extra_body` is merged into the wire's body last, `extra_headers` into its headers.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, defer_build=True, hide_input_in_errors=True)

    messages: list[Message]
    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    stop: list[str] | None = None
    seed: int | None = None
    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, int | float] | None = None
    logprobs: bool | int | None = None
    user: str | None = None
    tools: list[Tool] = Field(default_factory=list)
    tool_choice: str | None = None
    parallel_tool_calls: bool | None = None
    strict_schema: bool | None = None
    response_format: JsonSchema | Literal["json"] | None = None
    reasoning: bool | Effort | int | None = None
    think_tags: bool | None = None
    cache: Literal[True, "5m", "1h"] | None = None
    metadata: dict[str, str] | None = None
    extra_body: dict[str, Any] | None = None
    extra_headers: dict[str, str] | None = Field(default=None, repr=False)

    @classmethod
    def of(cls, messages: Messages | ChatRequest, options: Mapping[str, Any], model: str | None = None) -> ChatRequest:
        """A request from whatever the caller gave; options win over the fields of a given request.

        `model` is asked where neither names one. Raises ConfigurationError that names the position and the remedy.
        """
        given = {name: value for name, value in options.items() if value is not None}
        if "messages" in given:
            raise ConfigurationError("messages: they are the first argument, and given once")
        if isinstance(messages, ChatRequest):
            kept = {name: getattr(messages, name) for name in messages.model_fields_set if name != "messages"}
            given = {**kept, **given}
            turns = messages.messages
        else:
            turns = conversation(messages)
        fields = {name: _normalised(name, value) for name, value in given.items() if value is not None}
        if model is not None and not fields.get("model"):
            fields["model"] = model
        if not turns:
            raise ConfigurationError("messages: there are none; give a string, a Message or a list of them")
        if all(type(value) in _PLAIN.get(name, _NONE) for name, value in fields.items()):
            return unchecked(cls, messages=turns, **fields)._checked()
        try:
            request = cls(messages=[], **fields)
        except ValidationError as error:
            raise ConfigurationError(f"options: {_problems(error)}") from None
        request.messages = turns  # each of them has been checked
        return request._checked()

    @field_serializer("messages", mode="wrap")
    def _whole(self, turns: list[Message], serialize: SerializerFunctionWrapHandler) -> Any:
        return serialize([turn.message() if isinstance(turn, PlainTurn) else turn for turn in turns])

    def _checked(self) -> ChatRequest:
        if self.tool_choice not in (None, "auto", "none", "required"):
            names = [tool.name for tool in self.tools]
            if self.tool_choice not in names:
                raise ConfigurationError(
                    f"tool_choice: {self.tool_choice!r} is none of 'auto', 'none', 'required' or the tools {names}"
                )
        if self.tool_choice == "required" and not self.tools:
            raise ConfigurationError("tool_choice: 'required', but there are no tools=")
        for header, value in (self.extra_headers or {}).items():
            if not (value.isascii() and value.isprintable()):
                raise ConfigurationError(f"extra_headers: {header!r} holds what a header cannot: printable ASCII only")
        if isinstance(self.reasoning, int) and not isinstance(self.reasoning, bool) and self.reasoning < 0:
            raise ConfigurationError("reasoning: a budget is a number of tokens, 0 or more; False switches it off")
        return self


def _normalised(name: str, value: Any) -> Any:
    """What a caller may write for an option, as the field of that name holds it."""
    normalise = _NORMALISE.get(name)
    if normalise is None:
        return value
    if name not in _TAKEN:
        return normalise(value)
    try:
        return normalise(value)
    except (AttributeError, TypeError, ValueError):
        raise ConfigurationError(f"{name}: {_TAKEN[name]}, not a {type(value).__name__}") from None


def _classes(annotation: Any) -> Iterator[type]:
    for member in get_args(annotation) or (annotation,):
        if isinstance(member, type):
            yield member


_NONE: Final[frozenset[type]] = frozenset()
_PLAIN: Final[dict[str, frozenset[type]]] = {
    **{name: frozenset(_classes(field.annotation)) for name, field in ChatRequest.model_fields.items()},
    "tools": frozenset({list}),
}
"""The classes whose values a field takes as they are; a list of tools has been made by `_normalised`."""


def _tools(value: Any) -> list[Tool]:
    if isinstance(value, Mapping | str) or not isinstance(value, Sequence):
        raise ConfigurationError("tools: give a list of tools, even for one")
    return [tool if isinstance(tool, Tool) else Tool.of(tool) for tool in value]


def _tool_choice(value: Any) -> Any:
    if isinstance(value, Mapping):
        function = value.get("function")
        value = function.get("name") if isinstance(function, Mapping) else value.get("name", value.get("type"))
    return "required" if value == "any" else value


def _response_format(value: Any) -> JsonSchema | Literal["json"] | None:
    if isinstance(value, type) and issubclass(value, BaseModel):
        return JsonSchema(name=_schema_name(value.__name__), schema_=model_schema(value))
    if value in ("json", "json_object"):
        return "json"
    if isinstance(value, JsonSchema):
        return value
    if not isinstance(value, Mapping):
        raise ConfigurationError("response_format: give a pydantic class, a JSON Schema dict or 'json'")
    kind = value.get("type")
    if kind in ("json_object", "text"):
        return "json" if kind == "json_object" else None
    if kind != "json_schema":
        return JsonSchema(name=_schema_name(value.get("title")), schema_=inlined(value))
    wrapped = value.get("json_schema", value)
    schema = wrapped.get("schema") if isinstance(wrapped, Mapping) else None
    if not isinstance(schema, Mapping):
        raise ConfigurationError("response_format: a json_schema needs a 'schema'")
    strict = wrapped.get("strict")
    return JsonSchema(
        name=_schema_name(wrapped.get("name")), schema_=inlined(schema), strict=None if strict is None else bool(strict)
    )


def _schema_name(name: Any) -> str:
    """The name as servers take it; generic classes and titles hold brackets and spaces."""
    return re.sub(r"[^a-zA-Z0-9_-]+", "_", str(name or "answer"))[:64]


def _reasoning(value: Any) -> Any:
    """Our words for what other libraries say: `xhigh`, {"effort": …}, {"type": "enabled", "budget_tokens": …}."""
    if isinstance(value, Mapping):
        if value.get("type") == "disabled" or value.get("enabled") is False:
            return False
        given = (value.get(name) for name in ("effort", "budget_tokens", "max_tokens"))
        value = next((wanted for wanted in given if wanted is not None), True)
    return EFFORTS.get(value, value) if isinstance(value, str) else value


_NORMALISE: dict[str, Callable[[Any], Any]] = {
    "tools": _tools,
    "tool_choice": _tool_choice,
    "response_format": _response_format,
    "reasoning": _reasoning,
    "stop": lambda value: [value] if isinstance(value, str) else list(value) or None,
    "cache": lambda value: value or None,
    "logit_bias": lambda value: {str(token): bias for token, bias in value.items()},
    "metadata": dict,
    "extra_body": dict,
    "extra_headers": lambda value: {name.lower(): text for name, text in value.items()},
}
_TAKEN = {
    "stop": "give a string or a list of them",
    "logit_bias": "give a dict of token ids and numbers",
    "metadata": "give a dict of strings",
    "extra_body": "give a dict of the wire's own fields",
    "extra_headers": "give a dict of strings",
}


def _problems(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:3])
