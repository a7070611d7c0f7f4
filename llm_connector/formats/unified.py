"""This library's own format: `{"content": …}` deltas, as short as they can be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from llm_connector.errors import ConfigurationError, LlmConnectorError
from llm_connector.formats.base import Encoder, Format, Incoming, Output, status_of
from llm_connector.formats.openai import error_object
from llm_connector.formats.reading import flag, named, request_of, the_object
from llm_connector.protocols.assembly import Assembly
from llm_connector.types import ChatChunk, ChatRequest, ChatResponse, JsonSchema, ToolCall, Usage
from llm_connector.wire import Json

__all__ = ["FORMAT", "Unified", "UnifiedEncoder"]

# How a request is sent is the business of whoever sends it.
_NOT_TAKEN = frozenset({"messages", "extra_headers", "extra_body"})
_OPTIONS = frozenset(ChatRequest.model_fields) - _NOT_TAKEN


@dataclass(frozen=True)
class Unified(Format):
    """Unified. A request is a `ChatRequest` as JSON; its messages may also be those of Chat Completions."""

    framing: ClassVar[str] = "ndjson"

    def parse_request(self, body: Json) -> Incoming:
        """Read what `ChatRequest.model_dump` writes, or messages beside any options of `chat`."""
        body = the_object(body)
        messages = body.get("messages")
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        if not isinstance(messages, list) or not messages:
            raise ConfigurationError("messages: give a string or a list of messages")
        given = {name: value for name, value in body.items() if value is not None}
        options = {name: value for name, value in given.items() if name in _OPTIONS}
        form = options.get("response_format")
        if isinstance(form, dict) and form.keys() == JsonSchema.model_fields.keys():
            options["response_format"] = _dumped(form)
        rest = {name: value for name, value in given.items() if name not in _OPTIONS | {"messages", "stream"}}
        return Incoming(request_of(messages, options), flag(body, "stream"), self, rest)

    def render_response(self, response: ChatResponse, model: str | None = None) -> dict[str, Any]:
        """What the chunks bring, and the end, in one object. Of several answers it holds the first."""
        body: dict[str, Any] = {"content": response.text}
        if response.reasoning:
            body["reasoning"] = response.reasoning
        if response.tool_calls:
            body["tool_calls"] = [_call(call) for call in response.tool_calls]
        return body | _end(response, response.model or model)

    def render_error(self, error: LlmConnectorError) -> tuple[dict[str, Any], int]:
        """`{"error": {"message", "type", "param", "code"}}`, as Chat Completions has it."""
        return {"error": error_object(error)}, status_of(error)

    def encoder(
        self, model: str | None = None, *, assembly: Assembly | None = None, clock: Callable[[], float] = time.time
    ) -> Encoder:
        """The writer of one stream."""
        return UnifiedEncoder(self, model, assembly, clock)


FORMAT = Unified()


class UnifiedEncoder(Encoder):
    """Writes one object per delta: `content`, `reasoning` or `tool_call`, which is whole; and the end."""

    def write(self, chunk: ChatChunk) -> Iterable[Output]:
        """One object with one key."""
        if chunk.choice:
            return ()
        if chunk.text:
            return (("", {"content": chunk.text}),)
        if chunk.reasoning:
            return (("", {"reasoning": chunk.reasoning}),)
        return (("", {"tool_call": _call(chunk.tool_call)}),) if chunk.tool_call is not None else ()

    def idle(self) -> Iterable[Output]:
        """No text."""
        return (("", {"content": ""}),)

    def finish(self, response: ChatResponse) -> Iterable[Output]:
        """Why it ended, what it cost, who answered, and what was not sent as it was asked for."""
        return (("", _end(response, self.model)),)


def _dumped(form: dict[str, Any]) -> JsonSchema:
    """The form of an answer from its own JSON."""
    with named("response_format"):
        return JsonSchema.model_validate(form)


def _call(call: ToolCall) -> dict[str, Any]:
    told: dict[str, Any] = {"id": call.id, "name": call.name, "arguments": call.arguments}
    return {**told, "error": call.error} if call.error else told


def _end(response: ChatResponse, model: str | None) -> dict[str, Any]:
    end: dict[str, Any] = {"finish_reason": response.finish_reason}
    if response.refusal:
        end["refusal"] = response.refusal
    if response.usage != Usage():
        end["usage"] = response.usage.model_dump(exclude_none=True, exclude={"details"})
    known = {"model": response.model or model, "id": response.id}
    end |= {name: value for name, value in known.items() if value}
    if response.adaptations:
        end["adaptations"] = [adaptation.model_dump() for adaptation in response.adaptations]
    return end
