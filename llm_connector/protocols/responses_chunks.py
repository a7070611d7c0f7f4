"""Reads answers of the Responses wire format, whole and streamed, from OpenAI and its imitators.

https://platform.openai.com/docs/api-reference/responses-streaming (checked 2026-11)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from llm_connector.errors import ParseError, excerpt
from llm_connector.protocols.base import ChunkParser, ErrorEvent
from llm_connector.protocols.completion_chunks import completion_usage
from llm_connector.protocols.responses_items import OutputItems
from llm_connector.types import ChatChunk, ChatRequest, ChatResponse, Usage
from llm_connector.wire import Json

__all__ = ["ResponsesParser", "responses_usage"]

_NOT_EXTRA = frozenset(
    {
        *("id", "object", "created_at", "status", "error", "model", "output", "output_text", "usage"),
        # what the request said, sent back
        *("background", "frequency_penalty", "include", "instructions", "max_output_tokens", "max_tool_calls"),
        *("parallel_tool_calls", "presence_penalty", "previous_response_id", "prompt", "prompt_cache_key"),
        *("prompt_cache_retention", "reasoning", "safety_identifier", "store", "temperature", "text", "tool_choice"),
        *("tools", "top_logprobs", "top_p", "truncation", "user"),
    }
)
_UNSAID: Mapping[str, str] = {"message": "the server says that it failed, and not why"}


def responses_usage(usage: Mapping[str, Any]) -> Usage:
    """Token counts; the details may be missing, and some imitators use the names of Chat Completions."""
    given, spent = usage.get("input_tokens_details"), usage.get("output_tokens_details")
    details = {"prompt_tokens_details": given, "completion_tokens_details": spent}
    known = {name: value for name, value in details.items() if isinstance(value, Mapping)}
    return completion_usage({**usage, **known}).model_copy(update={"details": dict(usage)})


class ResponsesParser(ChunkParser):
    """One Responses answer. Unknown events are ignored; what ends an item wins over the pieces before it."""

    end_marker = b"[DONE]"

    def __init__(self, request: ChatRequest | None = None) -> None:
        super().__init__(request)
        self._choice = self.assembly.choices[0]
        self._items = OutputItems(self.assembly, request)
        self._response: dict[str, Any] = {}
        self._audio: dict[str, list[str]] = {}
        self._whole = False
        self._ended = False

    def read(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """The chunks of one decoded event."""
        kind = body.get("type")
        if kind == "response.output_text.delta":
            return self._items.add_text(body)
        reader = _READERS.get(kind) if isinstance(kind, str) else None
        return reader(self, body) if reader is not None else ()

    def read_whole(self, body: Json) -> Iterable[ChatChunk]:
        """The chunks of a whole answer. Raises ErrorEvent if it is an error, ParseError if it has no output."""
        if not isinstance(body, dict) or body.get("error"):
            raise ErrorEvent(body)
        status, output = body.get("status"), body.get("output")
        if status == "failed":
            raise ErrorEvent({"error": dict(_UNSAID)})
        unanswered = output is None and body.get("object") == "response"  # queued, or a sloppy imitator
        if not (isinstance(output, list) or isinstance(body.get("output_text"), str) or unanswered):
            if any(key in body for key in ("message", "detail", "code", "msg")):
                raise ErrorEvent(body)
            raise ParseError(f"the answer has no output; it has the keys {sorted(body)}", body=excerpt(str(body)))
        self.raw.update(body)
        self._whole = self.done = True
        return self._finish(body, status if isinstance(status, str) else "completed")

    def _begin(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """What a lifecycle event says about the answer."""
        response = body.get("response")
        if not isinstance(response, dict):
            return ()
        self._response.update(response)
        head = self.assembly.head(response.get("id"), response.get("model"))
        return () if head is None else (head,)

    def _end(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        response = body.get("response")
        response = response if isinstance(response, dict) else {}
        event = str(body["type"]).removeprefix("response.")
        status = response.get("status")
        if response.get("error") or status == "failed":
            return self._fail_with(body)
        self.done = True
        if status not in ("incomplete", "cancelled"):  # `done` of some imitators is the event of every end
            status = "completed" if event == "done" else event
        return self._finish(response, status)

    def _fail_with(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """The error of a failed answer; it counts although it may not say anything."""
        self._begin(body)
        response = body.get("response")
        error = response.get("error") if isinstance(response, dict) else body
        said = isinstance(error, dict) and (error.get("message") or error.get("code"))
        raise ErrorEvent({"error": error if said else dict(_UNSAID)})

    def _finish(self, response: dict[str, Any], status: str) -> list[ChatChunk]:
        """Take the end of an answer: its items, in case pieces were lost, and why it ended."""
        chunks = [*self._begin({"response": response})]
        output = response.get("output")
        if not output and isinstance(response.get("output_text"), str) and not self._items.begun:
            output = [{"type": "message", "content": response["output_text"]}]
        chunks += self._items.complete(output if isinstance(output, list) else ())
        details = response.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        self._choice.raw_reason = f"{status}:{reason}" if status == "incomplete" and reason else status
        self._ended = True
        return chunks

    def _hear(self, body: dict[str, Any]) -> Iterable[ChatChunk]:
        """Spoken answers: the transcript is text, the sound stays in `extra["audio"]`."""
        delta = body.get("delta")
        if not isinstance(delta, str):
            return ()
        key = "transcript" if "transcript" in body["type"] else "data"
        self._audio.setdefault(key, []).append(delta)
        return self._items.add_text(body) if key == "transcript" else ()

    def ended(self) -> bool:
        """One of the lifecycle events that end an answer. `[DONE]` alone is none: relays add it to broken streams."""
        return self._ended

    def response(self, *, interrupted: bool = False) -> ChatResponse:
        """The answer so far."""
        response = self._response
        usage, created = response.get("usage"), response.get("created_at")
        if isinstance(usage, dict) and usage:
            self.assembly.usage = responses_usage(usage)
        self._items.tell(self._choice)
        extra: dict[str, Any] = {
            key: value for key, value in response.items() if key not in _NOT_EXTRA and value not in (None, [], {})
        }
        if self._audio:
            extra["audio"] = {key: "".join(pieces) for key, pieces in self._audio.items()}
        return self.assembly.respond(
            interrupted=interrupted,
            created=int(created) if isinstance(created, int | float) and created else None,
            citations=self._choice.citations(),
            extra=extra,
            raw=self.raw if self._whole else dict(response),
        )


_Reader: TypeAlias = Callable[[ResponsesParser, dict[str, Any]], Iterable[ChatChunk]]


def _item(method: Callable[[OutputItems, dict[str, Any]], Iterable[ChatChunk]]) -> _Reader:
    return lambda parser, body: method(parser._items, body)


_READERS: Mapping[str, _Reader] = {
    "response.created": ResponsesParser._begin,
    "response.queued": ResponsesParser._begin,
    "response.in_progress": ResponsesParser._begin,
    "response.completed": ResponsesParser._end,
    "response.incomplete": ResponsesParser._end,
    "response.cancelled": ResponsesParser._end,
    "response.done": ResponsesParser._end,
    "response.failed": ResponsesParser._fail_with,
    "error": ResponsesParser._fail_with,
    "response.error": ResponsesParser._fail_with,
    "response.output_item.added": _item(OutputItems.begin),
    "response.output_item.done": _item(OutputItems.end),
    "response.content_part.done": _item(OutputItems.end_part),
    "response.output_text.done": _item(OutputItems.end_part),
    "response.output_text.annotation.added": _item(OutputItems.annotate),
    "response.refusal.delta": _item(OutputItems.refuse),
    "response.refusal.done": _item(OutputItems.end_part),
    "response.reasoning_summary_text.delta": _item(OutputItems.think),
    "response.reasoning_summary_text.done": _item(OutputItems.end_thought),
    "response.reasoning_summary_part.done": _item(OutputItems.end_thought),
    "response.reasoning_text.delta": _item(OutputItems.think),
    "response.reasoning_text.done": _item(OutputItems.end_thought),
    "response.function_call_arguments.delta": _item(OutputItems.call),
    "response.function_call_arguments.done": _item(OutputItems.end_call),
    "response.custom_tool_call_input.delta": _item(OutputItems.call),
    "response.custom_tool_call_input.done": _item(OutputItems.end_call),
    "response.audio.delta": ResponsesParser._hear,
    "response.audio.transcript.delta": ResponsesParser._hear,
}
"""What is not here says nothing that the end of its item does not say."""
