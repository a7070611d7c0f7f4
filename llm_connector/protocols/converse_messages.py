"""Conversations in the form of Bedrock's Converse.

They are rendered as Anthropic's Messages are, whose rules hold here as well, and then spelled for this wire.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html (checked 2026-11)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeAlias

from llm_connector.protocols.anthropic_messages import MessagesForm
from llm_connector.protocols.converse_models import Family
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.protocols.turns import stand_in
from llm_connector.types import (
    AnyPart,
    Audio,
    Document,
    Image,
    Message,
    Notes,
    Opaque,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Video,
)

__all__ = ["ConverseForm", "cache_point", "system_blocks", "wire_turns"]

Block: TypeAlias = dict[str, Any]
Media: TypeAlias = Image | Document | Audio | Video

_CALL_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}").fullmatch
_SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}").fullmatch
_CITATION_KEYS = frozenset({"title", "source", "sourceContent", "location"})
_FORMATS: dict[str, dict[str, str]] = {
    "image": {kind: kind for kind in ("png", "jpeg", "gif", "webp")} | {"jpg": "jpeg"},
    "video": {kind: kind for kind in ("mp4", "webm", "mpeg", "mkv", "mov", "flv", "mpg", "wmv")}
    | {"quicktime": "mov", "x-matroska": "mkv", "x-flv": "flv", "x-ms-wmv": "wmv", "3gpp": "three_gp"},
    "audio": {kind: kind for kind in ("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "webm", "m4a", "mpeg")}
    | {"x-wav": "wav", "wave": "wav", "vnd.wave": "wav", "x-m4a": "m4a", "x-flac": "flac", "pcm": "pcm"},
    "document": {
        "application/pdf": "pdf",
        "text/csv": "csv",
        "text/html": "html",
        "text/markdown": "md",
        "application/msword": "doc",
        "application/vnd.ms-excel": "xls",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    },
}
_TEXTUAL = re.compile(r"text/|application/(?:\w+\+)?(?:json|xml|x?-?yaml)$")
_FILLER = "."
"""The least text that is taken where there must be one: white space is refused."""


class ConverseForm(MessagesForm):
    """Renders one conversation into blocks with a `type`; those with a `block` hold what goes onto the wire.

    `refused` names the kinds of media that the model has refused.
    """

    __slots__ = ("_family", "_refused", "_titles")

    def __init__(
        self, messages: Sequence[Message], names: ToolNames, notes: Notes, family: Family, refused: Collection[str]
    ) -> None:
        super().__init__(messages, names, notes)
        self._family = family
        self._refused = refused
        self._titles: set[str] = set()

    def _system(self, messages: Sequence[Message]) -> str | list[Block] | None:
        parts = [part for message in messages for part in message.parts]
        if not any(isinstance(part, Opaque) for part in parts):
            return super()._system(messages)
        blocks = [self._block(item, "user") if isinstance(item, Opaque) else self._text(self._system_part(item))
                  for item in parts]  # fmt: skip
        return [block for block in blocks if block is not None]

    def _block(self, part: AnyPart, role: str) -> Block | None:
        match part:
            case Opaque():
                return {"type": "opaque", "block": dict(part.data)}
            case Video() | Audio() if role == "user":
                return self._media(part)
            case ToolCall() if part.error and part.arguments_raw and not part.arguments:
                self._notes.add("converted", "tool call", "arguments that are no object became the text of one")
                block = super()._block(part, role)
                return {**(block or {}), "input": {"arguments": part.arguments_raw}}
            case _:
                return super()._block(part, role)

    def _text(self, part: Text, *, cited: bool = False) -> Block | None:
        if not part.text.strip():
            return None  # refused here even beside other blocks
        block = super()._text(part)
        if block is not None and cited and part.citations and all(map(_own_citation, part.citations)):
            block["citations"] = part.citations
        return block

    def _thought(self, part: Reasoning) -> Block | None:
        if self._family.signs:
            return super()._thought(part)
        if part.provider:
            self._notes.add("dropped", "reasoning", "this model does not take its thoughts back")
        return None

    def _media(self, part: Media) -> Block:
        kind = part.type
        if isinstance(part, Image) and part.detail:
            self._notes.add("dropped", "image detail", "this wire format has no such hint")
        if kind in self._refused:
            return self._replaced(part, "this model cannot read it")
        if part.data is None and not (part.url or "").startswith("s3://"):
            return self._replaced(part, "this server loads nothing from the web: pass the bytes")
        form = _format(part)
        if form is None:
            return self._replaced(part, f"this wire format has no {kind} of that type")
        source: Block = {"bytes": part.data} if part.url is None else {"s3Location": {"uri": part.url}}
        wire: Block = {"format": form, "source": source}
        if isinstance(part, Document):
            wire["name"] = self._title(part)
            if part.citations:
                wire["citations"] = {"enabled": True}
        return self._marked({"type": kind, "block": {kind: wire}}, part.cache)

    def _replaced(self, part: AnyPart, reason: str) -> Block:
        return {"type": "text", "text": stand_in(part, reason, self._notes)}

    def _title(self, part: Document) -> str:
        """The name as the wire takes it: no dots, and no name twice."""
        stem = re.sub(r"\.\w{1,5}$", "", part.name or "document")
        base = " ".join(re.sub(r"[^a-zA-Z0-9()\[\] _-]", " ", stem).split())[:190] or "document"
        title, count = base, 1
        while title in self._titles:
            count += 1
            title = f"{base} {count}"
        self._titles.add(title)
        if part.name and title != part.name:
            self._notes.add("renamed", f"document {part.name!r}", f"sent as {title!r}: names hold no dots here")
        return title

    def _result(self, part: ToolResult) -> Block:
        shown = self._family.shown
        parts = [
            item if isinstance(item, Text) or _kind_in_result(item) in shown
            else Text(stand_in(item, "this model takes no such tool results", self._notes))
            for item in part.parts
        ]  # fmt: skip
        block = super()._result(part.model_copy(update={"parts": parts}))
        if part.error and not block.get("content"):
            block["content"] = _FILLER
        return block

    def _id(self, call_id: str) -> str:
        if self._family.short_ids:
            return call_id if _SHORT_ID(call_id) else _digest(call_id)[:9]
        if _CALL_ID(call_id):
            return call_id
        wire = super()._id(call_id)
        return wire if len(wire) <= 64 else f"{wire[:55]}_{_digest(wire)[:8]}"


def wire_turns(turns: Iterable[dict[str, Any]], family: Family, notes: Notes) -> list[dict[str, Any]]:
    """The turns with blocks as the wire spells them, and with what the family demands of their order."""
    ready: list[dict[str, Any]] = []
    for turn in turns:
        blocks = _blocks(turn["content"])
        if not ready and turn["role"] == "assistant" and not family.opens:
            notes.add("converted", "assistant message", "a user turn was put before the first one, which must be there")
            ready.append({"role": "user", "content": [{"text": _FILLER}]})
        results = [block for block in blocks if block["type"] == "tool_result"]
        others = blocks[len(results) :]
        if results and any(block["type"] in family.apart for block in others):
            notes.add("converted", "user message", "a short answer stands between it and the tool results before it")
            ready.append({"role": "user", "content": _wire(results, family, notes)})
            ready.append({"role": "assistant", "content": [{"text": _FILLER}]})
            blocks = others
        if any(block["type"] == "document" for block in blocks) and not any("text" in block for block in blocks):
            notes.add("converted", "document", "a text was put beside it, which must be there")
            blocks = [*blocks, {"type": "text", "text": _FILLER}]
        ready.append({"role": turn["role"], "content": _wire(blocks, family, notes)})
    return ready


def system_blocks(system: Any, family: Family, notes: Notes) -> list[Block]:
    """The system prompt as the wire spells it."""
    return _wire(_blocks(system), family, notes)


def cache_point(control: dict[str, str], family: Family) -> Block:
    """The mark of the end of what is to be cached."""
    lasts = {"ttl": control["ttl"]} if "ttl" in control and family.caches == "everywhere" else {}
    return {"cachePoint": {"type": "default", **lasts}}


def _wire(blocks: Iterable[Block], family: Family, notes: Notes) -> list[Block]:
    """The blocks as the wire spells them, each mark as a cache point behind its block."""
    blocks = list(blocks)
    calls = any(block["type"] in ("tool_use", "tool_result") for block in blocks)
    wire: list[Block] = []
    for block in blocks:
        spelled = _spelled(block)
        control = block.get("cache_control") or _inner_mark(block)
        if control is None:
            wire.append(spelled)
        elif family.caches == "prompts" and calls:
            notes.add("dropped", "cache", "this model takes no mark here")
            wire.append(spelled)
        elif block["type"] not in ("document", "video"):
            if "ttl" in control and family.caches == "prompts":
                notes.add("dropped", "cache lifetime", "this model has one only")
            wire += [spelled, cache_point(control, family)]
        elif wire:  # refused directly behind a document
            wire += [cache_point(control, family), spelled]
        else:
            notes.add("dropped", "cache", f"no mark may stand behind a {block['type']}")
            wire.append(spelled)
    return wire


def _spelled(block: Block) -> Block:
    match block["type"]:
        case "text" if "citations" in block:
            return {"citationsContent": {"content": [{"text": block["text"]}], "citations": block["citations"]}}
        case "text":
            return {"text": block["text"]}
        case "thinking":
            return {"reasoningContent": {"reasoningText": {"text": block["thinking"], "signature": block["signature"]}}}
        case "redacted_thinking":
            return {"reasoningContent": {"redactedContent": block["data"]}}
        case "tool_use":
            return {"toolUse": {"toolUseId": block["id"], "name": block["name"], "input": block["input"]}}
        case "tool_result":
            content = [_spelled(inner) for inner in _blocks(block.get("content") or "")]
            status = {"status": "error"} if block.get("is_error") else {}
            return {"toolResult": {"toolUseId": block["tool_use_id"], "content": content, **status}}
        case _:
            spelled: Block = block["block"]
            return spelled


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _inner_mark(block: Block) -> dict[str, str] | None:
    """The mark of something inside a tool result, which cannot stand there."""
    content = block.get("content")
    marks = (inner.get("cache_control") for inner in content) if isinstance(content, list) else ()
    return next((mark for mark in marks if mark), None)


def _blocks(content: str | list[Block]) -> list[Block]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content


def _format(part: Media) -> str | None:
    """The wire's word for the type of a part; by the end of its name where it lies in S3."""
    known = _FORMATS[part.type]
    media_type = (part.media_type or "").lower()
    if part.url is not None and not media_type:
        suffix = part.url.rpartition(".")[2].lower()
        words = {*known.values(), "txt"} if part.type == "document" else {*known.values()}
        return {"jpg": "jpeg", "3gp": "three_gp"}.get(suffix, suffix if suffix in words else None)
    if part.type == "document":
        return known.get(media_type) or ("txt" if _TEXTUAL.match(media_type) else None)
    return known.get(media_type.partition("/")[2])


def _kind_in_result(part: Image | Document) -> str:
    """What kind of media a tool result shows: documents that are text are taken where others are not."""
    return "text" if isinstance(part, Document) and _TEXTUAL.match(part.media_type or "") else part.type


def _own_citation(citation: dict[str, Any]) -> bool:
    """Whether a citation is of this wire format, and can be sent back."""
    location = citation.get("location")
    sendable = isinstance(location, dict) and "searchResultLocation" not in location
    return sendable and citation.keys() <= _CITATION_KEYS
