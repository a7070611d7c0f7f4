"""Reads answers of Ollama's own format, whole and streamed: one JSON object per line, `done: true` in the last.

https://docs.ollama.com/api/chat, https://docs.ollama.com/api/streaming (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from llm_connector.errors import ParseError, excerpt
from llm_connector.protocols.assembly import count_in
from llm_connector.protocols.base import ChunkParser, ErrorEvent
from llm_connector.protocols.thinking import ThinkSplitter
from llm_connector.protocols.tool_names import ToolNames
from llm_connector.types import ChatChunk, ChatRequest, ChatResponse, Usage
from llm_connector.types.unchecked import unchecked
from llm_connector.wire import Json, encode_json

__all__ = ["OllamaParser", "ollama_usage", "timestamp", "unix_time"]

# The wire has no order between these; calls come after both.
_REASONING, _TEXT = 0, 1

_REASONING_FIELDS = ("thinking", "reasoning", "reasoning_content")
_DELTAS = frozenset({"message", "response", "thinking", "tool_calls", "logprobs"})
_NOT_EXTRA = _DELTAS | {"id", "model", "created_at", "done", "done_reason", "prompt_eval_count", "eval_count", "error"}
_AS_IT_CAME = ToolNames(None)  # this wire takes any tool name


def ollama_usage(body: Mapping[str, Any]) -> Usage:
    """Token counts of a last line. Older servers leave the prompt out when all of it was cached."""
    prompt, output = count_in(body, "prompt_eval_count"), count_in(body, "eval_count")
    total = prompt + output if prompt is not None and output is not None else None
    return unchecked(Usage, input_tokens=prompt, output_tokens=output, total_tokens=total)


def timestamp(value: Any) -> datetime | None:
    """The moment that a server wrote: nine decimals and offsets are usual; None for its zero and for anything else."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment if moment.timestamp() > 0 else None


def unix_time(value: Any) -> int | None:
    """Seconds since 1970 of a timestamp; numbers are taken as they are."""
    if isinstance(value, int | float):
        return int(value) or None
    moment = timestamp(value)
    return int(moment.timestamp()) if moment else None


