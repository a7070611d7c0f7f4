"""Ollama's own format: requests read, answers and streams written.

https://docs.ollama.com/api/chat, https://docs.ollama.com/api/generate (checked 2026-11)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from llm_connector.errors import ContextLengthError, LlmConnectorError, ModelNotFoundError
from llm_connector.formats.base import Encoder, Format, Incoming, Output, status_of
from llm_connector.formats.ollama_requests import parse_chat, parse_generate
from llm_connector.formats.reading import flag, the_object
from llm_connector.protocols.assembly import Assembly
from llm_connector.types import ChatChunk, ChatResponse, ToolCall
from llm_connector.wire import Json

__all__ = ["FORMAT", "LineEncoder", "Ollama"]


@dataclass(frozen=True)
class Ollama(Format):
    """Ollama.

    `generate`: answers have the shape of `/api/generate`. `ids`: calls carry their ids and the provider's own fields;
    old versions of Zed refuse a call that holds more than its function.
    """

    framing: ClassVar[str] = "ndjson"
    wire: ClassVar[str] = "Ollama chat"

    generate: bool = False
    ids: bool = False

    def parse_request(self, body: Json) -> Incoming:
        """Read the body of `POST api/chat`, or of `POST api/generate`, which has a prompt instead of messages."""
        body = the_object(body)
        chat = "messages" in body or ("prompt" not in body and not self.generate)
        request, rest = parse_chat(body) if chat else parse_generate(body)
        format = replace(self, generate=not chat)
        return Incoming(request, flag(body, "stream", True), format, rest, loads=not request.messages)

    def render_response(self, response: ChatResponse, model: str | None = None) -> dict[str, Any]:
        """One object with all of the answer. Of several answers it holds the first."""
        calls = [self.call(call) for call in response.tool_calls]
        said = self.said(response.text or response.refusal or "", response.reasoning or "", calls)
        return {**self.line(response.model or model, response.created, said), **ending(response)}

    def render_loaded(self, model: str, *, unloaded: bool = False) -> dict[str, Any]:
        """The answer to a request without a prompt."""
        line = self.line(model, None, self.said(""))
        return {**line, "done": True, "done_reason": "unload" if unloaded else "load"}

    def render_error(self, error: LlmConnectorError) -> tuple[dict[str, Any], int]:
        """`{"error": "…"}`."""
        message = error.message
        if isinstance(error, ModelNotFoundError) and "not found" not in message:
            message = f"model not found: {message}"  # readers have nothing but these words to tell it by
        if isinstance(error, ContextLengthError) and "context length" not in message:
            message = f"the input exceeds the context length: {message}"
        return {"error": message}, status_of(error)

    def encoder(
        self, model: str | None = None, *, assembly: Assembly | None = None, clock: Callable[[], float] = time.time
    ) -> LineEncoder:
        """The writer of one stream of lines."""
        return LineEncoder(self, model, clock)

    def call(self, call: ToolCall) -> dict[str, Any]:
        """A call; its arguments are an object."""
        function = {"name": call.name, "arguments": call.arguments}
        return {**(call.extra or {}), "id": call.id, "function": function} if self.ids else {"function": function}

    def line(self, model: str | None, moment: float | None, said: dict[str, Any]) -> dict[str, Any]:
        """One object of a stream."""
        return {"model": model or "", "created_at": timestamp(moment), **said, "done": False}

    def said(self, text: str, thought: str = "", calls: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
        """What is said, where this kind of answer has it. There is a text always, be it an empty one."""
        said: dict[str, Any] = {"response": text} if self.generate else {"role": "assistant", "content": text}
        if thought:
            said["thinking"] = thought
        if calls:
            said["tool_calls"] = calls
        return said if self.generate else {"message": said}


FORMAT = Ollama()


class LineEncoder(Encoder):
    """Writes the lines of one stream. It writes the first answer only; a call when it is whole, as the server does."""

    def __init__(self, format: Ollama, model: str | None, clock: Callable[[], float]) -> None:
        super().__init__(format, model, clock=clock)
        self._format = format
        self._first: float | None = None

    def write(self, chunk: ChatChunk) -> Iterable[Output]:
        """A line per delta."""
        if chunk.choice:
            return ()
        if chunk.text:
            return (self._line(chunk.text),)
        if chunk.reasoning:
            return (self._line("", chunk.reasoning),)
        if chunk.tool_call is not None:
            return (self._line("", "", [self._format.call(chunk.tool_call)]),)
        return ()

    def finish(self, response: ChatResponse) -> Iterable[Output]:
        """The last line: why it ended, counts and durations. A refusal that came without text becomes the text."""
        refused = (self._line(response.refusal),) if response.refusal and not response.text else ()
        name, line = self._line("")
        return (*refused, (name, {**line, **ending(response), **self._durations(response)}))

    def idle(self) -> Iterable[Output]:
        """A line without text: readers of these lines cannot read an empty one."""
        return (("", self._format.line(self.model, self.clock(), self._format.said(""))),)

    def whole(self, response: ChatResponse) -> dict[str, Any]:
        """The answer as one object, with the time that it took."""
        return {**self._format.render_response(response, self.model), **self._durations(response)}

    def _line(self, text: str, thought: str = "", calls: Iterable[dict[str, Any]] = ()) -> Output:
        now = self.clock()
        if self._first is None:
            self._first = now
        return "", self._format.line(self.model, now, self._format.said(text, thought, calls))

    def _durations(self, response: ChatResponse) -> dict[str, int]:
        """Nanoseconds: the server's own where it is an Ollama, else from the request to the first line and to the end.

        https://docs.ollama.com/api/usage (checked 2026-11)
        """
        now = self.clock()
        first = now if self._first is None else self._first
        measured = {
            "total_duration": now - self.begun,
            "load_duration": 0.0,
            "prompt_eval_duration": first - self.begun,
            "eval_duration": now - first,
        }
        measured = {name: int(max(seconds, 0.0) * 1e9) for name, seconds in measured.items()}
        return {**measured, **_durations_said(response)}


def ending(response: ChatResponse) -> dict[str, Any]:
    """What the last line says; a request to run tools is a plain stop here."""
    reason = response.finish_reason or "stop"
    end: dict[str, Any] = {"done": True, "done_reason": "stop" if reason in ("tool_calls", "pause") else reason}
    end |= _durations_said(response)
    if response.usage.input_tokens is not None:
        end["prompt_eval_count"] = response.usage.input_tokens
    if response.usage.output_tokens is not None:
        end["eval_count"] = response.usage.output_tokens
    tokens = response.logprobs.get("content") if isinstance(response.logprobs, dict) else None
    if tokens:
        end["logprobs"] = tokens
    return end


def timestamp(moment: float | None) -> str:
    """A moment as the server writes it; now, if it is not known."""
    when = datetime.now(UTC) if moment is None else datetime.fromtimestamp(moment, UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S.%f}Z"


_DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")


def _durations_said(response: ChatResponse) -> dict[str, Any]:
    known = ((name, response.extra.get(name)) for name in _DURATIONS)
    return {name: value for name, value in known if type(value) is int}
