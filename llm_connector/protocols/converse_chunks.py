"""Reads answers of Bedrock's Converse, whole and streamed.

Their events are those of Anthropic's Messages under other names, and are read as such.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llm_connector.errors import ParseError, excerpt
from llm_connector.protocols.anthropic_chunks import MessagesParser
from llm_connector.protocols.assembly import ReasoningBlock, TextBlock, count_in
from llm_connector.protocols.base import ErrorEvent
from llm_connector.types import ChatChunk, ChatRequest, ChatResponse, Opaque, Usage, parsed_arguments
from llm_connector.types.unchecked import unchecked
from llm_connector.wire import Event, Json, encode_json

__all__ = ["ConverseParser", "converse_usage"]

_NOT_EXTRA = frozenset({"output", "stopReason", "usage", "role", "serviceTier", "p"})
_TOLD = ("message", "Message", "__type", "error", "errors")
_EVENTS = frozenset(
    {"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
)


def converse_usage(usage: Mapping[str, Any]) -> Usage:
    """Token counts. The wire's `inputTokens` leaves out what was read from and written to the cache; ours does not."""
    fresh, output = count_in(usage, "inputTokens"), count_in(usage, "outputTokens")
    cached, written = count_in(usage, "cacheReadInputTokens"), count_in(usage, "cacheWriteInputTokens")
    total = fresh + (cached or 0) + (written or 0) if fresh is not None else None
    everything = total + output if total is not None and output is not None else None
    return unchecked(
        Usage,
        input_tokens=total,
        output_tokens=output,
        total_tokens=count_in(usage, "totalTokens") or everything,
        cached_tokens=cached,
        cache_write_tokens=written,
        details=dict(usage),
    )


class _Served:
    """A block of a tool that the server runs, under assembly; it goes back as it came."""

    __slots__ = ("content", "data", "pieces")

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.pieces: list[str] = []
        self.content: list[Any] = []

    def merge(self, delta: Mapping[str, Any]) -> None:
        """Take a piece of the input, of the result, or of a picture."""
        for value in delta.values():
            if isinstance(value, list):
                self.content.extend(value)
            elif isinstance(value, dict) and isinstance(value.get("input"), str):
                self.pieces.append(value["input"])
            elif isinstance(value, dict):
                self.data.update(value)

    def finish(self) -> None:
        """Put the pieces where a whole answer has them."""
        if self.pieces:
            self.data["input"] = parsed_arguments("".join(self.pieces))[0]
        if self.content:
            self.data["content"] = self.content