class OllamaParser(ChunkParser):
    """One answer of `/api/chat`, or of `/api/generate`, whose text stands in `response`."""

    def __init__(self, request: ChatRequest | None = None) -> None:
        super().__init__(request)
        self._splitter = ThinkSplitter() if request is not None and request.think_tags else None
        self._whole = False
        self._unexplained = False
        self._text: list[str] | None = None  # of a stream whose lines bring text and nothing else

    def read(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """The chunks of one line: several when it carries several deltas."""
        message = body.get("message")
        if self._text is not None and type(message) is dict and len(message) == 2:
            text = message.get("content")
            if text and type(text) is str and not (body.get("done") or body.get("logprobs")):
                self._text.append(text)
                return (ChatChunk(text),)
        return self._read_line(body, message)

    def _read_line(self, body: dict[str, Any], message: Any) -> list[ChatChunk]:
        chunks: list[ChatChunk] = []
        if self.assembly.model is None:
            head = self.assembly.head(body.get("id"), body.get("model"))
            if head is not None:
                chunks.append(head)
        if type(message) is not dict:
            if message and isinstance(message, str):  # an error object of a gateway
                raise ErrorEvent(body)
            message = {**body, "content": body.get("response")}
        self._read_message(message, chunks)
        logprobs = body.get("logprobs")
        if logprobs:
            tokens = logprobs if isinstance(logprobs, dict) else {"content": logprobs}
            self.assembly.choices[0].add_logprobs(tokens)
        if body.get("done"):
            chunks.extend(self.flush())
            self._finish(body.get("done_reason"))
        return chunks

    def read_whole(self, body: Json) -> Iterable[ChatChunk]:
        """The chunks of a whole answer. Raises ErrorEvent if it is an error, ParseError if it has no message."""
        if not isinstance(body, dict) or body.get("error"):
            raise ErrorEvent(body)
        if not (isinstance(body.get("message"), dict) or isinstance(body.get("response"), str)):
            if any(key in body for key in ("message", "detail", "code", "msg")):
                raise ErrorEvent(body)
            raise ParseError(f"the answer has no message; it has the keys {sorted(body)}", body=excerpt(str(body)))
        self.raw.update(body)
        self._whole = True
        chunks = list(self.read(body))
        if not self.done:
            chunks.extend(self.flush())
            self._finish(body.get("done_reason"), broken="done" in body)
        return chunks

    def _read_message(self, message: Mapping[str, Any], chunks: list[ChatChunk]) -> None:
        choice = self.assembly.choices[0]
        for field in _REASONING_FIELDS:
            thought = message.get(field)
            if thought and isinstance(thought, str):
                block = choice.reasoning(_REASONING)
                block.field = block.field or field
                block.pieces.append(thought)
                chunks.append(ChatChunk(reasoning=thought))
                break
        content = message.get("content")
        if content and isinstance(content, str):
            if self._splitter is None:
                pieces = choice.text(_TEXT).pieces
                pieces.append(content)
                self._text = pieces if self.assembly.model is not None else None
                chunks.append(ChatChunk(content))
            else:
                self._take_spans(self._splitter.feed(content), chunks)
        for piece in message.get("tool_calls") or ():
            function = piece.get("function") if isinstance(piece, dict) else None
            if isinstance(function, dict) and function.get("name"):
                self._read_call(piece, function, chunks)

    def _read_call(self, piece: dict[str, Any], function: dict[str, Any], chunks: list[ChatChunk]) -> None:
        """Take a call, which is complete whenever it comes; indices may repeat and ids may be missing."""
        choice = self.assembly.choices[0]
        function = {**function, "arguments": _arguments(function.get("arguments"))}
        delta = choice.feed_call({**piece, "function": function}, _AS_IT_CAME, whole=True)
        if delta is not None:
            chunks.append(ChatChunk(tool_call_delta=delta))
            chunks.extend(self.assembly.announce(choice, choice.calls.slots[delta.index]))

    def _take_spans(self, spans: Iterable[tuple[str, str]], chunks: list[ChatChunk]) -> None:
        choice = self.assembly.choices[0]
        for kind, span in spans:
            if kind == "text":
                choice.text(_TEXT).pieces.append(span)
                chunks.append(ChatChunk(span))
                continue
            block = choice.reasoning(_REASONING)
            if block.field not in (None, "content"):
                continue  # the same thought came in a field of its own
            block.field = "content"
            block.pieces.append(span)
            chunks.append(ChatChunk(reasoning=span))

    def flush(self) -> Iterable[ChatChunk]:
        """Text held back because it may have been the beginning of a tag."""
        chunks: list[ChatChunk] = []
        if self._splitter is not None:
            self._take_spans(self._splitter.close(), chunks)
        return chunks

    def _finish(self, reason: Any, *, broken: bool = False) -> None:
        """Take the end. Old servers give no reason: what they sent then says whether it went well."""
        choice = self.assembly.choices[0]
        self.done = True
        self._unexplained = not reason
        arrived = bool(choice.blocks() or choice.calls.slots) and not broken
        choice.raw_reason = str(reason) if reason else ("stop" if arrived else "error")

    def ended(self) -> bool:
        """`done: true`, and nothing else, ends an answer."""
        return self.done

    def response(self, *, interrupted: bool = False) -> ChatResponse:
        """The answer so far."""
        body = self.raw
        self.assembly.usage = ollama_usage(body)
        response = self.assembly.respond(
            interrupted=interrupted,
            created=unix_time(body.get("created_at")),
            extra={key: value for key, value in body.items() if key not in _NOT_EXTRA and value is not None},
            raw=body if self._whole else {key: value for key, value in body.items() if key not in _DELTAS},
        )
        if self._unexplained:
            response.choices[0].finish_reason_raw = None
        return response


def _arguments(value: Any) -> dict[str, Any] | str:
    """The arguments of a call: an object as documented, text as servers that imitate this wire send it."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        return {} if value.strip() in ("", "null") else value
    return encode_json(value).decode() if value else {}
