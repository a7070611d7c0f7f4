"""Whatever callers pass as messages, as a list of `Message`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from pydantic import ValidationError

from llm_connector.errors import ConfigurationError
from llm_connector.types.blocks import part_of
from llm_connector.types.calls import call_of, made_id
from llm_connector.types.media import Document, Image
from llm_connector.types.messages import (
    AnyPart,
    Message,
    Opaque,
    PlainTurn,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from llm_connector.types.outlines import arranged, is_outline

__all__ = ["ROLES", "Messages", "conversation"]

Messages: TypeAlias = str | Message | Iterable[Message | Mapping[str, Any]]

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "chatbot": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
}
"""The roles, by the names that libraries and servers have for them."""

_TEXT_ROLES: dict[str, Role] = {name: role for name, role in ROLES.items() if role != "tool"}
_REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking")


def conversation(messages: Messages) -> list[Message]:
    """The turns of a string, a `Message`, or a list of messages or dicts (OpenAI's shape, or that of `model_dump`).

    Raises ConfigurationError that names the position: `messages[2]: …`.
    """
    if isinstance(messages, str):
        if not messages:
            raise ConfigurationError("messages: the text is empty; give it content")
        return [PlainTurn("user", messages)]
    if isinstance(messages, Message):
        return [messages]
    if type(messages) is not list and (isinstance(messages, Mapping) or not isinstance(messages, Iterable)):
        raise ConfigurationError("messages: give a string, a Message, or a list of messages or role/content dicts")
    turns: list[Message] = []
    for position, message in enumerate(messages):
        if type(message) is dict and len(message) == 2:
            named, content = message.get("role"), message.get("content")
            if type(content) is str and type(named) is str and named in _TEXT_ROLES:
                turns.append(PlainTurn(_TEXT_ROLES[named], content))
                continue
        try:
            turn = message if isinstance(message, Message | PlainTurn) else _turn(message)
            if not turn.parts and turn.role != "assistant":
                raise ConfigurationError(f"this {turn.role} message is empty; give it content")
            turns.append(turn)
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, problem["loc"]))
            raise ConfigurationError(f"messages[{position}]: {place}: {problem['msg']}") from None
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise ConfigurationError(f"messages[{position}]: {reason}") from None
    return turns


def _turn(message: Mapping[str, Any]) -> Message:
    if not isinstance(message, Mapping):
        raise ConfigurationError(f"{type(message).__name__!r} is not a message; give a Message or a role/content dict")
    if "parts" in message:
        return Message.model_validate(dict(message))
    named = message.get("role")
    role = ROLES.get(named) if isinstance(named, str) else None
    if role is None:
        raise ConfigurationError(f"unknown role {named!r}; use 'system', 'user', 'assistant' or 'tool'")
    content = message.get("content")
    if role == "tool":
        return _tool_turn(message, content)
    parts = _content(content)
    if role == "assistant":
        parts = _said(message, parts)
    elif message.get("tool_calls"):
        raise ConfigurationError(f"a {role} message has no 'tool_calls'; they are the assistant's")
    return Message(role=role, parts=parts, name=message.get("name"))


def _said(message: Mapping[str, Any], content: list[AnyPart]) -> list[AnyPart]:
    """The parts of an answer. Its `provider` is that of the thoughts and blocks which do not name their own."""
    provider, details = message.get("provider"), message.get("reasoning_details")
    parts = _reasoning(message, None if is_outline(details) else details)
    parts += [_of(provider, part) for part in content] if provider else content
    parts += [_call(call) for call in message.get("tool_calls") or ()]
    if message.get("function_call"):  # the form before tool calls
        parts.append(_call({"function": message["function_call"]}))
    return arranged(details, parts) if is_outline(details) else parts


def _of(provider: str, part: AnyPart) -> AnyPart:
    if isinstance(part, Reasoning | Opaque) and part.provider is None:
        return part.model_copy(update={"provider": provider})
    return part


def _tool_turn(message: Mapping[str, Any], content: Any) -> Message:
    name = message.get("name") or message.get("tool_name")
    call_id = message.get("tool_call_id") or (name and made_id(name))
    if not call_id:
        raise ConfigurationError("a tool message needs 'tool_call_id', the id of the call it answers")
    parts, failed = [_result_part(part) for part in _content(content)], bool(message.get("is_error"))
    result = ToolResult(call_id=call_id, name=name, parts=parts, error=failed)
    return Message(role="tool", parts=[result])


def _result_part(part: AnyPart) -> Text | Image | Document:
    if not isinstance(part, Text | Image | Document):
        raise ConfigurationError(f"a tool result holds text, images and documents, not {part.type}")
    return part


def _reasoning(message: Mapping[str, Any], details: Any) -> list[AnyPart]:
    said = {field: text for field in _REASONING_FIELDS if isinstance(text := message.get(field), str)}
    field = next((name for name in said if said[name]), next(iter(said), None))
    if field is None:
        return [Reasoning("", details=details)] if details else []
    return [Reasoning(said[field], field=field, details=details)]


def _content(content: Any) -> list[AnyPart]:
    if content is None:
        return []
    if isinstance(content, str):
        return [Text(content)]
    if not isinstance(content, Iterable) or isinstance(content, Mapping):
        raise ConfigurationError(f"content is a {type(content).__name__}; give a string or a list of parts")
    return [part_of(item) for item in content]


def _call(call: Any) -> ToolCall:
    if isinstance(call, ToolCall):
        return call
    function = call["function"]
    if isinstance(call.get("extra"), Mapping):  # from `dict_of`
        own = {"provider": call.get("provider"), "extra": dict(call["extra"])}
        return call_of(function["name"], call.get("id"), function.get("arguments"), **own)
    ordinary = {"id", "index", "function", *(["type"] if call.get("type") in (None, "function") else [])}
    extra = {key: value for key, value in call.items() if key not in ordinary} or None
    return call_of(function["name"], call.get("id"), function.get("arguments"), extra=extra)
