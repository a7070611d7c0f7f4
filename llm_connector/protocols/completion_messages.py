"""Messages in the form of Chat Completions.

https://platform.openai.com/docs/api-reference/chat/create (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from llm_connector.protocols.tool_names import ToolNames
from llm_connector.protocols.turns import stand_in
from llm_connector.types import (
    AnyPart,
    Audio,
    Document,
    Image,
    Media,
    Message,
    Notes,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from llm_connector.wire import encode_json

__all__ = ["MessageForm", "Replay"]

Replay: TypeAlias = Literal["never", "tool_turns", "always"]
"""Which assistant turns are sent back with their reasoning."""


@dataclass(frozen=True, slots=True)
class MessageForm:
    """How one server wants its messages."""

    replay: Replay
    reasoning_field: str
    empty_content: str | None
    cache_control: bool
    names: ToolNames
    notes: Notes

    def render(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """The wire's messages; one of ours with several tool results becomes several of theirs."""
        rendered: list[dict[str, Any]] = []
        for message in messages:
            role = message.role
            parts = message.parts
            if len(parts) == 1 and type(parts[0]) is Text and role != "tool" and message.name is None:
                text = parts[0]
                if not text.cache or not self.cache_control:
                    rendered.append({"role": role, "content": text.text})
                    continue
            if role == "assistant":
                rendered.append(self._assistant(message))
            elif role == "tool":
                rendered.extend(self._results(parts))
            else:
                rendered.extend(self._other(message))
        return rendered

    def _other(self, message: Message) -> Iterator[dict[str, Any]]:
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        if results:
            yield from self._results(results)
        rest = [part for part in message.parts if not isinstance(part, ToolResult)]
        if rest or not results:
            named = {"name": message.name} if message.name else {}
            yield {"role": message.role, "content": self._content(rest), **named}

    def _content(self, parts: Sequence[AnyPart]) -> str | list[dict[str, Any]]:
        marked = self.cache_control and any(getattr(part, "cache", None) for part in parts)
        if not marked and all(isinstance(part, Text) for part in parts):
            return "".join(part.text for part in parts if isinstance(part, Text))
        return [self._part(part) for part in parts if not (isinstance(part, Text) and not part.text)]

    def _part(self, part: AnyPart) -> dict[str, Any]:
        wire = self._bare_part(part)
        cache = getattr(part, "cache", None)
        if cache and self.cache_control:
            lifetime = {"ttl": cache} if isinstance(cache, str) else {}
            wire["cache_control"] = {"type": "ephemeral", **lifetime}
        return wire

    def _bare_part(self, part: AnyPart) -> dict[str, Any]:
        match part:
            case Text():
                return {"type": "text", "text": part.text}
            case Image():
                detail = {"detail": part.detail} if part.detail else {}
                return {"type": "image_url", "image_url": {"url": part.data_url, **detail}}
            case Audio(data=str(data)):
                kind = (part.media_type or "").rpartition("/")[2]
                return {"type": "input_audio", "input_audio": {"data": data, "format": _AUDIO_FORMATS.get(kind, kind)}}
            case Document(data=str()):
                if part.media_type is not None and part.media_type.startswith("text/"):
                    title = f"{part.name}:\n" if part.name else ""
                    return {"type": "text", "text": title + part.decode().decode("utf-8", "replace")}
                name = part.name or "document.pdf"
                return {"type": "file", "file": {"filename": name, "file_data": part.data_url}}
            case Video():
                return {"type": "video_url", "video_url": {"url": part.data_url}}
            case _:
                return {"type": "text", "text": stand_in(part, "this wire format has no form for it", self.notes)}

    def _assistant(self, message: Message) -> dict[str, Any]:
        calls = [self._call(part) for part in message.parts if isinstance(part, ToolCall)]
        text = message.text
        wire: dict[str, Any] = {"role": "assistant", "content": text or (self.empty_content if calls else "")}
        if message.name:
            wire["name"] = message.name
        if calls:
            wire["tool_calls"] = calls
        if self.replay == "always" or (self.replay == "tool_turns" and calls):
            self._replay(message, wire)
        for part in message.parts:
            if isinstance(part, Media):
                note = stand_in(part, "assistant turns of this wire format hold text only", self.notes)
                wire["content"] = f"{wire['content'] or ''}{note}"
        return wire

    def _replay(self, message: Message, wire: dict[str, Any]) -> None:
        thoughts = [part for part in message.parts if isinstance(part, Reasoning)]
        field = next((part.field for part in thoughts if part.field), None) or self.reasoning_field
        text = "".join(part.text for part in thoughts)
        if field == "content":
            wire["content"] = f"<think>\n{text}\n</think>\n\n{wire['content'] or ''}" if text else wire["content"]
        elif field != "reasoning_details":
            # A lost thought is sent as "": servers that want it back refuse a turn without the key.
            # https://api-docs.deepseek.com/guides/thinking_mode (checked 2026-11)
            wire[field] = text
        details = [entry for part in thoughts for entry in part.details or ()]
        if details:
            wire["reasoning_details"] = details

    def _call(self, call: ToolCall) -> dict[str, Any]:
        arguments = call.arguments_raw
        if arguments.strip() in _NO_ARGUMENTS:  # `null` breaks the chat templates of several servers
            arguments = encode_json(call.arguments).decode() if call.arguments else "{}"
        function = {"name": self.names.wire(call.name), "arguments": arguments}
        return {"id": call.id, "type": "function", "function": function, **(call.extra or {})}

    def _results(self, parts: Sequence[AnyPart]) -> Iterator[dict[str, Any]]:
        shown: list[Image | Document] = []
        for part in parts:
            if not isinstance(part, ToolResult):
                continue
            text = part.text
            media = [item for item in part.parts if isinstance(item, Image | Document)]
            if media:
                # The wire's tool messages hold text only, so pictures follow in a user turn.
                self.notes.add("converted", "tool result", "its images and documents follow as a user message")
                shown.extend(media)
                text = text or "See the following message."
            yield {"role": "tool", "tool_call_id": part.call_id, "content": f"Error: {text}" if part.error else text}
        if shown:
            yield {"role": "user", "content": [self._part(item) for item in shown]}


_NO_ARGUMENTS = ("", "null", '"null"', '""')
_AUDIO_FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav"}
