"""Reads Anthropic Messages answers, whole and streamed.

https://platform.claude.com/docs/en/build-with-claude/streaming (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from llm_connector.errors import ParseError, excerpt
from llm_connector.protocols.assembly import ReasoningBlock, TextBlock, count_in
from llm_connector.protocols.base import ChunkParser, ErrorEvent
from llm_connector.protocols.tool_calls import Slot
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.types import ChatChunk, ChatRequest, ChatResponse, Opaque, ToolCallDelta, Usage, parsed_arguments
from llm_connector.types.unchecked import unchecked
from llm_connector.wire import Json

__all__ = ["MessagesParser", "messages_usage"]

_NOT_EXTRA = frozenset(
    {"id", "type", "role", "model", "content", "stop_reason", "usage", "delta", "error", "request_id"}
)
_NOT_RAW = frozenset({"delta", "content_block", "index"})


def messages_usage(usage: Mapping[str, Any]) -> Usage:
    """Token counts. The wire's `input_tokens` leaves out what was read from and written to the cache; ours does not."""
    fresh, output = count_in(usage, "input_tokens"), count_in(usage, "output_tokens")
    cached, written = count_in(usage, "cache_read_input_tokens"), count_in(usage, "cache_creation_input_tokens")
    total = fresh + (cached or 0) + (written or 0) if fresh is not None else None
    spent = usage.get("output_tokens_details")
    return unchecked(
        Usage,
        input_tokens=total,
        output_tokens=output,
        total_tokens=total + output if total is not None and output is not None else None,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=count_in(spent, "thinking_tokens") if isinstance(spent, dict) else None,
        details=dict(usage),
    )


def _string(text: Any) -> str:
    """A piece of an answer; one of another type is a fault, since the answer would lack it."""
    if type(text) is not str:
        raise TypeError(f"a piece of text is of type {type(text).__name__}")
    return text


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


class _Unknown:
    """A block this library does not interpret, with the JSON text of its input in pieces."""

    __slots__ = ("data", "pieces")

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.pieces: list[str] = []

    def merge(self, delta: Mapping[str, Any]) -> None:
        """Take a delta of any kind, so that the block goes back as a whole answer would have held it."""
        for key, value in delta.items():
            if key == "partial_json":
                self.pieces.append(value)
            elif key != "type":
                known = self.data.get(key)
                self.data[key] = None  # with one reference left, a text grows in place
                if isinstance(known, str) and isinstance(value, str):
                    known += value
                else:
                    known = value
                self.data[key] = known

    def finish(self) -> None:
        arguments, error = parsed_arguments("".join(self.pieces))
        if self.pieces and error is None and (arguments or "input" not in self.data):
            self.data["input"] = arguments
        self.pieces.clear()


_Block: TypeAlias = TextBlock | ReasoningBlock | Slot | _Unknown

_HOMES: dict[Any, tuple[type[_Block], str]] = {
    "text_delta": (TextBlock, "text"),
    "citations_delta": (TextBlock, "text"),
    "thinking_delta": (ReasoningBlock, "thinking"),
    "signature_delta": (ReasoningBlock, "thinking"),
}
"""Where a delta belongs, and the kind of block that a server began without saying so."""


