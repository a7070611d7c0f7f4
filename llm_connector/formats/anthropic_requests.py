"""Requests of the Messages wire format, read.

https://platform.claude.com/docs/en/api/messages (checked 2026-11)
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from llm_connector.errors import ConfigurationError
from llm_connector.formats.reading import (
    INTEGER,
    NUMBER,
    STRINGS,
    Table,
    cache_mark,
    call_of,
    each,
    effort_asked,
    flag,
    items,
    only_texts,
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
    Document,
    Image,
    JsonSchema,
    Message,
    Opaque,
    Reasoning,
    ReasoningOption,
    Text,
    ToolCall,
    ToolResult,
)
from llm_connector.wire import Json, encode_json

__all__ = ["parse_messages"]

_SETTINGS: Table = {
    "max_tokens": ("max_tokens", INTEGER),
    "temperature": ("temperature", NUMBER),
    "top_p": ("top_p", NUMBER),
    "top_k": ("top_k", INTEGER),
    "stop_sequences": ("stop", STRINGS),
}
_READ = (
    *("model", "messages", "system", "stream", "tools", "tool_choice", "thinking", "output_config", "metadata"),
    "cache_control",
)
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_OF_CALL = ("type", "id", "name", "input", "cache_control")


def parse_messages(body: Json) -> tuple[ChatRequest, bool, dict[str, Any]]:
    """The request, whether it wants a stream, and the fields that have no place in it."""
    body = the_object(body)
    options: dict[str, Any] = {"model": required_text(body, "model"), **settings(body, _SETTINGS)}
    messages = _system(body.get("system"))
    for position, turn in enumerate(items(body, "messages")):
        messages += _turn(turn, f"messages[{position}]")
    if all(message.role == "system" for message in messages):
        raise ConfigurationError("messages: there are none; give a list of role/content objects")
    options |= _tools(body)
    config = the_object(body.get("output_config") or {}, "output_config")
    options["reasoning"] = _reasoning(body, config)
    options["response_format"] = _form(config)
    metadata = the_object(body.get("metadata") or {}, "metadata")
    if metadata.get("user_id") is not None:
        options["user"] = required_text(metadata, "user_id", "metadata.")
    if body.get("cache_control") is not None:
        options["cache"] = cache_mark(body)
    return request_of(messages, options), flag(body, "stream"), rest_of(body, _SETTINGS, _READ)


def _system(system: Any) -> list[Message]:
    if not system:
        return []
    return [Message(role="system", parts=[*only_texts(system, "system")])]


def _turn(turn: Mapping[str, Any], place: str) -> list[Message]:
    """One turn of the wire; results of tools become a message of their own, ahead of what the user says besides."""
    role = turn.get("role")
    if role not in ("user", "assistant", "system"):
        raise ConfigurationError(f"{place}.role: give user or assistant, not {role!r}")
    content = turn.get("content")
    if isinstance(content, str):
        return [Message(role=role, parts=[Text(content)] if content or role != "assistant" else [])]
    if not isinstance(content, list):
        raise ConfigurationError(f"{place}.content: give a string or a list of blocks")
    parts = each(content, f"{place}.content", lambda block, here: _part(the_object(block, here), role, here))
    results = [part for part in parts if isinstance(part, ToolResult)]
    rest: list[AnyPart] = [part for part in parts if not isinstance(part, ToolResult)]
    messages = [Message(role="tool", parts=[*results])] if results else []
    if rest or not results:
        messages.append(Message(role=role, parts=rest))
    return messages


def _part(block: Mapping[str, Any], role: str, place: str) -> AnyPart:
    kind = required_text(block, "type", f"{place}.")
    match kind:
        case "text":
            citations = block.get("citations") if role == "assistant" else None
            return Text(_text(block, "text", place), cache=cache_mark(block, f"{place}."), citations=citations or None)
        case "image" | "document" if _readable(block):
            return _media(kind, block, place)
        case "thinking":
            return Reasoning(_text(block, "thinking", place), signature=block.get("signature") or None)
        case "redacted_thinking":
            return Reasoning(encrypted=required_text(block, "data", f"{place}."))
        case "tool_use":
            return _call(block, place)
        case "tool_result":
            return _result(block, place)
        case _:
            return Opaque(data=dict(block))


def _text(block: Mapping[str, Any], field: str, place: str) -> str:
    text = block.get(field)
    if not isinstance(text, str):
        raise ConfigurationError(f"{place}.{field}: give a string")
    return text


def _call(block: Mapping[str, Any], place: str) -> ToolCall:
    arguments = the_object(block.get("input") or {}, f"{place}.input")
    extra = {name: value for name, value in block.items() if name not in _OF_CALL}
    call_id, name = (required_text(block, field, f"{place}.") for field in ("id", "name"))
    return call_of(call_id, name, arguments, extra)


def _result(block: Mapping[str, Any], place: str) -> ToolResult:
    content = block.get("content")
    parts: list[Any] = []
    if isinstance(content, str):
        parts = [Text(content)] if content else []
    else:
        parts = each(items(block, "content", f"{place}."), f"{place}.content", _told)
    return ToolResult(
        call_id=required_text(block, "tool_use_id", f"{place}."),
        parts=parts,
        error=block.get("is_error") is True,
        cache=cache_mark(block, f"{place}."),
    )


def _told(block: Mapping[str, Any], place: str) -> AnyPart:
    """A part of a result; search results and their like become text."""
    part = _part(block, "user", place)
    return part if isinstance(part, Text | Image | Document) else Text(encode_json(block).decode())


def _readable(block: Mapping[str, Any]) -> bool:
    """Whether a source holds its bytes or an address; others (uploaded files) mean something to one server only."""
    source = block.get("source")
    return not isinstance(source, dict) or source.get("type") in ("base64", "url", "text", "content")


def _media(kind: str, block: Mapping[str, Any], place: str) -> AnyPart:
    source = the_object(block.get("source"), f"{place}.source")
    maker = Image if kind == "image" else Document
    more: dict[str, Any] = {"cache": cache_mark(block, f"{place}.")}
    if kind == "document" and block.get("title"):
        more["name"] = required_text(block, "title", f"{place}.")
    if kind == "document" and block.get("citations") is not None:
        more["citations"] = the_object(block["citations"], f"{place}.citations").get("enabled") is True
    if source["type"] == "url":
        address = required_text(source, "url", f"{place}.source.")
        if not address.lower().startswith(("http://", "https://")):
            raise ConfigurationError(f"{place}.source.url: give an http(s) URL")
        return maker(address, **more)
    if source["type"] == "base64":
        media_type = required_text(source, "media_type", f"{place}.source.")
        return maker.base64(media_type, required_text(source, "data", f"{place}.source."), **more)
    given = source.get("data") if source["type"] == "text" else source.get("content")
    text = "".join(part.text for part in only_texts(given, f"{place}.source"))
    return maker.base64("text/plain", base64.b64encode(text.encode("utf-8", "replace")).decode(), **more)


def _tools(body: Mapping[str, Any]) -> dict[str, Any]:
    tools = tool_list(items(body, "tools"))
    if not tools:
        return {}
    options: dict[str, Any] = {"tools": tools}
    choice = body.get("tool_choice")
    if choice is None:
        return options
    choice = the_object(choice, "tool_choice")
    kind = choice.get("type")
    if kind == "tool":
        options["tool_choice"] = required_text(choice, "name", "tool_choice.")
    elif isinstance(kind, str) and kind in _CHOICES:
        options["tool_choice"] = _CHOICES[kind]
    else:
        raise ConfigurationError(f"tool_choice.type: give auto, any, tool or none, not {kind!r}")
    if choice.get("disable_parallel_tool_use") is True:
        options["parallel_tool_calls"] = False
    return options


def _reasoning(body: Mapping[str, Any], config: Mapping[str, Any]) -> ReasoningOption:
    effort = effort_asked(config.get("effort"), "output_config.effort")
    if body.get("thinking") is None:
        return effort
    thinking = the_object(body["thinking"], "thinking")
    match thinking.get("type"):
        case "enabled":
            return settings(thinking, {"budget_tokens": ("budget", INTEGER)}, "thinking.").get("budget") or True
        case "adaptive":
            return True if effort is None else effort
        case "disabled" | "between_tools":
            return False
        case kind:
            raise ConfigurationError(f"thinking.type: give enabled, adaptive or disabled, not {kind!r}")


def _form(config: Mapping[str, Any]) -> JsonSchema | None:
    if config.get("format") is None:
        return None
    form = the_object(config["format"], "output_config.format")
    schema = the_object(form.get("schema"), "output_config.format.schema")
    return JsonSchema(name="answer", schema_=schema)
