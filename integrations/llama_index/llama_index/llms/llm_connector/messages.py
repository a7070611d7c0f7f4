"""LlamaIndex's messages as those of llm-connector.

https://developers.llamaindex.ai/python/framework-api-reference/llms/ (checked 2026-11)
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator, Mapping, Sequence
from io import IOBase
from pathlib import Path
from typing import Any, Final

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock

from llm_connector import ConfigurationError
from llm_connector.types import (
    AnyPart,
    Audio,
    Document,
    Image,
    Message,
    Opaque,
    PlainTurn,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Video,
    conversation,
    parsed_arguments,
    tool_result,
)

__all__ = ["OPAQUE", "STATE", "call_id_of", "to_core"]

OPAQUE: Final = "opaque"
"""The type of a `ThinkingBlock` that carries a block which only its provider understands."""

STATE: Final = ("provider", "signature", "encrypted", "id", "field", "details")
"""What goes back with a thought, in the `additional_information` of its block."""

_ROLES: Mapping[MessageRole, Role] = {
    MessageRole.SYSTEM: "system",
    MessageRole.DEVELOPER: "system",
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.TOOL: "tool",
    MessageRole.FUNCTION: "tool",
}
_NO_RESULT = "No result: the call was not carried out."
_UNTITLED = "input_document"
"""The title that LlamaIndex gives to documents without one."""

_log = logging.getLogger(__name__)


def to_core(messages: Sequence[ChatMessage]) -> list[Message]:
    """The conversation as the clients take it. Raises ConfigurationError that names the position.

    Memories cut conversations anywhere: tool results without their call are left out, calls without a result get a
    note for one. Both are logged.
    """
    whole = _Conversation()
    turns, settled = whole.turns, True
    for position, message in enumerate(messages):
        blocks, role = message.blocks, _ROLES[message.role]
        plain = settled and len(blocks) == 1 and not message.additional_kwargs and role != "tool"
        if plain and type(block := blocks[0]) is TextBlock and block.text:
            turns.append(PlainTurn(role, block.text))
            continue
        try:
            whole.add(role, message)
        except (ConfigurationError, OSError, TypeError, ValueError) as error:
            raise ConfigurationError(f"messages[{position}]: {error}") from error
        settled = whole.settled
    whole.settle()
    return turns


class _Conversation:
    """Turns, in which every call has its result."""

    def __init__(self) -> None:
        self.turns: list[Message] = []
        self._waiting: dict[str, str] = {}
        """Calls without a result: names by id."""
        self._late: list[AnyPart] = []
        """What results cannot hold; a user's turn shows it after them."""

    @property
    def settled(self) -> bool:
        return not (self._waiting or self._late)

    def add(self, role: Role, message: ChatMessage) -> None:
        if role == "tool":
            self._add_result(message)
            return
        self.settle()
        sent = _sent_calls(message) if role == "assistant" else {}
        parts = list(_parts(message.blocks, sent))
        if role == "assistant":
            if not any(isinstance(part, ToolCall) for part in parts):
                parts.extend(_old_calls(message))
            self._waiting = {part.id: part.name for part in parts if isinstance(part, ToolCall)}
        if parts or role != "system":  # an empty system prompt says nothing
            name = message.additional_kwargs.get("name")
            self.turns.append(Message(role=role, parts=parts, name=name if isinstance(name, str) else None))

    def _add_result(self, message: ChatMessage) -> None:
        call_id = message.additional_kwargs.get("tool_call_id") or next(iter(self._waiting), None)
        if call_id not in self._waiting:
            _log.warning("A tool result is left out, since the call that it answers (%s) is not there.", call_id)
            return
        parts = list(_parts(message.blocks, {}))
        shown = [part for part in parts if isinstance(part, Text | Image | Document)]
        self._late.extend(part for part in parts if not isinstance(part, Text | Image | Document))
        result = ToolResult(call_id=call_id, name=self._waiting.pop(call_id), parts=shown)
        self.turns.append(Message(role="tool", parts=[result]))

    def settle(self) -> None:
        """End the tool turns."""
        for call_id, name in self._waiting.items():
            _log.warning("The call %s of the tool %s has no result; a note takes its place.", call_id, name)
            self.turns.append(tool_result(call_id, _NO_RESULT, name=name))
        if self._late:
            self.turns.append(Message(role="user", parts=self._late))
        self._waiting, self._late = {}, []


def call_id_of(block: Any, position: int) -> str:
    """The id of a call, the same each time it is asked for; `position` is that of its block."""
    return block.tool_call_id or f"call_{position}_{block.tool_name}"


