"""Conversations as the items of the Responses wire format.

https://platform.openai.com/docs/api-reference/responses/create#responses-create-input (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from llm_connector.protocols.completion_messages import NO_MARKS, audio_format, plain_text, short_id
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.protocols.turns import NO_CITATIONS, stand_in
from llm_connector.types import (
    AnyPart,
    Audio,
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
)
from llm_connector.wire import encode_json

__all__ = ["CUSTOM_CALL", "ItemForm", "bare_reasoning", "phase_mark"]

Item: TypeAlias = dict[str, Any]

CUSTOM_CALL = "custom_tool_call"
"""The `type` in `ToolCall.extra` of a call whose input is free text."""

_NO_ARGUMENTS = ("", "null")
_LONGEST_ID = 64
"""Of a call: `string too long … maximum length 64`."""


class ItemForm:
    """Renders one conversation.

    `stored` says that the server has the items of earlier answers by their ids, `refused` which thoughts it refused.
    """

    __slots__ = ("_custom", "_names", "_notes", "_refused", "_stored")

    def __init__(self, names: ToolNames, notes: Notes, *, stored: bool = False, refused: Collection[str] = ()) -> None:
        self._names = names
        self._notes = notes
        self._stored = stored
        self._refused = refused
        self._custom: set[str] = set()

    def render(self, messages: Sequence[Message]) -> list[Item]:
        """The wire's items; one of our messages becomes several of them where it thinks, calls or answers calls."""
        items: list[Item] = []
        for message in messages:
            if type(message) is PlainTurn:
                items.append({"role": message.role, "content": message.text})
                continue
            if message.name:
                self._notes.add("dropped", "name", "this wire format does not tell participants of one role apart")
            if message.role == "assistant":
                items.extend(self._assistant(message))
            else:
                items.extend(self._other(message))
        return items

    def _other(self, message: Message) -> Iterator[Item]:
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        yield from map(self._result, results)
        rest = [part for part in message.parts if not isinstance(part, ToolResult)]
        if rest:
            yield {"role": "user" if message.role == "tool" else message.role, "content": self._content(rest)}

    def _content(self, parts: Sequence[AnyPart]) -> str | list[Item]:
        for part in parts:
            self._unmarked(part)
        if all(isinstance(part, Text) for part in parts):
            return "".join(part.text for part in parts if isinstance(part, Text))
        return [self._part(part) for part in parts if not (isinstance(part, Text) and not part.text)]

    def _part(self, part: AnyPart) -> Item:
        match part:
            case Text():
                return {"type": "input_text", "text": part.text}
            case Image(file_id=str(file_id)):
                return {"type": "input_image", "file_id": file_id, "detail": part.detail or "auto"}
            case Image():
                return {"type": "input_image", "image_url": part.data_url, "detail": part.detail or "auto"}
            case Document(data=None):
                if part.name:
                    self._notes.add("dropped", "document name", "only documents given as bytes have a name here")
                source = {"file_id": part.file_id} if part.url is None else {"file_url": part.url}
                return {"type": "input_file", **source}
            case Document():
                text = plain_text(part)
                if text is not None:
                    return {"type": "input_text", "text": text}
                name = part.name or "document.pdf"
                return {"type": "input_file", "filename": name, "file_data": part.data_url}
            case Audio(data=str(data)):
                return {"type": "input_audio", "input_audio": {"data": data, "format": audio_format(part)}}
            case Opaque():
                return dict(part.data)
            case _:
                reason = "this wire format has no form for it"
                return {"type": "input_text", "text": stand_in(part, reason, self._notes)}

    def _assistant(self, message: Message) -> Iterator[Item]:
        """The items of a turn, in their order: a thought belongs to what follows it."""
        # Not even an empty text may stand between a thought and what follows it.
        parts = [part for part in self._followed(message.parts) if not (isinstance(part, Text) and not part.text)]
        texts: list[str] = []
        for part in parts:
            self._unmarked(part)
            if isinstance(part, Text):
                texts.append(part.text)
                continue
            if isinstance(part, Media):
                texts.append(stand_in(part, "assistant turns of this wire format hold text only", self._notes))
                continue
            if isinstance(part, Opaque) and part.data == phase_mark(part.data.get("phase")):
                yield from _said(texts, part.data["phase"])
                continue
            item = self._item(part)
            if item is not None:
                yield from _said(texts)
                yield item
        yield from _said(texts if parts else [""])

    def _item(self, part: AnyPart) -> Item | None:
        match part:
            case Reasoning():
                return self._thought(part)
            case ToolCall():
                return self._call(part)
            case ToolResult():
                return self._result(part)
            case Opaque():
                return dict(part.data)
            case _:
                return None

    def _followed(self, parts: list[AnyPart]) -> list[AnyPart]:
        """The parts up to the last one that is no thought: `reasoning … without its required following item`."""
        end = len(parts)
        while end and isinstance(parts[end - 1], Reasoning):
            end -= 1
        if end < len(parts):
            self._notes.add("dropped", "reasoning", "a turn cannot end with a thought here")
        return parts[:end]

    def _thought(self, part: Reasoning) -> Item | None:
        if part.encrypted in self._refused:
            self._notes.add("dropped", "reasoning", "the server refused its encrypted content")
            return None
        item = dict(part.details[0]) if part.details and _is_reasoning(part.details[0]) else bare_reasoning(part.text)
        if part.id:
            item["id"] = part.id
        if part.encrypted:
            item["encrypted_content"] = part.encrypted
        elif not (item.get("content") or (self._stored and part.id)):
            # `Item with id 'rs_…' not found. Items are not persisted when store is set to false.`
            self._notes.add("dropped", "reasoning", "it came without the encrypted content that this server wants back")
            return None
        return item

    def _call(self, call: ToolCall) -> Item:
        extra = dict(call.extra or {})
        if extra.get("type") == CUSTOM_CALL:
            self._custom.add(call.id)
            return {"call_id": short_id(call.id, _LONGEST_ID), "name": call.name, "input": call.arguments_raw, **extra}
        arguments = call.arguments_raw
        if arguments.strip() in _NO_ARGUMENTS:
            arguments = encode_json(call.arguments).decode() if call.arguments else "{}"
        name = self._names.wire(call.name)
        return {
            **extra,
            "type": "function_call",
            "call_id": short_id(call.id, _LONGEST_ID),
            "name": name,
            "arguments": arguments,
        }

    def _result(self, part: ToolResult) -> Item:
        self._unmarked(part)
        content = self._content(part.parts)
        if part.error:
            content = f"Error: {content}" if isinstance(content, str) else [_text("Error:"), *content]
        kind = "custom_tool_call_output" if part.call_id in self._custom else "function_call_output"
        return {"type": kind, "call_id": short_id(part.call_id, _LONGEST_ID), "output": content}

    def _unmarked(self, part: AnyPart) -> None:
        if part.cache:
            self._notes.add("dropped", "cache", NO_MARKS)
        if isinstance(part, Document) and part.citations:
            self._notes.add("dropped", "citations", NO_CITATIONS)


def bare_reasoning(text: str) -> Item:
    """The item of a thought of which no more than a summary is known."""
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": text}] if text else []}


def phase_mark(phase: str | None) -> Item:
    """What stands behind the text of a message that names its phase, which the server wants back.

    https://platform.openai.com/docs/api-reference/responses/create (checked 2026-11)
    """
    return {"type": "message", "phase": phase}


def _is_reasoning(details: Mapping[str, Any]) -> bool:
    return details.get("type") == "reasoning" and isinstance(details.get("summary"), list)


def _said(texts: list[str], phase: str | None = None) -> Iterable[Item]:
    """The message of these texts; empties the list."""
    if not texts:
        return ()
    item = {"role": "assistant", "content": "".join(texts), **({"phase": phase} if phase else {})}
    texts.clear()
    return (item,)


def _text(text: str) -> Item:
    return {"type": "input_text", "text": text}
