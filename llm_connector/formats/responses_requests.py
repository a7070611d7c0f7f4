"""Requests of the Responses wire format, read. The server's memory is not to be had: all that counts is in them.

https://platform.openai.com/docs/api-reference/responses/create (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_connector.errors import ConfigurationError, UnsupportedError
from llm_connector.formats.reading import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    STRING,
    Table,
    choice_asked,
    each,
    effort_asked,
    flag,
    items,
    named,
    refuse,
    request_of,
    required_text,
    rest_of,
    schema_asked,
    settings,
    the_object,
    tool_list,
)
from llm_connector.protocols.responses_messages import CUSTOM_CALL, bare_reasoning, phase_mark
from llm_connector.types import (
    AnyPart,
    Audio,
    ChatRequest,
    Document,
    Image,
    Message,
    Opaque,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    parsed_arguments,
)
from llm_connector.wire import Json

__all__ = ["SIGNED", "parse_responses"]

SIGNED = "signature:"
"""What stands before the signature of a thought where the wire has a place for encrypted thoughts only."""

_SETTINGS: Table = {
    "temperature": ("temperature", NUMBER),
    "top_p": ("top_p", NUMBER),
    "max_output_tokens": ("max_tokens", INTEGER),
    "user": ("user", STRING),
    "safety_identifier": ("user", STRING),
    "parallel_tool_calls": ("parallel_tool_calls", BOOLEAN),
    "metadata": ("metadata", OBJECT),
}
_READ = ("model", "input", "instructions", "stream", "tools", "tool_choice", "reasoning", "text", "top_logprobs")
_MEMORY = {
    "previous_response_id": "answers are not kept here; send the whole conversation as input",
    "conversation": "conversations are not kept here; send the whole conversation as input",
    "background": "answers are given at once here; leave it out",
    "prompt": "prompts are not kept here; send instructions and input",
}
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_OF_CALL = frozenset({"type", "id", "call_id", "name", "arguments", "input", "status"})
_NOT_DETAILS = frozenset({"id", "encrypted_content", "status"})


def parse_responses(body: Json) -> tuple[ChatRequest, bool, dict[str, Any]]:
    """The request, whether it wants a stream, and the fields that have no place in it.

    Raises UnsupportedError for what lives in the memory of a server.
    """
    body = the_object(body)
    refuse(body, _MEMORY)
    options: dict[str, Any] = {"model": required_text(body, "model"), **settings(body, _SETTINGS)}
    messages = [Message(role="system", parts=[Text(required_text(body, "instructions"))])] if _instructed(body) else []
    messages += _messages(body)
    options |= _tools(body)
    reasoning = the_object(body.get("reasoning") or {}, "reasoning")
    options["reasoning"] = effort_asked(reasoning.get("effort"), "reasoning.effort")
    if options["reasoning"] is None and reasoning.get("summary"):
        options["reasoning"] = True
    text = the_object(body.get("text") or {}, "text")
    options["response_format"] = schema_asked(text.get("format"), "text.format")
    options |= settings(body, {"top_logprobs": ("logprobs", INTEGER)})
    include = body.get("include")
    if isinstance(include, list) and "message.output_text.logprobs" in include:
        options["logprobs"] = options.get("logprobs") or True
    return request_of(messages, options), flag(body, "stream"), rest_of(body, _SETTINGS, _READ)


def _instructed(body: Mapping[str, Any]) -> bool:
    return body.get("instructions") not in (None, "")


def _messages(body: Mapping[str, Any]) -> list[Message]:
    """The turns: neighbouring items of the model become one, and so do neighbouring results of tools."""
    if isinstance(body.get("input"), str):
        return [Message(role="user", parts=[Text(required_text(body, "input"))])]
    messages: list[Message] = []
    for position, item in enumerate(items(body, "input")):
        place = f"input[{position}]"
        with named(place):
            role, parts = _item(item, place)
            last = messages[-1] if messages else None
            if last is not None and last.role == role and role in ("assistant", "tool"):
                last.parts.extend(parts)
            else:
                messages.append(Message.model_validate({"role": role, "parts": parts}))
    if not messages:
        raise ConfigurationError("input: there is none; give a string or a list of items")
    return messages


def _item(item: Mapping[str, Any], place: str) -> tuple[str, list[AnyPart]]:
    """The role of an item, and its parts."""
    kind = item.get("type") or "message"
    if kind == "message":
        role = _ROLES.get(str(item.get("role")))
        if role is None:
            raise ConfigurationError(
                f"{place}.role: give system, developer, user or assistant, not {item.get('role')!r}"
            )
        parts = _content(item, "content", place)
        if role == "assistant" and item.get("phase"):
            parts.append(Opaque(data=phase_mark(required_text(item, "phase", f"{place}."))))
        return role, parts
    if kind == "reasoning":
        return "assistant", [_thought(item, place)]
    if kind in ("function_call", CUSTOM_CALL):
        return "assistant", [_call(item, kind, place)]
    if kind in _OUTPUTS:
        parts = _content(item, "output", place)
        return "tool", [
            ToolResult.model_validate({"call_id": required_text(item, "call_id", f"{place}."), "parts": parts})
        ]
    if kind == "item_reference":
        raise UnsupportedError(f"{place}: items are not kept here; send the item itself")
    return "assistant", [Opaque(data=dict(item))]


def _content(item: Mapping[str, Any], field: str, place: str) -> list[AnyPart]:
    content = item.get(field)
    if isinstance(content, str):
        return [Text(content)] if content or item.get("role") != "assistant" else []
    return each(items(item, field, f"{place}."), f"{place}.{field}", _part)


def _part(part: Mapping[str, Any], place: str) -> AnyPart:
    match part.get("type"):
        case "input_text" | "output_text" | "text":
            text = part.get("text")
            if not isinstance(text, str):
                raise ConfigurationError(f"{place}.text: give a string")
            return Text(text, citations=part.get("annotations") or None)
        case "refusal":
            return Text(required_text(part, "refusal", f"{place}."))
        case "input_image" if part.get("image_url"):
            detail = part.get("detail")
            return Image(_address(part, "image_url", place), detail=None if detail == "auto" else detail)
        case "input_file" if part.get("file_data"):
            return Document(_address(part, "file_data", place), name=part.get("filename"))
        case "input_file" if part.get("file_url"):
            return Document(_address(part, "file_url", place))
        case "input_audio":
            sound = the_object(part.get("input_audio"), f"{place}.input_audio")
            data, kind = (required_text(sound, name, f"{place}.input_audio.") for name in ("data", "format"))
            return Audio.base64(f"audio/{kind}", data)
        case "input_image" | "input_file":
            raise UnsupportedError(f"{place}: files are not kept here; send the file itself")
        case _:
            return Opaque(data=dict(part))


def _address(part: Mapping[str, Any], field: str, place: str) -> str:
    """A URL. A path would open a file of this machine."""
    address = required_text(part, field, f"{place}.")
    if address[:8].lower().startswith(("http://", "https://", "data:")):
        return address
    raise ConfigurationError(f"{place}.{field}: give an http(s) or data URL")


def _thought(item: Mapping[str, Any], place: str) -> Reasoning:
    shown = [*items(item, "summary", f"{place}."), *items(item, "content", f"{place}.")]
    texts = [part["text"] for part in shown if isinstance(part.get("text"), str)]
    text = "\n\n".join(text for text in texts if text)
    details = {name: value for name, value in item.items() if name not in _NOT_DETAILS and value not in (None, [])}
    details.setdefault("summary", [])
    state = item.get("encrypted_content")
    signature = state.removeprefix(SIGNED) if isinstance(state, str) and state.startswith(SIGNED) else None
    return Reasoning(
        text,
        id=item.get("id"),
        encrypted=state if signature is None else None,
        signature=signature,
        details=None if details == bare_reasoning(text) else [details],
    )


def _call(item: Mapping[str, Any], kind: str, place: str) -> ToolCall:
    raw = item.get("input" if kind == CUSTOM_CALL else "arguments")
    if not isinstance(raw, str):
        raise ConfigurationError(f"{place}.arguments: give a string of JSON")
    arguments, error = parsed_arguments(raw)
    extra = {name: value for name, value in item.items() if name not in _OF_CALL and value is not None}
    if kind == CUSTOM_CALL:
        extra["type"] = CUSTOM_CALL
    call_id, name = (required_text(item, field, f"{place}.") for field in ("call_id", "name"))
    return ToolCall(id=call_id, name=name, arguments=arguments, arguments_raw=raw, error=error, extra=extra or None)


def _tools(body: Mapping[str, Any]) -> dict[str, Any]:
    tools: list[Tool] = []
    for position, form in enumerate(items(body, "tools")):
        if form.get("type", "function") == "function":
            tools += tool_list([{"type": "function", "function": form}], f"tools[{position}]")
        else:
            name = form.get("name") or form.get("server_label") or required_text(form, "type", f"tools[{position}].")
            tools.append(Tool(str(name), native=dict(form)))
    if not tools:
        return {}
    choice = body.get("tool_choice")
    if not isinstance(choice, dict):
        return {"tools": tools, "tool_choice": choice_asked(choice)}
    if choice.get("type") == "allowed_tools":
        names = {str(form.get("name") or form.get("type")) for form in items(choice, "tools", "tool_choice.")}
        return {"tools": [tool for tool in tools if tool.name in names], "tool_choice": choice.get("mode")}
    return {"tools": tools, "tool_choice": choice.get("name") or required_text(choice, "type", "tool_choice.")}
