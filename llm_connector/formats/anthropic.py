"""The Messages format of Anthropic: requests read, answers and streams written.

https://platform.claude.com/docs/en/api/messages (checked 2026-11)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from llm_connector.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContentFilterError,
    ContextLengthError,
    InsufficientBalanceError,
    LlmConnectorError,
    ModelNotFoundError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    TimeoutError,
    UnsupportedError,
)
from llm_connector.formats.anthropic_requests import parse_messages
from llm_connector.formats.base import Encoder, Format, Incoming, Output, made_up, status_of
from llm_connector.formats.sequence import BlockEncoder, OpenBlock
from llm_connector.protocols.assembly import Assembly, TextBlock
from llm_connector.protocols.tool_calls import Slot
from llm_connector.types import AnyPart, ChatResponse, Opaque, Reasoning, Text, ToolCall, Usage
from llm_connector.wire import Json

__all__ = ["FORMAT", "Anthropic", "MessageEncoder"]


@dataclass(frozen=True)
class Anthropic(Format):
    """Messages."""

    wire: ClassVar[str] = "Anthropic Messages"
    needs_max_tokens: ClassVar[bool] = True

    def parse_request(self, body: Json) -> Incoming:
        """Read the body of `POST v1/messages`."""
        request, stream, rest = parse_messages(body)
        return Incoming(request, stream, self, rest)

    def render_response(self, response: ChatResponse, model: str | None = None) -> dict[str, Any]:
        """A `message`. Of several answers it holds the first."""
        content = [block for part in response.message.parts for block in _blocks(part)]
        head = _head(response.id, response.model or model)
        return {**head, "content": content, **_end(response), "usage": _usage(response.usage)}

    def render_error(self, error: LlmConnectorError) -> tuple[dict[str, Any], int]:
        """`{"type": "error", "error": {"type", "message"}}`."""
        status, message = status_of(error), error.message
        kind = next((word for known, word in _ERRORS if isinstance(error, known)), "api_error")
        if status in _STATUSES:
            kind = _STATUSES[status]
        if isinstance(error, ContextLengthError) and "prompt is too long" not in message:
            message = f"prompt is too long: {message}"  # the words by which clients know that they must compact
        told: dict[str, Any] = {"type": kind, "message": message}
        code = next((word for known, word in _CODES if isinstance(error, known)), None)
        if isinstance(error, APIError) and str(error.code).startswith(_OF_THREADS):
            code = error.code
        if code is not None:
            told["details"] = {"error_code": code}
        body: dict[str, Any] = {"type": "error", "error": told}
        if isinstance(error, APIError) and error.request_id:
            body["request_id"] = error.request_id
        return body, status

    def encoder(
        self, model: str | None = None, *, assembly: Assembly | None = None, clock: Callable[[], float] = time.time
    ) -> Encoder:
        """The writer of one stream of named events."""
        return MessageEncoder(self, model, assembly, clock)


FORMAT = Anthropic()


class MessageEncoder(BlockEncoder):
    """Writes the events of one stream."""

    _begun = False

    def start(self) -> Iterable[Output]:
        """`message_start`; what the prompt cost is known at the end only."""
        if self._begun:
            return ()
        self._begun = True
        usage = {"input_tokens": 0, "output_tokens": 0}
        none: dict[str, Any] = {"stop_reason": None, "stop_sequence": None}
        message = {**_head(self.id, self.model), "content": [], **none, "usage": usage}
        return (_event("message_start", message=message),)

    def open(self, block: OpenBlock) -> Iterable[Output]:
        """`content_block_start`."""
        content: dict[str, Any] = {"type": "text", "text": ""}
        if block.kind == "reasoning":
            content = {"type": "thinking", "thinking": "", "signature": ""}
        elif block.kind == "call":
            extra = block.source.extra if isinstance(block.source, Slot) else None
            content = _call(block.call_id, block.name, {}, extra)
        return (_event("content_block_start", index=block.number, content_block=content),)

    def piece(self, block: OpenBlock, text: str) -> Output:
        """`content_block_delta`."""
        delta = {"type": "text_delta", "text": text}
        if block.kind == "reasoning":
            delta = {"type": "thinking_delta", "thinking": text}
        elif block.kind == "call":
            delta = {"type": "input_json_delta", "partial_json": text}
        return _event("content_block_delta", index=block.number, delta=delta)

    def close(self, block: OpenBlock) -> Iterable[Output]:
        """The signature or the citations, `content_block_stop`, and state that needs a block of its own."""
        more: list[dict[str, Any]] = []
        state = block.thought
        if state is not None and state.signature:
            more = [{"type": "signature_delta", "signature": state.signature}]
        elif isinstance(block.source, TextBlock):
            more = [{"type": "citations_delta", "citation": item} for item in _citations(block.source.citations)]
        events = [_event("content_block_delta", index=block.number, delta=delta) for delta in more]
        events.append(_event("content_block_stop", index=block.number))
        if state is not None and state.encrypted and not state.signature:
            events += self._whole({"type": "redacted_thinking", "data": state.encrypted})
        return events

    def silent(self, part: AnyPart) -> Iterable[Output]:
        """A block that comes at once. A signature comes as a delta all the same: readers look for it there."""
        for block in _blocks(part):
            signature = block.get("signature")
            yield from self._whole({**block, "signature": ""} if signature else block, signature)

    def end(self, response: ChatResponse) -> Iterable[Output]:
        """`message_delta` and `message_stop`."""
        delta = _event("message_delta", delta=_end(response), usage=_usage(response.usage))
        return (delta, _event("message_stop"))

    def fail(self, error: LlmConnectorError) -> Iterable[Output]:
        """`error`, which ends the stream."""
        return (("error", self.format.render_error(error)[0]),)

    def idle(self) -> Iterable[Output]:
        """`ping`, which may stand anywhere."""
        return (_event("ping"),)

    def _whole(self, block: dict[str, Any], signature: Any = None) -> list[Output]:
        number = self.next_number()
        events = [_event("content_block_start", index=number, content_block=block)]
        if signature:
            delta = {"type": "signature_delta", "signature": signature}
            events.append(_event("content_block_delta", index=number, delta=delta))
        return [*events, _event("content_block_stop", index=number)]


_ERRORS: tuple[tuple[type[LlmConnectorError], str], ...] = (
    (BadRequestError, "invalid_request_error"),
    (ConfigurationError, "invalid_request_error"),
    (UnsupportedError, "invalid_request_error"),
    (AuthenticationError, "authentication_error"),
    (InsufficientBalanceError, "billing_error"),
    (PermissionDeniedError, "permission_error"),
    (NotFoundError, "not_found_error"),
    (RateLimitError, "rate_limit_error"),
    (TimeoutError, "timeout_error"),
)
_CODES = ((ContentFilterError, "content_filter"), (ModelNotFoundError, "model_not_found"))
_OF_THREADS = "thread_"
"""How the codes begin by which the official client knows what to send again; see `llm_connector.server.foreign`."""
_STATUSES = {413: "request_too_large", 503: "overloaded_error", 504: "timeout_error", 529: "overloaded_error"}
_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
    "error": "max_tokens",
}
"""The wire has no word for an answer that broke off; this one says at least that it is not whole."""
_CITED = ("char_location", "page_location", "content_block_location", "search_result_location")
_OWN_BLOCKS = ("_tool_use", "_tool_result", "container_upload", "compaction")


def _event(name: str, **fields: Any) -> Output:
    return name, {"type": name, **fields}


def _head(answer_id: str | None, model: str | None) -> dict[str, Any]:
    return {"id": answer_id or made_up("msg_"), "type": "message", "role": "assistant", "model": model or ""}


def _end(response: ChatResponse) -> dict[str, Any]:
    """Why it ended."""
    matched = response.extra.get("stop_sequence")
    reason = _REASONS.get(response.finish_reason or "stop", "end_turn")
    if reason == "end_turn" and isinstance(matched, str):
        return {"stop_reason": "stop_sequence", "stop_sequence": matched}
    end: dict[str, Any] = {"stop_reason": reason, "stop_sequence": None}
    if reason == "refusal":
        end["stop_details"] = {"type": "refusal", "category": None, "explanation": response.refusal}
    return end


def _usage(usage: Usage) -> dict[str, Any]:
    """Token counts; what was read from and written to the cache is not among the wire's input."""
    cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    counts: dict[str, Any] = {
        "input_tokens": max((usage.input_tokens or 0) - cached - written, 0),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens or 0,
    }
    if usage.reasoning_tokens is not None:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return {name: count for name, count in counts.items() if count is not None}


def _blocks(part: AnyPart) -> Iterator[dict[str, Any]]:
    """The blocks of a part; none for what the format has no block for."""
    match part:
        case Text(text=text) if text:
            cited = _citations(part.citations)
            yield {"type": "text", "text": text, **({"citations": cited} if cited else {})}
        case Reasoning():
            if part.text or part.signature:
                yield {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}
            if part.encrypted and not part.signature:
                yield {"type": "redacted_thinking", "data": part.encrypted}
        case ToolCall():
            yield _call(part.id, part.name, part.arguments, part.extra)
        case Opaque(data=data) if str(data.get("type")).endswith(_OWN_BLOCKS):
            yield data
        case _:
            return


def _call(call_id: str, name: str, arguments: Mapping[str, Any], extra: Mapping[str, Any] | None) -> dict[str, Any]:
    """A call with the provider's own fields, which clients send back."""
    return {**(extra or {}), "type": "tool_use", "id": call_id, "name": name, "input": arguments}


def _citations(citations: Iterable[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    """The citations that this wire knows."""
    known = (*_CITED, "web_search_result_location")
    return [item for item in citations or () if item.get("type") in known]