class MessagesParser(ChunkParser):
    """One Messages answer."""

    end_marker = b"[DONE]"  # of imitators

    def __init__(self, request: ChatRequest | None = None) -> None:
        super().__init__(request)
        self._names = ToolNames(request)
        self._choice = self.assembly.choices[0]
        self._open: dict[Any, _Block] = {}
        self._keys: set[int] = set()
        self._behind = 0
        self._inputs: dict[int, Any] = {}
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._whole = False

    def read(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """The chunks of one decoded event. Kinds of events and deltas that are not known are ignored."""
        kind = body.get("type")
        if kind == "content_block_delta":
            delta = body.get("delta") or {}
            index = body.get("index")
            block = self._open.get(index)
            if type(block) is TextBlock and delta.get("type") == "text_delta":
                return self._add_text(block, delta.get("text"))
            return self._read_delta(index, block, delta)
        if kind == "content_block_start":
            return self._start(body.get("index"), body.get("content_block") or {})
        if kind == "content_block_stop":
            return self._stop(body.get("index"))
        if kind == "message_start":
            return self._begin(body.get("message") or {})
        if kind == "message_delta":
            delta = body.get("delta") or {}
            self._take(body)
            self._take(delta)
            self._end(delta)
        elif kind == "message_stop":
            self.done = True
        return ()

    def read_whole(self, body: Json) -> Iterable[ChatChunk]:
        """The chunks of a whole answer. Raises ErrorEvent if it is an error, ParseError if it has no content."""
        if not isinstance(body, dict) or body.get("error") or body.get("type") == "error":
            raise ErrorEvent(body)
        content = body.get("content")
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        if content is None and body.get("type") == "message":
            content = []
        if not isinstance(content, list):
            if any(key in body for key in ("message", "Message", "detail", "code", "msg")):
                raise ErrorEvent(body)
            raise ParseError(f"the answer has no content; it has the keys {sorted(body)}", body=excerpt(str(body)))
        self.raw.update(body)
        chunks = list(self._begin(body))
        for number, item in enumerate(content):
            block = {"type": "text", "text": item} if isinstance(item, str) else item
            if isinstance(block, dict):
                chunks.extend(self._start(number, block))
                chunks.extend(self._stop(number))
        self._end(body)
        self.done = self._whole = True
        return chunks

    def _begin(self, message: dict[str, Any]) -> Iterable[ChatChunk]:
        self._take(message)
        head = self.assembly.head(message.get("id"), message.get("model"))
        return () if head is None else (head,)

    def _end(self, fields: Mapping[str, Any]) -> None:
        if fields.get("stop_reason"):
            self._choice.raw_reason = str(fields["stop_reason"])

    def _take(self, fields: Mapping[str, Any]) -> None:
        """Keep what an event says about the answer as a whole: the last word counts, except for nothing."""
        for key, value in fields.items():
            if key not in _NOT_EXTRA and value is not None:
                self._message[key] = value
        usage = fields.get("usage")
        for key, value in usage.items() if isinstance(usage, dict) else ():
            if value is not None or key not in self._usage:  # counts are cumulative, and keep their value when left out
                self._usage[key] = value

    def _key(self, index: Any) -> int:
        """The place of a new block: its index, or behind all others where that is missing or taken."""
        key = index if type(index) is int and index not in self._keys else self._behind
        self._keys.add(key)
        self._behind = max(self._behind, key + 1)
        return key

    def _start(self, index: Any, block: dict[str, Any]) -> Iterable[ChatChunk]:
        chunks = self._stop(index) if index in self._open else ()
        key = self._key(index)
        match block.get("type"):
            case "text":
                self._open[index] = text = self._choice.text(key)
                text.citations.extend(block.get("citations") or ())
                return [*chunks, *self._add_text(text, block.get("text"))]
            case "thinking":
                self._open[index] = thought = self._choice.reasoning(key)
                thought.signature = _text(block.get("signature"))
                return [*chunks, *self._add_thought(thought, block.get("thinking"))]
            case "redacted_thinking":
                self._open[index] = thought = self._choice.reasoning(key)
                thought.encrypted = _text(block.get("data"))
                return chunks
            case "tool_use":
                return [*chunks, *self._start_call(index, key, block)]
            case None:
                return chunks
            case _:
                opaque = Opaque(data=block)
                self._choice.place(key, opaque)
                self._open[index] = _Unknown(opaque.data)
                return chunks

    def _start_call(self, index: Any, key: int, block: dict[str, Any]) -> Iterable[ChatChunk]:
        slot = self._choice.calls.open(_text(block.get("id")))
        self._choice.place(key, slot)
        self._open[index] = slot
        slot.name = self._names.original(block.get("name") or "")
        self._inputs[slot.index] = block.get("input")
        rest = ((name, value) for name, value in block.items() if name not in ("type", "id", "name", "input"))
        slot.extra = {name: value for name, value in rest if value is not None} or None
        return (ChatChunk(tool_call_delta=ToolCallDelta(slot.index, slot.id, slot.name, "")),)

    def _read_delta(self, index: Any, block: _Block | None, delta: dict[str, Any]) -> Iterable[ChatChunk]:
        kind = delta.get("type")
        if isinstance(block, _Unknown):
            block.merge(delta)
            return ()
        home, begun = _HOMES.get(kind, (Slot, ""))
        if begun and not isinstance(block, home):
            chunks = self._start(index, {"type": begun})
            return [*chunks, *self._read_delta(index, self._open[index], delta)]
        if isinstance(block, TextBlock):
            if kind == "text_delta":
                return self._add_text(block, delta.get("text"))
            if isinstance(delta.get("citation"), dict):
                block.citations.append(delta["citation"])
        elif isinstance(block, ReasoningBlock):
            if kind == "thinking_delta":
                return self._add_thought(block, delta.get("thinking"))
            if kind == "signature_delta":
                block.signature = _text(delta.get("signature"))
        elif isinstance(block, Slot) and kind == "input_json_delta" and delta.get("partial_json"):
            piece = _string(delta["partial_json"])
            block.pieces.append(piece)
            block.length += len(piece)
            return (ChatChunk(tool_call_delta=ToolCallDelta(block.index, None, None, piece)),)
        return ()

    def _add_text(self, block: TextBlock, text: Any) -> Iterable[ChatChunk]:
        if not text:
            return ()
        block.pieces.append(_string(text))
        return (ChatChunk(text),)

    def _add_thought(self, block: ReasoningBlock, text: Any) -> Iterable[ChatChunk]:
        if not text:
            return ()
        block.pieces.append(_string(text))
        return (ChatChunk(reasoning=text),)

    def _stop(self, index: Any) -> Iterable[ChatChunk]:
        block = self._open.pop(index, None)
        if isinstance(block, _Unknown):
            block.finish()
        return self._finish_call(block) if isinstance(block, Slot) else ()

    def _finish_call(self, slot: Slot) -> Iterable[ChatChunk]:
        """Parse the arguments once: from their text, or where none came from the start of the block."""
        chunks: list[ChatChunk] = []
        given = self._inputs.pop(slot.index, None)
        if not slot.pieces:
            text = given if isinstance(given, str) else slot.merge(given if isinstance(given, Mapping) else {})
            if isinstance(given, str):
                slot.append(given)
            if text and given:
                chunks.append(ChatChunk(tool_call_delta=ToolCallDelta(slot.index, None, None, text)))
        if slot.merged is None:
            arguments, error = parsed_arguments(slot.arguments)
            if error is None:
                slot.merged = arguments  # so that `arguments_raw` is the same streamed and whole
        chunks.extend(self.assembly.announce(self._choice, slot))
        return chunks

    def flush(self) -> Iterable[ChatChunk]:
        """The calls of an answer that ended without closing their blocks."""
        if not self.ended():
            return ()
        return [chunk for index in list(self._open) for chunk in self._stop(index)]

    def ended(self) -> bool:
        """`message_stop`, `[DONE]`, or the stop reason ahead of them."""
        return self.done or self._choice.raw_reason is not None

    def response(self, *, interrupted: bool = False) -> ChatResponse:
        """The answer so far."""
        if self._usage:
            self.assembly.usage = messages_usage(self._usage)
        details = self._message.get("stop_details")
        if self._choice.raw_reason == "refusal" and isinstance(details, dict) and details.get("explanation"):
            self._choice.refusal = [str(details["explanation"])]
        extra = dict(self._message)
        if self._usage.get("service_tier"):
            extra["service_tier"] = self._usage["service_tier"]
        return self.assembly.respond(
            interrupted=interrupted,
            citations=self._choice.citations(),
            extra=extra,
            raw=self.raw if self._whole else {key: value for key, value in self.raw.items() if key not in _NOT_RAW},
        )