def _sent_calls(message: ChatMessage) -> Mapping[str, Mapping[str, Any]]:
    """The calls of `additional_kwargs` by id: they keep what a block has no place for."""
    calls = message.additional_kwargs.get("tool_calls") or ()
    return {call["id"]: call for call in calls if isinstance(call, Mapping) and call.get("id")}


def _old_calls(message: ChatMessage) -> list[ToolCall]:
    """Calls of memories from before there were blocks for them: dicts, or objects of an SDK."""
    calls = message.additional_kwargs.get("tool_calls") or ()
    dicts = [call if isinstance(call, Mapping) else call.model_dump(exclude_none=True) for call in calls]
    return conversation([{"role": "assistant", "tool_calls": dicts}])[0].tool_calls if dicts else []


def _parts(blocks: Sequence[Any], sent: Mapping[str, Mapping[str, Any]]) -> Iterator[AnyPart]:
    """Blocks as parts. A cache point marks the part before it."""
    held: AnyPart | None = None
    for position, block in enumerate(blocks):
        if block.block_type == "cache":
            if held is not None and "cache" in type(held).model_fields:
                ttl = block.cache_control.ttl
                held = held.model_copy(update={"cache": ttl if ttl in ("5m", "1h") else True})
            continue
        for part in _read(block, position, sent):
            if held is not None:
                yield held
            held = part
    if held is not None:
        yield held


def _read(block: Any, position: int, sent: Mapping[str, Mapping[str, Any]]) -> Iterator[AnyPart]:
    match block.block_type:
        case "text":
            if block.text:
                yield Text(block.text)
        case "image":
            yield _media(Image, block.image, block, block.image_mimetype, detail=block.detail)
        case "audio":
            yield _media(Audio, block.audio, block, block.format and f"audio/{block.format}")
        case "video":
            yield _media(Video, block.video, block, block.video_mimetype)
        case "document":
            name = {"name": block.title} if block.title not in (None, "", _UNTITLED) else {}
            yield _media(Document, block.data, block, block.document_mimetype, **name)
        case "citable":
            yield Text(f"{block.title} ({block.source}):\n")
            yield from _parts(block.content, {})
        case "citation":
            yield from _parts([block.cited_content], {})
        case "thinking":
            if (thought := _thought(block.content or "", block.additional_information)) is not None:
                yield thought
        case "tool_call":
            call_id = call_id_of(block, position)
            yield _call(block, call_id, sent.get(call_id, {}))
        case kind:
            raise ConfigurationError(f"a block of type {kind!r} cannot be sent to a model")


def _media(kind: type[Any], data: Any, block: Any, media_type: str | None, **fields: Any) -> Any:
    """Media from what a block holds: base64 (LlamaIndex encodes bytes), a file object, a path or a URL."""
    if isinstance(data, IOBase):
        data.seek(0)
        data = base64.b64encode(data.read())
    if data:
        if media_type:
            return kind.base64(media_type, data.decode(), **fields)
        return kind(base64.b64decode(data), **fields)
    if block.path:
        return kind(Path(block.path), **fields)
    url = str(block.url or "")
    if url.startswith("file://"):
        return kind(Path(url.removeprefix("file://")), **fields)
    if not url:
        raise ConfigurationError(f"a block of type {block.block_type!r} holds no data, path or URL")
    known = url[:8].lower().startswith(("http://", "https://", "data:"))
    return kind(url, **fields) if known else kind(url=url, **fields)  # s3:// and the like: some servers read them


def _thought(text: str, information: Mapping[str, Any]) -> Reasoning | Opaque | None:
    if information.get("type") == OPAQUE:
        return Opaque(provider=information.get("provider"), data=information["data"])
    state = {name: value for name in STATE if isinstance(value := information.get(name), str | list)}
    return Reasoning(text, **state) if text or state else None


def _call(block: Any, call_id: str, sent: Mapping[str, Any]) -> ToolCall:
    """A call with the provider's own text of its arguments, so that prompts stay the same for caches."""
    raw = str((sent.get("function") or {}).get("arguments") or "")
    given, error = block.tool_kwargs, None
    if isinstance(given, str):
        raw = given
        given, error = parsed_arguments(raw)
    elif raw and parsed_arguments(raw)[0] != given:
        raw = ""
    own = {name: sent[name] for name in ("provider", "extra") if name in sent}
    return ToolCall(id=call_id, name=block.tool_name, arguments=given, arguments_raw=raw, error=error, **own)
