"""Chat Completions requests in the words of version 3 of Tencent Cloud's API, and what that cannot say.

https://cloud.tencent.com/document/product/1729/105701 (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llm_connector.errors import UnsupportedError
from llm_connector.protocols.turns import map_parts, stand_in
from llm_connector.types import (
    AnyPart,
    Audio,
    ChatRequest,
    Document,
    Image,
    Message,
    Notes,
    Opaque,
    Reasoning,
    Text,
    ToolResult,
    Video,
)
from llm_connector.wire import encode_json

__all__ = ["fitted", "native_body"]

_FIELDS = {
    "stream": "Stream",
    "temperature": "Temperature",
    "top_p": "TopP",
    "seed": "Seed",
    "stop": "Stop",
    "enable_thinking": "EnableThinking",
}
_MOST_SEED = 10_000
_NO_OUTPUT = "(no output)"


def fitted(request: ChatRequest, notes: Notes) -> ChatRequest:
    """The request without what has no form here; each change is in `notes`."""
    changes: dict[str, Any] = {"messages": _messages(request.messages, notes)}
    if request.seed is not None and not 1 <= request.seed <= _MOST_SEED:
        changes["seed"] = (request.seed - 1) % _MOST_SEED + 1
        notes.add("converted", "seed", f"{request.seed} became {changes['seed']}: seeds go from 1 to {_MOST_SEED}")
    return request.model_copy(update=changes)


def native_body(body: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """A body of Chat Completions in capitals. Raises UnsupportedError for tools other than functions."""
    messages = _merged([_message(message, notes) for message in body["messages"]])
    native = {"Model": body["model"], "Messages": messages}
    native |= {_FIELDS[field]: value for field, value in body.items() if field in _FIELDS}
    if body.get("tools"):
        native["Tools"] = [_tool(tool) for tool in body["tools"]]
        native |= _choice(body.get("tool_choice"), native["Tools"], notes)
    return native


def _messages(messages: Sequence[Message], notes: Notes) -> list[Message]:
    """Late system messages as user text, results and turns without media that have no form, and no empty ones."""

    def shown(part: AnyPart) -> AnyPart:
        if isinstance(part, ToolResult):
            parts = [Text(_inside(item, notes)) if isinstance(item, _IN_RESULTS) else item for item in part.parts]
            if not any(isinstance(item, Text) and item.text for item in parts):
                notes.add("converted", "empty tool result", f"sent as {_NO_OUTPUT!r}: results without text are refused")
                parts = [Text(_NO_OUTPUT)]
            return part.model_copy(update={"parts": parts})
        if _textual(part):
            return part
        return Text(stand_in(part, "this wire format has no form for it", notes))

    kept: list[Message] = []
    for message in map_parts(list(messages), shown, (Audio, Document, ToolResult)):
        if message.role == "system" and any(other.role != "system" for other in kept):
            notes.add("converted", "system message", "a late one became user text: only leading ones are taken")
            message = message.model_copy(update={"role": "user"})
        if all(isinstance(part, Opaque | Reasoning) or part == Text("") for part in message.parts):
            notes.add("dropped", f"empty {message.role} message", "messages without content are refused")
            continue
        kept.append(message)
    return kept


_IN_RESULTS = (Audio, Document, Image, Video)


def _inside(part: AnyPart, notes: Notes) -> str:
    if isinstance(part, Document) and _textual(part):
        return part.decode().decode("utf-8", "replace")
    return stand_in(part, "results hold text only", notes)


def _textual(part: AnyPart) -> bool:
    return isinstance(part, Document) and part.data is not None and (part.media_type or "").startswith("text/")


def _message(message: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    native: dict[str, Any] = {"Role": message["role"]}
    content = message.get("content")
    if isinstance(content, list) and all(part.get("type") == "text" and "text" in part for part in content):
        native["Content"] = "\n\n".join(part["text"] for part in content)
    elif isinstance(content, list):
        native["Contents"] = [_part(part, notes) for part in content]
    else:
        native["Content"] = content or ""
    if message.get("tool_calls"):
        native["ToolCalls"] = [_call(call) for call in message["tool_calls"]]
    if "tool_call_id" in message:
        native["ToolCallId"] = message["tool_call_id"]
    if "name" in message:
        notes.add("dropped", "name", "this wire format does not tell participants of one role apart")
    return native


def _part(part: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    for kind, native in (("image_url", "ImageUrl"), ("video_url", "VideoUrl")):
        media = part.get(kind) if part.get("type") == kind else None
        if isinstance(media, Mapping) and "url" in media:
            if "detail" in media:
                notes.add("dropped", "image detail", "this wire format has no such hint")
            return {"Type": kind, native: {"Url": media["url"]}}
    if part.get("type") == "text" and "text" in part:
        return {"Type": "text", "Text": part["text"]}
    return dict(part)  # the caller's own


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    return {
        "Id": call["id"],
        "Type": "function",
        "Function": {"Name": function["name"], "Arguments": function["arguments"]},
    }


def _merged(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours of one role as one message: system comes once, user and assistant in turn. Results stay apart."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        if merged and merged[-1]["Role"] == message["Role"] != "tool":
            merged[-1] = _joined(merged[-1], message)
        else:
            merged.append(message)
    return merged


def _joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    joined: dict[str, Any] = {"Role": first["Role"]}
    if "Contents" in first or "Contents" in second:
        joined["Contents"] = [*_contents(first), *_contents(second)]
    else:
        joined["Content"] = "\n\n".join(text for text in (first["Content"], second["Content"]) if text)
    calls = [*first.get("ToolCalls", ()), *second.get("ToolCalls", ())]
    return {**joined, "ToolCalls": calls} if calls else joined


def _contents(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "Contents" in message:
        return list(message["Contents"])
    return [{"Type": "text", "Text": message["Content"]}] if message["Content"] else []


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A function; its schema travels as a JSON text."""
    function = tool.get("function")
    if not isinstance(function, Mapping) or not {"name", "parameters"} <= function.keys():
        raise UnsupportedError(f"tools of type {tool.get('type')!r} have no form here; search is set in extra_body")
    native = {"Name": function["name"], "Parameters": encode_json(function["parameters"]).decode()}
    if function.get("description"):
        native["Description"] = function["description"]
    return {"Type": "function", "Function": native}


def _choice(choice: Any, tools: Sequence[dict[str, Any]], notes: Notes) -> dict[str, Any]:
    """`custom` forces one named tool; there is no word for any of several."""
    if isinstance(choice, Mapping):
        name = choice["function"]["name"]
        wanted = next(tool for tool in tools if tool["Function"]["Name"] == name)
        return {"ToolChoice": "custom", "CustomTool": wanted}
    if choice == "required" and len(tools) == 1:
        return {"ToolChoice": "custom", "CustomTool": tools[0]}
    if choice == "required":
        notes.add("downgraded", "tool_choice", "'required' became 'auto': one tool can be forced here, not any of them")
        choice = "auto"
    return {"ToolChoice": choice} if choice else {}
