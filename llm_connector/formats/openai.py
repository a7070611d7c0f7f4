"""The Chat Completions format: requests read, answers and streams written.

https://platform.openai.com/docs/api-reference/chat (checked 2026-11)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    ServerError,
    UnsupportedError,
)
from llm_connector.formats.base import (
    CallLog,
    Encoder,
    Format,
    Incoming,
    Output,
    WrittenCall,
    arguments_of,
    made_up,
    status_of,
)
from llm_connector.formats.openai_requests import parse_completion, wants_usage
from llm_connector.protocols.assembly import Assembly
from llm_connector.types import ChatChunk, ChatResponse, Choice, Reasoning, ToolCall, ToolCallDelta, Usage
from llm_connector.wire import Json

__all__ = ["FORMAT", "CompletionEncoder", "OpenAI", "completion_counts", "completion_reason", "error_object"]


@dataclass(frozen=True)
class OpenAI(Format):
    """Chat Completions. `usage`: a stream ends with a chunk of usage, as `stream_options.include_usage` asks."""

    end_marker: ClassVar[str] = "[DONE]"
    wire: ClassVar[str] = "Chat Completions"

    usage: bool = True

    def parse_request(self, body: Json) -> Incoming:
        """Read the body of `POST chat/completions`."""
        request, stream, rest = parse_completion(body)
        return Incoming(request, stream, OpenAI(wants_usage(body)), rest)

    def render_response(self, response: ChatResponse, model: str | None = None) -> dict[str, Any]:
        """A `chat.completion`."""
        choices = [_choice(choice, response) for choice in response.choices]
        body: dict[str, Any] = {
            "id": response.id or made_up("chatcmpl-"),
            "object": "chat.completion",
            "created": response.created or int(time.time()),
            "model": response.model or model or "",
            "choices": choices,
        }
        if response.usage != Usage():
            body["usage"] = completion_counts(response.usage)
        return body | _extra(response)

    def render_error(self, error: LlmConnectorError) -> tuple[dict[str, Any], int]:
        """`{"error": {"message", "type", "param", "code"}}`."""
        return {"error": error_object(error)}, status_of(error)

    def encoder(
        self, model: str | None = None, *, assembly: Assembly | None = None, clock: Callable[[], float] = time.time
    ) -> Encoder:
        """The writer of one stream of `chat.completion.chunk`."""
        return CompletionEncoder(self, model, assembly, clock)


FORMAT = OpenAI()


class CompletionEncoder(Encoder):
    """Writes the chunks of one stream, of all answers that were asked for."""

    def __init__(
        self, format: Format, model: str | None, assembly: Assembly | None, clock: Callable[[], float]
    ) -> None:
        super().__init__(format, model, assembly, clock)
        self._usage = not isinstance(format, OpenAI) or format.usage
        self._calls: dict[tuple[int, int], WrittenCall] = {}
        self._log = CallLog()
        self._head: dict[str, Any] = {}

    def start(self) -> Iterable[Output]:
        """The role, ahead of all else."""
        if self._head:
            return ()
        self._head = {
            "id": self.id or made_up("chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": int(self.begun),
            "model": self.model or "",
        }
        return self._delta(0, {"role": "assistant", "content": ""})

    def write(self, chunk: ChatChunk) -> Iterable[Output]:
        """A chunk per delta. A finished call brings what its pieces left out; its end is not announced here."""
        begun = () if self._head else self.start()
        events: Iterable[Output] = ()
        if chunk.text:
            events = self._delta(chunk.choice, {"content": chunk.text})
        elif chunk.reasoning:
            events = self._delta(chunk.choice, {"reasoning_content": chunk.reasoning})
        elif chunk.tool_call_delta is not None:
            events = self._piece(chunk.choice, chunk.tool_call_delta)
        elif chunk.tool_call is not None:
            events = self._call(chunk.choice, chunk.tool_call)
        return (*begun, *events) if begun else events

    def finish(self, response: ChatResponse) -> Iterable[Output]:
        """Refusals, the finish reasons with the log probabilities, and the usage."""
        events = [*self.start()]
        for number, choice in enumerate(response.choices):
            late = _late(choice, response.citations if number == 0 else ())
            if late:
                events += self._delta(choice.index, late)
            ends: dict[str, Any] = {"index": choice.index, "delta": {}, "finish_reason": completion_reason(choice)}
            if choice.logprobs:
                ends["logprobs"] = _logprobs(choice)
            events.append(("", {**self._head, "choices": [ends], **_extra(response)}))
        if self._usage and response.usage != Usage():
            events.append(("", {**self._head, "choices": [], "usage": completion_counts(response.usage)}))
        return events

    def _delta(self, choice: int, delta: dict[str, Any]) -> tuple[Output, ...]:
        return (("", {**self._head, "choices": [{"index": choice, "delta": delta, "finish_reason": None}]}),)

    def _piece(self, choice: int, delta: ToolCallDelta) -> tuple[Output, ...]:
        known = self._calls.get((choice, delta.index))
        call: dict[str, Any] = {"index": delta.index, "function": {"arguments": delta.arguments}}
        if known is None:
            call_id = delta.id or made_up("call_")
            known = self._calls[choice, delta.index] = self._log.begin(choice, delta.index, call_id)
            function = {"name": delta.name or "", "arguments": delta.arguments}
            call = {"index": delta.index, "id": call_id, "type": "function", "function": function}
        known.length += len(delta.arguments)
        return self._delta(choice, {"tool_calls": [call]})

    def _call(self, choice: int, call: ToolCall) -> tuple[Output, ...]:
        """What is still missing of a call: its arguments if none came, and the provider's own fields of it."""
        known = self._log.finish(choice, call.id)
        events: tuple[Output, ...] = ()
        if known is None:
            index = self._log.next_index(choice)
            events = self._piece(choice, ToolCallDelta(index, call.id, call.name, arguments_of(call)))
            known = self._calls[choice, index]
        late = _call_extra(call)
        rest = "" if known.length else arguments_of(call)
        if not (late or rest):
            return events
        piece = {"index": known.index, "function": {"arguments": rest}, **late}
        return (*events, *self._delta(choice, {"tool_calls": [piece]}))


