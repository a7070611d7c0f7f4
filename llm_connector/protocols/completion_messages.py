"""Messages in the form of Chat Completions.

https://platform.openai.com/docs/api-reference/chat/create (checked 2026-11)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from llm_connector.protocols.tool_names import ToolNames
from llm_connector.protocols.turns import NO_CITATIONS, cache_control, stand_in
from llm_connector.types import (
    AnyPart,
    Audio,
    CacheMark,
    Document,
    Image,
    Media,
    Message,
    Notes,
    Opaque,
    PlainTurn,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from llm_connector.wire import encode_json

__all__ = [
    "ENCRYPTED",
    "NO_MARKS",
    "THINKING_PARTS",
    "MessageForm",
    "Replay",
    "audio_format",
    "mark_prompt",
    "plain_text",
    "short_id",
]

Replay: TypeAlias = Literal["never", "tool_turns", "always"]
"""Which assistant turns are sent back with their reasoning."""


@dataclass(slots=True)
class MessageForm:
    """How one server wants its messages; the fields are those of the protocol.

    `lost_reasoning` stands in a turn with calls whose thoughts are gone; None sends nothing in their place.
    """

    replay: Replay
    reasoning_field: str
    lost_reasoning: str | None
    longest_id: int | None
    empty_content: str | None
    empty_turns: bool
    cache_control: bool
    image_urls: bool
    audio_urls: str
    names: ToolNames
    notes: Notes

    def render(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """The wire's messages; one of ours with several tool results becomes several of theirs."""
        rendered: list[dict[str, Any]] = []
        shown: list[dict[str, Any]] = []
        for message in messages:
            role = message.role
            if type(message) is PlainTurn and not shown:
                rendered.append({"role": role, "content": message.text})
                continue
            parts = message.parts
            if len(parts) == 1 and type(parts[0]) is Text and message.name is None and role != "tool" and not shown:
                text = parts[0]
                if not text.cache:
                    rendered.append({"role": role, "content": text.text})
                    continue
            if role == "tool":
                rendered.extend(self._results(parts, shown))
            elif role == "assistant":
                rendered.extend(_pictures(shown))
                rendered.extend(self._assistant(message))
            else:
                rendered.extend(self._other(message, shown))
        rendered.extend(_pictures(shown))
        return rendered

    def _other(self, message: Message, shown: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        yield from self._results(message.parts, shown)
        yield from _pictures(shown)
        rest = [part for part in message.parts if not isinstance(part, ToolResult)]
        if rest:
            named = {"name": message.name} if message.name else {}
            yield {"role": message.role, "content": self._content(rest), **named}

    def _content(self, parts: Sequence[AnyPart]) -> str | list[dict[str, Any]]:
        marked = any(self._cache(part) for part in parts)
        if not marked and all(isinstance(part, Text) for part in parts):
            return "".join(part.text for part in parts if isinstance(part, Text))
        return [self._part(part) for part in parts if not (isinstance(part, Text) and not part.text)]

    def _part(self, part: AnyPart) -> dict[str, Any]:
        wire = self.bare_part(part)
        if isinstance(part, Document) and part.citations:
            self.notes.add("dropped", "citations", NO_CITATIONS)
        mark = self._cache(part)
        return {**wire, "cache_control": cache_control(mark)} if mark else wire

    def _cache(self, part: AnyPart, *, possible: bool = True) -> CacheMark:
        """The part's cache mark, if this server takes it here; else it is reported."""
        mark = part.cache
        if mark and not (possible and self.cache_control):
            self.notes.add("dropped", "cache", NO_MARKS)
            return None
        return mark

    def bare_part(self, part: AnyPart) -> dict[str, Any]:
        """A part of a turn, without its cache mark."""
        match part:
            case Text():
                return {"type": "text", "text": part.text}
            case Document(file_id=str(file_id)):
                if part.name:
                    self.notes.add("dropped", "document name", "uploaded files keep the name they have")
                return {"type": "file", "file": {"file_id": file_id}}
            case Media(file_id=str()):
                return {"type": "text", "text": stand_in(part, "this wire format has no form for it", self.notes)}
            case Image(url=str()) if not self.image_urls:
                return {"type": "text", "text": stand_in(part, "this server reads embedded images only", self.notes)}
            case Image():
                detail = {"detail": part.detail} if part.detail else {}
                return {"type": "image_url", "image_url": {"url": part.data_url, **detail}}
            case Audio(url=str(url)) if self.audio_urls:
                return {"type": "input_audio", "input_audio": {self.audio_urls: url}}
            case Audio(data=str(data)):
                data = part.data_url if self.audio_urls == "data" else data
                return {"type": "input_audio", "input_audio": {"data": data, "format": audio_format(part)}}
            case Document(data=str()):
                text = plain_text(part)
                if text is not None:
                    return {"type": "text", "text": text}
                name = part.name or "document.pdf"
                return {"type": "file", "file": {"filename": name, "file_data": part.data_url}}
            case Video():
                return {"type": "video_url", "video_url": {"url": part.data_url}}
            case Opaque(provider=None):  # the caller's own, for this very server
                return part.data
            case _:
                return {"type": "text", "text": stand_in(part, "this wire format has no form for it", self.notes)}

    def _assistant(self, message: Message) -> Iterator[dict[str, Any]]:
        """The turn; none where nothing is left of it (thoughts are not always sent) and an empty one is refused."""
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
            self._cache(part, possible=False)
            if isinstance(part, Media):
                note = stand_in(part, "assistant turns of this wire format hold text only", self.notes)
                wire["content"] = f"{wire['content'] or ''}{note}"
            elif isinstance(part, Opaque):
                self.notes.add("dropped", "opaque", "this wire format has no form for it")
        if self.empty_turns or wire["content"] or len(wire) > 2:
            yield wire
        else:
            self.notes.add("dropped", "assistant message", "there is neither text nor a call in it")

    def _replay(self, message: Message, wire: dict[str, Any]) -> None:
        thoughts = [part for part in message.parts if isinstance(part, Reasoning)]
        field = next((part.field for part in thoughts if part.field), None) or self.reasoning_field
        text = "".join(part.text for part in thoughts)
        if field == "content":
            wire["content"] = f"<think>\n{text}\n</think>\n\n{wire['content'] or ''}" if text else wire["content"]
        elif field == THINKING_PARTS:
            answer = [{"type": "text", "text": wire["content"]}] if wire["content"] else []
            wire["content"] = [*map(_thinking_part, thoughts), *answer]
        elif thoughts and field != "reasoning_details":
            wire[field] = text
        elif not thoughts and self.lost_reasoning is not None and "tool_calls" in wire:
            # Servers that want thoughts back refuse a turn without the key.
            # https://api-docs.deepseek.com/guides/thinking_mode (checked 2026-11)
            wire[field] = self.lost_reasoning
        details = [entry for part in thoughts for entry in part.details or ()]
        if details:
            wire["reasoning_details"] = details
        sealed = "".join(part.encrypted or "" for part in thoughts)
        if sealed:
            wire[ENCRYPTED] = sealed

    def _call(self, call: ToolCall) -> dict[str, Any]:
        arguments = call.arguments_raw
        if arguments.strip() in _NO_ARGUMENTS:  # `null` breaks the chat templates of several servers
            arguments = encode_json(call.arguments).decode() if call.arguments else "{}"
        extra = call.extra or {}
        # A server's own tool, which its type tells, keeps its name.
        name = call.name if "type" in extra else self.names.wire(call.name)
        return {
            "id": self._id(call.id),
            "type": "function",
            "function": {"name": name, "arguments": arguments},
            **extra,
        }

    def _id(self, call_id: str) -> str:
        if self.longest_id is None or len(call_id) <= self.longest_id:
            return call_id
        self.notes.add("renamed", "ids of tool calls", f"this server takes {self.longest_id} characters at most")
        return short_id(call_id, self.longest_id)

    def _results(self, parts: Sequence[AnyPart], shown: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """A tool message per result. They hold text only: pictures go to `shown`, for a user turn after the last."""
        for part in parts:
            if not isinstance(part, ToolResult):
                continue
            self._cache(part, possible=False)
            text = part.text
            media = [self._part(item) for item in part.parts if isinstance(item, Image | Document)]
            if media:
                self.notes.add("converted", "tool result", "its images and documents follow as a user message")
                shown.extend(media)
                text = text or "See the following message."
            yield {
                "role": "tool",
                "tool_call_id": self._id(part.call_id),
                "content": f"Error: {text}" if part.error else text,
            }


def short_id(call_id: str, most: int) -> str:
    """The id of a call in that many characters, the same for the call and its result."""
    if len(call_id) <= most:
        return call_id
    digest = hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{call_id[: max(most - 17, 0)]}_{digest}"[:most]


def audio_format(part: Audio) -> str:
    """The wire's word for the kind of a sound."""
    kind = (part.media_type or "").rpartition("/")[2]
    return _AUDIO_FORMATS.get(kind, kind)


def plain_text(part: Document) -> str | None:
    """The text of an embedded document, below its name; None if it is not text."""
    if part.data is None or not (part.media_type or "").startswith("text/"):
        return None
    title = f"{part.name}:\n" if part.name else ""
    return title + part.decode().decode("utf-8", "replace")


def mark_prompt(body: dict[str, Any], mark: CacheMark) -> None:
    """Mark the ends of the tools, of the system prompt and of the last user turn, where they are not marked yet."""
    if body.get("tools"):
        body["tools"][-1].setdefault("cache_control", cache_control(mark))
    for role in ("system", "user"):
        last = next((message for message in reversed(body["messages"]) if message["role"] == role), None)
        if last is None or not last["content"]:
            continue
        if isinstance(last["content"], str):
            last["content"] = [{"type": "text", "text": last["content"]}]
        last["content"][-1].setdefault("cache_control", cache_control(mark))


def _thinking_part(thought: Reasoning) -> dict[str, Any]:
    """A thought as Mistral has it in content: https://docs.mistral.ai/capabilities/reasoning (checked 2026-11)."""
    part: dict[str, Any] = {"type": "thinking", "thinking": [{"type": "text", "text": thought.text}]}
    return {**part, "signature": thought.signature} if thought.signature else part


def _pictures(shown: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The user turn with what tool results showed; empties the list."""
    if shown:
        yield {"role": "user", "content": [*shown]}
        shown.clear()


ENCRYPTED = "encrypted_content"
"""Where Volcengine puts thoughts that only it can read."""
THINKING_PARTS = "content.thinking"
"""`Reasoning.field` of thoughts that came as parts of the content."""
NO_MARKS = "this place in this wire format has no cache mark; the server caches prompts by itself"
_NO_ARGUMENTS = ("", "null", '"null"', '""')
_AUDIO_FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav"}
