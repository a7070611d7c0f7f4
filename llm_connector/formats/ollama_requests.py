"""Requests of Ollama's own wire format, read: `/api/chat` and `/api/generate`.

https://docs.ollama.com/api/chat, https://docs.ollama.com/api/generate (checked 2026-11)
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from llm_connector.errors import ConfigurationError
from llm_connector.formats.reading import (
    INTEGER,
    NUMBER,
    STRING,
    STRINGS,
    Table,
    call_of,
    each,
    effort_asked,
    items,
    logprobs_asked,
    named,
    refuse,
    request_of,
    required_text,
    rest_of,
    settings,
    the_object,
    tool_list,
)
from llm_connector.types import (
    AnyPart,
    ChatRequest,
    Image,
    Message,
    Reasoning,
    ReasoningOption,
    Text,
    ToolCall,
    ToolResult,
    parsed_arguments,
)

__all__ = ["parse_chat", "parse_generate"]

_OPTIONS: Table = {
    "temperature": ("temperature", NUMBER),
    "top_p": ("top_p", NUMBER),
    "top_k": ("top_k", INTEGER),
    "seed": ("seed", INTEGER),
    "stop": ("stop", STRINGS),
    "num_predict": ("max_tokens", INTEGER),
    "presence_penalty": ("presence_penalty", NUMBER),
    "frequency_penalty": ("frequency_penalty", NUMBER),
}
_READ = ("model", "stream", "options", "tools", "think", "format", "logprobs", "top_logprobs")
_ROLES = ("system", "user", "assistant", "tool")
_OF_CALL = ("id", "type", "function")


def parse_chat(body: Mapping[str, Any]) -> tuple[ChatRequest, dict[str, Any]]:
    """The request of `POST api/chat`, and the fields that have no place in it. Without messages it loads a model."""
    return _request(body, _messages(body), "messages")


def parse_generate(body: Mapping[str, Any]) -> tuple[ChatRequest, dict[str, Any]]:
    """The request of `POST api/generate`, as a conversation of one turn. Without a prompt it loads a model."""
    refuse(body, {"suffix": "a gap in a text cannot be filled here; send a prompt", "raw": "templates are not applied"})
    prompt = settings(body, {"prompt": ("prompt", STRING), "system": ("system", STRING)})
    messages = [Message(role="system", parts=[Text(prompt["system"])])] if prompt.get("system") else []
    if prompt.get("prompt"):
        parts: list[AnyPart] = [Text(prompt["prompt"]), *_images(body, "")]
        messages.append(Message(role="user", parts=parts))
    elif not body.get("images"):
        messages = []
    else:
        messages.append(Message(role="user", parts=[*_images(body, "")]))
    return _request(body, messages, "prompt", "system", "images", "suffix", "raw")


def _request(body: Mapping[str, Any], messages: list[Message], *read: str) -> tuple[ChatRequest, dict[str, Any]]:
    given = the_object(body.get("options") or {}, "options")
    options: dict[str, Any] = {"model": required_text(body, "model"), **settings(given, _OPTIONS, "options.")}
    if options.get("max_tokens", 1) < 1:  # -1 and -2 mean no limit
        del options["max_tokens"]
    options["tools"] = tool_list(items(body, "tools"))
    options["reasoning"] = _think(body.get("think"))
    options["response_format"] = _form(body.get("format"))
    options["logprobs"] = logprobs_asked(body)
    rest = rest_of(body, _READ, read)
    more = rest_of(given, _OPTIONS)
    if more:
        rest["options"] = more
    if not messages:
        return ChatRequest(messages=[], model=options["model"]), rest
    return request_of(messages, options), rest


def _think(value: Any) -> ReasoningOption:
    return value if value is None or isinstance(value, bool) else effort_asked(value, "think")


def _form(value: Any) -> Any:
    if not value:
        return None
    if isinstance(value, dict) or value == "json":
        return value
    raise ConfigurationError(f"format: give 'json' or a JSON Schema object, not {value!r}")


def _messages(body: Mapping[str, Any]) -> list[Message]:
    """The turns. Calls and results without ids are matched: by the name of the tool, or one after the other."""
    messages: list[Message] = []
    waiting: list[ToolCall] = []
    calls = 0
    for position, turn in enumerate(items(body, "messages")):
        place = f"messages[{position}]"
        role = turn.get("role")
        if not isinstance(role, str) or role.lower() not in _ROLES:
            raise ConfigurationError(f"{place}.role: give system, user, assistant or tool, not {role!r}")
        with named(place):
            if role.lower() == "tool":
                result = _result(turn, waiting, place)
                if messages and messages[-1].role == "tool":
                    messages[-1].parts.append(result)
                else:
                    messages.append(Message(role="tool", parts=[result]))
                continue
            parts = _parts(turn, role.lower(), place)
            for number, wire in enumerate(items(turn, "tool_calls", f"{place}.")):
                call = _call(wire, f"call_{calls}", f"{place}.tool_calls[{number}]")
                calls += 1
                parts.append(call)
                waiting.append(call)
            messages.append(Message.model_validate({"role": role.lower(), "parts": parts}))
    return messages


def _parts(turn: Mapping[str, Any], role: str, place: str) -> list[AnyPart]:
    texts = settings(turn, {"content": ("content", STRING), "thinking": ("thinking", STRING)}, f"{place}.")
    parts: list[AnyPart] = []
    if texts.get("thinking"):
        parts.append(Reasoning(texts["thinking"], field="thinking"))
    pictures = _images(turn, f"{place}.")
    if texts.get("content") or not (pictures or role == "assistant"):
        parts.append(Text(texts.get("content", "")))
    return [*parts, *pictures]


def _images(turn: Mapping[str, Any], place: str) -> list[Image]:
    """The pictures: bare base64, whose kind its first bytes tell."""
    value = turn.get("images")
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigurationError(f"{place}images: give a list of base64 strings")
    return each(value, f"{place}images", _image)


def _image(text: str, place: str) -> Image:
    try:
        content = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise ConfigurationError(f"{place}: give base64 without a prefix: {error}") from None
    return Image(content)


def _call(wire: Mapping[str, Any], made: str, place: str) -> ToolCall:
    function = the_object(wire.get("function"), f"{place}.function")
    arguments = function.get("arguments")
    if isinstance(arguments, str):  # refused by the server itself; clients that talk to others as well send it
        arguments, problem = parsed_arguments(arguments)
        if problem:
            raise ConfigurationError(f"{place}.function.arguments: give an object: {problem}")
    arguments = the_object(arguments or {}, f"{place}.function.arguments")
    extra = {name: value for name, value in wire.items() if name not in _OF_CALL}
    name = required_text(function, "name", f"{place}.function.")
    return call_of(wire.get("id") or made, name, arguments, extra)


def _result(turn: Mapping[str, Any], waiting: list[ToolCall], place: str) -> ToolResult:
    content = settings(turn, {"content": ("content", STRING)}, f"{place}.").get("content", "")
    name, call_id = turn.get("tool_name") or turn.get("name"), turn.get("tool_call_id")
    call = _answered(waiting, call_id, name)
    if call is None and not call_id:
        raise ConfigurationError(f"{place}: this tool message answers no call; give tool_name or tool_call_id")
    if call is not None:
        waiting.remove(call)
    parts: list[Any] = [Text(content)] if content else []
    known = call_id or (call.id if call is not None else "")
    return ToolResult(call_id=known, name=name, parts=[*parts, *_images(turn, f"{place}.")])


def _answered(waiting: Sequence[ToolCall], call_id: Any, name: Any) -> ToolCall | None:
    """The call that a result is of."""
    if call_id:
        return next((call for call in waiting if call.id == call_id), None)
    return next((call for call in waiting if name in (None, call.name)), None)