def completion_counts(usage: Usage) -> dict[str, Any]:
    """Token counts; the wire has no word for a count that is not known but zero."""
    given, spoken = usage.input_tokens or 0, usage.output_tokens or 0
    counts: dict[str, Any] = {
        "prompt_tokens": given,
        "completion_tokens": spoken,
        "total_tokens": given + spoken if usage.total_tokens is None else usage.total_tokens,
    }
    details = {"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_write_tokens}
    prompt = {name: count for name, count in details.items() if count is not None}
    if prompt:
        counts["prompt_tokens_details"] = prompt
    if usage.reasoning_tokens is not None:
        counts["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return counts


def completion_reason(choice: Choice) -> str:
    """The wire's word for the end. A refusal that has no text of its own is told from a plain end all the same."""
    reason = choice.finish_reason
    if reason == "refusal":
        return "stop" if choice.refusal else "content_filter"
    return "stop" if reason in (None, "pause") else reason


def error_object(error: LlmConnectorError) -> dict[str, Any]:
    """An error as servers of OpenAI describe it."""
    kind, code = next((words for known, words in _ERRORS if isinstance(error, known)), ("api_error", None))
    said = error.code if isinstance(error, APIError) else None
    return {"message": error.message, "type": kind, "param": None, "code": code or said}


_ERRORS: tuple[tuple[type[LlmConnectorError], tuple[str, str | None]], ...] = (
    (ContextLengthError, ("invalid_request_error", "context_length_exceeded")),
    (ContentFilterError, ("invalid_request_error", "content_filter")),
    (ModelNotFoundError, ("invalid_request_error", "model_not_found")),
    (BadRequestError, ("invalid_request_error", None)),
    (ConfigurationError, ("invalid_request_error", None)),
    (UnsupportedError, ("invalid_request_error", "unsupported_value")),
    (AuthenticationError, ("authentication_error", "invalid_api_key")),
    (InsufficientBalanceError, ("insufficient_quota", "insufficient_quota")),
    (PermissionDeniedError, ("permission_error", None)),
    (NotFoundError, ("not_found_error", None)),
    (RateLimitError, ("rate_limit_error", "rate_limit_exceeded")),
    (ServerError, ("server_error", "server_error")),
)


def _choice(choice: Choice, response: ChatResponse) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice.message.text or None}
    thought = choice.message.reasoning
    if thought:
        message["reasoning_content"] = thought
    calls = choice.message.tool_calls
    if not (calls or choice.refusal):
        message["content"] = choice.message.text
    message |= {"refusal": None, **_late(choice, response.citations if choice is response.choices[0] else ())}
    if calls:
        message["tool_calls"] = [_whole_call(call) for call in calls]
    wire = {"index": choice.index, "message": message, "finish_reason": completion_reason(choice)}
    return {**wire, "logprobs": _logprobs(choice)}


def _logprobs(choice: Choice) -> dict[str, Any] | None:
    """The log probabilities, with all that readers count on."""
    if not isinstance(choice.logprobs, dict) or not choice.logprobs:
        return None
    tokens: dict[str, Any] = {"content": None, "refusal": None}
    for key, entries in choice.logprobs.items():
        if isinstance(entries, list):
            tokens[key] = [{"bytes": None, "top_logprobs": [], **entry} for entry in entries if isinstance(entry, dict)]
    return tokens


def _late(choice: Choice, citations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What of an answer no chunk carries: a refusal, citations, the structured form of its thoughts."""
    late: dict[str, Any] = {}
    thoughts = [part.details or () for part in choice.message.parts if isinstance(part, Reasoning)]
    details = [entry for entries in thoughts for entry in entries if str(entry.get("type")).startswith("reasoning.")]
    if details:
        late["reasoning_details"] = details
    annotations = [mark for citation in citations if (mark := _annotation(citation))]
    if annotations:
        late["annotations"] = annotations
    if choice.refusal:
        late["refusal"] = choice.refusal
    return late


def _annotation(citation: Mapping[str, Any]) -> dict[str, Any] | None:
    """A citation of the web, from whichever wire it came; the wire knows no other."""
    url = citation.get("url")
    if not isinstance(url, str):
        return None
    defaults = {"start_index": 0, "end_index": 0, "title": ""}
    given = {key: citation[key] for key in defaults if type(citation.get(key)) is type(defaults[key])}
    return {"type": "url_citation", "url_citation": {**defaults, **given, "url": url}}


def _whole_call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": arguments_of(call)}
    return {"id": call.id, "type": "function", "function": function, **_call_extra(call)}


def _call_extra(call: ToolCall) -> dict[str, Any]:
    """The provider's own fields of a call, such as signatures, which have to come back with it."""
    return {name: value for name, value in (call.extra or {}).items() if name not in _OF_CALLS}


def _extra(response: ChatResponse) -> dict[str, Any]:
    return {name: value for name in _EXTRA if isinstance(value := response.extra.get(name), str)}


_OF_CALLS = frozenset({"id", "index", "type", "function"})
_EXTRA = ("service_tier", "system_fingerprint")
