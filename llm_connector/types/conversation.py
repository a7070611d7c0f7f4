"""Whatever callers pass as messages, as a list of `Message`."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from pydantic import ValidationError

from llm_connector.errors import ConfigurationError
from llm_connector.types.media import Audio, Document, Image, Video
from llm_connector.types.messages import AnyPart, Message, PlainTurn, Reasoning, Role, Text, ToolCall, ToolResult
from llm_connector.types.part import Part
from llm_connector.wire import decode_json

__all__ = ["Messages", "conversation", "parsed_arguments"]

Messages: TypeAlias = str | Message | Iterable[Message | Mapping[str, Any]]

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "tool": "tool",
    "function": "tool",
}

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
        except (ConfigurationError, KeyError, TypeError, AttributeError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise ConfigurationError(f"messages[{position}]: {reason}") from None
    return turns


def parsed_arguments(raw: str) -> tuple[dict[str, Any], str | None]:
    """The object in a call's JSON text, and what is wrong with it. Empty, `null` and white space mean no arguments."""
    text = raw.strip()
    if not text or text in ("null", '"null"', '""'):
        return {}, None
    try:
        value = decode_json(text.encode("utf-8", "surrogatepass"))
    except ValueError as error:
        return {}, f"the arguments are not JSON: {error}"
    if isinstance(value, str):  # an object written as a JSON string inside JSON
        return parsed_arguments(value) if value != raw else ({}, "the arguments are not a JSON object")
    if not isinstance(value, dict):
        return {}, f"the arguments are not a JSON object but {type(value).__name__}"
    return value, None


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
    parts: list[AnyPart] = []
    if role == "assistant":
        parts.extend(_reasoning(message))
    parts.extend(_content(content))
    parts.extend(_call(call) for call in message.get("tool_calls") or ())
    if message.get("function_call"):  # the form before tool calls
        parts.append(_call({"function": message["function_call"]}))
    return Message(role=role, parts=parts, name=message.get("name"))


def _tool_turn(message: Mapping[str, Any], content: Any) -> Message:
    name = message.get("name") or message.get("tool_name")
    call_id = message.get("tool_call_id") or (name and _made_id(name))
    if not call_id:
        raise ConfigurationError("a tool message needs 'tool_call_id', the id of the call it answers")
    result = ToolResult(call_id=call_id, name=name, parts=[_result_part(part) for part in _content(content)])
    return Message(role="tool", parts=[result])


def _result_part(part: AnyPart) -> Text | Image | Document:
    if not isinstance(part, Text | Image | Document):
        raise ConfigurationError(f"a tool result holds text, images and documents, not {part.type}")
    return part


def _reasoning(message: Mapping[str, Any]) -> list[AnyPart]:
    details = message.get("reasoning_details")
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
    return [part for item in content for part in _part(item)]


def _part(item: Any) -> list[AnyPart]:
    if isinstance(item, str):
        return [Text(item)]
    if isinstance(item, Part):
        return [item]  # type: ignore[list-item]  # every part is one of AnyPart
    if not isinstance(item, Mapping):
        raise ConfigurationError(f"{type(item).__name__!r} is not content; give text or parts")
    kind = item.get("type")
    if kind in ("text", "input_text", "output_text"):
        return [Text(item["text"], cache=_cache(item))]
    if kind in ("image_url", "input_image"):
        image = item.get("image_url", "")
        address = image["url"] if isinstance(image, Mapping) else image
        detail = image.get("detail") if isinstance(image, Mapping) else item.get("detail")
        return [Image(_address(address, "image"), detail=detail, cache=_cache(item))]
    if kind == "input_audio":
        audio = item["input_audio"]
        return [Audio.base64(f"audio/{audio['format']}", audio["data"], cache=_cache(item))]
    if kind == "video_url":
        video = item["video_url"]
        return [Video(_address(video["url"] if isinstance(video, Mapping) else video, "video"), cache=_cache(item))]
    if kind == "file":
        file = item["file"]
        return [Document(_address(file["file_data"], "file"), name=file.get("filename"), cache=_cache(item))]
    if kind in ("image", "document") and isinstance(item.get("source"), Mapping):
        return [_sourced(kind, item)]
    if kind == "thinking":
        return [Reasoning(item.get("thinking", ""), signature=item.get("signature"))]
    raise ConfigurationError(
        f"unknown content type {kind!r}; use text, image_url, input_audio, video_url or file, or this library's parts"
    )


def _address(value: Any, kind: str) -> str:
    """A URL. A dict may come from another machine, so a path in it must not open files of this one."""
    if isinstance(value, str) and value[:8].lower().startswith(("http://", "https://", "data:")):
        return value
    raise ConfigurationError(
        f"the {kind} in a dict needs an http(s) or data URL; for a file of this machine use Image(path) or the like"
    )


def _sourced(kind: str, item: Mapping[str, Any]) -> Image | Document:
    """An image or document block in the shape of Anthropic's wire format."""
    source = item["source"]
    part = Image if kind == "image" else Document
    name = {"name": item["title"]} if kind == "document" and item.get("title") else {}
    if source.get("type") == "url":
        return part(_address(source["url"], kind), cache=_cache(item), **name)
    if source.get("type") == "text":
        content = base64.b64encode(source["data"].encode()).decode()
        return part.base64(source.get("media_type", "text/plain"), content, cache=_cache(item), **name)
    return part.base64(source["media_type"], source["data"], cache=_cache(item), **name)


def _cache(item: Mapping[str, Any]) -> Any:
    control = item.get("cache_control")
    if not isinstance(control, Mapping):
        return None
    return control["ttl"] if control.get("ttl") in ("5m", "1h") else True


def _made_id(function: str) -> str:
    """The id of a call that has none, such that its result finds it."""
    return f"call_{function}"


def _call(call: Any) -> ToolCall:
    if isinstance(call, ToolCall):
        return call
    function = call["function"]
    arguments = function.get("arguments")
    ordinary = {"id", "index", "function", *(["type"] if call.get("type") in (None, "function") else [])}
    extra = {key: value for key, value in call.items() if key not in ordinary} or None
    call_id = call.get("id") or _made_id(function["name"])
    if isinstance(arguments, Mapping):
        return ToolCall(id=call_id, name=function["name"], arguments=dict(arguments), extra=extra)
    raw = arguments or ""
    parsed, error = parsed_arguments(raw)
    return ToolCall(id=call_id, name=function["name"], arguments=parsed, arguments_raw=raw, error=error, extra=extra)