class ConverseParser(MessagesParser):
    """One answer of Converse."""

    def __init__(self, request: ChatRequest | None = None) -> None:
        super().__init__(request)
        self._served: dict[Any, _Served] = {}
        self._counts: dict[str, Any] = {}

    def feed(self, event: Event) -> Iterable[ChatChunk]:
        """The chunks of one event. Kinds of events that are not known are ignored."""
        name, data = event
        if name in ("body", "error"):
            return super().feed(event)
        if name not in _EVENTS:
            return ()
        body = self.decode(data)
        if name == "contentBlockDelta":
            return self._delta(body.get("contentBlockIndex"), body.get("delta") or {})
        if name == "contentBlockStart":
            start = body.get("start") or {}
            return self._begin_block(body.get("contentBlockIndex"), start) if start else ()
        if name == "contentBlockStop":
            return self._stop(body.get("contentBlockIndex"))
        self.raw.update(body)
        self.raw.pop("p", None)
        return self._told(body)

    def read_whole(self, body: Json) -> Iterable[ChatChunk]:
        """The chunks of a whole answer. Raises ErrorEvent if it is an error, ParseError if it has no message."""
        output = body.get("output") if isinstance(body, dict) else None
        if not isinstance(output, dict):
            if not isinstance(body, dict) or any(body.get(key) for key in _TOLD):
                raise ErrorEvent(body)
            raise ParseError(f"the answer has no output; it has the keys {sorted(body)}", body=excerpt(str(body)))
        self.raw.update(body)
        chunks: list[ChatChunk] = []
        for number, block in enumerate((output.get("message") or {}).get("content") or ()):
            if not block:
                continue
            chunks.extend(self._begin_block(number, block, whole=True))
            chunks.extend(self._stop(number))
        chunks.extend(self._told(body))
        self.done = self._whole = True
        return chunks

    def _told(self, body: Mapping[str, Any]) -> Iterable[ChatChunk]:
        """Keep what an event says about the answer as a whole."""
        for key, value in body.items():
            if key not in _NOT_EXTRA and value is not None:
                self._message[key] = value
        if isinstance(body.get("serviceTier"), dict):
            self._message["service_tier"] = body["serviceTier"].get("type")
        if body.get("stopReason"):
            self._choice.raw_reason = str(body["stopReason"])
        if isinstance(body.get("usage"), dict):
            self._counts.update(body["usage"])
            self.done = self._choice.raw_reason is not None
        router = (body.get("trace") or {}).get("promptRouter")
        head = self.assembly.head(None, router.get("invokedModelId")) if isinstance(router, dict) else None
        return () if head is None else (head,)

    def _begin_block(self, index: Any, block: Mapping[str, Any], *, whole: bool = False) -> Iterable[ChatChunk]:
        kind, value = _member(block)
        if kind == "text":
            return self._start(index, {"type": "text", "text": value})
        if kind == "citationsContent":
            text = "".join(item.get("text") or "" for item in value.get("content") or ())
            return self._start(index, {"type": "text", "text": text, "citations": value.get("citations")})
        if kind == "reasoningContent":
            return self._begin_thought(index, value)
        if kind == "toolUse" and value.get("type") != "server_tool_use":
            given = value.get("input")
            if not (
                given is None or isinstance(given, dict | str)
            ):  # no arguments of a call: the text says what it was
                given = encode_json(given).decode()
            call = {"type": "tool_use", "id": value.get("toolUseId"), "name": value.get("name")}
            return self._start(index, {**call, "input": given})
        chunks = self._stop(index) if index in self._open else ()
        data = {**value} if isinstance(value, dict) and not whole else value
        if isinstance(data, dict) and not whole:
            self._served[index] = _Served(data)
        self._choice.place(self._key(index), Opaque(data={kind: data}))
        return chunks

    def _begin_thought(self, index: Any, value: Mapping[str, Any]) -> Iterable[ChatChunk]:
        if "redactedContent" in value:
            return self._start(index, {"type": "redacted_thinking", "data": value["redactedContent"]})
        thought = value.get("reasoningText") or {}
        text, signature = thought.get("text"), thought.get("signature")
        return self._start(index, {"type": "thinking", "thinking": text, "signature": signature})

    def _delta(self, index: Any, delta: Mapping[str, Any]) -> Iterable[ChatChunk]:
        block = self._open.get(index)
        text = delta.get("text")
        if type(text) is str:
            if type(block) is TextBlock and text:
                block.pieces.append(text)
                return (ChatChunk(text),)
            return self._read_delta(index, block, {"type": "text_delta", "text": text}) if text else ()
        if index in self._served:
            self._served[index].merge(delta)
            return ()
        if isinstance(delta.get("toolUse"), dict):
            piece = delta["toolUse"].get("input")
            return self._read_delta(index, block, {"type": "input_json_delta", "partial_json": piece})
        if isinstance(delta.get("reasoningContent"), dict):
            return self._thought_delta(index, delta["reasoningContent"])
        if isinstance(delta.get("citation"), dict):
            return self._read_delta(index, block, {"type": "citations_delta", "citation": delta["citation"]})
        return ()

    def _thought_delta(self, index: Any, thought: Mapping[str, Any]) -> Iterable[ChatChunk]:
        block = self._open.get(index)
        if "redactedContent" in thought:
            if isinstance(block, ReasoningBlock):
                block.encrypted = (block.encrypted or "") + thought["redactedContent"]
                return ()
            return self._begin_thought(index, thought)
        chunks = list(self._read_delta(index, block, {"type": "thinking_delta", "thinking": thought.get("text")}))
        if "signature" in thought:
            self._read_delta(index, self._open[index], {"type": "signature_delta", "signature": thought["signature"]})
        return chunks

    def _stop(self, index: Any) -> Iterable[ChatChunk]:
        served = self._served.pop(index, None)
        if served is not None:
            served.finish()
        return super()._stop(index)

    def flush(self) -> Iterable[ChatChunk]:
        """The calls of an answer that ended without closing their blocks."""
        for index in list(self._served):
            self._stop(index)
        return super().flush()

    def response(self, *, interrupted: bool = False) -> ChatResponse:
        """The answer so far."""
        if self._counts:
            self.assembly.usage = converse_usage(self._counts)
        return super().response(interrupted=interrupted)


def _member(block: Mapping[str, Any]) -> tuple[str, Any]:
    """The one member of a block: its kind and what it holds."""
    return next(iter(block.items()), ("", None))
