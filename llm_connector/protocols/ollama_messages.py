"""Messages in Ollama's own form: a text, and beside it pictures, thoughts and calls.

https://docs.ollama.com/api/chat (checked 2026-11)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from llm_connector.protocols.turns import NO_CITATIONS, stand_in
from llm_connector.types import (
    AnyPart,
    Document,
    Image,
    Message,
    Notes,
    Opaque,
    PlainTurn,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    parsed_arguments,
)

__all__ = ["NO_MARKS", "render_messages"]

NO_MARKS = "this wire format has no cache marks; the server caches prompts by itself"

_TEXTUAL = re.compile(r"text/.+|application/(?:json|xml|yaml)").fullmatch


def render_messages(messages: Sequence[Message], notes: Notes) -> list[dict[str, Any]]:
    """The wire's messages; one of ours with several tool results becomes several of theirs."""
    names: dict[str, str] = {}
    rendered: list[dict[str, Any]] = []
    for message in messages:
        if type(message) is PlainTurn:
            rendered.append({"role": message.role, "content": message.text})
            continue
        parts = message.parts
        if message.name is not None:
            notes.add("dropped", "name", "messages of this wire format have no names")
        if len(parts) == 1 and type(parts[0]) is Text and not parts[0].cache:
            rendered.append({"role": message.role, "content": parts[0].text})
            continue
        if any(part.cache for part in parts):
            notes.add("dropped", "cache", NO_MARKS)
        names.update({part.id: part.name for part in parts if isinstance(part, ToolCall)})
        results = [part for part in parts if isinstance(part, ToolResult)]
        rendered.extend(_result(part, names, notes) for part in results)
        rest = [part for part in parts if not isinstance(part, ToolResult)]
        if rest or not results:
            rendered.append(_turn(message.role, rest, notes))
    return rendered


def _turn(role: str, parts: Sequence[AnyPart], notes: Notes) -> dict[str, Any]:
    content, images = _content(parts, notes)
    wire: dict[str, Any] = {"role": role, "content": content}
    thoughts = "".join(part.text for part in parts if isinstance(part, Reasoning))
    if thoughts:
        wire["thinking"] = thoughts
    if images:
        wire["images"] = images
    calls = [_call(part, notes) for part in parts if isinstance(part, ToolCall)]
    if calls:
        wire["tool_calls"] = calls
    return wire


def _content(parts: Sequence[AnyPart], notes: Notes) -> tuple[str, list[str]]:
    """The text, with a paragraph for each part that only text can stand for, and the pictures as bare base64."""
    text, images = "", []
    apart = False
    for part in parts:
        if isinstance(part, Reasoning | ToolCall):
            continue
        if isinstance(part, Image) and part.data is not None:
            # `data:` prefixes and URLs are refused: the server reads the field as base64.
            images.append(part.data)
            continue
        if isinstance(part, Opaque):
            notes.add("dropped", "opaque", "this wire format has no such block")
            continue
        plain = isinstance(part, Text)
        piece = part.text if isinstance(part, Text) else _told(part, notes)
        if piece:
            text += f"\n\n{piece}" if text and (apart or not plain) else piece
            apart = not plain
    return text, images


def _told(part: AnyPart, notes: Notes) -> str:
    """A part as text: the content of a text document, a stand-in for anything else."""
    if isinstance(part, Image):
        return stand_in(part, "this wire format takes embedded images only, no URLs", notes)
    if isinstance(part, Document) and part.citations:
        notes.add("dropped", "citations", NO_CITATIONS)
    if isinstance(part, Document) and part.data is not None and _TEXTUAL(part.media_type or ""):
        title = f"{part.name}:\n" if part.name else ""
        return title + part.decode().decode("utf-8", "replace")
    return stand_in(part, "this wire format has no form for it", notes)


def _call(call: ToolCall, notes: Notes) -> dict[str, Any]:
    arguments, problem = call.arguments, None
    if not arguments:
        arguments, problem = parsed_arguments(call.arguments_raw)
    if problem:
        notes.add("converted", f"tool call {call.name!r}", f"sent without arguments: {problem}")
    # Text in place of the object is refused: https://github.com/ollama/ollama/issues/6155
    return {"id": call.id, "function": {"name": call.name, "arguments": arguments}, **(call.extra or {})}


def _result(result: ToolResult, names: Mapping[str, str], notes: Notes) -> dict[str, Any]:
    content, images = _content(result.parts, notes)
    wire: dict[str, Any] = {"role": "tool", "content": f"Error: {content}" if result.error else content}
    name = result.name or names.get(result.call_id)
    if name:
        wire["tool_name"] = name
    wire["tool_call_id"] = result.call_id
    if images:
        wire["images"] = images
    return wire
